package authorize

import (
	"context"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// registeredRedirectURI settles where answers go, and is the one place that does.
// Its own errors stay here, whatever else is wrong with the request.
func registeredRedirectURI(_ context.Context, d *draft) error {
	to := ReplyTo{URI: d.form.Get("redirect_uri"), Mode: replyMode(d), State: d.form.Get("state")}
	switch {
	case to.URI != "":
		if !registered(d.env, d.client, to.URI) {
			return oauth.InvalidRequest("Redirect URI mismatch")
		}
		d.req.RedirectSent = true
	case to.Mode == oauth.ModePingFlow:
		// The answer goes to the caller.
	default:
		uri, ok := onlyRedirectURI(d)
		switch {
		case !ok && d.problem != nil:
			return d.problem // where it is said may be in what could not be read
		case !ok:
			return oauth.InvalidRequest("The parameter redirect_uri is missing")
		}
		to.URI = uri
	}
	if len(to.State) > MaxState || !isText(to.State) {
		to.State = "" // refused below; what cannot come back as it was sent does not come back
	}
	d.req.ReplyTo, d.replyTo = to, &to
	return nil
}

// registered reports whether the client has registered uri.
func registered(env *store.Environment, c *store.Client, uri string) bool {
	rules := oauth.RedirectRules{Wildcard: c.WildcardRedirectURIs && !env.Strict, Localhost: !env.Strict}
	return slices.ContainsFunc(c.RedirectURIs, func(r string) bool { return oauth.MatchRedirectURI(r, uri, rules) })
}

// onlyRedirectURI is the one that a request without redirect_uri means: the only
// one registered (RFC 6749 §3.1.2.3). OpenID Connect wants it said (OIDC Core §3.1.2.1).
func onlyRedirectURI(d *draft) (string, bool) {
	if len(d.client.RedirectURIs) != 1 || slices.Contains(strings.Fields(d.form.Get("scope")), oauth.ScopeOpenID) {
		return "", false
	}
	uri := d.client.RedirectURIs[0]
	if d.client.WildcardRedirectURIs && strings.Contains(uri, "*") {
		return "", false // a pattern is no place to go to
	}
	return uri, registered(d.env, d.client, uri)
}
