package jose

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
)

// LeftHash is the left half of a hash of value in base64url: at_hash, c_hash and
// s_hash of an ID token (OIDC Core §3.1.3.6, §3.3.2.11). The hash is that of the
// algorithm which signs the ID token; with EdDSA (Ed25519) it is SHA-512, the one
// inside the signature (RFC 8032 §5.1).
func LeftHash(alg, value string) (string, error) {
	var sum []byte
	switch alg {
	case HS256, RS256, PS256, ES256:
		h := sha256.Sum256([]byte(value))
		sum = h[:]
	case HS384, RS384, PS384, ES384:
		h := sha512.Sum384([]byte(value))
		sum = h[:]
	case HS512, RS512, PS512, ES512, EdDSA, Ed25519:
		h := sha512.Sum512([]byte(value))
		sum = h[:]
	default:
		return "", errors.New("left hash: the algorithm is not known")
	}
	return b64.EncodeToString(sum[:len(sum)/2]), nil
}
