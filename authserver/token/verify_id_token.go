package token

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ActiveIDToken is an ID token of ours whose signature and times were good.
type ActiveIDToken struct {
	Client, Subject, Session string
	ExpiresAt                time.Time
	// Introspection is the whole answer of RFC 7662 §2.2. Its token_type keeps
	// resources from taking the token for an access token.
	Introspection []byte

	claims *jose.Claims
}

// VerifyIDToken reads an ID token and reports whether it works in env:
// ErrInactive, or temporarily_unavailable when that cannot be told. Whether the
// session still lives is for the caller to ask; that it was not revoked is
// known here.
func (v *Verifier) VerifyIDToken(ctx context.Context, env *store.Environment, raw string) (*ActiveIDToken, error) {
	_, jws, c, err := v.open(ctx, env, raw)
	if err != nil {
		return nil, err
	}
	switch {
	case !isIDToken(&jws.Header, c):
		return nil, inactive("not an ID token")
	case !speaksFor(env, c.Issuer):
		return nil, inactive("of another issuer")
	case !v.Now().Before(c.Expiry):
		return nil, inactive("expired")
	}
	t := &ActiveIDToken{Client: c.Audience[0], Subject: SubjectOf(c), ExpiresAt: c.Expiry, claims: c}
	t.Session, _ = c.Text("sid")
	if err := v.Revocations.Wait(ctx); err != nil {
		return nil, unavailable(err)
	}
	h := Holder{Session: t.Session, Client: t.Client, Subject: t.Subject, IssuedAt: c.IssuedAt}
	switch revoked, err := v.Revocations.Revoked(env.ID, h); {
	case err != nil:
		return nil, unavailable(err)
	case revoked:
		return nil, inactive("revoked")
	}
	t.Introspection = idAnswer(c)
	return t, nil
}

// isIDToken tells ID tokens from what else the environment's keys sign: access
// tokens have a client_id and a jti, logout tokens have events and no sign-on, signed
// UserInfo answers have no times.
func isIDToken(h *jose.Header, c *jose.Claims) bool {
	return (h.Type == "" || h.TypeIs(typeIDToken)) && len(c.Audience) == 1 && c.Subject != "" &&
		!c.Expiry.IsZero() && !c.IssuedAt.IsZero() && c.Has("auth_time") &&
		c.ClientID == "" && !c.Has("scope") && !c.Has("events")
}

func idAnswer(c *jose.Claims) []byte {
	b := append(make([]byte, 0, 512), `{"active":true`...)
	b = member(b, "client_id", c.Audience[0])
	b = member(b, "token_type", "id_token")
	b = member(b, "iss", c.Issuer)
	b = member(b, "sub", c.Subject)
	b = member(b, "aud", c.Audience[0])
	b = seconds(b, "iat", c.IssuedAt)
	b = seconds(b, "exp", c.Expiry)
	b = answerSignedOn(b, c)
	if sid, ok := c.Text("sid"); ok {
		b = member(b, "sid", sid)
	}
	return append(b, '}')
}
