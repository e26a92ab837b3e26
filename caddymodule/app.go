package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

func init() {
	caddy.RegisterModule(App{})
}

// App owns what the authorization server is made of: storage, keys and the
// environments that the configuration declares. Its state outlives reloads.
type App struct {
	// Where tokens, revocations and keys are kept. Default: sqlite.
	StorageRaw json.RawMessage `json:"storage,omitempty" caddy:"namespace=gatehouse.storage inline_key=backend"`
	// The key that seals signing keys at rest: 32 bytes in base64 or hex; it may
	// be a placeholder such as `{env.GATEHOUSE_KEY}`. Default with sqlite: a file
	// beside the database, created when it is missing. Required with postgres.
	SecretsKey string `json:"secrets_key,omitempty"`
	// The environments, each an authorization server of its own. Secrets,
	// passwords, addresses, audiences and file names may hold placeholders.
	Environments []declared.Environment `json:"environments,omitempty"`
	// How codes reach people, for password recovery and registration. Default:
	// not at all.
	Notifier *Notifier `json:"notifier,omitempty"`
	// The rules of requests to applications: their keys, and logout tokens.
	Outbound *Outbound `json:"outbound,omitempty"`
	// The paths of PingAM below /am, for clients that cannot be changed yet. Default: none.
	Legacy *Legacy `json:"legacy,omitempty"`
	// Networks (CIDR) whose addresses may guess as often as they like: for load
	// tests and certification runs. Accounts are locked all the same. Default: none.
	InsecureUnlimited []string `json:"insecure_unlimited,omitempty"`

	// Where clients reach the management API's /v1, for the links in its answers: a
	// URL without a path. Default: the origin of each environment's issuer.
	APIURL string `json:"api_url,omitempty"`
	// Where the endpoints of all environments are that ask for client certificates (RFC 8705 §5), those of the
	// management API included: an https URL that `/<environment>/as` comes behind. An environment may have its own. Default: none.
	MTLSURL string `json:"mtls_url,omitempty"`
	// The PEM file of the authorities that certificates of `tls_client_auth` applications are from, of all environments that have
	// no file of their own. Default: none.
	ClientCAFile string `json:"client_ca_file,omitempty"`
	// How long the audit log is kept: a day or more. Default: one year.
	AuditRetention caddy.Duration `json:"audit_retention,omitempty"`

	unlimited []netip.Prefix
	notifier  *authserver.Notifier
	outbound  authserver.Outbound
	legacy    *legacy.Config // nil: none
	directory *declared.Directory
	servers   []*authserver.Server // those of this configuration's handlers
	state     *sharedState
	stateKey  string
	release   func() error // gives state back; nil until it is acquired
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "gatehouse", New: func() caddy.Module { return new(App) }}
}

// Provision checks the configuration and takes the state from the pool. It
// touches neither disk (beyond the files that the environments name) nor
// network: Start does.
func (a *App) Provision(ctx caddy.Context) error {
	collect(ctx)

	storage, err := a.loadStorage(ctx)
	if err != nil {
		return err
	}
	config, err := expandDeclared(declared.Config{Environments: a.Environments, MTLSURL: a.MTLSURL, ClientCAFile: a.ClientCAFile})
	if err != nil {
		return err
	}
	if a.legacy, err = a.Legacy.resolve(config.Environments); err != nil {
		return err
	}
	if a.directory, err = declared.New(config); err != nil {
		return err
	}
	if a.notifier, err = a.Notifier.resolve(); err != nil {
		return err
	}
	if a.outbound, err = a.Outbound.resolve(); err != nil {
		return err
	}
	if a.unlimited, err = networks("insecure_unlimited", a.InsecureUnlimited); err != nil {
		return err
	}
	if err := newExpander().one("api_url", &a.APIURL); err != nil {
		return err
	}
	if err := authserver.CheckAPIURL(a.APIURL); err != nil {
		return fmt.Errorf("api_url: %w", err)
	}
	if a.AuditRetention != 0 && time.Duration(a.AuditRetention) < 24*time.Hour {
		return fmt.Errorf("audit_retention %v is less than a day", time.Duration(a.AuditRetention))
	}
	return a.acquireState(storage)
}

func (a *App) loadStorage(ctx caddy.Context) (Storage, error) {
	if a.StorageRaw == nil {
		s := new(SQLite)
		return s, s.Provision(ctx)
	}
	module, err := ctx.LoadModule(a, "StorageRaw")
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	storage, ok := module.(Storage)
	if !ok {
		return nil, fmt.Errorf("storage: module %T is not a storage backend", module)
	}
	return storage, nil
}

// acquireState takes the state of this database and this key from the pool.
func (a *App) acquireState(storage Storage) error {
	log := processLog()
	key := &secretsKey{file: storage.KeyFile(), log: log}
	text := a.SecretsKey
	if err := newExpander().one("secrets_key", &text); err != nil {
		return err
	}
	switch {
	case text != "":
		var err error
		if key.key, err = parseSecretsKey(text); err != nil {
			return fmt.Errorf("secrets_key: %w", err)
		}
	case key.file == "":
		return errors.New("secrets_key is missing: this storage is shared by nodes, so all of them need one key (openssl rand -base64 32)")
	}
	a.stateKey = digest(storage.Identity(), key.file, string(key.key))

	var err error
	a.state, a.release, err = acquire(states, a.stateKey, func() (*sharedState, error) {
		return newSharedState(storage, key)
	})
	return err
}

