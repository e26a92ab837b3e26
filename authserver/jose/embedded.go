package jose

import (
	"crypto/rsa"
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// Embedded is a JWS that brings the public key which it is signed with (jwk, RFC 7515 §4.1.3). That it verifies says that whoever
// made it has the key, never who that is: callers compare Thumbprint with what they know.
type Embedded struct {
	Header     Header
	Thumbprint string // of the key (RFC 7638), SHA-256 in base64url

	jws  *JWS
	key  *Key
	head string // the encoded header, "" where it is remembered already
}

// maxEmbeddedRSA bounds the RSA keys that strangers bring, in bits: verifying with one of 16384, which anybody could make up, takes a
// hundred times as long as with one of 2048.
const maxEmbeddedRSA = 4096

// ParseEmbedded is Parse for the kinds of JWS whose rule it is to bring their key, such as DPoP proofs. It is nothing for tokens, whose
// jwk is an attacker's. size is how long it may be, in bytes. The key must be public, fit alg and be no symmetric one. Errors
// are *Error, with ProblemKey where the key is at fault.
func ParseEmbedded(token string, size int) (*Embedded, error) {
	e := new(Embedded)
	j, err := parse(token, Limits{Size: size, Depth: 8, Members: 200}.withDefaults(), e)
	if err != nil {
		return nil, err
	}
	e.jws = j
	return e, nil
}

// Verify checks the signature with the key of the header. Errors are *Error with ProblemSignature.
func (e *Embedded) Verify() error {
	if err := e.jws.Verify(e.key); err != nil {
		return err
	}
	if e.head != "" {
		e.remember()
	}
	return nil
}

// Claims is JWS.Claims.
func (e *Embedded) Claims() (*Claims, error) { return e.jws.Claims() }

// read takes Header, key and Thumbprint from the header's JSON.
func (e *Embedded) read(s string, lim Limits) (err error) {
	text := ""
	if e.Header, err = parseHeader(s, lim, false, &text); err != nil {
		return err
	}
	if text == "" {
		return refuse(ProblemKey, "jwk is absent")
	}
	if e.key, err = parsePublicJWK(text); err != nil {
		return refuse(ProblemKey, err.Error()) // words of this package
	}
	if e.key.kty == ktyRSA && e.key.raw.(*rsa.PublicKey).N.BitLen() > maxEmbeddedRSA {
		return refuse(ProblemKey, "the RSA modulus is longer than 4096 bits")
	}
	if !e.key.Fits(e.Header.Algorithm) {
		return refuse(ProblemKey, "the key does not fit alg")
	}
	if e.Thumbprint, err = e.key.Thumbprint(); err != nil {
		return refuse(ProblemKey, "the key has no thumbprint")
	}
	return nil
}

// A client that proves possession sends the same header again and again, so that
// those whose signatures were good are remembered: what reading them gives depends on their text alone. Places are few and
// each header has one, so that strangers can neither fill memory nor do more than cost others a second reading.
var (
	embeddedSeed    = maphash.MakeSeed()
	embeddedHeaders [4096]atomic.Pointer[embeddedHeader]
)

// maxEmbeddedHeader is the longest encoded header that is remembered: an RSA key of 4096 bits fits.
const maxEmbeddedHeader = 1536

type embeddedHeader struct {
	text       string // the first part of the JWS
	header     Header
	key        *Key
	thumbprint string
}

func embeddedPlace(head string) *atomic.Pointer[embeddedHeader] {
	return &embeddedHeaders[maphash.String(embeddedSeed, head)%uint64(len(embeddedHeaders))]
}

// recall fills e from a header that was good before.
func (e *Embedded) recall(head string) bool {
	if known := embeddedPlace(head).Load(); known != nil && known.text == head {
		e.Header, e.key, e.Thumbprint = known.header, known.key, known.thumbprint
		return true
	}
	e.head = head
	return false
}

// remember keeps the header for recall.
func (e *Embedded) remember() {
	if len(e.head) > maxEmbeddedHeader {
		return
	}
	text := strings.Clone(e.head) // not the whole JWS
	embeddedPlace(text).Store(&embeddedHeader{text: text, header: e.Header, key: e.key, thumbprint: e.Thumbprint})
}
