package authorize

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
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
	case !allowed(types, d.client.ResponseTypes),
		// What comes this way is a bearer's: there is nobody to prove a possession.
		slices.Contains(types, oauth.ResponseToken) && (d.client.DPoPBound || d.client.CertificateBound),
		code && !slices.Contains(grants, oauth.GrantAuthorizationCode),
		oauth.TokenBearing(types) && !slices.Contains(grants, oauth.GrantImplicit):
		return oauth.UnauthorizedClient("The response_type is not enabled for this client")
	}
	d.req.ResponseType = types
	return nil
}
