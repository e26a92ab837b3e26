package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold is the one spelling of a username under which it is stored and counted: compatibility
// variants (full-width letters, ligatures) become the plain character, upper case becomes
// lower case, space around it goes (RFC 8265 §3.3, with NFKC for width mapping and NFC).
func Fold(username string) string {
	folded := strings.ToLower(norm.NFKC.String(username))
	return strings.TrimSpace(norm.NFKC.String(folded)) // lower-casing can undo normal form; some marks become space
}

// maxUsername is in characters, PingOne's.
const maxUsername = 128

// validUsername reports whether a folded name may be registered: letters, marks and digits of any
// script, and . _ - + @ ' between them. Spaces, control and format characters would make
// two names look like one.
func validUsername(folded string) bool {
	if folded == "" || !utf8.ValidString(folded) || utf8.RuneCountInString(folded) > maxUsername {
		return false
	}
	for i, r := range folded {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r):
		case i > 0 && (unicode.IsMark(r) || strings.ContainsRune("._-+@'", r)):
		default:
			return false
		}
	}
	return true
}
