package declared

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// SignOn declares how people sign on. Zero members mean their defaults.
type SignOn struct {
	// SessionIdle ends a session that is unused for so long: default 30 days, at least a minute.
	SessionIdle Duration `json:"session_idle,omitempty"`
	// SessionLifetime ends a session so long after sign-on at the latest: default 180 days.
	SessionLifetime Duration `json:"session_lifetime,omitempty"`
	// SelfRegistration lets people register; PasswordRecovery lets them recover a
	// forgotten password. Both need a notifier.
	SelfRegistration bool `json:"self_registration,omitempty"`
	PasswordRecovery bool `json:"password_recovery,omitempty"`
	// PasswordMinLength of new passwords, in characters: default 8, the least, up to 128.
	PasswordMinLength int `json:"password_min_length,omitempty"`
	// PasswordMaxAge is how long a password that somebody chose is good; then it has
	// to be changed at sign-on. Default: for ever (NIST SP 800-63B §5.1.1.2). At least a day.
	PasswordMaxAge Duration `json:"password_max_age,omitempty"`
	// LockoutAttempts wrong passwords in a row lock an account for LockoutDuration:
	// default 5 and 15 minutes. -1 never locks.
	LockoutAttempts int      `json:"lockout_attempts,omitempty"`
	LockoutDuration Duration `json:"lockout_duration,omitempty"`
	// Argon2Memory (KiB, default 19456, at least 8192), Argon2Passes (default 2) and Argon2Lanes (default 1)
	// are the cost of password hashes (RFC 9106).
	Argon2Memory uint32 `json:"argon2_memory,omitempty"`
	Argon2Passes uint32 `json:"argon2_passes,omitempty"`
	Argon2Lanes  uint8  `json:"argon2_lanes,omitempty"`
}

// Branding declares the look of the hosted pages.
type Branding struct {
	// Name is the heading. Default: the environment's name.
	Name string `json:"name,omitempty"`
	// Logo is an https URL, or a path on the authorization server's own host.
	Logo string `json:"logo,omitempty"`
	// Color of buttons and links, "#rrggbb".
	Color string `json:"color,omitempty"`
	// Language where a browser asks for none that there is: en (default) or de.
	Language string `json:"language,omitempty"`
}

// Registration declares who may register clients (RFC 7591).
type Registration struct {
	// Mode is "token" (an initial access token is needed) or "open". Default: nobody may.
	Mode string `json:"mode,omitempty"`
	// Tokens are initial access tokens of 16 bytes or more.
	Tokens []string `json:"tokens,omitempty"`
	// Scopes that registered clients may ask for. Default: those of OpenID Connect.
	Scopes []string `json:"scopes,omitempty"`
	// StepUp are those of Scopes that a client may ask people for later, though it registered fewer, as those of MCP do when a resource
	// server demands more. Default: none. Clients that may use client_credentials are held to what they registered.
	StepUp []string `json:"step_up,omitempty"`
	// Documents accepts clients whose identifier is the https URL of their metadata, of DocumentHosts alone where there
	// are some: hosts in lower case, with the port where a URL has one.
	Documents     bool     `json:"documents,omitempty"`
	DocumentHosts []string `json:"document_hosts,omitempty"`
}

func setSignOn(e *store.Environment, c *Environment) error {
	switch c.SecurityProfile {
	case "", "pingone":
	case "strict":
		e.Strict = true
	default:
		return fmt.Errorf("security_profile %q is neither pingone nor strict", c.SecurityProfile)
	}
	e.VendorClaims = c.VendorClaims
	for _, raw := range c.Domains {
		d, err := customDomain(raw)
		if err != nil {
			return fmt.Errorf("domain %w", err)
		}
		e.Domains = append(e.Domains, d)
		if e.AllIssuers == nil {
			e.AllIssuers = []string{e.Issuer}
		}
		e.AllIssuers = append(e.AllIssuers, d.Issuer)
	}
	if err := setSessions(e, c.SignOn); err != nil {
		return fmt.Errorf("sign_on: %w", err)
	}
	if err := setBranding(e, c.Branding); err != nil {
		return fmt.Errorf("branding: %w", err)
	}
	if err := setRegistration(e, c.Registration); err != nil {
		return fmt.Errorf("client_registration: %w", err)
	}
	return nil
}

