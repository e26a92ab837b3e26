package resourceserver

import (
	"context"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// verifyJWT checks signature and claims of a JWT that names this issuer.
func (is *issuer) verifyJWT(ctx context.Context, jws *jose.JWS, claims *jose.Claims, now time.Time) (*entry, outcome) {
	if !is.allows(jws.Header.Algorithm) {
		return nil, outcome{why: BadAlgorithm, issuer: is.index}
	}
	key, generation, o := is.key(ctx, &jws.Header)
	if o.why != Allowed {
		return nil, o
	}
	if err := jws.Verify(key); err != nil {
		return nil, outcome{why: problemReason(err), issuer: is.index, cause: err}
	}
	if why := is.checkClaims(claims, now); why != Allowed {
		return nil, outcome{why: why, issuer: is.index}
	}
	e := newEntry(Token{Claims: claims, issuer: is}, now)
	e.keys = generation
	return e, outcome{issuer: is.index}
}

// allows reports whether the issuer's allow-list has alg (RFC 8725 §3.1).
func (is *issuer) allows(alg string) bool { return slices.Contains(is.config.Algorithms, alg) }

// key finds the key for a header, and the number of the key set it is from: a
// result is only as good as that set.
func (is *issuer) key(ctx context.Context, h *jose.Header) (key *jose.Key, generation uint64, o outcome) {
	if is.source == nil {
		key = is.static.Find(h)
	} else {
		var err error
		if key, generation, err = is.source.Lookup(ctx, h); err != nil {
			return nil, 0, outcome{why: KeysUnavailable, issuer: is.index, cause: err}
		}
	}
	if key == nil {
		return nil, 0, outcome{why: UnknownKey, issuer: is.index}
	}
	return key, generation, outcome{issuer: is.index}
}

// checkClaims judges the claims of a JWT whose signature is good.
func (is *issuer) checkClaims(c *jose.Claims, now time.Time) Reason {
	if c.Expiry.IsZero() {
		return BadClaims // RFC 9068 §2.2
	}
	if why := is.checkTimes(c, now); why != Allowed {
		return why
	}
	if why := is.checkLifetime(c); why != Allowed {
		return why
	}
	if why := is.checkAudience(c); why != Allowed {
		return why
	}
	return is.checkIdentity(c)
}
