package directory

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// useEvery is how often the use of one secret is written down.
	useEvery = time.Minute
	// maxSecretUses bounds the uses that wait to be written down, and the secrets that are remembered. What does not
	// fit is left out: the next use will do.
	maxSecretUses = 1024
)

// SecretUses writes down when secrets are used that others have replaced, so that
// their owners see when nobody needs them any more. It makes nobody wait. Safe for
// concurrent use.
type SecretUses struct {
	objects store.Objects
	now     func() time.Time
	log     *slog.Logger
	waiting chan secretUse

	mu   sync.Mutex
	last map[secretUse]time.Time
}

type secretUse struct{ environment, id string }

// NewSecretUses makes one; nothing is written down before Run.
func NewSecretUses(objects store.Objects, now func() time.Time, log *slog.Logger) *SecretUses {
	return &SecretUses{
		objects: objects, now: now, log: log, waiting: make(chan secretUse, maxSecretUses), last: map[secretUse]time.Time{},
	}
}

// Used notes that the previous secret of an application or resource was used now.
func (u *SecretUses) Used(environment, id string) {
	use, now := secretUse{environment, id}, u.now()
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, ok := u.last[use]; ok && now.Sub(last) < useEvery {
		return
	}
	if len(u.last) >= maxSecretUses {
		for other, last := range u.last {
			if now.Sub(last) >= useEvery {
				delete(u.last, other)
			}
		}
		if len(u.last) >= maxSecretUses {
			return
		}
	}
	select {
	case u.waiting <- use:
		u.last[use] = now
	default:
	}
}

// Run writes them down until ctx ends.
func (u *SecretUses) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case use := <-u.waiting:
			err := u.objects.TouchObject(ctx, use.environment, store.KindSecret, use.id, u.now().UTC())
			if err != nil && ctx.Err() == nil {
				u.log.LogAttrs(ctx, slog.LevelWarn, "the use of a replaced secret cannot be written down",
					slog.String("environment", use.environment), slog.String("id", use.id), slog.String("error", err.Error()))
			}
		}
	}
}
