package legacy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
)

// Config says what is served below /am. URL and at least one realm are required.
type Config struct {
	// URL is where clients reach it: scheme, host and the path /am. Issuers and links begin with it;
	// no Host header is believed.
	URL string
	// Realms and the environments that they are.
	Realms []Realm
	// Administrators of all realms. They sign on to the top realm.
	Administrators []Administrator
	// Cookie is the name of the cookie, and of the header, that carries SSO tokens. Default: iPlanetDirectoryPro.
	Cookie string
	// CookieDomain shares the cookie with the hosts below a domain. Default: this host alone.
	CookieDomain string
	// SuccessURL is what authentication answers as successUrl; {realm} stands for the realm. Default: /am/console.
	SuccessURL string
	// Service names the authentication trees that may be asked for by authIndexType=service. The first one is the default.
	// Default: Login, ldapService.
	Services []string
	// AdministratorIdle and AdministratorLifetime bound the sessions of administrators. Default: 30 minutes, 2 hours.
	AdministratorIdle, AdministratorLifetime time.Duration
	// Deprecated is since when the endpoints are deprecated (RFC 9745). Default: 2026-11-22.
	Deprecated time.Time
	// Sunset is when they will be switched off (RFC 8594). Default: nobody knows.
	Sunset time.Time
	// DeprecationLink is a page for developers. Default: none.
	DeprecationLink string
	// Compat switches the product's own behaviour on where this one is stricter.
	Compat Compat
}

// Compat is what AM does and RFC 9700 or common sense would not. Zero is strict.
type Compat struct {
	// QueryAccessToken accepts ?access_token= at tokeninfo.
	QueryAccessToken bool
	// RevokeTokens serves _action=revokeTokens, which needs no SSO token but the client's ID.
	RevokeTokens bool
	// ClientCredentialsTokens lets every signed-on person read and delete tokens that belong to no person.
	ClientCredentialsTokens bool
}

// Realm is one realm. The top one is "/".
type Realm struct {
	Path        string // "/alpha", "/alpha/sub", "/"
	Environment string // ID of a declared environment
}

// Administrator may see and end every token of every realm.
type Administrator struct {
	Name     string
	Password string // itself, or its argon2id PHC string
}

// Defaults.
const (
	prefix        = "/am"
	defaultCookie = "iPlanetDirectoryPro"
	defaultIdle   = 30 * time.Minute
	defaultLife   = 2 * time.Hour
	defaultURL    = prefix + "/console"
)

// since is the day of the first release that has these endpoints: they were legacy then.
var since = time.Date(2026, time.November, 22, 0, 0, 0, 0, time.UTC)

