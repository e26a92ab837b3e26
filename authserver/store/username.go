package store

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// FoldUsername is the one spelling under which usernames are compared: compatibility variants
// (full-width letters, ligatures) become the plain character, upper case becomes lower
// case, space around it goes (RFC 8265 §3.3, with NFKC for width mapping and NFC).
func FoldUsername(username string) string {
	folded := strings.ToLower(norm.NFKC.String(username))
	return strings.TrimSpace(norm.NFKC.String(folded)) // lower-casing can undo normal form; some marks become space
}
