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
	if d.client.Subject == (store.Source{}) {
		d.req.HintSubject = sub.Value
	} // else it is no ID of ours: About finds out whose it is
	return nil
}

// About reports whether r can be answered for a person: an id_token_hint (OIDC Core
// §3.1.2.1) or a sub asked for by value (§5.5.1) names the only one.
func (r *Request) About(client *store.Client, user *store.User) bool {
	if r.HintSubject != "" && r.HintSubject != user.ID {
		return false
	}
	subject := token.SubjectFor(client, user)
	for _, member := range []map[string]oauth.ClaimRequest{r.Claims.IDToken, r.Claims.UserInfo} {
		asked := member["sub"]
		if asked.Value != "" && asked.Value != subject || len(asked.Values) > 0 && !slices.Contains(asked.Values, subject) {
			return false
		}
	}
	return true
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