var (
	realmName  = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	cookieName = pattern.New(`^[A-Za-z0-9_-]{1,64}$`)
	adminName  = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$`)
)

// Issuer is the iss of tokens that come from a realm's own paths.
func (c *Config) Issuer(realm string) string {
	issuer := c.URL + "/oauth2"
	if realm == "/" {
		return issuer
	}
	return issuer + "/realms/root" + strings.ReplaceAll(realm, "/", "/realms/")
}

// Check fills in defaults and refuses what cannot work; errors name the option.
func (c *Config) Check() error {
	if err := c.checkURLs(); err != nil {
		return err
	}
	if len(c.Realms) == 0 {
		return errors.New("realm is missing: at least one realm must be named")
	}
	for i, r := range c.Realms {
		if r.Path != "/" {
			names := strings.Split(r.Path, "/")
			if names[0] != "" || len(names) < 2 || slices.ContainsFunc(names[1:], func(n string) bool { return !realmName.MatchString(n) }) {
				return fmt.Errorf("realm %q: a realm is letters, digits and ._-, as alpha, or alpha/sub below another", strings.TrimPrefix(r.Path, "/"))
			}
		}
		if r.Environment == "" {
			return fmt.Errorf("realm %s: environment is missing", r.Path)
		}
		if slices.ContainsFunc(c.Realms[:i], func(o Realm) bool { return strings.EqualFold(o.Path, r.Path) }) {
			return fmt.Errorf("realm %s is there twice", r.Path)
		}
		if other := ambiguous(r.Path); other != "" {
			return fmt.Errorf("realm %s: a realm cannot be called so: %s is another endpoint's path already", r.Path, other)
		}
	}
	for i, a := range c.Administrators {
		switch {
		case !adminName.MatchString(a.Name):
			return fmt.Errorf("administrator %q: a name is letters, digits and ._@-", a.Name)
		case slices.ContainsFunc(c.Administrators[:i], func(o Administrator) bool { return strings.EqualFold(o.Name, a.Name) }):
			return fmt.Errorf("administrator %s is there twice", a.Name)
		case strings.HasPrefix(strings.ToLower(a.Name), "decoy-"):
			return fmt.Errorf("administrator %s: names with decoy- in front are taken", a.Name)
		case a.Password == "":
			return fmt.Errorf("administrator %s: password is missing", a.Name)
		}
		if err := identity.CheckDeclared(a.Password); err != nil {
			return fmt.Errorf("administrator %s: password: %w", a.Name, err)
		}
	}
	c.setDefaults()
	return c.checkNames()
}

func (c *Config) setDefaults() {
	if c.Cookie == "" {
		c.Cookie = defaultCookie
	}
	if c.SuccessURL == "" {
		c.SuccessURL = defaultURL
	}
	if len(c.Services) == 0 {
		c.Services = []string{"Login", "ldapService"}
	}
	if c.AdministratorIdle == 0 {
		c.AdministratorIdle = defaultIdle
	}
	if c.AdministratorLifetime == 0 {
		c.AdministratorLifetime = defaultLife
	}
	if c.Deprecated.IsZero() {
		c.Deprecated = since
	}
}

func (c *Config) checkURLs() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.EscapedPath() != prefix || strings.ContainsAny(c.URL, "?#") {
		return fmt.Errorf("url %q is not a URL such as https://login.example.com/am", c.URL)
	}
	if c.DeprecationLink != "" {
		if l, err := url.Parse(c.DeprecationLink); err != nil || l.Host == "" || strings.ContainsAny(c.DeprecationLink, "<>\" ") {
			return fmt.Errorf("deprecation_link %q is not a URL", c.DeprecationLink)
		}
	}
	return nil
}

func (c *Config) checkNames() error {
	switch domain := strings.TrimPrefix(c.CookieDomain, "."); {
	case !cookieName.MatchString(c.Cookie):
		return fmt.Errorf("cookie_name %q: letters, digits, _ and - only", c.Cookie)
	case strings.EqualFold(c.Cookie, session.Cookie), strings.EqualFold(c.Cookie, session.StateCookie):
		return fmt.Errorf("cookie_name %q is the name of a cookie of the hosted pages", c.Cookie)
	case reservedHeader(c.Cookie):
		return fmt.Errorf("cookie_name %q is the name of another header", c.Cookie)
	case domain != "" && !validDomain(domain):
		return fmt.Errorf("cookie_domain %q is not a domain", c.CookieDomain)
	case c.AdministratorIdle < time.Minute || c.AdministratorLifetime < c.AdministratorIdle:
		return fmt.Errorf("administrator_session: idle %v and lifetime %v: at least a minute, and no less than idle", c.AdministratorIdle, c.AdministratorLifetime)
	case !c.Sunset.IsZero() && c.Sunset.Before(c.Deprecated):
		return errors.New("sunset is before deprecated (RFC 9745 §4)")
	}
	for _, s := range c.Services {
		if !realmName.MatchString(s) {
			return fmt.Errorf("service %q: letters, digits and ._- only", s)
		}
	}
	return nil
}

// reservedHeader reports whether a header of this name means something else.
func reservedHeader(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Cookie", "Host", "Origin", "Content-Type", "Accept", "Accept-Api-Version", "X-Requested-With",
		"X-Openam-Username", "X-Openam-Password", "Referer", "User-Agent", "Connection":
		return true
	}
	return false
}

var domainName = pattern.New(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

func validDomain(d string) bool { return domainName.MatchString(d) }
