package directory

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// checkRedirects wants addresses that a browser may be sent to. wildcard tells
// that one has a wildcard and may not.
func (a *Application) checkRedirects(j *judge) (wildcard bool) {
	if len(a.RedirectURIs) > maxURIs || len(a.PostLogoutRedirectURIs) > maxURIs {
		j.inner(map[string]any{"maximumValue": maxURIs}, SizeLimitExceeded, "redirectUris", "must not be more than %d, nor postLogoutRedirectUris", maxURIs)
		return false
	}
	for _, uri := range a.RedirectURIs {
		problem := oauth.CheckRedirectURI(uri)
		switch {
		case problem != nil:
			j.add(InvalidValue, "redirectUris", "must be absolute URIs that a browser may be sent to: of one, %v", problem)
		case !strings.Contains(uri, "*"):
		case !*a.AllowWildcardInRedirectURIs:
			j.add(InvalidValue, "redirectUris", "%s Set allowWildcardInRedirectUris to allow them.", noWildcards)
			wildcard = true
		case a.TokenEndpointAuthMethod == authNone:
			// Nothing but the address would tell a public application from others (RFC 9700 §4.1.3).
			j.add(InvalidValue, "redirectUris", "%s The application has tokenEndpointAuthMethod %s.", noWildcards, authNone)
			wildcard = true
		case !oneWildcard(uri):
			j.add(InvalidValue, "redirectUris", "must have at most one *, in the path or the query of an https address")
		}
	}
	for _, uri := range a.PostLogoutRedirectURIs {
		if len(postLogoutKey(uri)) > maxKey {
			j.add(SizeLimitExceeded, "postLogoutRedirectUris", "must not have more than %d bytes each", maxKey-len(postLogoutKey("")))
		} else if problem := oauth.CheckRedirectURI(uri); problem != nil {
			j.add(InvalidValue, "postLogoutRedirectUris", "must be absolute URIs that a browser may be sent to: of one, %v", problem)
		}
	}
	return wildcard
}

// oneWildcard reports whether a URI has one wildcard, in a place where comparing looks for it.
func oneWildcard(uri string) bool {
	before, after, _ := strings.Cut(uri, "*")
	return !strings.Contains(after, "*") &&
		oauth.MatchRedirectURI(uri, before+"x"+after, oauth.RedirectRules{Wildcard: true})
}

// aboutWildcards has the sentence of the whole answer say what clients look for.
func aboutWildcards(err error) error {
	e := *oauth.From(err)
	e.Message = noWildcards
	return &e
}

func (a *Application) checkAddresses(j *judge) {
	j.webAddress("initiateLoginUri", a.InitiateLoginURI)
	j.webAddress("homePageUrl", a.HomePageURL)
	j.webAddress("loginPageUrl", a.LoginPageURL)
	j.webAddress("deviceCustomVerificationUri", a.DeviceCustomVerificationURI)
	if a.TargetLinkURI != nil && oauth.CheckRedirectURI(*a.TargetLinkURI) != nil {
		j.add(InvalidValue, "targetLinkUri", "must be an absolute URI that a browser may be sent to")
	}
	if a.CORSSettings == nil || !j.oneOf("corsSettings.behavior", a.CORSSettings.Behavior, allowNoOrigins, allowSpecificOrigins) {
		return
	}
	origins := a.CORSSettings.Origins
	switch {
	case a.CORSSettings.Behavior == allowNoOrigins && len(origins) > 0:
		j.add(InvalidValue, "corsSettings.origins", "must not be given where behavior is %s", allowNoOrigins)
	case a.CORSSettings.Behavior == allowSpecificOrigins && len(origins) == 0:
		j.add(RequiredValue, "corsSettings.origins", "must not be empty where behavior is %s", allowSpecificOrigins)
	case len(origins) > maxOrigins:
		j.inner(map[string]any{"maximumValue": maxOrigins}, SizeLimitExceeded, "corsSettings.origins", "must not be more than %d", maxOrigins)
	case slices.ContainsFunc(origins, func(o string) bool { return !validOrigin(o) }):
		j.add(InvalidValue, "corsSettings.origins", "must be like https://app.example.com, https://*.example.com or http://localhost:3000")
	}
}

// validOrigin accepts an origin, and one with a wildcard for the first label of
// its host, behind which there are two or more: less would be everybody's.
func validOrigin(origin string) bool {
	m := originShape.FindStringSubmatch(origin)
	if m == nil || len(origin) > maxAddress || len(m[2]) == 5 && m[2] > "65535" {
		return false
	}
	host := m[1]
	if host == "localhost" {
		return true
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Is4()
	}
	labels := strings.Split(host, ".")
	for i, label := range labels {
		if label == "" || len(label) > 63 || strings.Contains(label, "*") && (label != "*" || i > 0 || len(labels) < 3) ||
			strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	last := labels[len(labels)-1]
	return len(labels) > 1 && len(last) > 1 && last[0] >= 'a'
}
