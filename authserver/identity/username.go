package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Fold is the one spelling of a username under which it is stored and counted
// (store.FoldUsername).
func Fold(username string) string { return store.FoldUsername(username) }

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

// assignableUsername reports whether an administrator may give the name: what people may register, and
// any other printable text, with single spaces within, which names from other directories have.
func assignableUsername(spelt, folded string) bool {
	if folded == "" || !utf8.ValidString(spelt) || utf8.RuneCountInString(spelt) > maxUsername || utf8.RuneCountInString(folded) > maxUsername {
		return false
	}
	if strings.TrimSpace(spelt) != spelt {
		return false
	}
	for _, name := range []string{spelt, folded} {
		for _, r := range name {
			if !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r) && r != ' ' {
				return false
			}
		}
	}
	return true
}
