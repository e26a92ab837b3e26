package store

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
)

// Environment is one tenant: its own issuer, clients, resources and keys.
type Environment struct {
	ID           string // lower-case UUID; first path segment
	Name         string
	Organization string // UUID; the org claim of PingOne API tokens
	Issuer       string // byte-exact iss
	// AllIssuers are the iss values that tokens of this environment may have, custom domains
	// included; nil means Issuer alone.
	AllIssuers []string
	// APIAudience is the audience of the PingOne-shaped management API.
	APIAudience string
	// SigningAlgorithm signs access tokens: RS256 (default), PS256, ES256, EdDSA.
	SigningAlgorithm string
	// KeyRotation is how long a key signs; KeyOverlap how long a NEXT key is published before that.
	KeyRotation, KeyOverlap time.Duration
	// AccessTokenType is the typ header of access tokens: "at+jwt" (default) or "JWT" or "" for none.
	AccessTokenType string
	// OpaqueTokens makes access tokens that say nothing by themselves and are looked up, where the client does not
	// say otherwise (Client.AccessTokenFormat).
	OpaqueTokens bool
	// Compat names PingOne's behaviours that are weaker than ours; zero is strict.
	Compat Compat
	// Strict is security_profile strict: OAuth 2.1 (code alone, PKCE S256 for everyone, no wildcard redirect
	// URIs, codes of 60 s, replay protection always on).
	Strict bool
	// Domains are the hosts of custom domains: there the environment's ID is in no path, and the
	// issuer is "https://<host>/as". Issuer of an Environment found by host is that one.
	Domains []Domain
	// SignOn is how people sign on.
	SignOn SignOn
	// Branding is what the hosted pages look like.
	Branding Branding
	// Registration is dynamic client registration (RFC 7591).
	Registration Registration
	// VendorClaims puts PingOne's env and org into ID tokens.
	VendorClaims bool
	// Stored: the management API made it, and may delete it.
	Stored bool
	// Home is the issuer that has the hosted pages and the session's cookie, where Issuer is one that has neither; "" where
	// Issuer has them itself. Paths are what endpoints are called behind Issuer, by their names behind Home.
	Home  string
	Paths map[string]string
	// MTLSURL is where the endpoints are that a client certificate is asked for at, in place of Issuer: mtls_endpoint_aliases
	// (RFC 8705 §5); "" has none. ClientCAs are PEM certificates of the authorities of tls_client_auth clients.
	MTLSURL   string
	ClientCAs []byte
	// DPoPNonces demands nonces of DPoP proofs (RFC 9449 §8).
	DPoPNonces bool
}

// Domain is a custom domain of an environment, or another place at which it answers.
type Domain struct {
	Host   string // lower case, with the port where it is not the scheme's own
	Issuer string // "https://<host>/as"
	// Home and Paths are those of Environment, where the place has no pages of its own.
	Home  string
	Paths map[string]string
}

// At is the environment as seen through a custom domain: the same one with that domain's issuer.
func (e *Environment) At(d Domain) *Environment {
	c := *e
	c.Issuer, c.Home, c.Paths = d.Issuer, d.Home, d.Paths
	return &c
}

// EndpointURL is the address of an endpoint, by the last part of its path behind the environment's own issuer ("token").
func (e *Environment) EndpointURL(name string) string {
	if path, ok := e.Paths[name]; ok {
		name = path
	}
	return e.Issuer + "/" + name
}

// Issuers are all byte-exact iss values of the environment's tokens; e's own is first.
func (e *Environment) Issuers() []string {
	all := append(make([]string, 0, len(e.AllIssuers)+1), e.Issuer)
	for _, iss := range e.AllIssuers {
		if iss != e.Issuer {
			all = append(all, iss)
		}
	}
	return all
}

// FirstIssuer is the iss that is the environment's own wherever it is reached: the first of AllIssuers.
func (e *Environment) FirstIssuer() string {
	if len(e.AllIssuers) > 0 {
		return e.AllIssuers[0]
	}
	return e.Issuer
}

// OtherIssuer is e's issuer, or "" where that is the first one: how records keep it.
func (e *Environment) OtherIssuer() string {
	if e.Issuer == e.FirstIssuer() {
		return ""
	}
	return e.Issuer
}

