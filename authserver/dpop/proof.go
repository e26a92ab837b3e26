package dpop

// Type is the typ of a proof (RFC 9449 §4.2).
const Type = "dpop+jwt"

// Header is the request header that carries a proof, NonceHeader the response header that carries a nonce; canonical.
const (
	Header      = "Dpop"
	NonceHeader = "Dpop-Nonce"
)

// Proof is a proof that was good.
type Proof struct {
	Thumbprint string // of its key (RFC 7638): what jkt and dpop_jkt are compared with
	// RenewNonce says that the answer should bring Nonces.Current: the nonce of the proof is good, but there is a newer one.
	RenewNonce bool
}

// Request is what a proof must have been made for.
type Request struct {
	Method string
	// URL is the request's, without query and fragment, as configuration says it: never as the client did.
	URL string
	// AccessToken is the token that the proof goes with; "" at the authorization server, where ath is not looked at.
	AccessToken string
	// Thumbprint is that of the key which the token is bound to; "" where the caller compares Proof.Thumbprint. A proof by another key is
	// ErrOtherKey, and not spent.
	Thumbprint string
	// Client is who is known to have sent the proof: all keys of one have a share of what is remembered.
	Client Client
}

// Bounds of what a stranger sends, in bytes. A proof signed with RSA of 4096 bits has about 2,500.
const (
	maxProof = 8192
	maxID    = 512
)
