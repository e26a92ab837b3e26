package store

import (
	"context"
	"time"
)

// Environment is one tenant: its own issuer, clients, resources and keys.
type Environment struct {
	ID           string // lower-case UUID; first path segment
	Name         string
	Organization string // UUID; the org claim of PingOne API tokens
	Issuer       string // byte-exact iss
	// APIAudience is the audience of the PingOne-shaped management API.
	APIAudience string
	// SigningAlgorithm signs access tokens: RS256 (default), PS256, ES256, EdDSA.
	SigningAlgorithm string
	// KeyRotation is how long a key signs; KeyOverlap how long a NEXT key is published before that.
	KeyRotation, KeyOverlap time.Duration
	// AccessTokenType is the typ header of access tokens: "at+jwt" (default) or "JWT" or "" for none.
	AccessTokenType string
	// Compat names PingOne's behaviours that are weaker than ours; zero is strict.
	Compat Compat
}

// Compat switches PingOne's own behaviour on where Gatehouse is stricter.
type Compat struct {
	// UnrevocableClientCredentials refuses to revoke client-credentials tokens.
	UnrevocableClientCredentials bool
	// AssertionAudienceEndpoint accepts the token endpoint's URL, or the called endpoint's, as
	// the aud of a client assertion, beside the issuer.
	AssertionAudienceEndpoint bool
	// AssertionReplay accepts a client assertion more than once.
	AssertionReplay bool
}

// Resource is a protected API of an environment and its scopes.
type Resource struct {
	Environment string
	ID          string // also its client_id at the introspection endpoint
	Name        string
	Audience    string
	Scopes      []string
	// AccessTokenTTL is accessTokenValiditySeconds: 5 min to 30 d, default 1 h.
	AccessTokenTTL time.Duration
	// Secret authenticates the resource at the introspection endpoint; empty means it cannot introspect, unless IntrospectionAuth is none.
	Secret []byte
	// IntrospectionAuth is client_secret_basic (default), client_secret_post or none.
	IntrospectionAuth string
}

// ApplicationType is PingOne's application type.
type ApplicationType string

const (
	WebApp        ApplicationType = "WEB_APP"
	NativeApp     ApplicationType = "NATIVE_APP"
	SinglePageApp ApplicationType = "SINGLE_PAGE_APP"
	Worker        ApplicationType = "WORKER"
	Service       ApplicationType = "SERVICE"
	CustomApp     ApplicationType = "CUSTOM_APP"
)

// Client is an OAuth client: an application of an environment.
type Client struct {
	Environment string
	ID          string // client_id
	Name        string
	Type        ApplicationType
	Enabled     bool
	GrantTypes  []string // oauth.Grant…
	AuthMethod  string   // oauth.Auth…; exclusive
	// Secrets authenticate the client: the current one first, then a previous one still valid until its Expires.
	Secrets []ClientSecret
	// JWKS is the client's public JWK Set (JSON); JWKSURI where it is fetched from. At most one is set.
	JWKS    []byte
	JWKSURI string
	// RedirectURIs are kept for the authorization endpoint.
	RedirectURIs []string
	// Grants are the resources' scopes the client may ask for: resource ID to scope names.
	Grants map[string][]string
	// Roles are the role names assigned to a worker.
	Roles []string
	// MultipleResources is requestScopesForMultipleResourcesEnabled.
	MultipleResources bool
}

// ClientSecret is one secret; a zero Expires never ends.
type ClientSecret struct {
	Value   []byte
	Expires time.Time
}

// User is a person of an environment. Password is the argon2id PHC string
// ("$argon2id$…"), or, for a user declared in configuration, possibly the password itself.
type User struct {
	Environment string
	ID          string
	Username    string
	Password    string
	Claims      map[string]any
}

// Directory finds the objects that requests name. It is read on every request:
// implementations answer from memory or a cache. Returned values are shared and
// must not be changed.
type Directory interface {
	// Environments lists every environment.
	Environments(ctx context.Context) ([]*Environment, error)
	// EnvironmentByID finds an environment by its exact id, or ErrNotFound.
	EnvironmentByID(ctx context.Context, id string) (*Environment, error)
	// ClientByID finds an application, enabled or not, or ErrNotFound.
	ClientByID(ctx context.Context, environment, id string) (*Client, error)
	// ResourceByID finds a resource, or ErrNotFound.
	ResourceByID(ctx context.Context, environment, id string) (*Resource, error)
	// UserByName finds a user by exact username, or ErrNotFound.
	UserByName(ctx context.Context, environment, username string) (*User, error)
}
