package jose

import "strings"

// JWS is a compact JWS whose framing is sound (three parts, canonical
// base64url, strict JSON header, known alg, no crit) and whose signature has
// not been verified. It is immutable.
type JWS struct {
	Header Header

	lim       Limits
	input     []byte // header and payload as signed (RFC 7515 §5.2)
	payload   []byte
	signature []byte
}

// Parse reads a compact JWS strictly. The size is checked before decoding and
// nothing is split without bound. Errors are *Error.
func Parse(token string, lim Limits) (*JWS, error) { return parse(token, lim.withDefaults(), nil) }

// parse is Parse, or, with e, ParseEmbedded.
func parse(token string, lim Limits, e *Embedded) (*JWS, error) {
	if len(token) > lim.Size {
		return nil, refuse(ProblemOversized, "the token is too long")
	}
	head, body, err := split(token)
	if err != nil {
		return nil, err
	}

	// One buffer holds the signing input and, behind it, what the parts decode
	// to; the header goes through it first, since only its fields are kept.
	end := len(head) + 1 + len(body)
	tail := b64.DecodedLen(len(token) - end - 1)
	buf := make([]byte, len(token)+max(b64.DecodedLen(len(head)), b64.DecodedLen(len(body))+tail))
	copy(buf, token)
	input, sig := buf[:end:end], buf[end+1:len(token)]
	out := buf[len(token):]

	var h Header
	if e == nil || !e.recall(head) {
		n, ok := decodeInto(out, input[:len(head)])
		if !ok {
			return nil, malformed("the header is not canonical base64url")
		}
		if e != nil {
			err = e.read(string(out[:n]), lim)
		} else {
			h, err = parseHeader(string(out[:n]), lim, false, nil)
		}
		if err != nil {
			return nil, err
		}
	}
	if e != nil {
		h = e.Header
	}
	n, ok := decodeInto(out, input[len(head)+1:])
	if !ok {
		return nil, malformed("the payload is not canonical base64url")
	}
	payload := out[:n:n]
	if len(sig) == 0 {
		return nil, refuse(ProblemSignature, "the signature is empty")
	}
	out = out[n:]
	n, ok = decodeInto(out, sig)
	if !ok {
		return nil, malformed("the signature is not canonical base64url")
	}
	return &JWS{Header: h, lim: lim, input: input, payload: payload, signature: out[:n:n]}, nil
}

// split cuts out the first two of exactly three parts. It looks for a sixth part
// at most, however many dots there are.
func split(token string) (head, body string, err error) {
	var dots [5]int
	n := 0
	for from := 0; n < len(dots); n++ {
		i := strings.IndexByte(token[from:], '.')
		if i < 0 {
			break
		}
		dots[n] = from + i
		from = dots[n] + 1
	}
	switch {
	case n == 4:
		return "", "", refuse(ProblemEncrypted, "an encrypted token where a signed one is required")
	case n != 2:
		return "", "", malformed("not three parts")
	}
	head, body = token[:dots[0]], token[dots[0]+1:dots[1]]
	if head == "" || body == "" {
		return "", "", malformed("an empty part")
	}
	return head, body, nil
}

// LooksLikeJWT reports cheaply whether token has the shape of a compact JWS or
// JWE: a first part that decodes to something opening like a JSON object, and at
// least two dots. It promises nothing about the rest: Parse decides. What does
// not look like one is opaque.
func LooksLikeJWT(token string) bool {
	dot := strings.IndexByte(token, '.')
	if dot < 2 || strings.IndexByte(token[dot+1:], '.') < 0 {
		return false
	}
	var out [3]byte
	for head := token[:dot]; len(head) >= 2; head = head[min(4, len(head)):] {
		n, ok := decodeInto(out[:], []byte(head[:min(4, len(head))]))
		if !ok {
			return false
		}
		for _, c := range out[:n] {
			switch c {
			case '{':
				return true
			case ' ', '\t', '\n', '\r':
			default:
				return false
			}
		}
	}
	return false
}
