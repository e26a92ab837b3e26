package token

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
)

// An opaque access token is base64url, without a dot, of the exp in seconds since 1970 (big endian), the jti and a
// secret. By exp and jti its record is found without an index more; neither is believed before the record's hash is
// that of the whole text.
const (
	opaqueExpiry = 4
	opaqueID     = 16 // of a UUID
	opaqueSecret = 32
	opaqueSize   = opaqueExpiry + opaqueID + opaqueSecret
	opaqueLength = (opaqueSize*8 + 5) / 6 // characters: 70
)

// opaqueText is strict, so that every token has one spelling.
var opaqueText = base64.RawURLEncoding.Strict()

// IsOpaque reports whether raw has the form of an opaque access token. Refresh
// tokens have another length.
func IsOpaque(raw string) bool {
	_, ok := decodeOpaque(raw)
	return ok
}

// decodeOpaque is called with every token that is shown, and does not allocate.
func decodeOpaque(raw string) (b [opaqueSize]byte, ok bool) {
	if len(raw) != opaqueLength {
		return b, false
	}
	// The decoder skips line breaks: then there are fewer bytes.
	n, err := opaqueText.Decode(b[:], []byte(raw))
	return b, err == nil && n == opaqueSize
}

// parseOpaque reads what an opaque token says without its record.
func parseOpaque(raw string) (id string, expires time.Time, ok bool) {
	b, ok := decodeOpaque(raw)
	if !ok {
		return "", time.Time{}, false
	}
	expires = time.Unix(int64(binary.BigEndian.Uint32(b[:])), 0).UTC()
	return secret.IDOf([opaqueID]byte(b[opaqueExpiry:])), expires, true
}

// newOpaque makes the text of a token. It expires before 2106.
func newOpaque(id string, expires time.Time, s secret.Value) (string, error) {
	identifier, ok := secret.IDBytes(id)
	if !ok {
		return "", errors.New("the identifier of an opaque token is not a UUID")
	}
	at := expires.Unix()
	if at < 0 || at > math.MaxUint32 {
		return "", errors.New("an opaque token cannot live that long")
	}
	drawn, err := opaqueText.DecodeString(s.Reveal())
	if err != nil || len(drawn) != opaqueSecret {
		return "", errors.New("the secret of an opaque token is not of 256 bits")
	}
	b := make([]byte, 0, opaqueSize)
	b = binary.BigEndian.AppendUint32(b, uint32(at))
	b = append(append(b, identifier[:]...), drawn...)
	return opaqueText.EncodeToString(b), nil
}
