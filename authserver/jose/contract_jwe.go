package jose

// DecryptionKeys are private keys that open what was encrypted to a server (RFC 7516). Safe for concurrent use.
type DecryptionKeys struct{}

// ParseDecryptionKeys reads private keys: PEM (PKCS #8, PKCS #1, SEC 1), a JWK or a JWK Set. RSA of 2048 bits or more, P-256, P-384, P-521, X25519.
func ParseDecryptionKeys(text []byte) (*DecryptionKeys, error) { panic("contract") }

// Decrypt opens a compact JWE and gives what is in it, which proves nothing by itself: it must be a signed token. Key management is
// RSA-OAEP-256, RSA-OAEP, ECDH-ES and ECDH-ES+A128KW/A256KW, content A128GCM, A256GCM, A128CBC-HS256, A256CBC-HS512; no compression, no
// passwords, no RSA1_5. All failures are one *Error.
func (k *DecryptionKeys) Decrypt(token string, lim Limits) (string, error) { panic("contract") }

// LooksLikeJWE reports cheaply whether token has the five parts of a compact JWE.
func LooksLikeJWE(token string) bool { panic("contract") }
