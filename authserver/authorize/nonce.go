package authorize

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// requireNonce demands a nonce where an ID token comes through the front channel:
// without one it could be replayed from another sign-on (OIDC Core §3.2.2.1, §3.3.2.11).
//
// Diverges from PingOne, which does without.
func requireNonce(_ context.Context, d *draft) error {
	d.req.Nonce = d.form.Get("nonce")
	if d.req.Nonce == "" && slices.Contains(d.req.ResponseType, oauth.ResponseIDToken) {
		return oauth.InvalidRequest("The parameter nonce is missing")
	}
	return nil
}
