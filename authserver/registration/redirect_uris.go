package registration

import (
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// redirects reads where browsers may be sent.
//
// Diverges: OIDC Registration §2 forbids web clients with the implicit grant the host localhost; here they
// may have it with https, as on developers' machines.
func (j *judged) redirects(native bool) {
	uris, _ := j.texts("redirect_uris")
	if j.front() && len(uris) == 0 && j.err == nil {
		j.fail(invalidRedirect("redirect_uris is missing"))
	}
	implicit := slices.Contains(j.client.GrantTypes, oauth.GrantImplicit)
	for _, uri := range uris {
		if why := checkRedirect(uri, native); why != "" {
			j.fail(invalidRedirect("redirect_uris has an address that is not possible: %s", why))
		}
		if implicit && !native && !strings.HasPrefix(uri, "https:") {
			j.fail(invalidRedirect("redirect_uris must be https for web clients with the implicit grant"))
		}
		j.client.RedirectURIs = appendNew(j.client.RedirectURIs, uri)
	}
	j.keep("redirect_uris", j.client.RedirectURIs)
	uris, _ = j.texts("post_logout_redirect_uris")
	for _, uri := range uris {
		if why := checkRedirect(uri, native); why != "" {
			j.fail(invalid("post_logout_redirect_uris has an address that is not possible: %s", why))
		}
		j.client.PostLogoutRedirectURIs = appendNew(j.client.PostLogoutRedirectURIs, uri)
	}
	j.keep("post_logout_redirect_uris", j.client.PostLogoutRedirectURIs)
}

// checkRedirect says why no browser may be sent to uri, or "". A scheme of its own
// needs a dot, so that it is a name that its owner owns (RFC 8252 §7.1).
func checkRedirect(uri string, native bool) string {
	if err := oauth.CheckRedirectURI(uri); err != nil {
		return err.Error()
	}
	scheme, _, _ := strings.Cut(uri, ":")
	if scheme == "https" || scheme == "http" {
		return ""
	}
	if !native {
		return "its scheme is for native clients"
	}
	if !strings.Contains(scheme, ".") {
		return "its scheme is not a domain name turned around"
	}
	return ""
}
