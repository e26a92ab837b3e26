package authorize

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// allowedResponseType judges response_type: one that the environment offers, of
// parts that the client may have, by grants that it may use. A strict environment
// knows code alone (OAuth 2.1 §4.1, RFC 9700 §2.1.2).
func allowedResponseType(_ context.Context, d *draft) error {
	types, err := oauth.ParseResponseType(d.form.Get("response_type"))
	if err != nil {
		return err
	}
	if d.env.Strict && oauth.TokenBearing(types) {
		return oauth.UnsupportedResponseType("The response_type is not supported")
	}
	code := slices.Contains(types, oauth.ResponseCode)
	switch grants := d.client.GrantTypes; {
	case !allowed(types, d.client.ResponseTypes), !mayBeBearers(types, d.client),
		code && !slices.Contains(grants, oauth.GrantAuthorizationCode),
		oauth.TokenBearing(types) && !slices.Contains(grants, oauth.GrantImplicit):
		return oauth.UnauthorizedClient("The response_type is not enabled for this client")
	}
	d.req.ResponseType = types
	return nil
}

// mayBeBearers reports whether an answer of these types brings the client nothing that it must not have: a token that comes this way is a
// bearer's, since there is nobody to prove a possession.
func mayBeBearers(types []string, client *store.Client) bool {
	return !slices.Contains(types, oauth.ResponseToken) || !client.DPoPBound && !client.CertificateBound
}
