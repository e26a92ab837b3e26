package store_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestFoldTerm(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"case", "Alice@Example.COM", "alice@example.com"},
		{"full-width letters", "Ａｌｉｃｅ", "alice"},
		{"a composed letter", "Zoe\u0308", "zo\u00eb"},
		{"a ligature", "eﬃcient", "efficient"},
		{"space is kept", " a  b ", " a  b "},
		{"a capital i with a dot", "\u0130stanbul", "istanbul"},
		{"64 bytes", strings.Repeat("a", 64), strings.Repeat("a", 64)},
		{"65 bytes", strings.Repeat("a", 65), strings.Repeat("a", 64)},
		{"a character at the end is not cut", strings.Repeat("a", 63) + "ä", strings.Repeat("a", 63)},
		{"characters that become shorter", strings.Repeat("\U0001D400", 300), strings.Repeat("a", 64)},
		{"not text", "a\xffb\x00c", "a\uFFFDb\uFFFDc"},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := store.FoldTerm(tt.value); got != tt.want {
				t.Errorf("FoldTerm(%q) = %q, want %q", tt.value, got, tt.want)
			}
		})
	}
}

func TestUserTerms(t *testing.T) {
	tests := []struct {
		name string
		user store.User
		want []string
	}{
		{"no claims", store.User{Username: "Bob"}, []string{"population.id=", "username=bob"}},
		{
			"every attribute of PingOne's",
			store.User{
				Username: "b", Population: "P-1", Disabled: true,
				Claims: map[string]any{
					"given_name": "G", "family_name": "F", "middle_name": "M", "name": "N", "nickname": "Nick", "email": "E", "externalId": "X",
					"locale": "de", "mobilePhone": "1", "phone_number": "2", "preferredLanguage": "en", "title": "Dr", "type": "T", "accountId": "A",
					"address": map[string]any{"street_address": "S", "locality": "L", "region": "R", "postal_code": "Z", "country": "C"},
				},
			},
			[]string{
				"accountId=a", "address.countryCode=c", "address.locality=l", "address.postalCode=z", "address.region=r", "address.streetAddress=s",
				"email=e", "enabled=false", "externalId=x", "locale=de", "mobilePhone=1", "name.family=f", "name.formatted=n", "name.given=g",
				"name.middle=m", "nickname=nick", "population.id=p-1", "preferredLanguage=en", "primaryPhone=2", "title=dr", "type=t", "username=b",
			},
		},
		{
			"an attribute that an organization has added, if it is text",
			store.User{Username: "b", Claims: map[string]any{"costCode": "C7", "level": 7.0, "staff": true, "tags": []any{"x"}, "o": map[string]any{"p": "q"}, "n": nil, "e": ""}},
			[]string{"costCode=c7", "population.id=", "username=b"},
		},
		{
			"a claim has nobody found in another attribute's place",
			store.User{Username: "b", Claims: map[string]any{
				"username": "mallory", "id": "1", "population.id": "p", "enabled": "false", "name.given": "x", "primaryPhone": "y",
				"address.region": "z", "": "w", "address": "text", strings.Repeat("k", 257): "long",
			}},
			[]string{"population.id=", "username=b"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			seen := map[string]bool{}
			for _, term := range store.UserTerms(tt.user) {
				got = append(got, term.Attribute+"="+term.Value)
				if seen[term.Attribute] {
					t.Errorf("two terms for %s", term.Attribute)
				}
				seen[term.Attribute] = true
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("UserTerms (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzFoldTerm(f *testing.F) {
	for _, s := range []string{"Alice", "\u0130", "Ａ", "\xff\x00", strings.Repeat("ﷺ", 50), strings.Repeat("e\u0301", 60), "\u1100\u1161\u11A8"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		folded := store.FoldTerm(s)
		if len(folded) > 64 || !utf8.ValidString(folded) || strings.ContainsRune(folded, 0) {
			t.Fatalf("FoldTerm(%q) = %q, want at most 64 bytes of text", s, folded)
		}
		if again := store.FoldTerm(folded); again != folded {
			t.Errorf("FoldTerm(%q) = %q, folded again %q", s, folded, again)
		}
		// Upper case makes no difference, in the letters that everybody uses.
		if ascii := strings.Map(func(r rune) rune { return r & 0x7f }, s); store.FoldTerm(strings.ToUpper(ascii)) != store.FoldTerm(ascii) {
			t.Errorf("FoldTerm tells %q from its upper case", ascii)
		}
	})
}
