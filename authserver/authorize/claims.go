package authorize

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// readableClaims reads the claims parameter. An ID token that must be about a
// certain person names that person (OIDC Core §5.5.1); nobody can be several.
func readableClaims(_ context.Context, d *draft) error {
	claims, err := oauth.ParseClaimsRequest(d.form.Get("claims"))
	if err != nil {
		return err
	}
	d.req.Claims = claims
	sub := claims.IDToken["sub"]
	if len(sub.Values) > 0 {
		return oauth.InvalidRequest("The parameter claims asks for several values of sub")
	}
	d.req.HintSubject = sub.Value
	return nil
}

// Consent is what user has to agree to for r: its scopes, and those that stand
// for the single claims that it asks for beside them. o is what claims are in the
// environment.
func (r *Request) Consent(o *store.OpenID, client *store.Client, user *store.User) []string {
	scopes := slices.Clone(r.Scope)
	if !slices.Contains(scopes, oauth.ScopeOpenID) {
		return scopes // then nothing tells claims
	}
	for _, scope := range token.ClaimScopes(o, user, client, r.Claims.IDToken, r.Claims.UserInfo) {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}
