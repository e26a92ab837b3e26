package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

func source(t testing.TB, text string) store.Source {
	t.Helper()
	s, err := store.ParseSource(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// employee is alice with what a directory has beside the standard claims.
func employee(env string) *store.User {
	u := testkit.Alice(env)
	for name, v := range map[string]any{
		"department": "sales", "level": float64(7), "big": json.Number("9007199254740993"), "remote": false, "empty": "", "blank": "  ", "none": nil,
		"groups": []any{"a", "b"}, "no_groups": []any{}, "org_unit": map[string]any{"name": "east", "desk": map[string]any{"no": "12"}, "void": ""},
		"https://example.com/role": "admin", "sid": "of the directory", "long": strings.Repeat("x", 256), "website": "no address",
	} {
		u.Claims[name] = v
	}
	return u
}

// TestMappedValues: types stay, and nothing is sent of what is empty.
func TestMappedValues(t *testing.T) {
	const absent = "absent"
	tests := []struct{ name, source, want string }{
		{"the id", "${user.id}", `"a11ce000-0000-4000-8000-000000000001"`},
		{"the user name", "${user.username}", `"alice"`},
		{"text", "gold", `"gold"`},
		{"text that looks like a number", "7", `"7"`},
		{"a claim", "${user.department}", `"sales"`},
		{"a number", "${user.level}", `7`},
		{"a number that is exact", "${user.big}", `9007199254740993`},
		{"false", "${user.remote}", `false`},
		{"a list", "${user.groups}", `["a","b"]`},
		{"a member", "${user.org_unit.name}", `"east"`},
		{"a member of a member", "${user.org_unit.desk.no}", `"12"`},
		{"an object", "${user.org_unit.desk}", `{"no":"12"}`},
		{"a name that has dots", "${user.https://example.com/role}", `"admin"`},
		{"a claim under a name that is reserved in tokens", "${user.sid}", `"of the directory"`},
		{"PingOne's words", "${user.name.given}", `"Alice"`},
		{"PingOne's address", "${user.address.postalCode}", `"3000"`},
		{"a standard claim", "${user.email}", `"alice@example.com"`},
		{"a standard claim that says no", "${user.phone_number_verified}", `false`},
		{"an empty text", "${user.empty}", absent},
		{"a blank text", "${user.blank}", absent},
		{"null", "${user.none}", absent},
		{"an empty list", "${user.no_groups}", absent},
		{"an empty member", "${user.org_unit.void}", absent},
		{"an unknown claim", "${user.unknown}", absent},
		{"an unknown member", "${user.org_unit.unknown}", absent},
		{"a member of a text", "${user.department.name}", absent},
	}
	a := newAuthority(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := *a.Clients["web"]
			client.Attributes = []store.Attribute{{Claim: "mapped", From: source(t, tt.source), UserInfo: true}}
			var got map[string]json.RawMessage
			body := token.UserInfo(standard, &client, employee(env), &token.Person{Scope: []string{"openid"}})
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			text := absent
			if v, ok := got["mapped"]; ok {
				text = string(v)
			}
			if text != tt.want {
				t.Errorf("%s = %s, want %s", tt.source, text, tt.want)
			}
		})
	}
}

// TestMappedPlaces: a mapped claim is where it was mapped to, whatever the scopes
// are, and replaces what a scope gives under its name.
func TestMappedPlaces(t *testing.T) {
	a := newAuthority(t)
	client := *a.Clients["web"]
	client.Attributes = []store.Attribute{
		{Claim: "both", From: source(t, "x"), IDToken: true, UserInfo: true},
		{Claim: "id_only", From: source(t, "x"), IDToken: true},
		{Claim: "info_only", From: source(t, "x"), UserInfo: true},
		{Claim: "email", From: source(t, "${user.work_email}"), IDToken: true, UserInfo: true}, // nothing
		{Claim: "name", From: source(t, "${user.department}"), IDToken: true},
		{Claim: "aud", From: source(t, "evil"), IDToken: true, UserInfo: true}, // configuration refuses it
		{Claim: "with_scope", From: source(t, "x"), IDToken: true, UserInfo: true, Scopes: []string{"address", "profile"}},
		{Claim: "without_scope", From: source(t, "x"), IDToken: true, UserInfo: true, Scopes: []string{"address"}},
		{Claim: "of_no_scope", From: source(t, "x"), IDToken: true, UserInfo: true, Scopes: []string{}},
	}
	user := employee(env)
	on := token.SignedOn{Subject: user.ID, Session: "s", AuthTime: noon}
	scope := []string{"openid", "profile", "email"}
	raw, err := a.IDTokens.Mint(t.Context(), a.Env, token.IDToken{Client: &client, On: on, User: user, Scope: scope, ScopeClaims: true})
	if err != nil {
		t.Fatal(err)
	}
	id := parsed(t, raw)
	for name, want := range map[string]string{"both": `"x"`, "id_only": `"x"`, "info_only": "", "email": "", "name": `"sales"`, "aud": `"web"`,
		"with_scope": `"x"`, "without_scope": "", "of_no_scope": ""} {
		if got, _ := id.Raw(name); string(got) != want {
			t.Errorf("ID token: %s = %s, want %s", name, got, want)
		}
	}
	var info map[string]any
	if err := json.Unmarshal(token.UserInfo(standard, &client, user, &token.Person{Scope: scope}), &info); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"both": "x", "id_only": nil, "info_only": "x", "email": nil, "name": "Alice Jane Adams", "aud": nil,
		"with_scope": "x", "without_scope": nil, "of_no_scope": nil} {
		if got := info[name]; got != want {
			t.Errorf("UserInfo: %s = %v, want %v", name, got, want)
		}
	}
	if info["email_verified"] != true {
		t.Error("UserInfo: a claim of the same scope is gone too")
	}
}

