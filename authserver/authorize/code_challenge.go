package authorize

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// requirePKCE judges code_challenge and code_challenge_method against what the
// client, or a strict environment, demands (RFC 7636 §4.4.1). It is about codes:
// a request without one needs no challenge.
//
// Diverges from PingOne, which leaves PKCE to a setting: a client without
// authentication always needs a challenge, since a stolen code is all that it
// takes to be that client (RFC 9700 §2.1.1).
func requirePKCE(_ context.Context, d *draft) error {
	challenge := d.form.Get("code_challenge")
	if challenge == "" && d.form.Has("code_challenge") {
		return oauth.InvalidRequest("The code_challenge is empty")
	}
	method, err := oauth.CheckCodeChallenge(challenge, d.form.Get("code_challenge_method"))
	if err != nil {
		return err
	}
	if !slices.Contains(d.req.ResponseType, oauth.ResponseCode) {
		return nil
	}
	d.req.Challenge, d.req.Method = challenge, method
	return d.req.protected(d.env, d.client)
}

// protected judges whether the challenge of r is what the client and the environment demand of a code.
func (r *Request) protected(env *store.Environment, client *store.Client) error {
	if !slices.Contains(r.ResponseType, oauth.ResponseCode) {
		return nil
	}
	s256 := env.Strict || client.PKCE == store.PKCES256Required
	switch {
	case r.Method == "" && (s256 || client.PKCE != store.PKCEOptional || client.AuthMethod == oauth.AuthNone):
		return oauth.InvalidRequest("The parameter code_challenge is missing")
	case s256 && r.Method != oauth.ChallengeS256:
		return oauth.InvalidRequest("The code_challenge_method must be S256")
	}
	return nil
}
