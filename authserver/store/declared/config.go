package declared

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Config declares environments and what is in them.
type Config struct {
	Environments []Environment `json:"environments,omitempty"`
	// MTLSURL is where the endpoints of all environments are that ask for client certificates (RFC 8705 §5): an https URL that "/<id>/as" comes
	// behind. ClientCAFile is a PEM file of the authorities of tls_client_auth clients. An environment may have its own of either in
	// its place. Those that are not declared have these, see Directory.Inherit. Default: none.
	MTLSURL      string `json:"mtls_url,omitempty"`
	ClientCAFile string `json:"client_ca_file,omitempty"`
}

// Environment declares one tenant.
type Environment struct {
	// Name is for people and error messages: unique, not empty.
	Name string `json:"name"`
	// ID is a lower-case UUID, unique. It is the first segment of every path.
	ID string `json:"id"`
	// Issuer is the iss of every token: https (http on a loopback host), without
	// query, fragment or trailing slash, ending in "/<id>/as".
	Issuer string `json:"issuer"`
	// Organization is the org claim of PingOne API tokens, a UUID. Default: ID.
	Organization string `json:"organization,omitempty"`
	// APIAudience is the audience of the PingOne-shaped management API. Default
	// https://api.pingone.com.
	APIAudience string `json:"api_audience,omitempty"`
	// SigningAlgorithm signs access tokens: RS256 (default), PS256, ES256, EdDSA.
	SigningAlgorithm string `json:"signing_algorithm,omitempty"`
	// KeyRotation is how long a key signs: default 90 days, at least 24 hours.
	KeyRotation Duration `json:"key_rotation,omitempty"`
	// KeyOverlap is how long a key is published before it signs: default 24 hours
	// or half of KeyRotation if that is less, at least 10 minutes, at most half of
	// KeyRotation.
	KeyOverlap Duration `json:"key_overlap,omitempty"`
	// AccessTokenType is the typ header of access tokens: "at+jwt" (default,
	// RFC 9068 §2.1), "JWT", or "none" for no typ at all.
	AccessTokenType string `json:"access_token_type,omitempty"`
	// AccessTokenFormat is "jwt" (default), or "opaque": tokens that say nothing by themselves, and are looked up or
	// introspected. Applications may say otherwise.
	AccessTokenFormat string `json:"access_token_format,omitempty"`
	// Issuers are further iss values that the environment's tokens may have, beside those of its domains: absolute URLs
	// of paths by which it is served too.
	Issuers []string `json:"issuers,omitempty"`
	// Compat names PingOne behaviours that are weaker than Gatehouse's own:
	// unrevocable_client_credentials, assertion_audience_endpoint, assertion_replay, token_exchange_scopes.
	Compat []string `json:"compat,omitempty"`
	// SecurityProfile is "pingone" (default: PingOne's behaviour except where it is unsafe) or "strict" (OAuth 2.1).
	SecurityProfile string `json:"security_profile,omitempty"`
	// Domains are custom domains: hosts ("login.example.com"), or http URLs of a
	// loopback host. There no path has the environment's ID, and the issuer is
	// "https://<host>/as".
	Domains []string `json:"domains,omitempty"`
	// SignOn, Branding and Registration are described with their types.
	SignOn       SignOn       `json:"sign_on,omitzero"`
	Branding     Branding     `json:"branding,omitzero"`
	Registration Registration `json:"client_registration,omitzero"`
	// MTLSURL is where the endpoints are that ask for client certificates, in place of Issuer (RFC 8705 §5): an https URL that
	// ends in "/<id>/as" too, of another host or port. Default: none.
	MTLSURL string `json:"mtls_url,omitempty"`
	// ClientCAFile is a file of PEM certificates, read by New: the authorities of applications with auth_method tls_client_auth.
	ClientCAFile string `json:"client_ca_file,omitempty"`
	// DPoPNonces demands the server's nonces in DPoP proofs (RFC 9449 §8).
	DPoPNonces bool `json:"dpop_nonces,omitempty"`
	// VendorClaims puts PingOne's env and org into ID tokens.
	VendorClaims bool `json:"vendor_claims,omitempty"`

	// DeclaredAt is where it is written, "Caddyfile:12", for the messages of the management API.
	DeclaredAt string `json:"declared_at,omitempty"`

	Users        []User        `json:"users,omitempty"`
	Resources    []Resource    `json:"resources,omitempty"`
	Applications []Application `json:"applications,omitempty"`
}

