// Package jose reads and writes JWS, JWE and JWK, strictly. It alone imports
// lestrrat-go/jwx, which does the cryptography and the key formats; the framing
// around it (sizes, canonical base64url, strict JSON, algorithm and key binding)
// is ours, because it must refuse what a lenient reader would let pass.
//
// Reading goes Parse, KeySet.Find, JWS.Verify, JWS.Claims; each is in the file of
// its name. strictjson.go is the one JSON reader that all of it stands on.
//
// It leaves to its callers which algorithms, types, issuers, audiences and times
// are good, and where keys come from. Parse recognises and refuses encrypted tokens: DecryptionKeys.Decrypt gives the signed one inside.
// ParseEmbedded reads proofs, which bring their key; nothing else believes a key in a header.
// RFC 7515, RFC 7516, RFC 7517, RFC 7518, RFC 7519, RFC 7638, RFC 8037, RFC 8725. Start at Parse.
package jose
