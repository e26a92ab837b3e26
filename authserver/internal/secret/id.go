package secret

import "github.com/google/uuid"

// NewID is a new identifier: a UUID in lower case that sorts by the time it was
// made (RFC 9562 §5.7), so that stores insert at the end of their indexes. It is
// unique, and not a secret: part of it is the clock.
func NewID() string {
	return uuid.Must(uuid.NewV7()).String() // fails only with the system's generator
}

// IDBytes are the 16 bytes of an identifier; ok is false for what IsID does not accept.
func IDBytes(id string) (b [16]byte, ok bool) {
	if !IsID(id) {
		return b, false
	}
	return uuid.MustParse(id), true
}

// IDOf is the identifier of 16 bytes.
func IDOf(b [16]byte) string { return uuid.UUID(b).String() }

// IsID reports whether s is a UUID as NewID writes them: lower case, with
// hyphens, of any version (RFC 9562 §4).
func IsID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
