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
	e, o := is.acceptLocal(claims, epoch, now)
	if e != nil {
		e.kid = key.ID
	}
	return e, o
}

// verifyOpaque asks the authorization servers in this process about a token that is no JWT. It is not
// settled when none of them knows it. Each is believed about tokens of its own name alone: an
// environment has tokens of several issuers, and one that names an issuer which is not
// configured here is refused like a JWT that does.
func (v *Verifier) verifyOpaque(ctx context.Context, raw string, now time.Time) (_ *entry, _ outcome, settled bool) {
	ours := false
	for _, is := range v.locals {
		epoch := is.config.Local.Epoch() // before Opaque and Revoked, see Local
		claims, err := is.config.Local.Opaque(ctx, raw)
		switch {
		case err != nil:
			return nil, outcome{why: LocalUnavailable, issuer: is.index, cause: err}, true
		case claims == nil:
			continue
		case !claims.Has("iss") || claims.Issuer != is.config.Issuer:
			ours = true
			continue
		}
		e, o := is.acceptLocal(claims, epoch, now)
		if e != nil {
			e.opaque = true
		}
		return e, o, true
	}
	return nil, outcome{why: UnknownIssuer, issuer: -1}, ours
}

// acceptLocal judges the claims of a token that is known to be the issuer's own. epoch was read before it was known.
func (is *issuer) acceptLocal(claims *jose.Claims, epoch uint64, now time.Time) (*entry, outcome) {
	if why := is.checkClaims(claims, now); why != Allowed {
		return nil, outcome{why: why, issuer: is.index}
	}
	if o := is.checkRevoked(claims); o.why != Allowed {
		return nil, o
	}
	e := newEntry(Token{Claims: claims, issuer: is}, now)
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
// the key that verified it is gone; an opaque one needed none.
func (v *Verifier) recheckLocal(ctx context.Context, raw string, e *entry, epoch uint64) (*Token, outcome, bool) {
	is := e.token.issuer
	if !e.opaque {
		keys, err := is.config.Local.Keys(ctx, e.kid)
		if err != nil {
			return nil, outcome{why: LocalUnavailable, issuer: is.index, cause: err}, true
		}
		if !keys.HasID(e.kid) {
			return nil, outcome{}, false
		}
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
