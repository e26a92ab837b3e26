// Package jose reads and writes JWS and JWK, strictly. It alone imports
// lestrrat-go/jwx, which does the cryptography and the key formats; the framing
// around it (sizes, canonical base64url, strict JSON, algorithm and key binding)
// is ours, because it must refuse what a lenient reader would let pass.
//
// It leaves to its callers which issuer, audience and times are good.
// RFC 7515, RFC 7517, RFC 7518, RFC 7519, RFC 8037, RFC 8725. Start at Parse.
package jose
