package jose

import (
	"cmp"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// JWS algorithms (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2: Ed25519 is what new clients call EdDSA with that curve). "none" does
// not exist here.
const (
	HS256, HS384, HS512 = "HS256", "HS384", "HS512"
	RS256, RS384, RS512 = "RS256", "RS384", "RS512"
	PS256, PS384, PS512 = "PS256", "PS384", "PS512"
	ES256, ES384, ES512 = "ES256", "ES384", "ES512"
	EdDSA, Ed25519      = "EdDSA", "Ed25519"
)

// Key types and curves (RFC 7518 §6.1, §6.2.1.1; RFC 8037 §2).
const (
	ktyRSA, ktyEC, ktyOKP, ktyOct = "RSA", "EC", "OKP", "oct"

	curveP256, curveP384, curveP521 = "P-256", "P-384", "P-521"
	curveEd25519, curveX25519       = "Ed25519", "X25519"
)

// algorithm is what one alg value demands of a key, and the code behind it.
// Both halves are stateless and shared by all requests.
type algorithm struct {
	name     string
	library  string // its name there; "" for the same
	kty      string
	crv      string // "" where the key type has no curve
	secret   int    // shortest shared secret in bytes (RFC 7518 §3.2); 0: not symmetric
	verifier jws.Verifier
	signer   jws.Signer
}

// algorithms is never written after start.
var algorithms = func() map[string]*algorithm {
	m := make(map[string]*algorithm)
	for _, a := range []*algorithm{
		{name: HS256, kty: ktyOct, secret: 32},
		{name: HS384, kty: ktyOct, secret: 48},
		{name: HS512, kty: ktyOct, secret: 64},
		{name: RS256, kty: ktyRSA}, {name: RS384, kty: ktyRSA}, {name: RS512, kty: ktyRSA},
		{name: PS256, kty: ktyRSA}, {name: PS384, kty: ktyRSA}, {name: PS512, kty: ktyRSA},
		{name: ES256, kty: ktyEC, crv: curveP256},
		{name: ES384, kty: ktyEC, crv: curveP384},
		{name: ES512, kty: ktyEC, crv: curveP521},
		{name: EdDSA, kty: ktyOKP, crv: curveEd25519},
		{name: Ed25519, library: EdDSA, kty: ktyOKP, crv: curveEd25519},
	} {
		var err error
		library := jwa.SignatureAlgorithm(cmp.Or(a.library, a.name))
		if a.verifier, err = jws.NewVerifier(library); err != nil {
			panic("jose: " + err.Error()) // the library has lost an algorithm
		}
		if a.signer, err = jws.NewSigner(library); err != nil {
			panic("jose: " + err.Error())
		}
		m[a.name] = a
	}
	return m
}()

// Known reports whether alg is one of the algorithms above, byte for byte.
func Known(alg string) bool { return algorithms[alg] != nil }

// Symmetric reports whether alg is an HMAC algorithm.
func Symmetric(alg string) bool {
	a := algorithms[alg]
	return a != nil && a.secret > 0
}
