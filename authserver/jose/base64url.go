package jose

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// b64 is base64url without padding; trailing bits must be zero, so that no two
// texts decode to the same bytes (RFC 4648 §3.5, RFC 7515 §2).
var b64 = base64.RawURLEncoding.Strict()

// decodeInto decodes src into the front of dst, which must have room for it. The
// standard decoder skips line breaks; here they are refused, because whoever
// adds one would make a second spelling of the same token.
func decodeInto(dst, src []byte) (n int, ok bool) {
	if bytes.IndexByte(src, '\n') >= 0 || bytes.IndexByte(src, '\r') >= 0 {
		return 0, false
	}
	n, err := b64.Decode(dst, src)
	return n, err == nil
}

func decodeString(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := b64.DecodeString(s)
	return b, err == nil
}
