package identity

import (
	"cmp"
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// DefaultMinLength of passwords, in characters (NIST SP 800-63B §5.1.1.2).
const DefaultMinLength = 8

// maxPassword is in bytes. It allows long sentences, and keeps megabytes away from the hash.
const maxPassword = 1024

// Requirements that a new password may fail: PingOne's names, the values of unsatisfiedRequirements.
const (
	requireLength     = "length"
	requireUncommon   = "excludesCommonlyUsed"
	requireImpersonal = "excludesProfileData"
	requireNew        = "notSimilarToCurrent"
)

//go:embed common.txt
var commonText string

// common are the passwords that are guessed first, folded.
var common = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for line := range strings.Lines(commonText) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			m[Fold(line)] = true
		}
	}
	return m
})

// unsatisfied lists what a new password fails. personal are the names and addresses it must not be. There
// are no rules on kinds of characters: they make passwords worse (NIST SP 800-63B, appendix A).
func unsatisfied(env *store.Environment, password string, personal ...string) (failed []string) {
	prepared := prepare(password)
	if utf8.RuneCountInString(prepared) < leastOf(env) || !usable(password) {
		failed = append(failed, requireLength)
	}
	folded := Fold(password)
	if common()[folded] {
		failed = append(failed, requireUncommon)
	}
	for _, name := range personal {
		local, _, _ := strings.Cut(name, "@")
		if name != "" && (folded == Fold(name) || folded == Fold(local)) {
			failed = append(failed, requireImpersonal)
			break
		}
	}
	return failed
}

func leastOf(env *store.Environment) int {
	return cmp.Or(env.SignOn.PasswordMinLength, DefaultMinLength)
}

// usable reports whether somebody could sign on with password at all.
func usable(password string) bool {
	return password != "" && len(password) <= maxPassword && utf8.ValidString(password)
}

// weak is the detail of a new password that fails requirements.
func weak(target string, failed []string) oauth.Detail {
	d := invalid(target, "The password does not meet the requirements")
	d.Inner = map[string]any{"unsatisfiedRequirements": failed}
	return d
}

func refuseWeak(target string, failed []string) *oauth.Error {
	return refuse("The password does not meet the requirements", "weak_password", weak(target, failed))
}
