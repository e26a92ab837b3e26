package token_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestChangedClaims: where an environment takes claims from, and where it sends
// them. The rows are what UserInfo and an ID token without an access token say.
func TestChangedClaims(t *testing.T) {
	const absent = "absent"
	both := func(from store.Source) store.OpenIDClaim {
		return store.OpenIDClaim{From: from, IDToken: true, UserInfo: true}
	}
	of := func(path string) store.Source { return store.Source{User: path} }
	text := func(s string) store.Source { return store.Source{Text: s} }
	type claims = map[string]store.OpenIDClaim
	tests := []struct {
		name   string
		claims claims
		claim  string
		info   string // JSON in the UserInfo answer
		id     string // JSON in the ID token; "" as in UserInfo
	}{
		{"another claim", claims{"nickname": both(of("department"))}, "nickname", `"sales"`, ""},
		{"the username", claims{"nickname": both(of("username"))}, "nickname", `"alice"`, ""},
		{"text", claims{"nickname": both(text("Al"))}, "nickname", `"Al"`, ""},
		{"from nowhere", claims{"nickname": both(store.Source{})}, "nickname", absent, ""},
		{"from what is empty", claims{"nickname": both(of("empty"))}, "nickname", absent, ""},
		{"the type of the claim is kept", claims{"nickname": both(of("level"))}, "nickname", absent, ""},
		{"the form of the claim is kept", claims{"website": both(of("department"))}, "website", absent, ""},
		{"from where it comes anyway", claims{"nickname": both(of("nickname"))}, "nickname", `"Al"`, ""},
		{"a derived one from where it comes anyway", claims{"preferred_username": both(of("preferred_username"))}, "preferred_username", `"alice"`, ""},
		{"not in ID tokens", claims{"nickname": {From: of("nickname"), UserInfo: true}}, "nickname", `"Al"`, absent},
		{"not in UserInfo", claims{"nickname": {From: of("nickname"), IDToken: true}}, "nickname", absent, `"Al"`},
		{"others are as they were", claims{"nickname": both(text("x"))}, "given_name", `"Alice"`, ""},

		{"the verified address", claims{"nickname": both(text("x"))}, "email_verified", `true`, ""},
		{"an address from elsewhere", claims{"email": both(text("x@example.com"))}, "email", `"x@example.com"`, ""},
		{"nobody has verified that", claims{"email": both(text("x@example.com"))}, "email_verified", `false`, ""},
		{"the same address from elsewhere", claims{"email": both(text("alice@example.com"))}, "email_verified", `true`, ""},
		{"no address from elsewhere", claims{"email": both(of("empty"))}, "email_verified", absent, ""},
		{
			"an address kept out of UserInfo is verified all the same", claims{"email": {From: of("email"), IDToken: true}}, "email_verified", `true`, "",
		},
		{"the environment says it of all", claims{"email": both(text("x@example.com")), "email_verified": both(text("true"))}, "email_verified", `true`, ""},
		{"the environment denies it of all", claims{"email_verified": both(text("false"))}, "email_verified", `false`, ""},
		{"the environment says something else", claims{"email_verified": both(text("perhaps"))}, "email_verified", absent, ""},
		{"from a claim", claims{"email_verified": both(of("remote"))}, "email_verified", `false`, ""},
		{"from a claim that is text", claims{"email_verified": both(of("department"))}, "email_verified", absent, ""},
		{"verification kept out of ID tokens", claims{"email_verified": {From: of("email_verified"), UserInfo: true}}, "email_verified", `true`, absent},
		{"a number from elsewhere", claims{"phone_number": both(text("+1"))}, "phone_number_verified", `false`, ""},

		{
			"a member of the address", claims{"address.country": both(text("LI")), "address.region": both(store.Source{})}, "address",
			`{"country":"LI","formatted":"4 Elm St\n3000 Bern","locality":"Bern","postal_code":"3000","street_address":"4 Elm St"}`, "",
		},
		{
			"a member not in ID tokens",
			claims{
				"address.country": {From: of("address.country"), UserInfo: true}, "address.formatted": both(store.Source{}), "address.region": both(of("empty")),
				"address.street_address": both(of("level")),
			},
			"address", `{"country":"CH","locality":"Bern","postal_code":"3000"}`, `{"locality":"Bern","postal_code":"3000"}`,
		},
		{"a member is no claim by itself", claims{"address.country": both(text("LI"))}, "address.country", absent, ""},

		{"an added claim that no scope gives", claims{"team": both(of("department"))}, "team", absent, ""},
		{"a reserved one, which nobody can add", claims{"sid": both(text("x"))}, "sid", absent, ""},
	}
	a := newAuthority(t)
	scope := []string{"openid", "profile", "email", "address", "phone"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &store.OpenID{Claims: tt.claims}
			user, client := employee(env), a.Clients["web"]
			if tt.id == "" {
				tt.id = tt.info
			}
			tell := func(body []byte) string {
				t.Helper()
				var all map[string]json.RawMessage
				if err := json.Unmarshal(body, &all); err != nil {
					t.Fatal(err)
				}
				if v, ok := all[tt.claim]; ok {
					return string(v)
				}
				return absent
			}
			if got := tell(token.UserInfo(o, client, user, &token.Person{Scope: scope})); got != tt.info {
				t.Errorf("UserInfo: %s = %s, want %s", tt.claim, got, tt.info)
			}
			body, err := json.Marshal(token.Claims(o, user, scope, true, nil))
			if err != nil {
				t.Fatal(err)
			}
			if got := tell(body); got != tt.id {
				t.Errorf("ID token: %s = %s, want %s", tt.claim, got, tt.id)
			}
		})
	}
}

