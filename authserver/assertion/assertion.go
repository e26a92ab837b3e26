package assertion

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Type is the typ of an assertion, Header the request header that carries it unless configuration says otherwise.
const (
	Type   = "gatehouse-assertion+jwt"
	Header = "Gatehouse-Assertion"
)

// Claims of an assertion beside the registered ones. htm and ath are those of RFC 9449 §4.2.
const (
	claimMethod = "htm"          // the request's method
	claimTarget = "target"       // path and query as the upstream gets them (RFC 9112 §3.2.1)
	claimHash   = "ath"          // hash of the access token; absent for an anonymous request
	claimIssuer = "token_issuer" // whose token it is; absent for an anonymous request
)

// reserved are the claims that are not taken from the token: they say something else here.
var reserved = []string{
	"iss", "aud", "exp", "nbf", "iat", "jti", "cnf", claimMethod, "htu", claimTarget, claimHash, claimIssuer,
}

// always are taken from every token that has them.
var always = []string{"sub", "client_id", "scope"}

// hash is the ath of a token (RFC 9449 §4.2).
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// algorithms are what assertions may be signed with: all that a private key can be for.
var algorithms = []string{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.PS256}