// TestResourceAttributes: what a resource maps is in its access tokens and what
// introspection says of them, of people and of clients; required ones have a value or
// there is no token.
func TestResourceAttributes(t *testing.T) {
	const refused = "invalid_request"
	attribute := func(claim, from string, required bool) store.ResourceAttribute {
		return store.ResourceAttribute{Claim: claim, From: source(t, from), Required: required}
	}
	alice := testkit.Alice(env).ID
	tests := []struct {
		name             string
		attribute        store.ResourceAttribute
		person, machine  string // JSON of the claim, "" for none, or the error
		remapped, client bool   // unmapped_sub is there: of the person's token, of the client's
	}{
		{"a text", attribute("tenant", "acme", true), `"acme"`, `"acme"`, false, false},
		{"a claim", attribute("department", "${user.department}", false), `"sales"`, "", false, false},
		{"a required claim", attribute("department", "${user.department}", true), `"sales"`, refused, false, false},
		{"a claim of no value", attribute("team", "${user.team}", false), "", "", false, false},
		{"a required claim of no value", attribute("team", "${user.team}", true), refused, refused, false, false},
		{"a list", attribute("groups", "${user.groups}", false), `["a","b"]`, "", false, false},
		{"a name that needs quoting in JSON", attribute("a<b", "x&y", false), `"x\u0026y"`, `"x\u0026y"`, false, false},
		{"a reserved name, which configuration refuses", attribute("iss", "evil", false), `"` + "https://auth.example.com/" + env + `/as"`, `"` + "https://auth.example.com/" + env + `/as"`, false, false},

		{"sub, from the id", attribute("sub", "${user.id}", false), `"` + alice + `"`, "", false, false},
		{"sub, required, from the id", attribute("sub", "${user.id}", true), `"` + alice + `"`, refused, false, false},
		{"sub, from a claim", attribute("sub", "${user.email}", true), `"alice@example.com"`, refused, true, false},
		{"sub, from a number", attribute("sub", "${user.level}", false), `"7"`, "", true, false},
		{"sub, of no value: the id", attribute("sub", "${user.team}", false), `"` + alice + `"`, "", false, false},
		{"sub, required, of no value", attribute("sub", "${user.team}", true), refused, refused, false, false},
		{"sub, from a list, which is no name", attribute("sub", "${user.groups}", true), refused, refused, false, false},
		{"sub, from what is too long", attribute("sub", "${user.long}", true), refused, refused, false, false},
		{"sub, from a claim that is malformed", attribute("sub", "${user.website}", true), refused, refused, false, false},
		{"sub, from a text: also of a client's own", attribute("sub", "service", true), `"service"`, `"service"`, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthority(t)
			a.Attributes = []store.ResourceAttribute{tt.attribute}
			auth := a.Authorize(t, "web", a.SignOn(t), "openid", "orders:read")
			granted, err := a.Scopes.ForClient(t.Context(), a.Env, a.Clients["web"], []string{"orders:read"})
			if err != nil {
				t.Fatal(err)
			}
			for _, of := range []struct {
				who      string
				access   token.Access
				want     string
				remapped bool
				subject  string // whom the token speaks for
			}{
				{"person", auth.Access(a.Clients["web"], employee(env)), tt.person, tt.remapped, alice},
				{"client", token.Access{Client: "web", For: a.Clients["web"], Scope: granted.Scope, Audience: granted.Audience, TTL: granted.TTL, Resources: granted.Resources}, tt.machine, tt.client, ""},
			} {
				minted, err := a.Tokens.Mint(t.Context(), a.Env, of.access)
				if judged := a.Tokens.Check(t.Context(), a.Env, of.access); (judged != nil) != (err != nil) {
					t.Errorf("%s: Check = %v, Mint = %v", of.who, judged, err)
				}
				if of.want == refused {
					if e := oauth.From(err); err == nil || e.Code != refused || !strings.Contains(e.Description, tt.attribute.Claim) {
						t.Errorf("%s: error = %v, want %s that names the claim", of.who, err, refused)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", of.who, err)
					continue
				}
				c := parsed(t, minted.Raw)
				if got, _ := c.Raw(tt.attribute.Claim); string(got) != of.want {
					t.Errorf("%s: claim = %s, want %s", of.who, got, of.want)
				}
				if unmapped, has := c.Text("unmapped_sub"); has != of.remapped || has && unmapped != of.subject {
					t.Errorf("%s: unmapped_sub = %q, %v", of.who, unmapped, has)
				}
				active, err := a.Verifier.Verify(t.Context(), a.Env, minted.Raw)
				if err != nil {
					t.Fatalf("%s: %v", of.who, err)
				}
				var answer map[string]json.RawMessage
				if err := json.Unmarshal(active.Introspection, &answer); err != nil {
					t.Fatalf("%s: %v in %s", of.who, err, active.Introspection)
				}
				if got := string(answer[tt.attribute.Claim]); got != of.want {
					t.Errorf("%s: introspection: %s, want %s", of.who, got, of.want)
				}
				if _, has := answer["unmapped_sub"]; has {
					t.Errorf("%s: introspection shows unmapped_sub", of.who)
				}
				if got := active.Person; active.Personal != (of.subject != "") || got != nil && got.Subject != of.subject {
					t.Errorf("%s: the token speaks for %+v, want %q", of.who, got, of.subject)
				}
			}
		})
	}
}

