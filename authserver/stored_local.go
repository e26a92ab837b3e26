package authserver

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// StoredLocal gives the gate's view of an environment that the management API
// makes, perhaps later than the gate: direct calls, no HTTP. issuer is what its tokens must come from; while there
// is no such environment, no token is good. ok is false for an issuer elsewhere: that of an environment here differs
// from a declared one's in the ID alone.
func (s *State) StoredLocal(declared []*store.Environment, issuer string) (_ resourceserver.Local, ok bool) {
	for _, e := range declared {
		base, below := strings.CutSuffix(e.Issuer, "/"+e.ID+"/as")
		rest, found := strings.CutPrefix(issuer, base+"/")
		id, of := strings.CutSuffix(rest, "/as")
		if below && found && of && secret.IsID(id) {
			return &storedLocal{state: s, id: id, issuer: issuer}, true
		}
	}
	return nil, false
}

// storedLocal is safe for concurrent use.
type storedLocal struct {
	state      *State
	id, issuer string
	found      atomic.Pointer[token.Local] // nil while the environment was not there
}

// nothing verifies no signature.
var nothing = jose.NewKeySet()

// Keys is the current set of published keys, which is empty for an environment that is not there.
func (l *storedLocal) Keys(ctx context.Context, kid string) (*jose.KeySet, error) {
	local := l.found.Load()
	if local == nil {
		env, err := directory.StoredEnvironment(ctx, l.state.config.Store, l.id)
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && env.Issuer != l.issuer:
			return nothing, nil
		case err != nil:
			return nil, err
		}
		local = &token.Local{Environment: env, Rings: l.state.rings, Set: l.state.revocations, Store: l.state.config.Store}
		l.found.Store(local)
	}
	keys, err := local.Keys(ctx, kid)
	if errors.Is(err, store.ErrNotFound) {
		l.found.Store(nil)
		return nothing, nil
	}
	return keys, err
}

// Opaque gives the claims of an opaque token of the environment: nil, nil while that is not there.
func (l *storedLocal) Opaque(ctx context.Context, raw string) (*jose.Claims, error) {
	if !token.IsOpaque(raw) {
		return nil, nil // the store has better things to do
	}
	if _, err := l.Keys(ctx, ""); err != nil { // which notices that the environment was deleted
		return nil, err
	}
	local := l.found.Load()
	if local == nil {
		return nil, nil
	}
	return local.Opaque(ctx, raw)
}

// Epoch changes whenever any token may have been revoked.
func (l *storedLocal) Epoch() uint64 { return l.state.revocations.Epoch() }

// Revoked reports whether the token with these claims has been revoked.
func (l *storedLocal) Revoked(c *jose.Claims) (bool, error) {
	local := l.found.Load()
	if local == nil {
		return true, nil // its environment was deleted since its keys were had
	}
	return local.Revoked(c)
}

// Phantom is a JWT with these claims, signed with the environment's key.
func (l *storedLocal) Phantom(ctx context.Context, c *jose.Claims) (string, error) {
	local := l.found.Load()
	if local == nil {
		return "", store.ErrNotFound
	}
	return local.Phantom(ctx, c)
}
