package resourceserver

import (
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Token is a verified access token, shared by every request that carries it:
// read only.
type Token struct {
	Claims *jose.Claims // for an introspected token: the answer's members
	issuer *issuer
	bound  Confirmation
	entry  *entry // that this is a part of
}

// Issuer is the configured issuer that vouches for the token.
func (t *Token) Issuer() string {
	if t.issuer == nil {
		return ""
	}
	return t.issuer.config.Issuer
}

// Expiry is when the token ends: its exp. It is zero for an introspected token whose answer
// had none; such a token is asked about again after the answer's time to live.
func (t *Token) Expiry() time.Time { return t.Claims.Expiry }

// Confirmation is what the token is bound to. Whoever got it from Authorize knows that the request proved possession of all of it.
func (t *Token) Confirmation() Confirmation { return t.bound }

// client is who got the token (RFC 9068 §2.2; OIDC Core §2: azp), or else whom it speaks for.
func (t *Token) client() dpop.Client {
	c := dpop.Client{Realm: t.Issuer(), ID: t.Claims.ClientID}
	if c.ID == "" {
		c.ID, _ = t.Claims.Text("azp")
	}
	if c.ID == "" {
		c.ID = t.Claims.Subject
	}
	return c
}

// index is the issuer's number, -1 for a token that no verifier made.
func (t *Token) index() int {
	if t.issuer == nil {
		return -1
	}
	return t.issuer.index
}

// skew is how far the clock of the token's issuer may be off.
func (t *Token) skew() time.Duration {
	if t.issuer == nil {
		return 0
	}
	return t.issuer.config.ClockSkew
}
