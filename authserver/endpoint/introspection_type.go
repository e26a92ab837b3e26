package endpoint

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// The media types of answers about a token.
const (
	typeJSON             = "application/json"
	typeIntrospectionJWT = "application/token-introspection+jwt" // RFC 9701 §4
	typeJWT              = "application/jwt"                     // the token itself, as a JWT
)

// maxRanges is how many media ranges of an Accept header are looked at.
const maxRanges = 32

// introspectionType is the media type that a request asks an answer of (RFC 9110 §12.5.1). The two JWTs are for who names them and
// wants nothing more than them; whatever else is asked for, the answer is JSON (RFC 7662 §2.2): clients that never heard of
// negotiation send what their library likes.
func introspectionType(h http.Header) string {
	best, quality, wildcard := "", 0.0, 0.0
	n := 0
	for _, line := range h["Accept"] {
		for part := range strings.SplitSeq(line, ",") {
			if n++; n > maxRanges {
				break
			}
			kind, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			q := 1.0
			if text, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(text, 64); err != nil || !(0 <= q && q <= 1) {
					continue
				}
			}
			switch kind {
			case typeJSON, typeIntrospectionJWT, typeJWT:
				if q > quality {
					best, quality = kind, q
				}
			case "application/*", "*/*":
				wildcard = max(wildcard, q)
			}
		}
	}
	if best == "" || quality < wildcard {
		return typeJSON
	}
	return best
}