// TestAddedScopes: what scopes give that only an environment has, and that were given further claims.
func TestAddedScopes(t *testing.T) {
	team := store.OpenIDClaim{From: store.Source{User: "department"}, IDToken: true, UserInfo: true}
	informed := store.OpenIDClaim{From: store.Source{User: "department"}, UserInfo: true}
	o := &store.OpenID{
		Scopes: map[string][]string{
			"hr": {"team", "email"}, "home": {"address.country", "address.locality"}, "nothing": nil,
			"phone": {"phone_number", "phone_number_verified", "team"},
		},
		Claims: map[string]store.OpenIDClaim{"team": team, "desk": informed, "username": team},
	}
	granted := []string{"openid", "profile", "hr", "home", "nothing"}
	asked := func(names ...string) map[string]oauth.ClaimRequest {
		m := map[string]oauth.ClaimRequest{}
		for _, name := range names {
			m[name] = oauth.ClaimRequest{}
		}
		return m
	}
	tests := []struct {
		name    string
		granted []string // to the client; nil is all of the above
		scope   []string
		asked   map[string]oauth.ClaimRequest
		info    string   // the UserInfo answer beside sub
		id      string   // the ID token's claims about the person beside an access token
		agree   []string // what a person has to agree to for what is asked
	}{
		{"an added scope", nil, []string{"openid", "hr"}, nil, `{"email":"alice@example.com","team":"sales"}`, `{"team":"sales"}`, nil},
		{"a scope without claims", nil, []string{"openid", "nothing"}, nil, `{}`, `{}`, nil},
		{"members of the address", nil, []string{"openid", "home"}, nil, `{"address":{"country":"CH","locality":"Bern"}}`, `{}`, nil},
		{"the address, of which the client may have members", []string{"openid", "home"}, []string{"openid", "address"}, nil, `{"address":{"country":"CH","locality":"Bern"}}`, `{}`, nil},
		{"the scope is not granted to the client", []string{"openid"}, []string{"openid", "hr"}, nil, `{}`, `{}`, nil},
		{
			"a standard scope that gives more", []string{"openid", "phone"}, []string{"openid", "phone"}, nil,
			`{"phone_number":"+41 44 000 00 00","phone_number_verified":false,"team":"sales"}`, `{"team":"sales"}`, nil,
		},
		{"a claim of a scope asked for by itself", nil, []string{"openid"}, asked("team"), `{"team":"sales"}`, `{"team":"sales"}`, []string{"hr"}},
		{"that, without the scope", []string{"openid", "profile"}, []string{"openid"}, asked("team"), `{}`, `{}`, nil},
		{"an added claim that no scope gives counts as profile", nil, []string{"openid"}, asked("desk"), `{"desk":"sales"}`, `{}`, []string{"profile"}},
		{"that, without profile", []string{"openid", "hr"}, []string{"openid"}, asked("desk"), `{}`, `{}`, nil},
		{"a name of introspection", nil, []string{"openid"}, asked("username"), `{"username":"sales"}`, `{"username":"sales"}`, []string{"profile"}},
		{"a standard claim through an added scope", nil, []string{"openid"}, asked("email"), `{"email":"alice@example.com"}`, `{"email":"alice@example.com"}`, []string{"hr"}},
		{"another one of the same standard scope", nil, []string{"openid"}, asked("email_verified"), `{}`, `{}`, nil},
	}
	a := newAuthority(t)
	directory := &changed{Directory: a.Directory(), openID: o}
	a.IDTokens.Directory, a.Tokens.Directory = directory, directory
	own := []string{"iss", "sub", "aud", "iat", "exp", "auth_time", "sid"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			user, client := employee(env), *a.Clients["web"]
			client.Grants = map[string][]string{store.ResourceOpenID: granted}
			if tt.granted != nil {
				client.Grants[store.ResourceOpenID] = tt.granted
			}
			authorization := token.Authorization{
				Client: "web", On: token.SignedOn{Subject: user.ID, Session: "s", AuthTime: noon}, Scope: tt.scope, Audience: []string{"x"}, TTL: 3600e9,
				Claims: oauth.ClaimsRequest{UserInfo: tt.asked, IDToken: tt.asked},
			}
			a.Tokens.Directory = clientAlone{directory, &client}
			minted, err := a.Tokens.Mint(t.Context(), a.Env, authorization.Access(&client, user))
			if err != nil {
				t.Fatal(err)
			}
			active, err := a.Verifier.Verify(t.Context(), a.Env, minted.Raw)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := a.IDTokens.Mint(t.Context(), a.Env, token.IDToken{Client: &client, On: authorization.On, User: user, Scope: tt.scope, Asked: tt.asked})
			if err != nil {
				t.Fatal(err)
			}
			claims := map[string]json.RawMessage{}
			for _, name := range parsed(t, raw).Names() {
				claims[name], _ = parsed(t, raw).Raw(name)
			}
			compare(t, "UserInfo", token.UserInfo(o, &client, user, active.Person), tt.info, "sub")
			body, _ := json.Marshal(claims)
			compare(t, "ID token", body, tt.id, own...)
			if diff := cmp.Diff(tt.agree, token.ClaimScopes(o, user, &client, tt.asked)); diff != "" {
				t.Errorf("to agree to (-want +got):\n%s", diff)
			}
		})
	}
}

