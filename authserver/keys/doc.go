// Package keys owns the signing keys of each environment: it creates them on
// first use, seals them at rest, publishes them, rotates them, and keeps them
// published until the last token they signed has expired.
//
// A ring has a rotation of the environment's own, and one for each key rotation
// policy (see Policy), which signs for the applications that name it. Each has
// one CURRENT key, which signs; one NEXT key, which will; and any
// number of PREVIOUS keys, which only verify. CURRENT and NEXT are drawn together,
// and every rotation draws the NEXT key of the one after it, so that a key has
// been published for at least the environment's overlap, and usually for a whole
// rotation period, before it signs anything.
//
// A new signing algorithm in the configuration is a rotation too: NEXT is drawn
// anew for it, published for the overlap, and then promoted. Nothing changes
// until then, so no verifier meets a key or an algorithm it has not seen.
//
// Beside them are the keys that people make or import (manage.go): those for
// signing are published, and sign once somebody makes one the default, in the
// place of the environment's own CURRENT key and until its certificate ends; those
// of other uses are kept, and no token has to do with them. A key that is deleted
// is withdrawn: what it has signed is not good any more. Nothing that this package
// tells of a key (Info) is of its private half.
//
// Rings live in the store under compare-and-swap and in memory as immutable
// values. Several nodes may rotate one ring: one of them wins, the others read
// what it did. Background refreshes (see Rings.Refresh) bring other nodes'
// rotations here long before their keys sign; for what nobody could expect, a first key
// of a policy or another default, Config.Changed and Rings.Stale have every node read the ring again.
//
// It leaves JOSE and names to jose, the encryption of private keys to secret, and who may
// do what, and what applications there are, to its callers. RFC 7517, RFC 8725 §3.10, RFC 5280,
// RFC 2986, RFC 7292. Start reading at Rings.
package keys
