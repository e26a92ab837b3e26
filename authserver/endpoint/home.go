package endpoint

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// parameterIssuer, in the query, is how a place without pages of its own (store.Environment.Home)
// tells the environment's own endpoints in whose name to answer. It chooses among issuers of the same server, whose tokens are worth the
// same, so it need not be kept from anybody.
const parameterIssuer = "iss"

// speaking is env as a request wants it to answer: at another one of its issuers, or as it is.
func speaking(r *http.Request, env *store.Environment) *store.Environment {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || env.Home != "" {
		return env
	}
	asked := query[parameterIssuer]
	if len(asked) != 1 || asked[0] == env.Issuer || !slices.Contains(env.AllIssuers, asked[0]) {
		return env // somebody else's parameter
	}
	return env.At(store.Domain{Issuer: asked[0]})
}

// sendHome sends a browser on to the endpoint of that name where the pages are, with everything that it
// has sent: 307 has it post a form once more (RFC 9110 §15.4.8).
func sendHome(w http.ResponseWriter, r *http.Request, env *store.Environment, name string) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return oauth.InvalidRequest("The query is malformed")
	}
	query.Del("realm")
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusTemporaryRedirect
	}
	goHome(w, env, name, query, status)
	return nil
}

// goHome sends a browser to an endpoint where the pages are.
func goHome(w http.ResponseWriter, env *store.Environment, name string, query url.Values, status int) {
	query.Set(parameterIssuer, env.Issuer)
	h := w.Header()
	h.Set("Location", env.Home+"/"+name+"?"+query.Encode())
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Length", "0")
	w.WriteHeader(status)
}
