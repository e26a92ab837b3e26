package caddymodule

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Ways to verify, as configuration spells them.
const (
	verifyJWT        = "jwt"
	verifyIntrospect = "introspect"
	verifyBoth       = "jwt_and_introspect"
)

// Issuer is one trusted issuer and how its tokens are verified. Addresses,
// audiences, credentials and file names may hold global placeholders.
//
// An issuer that is an environment of the gatehouse app is verified in process,
// unless verify, jwks_uri, jwks_file, secret or introspection is given.
type Issuer struct {
	// The issuer identifier, compared byte for byte with iss. Its discovery
	// document is used unless keys are given otherwise.
	Issuer string `json:"issuer"`
	// Audiences of which a token must be meant for one, instead of the handler's.
	Audience []string `json:"audience,omitempty"`
	// Accept tokens of this issuer whatever their audience.
	AnyAudience bool `json:"any_audience,omitempty"`
	// Accepted signature algorithms. Default: RS256, PS256, ES256, EdDSA. HS256,
	// HS384 and HS512 are only for a secret.
	Algorithms []string `json:"algorithms,omitempty"`
	// How far clocks may differ, at most 5m. Default: 30s.
	ClockSkew *caddy.Duration `json:"clock_skew,omitempty"`
	// The longest lifetime (exp-iat) that is accepted. Default: not checked.
	MaxLifetime caddy.Duration `json:"max_lifetime,omitempty"`
	// Refuse tokens without a subject.
	RequireSubject bool `json:"require_subject,omitempty"`

	// How tokens are verified: "jwt" (default), "introspect", or
	// "jwt_and_introspect", which introspects too, at most every recheck_every.
	// Required with introspection. Tokens that are not JWTs are asked about with
	// "introspect", and with "jwt_and_introspect" where opaque_tokens says so.
	Verify string `json:"verify,omitempty"`
	// The longest time between two introspections of one token.
	RecheckEvery caddy.Duration `json:"recheck_every,omitempty"`

	// The JWK Set's address, instead of discovery.
	JWKSURI string `json:"jwks_uri,omitempty"`
	// A file that holds the JWK Set; nothing is fetched then.
	JWKSFile string `json:"jwks_file,omitempty"`
	// A shared HMAC secret in base64, of 32 bytes or more.
	Secret string `json:"secret,omitempty"`

	// A file with the private keys that encrypted tokens (JWE) are opened with: PEM, a JWK or a JWK Set. What is inside must be
	// a signed token. Default: encrypted tokens are refused.
	DecryptionKeyFile string `json:"decryption_key_file,omitempty"`

	// How the introspection endpoint is asked (RFC 7662).
	Introspection *Introspection `json:"introspection,omitempty"`

	// A PEM file of the certificate authorities to trust for this issuer, instead
	// of the system's.
	CAFile string `json:"ca_file,omitempty"`
	// Time for one exchange with the issuer. Default: 5s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
	// Allow http addresses on loopback hosts. For development: anyone on this
	// machine may then stand in for the issuer.
	InsecureLoopbackHTTP bool `json:"insecure_loopback_http,omitempty"`
}

// Introspection is how an issuer is asked about a token.
type Introspection struct {
	// The endpoint's address. Default: from the issuer's discovery document.
	Endpoint string `json:"endpoint,omitempty"`
	// The client as which the gate authenticates.
	ClientID string `json:"client_id,omitempty"`
	// client_secret_basic (default), client_secret_post or private_key_jwt.
	AuthMethod string `json:"auth_method,omitempty"`
	// The client's secret.
	ClientSecret string `json:"client_secret,omitempty"`
	// A file with the client's private key for private_key_jwt: PEM or JWK.
	PrivateKeyFile string `json:"private_key_file,omitempty"`
	// How long an answer is believed, never past the token's expiry. Default: 1m;
	// with "jwt_and_introspect" it is recheck_every.
	TTL caddy.Duration `json:"ttl,omitempty"`
	// How long an older good answer may be used while the endpoint is down.
	// Default: not at all.
	StaleOnError caddy.Duration `json:"stale_on_error,omitempty"`
	// Ask this issuer about tokens that are not JWTs, and that no issuer in this
	// process knows. Implied for the only one with verify "introspect".
	OpaqueTokens bool `json:"opaque_tokens,omitempty"`
	// Demand signed answers (RFC 9701), whose audience is client_id. Any other answer counts as none.
	Signed bool `json:"signed,omitempty"`
}

// maxFile bounds the files that issuers name: 1 MiB.
const maxFile = 1 << 20

// files is what an issuer's files hold. It is part of a verifier's identity:
// a reload after a file has changed gets a new verifier.
type files struct{ JWKS, CA, PrivateKey, DecryptionKey []byte }

// expanded is a copy of i without placeholders.
func (i Issuer) expanded() (Issuer, error) {
	e := newExpander()
	if in := i.Introspection; in != nil {
		c := *in
		i.Introspection = &c
		err := errors.Join(
			e.one("introspection endpoint", &c.Endpoint),
			e.one("introspection client_id", &c.ClientID),
			e.one("introspection client_secret", &c.ClientSecret),
			e.one("introspection private_key_file", &c.PrivateKeyFile),
		)
		if err != nil {
			return i, err
		}
	}
	return i, errors.Join(
		e.one("issuer", &i.Issuer),
		e.all("audience", &i.Audience),
		e.one("jwks_uri", &i.JWKSURI),
		e.one("jwks_file", &i.JWKSFile),
		e.one("secret", &i.Secret),
		e.one("ca_file", &i.CAFile),
		e.one("decryption_key", &i.DecryptionKeyFile),
	)
}