// TestMappedSubjectIsRevoked: whatever sub a resource maps, what ends a person's
// tokens ends this one, at the server and at the gate; and nobody else's.
func TestMappedSubjectIsRevoked(t *testing.T) {
	for name, tt := range map[string]struct {
		value string
		want  bool
	}{"the person": {testkit.Alice(env).ID, true}, "who is named by the mapped sub": {"alice@example.com", false}} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			a.Attributes = []store.ResourceAttribute{{Claim: "sub", From: source(t, "${user.email}")}}
			minted, err := a.Tokens.Mint(t.Context(), a.Env, a.Authorize(t, "web", a.SignOn(t), "orders:read").Access(a.Clients["web"], employee(env)))
			if err != nil {
				t.Fatal(err)
			}
			if !a.Active(t, minted.Raw) {
				t.Fatal("not active")
			}
			a.Set.Add(store.Revocation{Environment: a.Env.ID, Kind: store.RevokedSubject, Value: tt.value, At: noon, ExpiresAt: noon.Add(time.Hour)})
			if got := !a.Active(t, minted.Raw); got != tt.want {
				t.Errorf("server: revoked = %v, want %v", got, tt.want)
			}
			gate := &token.Local{Environment: a.Env, Rings: a.Rings, Set: a.Set}
			if got, err := gate.Revoked(parsed(t, minted.Raw)); got != tt.want || err != nil {
				t.Errorf("gate: revoked = %v, %v, want %v", got, err, tt.want)
			}
			list, err := a.Store.ListAccessTokens(t.Context(), store.AccessTokenFilter{Environment: a.Env.ID, Subject: testkit.Alice(env).ID}, "", 10, noon)
			if err != nil || len(list) != 1 {
				t.Errorf("tokens of the person: %v, %v, want one", list, err)
			}
		})
	}
}

// resources is a directory of nothing but resources.
type resources struct {
	store.Directory // what is not asked for panics
	all             map[string]*store.Resource
	fault           error
}

func (d *resources) ResourceByID(_ context.Context, _, id string) (*store.Resource, error) {
	if d.fault != nil {
		return nil, d.fault
	}
	if r := d.all[id]; r != nil {
		return r, nil
	}
	return nil, store.ErrNotFound
}