// SignOn are the rules of signing on in an environment. Zero values are replaced by the defaults
// named here when a Directory is built.
type SignOn struct {
	SessionIdle     time.Duration // a session unused for so long ends; default 30 days
	SessionLifetime time.Duration // a session ends at the latest so long after sign-on; default 180 days
	// SelfRegistration lets people register accounts; PasswordRecovery lets them recover forgotten passwords.
	SelfRegistration, PasswordRecovery bool
	PasswordMinLength                  int           // default 8 (NIST SP 800-63B §5.1.1.2)
	PasswordMaxAge                     time.Duration // a stored password older than that has to be changed; 0: never
	LockoutAttempts                    int           // wrong passwords in a row that lock an account; default 5; negative: never
	LockoutDuration                    time.Duration // default 15 minutes
	// Argon2 cost of new password hashes (RFC 9106): memory in KiB (default 19456), passes (2), lanes (1).
	Argon2Memory, Argon2Passes uint32
	Argon2Lanes                uint8
}

// Branding of an environment's hosted pages. Empty fields mean Gatehouse's own look.
type Branding struct {
	Name    string // shown as the heading; default: the environment's name
	LogoURL string // https, or a path of the same origin
	Color   string // "#rrggbb": buttons and links
	// Language is the fallback (BCP 47) where a browser asks for none that we speak: "en" (default) or "de".
	Language string
}

// Registration says who may register clients (RFC 7591 §3).
type Registration struct {
	Mode   RegistrationMode
	Tokens [][]byte // initial access tokens; with RegistrationToken only
	// Scopes that registered clients may ask for, and the IDs of the resources of
	// those that belong to a custom one.
	Scopes    []string
	Resources map[string]string
	// StepUp are those of Scopes that a client which registered fewer may ask people for as well.
	StepUp []string
	// Documents accepts client identifiers that are the https URL of a metadata document
	// (draft-ietf-oauth-client-id-metadata-document), of these hosts alone where DocumentHosts names some.
	Documents     bool
	DocumentHosts []string
}

// RegistrationMode is off, token or open.
type RegistrationMode string

const (
	RegistrationOff   RegistrationMode = ""
	RegistrationToken RegistrationMode = "token"
	RegistrationOpen  RegistrationMode = "open"
)

// Compat switches PingOne's own behaviour on where Gatehouse is stricter.
type Compat struct {
	// UnrevocableClientCredentials refuses to revoke client-credentials tokens.
	UnrevocableClientCredentials bool
	// AssertionAudienceEndpoint accepts the token endpoint's URL, or the called endpoint's, as
	// the aud of a client assertion, beside the issuer.
	AssertionAudienceEndpoint bool
	// AssertionReplay accepts a client assertion more than once.
	AssertionReplay bool
	// TokenExchangeScopes exchanges anybody's token for any scope that is granted to the client that exchanges it.
	TokenExchangeScopes bool
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
	// PreviousSecrets authenticate it beside Secret, each until its Expires.
	PreviousSecrets []ClientSecret
	// IntrospectionAuth is client_secret_basic (default), client_secret_post or none.
	IntrospectionAuth string
	// Attributes are the mapped claims of its access tokens and of the answers of introspection; one for each claim.
	Attributes []ResourceAttribute
	// Encryption is the key to which JWTs for it are encrypted: its access tokens, which are then for it alone, and signed answers of
	// introspection (RFC 9701). nil: they are not. By configuration alone.
	Encryption *jose.EncryptionKey
}

// OpenID is the resource of OpenID Connect as an environment has it: what was
// changed of the standard scopes and claims. The zero value is the standard.
type OpenID struct {
	// Scopes are scopes beyond the standard ones, and what each gives; standard ones are there where they were
	// given other claims.
	Scopes map[string][]string
	// Claims are claims that come from elsewhere than the standard says, or that only this environment has. Of an
	// empty Source no claim comes.
	Claims map[string]OpenIDClaim
	// API are the PingOne API's scopes beyond the standard ones.
	API []string
	// Limits are those of the PingOne API's scopes that read or change some attributes of a person alone, and
	// which: paths in PingOne's words.
	Limits map[string][]string
}