// local reports whether the issuer leaves open how its tokens are verified, so
// that an environment in this process may do it.
func (i *Issuer) local() bool {
	return i.Verify == "" && i.JWKSURI == "" && i.JWKSFile == "" && i.Secret == "" && i.Introspection == nil
}

// read reads the files that i names.
func (i *Issuer) read() (f files, err error) {
	if f.JWKS, err = readFile("jwks_file", i.JWKSFile); err != nil {
		return f, err
	}
	if f.CA, err = readFile("ca_file", i.CAFile); err != nil {
		return f, err
	}
	if f.DecryptionKey, err = readFile("decryption_key", i.DecryptionKeyFile); err != nil {
		return f, err
	}
	if i.Introspection != nil {
		f.PrivateKey, err = readFile("private_key_jwt", i.Introspection.PrivateKeyFile)
	}
	return f, err
}

// readFile reads the file of the named option; without a name there is nothing
// to read.
func readFile(option, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", option, err)
	case len(b) > maxFile:
		return nil, fmt.Errorf("%s: %s is larger than %d bytes", option, name, maxFile)
	case len(b) == 0:
		return nil, fmt.Errorf("%s: %s is empty", option, name)
	}
	return b, nil
}

// resolve translates an expanded issuer for the verifier.
func (i *Issuer) resolve(f files) (resourceserver.Issuer, error) {
	out := resourceserver.Issuer{
		Issuer: i.Issuer, JWKSURI: i.JWKSURI, JWKS: f.JWKS,
		Audience: i.Audience, AnyAudience: i.AnyAudience, Algorithms: i.Algorithms,
		MaxLifetime: time.Duration(i.MaxLifetime), RequireSubject: i.RequireSubject,
		RecheckEvery: time.Duration(i.RecheckEvery),
		CA:           f.CA, Timeout: time.Duration(i.Timeout), InsecureLoopbackHTTP: i.InsecureLoopbackHTTP,
	}
	given := 0
	for _, source := range []string{i.JWKSURI, i.JWKSFile, i.Secret} {
		if source != "" {
			given++
		}
	}
	if given > 1 {
		return out, errors.New("jwks_uri, jwks_file and secret exclude each other")
	}
	if i.ClockSkew != nil {
		out.ClockSkew = time.Duration(*i.ClockSkew)
		if out.ClockSkew <= 0 {
			out.ClockSkew = -1 // none at all; 0 would mean the default
		}
	}
	var err error
	if out.Secret, err = decodeSecret(i.Secret); err != nil {
		return out, err
	}
	if out.Mode, err = i.mode(); err != nil {
		return out, err
	}
	if f.DecryptionKey != nil {
		if out.Decryption, err = jose.ParseDecryptionKeys(f.DecryptionKey); err != nil {
			return out, fmt.Errorf("decryption_key: %s: %w", i.DecryptionKeyFile, err)
		}
	}
	if i.Introspection != nil {
		out.Introspection, err = i.Introspection.resolve(f.PrivateKey)
	}
	return out, err
}

func (i *Issuer) mode() (resourceserver.Mode, error) {
	if i.RecheckEvery != 0 && i.Verify != verifyBoth {
		return "", fmt.Errorf("recheck_every is for verify %s", verifyBoth)
	}
	switch i.Verify {
	case "":
		if i.Introspection == nil {
			return "", nil
		}
		// JWTs would silently not be introspected by default.
		return "", fmt.Errorf("verify is missing: with introspection given, say %s, %s or %s", verifyIntrospect, verifyBoth, verifyJWT)
	case verifyJWT:
		return resourceserver.ModeJWT, nil
	case verifyIntrospect:
		return resourceserver.ModeIntrospect, nil
	case verifyBoth:
		if i.RecheckEvery <= 0 {
			return "", fmt.Errorf("recheck_every is missing: verify %s needs it", verifyBoth)
		}
		return resourceserver.ModeBoth, nil
	}
	return "", fmt.Errorf("verify: no mode '%s'; there are: %s, %s, %s", i.Verify, verifyJWT, verifyIntrospect, verifyBoth)
}

func (in *Introspection) resolve(key []byte) (resourceserver.Introspection, error) {
	out := resourceserver.Introspection{
		Endpoint: in.Endpoint, ClientID: in.ClientID, AuthMethod: in.AuthMethod, ClientSecret: in.ClientSecret,
		TTL: time.Duration(in.TTL), StaleOnError: time.Duration(in.StaleOnError), OpaqueTokens: in.OpaqueTokens, Signed: in.Signed,
	}
	if out.AuthMethod == "" && in.PrivateKeyFile != "" {
		out.AuthMethod = oauth.AuthPrivateKeyJWT
	}
	if key != nil {
		var err error
		if out.PrivateKey, err = jose.ParseSigningKey(key, "", ""); err != nil {
			return out, fmt.Errorf("private_key_jwt: %s: %w", in.PrivateKeyFile, err)
		}
	}
	return out, nil
}

// decodeSecret reads base64 in either alphabet, padded or not. The error does not
// repeat the input.
func decodeSecret(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	text = strings.TrimRight(text, "=")
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		b, err = base64.RawURLEncoding.DecodeString(text)
	}
	if err != nil {
		return nil, errors.New("secret is not base64")
	}
	return b, nil
}
