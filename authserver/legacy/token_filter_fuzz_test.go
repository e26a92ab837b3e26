package legacy_test

import (
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
)

// FuzzTokenFilter: whatever is accepted is written again by its pairs, selects no more than one realm and one person, and
// says whose tokens an administrator wants.
func FuzzTokenFilter(f *testing.F) {
	for _, s := range []string{
		"access_token", "userName=alice,realm=/alpha", "userName=*", "realm=/alpha,/bravo", "realm=/../", `userName="x"`, "a=b=c", "junk,userName=x",
		"userName=alice,realm=/alpha,realm=/bravo", "scope=a,scope=b", ",", "=", "userName==", "realm", "id=\x00",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, administrator bool) {
		pairs, err := legacy.TokenFilterPairs(text, administrator)
		if err != nil {
			return
		}
		if text == "access_token" {
			return
		}
		count := map[string]int{}
		for _, p := range pairs {
			name, value, ok := strings.Cut(p, "=")
			if !ok || value == "" || strings.ContainsAny(value, "=,*\"\\\x00\n") {
				t.Errorf("pair %q of %q", p, text)
			}
			if !strings.Contains(","+text+",", ","+p+",") {
				t.Errorf("%q has no pair %q", text, p)
			}
			if name == "realm" && (!strings.HasPrefix(value, "/") || strings.Contains(value, "..") || strings.Contains(value, "//")) {
				t.Errorf("realm %q of %q", value, text)
			}
			count[name]++
		}
		if count["userName"] > 1 || count["realm"] > 1 || administrator != (count["userName"] == 1) {
			t.Errorf("accepted %q of administrator=%v", text, administrator)
		}
		if n := strings.Count(text, "="); n != len(pairs) {
			t.Errorf("%d pairs of %q, which has %d =", len(pairs), text, n)
		}
	})
}
