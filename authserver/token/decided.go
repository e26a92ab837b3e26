package token

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// errChanged is of a token that was decided on what has changed since.
var errChanged = errors.New("the client or what it may ask for was changed meanwhile")

// asDecided is asked when the token is stored, and refuses it if what it was
// decided on has changed since. Whoever changes a client changes it first and revokes its
// tokens with the same commit: a token of the same second or before has ended with that, and one of a
// later second is seen here. What is declared is the same pointer for as long as it is declared, and
// what is stored for as long as nothing in the environment changes.
func (m *Minter) asDecided(ctx context.Context, env *store.Environment, a *Access) error {
	if a.For == nil {
		return errors.New("token: Access.For is missing")
	}
	fresh, err := m.Directory.ClientByID(ctx, env.ID, a.For.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return unavailable(errChanged)
	case err != nil:
		return unavailable(fmt.Errorf("find client: %w", err))
	case fresh == a.For:
		return nil
	case !reflect.DeepEqual(fresh, a.For):
		return unavailable(errChanged)
	}
	return m.sameAudience(ctx, env, a)
}

// sameAudience reports whether each audience of the token is still that of a
// resource that the client has scopes of.
func (m *Minter) sameAudience(ctx context.Context, env *store.Environment, a *Access) error {
	named := []string{env.APIAudience}
	for id := range a.For.Grants {
		r, err := m.Directory.ResourceByID(ctx, env.ID, id)
		if err == nil {
			named = append(named, r.Audience)
		} else if !errors.Is(err, store.ErrNotFound) {
			return unavailable(fmt.Errorf("find resource: %w", err))
		}
	}
	for _, audience := range a.Audience {
		if !slices.Contains(named, audience) {
			return unavailable(errChanged)
		}
	}
	return nil
}

// notBefore waits, a second at most, until a token can be made that a revocation
// of this very second does not end: tokens are dated in whole seconds. So whoever changes an
// application and then gets a token for it gets one that is good.
func (m *Minter) notBefore(ctx context.Context, env *store.Environment, a *Access) error {
	if m.Set == nil {
		return nil
	}
	now := m.Now()
	if !m.Set.at(env.ID, a, now.Unix()) {
		return nil
	}
	timer := time.NewTimer(now.Truncate(time.Second).Add(time.Second).Sub(now))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return oauth.TemporarilyUnavailable(ctx.Err())
	case <-timer.C:
		return nil
	}
}

// at reports whether the client, the person or an audience was revoked in this
// second, and not beyond it: sessions and grants that have ended do not come back.
func (s *Revocations) at(env string, a *Access, second int64) bool {
	for _, by := range [...]struct {
		kind  store.RevocationKind
		value string
	}{{store.RevokedClient, a.Client}, {store.RevokedSubject, a.Subject}} {
		if found, ok := s.find(env, by.kind, by.value); ok && found.at == second {
			return true
		}
	}
	if !s.audiences.Load() {
		return false
	}
	return slices.ContainsFunc(a.Audience, func(aud string) bool {
		found, ok := s.find(env, store.RevokedAudience, aud)
		return ok && found.at == second
	})
}
