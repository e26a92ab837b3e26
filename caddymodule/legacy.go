package caddymodule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// Legacy are the paths of PingAM and PingOne Advanced Identity Cloud below /am,
// for clients that cannot be changed yet. The handlers of authorization_server serve them, unless
// they list other surfaces.
type Legacy struct {
	// Where clients reach it: scheme, host and the path /am, such as
	// `https://login.example.com/am`. The issuers of the realms and all links begin with it. Required; it
	// may hold placeholders.
	URL string `json:"url"`
	// The realms. At least one is required.
	Realms []LegacyRealm `json:"realms"`
	// Who may see and end every token of every realm. They sign on to the top realm. Default: nobody.
	Administrators []LegacyAdministrator `json:"administrators,omitempty"`
	// The name of the cookie, and of the request header, that carries SSO tokens. Default: iPlanetDirectoryPro.
	CookieName string `json:"cookie_name,omitempty"`
	// A domain with whose hosts the cookie is shared; it may hold placeholders. Default: only the host that has set it.
	CookieDomain string `json:"cookie_domain,omitempty"`
	// What authentication answers as successUrl; `{realm}` in it stands for the realm. Default: /am/console.
	SuccessURL string `json:"success_url,omitempty"`
	// The authentication trees (services) that clients may name; the first one is the default. All
	// of them ask for user name and password. Default: Login, ldapService.
	Services []string `json:"services,omitempty"`
	// How long a session of an administrator may be idle: at least a minute. Default: 30 minutes.
	AdministratorIdle caddy.Duration `json:"administrator_idle,omitempty"`
	// How long a session of an administrator lasts at most: no less than idle. Default: 2 hours.
	AdministratorLifetime caddy.Duration `json:"administrator_lifetime,omitempty"`
	// Since when the paths are deprecated (RFC 9745): a day such as 2026-11-22, or an RFC 3339 time. Default: 2026-11-22.
	Deprecated string `json:"deprecated,omitempty"`
	// When they will be switched off (RFC 8594), written likewise; nothing happens by itself then. Default: not announced.
	Sunset string `json:"sunset,omitempty"`
	// A page for those who have to move their clients. Default: none.
	DeprecationLink string `json:"deprecation_link,omitempty"`
	// The product's behaviours that are weaker than Gatehouse's own: query_access_token, revoke_tokens,
	// client_credentials_tokens.
	Compat []string `json:"compat,omitempty"`
}

// LegacyRealm is one realm and the environment that it is.
type LegacyRealm struct {
	// The realm: a name such as alpha, names below each other such as alpha/sub, or / for the top one.
	Realm string `json:"realm"`
	// The name or the id of a declared environment. Several realms may be one environment.
	Environment string `json:"environment"`
}

// LegacyAdministrator is one who may see and end every token.
type LegacyAdministrator struct {
	// The user name: letters, digits and ._@-.
	Name string `json:"name"`
	// The password or its argon2id PHC string; it may be a placeholder such as `{env.AMADMIN_PASSWORD}`.
	Password string `json:"password"`
}

// legacyCompat are the words of Compat.
var legacyCompat = map[string]func(*legacy.Compat){
	"query_access_token":        func(c *legacy.Compat) { c.QueryAccessToken = true },
	"revoke_tokens":             func(c *legacy.Compat) { c.RevokeTokens = true },
	"client_credentials_tokens": func(c *legacy.Compat) { c.ClientCredentialsTokens = true },
}

// path is the realm as legacy writes it.
func (r LegacyRealm) path() string { return "/" + strings.TrimPrefix(r.Realm, "/") }

// resolve translates l, whose realms are among envs, and names each realm's issuer to its environment in envs. A nil
// l gives nil.
func (l *Legacy) resolve(envs []declared.Environment) (*legacy.Config, error) {
	if l == nil {
		return nil, nil
	}
	c, err := l.config(newExpander())
	if err == nil {
		err = l.useEnvironments(c, envs)
	}
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("legacy: %w", err)
	}
	for _, r := range c.Realms {
		i := slices.IndexFunc(envs, func(e declared.Environment) bool { return e.ID == r.Environment })
		envs[i].Issuers = append(slices.Clip(envs[i].Issuers), c.Issuer(r.Path))
	}
	return c, nil
}

// config translates what l says, with placeholders expanded and the environments of realms as they are written.
func (l *Legacy) config(e expander) (*legacy.Config, error) {
	c := &legacy.Config{
		URL: l.URL, Cookie: l.CookieName, CookieDomain: l.CookieDomain, SuccessURL: l.SuccessURL, Services: l.Services,
		AdministratorIdle: time.Duration(l.AdministratorIdle), AdministratorLifetime: time.Duration(l.AdministratorLifetime),
		DeprecationLink: l.DeprecationLink,
	}
	if err := e.one("url", &c.URL); err != nil {
		return nil, err
	}
	if err := e.one("cookie_domain", &c.CookieDomain); err != nil {
		return nil, err
	}
	for _, r := range l.Realms {
		c.Realms = append(c.Realms, legacy.Realm{Path: r.path(), Environment: r.Environment})
	}
	for _, a := range l.Administrators {
		if err := e.one("administrator "+a.Name+": password", &a.Password); err != nil {
			return nil, err
		}
		c.Administrators = append(c.Administrators, legacy.Administrator(a))
	}
	var err error
	if c.Deprecated, err = day("deprecated", l.Deprecated); err != nil {
		return nil, err
	}
	if c.Sunset, err = day("sunset", l.Sunset); err != nil {
		return nil, err
	}
	for _, word := range l.Compat {
		set, ok := legacyCompat[word]
		if !ok {
			return nil, unknownCompat(word)
		}
		set(&c.Compat)
	}
	return c, nil
}

// useEnvironments finds the declared environment of each realm.
func (l *Legacy) useEnvironments(c *legacy.Config, envs []declared.Environment) error {
	for i, r := range l.Realms {
		id, err := r.environmentID(envs)
		if err != nil {
			return err
		}
		c.Realms[i].Environment = id
	}
	return nil
}

// environmentID is the ID of the declared environment that r names.
func (r LegacyRealm) environmentID(envs []declared.Environment) (string, error) {
	if r.Environment == "" {
		return "", fmt.Errorf("realm %s: environment is missing", r.Realm)
	}
	for _, e := range envs {
		if e.ID == r.Environment {
			return e.ID, nil
		}
	}
	for _, e := range envs {
		if e.Name == r.Environment {
			return e.ID, nil
		}
	}
	return "", fmt.Errorf("realm %s: environment '%s' is not declared here", r.Realm, r.Environment)
}

// ssoTokenName is the name of the headers and cookies that hold SSO tokens; the product's own where legacy paths are
// switched off, since clients send them all the same.
func (a *App) ssoTokenName() string {
	if a.legacy == nil {
		return "iPlanetDirectoryPro"
	}
	return a.legacy.Cookie
}

func unknownCompat(word string) error {
	return fmt.Errorf("compat: no behaviour '%s'; there are: client_credentials_tokens, query_access_token, revoke_tokens", word)
}

// day reads a day, as its first moment in UTC, or an RFC 3339 time. Empty text is no time.
func day(option, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: '%s' is neither a day such as 2027-12-31 nor an RFC 3339 time", option, text)
	}
	return t.UTC(), nil
}
