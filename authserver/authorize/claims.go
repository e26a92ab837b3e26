package authorize

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
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
