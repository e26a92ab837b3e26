package resourceserver

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// verifyLocal checks a token of an authorization server in this process: the same rules
// as for any JWT, with its keys at hand and its revocations known.
func (is *issuer) verifyLocal(ctx context.Context, jws *jose.JWS, claims *jose.Claims, now time.Time) (*entry, outcome) {
	if !is.allows(jws.Header.Algorithm) {
		return nil, outcome{why: BadAlgorithm, issuer: is.index}
	}
	epoch := is.config.Local.Epoch() // before keys and Revoked, see Local
	keys, err := is.config.Local.Keys(ctx, jws.Header.KeyID)
	if err != nil {
		return nil, outcome{why: LocalUnavailable, issuer: is.index, cause: err}
	}
	key := keys.Find(&jws.Header)
	if key == nil {
		return nil, outcome{why: UnknownKey, issuer: is.index}
	}
	if err := jws.Verify(key); err != nil {
		return nil, outcome{why: problemReason(err), issuer: is.index, cause: err}
	}
	if why := is.checkClaims(claims, now); why != Allowed {
		return nil, outcome{why: why, issuer: is.index}
	}
	if o := is.checkRevoked(claims); o.why != Allowed {
		return nil, o
	}
	e := newEntry(Token{Claims: claims, issuer: is}, now)
	e.kid = key.ID
	e.epoch.Store(epoch)
	return e, outcome{issuer: is.index}
}

func (is *issuer) checkRevoked(c *jose.Claims) outcome {
	revoked, err := is.config.Local.Revoked(c)
	switch {
	case err != nil:
		return outcome{why: LocalUnavailable, issuer: is.index, cause: err}
	case revoked:
		return outcome{why: Revoked, issuer: is.index}
	}
	return outcome{issuer: is.index}
}

// recheckLocal judges a remembered result after something was revoked, and
// marks it as good for the epoch that was read before. It is not settled when
// the key that verified it is gone.
func (v *Verifier) recheckLocal(ctx context.Context, raw string, e *entry, epoch uint64) (*Token, outcome, bool) {
	is := e.token.issuer
	keys, err := is.config.Local.Keys(ctx, e.kid)
	if err != nil {
		return nil, outcome{why: LocalUnavailable, issuer: is.index, cause: err}, true
	}
	if !keys.HasID(e.kid) {
		return nil, outcome{}, false
	}
	o := is.checkRevoked(e.token.Claims)
	switch {
	case o.why == Allowed:
		e.epoch.Store(epoch)
		return &e.token, o, true
	case o.why == Revoked:
		e.dead.Store(true)
		v.good.Drop(raw)
		v.rememberRefusal(raw, o, v.config.Now())
	}
	return nil, o, true
}
