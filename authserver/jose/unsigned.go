package jose

// Unsigned is an unsecured JWS (RFC 7515 §6): anybody can have made it. It has no
// Verify, and nothing that takes a JWS takes it, so that it can never pass for a
// signed one.
type Unsigned struct {
	Header Header // Algorithm is "none"

	lim     Limits
	payload []byte
}

// ParseUnsigned reads a compact JWS with alg none and an empty signature, as
// strictly as Parse reads the others, which in turn refuses this one. It is for
// callers that were told in so many words to take unsigned objects of somebody.
// Errors are *Error; anything signed, or signed by halves, is ProblemAlgorithm or
// ProblemSignature.
func ParseUnsigned(token string, lim Limits) (*Unsigned, error) {
	lim = lim.withDefaults()
	if len(token) > lim.Size {
		return nil, refuse(ProblemOversized, "the object is too long")
	}
	head, body, err := split(token)
	if err != nil {
		return nil, err
	}
	decoded := make([]byte, b64.DecodedLen(len(head)))
	n, ok := decodeInto(decoded, []byte(head))
	if !ok {
		return nil, malformed("the header is not canonical base64url")
	}
	h, err := parseHeader(string(decoded[:n]), lim, true, nil)
	if err != nil {
		return nil, err
	}
	if len(token) != len(head)+1+len(body)+1 {
		return nil, refuse(ProblemSignature, "there is a signature where alg is none")
	}
	payload := make([]byte, b64.DecodedLen(len(body)))
	if n, ok = decodeInto(payload, []byte(body)); !ok {
		return nil, malformed("the payload is not canonical base64url")
	}
	return &Unsigned{Header: h, lim: lim, payload: payload[:n]}, nil
}

// Claims parses the payload as JWS.Claims does. They are whatever the sender says.
func (u *Unsigned) Claims() (*Claims, error) { return parseClaims(string(u.payload), u.lim) }
