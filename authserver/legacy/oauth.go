package legacy

import (
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// own is what the endpoints of /am/oauth2 are called behind a realm's issuer, by the names
// of the server's own.
var own = map[string]string{
	"authorize":    "authorize",
	"token":        "access_token",
	"introspect":   "introspect",
	"revoke":       "token/revoke",
	"userinfo":     "userinfo",
	"register":     "register",
	"par":          "par",
	"signoff":      "connect/endSession",
	"checksession": "connect/checkSession",
	"jwks":         "connect/jwk_uri",
}

// metadata is how the metadata document names them.
var metadata = map[string]string{
	"authorization_endpoint":                own["authorize"],
	"token_endpoint":                        own["token"],
	"introspection_endpoint":                own["introspect"],
	"revocation_endpoint":                   own["revoke"],
	"userinfo_endpoint":                     own["userinfo"],
	"registration_endpoint":                 own["register"],
	"pushed_authorization_request_endpoint": own["par"],
	"end_session_endpoint":                  own["signoff"],
	"check_session_iframe":                  own["checksession"],
	"jwks_uri":                              own["jwks"],
}

// public is for what is the same for everyone: as at the server's own endpoints.
const public = "public, max-age=300"

// oauthRoutes are the endpoints below /am/oauth2: three in AM's shapes (sections 6, 7, 8), and AM's names for the
// server's own, which speak with the realm's issuer.
func (l *Legacy) oauthRoutes() []route {
	routes := []route{
		{name: "am_tokeninfo", path: "tokeninfo", successor: "introspect", methods: get, anyOrigin: true, serve: (*call).tokenInfo},
		{name: "am_introspect", path: own["introspect"], successor: "introspect", methods: post, anyOrigin: true, serve: (*call).introspect},
		{name: "am_revoke", path: own["revoke"], successor: "revoke", methods: post, anyOrigin: true, serve: (*call).revoke},
		{name: "am_revoke", path: "revoke", successor: "revoke", methods: post, anyOrigin: true, serve: (*call).revoke},

		{name: "am_authorize", path: own["authorize"], successor: "authorize", methods: both, cookies: true, ownOrigins: true, serve: (*call).authorize},
		{name: "am_end_session", path: own["signoff"], successor: "signoff", methods: both, cookies: true, serve: (*call).endSession},
		{name: "am_check_session", path: own["checksession"], successor: "checksession", methods: get, cacheControl: public, serve: alias("check_session", nil)},

		{name: "am_token", path: own["token"], successor: "token", methods: post, anyOrigin: true, serve: alias("token", (*call).client)},
		{name: "am_par", path: own["par"], successor: "par", methods: post, anyOrigin: true, serve: alias("par", (*call).client)},
		{name: "am_userinfo", path: own["userinfo"], successor: "userinfo", methods: both, anyOrigin: true, serve: alias("userinfo", (*call).bearer)},
		{name: "am_register", path: own["register"], successor: "register", methods: post, anyOrigin: true, serve: alias("register", nil)},
		{
			name: "am_registered_client", path: own["register"] + "/{}", successor: "register",
			methods: []string{http.MethodGet, http.MethodPut, http.MethodDelete}, anyOrigin: true, serve: alias("registered_client", (*call).applicationNamed),
		},

		{name: "am_jwks", path: own["jwks"], successor: "jwks", methods: get, anyOrigin: true, cacheControl: public, serve: alias("jwks", nil)},
		{
			name: "am_openid_configuration", path: ".well-known/openid-configuration", successor: ".well-known/openid-configuration",
			methods: get, anyOrigin: true, cacheControl: public, serve: (*call).openIDConfiguration,
		},
	}
	for i := range routes {
		routes[i].tree, routes[i].environment = treeOAuth, true
	}
	return routes
}

// alias answers with one of the server's own endpoints. who tells which application called, once that has
// succeeded; it may look at the request before. nil: that is not known.
func alias(name string, who func(*call) (application func() string, err error)) func(*call) error {
	return func(c *call) error {
		application := func() string { return "" }
		if who != nil {
			var err error
			if application, err = who(c); err != nil {
				return err
			}
		}
		if err := c.l.Endpoints[name](c.w, c.r, c.env); err != nil {
			return c.inAM(err)
		}
		if id := application(); id != "" {
			c.calledByID(id)
		}
		return nil
	}
}

func (c *call) openIDConfiguration() error {
	return c.l.Configuration.Serve(c.w, c.r, c.env)
}

// inAM is an error of the server's own rules as AM says it.
func (c *call) inAM(err error) error {
	if err == nil {
		return nil
	}
	if _, shown := errors.AsType[*web.Presented](err); shown {
		return err
	}
	e := oauth.From(err)
	switch {
	case e.Code == oauth.CodeInvalidClient:
		return c.invalidClient(e)
	case e.Status == http.StatusNotFound: // an endpoint that the environment does not have
		return notFound(dialectOAuth)
	}
	return err
}

// invalidClient is AM's answer to every failed client authentication (section 7).
func (c *call) invalidClient(cause *oauth.Error) error {
	e := *cause
	e.Description, e.Status = "Client authentication failed", http.StatusUnauthorized
	// With or without an Authorization header: a 401 has a challenge (RFC 9110 §15.5.2).
	e.Challenges = []oauth.Challenge{{Scheme: "Basic", Params: []oauth.Param{{Name: "realm", Value: c.realm.Path}}}}
	return &e
}
