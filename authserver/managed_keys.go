package authserver

import (
	"context"
	"strconv"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// keysNews is how long the news of a changed key ring is kept: nodes read every ring
// that they use more often than that.
const keysNews = 10 * time.Minute

// policies are the rotations that an environment has beside its own. Key rings outlive configurations, so
// that they are read from the store.
func (s *State) policies(ctx context.Context, env *store.Environment) ([]keys.Policy, error) {
	if env.Stored {
		// Nobody makes keys for an environment that is gone.
		if _, err := directory.StoredEnvironment(ctx, s.config.Store, env.ID); err != nil {
			return nil, err
		}
	}
	stored, err := directory.StoredKeyRotationPolicies(ctx, s.config.Store, env.ID)
	if err != nil {
		return nil, err
	}
	all := make([]keys.Policy, 0, len(stored))
	for id, p := range stored {
		all = append(all, keys.Policy{ID: id, KeyLength: int(p.KeyLength), DN: p.DN, Period: p.Period(), Validity: p.Validity()})
	}
	return all, nil
}

// keysChanged tells every node that a key ring is to be read again.
func (s *State) keysChanged(ctx context.Context, environment string, version int64) error {
	s.rings.Stale(environment)
	now := s.config.Now().UTC().Truncate(time.Second)
	return s.config.Store.PutRevocation(ctx, store.Revocation{
		Environment: environment, Kind: store.ChangedKeys, Value: strconv.FormatInt(version, 10), At: now, ExpiresAt: now.Add(keysNews),
	})
}

// watcher takes what the feed of revocations brings.
func (s *State) watcher() store.RevocationWatcher {
	w := s.revocations.Watcher()
	revoked := w.Deliver
	w.Deliver = func(r store.Revocation) {
		if r.Kind == store.ChangedKeys {
			s.rings.Stale(r.Environment)
		}
		// What gates remember of a token whose key is withdrawn is out of date too: that needs another epoch.
		revoked(r)
	}
	return w
}
