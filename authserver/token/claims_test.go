package token_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// standard is what an environment has that changed nothing of the resource of OpenID Connect.
var standard = &store.OpenID{}

// TestClaimsOfScopes: OIDC Core §5.4, and conformance 3.8: every standard claim
// of a scope.
func TestClaimsOfScopes(t *testing.T) {
	profile := []string{
		"birthdate", "family_name", "gender", "given_name", "locale", "middle_name", "name", "nickname", "picture",
		"preferred_username", "profile", "updated_at", "website", "zoneinfo",
	}
	tests := []struct {
		name  string
		scope []string
		with  bool
		want  []string
	}{
		{"openid alone", []string{"openid"}, true, nil},
		{"profile", []string{"openid", "profile"}, true, profile},
		{"email", []string{"email"}, true, []string{"email", "email_verified"}},
		{"address", []string{"address"}, true, []string{"address"}},
		{"phone", []string{"phone"}, true, []string{"phone_number", "phone_number_verified"}},
		{"a scope of a resource", []string{"orders:read"}, true, nil},
		{"scopes do not count", []string{"openid", "profile", "email"}, false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := slices.Sorted(maps.Keys(token.Claims(standard, testkit.Alice(env), tt.scope, tt.with, nil)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("all of them are announced", func(t *testing.T) {
		got := slices.Sorted(maps.Keys(token.Claims(standard, testkit.Alice(env), []string{"profile", "email", "address", "phone"}, true, nil)))
		if diff := cmp.Diff(token.StandardClaims(), got); diff != "" {
			t.Errorf("claims (-announced +got):\n%s", diff)
		}
	})
}

// TestClaimValues: conformance 2.21: the right type, and nothing rather than an
// empty or malformed value.
func TestClaimValues(t *testing.T) {
	const absent = "absent"
	tests := []struct {
		name, claim string
		value       any
		want        any
	}{
		{"text", "nickname", "Al", "Al"},
		{"empty text", "nickname", "", absent},
		{"blank text", "nickname", "  ", absent},
		{"the word null", "nickname", "null", absent},
		{"null", "nickname", nil, absent},
		{"a number for text", "nickname", 5.0, absent},
		{"not UTF-8", "nickname", "a\xffb", absent},
		{"other letters", "nickname", "Äli 👋", "Äli 👋"},
		{"true", "phone_number_verified", true, true},
		{"text for a boolean", "phone_number_verified", "true", absent},
		{"seconds", "updated_at", 1770700000.0, int64(1770700000)},
		{"seconds with a fraction", "updated_at", 1770700000.9, int64(1770700000)},
		{"seconds as json.Number", "updated_at", json.Number("1770700000"), int64(1770700000)},
		{"text for seconds", "updated_at", "2026-01-01", absent},
		{"no seconds", "updated_at", 0.0, absent},
		{"far too many seconds", "updated_at", 1e300, absent},
		{"date", "birthdate", "1990-04-01", "1990-04-01"},
		{"year", "birthdate", "1990", "1990"},
		{"day without a year", "birthdate", "0000-02-29", "0000-02-29"},
		{"no such day", "birthdate", "1990-02-30", absent},
		{"no such day without a year", "birthdate", "0000-02-30", absent},
		{"no year", "birthdate", "0000", absent},
		{"another notation", "birthdate", "01.04.1990", absent},
		{"zone", "zoneinfo", "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"},
		{"zone with an offset", "zoneinfo", "Etc/GMT+1", "Etc/GMT+1"},
		{"no zone", "zoneinfo", "+01:00", absent},
		{"language tag", "locale", "de-CH", "de-CH"},
		{"language tag with an underscore", "locale", "en_US", "en-US"},
		{"no language tag", "locale", "deutsch (Schweiz)", absent},
		{"URL", "website", "https://alice.example.com/x", "https://alice.example.com/x"},
		{"URL without a host", "website", "https:///x", absent},
		{"URL of a script", "website", "javascript:alert(1)", absent},
		{"relative URL", "website", "/x", absent},
		{"address", "address", map[string]any{"country": "CH", "planet": "Earth", "region": ""}, map[string]any{"country": "CH"}},
		{"empty address", "address", map[string]any{"region": ""}, absent},
		{"text for an address", "address", "4 Elm St", absent},
		{"e-mail address", "email", "a@example.com", "a@example.com"},
		{"no e-mail address", "email", "example.com", absent},
		{"two e-mail addresses", "email", "a@example.com, b@example.com", absent},
		{"another claim", "department", "Sales", "Sales"},
		{"another claim, a list", "teams", []any{"a"}, []any{"a"}},
		{"another claim, an empty list", "teams", []any{}, absent},
		{"another claim, false", "manager", false, false},
		{"a claim of the token itself", "acr", "forged", absent},
		{"sub", "sub", "forged", absent},
		{"the grant", "grant_id", "forged", absent},
		{"PingOne's own", "p1.permissions", "forged", absent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := testkit.Alice(env)
			u.Claims[tt.claim] = tt.value
			got, ok := token.Claims(standard, u, nil, false, map[string]oauth.ClaimRequest{tt.claim: {}})[tt.claim]
			if !ok {
				got = absent
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("claim (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDerivedClaims: what a record says in other words.
func TestDerivedClaims(t *testing.T) {
	changed := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		user store.User
		want map[string]any
	}{
		{"nothing but a name", store.User{Username: "bob"}, map[string]any{"preferred_username": "bob"}},
		{
			"given and family name", store.User{Username: "bob", Claims: map[string]any{"given_name": "Bob", "family_name": "Bell"}},
			map[string]any{"preferred_username": "bob", "name": "Bob Bell", "given_name": "Bob", "family_name": "Bell"},
		},
		{"changed", store.User{Username: "bob", UpdatedAt: changed}, map[string]any{"preferred_username": "bob", "updated_at": changed.Unix()}},
		{
			"address confirmed", store.User{Username: "bob", Verified: true, Claims: map[string]any{"email": "b@example.com"}},
			map[string]any{"preferred_username": "bob", "email": "b@example.com", "email_verified": true},
		},
		{
			"address not confirmed, whatever they say themselves",
			store.User{Username: "bob", Claims: map[string]any{"email": "b@example.com", "email_verified": true}},
			map[string]any{"preferred_username": "bob", "email": "b@example.com", "email_verified": false},
		},
		{
			"declared as not confirmed",
			store.User{Username: "bob", Declared: true, Verified: true, Claims: map[string]any{"email": "b@example.com", "email_verified": false}},
			map[string]any{"preferred_username": "bob", "email": "b@example.com", "email_verified": false},
		},
		{
			"confirmed without an address", store.User{Username: "bob", Verified: true, Claims: map[string]any{"email_verified": true}},
			map[string]any{"preferred_username": "bob"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := token.Claims(standard, &tt.user, []string{"profile", "email"}, true, nil)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAskedClaims: single claims (OIDC Core §5.5).
func TestAskedClaims(t *testing.T) {
	ask := func(name string, r oauth.ClaimRequest) map[string]oauth.ClaimRequest {
		return map[string]oauth.ClaimRequest{name: r}
	}
	tests := []struct {
		name  string
		asked map[string]oauth.ClaimRequest
		want  []string
	}{
		{"essential", ask("name", oauth.ClaimRequest{Essential: true}), []string{"name"}},
		{"voluntary", ask("email", oauth.ClaimRequest{}), []string{"email"}},
		{"unknown", ask("shoe_size", oauth.ClaimRequest{Essential: true}), nil},
		{"of that value", ask("email", oauth.ClaimRequest{Value: "alice@example.com"}), []string{"email"}},
		{"of another value", ask("email", oauth.ClaimRequest{Value: "bob@example.com"}), nil},
		{"of one of these values", ask("locale", oauth.ClaimRequest{Values: []string{"en", "de-CH"}}), []string{"locale"}},
		{"of none of these values", ask("locale", oauth.ClaimRequest{Values: []string{"en", "de"}}), nil},
		{"a value that is no text never matches", ask("email_verified", oauth.ClaimRequest{Value: "true"}), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := slices.Sorted(maps.Keys(token.Claims(standard, testkit.Alice(env), []string{"openid", "profile"}, false, tt.asked)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzClaims: whatever is asked and whatever the directory holds, the result is
// JSON of the right types and names nothing that is the token's own.
func FuzzClaims(f *testing.F) {
	f.Add("email", `"a@example.com"`)
	f.Add("updated_at", `1e400`)
	f.Add("address", `{"country":"\u0000"}`)
	f.Add("sub", `"x"`)
	f.Add("x\xff", `[[[[]]]]`)
	f.Fuzz(func(t *testing.T, name, value string) {
		var v any
		if json.Unmarshal([]byte(value), &v) != nil {
			t.Skip()
		}
		u := testkit.Alice(env)
		u.Claims = map[string]any{name: v}
		client := &store.Client{ID: "web", Grants: map[string][]string{"openid": {"profile", "email", "address", "phone"}}}
		changed := &store.OpenID{
			Scopes: map[string][]string{"phone": {name}, "email": {"email", "address.country", name}},
			Claims: map[string]store.OpenIDClaim{
				"nickname":        {From: store.Source{User: name}, UserInfo: true},
				"address.country": {From: store.Source{User: name}, UserInfo: true},
				"email_verified":  {From: store.Source{Text: name}, UserInfo: true},
				name:              {From: store.Source{User: "username"}, UserInfo: true},
			},
		}
		for _, o := range []*store.OpenID{standard, changed} {
			fuzzedInfo(t, token.UserInfo(o, client, u, &token.Person{Scope: []string{"openid", "profile", "email", "address", "phone"}, UserInfo: []string{name}}), u.ID)
		}
	})
}

// fuzzedInfo wants JSON of a UserInfo answer about a person, and nothing empty in it.
func fuzzedInfo(t *testing.T, body []byte, id string) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if got["sub"] != id {
		t.Errorf("sub = %v, want %s", got["sub"], id)
	}
	for name, v := range got {
		switch v := v.(type) {
		case nil:
			t.Errorf("%s is null", name)
		case string:
			if v == "" || v == "null" {
				t.Errorf("%s is %q", name, v)
			}
		}
	}
}