// TestContradictingResources: a resource trusts the claims that it maps, so it
// shares no token with one that maps them from something else.
func TestContradictingResources(t *testing.T) {
	type mapped map[string]string
	tests := []struct {
		name string
		a, b mapped
		good bool
		want []string // the names of what a person's token has
	}{
		{"neither maps", nil, nil, true, nil},
		{"one of them maps", mapped{"role": "x"}, nil, true, []string{"role"}},
		{"each maps another claim", mapped{"role": "x"}, mapped{"team": "y"}, true, []string{"role", "team"}},
		{"both map one claim alike", mapped{"role": "${user.level}"}, mapped{"role": "${user.level}"}, true, []string{"role"}},
		{"both map one claim, differently", mapped{"role": "${user.level}"}, mapped{"role": "${user.department}"}, false, nil},
		{"a text and the claim of that name", mapped{"role": "level"}, mapped{"role": "${user.level}"}, false, nil},
		{"sub of one alone: the other expects the id", mapped{"sub": "${user.email}"}, nil, false, nil},
		{"sub of one alone, from the id", mapped{"sub": "${user.id}"}, nil, true, []string{"sub"}},
		{"sub of both alike", mapped{"sub": "${user.email}"}, mapped{"sub": "${user.email}"}, true, []string{"sub", "unmapped_sub"}},
		{"sub of both, differently", mapped{"sub": "${user.email}"}, mapped{"sub": "${user.username}"}, false, nil},
	}
	base := newAuthority(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &resources{all: map[string]*store.Resource{}}
			for id, claims := range map[string]mapped{"a": tt.a, "b": tt.b} {
				r := &store.Resource{Environment: env, ID: id, Audience: "https://" + id, Scopes: []string{id}}
				for claim, from := range claims {
					r.Attributes = append(r.Attributes, store.ResourceAttribute{Claim: claim, From: source(t, from)})
				}
				d.all[id] = r
			}
			client := &store.Client{Environment: env, ID: "c", MultipleResources: true, Grants: map[string][]string{"a": {"a"}, "b": {"b"}}}
			scopes := &token.Scopes{Directory: d}
			granted, err := scopes.ForUser(t.Context(), base.Env, client, []string{"a", "b"})
			_, machine := scopes.ForClient(t.Context(), base.Env, client, nil)
			if (err == nil) != tt.good || (machine == nil) != tt.good {
				t.Fatalf("people: %v, clients: %v, want good = %v", err, machine, tt.good)
			}
			if alone, err := scopes.ForUser(t.Context(), base.Env, client, []string{"a"}); err != nil || !cmp.Equal(alone.Resources, []string{"a"}) {
				t.Errorf("good: one of them alone: %+v, %v", alone, err)
			}
			minter := *base.Tokens
			minter.Directory = clientAlone{d, client}
			access := token.Access{Client: "c", For: client, Subject: "u", Session: "s", Audience: []string{"https://a", "https://b"}, TTL: time.Hour, Resources: []string{"a", "b"}, User: employee(env)}
			minted, err := minter.Mint(t.Context(), base.Env, access)
			if !tt.good {
				if oauth.From(machine).Code != oauth.CodeInvalidScope || err == nil || oauth.From(err).Code != oauth.CodeInvalidScope {
					t.Errorf("errors = %v, %v, want invalid_scope", machine, err)
				}
				return
			}
			if err != nil || !cmp.Equal(granted.Resources, []string{"a", "b"}) {
				t.Fatalf("granted = %+v, %v", granted, err)
			}
			c := parsed(t, minted.Raw)
			for _, name := range tt.want {
				if !c.Has(name) {
					t.Errorf("the token has no %s: %v", name, c.Names())
				}
			}
		})
	}
}

// clientAlone is a directory of one client, which stays as it is.
type clientAlone struct {
	store.Directory
	client *store.Client
}

func (d clientAlone) ClientByID(context.Context, string, string) (*store.Client, error) {
	return d.client, nil
}

// TestResourcesOfAToken: a resource that is gone, or cannot be read, gives no
// token; and nobody is asked where nothing is mapped.
func TestResourcesOfAToken(t *testing.T) {
	a := newAuthority(t)
	minter := *a.Tokens
	access := token.Access{Client: "web", For: a.Clients["web"], Audience: []string{testkit.Audience}, TTL: time.Hour, Resources: []string{"orders"}}
	for name, tt := range map[string]struct {
		directory *resources
		want      string
	}{
		"there":          {&resources{all: map[string]*store.Resource{"orders": {}}}, ""},
		"gone":           {&resources{}, oauth.CodeInvalidScope},
		"cannot be read": {&resources{fault: errors.New("out")}, oauth.CodeTemporarilyUnavailable},
	} {
		minter.Directory = clientAlone{tt.directory, access.For}
		_, err := minter.Mint(t.Context(), a.Env, access)
		if got := oauth.From(err).Code; (err == nil) != (tt.want == "") || err != nil && got != tt.want {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	granted, err := a.Scopes.ForClient(t.Context(), a.Env, a.Clients["web"], []string{"orders:read"})
	if err != nil || granted.Resources != nil {
		t.Errorf("resources of a client's token where none maps: %v, %v", granted.Resources, err)
	}
	minter.Directory = clientAlone{nil, access.For} // to ask for more would panic
	access.Resources = granted.Resources
	if _, err := minter.Mint(t.Context(), a.Env, access); err != nil {
		t.Error(err)
	}
}
