package jose

import "strings"

// Header is the part of a JOSE header that is read. jku, x5u and x5c are never
// looked at, nor is jwk but by ParseEmbedded: the key of a token comes from
// configuration alone (RFC 8725 §3.10).
type Header struct {
	Algorithm string
	KeyID     string
	HasKeyID  bool
	Type      string // as sent; compare with TypeIs
}

// TypeIs compares typ without regard to case and to an "application/" prefix
// (RFC 7515 §4.1.9).
func (h *Header) TypeIs(want string) bool {
	return strings.EqualFold(mediaType(h.Type), mediaType(want))
}

// mediaType drops "application/" where nothing but a subtype follows it.
func mediaType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) && !strings.Contains(typ[len(prefix):], "/") {
		return typ[len(prefix):]
	}
	return typ
}

// none is the alg of an unsecured JWS (RFC 7518 §3.6).
const none = "none"

// parseHeader reads a JOSE header's JSON: of a signed object, or, with unsigned,
// of one whose alg is none. Never does it take the one for the other. The text
// of jwk goes where jwk points to, if it does.
func parseHeader(s string, lim Limits, unsigned bool, jwk *string) (h Header, err error) {
	encrypted := false
	err = scanObject(s, lim, func(name, text string) error {
		switch name {
		case "alg":
			alg, ok := textString(text)
			if !ok {
				return refuse(ProblemAlgorithm, "alg is not a string")
			}
			a := algorithms[alg]
			if unsigned {
				if alg != none {
					return refuse(ProblemAlgorithm, "alg is not none")
				}
				a = &algorithm{name: none}
			}
			if a == nil {
				return refuse(ProblemAlgorithm, "alg is not a known signature algorithm")
			}
			h.Algorithm = a.name // not alg: it would keep the header's text alive
		case "kid":
			kid, ok := textString(text)
			if !ok || len(kid) > maxName {
				return malformed("kid is not a short string")
			}
			h.KeyID, h.HasKeyID = kid, true
		case "typ":
			typ, ok := textString(text)
			if !ok || len(typ) > maxName {
				return malformed("typ is not a short string")
			}
			h.Type = typ
		case "jwk":
			if jwk != nil {
				*jwk = text
			}
		case "crit", "b64":
			// No extension is understood here, so none may be critical
			// (RFC 7515 §4.1.11), not even one whose b64 says nothing new.
			return refuse(ProblemCritical, "critical header parameters are not supported")
		case "enc":
			encrypted = true
		}
		return nil
	})
	switch {
	case err != nil:
		return Header{}, err
	case encrypted:
		return Header{}, refuse(ProblemEncrypted, "an encrypted token where a signed one is required")
	case h.Algorithm == "":
		return Header{}, refuse(ProblemAlgorithm, "alg is absent")
	}
	return h, nil
}