// digest is a hash of parts; different lists have different digests.
func digest(parts ...string) string {
	b, err := json.Marshal(parts)
	if err != nil {
		panic(err) // strings always encode
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Start opens the database and begins background work, unless an earlier
// configuration has done so. It returns at once; requests that come before the
// database is open wait for it, for a bounded time.
func (a *App) Start() error {
	a.state.start()
	for _, s := range a.servers {
		s.Start()
	}
	return nil
}

// Stop does nothing: the state may live on in the next configuration. Cleanup
// gives it back.
func (a *App) Stop() error { return nil }

// Cleanup gives back what Provision took: nothing, perhaps, if it failed.
func (a *App) Cleanup() error {
	if a.release == nil {
		return nil
	}
	return a.release()
}

// isUnlimited reports whether an address is exempt from the limits on guessing.
func (a *App) isUnlimited(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(a.unlimited, func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) })
}

// environment finds the environment with exactly this issuer, its own, that of a
// custom domain or another of its, or nil.
func (a *App) environment(issuer string) (*store.Environment, error) {
	all, err := a.directory.Environments(context.Background()) // from memory
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.Issuer == issuer {
			return e, nil
		}
		for _, domain := range e.Domains {
			if domain.Issuer == issuer {
				return a.directory.EnvironmentByHost(context.Background(), domain.Host)
			}
		}
		if slices.Contains(e.AllIssuers, issuer) {
			return e.At(store.Domain{Issuer: issuer}), nil
		}
	}
	return nil, nil
}

// configuredApp is the gatehouse app of this configuration, or nil.
func configuredApp(ctx caddy.Context) (*App, error) {
	app, err := ctx.AppIfConfigured("gatehouse")
	switch {
	case errors.Is(err, caddy.ErrNotConfigured):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return app.(*App), nil
}

// expandDeclared replaces placeholders in what differs by deployment: secrets,
// addresses, audiences and file names. c is left alone.
func expandDeclared(c declared.Config) (declared.Config, error) {
	e := newExpander()
	c, err := c.Expand(func(value string) (string, error) {
		err := e.one("value", &value)
		return value, err
	})
	if err != nil {
		return c, err
	}
	if err := errors.Join(e.one("mtls_url", &c.MTLSURL), e.one("client_ca_file", &c.ClientCAFile)); err != nil {
		return c, err
	}
	for i := range c.Environments {
		env := &c.Environments[i]
		in := func(err error) error {
			if err == nil {
				return nil
			}
			return fmt.Errorf("environment %s: %w", env.Name, err)
		}
		if err := in(errors.Join(e.one("issuer", &env.Issuer), e.one("api_audience", &env.APIAudience), e.all("domain", &env.Domains), e.all("issuers", &env.Issuers),
			e.one("mtls_url", &env.MTLSURL), e.one("client_ca_file", &env.ClientCAFile))); err != nil {
			return c, err
		}
		for j := range env.Resources {
			r := &env.Resources[j]
			where := "resource " + r.Name + ": "
			if err := in(errors.Join(e.one(where+"audience", &r.Audience), e.one(where+"encryption_key", &r.EncryptionKeyFile))); err != nil {
				return c, err
			}
		}
		for j := range env.Applications {
			a := &env.Applications[j]
			where := "application " + a.ClientID + ": "
			err := errors.Join(
				e.one(where+"jwks_file", &a.JWKSFile), e.one(where+"jwks_uri", &a.JWKSURI), e.all(where+"redirect_uri", &a.RedirectURIs),
				e.all(where+"post_logout_redirect_uri", &a.PostLogoutRedirectURIs),
				e.one(where+"backchannel_logout_uri", &a.BackchannelLogoutURI),
				e.one(where+"frontchannel_logout_uri", &a.FrontchannelLogoutURI),
				e.one(where+"login_page", &a.LoginPage), e.one(where+"initiate_login_uri", &a.InitiateLoginURI),
				e.all(where+"cors_origin", &a.CORSOrigins))
			if err := in(err); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

// sharedState is a database and the server's state on it. It belongs to the
// pool: no configuration's context or logger is in it.
type sharedState struct {
	*authserver.State
	backend Backend
}

func newSharedState(storage Storage, key *secretsKey) (*sharedState, error) {
	backend, err := storage.Open(processLog())
	if err != nil {
		return nil, err
	}
	state, err := authserver.NewState(authserver.StateConfig{
		Store: backend, Shared: storage.KeyFile() == "", SecretsKey: key.load, Observer: metrics.server, Log: processLog(), Now: time.Now,
	})
	if err != nil {
		return nil, errors.Join(err, backend.Close())
	}
	return &sharedState{State: state, backend: backend}, nil
}

// start begins background work. Idempotent.
func (s *sharedState) start() {
	s.backend.Start()
	s.State.Start()
}

// Destruct ends background work and closes the database.
func (s *sharedState) Destruct() error {
	return errors.Join(s.State.Close(), s.backend.Close())
}

var (
	_ caddy.App             = (*App)(nil)
	_ caddy.Provisioner     = (*App)(nil)
	_ caddy.CleanerUpper    = (*App)(nil)
	_ caddy.Destructor      = (*sharedState)(nil)
	_ caddyfile.Unmarshaler = (*App)(nil)
)