// OpenIDClaim is where a claim comes from and goes to.
type OpenIDClaim struct {
	From              Source
	IDToken, UserInfo bool
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
	// Declared: from configuration, which speaks for all environments; others are of those who manage one.
	Declared   bool
	GrantTypes []string // oauth.Grant…
	AuthMethod string   // oauth.Auth…; exclusive
	// Secrets authenticate the client: the current one first, then a previous one still valid until its Expires.
	Secrets []ClientSecret
	// JWKS is the client's public JWK Set (JSON); JWKSURI where it is fetched from. At most one is set.
	JWKS    []byte
	JWKSURI string
	// RedirectURIs are compared byte for byte, except for the port of a loopback address (RFC 8252
	// §7.3), and for one "*" behind the authority where WildcardRedirectURIs is set.
	RedirectURIs         []string
	WildcardRedirectURIs bool
	// PostLogoutRedirectURIs are compared byte for byte.
	PostLogoutRedirectURIs []string
	// ResponseTypes are the parts that may be combined: "code", "token", "id_token".
	ResponseTypes []string
	PKCE          PKCE
	// RefreshTokenTTL is the life of one refresh token; 0 means DefaultRefreshTokenTTL. RefreshTokenRolling is the
	// time from sign-on during which they may be exchanged; 0 means without limit.
	RefreshTokenTTL, RefreshTokenRolling time.Duration
	// RefreshTokenGrace is how long a rotated token still gets the same successor; 0 to 24 h.
	RefreshTokenGrace time.Duration
	// NoReplayProtection is additionalRefreshTokenReplayProtectionEnabled=false: a replayed token is refused, and its
	// family lives on.
	NoReplayProtection bool
	// PARRequired refuses authorization requests that were not pushed. PARTimeout is the life
	// of a pushed one: 1 to 600 s, 0 means 60 s.
	PARRequired bool
	PARTimeout  time.Duration
	// UnsignedRequestObject accepts alg none request objects; SignedRequestObject requires a signed one.
	// Never both.
	UnsignedRequestObject, SignedRequestObject bool
	// RequestObjectAlgorithm is the one alg of its request objects; "" means any that is supported.
	RequestObjectAlgorithm string
	// UserInfoSigned answers at the UserInfo endpoint with a signed JWT.
	UserInfoSigned bool
	// Subject is what is mapped to the sub of its ID tokens and UserInfo answers, never a text; zero is the user's
	// ID. Access tokens have the sub that their resource maps.
	Subject Source
	// Attributes are the mapped claims of its ID tokens and UserInfo answers; one for each claim.
	Attributes []Attribute
	// Consent is when the person is asked.
	Consent Consent
	// IDPSignoff allows signing off with an ID token alone; SessionCheck adds session_state to authorization
	// responses (OIDC Session Management).
	IDPSignoff, SessionCheck bool
	// BackchannelLogoutURI is told of ended sessions by POST (OIDC Back-Channel Logout);
	// FrontchannelLogoutURI by an iframe of the sign-off page.
	BackchannelLogoutURI, FrontchannelLogoutURI string
	// FrontchannelLogoutSession adds iss and sid to FrontchannelLogoutURI.
	FrontchannelLogoutSession bool
	// IncludeX5T adds x5t to the header of tokens.
	IncludeX5T bool
	// CORS are the origins that may call with cookies; nil means none.
	CORS []string
	// LoginPageURL replaces the hosted sign-on page. InitiateLoginURI starts a sign-on at the client.
	LoginPageURL, InitiateLoginURI string
	// LogoURI, PolicyURI, TOSURI and ClientURI are shown to the person.
	LogoURI, PolicyURI, TOSURI, ClientURI string
	// DefaultMaxAge applies where a request has no max_age; 0 means none.
	DefaultMaxAge time.Duration
	// Grants are the resources' scopes the client may ask for: resource ID to scope names.
	Grants map[string][]string
	// Roles are the role names assigned to a worker.
	Roles []string
	// KeyRotationPolicy is the ID of the policy whose key signs its tokens; "" is the environment's own key.
	KeyRotationPolicy string
	// AccessTokenFormat is that of its access tokens; FormatDefault is the environment's.
	AccessTokenFormat AccessTokenFormat
	// DPoPBound refuses requests without a DPoP proof (dpop_bound_access_tokens, RFC 9449 §5.2). CertificateBound binds tokens to the client's
	// certificate (tls_client_certificate_bound_access_tokens, RFC 8705 §3.4).
	DPoPBound, CertificateBound bool
	// TLSSubject is whom the certificate of a tls_client_auth client names.
	TLSSubject mtls.Subject
	// ExchangesBound are audiences whose gate the client is: it has verified possession of what it is called with, so that access tokens for
	// one of them which are bound to a key or a certificate are exchanged for it without a proof. By configuration alone.
	ExchangesBound []string
	// MultipleResources is requestScopesForMultipleResourcesEnabled.
	MultipleResources bool
	// AdministratorsOnly lets nobody sign on but those who hold a role of an administrator. NobodySignsOn lets no
	// one: it is for members of groups, and there are no groups.
	AdministratorsOnly, NobodySignsOn bool
	// Registered: the client registered itself (RFC 7591). Managed: it is kept by the management API, whose callers administer
	// an environment and need not be who runs the server. See Stranger.
	Registered, Managed bool
}