func setSessions(e *store.Environment, c SignOn) error {
	s := store.SignOn{
		SessionIdle:       orDuration(c.SessionIdle, 30*24*time.Hour),
		SessionLifetime:   orDuration(c.SessionLifetime, 180*24*time.Hour),
		SelfRegistration:  c.SelfRegistration,
		PasswordRecovery:  c.PasswordRecovery,
		PasswordMinLength: c.PasswordMinLength,
		PasswordMaxAge:    time.Duration(c.PasswordMaxAge),
		LockoutAttempts:   c.LockoutAttempts,
		LockoutDuration:   orDuration(c.LockoutDuration, 15*time.Minute),
		Argon2Memory:      c.Argon2Memory, Argon2Passes: c.Argon2Passes, Argon2Lanes: c.Argon2Lanes,
	}
	if s.PasswordMinLength == 0 {
		s.PasswordMinLength = 8
	}
	if s.LockoutAttempts == 0 {
		s.LockoutAttempts = 5
	}
	if s.Argon2Memory == 0 {
		s.Argon2Memory = 19456
	}
	if s.Argon2Passes == 0 {
		s.Argon2Passes = 2
	}
	if s.Argon2Lanes == 0 {
		s.Argon2Lanes = 1
	}
	switch {
	case s.SessionIdle < time.Minute:
		return fmt.Errorf("session_idle %v is less than a minute", s.SessionIdle)
	case s.SessionLifetime < s.SessionIdle && c.SessionLifetime != 0:
		return fmt.Errorf("session_lifetime %v is less than session_idle %v", s.SessionLifetime, s.SessionIdle)
	case s.PasswordMinLength < 8 || s.PasswordMinLength > 128:
		return fmt.Errorf("password_min_length %d is outside 8 to 128", s.PasswordMinLength)
	case s.PasswordMaxAge != 0 && s.PasswordMaxAge < 24*time.Hour:
		return fmt.Errorf("password_max_age %v is less than a day", s.PasswordMaxAge)
	case s.LockoutAttempts < -1:
		return fmt.Errorf("lockout_attempts %d is neither positive nor -1", s.LockoutAttempts)
	case s.LockoutDuration < time.Second || s.LockoutDuration > 24*time.Hour:
		return fmt.Errorf("lockout_duration %v is outside 1s to 24h", s.LockoutDuration)
	case s.Argon2Memory < 8192 || s.Argon2Memory > 1<<21:
		return fmt.Errorf("argon2_memory %d KiB is outside 8192 to 2097152", s.Argon2Memory)
	case s.Argon2Passes > 100 || s.Argon2Lanes > 64:
		return errors.New("argon2_passes or argon2_lanes is too large")
	}
	s.SessionLifetime = max(s.SessionLifetime, s.SessionIdle)
	e.SignOn = s
	return nil
}

var color = pattern.New(`^#[0-9a-fA-F]{6}$`)

func setBranding(e *store.Environment, c Branding) error {
	switch {
	case c.Color != "" && !color.MatchString(c.Color):
		return fmt.Errorf("color %q is not of the form #rrggbb", c.Color)
	case c.Logo != "" && !sameOriginPath(c.Logo) && !webAddress(c.Logo, false):
		return fmt.Errorf("logo %q is neither an https URL nor a path", c.Logo)
	case c.Language != "" && c.Language != "en" && c.Language != "de":
		return fmt.Errorf("language %q is neither en nor de", c.Language)
	}
	e.Branding = store.Branding{Name: or(c.Name, e.Name), LogoURL: c.Logo, Color: c.Color, Language: or(c.Language, "en")}
	return nil
}

