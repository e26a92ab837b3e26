package jose

import (
	"encoding/json"
	"time"
)

// JWS algorithms (RFC 7518 §3.1, RFC 8037 §3.1). "none" does not exist here.
const (
	HS256, HS384, HS512 = "HS256", "HS384", "HS512"
	RS256, RS384, RS512 = "RS256", "RS384", "RS512"
	PS256, PS384, PS512 = "PS256", "PS384", "PS512"
	ES256, ES384, ES512 = "ES256", "ES384", "ES512"
	EdDSA               = "EdDSA"
)

// Known reports whether alg is one of the algorithms above, byte for byte.
func Known(alg string) bool { panic("todo") }

// Symmetric reports whether alg is an HMAC algorithm.
func Symmetric(alg string) bool { panic("todo") }

// Limits bounds what is read from a stranger, before anything is decoded. Zero
// fields mean the defaults.
type Limits struct {
	Size    int // bytes of the compact form; default 16384
	Depth   int // JSON nesting; default 16
	Members int // JSON members and elements in all; default 2000
}

// Problem is why a token was refused: a closed set, for metrics and logs.
type Problem string

const (
	ProblemOversized Problem = "oversized"
	ProblemMalformed Problem = "malformed"
	ProblemAlgorithm Problem = "algorithm" // absent, none, unknown or not allowed
	ProblemCritical  Problem = "critical"  // crit or b64 (RFC 7515 §4.1.11, RFC 7797)
	ProblemType      Problem = "type"
	ProblemEncrypted Problem = "encrypted" // a JWE where a JWS is asked for
	ProblemKey       Problem = "key"       // no key fits
	ProblemSignature Problem = "signature"
)

// Error is a refused JOSE object. It never repeats the input.
type Error struct {
	Problem Problem
	Detail  string
}

func (e *Error) Error() string { return "jose: " + string(e.Problem) + ": " + e.Detail }

// Header is the part of a JOSE header that is read. jwk, jku, x5u and x5c are
// never looked at: a key comes from configuration alone (RFC 8725 §3.10).
type Header struct {
	Algorithm string
	KeyID     string
	HasKeyID  bool
	Type      string // as sent; compare with TypeIs
}

// TypeIs compares typ without regard to case and to an "application/" prefix
// (RFC 7515 §4.1.9).
func (h *Header) TypeIs(want string) bool { panic("todo") }

// JWS is a compact JWS whose framing is sound (three parts, canonical
// base64url, strict JSON header, known alg, no crit) and whose signature has
// not been verified. It is immutable.
type JWS struct {
	Header Header
	// unexported: signing input, payload, signature
}

// Parse reads a compact JWS strictly. The size is checked before decoding and
// nothing is split without bound. Errors are *Error.
func Parse(token string, lim Limits) (*JWS, error) { panic("todo") }

// LooksLikeJWT reports cheaply whether token has the shape of a compact JWS or
// JWE (a first part that decodes to a JSON object with dots after it). What does not is opaque.
func LooksLikeJWT(token string) bool { panic("todo") }

// Verify checks the signature with one key. The key must fit the header's alg.
func (j *JWS) Verify(k *Key) error { panic("todo") }

// Claims parses the payload as a JWT claims set, strictly: one JSON object,
// no repeated member at any level, bounded depth, registered claims of the
// registered types. Until Verify succeeded they are only a claim: use them to
// select the issuer, nothing else.
func (j *JWS) Claims() (*Claims, error) { panic("todo") }

// Claims is a JWT claims set (RFC 7519 §4), read once. It is immutable and safe
// for concurrent use.
type Claims struct {
	Issuer    string    // "" when absent
	Subject   string    // "" when absent
	Audience  []string  // nil when absent or empty; a single string becomes one element
	ID        string    // jti
	ClientID  string    // client_id (RFC 8693 §4.3)
	Scope     []string  // members of the scope string (RFC 6749 §3.3); nil when absent
	Expiry    time.Time // zero when absent
	NotBefore time.Time // zero when absent
	IssuedAt  time.Time // zero when absent
	// unexported: all members
}

// ParseClaims reads a claims set from JSON under the same rules as JWS.Claims;
// introspection answers are read with it too.
func ParseClaims(b []byte, lim Limits) (*Claims, error) { panic("todo") }

