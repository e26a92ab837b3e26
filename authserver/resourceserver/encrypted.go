package resourceserver

import (
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// readEncrypted opens an encrypted token (RFC 7519 §5.2) with the keys of the issuers that have some, and reads the signed one
// in it. Encryption says nothing of who made it, since anybody may encrypt to us: the signature inside is judged as if it had come in the
// clear. It must name the issuer whose key opened it. All failures to open one are the same.
func (v *Verifier) readEncrypted(raw string) (*jose.JWS, *jose.Claims, *issuer, outcome) {
	limits := jose.Limits{Size: v.config.MaxTokenSize}
	refused := outcome{why: Malformed, issuer: -1}
	for _, is := range v.encrypting {
		inner, err := is.config.Decryption.Decrypt(raw, limits)
		if err != nil {
			refused.cause = err
			continue
		}
		jws, claims, named, o := v.read(inner)
		if o.why != Allowed {
			return nil, nil, nil, o
		}
		if named == is || named.config.Decryption == is.config.Decryption {
			return jws, claims, named, o
		}
		refused = outcome{why: UnknownIssuer, issuer: -1}
	}
	return nil, nil, nil, refused
}
