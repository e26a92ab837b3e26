// Package keys owns the signing keys of each environment: it creates them on
// first use, seals them at rest, publishes them, rotates them, and keeps them
// published until the last token they signed has expired.
//
// A ring has one CURRENT key, which signs; one NEXT key, which will; and any
// number of PREVIOUS keys, which only verify. CURRENT and NEXT are drawn together,
// and every rotation draws the NEXT key of the one after it, so that a key has
// been published for at least the environment's overlap, and usually for a whole
// rotation period, before it signs anything.
//
// A new signing algorithm in the configuration is a rotation too: NEXT is drawn
// anew for it, published for the overlap, and then promoted. Nothing changes
// until then, so no verifier meets a key or an algorithm it has not seen.
//
// Rings live in the store under compare-and-swap and in memory as immutable
// values. Several nodes may rotate one ring: one of them wins, the others read
// what it did. Background refreshes (see Rings.Refresh) bring other nodes'
// rotations here long before their keys sign.
//
// It leaves JOSE to jose and the encryption of private keys to secret. RFC 7517,
// RFC 8725 §3.10. Start reading at Rings.
package keys
