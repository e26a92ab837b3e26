package authorize

import (
	"context"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// SingleFactor is PingOne's name of a sign-on with a password.
const SingleFactor = "Single_Factor"

// ACRValues are the levels that a sign-on can reach, for acr_values_supported.
var ACRValues = []string{SingleFactor}

const maxList = 20 // members of acr_values and ui_locales that are looked at

// reachableACR keeps acr_values, which are wishes (OIDC Core §3.1.2.1), and fails
// the request when claims makes a level essential that nobody can reach here
// (OIDC Core §5.5.1.1, OpenID Connect Unmet Authentication Requirements §2).
//
// Diverges from PingOne, which refuses acr_values that name no policy of the
// application: a wish that cannot be met is no error.
func reachableACR(_ context.Context, d *draft) error {
	d.req.ACRValues = members(d.form.Get("acr_values"))
	acr := d.req.Claims.IDToken["acr"]
	wanted := acr.Values
	if acr.Value != "" {
		wanted = []string{acr.Value}
	}
	if acr.Essential && len(wanted) > 0 && !slices.ContainsFunc(wanted, func(v string) bool { return slices.Contains(ACRValues, v) }) {
		return oauth.AuthorizationError(oauth.CodeUnmetAuthentication, "The requested acr cannot be reached")
	}
	return nil
}

// members splits a list of wishes; those beyond maxList are forgotten.
func members(s string) []string {
	list := strings.Fields(s)
	return list[:min(len(list), maxList)]
}