// User declares a person.
type User struct {
	// Username is unique in the environment and compared byte for byte.
	Username string `json:"username"`
	// Password is the password itself or its argon2id PHC string. Empty: the user
	// cannot sign in with a password.
	Password string `json:"password,omitempty"`
	// ID is the sub of the user's tokens, a lower-case UUID. Default: derived from
	// the environment's ID and Username, so that it survives reloads.
	ID string `json:"id,omitempty"`
	// Claims are the user's standard claims (OIDC Core §5.1) and others.
	Claims map[string]any `json:"claims,omitempty"`
	// Disabled keeps the user declared but lets nobody in.
	Disabled bool `json:"disabled,omitempty"`
	// DeclaredAt is where it is written, "Caddyfile:12", for the messages of the management API.
	DeclaredAt string `json:"declared_at,omitempty"`
}

// Resource declares a protected API.
type Resource struct {
	// Name is unique in the environment.
	Name string `json:"name"`
	// ID is its client_id at the introspection endpoint. Default: Name.
	ID string `json:"id,omitempty"`
	// Audience is the aud of its tokens, unique in the environment. Default: Name.
	Audience string `json:"audience,omitempty"`
	// Scopes are what can be granted (RFC 6749 §3.3).
	Scopes []string `json:"scopes,omitempty"`
	// AccessTokenTTL is 5 minutes to 30 days, in whole seconds; default 1 hour.
	AccessTokenTTL Duration `json:"access_token_ttl,omitempty"`
	// Secret authenticates the resource at the introspection endpoint: 8 bytes or
	// more. Empty: it cannot introspect, unless IntrospectionAuth is none.
	Secret string `json:"secret,omitempty"`
	// IntrospectionAuth is client_secret_basic (default), client_secret_post or none.
	IntrospectionAuth string `json:"introspection_auth,omitempty"`
	// Attributes are mapped claims of access tokens. The claim sub replaces the user's ID.
	Attributes []ResourceAttribute `json:"attributes,omitempty"`
	// EncryptionKeyFile holds a public key (PEM, a JWK or a JWK Set), read by New: access tokens that are JWTs, and signed answers of
	// introspection, are encrypted to it (JWE). Who has the private key, such as a gate with decryption_key, reads them. Such a token is
	// for this resource alone. Default: they are signed and not encrypted.
	EncryptionKeyFile string `json:"encryption_key_file,omitempty"`
	// ContentEncryption is their enc: A256GCM (default), A128GCM, A256CBC-HS512 or A128CBC-HS256.
	ContentEncryption string `json:"content_encryption,omitempty"`
	// DeclaredAt is where it is written, "Caddyfile:12", for the messages of the management API.
	DeclaredAt string `json:"declared_at,omitempty"`
}

// Application declares an OAuth client.
type Application struct {
	// ClientID is unique in the environment, among applications and resources.
	ClientID string `json:"client_id"`
	// Name is for people. Default: ClientID.
	Name string `json:"name,omitempty"`
	// Type is web_app, native_app, single_page_app, worker, service or custom_app.
	Type string `json:"type"`
	// Secret is 8 bytes or more; 32 or more for client_secret_jwt (RFC 7518 §3.2).
	Secret string `json:"secret,omitempty"`
	// PreviousSecrets authenticate beside Secret until they end.
	PreviousSecrets []PreviousSecret `json:"previous_secrets,omitempty"`
	// AuthMethod is client_secret_basic, client_secret_post, client_secret_jwt,
	// private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none, and excludes the others. Default:
	// client_secret_basic, or none for native and single-page applications.
	AuthMethod string `json:"auth_method,omitempty"`
	// TLSSubject is whom its certificate names, with tls_client_auth.
	TLSSubject *TLSSubject `json:"tls_subject,omitempty"`
	// DPoPBound refuses token requests without a DPoP proof (RFC 9449 §5.2).
	DPoPBound bool `json:"dpop_bound,omitempty"`
	// CertificateBound binds tokens to the certificate that the application presents, and refuses token requests without one (RFC 8705 §3).
	CertificateBound bool `json:"certificate_bound,omitempty"`
	// ExchangeBound names resources that the application stands before as a gate that verifies proofs of possession: it may exchange
	// access tokens for them that are bound to a key or a certificate (grant token_exchange) without a proof, for tokens of other resources.
	ExchangeBound []string `json:"exchange_bound,omitempty"`
	// JWKS (a JWK Set), JWKSFile (a file holding one, read by New) or JWKSURI (an
	// https URL) is where private_key_jwt and self_signed_tls_client_auth find the public keys. At most one.
	JWKS     json.RawMessage `json:"jwks,omitempty"`
	JWKSFile string          `json:"jwks_file,omitempty"`
	JWKSURI  string          `json:"jwks_uri,omitempty"`
	// Grants are grant types, by their OAuth names or their last word
	// (device_code, token_exchange, ciba). Default: client_credentials for workers
	// and services, authorization_code for the others.
	Grants []string `json:"grants,omitempty"`
	// RedirectURIs are compared byte for byte, except for a loopback's port.
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	// SignIn is embedded: its members are the application's own.
	SignIn
	// Allow lists the scopes that the application may ask for: those of the
	// environment's resources, written resource/scope where several resources
	// have one of that name, and those of OpenID Connect and the PingOne API.
	Allow []string `json:"allow,omitempty"`
	// Roles are names of the management API's roles: "Environment Admin" and so on, on this environment;
	// "Organization Admin" is on the whole organization. Workers only.
	Roles []string `json:"roles,omitempty"`
	// MultipleResources allows one token for several custom resources.
	MultipleResources bool `json:"multiple_resources,omitempty"`
	// Disabled keeps the application declared but refuses it everywhere.
	Disabled bool `json:"disabled,omitempty"`
	// DeclaredAt is where it is written, "Caddyfile:12", for the messages of the management API.
	DeclaredAt string `json:"declared_at,omitempty"`
}

