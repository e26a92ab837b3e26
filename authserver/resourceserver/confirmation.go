package resourceserver

import "github.com/caddy-gatehouse/gatehouse/authserver/jose"

// Confirmation is what a token is bound to: its cnf claim (RFC 7800 §3.1), as far as it is understood here. The zero Confirmation binds
// to nothing.
type Confirmation struct {
	Key         string // jkt: the thumbprint of a key (RFC 9449 §6.1)
	Certificate string // x5t#S256: that of a certificate (RFC 8705 §3.1)
}

// The members of cnf that are understood here. Others are ignored (RFC 7800 §3.1), but not where there is nothing else.
const (
	confirmKey         = "jkt"
	confirmCertificate = "x5t#S256"
)

// readConfirmation reads cnf. It is not ok when that is there and binds to nothing that can be checked: whoever issued the
// token meant it to be worth nothing by itself.
func readConfirmation(c *jose.Claims) (f Confirmation, ok bool) {
	v, there := c.Value("cnf")
	if !there {
		return Confirmation{}, true
	}
	return parseConfirmation(v)
}

func parseConfirmation(v any) (f Confirmation, ok bool) {
	members, isObject := v.(map[string]any)
	if !isObject {
		return f, false
	}
	for name, field := range map[string]*string{confirmKey: &f.Key, confirmCertificate: &f.Certificate} {
		v, there := members[name]
		if !there {
			continue
		}
		s, isText := v.(string)
		if !isText || !thumbprint(s) {
			return Confirmation{}, false
		}
		*field = s
	}
	return f, f != Confirmation{}
}

// thumbprint reports whether s has the shape of a SHA-256 in base64url.
func thumbprint(s string) bool {
	if len(s) != 43 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// and joins what two sources say about one token. They must not contradict each other.
func (f Confirmation) and(g Confirmation) (_ Confirmation, ok bool) {
	for _, pair := range [...][2]*string{{&f.Key, &g.Key}, {&f.Certificate, &g.Certificate}} {
		switch mine, other := pair[0], *pair[1]; {
		case *mine == "":
			*mine = other
		case other != "" && other != *mine:
			return Confirmation{}, false
		}
	}
	return f, true
}
