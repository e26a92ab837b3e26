package sqlstore

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxIdentity is the length in bytes of the longest string that identifies a
// record. Three of them fit PostgreSQL's largest index entry (2,704 bytes), and
// two, escaped as JSON, its largest notification (8,000).
const maxIdentity = 512

// identity reports whether every string can identify a record in every database.
func identity(values ...string) bool {
	for _, s := range values {
		if len(s) > maxIdentity || !text(s) {
			return false
		}
	}
	return true
}

// text reports whether every string can be stored in every database.
func text(values ...string) bool {
	for _, s := range values {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			return false
		}
	}
	return true
}

// errText refuses a record with a string that is not storable. The string is
// not repeated: it is somebody else's.
func errText(record string) error {
	return fmt.Errorf("store: a string of the %s is longer than %d bytes, or not text", record, maxIdentity)
}