// Has reports whether the member is present, null included.
func (c *Claims) Has(name string) bool { panic("todo") }

// Raw gives the JSON text of one member, by its exact name.
func (c *Claims) Raw(name string) (json.RawMessage, bool) { panic("todo") }

// Value gives one member decoded (string, json.Number, bool, []any, map[string]any, nil).
// The result is shared: callers must not change it.
func (c *Claims) Value(name string) (any, bool) { panic("todo") }

// Key is one key that verifies signatures, bound to a key type: a public key or
// a shared secret. It is immutable.
type Key struct {
	ID string // kid; "" when it has none
	// unexported: raw key, kty, curve, alg restriction
}

// Fits reports whether the key may verify alg: the right type and curve, and
// the key's own alg, use and key_ops allow it.
func (k *Key) Fits(alg string) bool { panic("todo") }

// NewSecretKey makes a shared-secret key for the HMAC algorithms. A secret
// shorter than 32 bytes, or blank, is refused (RFC 7518 §3.2).
func NewSecretKey(id string, secret []byte) (*Key, error) { panic("todo") }

// KeySet is a read-only set of verification keys.
type KeySet struct {
	// unexported
}

// KeySetLimits bounds a JWK Set. Zero fields mean the defaults.
type KeySetLimits struct {
	Size int // bytes; default 1 MiB
	Keys int // keys kept; default 100, the rest is skipped
}

// ParseKeySet reads a JWK Set (RFC 7517 §5). Keys that cannot or must not be
// used (unknown kty, weak RSA, off-curve points, private or symmetric members, use enc, a repeated
// kid) are skipped and counted, the others work. A document that is not a JWK
// Set is an error.
func ParseKeySet(b []byte, lim KeySetLimits) (set *KeySet, skipped int, err error) { panic("todo") }

// NewKeySet collects keys.
func NewKeySet(keys ...*Key) *KeySet { panic("todo") }

// Len is the number of usable keys.
func (s *KeySet) Len() int { panic("todo") }

// Find picks the key that a header asks for: by kid where the header has one,
// otherwise the only key that fits alg. None, or several without a kid, is nil.
func (s *KeySet) Find(h *Header) *Key { panic("todo") }

// HasID reports whether a key with this kid is in the set, whether or not it fits.
func (s *KeySet) HasID(kid string) bool { panic("todo") }

// SigningKey is a private key bound to one algorithm. Sign is safe for
// concurrent use.
type SigningKey struct {
	// unexported
}

// GenerateSigningKey draws a key for alg (RSA: bits, 2048 when 0).
func GenerateSigningKey(alg string, bits int) (*SigningKey, error) { panic("todo") }

// ParseSigningKey reads a private key as PEM (PKCS #1, PKCS #8, SEC 1) or as a JWK.
// alg "" means the key's natural one (RSA: RS256, P-256: ES256, Ed25519: EdDSA, ...). kid "" means the JWK's own
// or else the thumbprint.
func ParseSigningKey(b []byte, alg, kid string) (*SigningKey, error) { panic("todo") }

// ParsePublicKeyPEM / JWK single keys are read through ParseKeySet.

// ID is the kid: the RFC 7638 thumbprint unless one was given.
func (k *SigningKey) ID() string { panic("todo") }

// Algorithm is the one alg this key signs with.
func (k *SigningKey) Algorithm() string { panic("todo") }

// Public is the verification half.
func (k *SigningKey) Public() *Key { panic("todo") }

// PublicJWK is the public half as JWK JSON with kid, use, alg.
func (k *SigningKey) PublicJWK() (json.RawMessage, error) { panic("todo") }

// MarshalPrivate is the private JWK, for sealing; ParseSigningKey reads it back.
func (k *SigningKey) MarshalPrivate() ([]byte, error) { panic("todo") }

// Sign returns the compact JWS of claims (a JSON object, already encoded). The header has alg, kid, and typ where typ is not empty.
func (k *SigningKey) Sign(typ string, claims []byte) (string, error) { panic("todo") }

// SignSecret signs claims with a shared secret and an HMAC algorithm; it is how
// tests and private clients make client_secret_jwt assertions.
func SignSecret(alg string, secret []byte, typ string, claims []byte) (string, error) { panic("todo") }