// Stranger reports whether the addresses that the client names are not the word of who runs the
// server: they are contacted on the public Internet alone.
func (c *Client) Stranger() bool { return c.Registered || c.Managed }

// AccessTokenFormat is what access tokens are.
type AccessTokenFormat string

const (
	FormatDefault AccessTokenFormat = ""       // as the environment says
	FormatJWT     AccessTokenFormat = "JWT"    // signed claims, checked anywhere
	FormatOpaque  AccessTokenFormat = "OPAQUE" // a random text, looked up or introspected
)

// PKCE says what an authorization request must bring (RFC 7636).
type PKCE string

const (
	PKCEOptional     PKCE = "" // plain and S256 are both good
	PKCERequired     PKCE = "REQUIRED"
	PKCES256Required PKCE = "S256_REQUIRED"
)

// Consent is when a client needs the person's consent to its scopes.
type Consent string

const (
	ConsentNever  Consent = ""       // as PingOne: clients are the organisation's own; prompt=consent asks anyway
	ConsentOnce   Consent = "once"   // asked for scopes not yet agreed to
	ConsentAlways Consent = "always" // asked in every authorization
)

// ClientSecret is one secret; a zero Expires never ends.
type ClientSecret struct {
	Value   []byte
	Expires time.Time
}

// User is a person of an environment.
type User struct {
	Environment string
	ID          string // sub
	Username    string
	Disabled    bool
	// Declared: from configuration, and not to be changed. Password is the declared one then: itself or its
	// argon2id PHC string. Passwords of other users are in Credentials alone.
	Declared bool
	Password string
	// Verified: the address in the email claim was confirmed, or the account was declared.
	Verified bool
	// Claims are the standard claims (OIDC Core §5.1) and others.
	Claims    map[string]any
	CreatedAt time.Time
	UpdatedAt time.Time
	// Version counts changes of a stored user; 0 for a declared one.
	Version int64
	// Population is the ID of the population; "" is the environment's first one.
	Population string
	// MFAEnabled and VerifyStatus are kept for those who ask; nothing here depends on them.
	MFAEnabled   bool
	VerifyStatus string
}

// Directory finds the objects that requests name. It is read on every request:
// implementations answer from memory or a cache. Returned values are shared and
// must not be changed.
type Directory interface {
	// Environments lists every environment.
	Environments(ctx context.Context) ([]*Environment, error)
	// EnvironmentByID finds an environment by its exact id, or ErrNotFound.
	EnvironmentByID(ctx context.Context, id string) (*Environment, error)
	// EnvironmentByHost finds an environment by the host of a custom domain, with that domain's issuer, or ErrNotFound.
	EnvironmentByHost(ctx context.Context, host string) (*Environment, error)
	// ClientByID finds an application, enabled or not, or ErrNotFound.
	ClientByID(ctx context.Context, environment, id string) (*Client, error)
	// PostLogoutRedirectURI reports whether some enabled application has registered the address.
	PostLogoutRedirectURI(ctx context.Context, environment, uri string) (bool, error)
	// TrustedOrigin reports whether some enabled application trusts a script origin.
	TrustedOrigin(ctx context.Context, environment, origin string) (bool, error)
	// ResourceByID finds a resource, or ErrNotFound.
	ResourceByID(ctx context.Context, environment, id string) (*Resource, error)
	// OpenID is what the scopes of OpenID Connect stand for in an environment, or ErrNotFound.
	OpenID(ctx context.Context, environment string) (*OpenID, error)
	// UserByName finds a user by exact username, or ErrNotFound.
	UserByName(ctx context.Context, environment, username string) (*User, error)
	// UserByID finds a user by sub, or ErrNotFound.
	UserByID(ctx context.Context, environment, id string) (*User, error)
	// Administrator reports whether a user holds a role of an administrator, on anything.
	Administrator(ctx context.Context, environment, user string) (bool, error)
}