// compare wants a JSON object, not looking at some of its members.
func compare(t *testing.T, what string, got []byte, want string, without ...string) {
	t.Helper()
	var is, should map[string]any
	if err := json.Unmarshal(got, &is); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &should); err != nil {
		t.Fatal(err)
	}
	for _, name := range without {
		delete(is, name)
	}
	if diff := cmp.Diff(should, is); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// changed is a directory of an environment that changed its resource of OpenID Connect.
type changed struct {
	store.Directory
	openID *store.OpenID
	fault  error
}

func (d *changed) OpenID(context.Context, string) (*store.OpenID, error) { return d.openID, d.fault }

// TestOpenIDUnknown: without knowing what claims are, nothing is said of a person;
// tokens that say nothing of one do not ask.
func TestOpenIDUnknown(t *testing.T) {
	a := newAuthority(t)
	directory := &changed{Directory: a.Directory(), fault: store.ErrUnavailable}
	a.IDTokens.Directory, a.Tokens.Directory = directory, directory
	user, client := testkit.Alice(env), a.Clients["web"]
	on := token.SignedOn{Subject: user.ID, Session: "s", AuthTime: noon}
	if _, err := a.IDTokens.Mint(t.Context(), a.Env, token.IDToken{Client: client, On: on, User: user}); oauth.From(err).Code != oauth.CodeTemporarilyUnavailable {
		t.Errorf("ID token: %v", err)
	}
	if _, err := a.IDTokens.Mint(t.Context(), a.Env, token.IDToken{Client: client, On: on}); err != nil {
		t.Errorf("ID token about nobody: %v", err)
	}
	authorization := token.Authorization{Client: "web", On: on, Scope: []string{"openid"}, Audience: []string{"x"}, TTL: 3600e9}
	if _, err := a.Tokens.Mint(t.Context(), a.Env, authorization.Access(client, user)); err != nil {
		t.Errorf("access token: %v", err)
	}
	authorization.Claims.UserInfo = map[string]oauth.ClaimRequest{"email": {}}
	if _, err := a.Tokens.Mint(t.Context(), a.Env, authorization.Access(client, user)); oauth.From(err).Code != oauth.CodeTemporarilyUnavailable {
		t.Errorf("access token with single claims: %v", err)
	}
}
