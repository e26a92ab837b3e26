package store_test

import (
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestParseSource(t *testing.T) {
	user := func(path string) store.Source { return store.Source{User: path} }
	tests := []struct {
		name, text string
		want       store.Source // zero: refused
	}{
		{"the id", "${user.id}", store.SourceUserID},
		{"the user name", "${user.username}", user("username")},
		{"a claim", "${user.department}", user("department")},
		{"a member", "${user.address.locality}", user("address.locality")},
		{"a claim that is a URL", "${user.https://example.com/role}", user("https://example.com/role")},
		{"PingOne: given name", "${user.name.given}", user("given_name")},
		{"PingOne: family name", "${user.name.family}", user("family_name")},
		{"PingOne: middle name", "${user.name.middle}", user("middle_name")},
		{"PingOne: whole name", "${user.name.formatted}", user("name")},
		{"PingOne: telephone", "${user.primaryPhone}", user("phone_number")},
		{"PingOne: picture", "${user.photo.href}", user("picture")},
		{"PingOne: time zone", "${user.timezone}", user("zoneinfo")},
		{"PingOne: postal code", "${user.address.postalCode}", user("address.postal_code")},
		{"PingOne: street", "${user.address.streetAddress}", user("address.street_address")},
		{"PingOne: country", "${user.address.countryCode}", user("address.country")},
		{"text", "production", store.Source{Text: "production"}},
		{"text with a dollar", "$5 a user.id", store.Source{Text: "$5 a user.id"}},

		{"no placeholder of a user", "${environment.id}", store.Source{}},
		{"no path", "${user}", store.Source{}},
		{"an empty path", "${user.}", store.Source{}},
		{"an empty part", "${user.name..given}", store.Source{}},
		{"an expression", "${user.name.given + ' ' + user.name.family}", store.Source{}},
		{"a function", "${#datetime.toUnixTimestamp(user.updatedAt)}", store.Source{}},
		{"an index", "${user.groups[0]}", store.Source{}},
		{"not closed", "${user.id", store.Source{}},
		{"something behind", "${user.id}x", store.Source{}},
		{"something before", "x${user.id}", store.Source{}},
		{"two of them", "${user.id}${user.id}", store.Source{}},
		{"the host's placeholder", "{env.REGION}", store.Source{}},
		{"a path that is too long", "${user." + strings.Repeat("a", 129) + "}", store.Source{}},
		{"nothing", "", store.Source{}},
		{"blank", " ", store.Source{}},
		{"not UTF-8", "\xff", store.Source{}},
		{"1 KiB of text", strings.Repeat("x", 1024), store.Source{Text: strings.Repeat("x", 1024)}},
		{"more than that", strings.Repeat("x", 1025), store.Source{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := store.ParseSource(tt.text)
			if got != tt.want || (err != nil) != (tt.want == store.Source{}) {
				t.Errorf("ParseSource(%q) = %+v, %v, want %+v", tt.text, got, err, tt.want)
			}
		})
	}
}

// TestReservedAttributes: every name that PingOne reserves, what is ours alone,
// and what makes another kind of token; beside each a name that is free.
func TestReservedAttributes(t *testing.T) {
	for _, name := range strings.Fields(`acr amr aud auth_time client_id env exp iat iss jti org p1.rid p1.permissions p1. scope sid
		at_hash azp nbf nonce grant_id userinfo_claims unmapped_sub
		c_hash s_hash cnf act may_act events toe htm htu token_introspection response_type redirect_uri typ tokenName token_use active token_type
		_claim_names _claim_sources`) {
		if store.CheckAttribute(name, false) == nil || store.CheckAttribute(name, true) == nil {
			t.Errorf("%s may be mapped", name)
		}
		for _, resource := range []bool{false, true} {
			if err := store.CheckAttribute("my_"+name, resource); err != nil {
				t.Errorf("good: my_%s: %v", name, err)
			}
		}
	}
	for _, name := range []string{"", "a b", "a\x00", "ä", `a"`, `a\`, strings.Repeat("a", 129)} {
		if store.CheckAttribute(name, true) == nil {
			t.Errorf("%q is taken for the name of a claim", name)
		}
	}
	for _, name := range []string{"email", "username", "p1", "p10.x", "https://example.com/role", "SUB"} {
		if err := store.CheckAttribute(name, false); err != nil {
			t.Errorf("good: %v", err)
		}
	}
	if err := store.CheckAttribute("sub", true); err != nil {
		t.Errorf("a resource may map sub: %v", err)
	}
	if store.CheckAttribute("sub", false) == nil {
		t.Error("an application may map sub")
	}
}

// FuzzParseSource: whatever is accepted says what it is, and text is text.
func FuzzParseSource(f *testing.F) {
	for _, s := range []string{"${user.id}", "${user.name.given}", "text", "${", "${user.a.b}", "{env.X}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := store.ParseSource(text)
		switch {
		case err != nil:
			if got != (store.Source{}) {
				t.Errorf("ParseSource(%q) = %+v beside %v", text, got, err)
			}
		case (got.User == "") == (got.Text == ""):
			t.Errorf("ParseSource(%q) = %+v, want one of the two", text, got)
		case got.Text != "" && got.Text != text, strings.ContainsAny(got.Text+got.User, "{}"):
			t.Errorf("ParseSource(%q) = %+v", text, got)
		case got.User != "":
			if again, err := store.ParseSource("${user." + got.User + "}"); again != got || err != nil {
				t.Errorf("read again: %+v, %v, want %+v", again, err, got)
			}
		}
	})
}