// PreviousSecret is a secret that has been replaced.
type PreviousSecret struct {
	Secret string    `json:"secret"`
	Until  time.Time `json:"until"`
}

// Expand returns a copy of c in which replace was applied to every secret and
// password, so that a host can keep them out of its configuration file. An error
// of replace is returned with the object and option in front. The copy shares
// what was not replaced with c.
func (c Config) Expand(replace func(string) (string, error)) (Config, error) {
	var failed error
	expand := func(value *string, format string, args ...any) {
		if *value == "" || failed != nil {
			return
		}
		out, err := replace(*value)
		if err != nil {
			failed = fmt.Errorf(format+": %w", append(args, err)...)
			return
		}
		*value = out
	}
	c.Environments = append([]Environment(nil), c.Environments...)
	for i := range c.Environments {
		e := &c.Environments[i]
		e.Users = append([]User(nil), e.Users...)
		e.Registration.Tokens = append([]string(nil), e.Registration.Tokens...)
		for j := range e.Registration.Tokens {
			expand(&e.Registration.Tokens[j], "environment %s: client_registration: token", e.Name)
		}
		for j := range e.Users {
			expand(&e.Users[j].Password, "environment %s: user %s: password", e.Name, e.Users[j].Username)
		}
		e.Resources = append([]Resource(nil), e.Resources...)
		for j := range e.Resources {
			expand(&e.Resources[j].Secret, "environment %s: resource %s: secret", e.Name, e.Resources[j].Name)
		}
		e.Applications = append([]Application(nil), e.Applications...)
		for j := range e.Applications {
			a := &e.Applications[j]
			expand(&a.Secret, "environment %s: application %s: secret", e.Name, a.ClientID)
			a.PreviousSecrets = append([]PreviousSecret(nil), a.PreviousSecrets...)
			for k := range a.PreviousSecrets {
				expand(&a.PreviousSecrets[k].Secret, "environment %s: application %s: previous_secret", e.Name, a.ClientID)
			}
		}
	}
	return c, failed
}

// Duration is a time.Duration that JSON writes as "1h30m" and reads from that,
// from whole days ("90d") or from a number of nanoseconds.
type Duration time.Duration

// MarshalJSON writes d as time.Duration prints it.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON reads a duration.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		return json.Unmarshal(b, (*int64)(d))
	}
	v, err := ParseDuration(text)
	*d = v
	return err
}

// ParseDuration reads "1h30m" as time.ParseDuration does, and "90d" as days.
func ParseDuration(text string) (Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		v, err := time.ParseDuration(days + "h")
		if err == nil && v > time.Duration(1<<63-1)/24 {
			err = fmt.Errorf("duration %q is too long", text)
		}
		return Duration(v * 24), err
	}
	v, err := time.ParseDuration(text)
	return Duration(v), err
}