func setRegistration(e *store.Environment, c Registration) error {
	r := store.Registration{
		Mode: store.RegistrationMode(c.Mode), Scopes: c.Scopes, Documents: c.Documents, DocumentHosts: slices.Clone(c.DocumentHosts),
	}
	switch r.Mode {
	case store.RegistrationOff, store.RegistrationOpen:
		if len(c.Tokens) > 0 {
			return errors.New("token is for mode token only")
		}
	case store.RegistrationToken:
		if len(c.Tokens) == 0 {
			return errors.New("token is missing, which mode token needs")
		}
	default:
		return fmt.Errorf("mode %q is neither token nor open", c.Mode)
	}
	for _, token := range c.Tokens {
		if len(token) < 16 {
			return errors.New("token has fewer than 16 bytes")
		}
		r.Tokens = append(r.Tokens, []byte(token))
	}
	if len(c.DocumentHosts) > 0 && !c.Documents {
		return errors.New("document_hosts are for documents, which are not accepted")
	}
	for _, host := range c.DocumentHosts {
		u, err := url.Parse("https://" + host)
		if err != nil || u.Host != host || u.Hostname() == "" || host != strings.ToLower(host) || !printable(host) {
			return fmt.Errorf("documents: %q is not a host in lower case", host)
		}
	}
	for _, scope := range c.Scopes {
		if !oauth.ValidScopeToken(scope) {
			return fmt.Errorf("scope %q is malformed", scope)
		}
	}
	if len(r.Scopes) == 0 {
		r.Scopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}
	}
	for i, scope := range c.StepUp {
		switch {
		case r.Mode == store.RegistrationOff:
			return errors.New("step_up is for clients that register, and none may: it needs a mode")
		case !slices.Contains(r.Scopes, scope):
			return fmt.Errorf("step_up: %q is not among the scopes that registered clients may ask for", scope)
		case slices.Contains(c.StepUp[:i], scope):
			return fmt.Errorf("step_up has %q twice", scope)
		}
	}
	r.StepUp = slices.Clone(c.StepUp)
	e.Registration = r
	return nil
}

// setRegistrationScopes finds the resources of the scopes that registered
// clients may ask for.
func (e *environment) setRegistrationScopes() error {
	r := &e.record.Registration
	for _, scope := range r.Scopes {
		if oauth.OpenIDScope(scope) || oauth.PingOneScope(scope) {
			continue
		}
		for id, resource := range e.resources {
			if !slices.Contains(resource.Scopes, scope) {
				continue
			}
			if r.Resources[scope] != "" {
				return fmt.Errorf("several resources have the scope %q", scope)
			}
			if r.Resources == nil {
				r.Resources = map[string]string{}
			}
			r.Resources[scope] = id
		}
		if r.Resources[scope] == "" {
			return fmt.Errorf("no resource has the scope %q", scope)
		}
	}
	return nil
}

// customDomain reads a host, or an http URL of a loopback host.
func customDomain(raw string) (store.Domain, error) {
	address := raw
	if !strings.Contains(raw, "://") {
		address = "https://" + raw
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(address, "?"):
		return store.Domain{}, fmt.Errorf("%q is not a host", raw)
	case u.Host != strings.ToLower(u.Host):
		return store.Domain{}, fmt.Errorf("%q is not in lower case", raw)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return store.Domain{Host: u.Host, Issuer: u.Scheme + "://" + u.Host + "/as"}, nil
	}
	return store.Domain{}, fmt.Errorf("%q is neither https nor http on a loopback host", raw)
}

// webAddress reports whether raw is a plain https URL, or, where allowed, an http one of a loopback host.
func webAddress(raw string, loopbackToo bool) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || !printable(raw) || strings.ContainsAny(raw, " #\"<>") {
		return false
	}
	return u.Scheme == "https" || loopbackToo && u.Scheme == "http" && loopback(u.Hostname())
}

// sameOriginPath reports whether raw is a path, and not a host in disguise.
func sameOriginPath(raw string) bool {
	return strings.HasPrefix(raw, "/") && !strings.HasPrefix(raw, "//") && printable(raw) && !strings.ContainsAny(raw, "\\ \"<>")
}

func orDuration(value Duration, otherwise time.Duration) time.Duration {
	if value == 0 {
		return otherwise
	}
	return time.Duration(value)
}
