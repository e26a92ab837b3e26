package resourceserver

import (
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// checkTimes judges exp, nbf and iat (RFC 7519 §4.1.4-6) with the issuer's
// clock skew. Absent ones pass; who needs one asks for it.
func (is *issuer) checkTimes(c *jose.Claims, now time.Time) Reason {
	skew := is.config.ClockSkew
	if !c.Expiry.IsZero() && !now.Before(c.Expiry.Add(skew)) {
		return Expired
	}
	if c.NotBefore.After(now.Add(skew)) || c.IssuedAt.After(now.Add(skew)) {
		return NotYetValid
	}
	return Allowed
}

// checkLifetime holds exp-iat to MaxLifetime; a token that lacks one of them has no known lifetime.
func (is *issuer) checkLifetime(c *jose.Claims) Reason {
	limit := is.config.MaxLifetime
	if limit > 0 && (c.Expiry.IsZero() || c.IssuedAt.IsZero() || c.Expiry.Sub(c.IssuedAt) > limit) {
		return BadClaims
	}
	return Allowed
}

// checkAudience compares aud byte for byte; an absent one matches nothing.
func (is *issuer) checkAudience(c *jose.Claims) Reason {
	if is.config.AnyAudience || intersects(is.config.Audience, c.Audience) {
		return Allowed
	}
	return WrongAudience
}

// checkIdentity judges the subject, and what the token is bound to. Whether possession of that is proved is judged for each request.
func (is *issuer) checkIdentity(c *jose.Claims) Reason {
	if _, ok := readConfirmation(c); !ok {
		return BadClaims
	}
	if !c.Has("sub") && !is.config.RequireSubject {
		return Allowed
	}
	if strings.TrimSpace(c.Subject) == "" {
		return BadClaims
	}
	return Allowed
}

// checkType keeps other kinds of JWT of the same issuer out (RFC 8725 §3.11,
// RFC 9068 §4). at+jwt says what it is; "JWT" and an absent typ say nothing,
// and then the claims must not have the shape of anything else.
//
// Diverges: RFC 9068 §4 accepts at+jwt alone, which most issuers do not write yet.
func checkType(h *jose.Header, c *jose.Claims) Reason {
	if h.TypeIs("at+jwt") {
		return Allowed
	}
	if h.Type != "" && !h.TypeIs("JWT") {
		return BadType
	}
	if otherKind(c) {
		return BadType
	}
	return Allowed
}

// foreignClaims appear in no access token.
var foreignClaims = []string{
	"at_hash", "c_hash", "s_hash", // ID token (OpenID Connect Core §3.1.3.6, §3.3.2.11)
	"events", "toe", // logout token, security event (OpenID Connect Back-Channel Logout §2.4, RFC 8417 §2.2)
	"htm", "htu", // DPoP proof (RFC 9449 §4.2)
	"token_introspection",           // introspection answer (RFC 9701 §5)
	"response_type", "redirect_uri", // request object (RFC 9101 §4)
}

func otherKind(c *jose.Claims) bool {
	// A client speaking for itself (RFC 7523 §3).
	if c.Issuer == c.Subject {
		return true
	}
	if slices.ContainsFunc(foreignClaims, c.Has) {
		return true
	}
	says, isAccess := declaredKind(c)
	if says && !isAccess {
		return true
	}
	// An ID token has the nonce of its request. Some issuers put it into access
	// tokens as well, and those say in a claim of their own what they are.
	return c.Has("nonce") && !isAccess
}

// declaredKind reads the claims in which issuers without at+jwt name the kind of
// their tokens: typ (Keycloak), tokenName (PingAM), token_use (Cognito, Hydra).
func declaredKind(c *jose.Claims) (says, isAccess bool) {
	isAccess = true
	for _, kind := range []struct {
		claim  string
		values []string
	}{
		{"typ", []string{"Bearer", "JWT", "at+jwt"}},
		{"tokenName", []string{"access_token"}},
		{"token_use", []string{"access", "access_token"}},
	} {
		if !c.Has(kind.claim) {
			continue
		}
		says = true
		s, _ := c.Text(kind.claim)
		isAccess = isAccess && slices.Contains(kind.values, s)
	}
	return says, says && isAccess
}
