package legacy

import (
	"net/http"
	"strconv"
)

// successors are the server's own endpoints that do what those here do, behind the environment's issuer.
var successors = map[string]string{
	"am_tokeninfo":            "introspect",
	"am_introspect":           "introspect",
	"am_revoke":               "revoke",
	"am_authorize":            "authorize",
	"am_token":                "token",
	"am_userinfo":             "userinfo",
	"am_register":             "register",
	"am_registered_client":    "register",
	"am_par":                  "par",
	"am_end_session":          "signoff",
	"am_check_session":        "checksession",
	"am_jwks":                 "jwks",
	"am_openid_configuration": ".well-known/openid-configuration",
}

// deprecation are the headers of every answer, errors included: since when the endpoint is deprecated (RFC 9745), when it
// will be gone (RFC 8594), and where to read on and what to call instead (RFC 5829 §3.4), where that is known.
// Addresses here hold tokens, so that no page may pass one on.
func (l *Legacy) deprecation(c *call) http.Header {
	h := http.Header{
		"Deprecation":     {"@" + strconv.FormatInt(l.Deprecated.Unix(), 10)},
		"Referrer-Policy": {"no-referrer"},
	}
	if !l.Sunset.IsZero() {
		h["Sunset"] = []string{l.Sunset.UTC().Format(http.TimeFormat)}
	}
	if l.DeprecationLink != "" {
		h["Link"] = append(h["Link"], "<"+l.DeprecationLink+`>; rel="deprecation"; type="text/html"`)
	}
	if c.at.route == nil || c.env == nil {
		return h
	}
	if name, ok := successors[c.at.route.name]; ok {
		h["Link"] = append(h["Link"], "<"+c.env.Home+"/"+name+`>; rel="successor-version"`)
	}
	return h
}
