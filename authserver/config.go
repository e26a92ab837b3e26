package authserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// StateConfig is what a State is made of. Store and SecretsKey are required.
type StateConfig struct {
	Store store.Store
	// Shared: other processes use Store at the same time. DPoP proofs that were used are then remembered there, and
	// the key of nonces is derived from SecretsKey.
	Shared bool
	// SecretsKey gives the 32 bytes that seal private keys at rest. It is asked
	// for on first use and in the background; after an error it is asked again. With
	// create, nothing has been sealed for the environment in question yet, so that a
	// missing key may be made; without, a missing one is an error: a new one would
	// not open what is there.
	SecretsKey func(create bool) ([]byte, error)
	// Observer is told what happens. Default: nobody.
	Observer Observer
	// Log. Default: nothing is logged.
	Log *slog.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

func (c *StateConfig) setDefaults() error {
	if c.Store == nil {
		return errors.New("authserver: StateConfig.Store is missing")
	}
	if c.SecretsKey == nil {
		return errors.New("authserver: StateConfig.SecretsKey is missing")
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// The surfaces a Server can expose.
const (
	// SurfaceOIDC: the endpoints of OAuth 2 and OpenID Connect.
	SurfaceOIDC = "oidc"
	// SurfaceManagement: PingOne's management API below /v1.
	SurfaceManagement = "management"
	// SurfaceLegacy: PingAM's paths below /am. It is off unless Config.Legacy is given.
	SurfaceLegacy = "legacy"
)

var surfaces = []string{SurfaceOIDC, SurfaceManagement, SurfaceLegacy}

// defaultRetention is how long the audit log is kept.
const defaultRetention = 365 * 24 * time.Hour

// Config is one configuration of the server. State and Directory are required.
type Config struct {
	State     *State
	Directory directory.Declaration // declared.New makes one
	// Surfaces to expose. Default: all of them.
	Surfaces []string
	// Notifier brings codes to people. Default: none, and then nobody can register or
	// recover a password.
	Notifier *Notifier
	// Outbound are the rules of requests to clients: their keys, and logout tokens.
	Outbound Outbound
	// Address is the client's address without a port, for limits and sessions.
	// Default: that of the connection.
	Address func(*http.Request) string
	// ClientCertificate is what a client presented, nil for none: of the connection, or in the words of a trusted proxy. Default: that
	// of the connection. Where it is given, the metadata says that certificates may be presented at every issuer.
	ClientCertificate func(*http.Request) (*mtls.Certificate, error)
	// Legacy says what is served below /am. Default: nothing.
	Legacy *legacy.Config
	// APIURL is where clients reach /v1, for links. Default: the origin of each environment's issuer.
	APIURL string
	// AuditRetention is how long the audit log is kept. Default: one year.
	AuditRetention time.Duration
	// InsecureNoLimit exempts addresses from the limits on guessing. Default: nobody.
	InsecureNoLimit func(address string) bool
	// Log gets one line for each refused request. Default: the State's.
	Log *slog.Logger
}

// Outbound are the rules of requests that the server makes to its clients.
type Outbound struct {
	// CA are PEM certificates of authorities to trust beside the system's.
	CA []byte
	// InsecureLoopbackHTTP allows http to loopback hosts. For development.
	InsecureLoopbackHTTP bool
	// Networks beyond the public Internet that may be contacted for clients that
	// registered themselves. Default: none.
	Networks []netip.Prefix
}

// check validates c, fills in defaults and lists the environments.
func (c *Config) check(ctx context.Context) ([]*store.Environment, error) {
	if c.State == nil {
		return nil, errors.New("authserver: Config.State is missing")
	}
	if c.Directory == nil {
		return nil, errors.New("authserver: Config.Directory is missing")
	}
	for _, name := range c.Surfaces {
		if !slices.Contains(surfaces, name) {
			return nil, fmt.Errorf("authserver: there is no surface %q, only %q", name, surfaces)
		}
	}
	if c.Legacy == nil && slices.Contains(c.Surfaces, SurfaceLegacy) {
		return nil, errors.New("authserver: the surface legacy has no configuration")
	}
	if len(c.Surfaces) == 0 {
		c.Surfaces = surfaces
	}
	if c.Log == nil {
		c.Log = c.State.config.Log
	}
	if c.AuditRetention == 0 {
		c.AuditRetention = defaultRetention
	}
	if err := errors.Join(CheckAPIURL(c.APIURL), checkPasswords(c.Directory), checkRoles(c.Directory), c.checkLegacy(ctx)); err != nil {
		return nil, err
	}
	return c.Directory.Environments(ctx)
}

// CheckAPIURL refuses what no address can be put behind: it is an http or https
// URL without user, query and fragment, and does not end in a slash.
func CheckAPIURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		strings.ContainsAny(text, "?#") || strings.HasSuffix(text, "/") {
		return fmt.Errorf("%q is not a URL such as https://api.example.com", text)
	}
	return nil
}

// checkLegacy fills in defaults of Legacy, and refuses realms whose environment is not declared or would not take
// the realm's issuer for one of its own.
func (c *Config) checkLegacy(ctx context.Context) error {
	if c.Legacy == nil {
		return nil
	}
	checked := *c.Legacy
	c.Legacy = &checked
	if err := checked.Check(); err != nil {
		return fmt.Errorf("legacy: %w", err)
	}
	for _, r := range checked.Realms {
		env, err := c.Directory.EnvironmentByID(ctx, r.Environment)
		if err != nil {
			return fmt.Errorf("legacy: realm %s: environment %s is not declared", r.Path, r.Environment)
		}
		if issuer := checked.Issuer(r.Path); !slices.Contains(env.AllIssuers, issuer) {
			return fmt.Errorf("legacy: realm %s: environment %s does not have the issuer %s", r.Path, env.Name, issuer)
		}
	}
	return nil
}

// checkPasswords judges the passwords of users that are declared: with one that
// only looks like a hash nobody could ever sign on.
func checkPasswords(d directory.Declaration) error {
	for _, u := range d.DeclaredUsers() {
		if err := identity.CheckDeclared(u.Password); err != nil {
			return fmt.Errorf("environment %s: user %s: password: %w", u.Environment, u.Username, err)
		}
	}
	return nil
}

// checkRoles refuses role names that nobody knows: such a worker could do nothing, and
// nobody would be told why.
func checkRoles(d directory.Declaration) error {
	known := make([]string, 0, len(access.Roles()))
	for _, role := range access.Roles() {
		known = append(known, role.Name)
	}
	for _, c := range d.DeclaredClients() {
		for _, name := range c.Roles {
			if !slices.Contains(known, name) {
				return fmt.Errorf("environment %s: application %s: there is no role %q, only %q", c.Environment, c.ID, name, known)
			}
		}
	}
	return nil
}
