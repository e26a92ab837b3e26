package authorize

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// ownIDTokenHint reads who an id_token_hint is about: an ID token that this
// environment made for this client, by a key that signs or has signed. That it
// has expired is no matter (OIDC Core §3.1.2.1).
func ownIDTokenHint(ctx context.Context, d *draft) error {
	raw := d.form.Get("id_token_hint")
	if raw == "" {
		return nil
	}
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		return badHint(err)
	}
	if h := &jws.Header; h.Type != "" && !h.TypeIs("JWT") {
		return badHint(nil) // an access token, a logout token: something else of ours
	}
	ring, err := d.Keys.RingFor(ctx, d.env, jws.Header.KeyID)
	if err != nil {
		return unavailable(err)
	}
	if err := jws.Verify(ring.Set.Find(&jws.Header)); err != nil {
		return badHint(err)
	}
	c, err := jws.Claims()
	if err != nil {
		return badHint(err)
	}
	switch {
	case !slices.Contains(d.env.Issuers(), c.Issuer), !slices.Contains(c.Audience, d.client.ID), c.Subject == "", c.IssuedAt.IsZero(),
		c.Has("events"), c.Has("client_id"): // a UserInfo answer; a logout token; an access token
		return badHint(nil)
	case d.req.HintSubject != "" && d.req.HintSubject != token.SubjectOf(c):
		return oauth.InvalidRequest("The id_token_hint is not about the sub that claims asks for")
	}
	d.req.HintSubject = token.SubjectOf(c)
	return nil
}

func badHint(cause error) error {
	e := oauth.InvalidRequest("The id_token_hint is not an ID token of this issuer for this client")
	if cause == nil {
		return e
	}
	return e.WithCause(cause)
}
