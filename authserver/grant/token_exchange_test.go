package grant_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// exchangeRig is a rig with an API that exchanges the tokens that it is called with: web's, which are for orders, for tokens for stock.
type exchangeRig struct {
	*rig
	exchange *grant.TokenExchange
}

func newExchangeRig(t testing.TB) *exchangeRig {
	t.Helper()
	g := newRig(t)
	g.withStock("web", "other")
	api := *g.Clients["other"]
	api.ID, api.GrantTypes = "api", []string{oauth.GrantTokenExchange}
	g.Clients["api"] = &api
	return &exchangeRig{g, &grant.TokenExchange{
		Subjects: g.Verifier, Scopes: g.Scopes, Tokens: g.Tokens, Users: g.People, Sessions: g.Sessions, Consents: g.Store,
	}}
}

// swap exchanges an access token; fields replace those of the request, "name=" takes one away.
func (g *exchangeRig) swap(t testing.TB, subject string, fields ...string) (*grant.Response, string) {
	t.Helper()
	return answer(g.exchange.Token(t.Context(), g.swapRequest(subject, fields...)))
}

func (g *exchangeRig) swapRequest(subject string, fields ...string) grant.Request {
	all := []string{"subject_token=" + subject, "subject_token_type=" + oauth.TokenTypeAccessToken}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		if strings.HasPrefix(name, "subject_token") || name == "client" {
			all = slices.DeleteFunc(all, func(s string) bool { return strings.HasPrefix(s, name+"=") })
		}
		if value != "" {
			all = append(all, f)
		}
	}
	return g.request("api", all...)
}

// own is a token of a client's own.
func (g *exchangeRig) own(t testing.TB, client string, scope string) string {
	t.Helper()
	c := &grant.ClientCredentials{Scopes: g.Scopes, Tokens: g.Tokens}
	r, code := answer(c.Token(t.Context(), g.request(client, "scope="+scope)))
	if code != "" {
		t.Fatalf("client credentials: %s", code)
	}
	return r.Access.Raw
}

func TestTokenExchange(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		g := newExchangeRig(t)
		g.Env.OpaqueTokens = opaque
		g.Clients["web"].IncludeX5T = true
		subject := g.signIn(t, "web", "openid", "orders:read")
		g.Clock.Advance(time.Minute)
		g.Env.OpaqueTokens = false // what is looked at is the new one
		r, code := g.swap(t, subject.Access.Raw, "resource="+stock, "scope=stock:read")
		if code != "" {
			t.Fatalf("refused: %s", code)
		}
		if r.IssuedType != oauth.TokenTypeAccessToken || r.RefreshToken != "" || r.IDToken != "" {
			t.Errorf("issued type %q, refresh %t, ID token %t", r.IssuedType, r.RefreshToken != "", r.IDToken != "")
		}
		got, s := claimsOf(t, r.Access.Raw), claimsOf(t, subject.IDToken)
		if got.ClientID != "api" || got.Subject != s.Subject || text(t, got, "sid") != text(t, s, "sid") || text(t, got, "acr") != text(t, s, "acr") {
			t.Errorf("client, sub, sid, acr = %q, %q, %q, %q", got.ClientID, got.Subject, text(t, got, "sid"), text(t, got, "acr"))
		}
		if x, _ := got.Raw("auth_time"); string(x) == "" || string(x) != string(raw(s, "auth_time")) {
			t.Errorf("auth_time = %s, want that of the sign-on", x)
		}
		if is := bought(t, r, ""); is != "stock:read @ "+stock {
			t.Errorf("for %s, want stock:read @ %s", is, stock)
		}
		// The subject was for orders, whose tokens live for ten minutes; one of them has gone.
		if left := got.Expiry.Sub(g.Clock.Now()); left != 9*time.Minute || r.Access.TTL != left {
			t.Errorf("lives for %v, says %v, want what is left of the subject: 9m", left, r.Access.TTL)
		}
		if got.Has("act") {
			t.Error("somebody acts, and nobody was named")
		}
		record, err := g.Store.AccessTokenByID(t.Context(), g.Env.ID, got.ID, got.Expiry, g.Clock.Now())
		if err != nil || record.Session != text(t, s, "sid") || record.Grant != text(t, got, "grant_id") || record.Grant == "" {
			t.Errorf("its record hangs on session %q and grant %q (%v)", record.Session, record.Grant, err)
		}
	}
}

func raw(c *jose.Claims, name string) json.RawMessage {
	r, _ := c.Raw(name)
	return r
}

// TestAttack117TokenExchange: what is no good is exchanged for nothing, and what is, for nothing more.
func TestAttack117TokenExchange(t *testing.T) {
	t.Run("request", exchangeRequests)
	t.Run("subject token", exchangeSubjects)
	t.Run("never outranks the subject", exchangeRank)
	t.Run("never outlives the subject", exchangeLife)
	t.Run("act", exchangeActors)
	t.Run("what ends the actor's", exchangeActorEnds)
	t.Run("chain", exchangeChain)
	t.Run("bound", exchangeBound)
	t.Run("bound, by a gate", exchangeBoundByGate)
	t.Run("consent", exchangeConsent)
	t.Run("a client's own token", exchangeOfClients)
}

func exchangeRequests(t *testing.T) {
	g := newExchangeRig(t)
	subject := g.signIn(t, "web", "openid", "orders:read").Access.Raw
	good := []string{"resource=" + stock}
	tests := []struct {
		name   string
		fields []string
		want   string
	}{
		{"good", nil, ""},
		{"the type that there is", []string{"requested_token_type=" + oauth.TokenTypeAccessToken}, ""},
		{"a refresh token", []string{"requested_token_type=" + oauth.TokenTypeRefreshToken}, "invalid_request"},
		{"an ID token", []string{"requested_token_type=" + oauth.TokenTypeIDToken}, "invalid_request"},
		{"a JWT", []string{"requested_token_type=" + oauth.TokenTypeJWT}, "invalid_request"},
		{"no subject_token", []string{"subject_token="}, "invalid_request"},
		{"no subject_token_type", []string{"subject_token_type="}, "invalid_request"},
		{"another URN", []string{"subject_token_type=urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"},
		{"the URN in capitals", []string{"subject_token_type=" + strings.ToUpper(oauth.TokenTypeAccessToken)}, "invalid_request"},
		{"a JWT by its URN", []string{"subject_token_type=" + oauth.TokenTypeJWT}, "invalid_request"},
		{"an access token said to be an ID token", []string{"subject_token_type=" + oauth.TokenTypeIDToken}, "invalid_request"},
		{"an actor_token without type", []string{"actor_token=" + subject}, "invalid_request"},
		{"an actor_token_type alone", []string{"actor_token_type=" + oauth.TokenTypeAccessToken}, "invalid_request"},
		{"an actor token that is rubbish", []string{"actor_token=x.y.z", "actor_token_type=" + oauth.TokenTypeAccessToken}, "invalid_request"},
		{"an audience that is the resource", []string{"audience=" + stock}, ""},
		{"an unknown audience", []string{"audience=https://x.example.com"}, "invalid_target"},
		{"another audience than the resource", []string{"audience=" + testkit.Audience}, "invalid_target"},
		{"an unknown resource", []string{"resource=https://x.example.com"}, "invalid_target"},
		{"a resource with a fragment", []string{"resource=" + stock + "#x"}, "invalid_target"},
		{"a malformed scope", []string{"scope=\""}, "invalid_scope"},
		{"openid", []string{"scope=stock:read openid"}, "invalid_scope"},
		{"the PingOne API", []string{"scope=p1:read:user"}, "invalid_scope"},
		{"a scope of nobody", []string{"scope=stock:read x"}, "invalid_scope"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if r, code := g.swap(t, subject, append(slices.Clone(good), tt.fields...)...); code != tt.want || (r == nil) != (tt.want != "") {
				t.Errorf("error = %q, want %q", code, tt.want)
			}
		})
	}
	t.Run("the PingOne API as a resource", func(t *testing.T) {
		if _, code := g.swap(t, subject, "resource=https://api.pingone.com"); code != "invalid_target" {
			t.Errorf("error = %q, want invalid_target", code)
		}
	})
	t.Run("scopes of two resources", func(t *testing.T) {
		for _, fields := range [][]string{nil, {"scope=orders:read stock:read"}} {
			if _, code := g.swap(t, subject, fields...); code != "invalid_scope" {
				t.Errorf("%s: error = %q, want invalid_scope", fields, code)
			}
		}
	})
	t.Run("a client without authentication", func(t *testing.T) {
		api := *g.Clients["api"]
		api.AuthMethod = oauth.AuthNone
		r := g.swapRequest(subject, good...)
		r.Client = &api
		if _, code := answer(g.exchange.Token(t.Context(), r)); code != "unauthorized_client" {
			t.Errorf("error = %q, want unauthorized_client", code)
		}
	})
	t.Run("a client that admits nobody", func(t *testing.T) {
		api := *g.Clients["api"]
		api.NobodySignsOn = true
		g := *g
		r := g.swapRequest(subject, good...)
		r.Client = &api
		if _, code := answer(g.exchange.Token(t.Context(), r)); code != "invalid_request" {
			t.Errorf("error = %q, want invalid_request", code)
		}
	})
}

func exchangeSubjects(t *testing.T) {
	tests := []struct {
		name string
		// subject gives the token to be exchanged, of which first and session are; what it spoils was good before.
		subject func(t *testing.T, g *exchangeRig, first *grant.Response) string
		want    string
	}{
		{"good", func(_ *testing.T, _ *exchangeRig, first *grant.Response) string { return first.Access.Raw }, ""},
		{"unsigned", func(_ *testing.T, _ *exchangeRig, first *grant.Response) string {
			parts := strings.Split(first.Access.Raw, ".")
			return "eyJhbGciOiJub25lIn0." + parts[1] + "."
		}, "invalid_request"},
		{"changed", func(_ *testing.T, _ *exchangeRig, first *grant.Response) string {
			return first.Access.Raw[:len(first.Access.Raw)-4] + "AAAA"
		}, "invalid_request"},
		{"of a foreign issuer", func(t *testing.T, g *exchangeRig, _ *grant.Response) string {
			key := testkit.SigningKey(t, testkit.ECKey, jose.ES256, "k")
			raw, err := key.Sign(oauth.TypeAccessToken, []byte(`{"iss":"https://evil.example.com","sub":"a","client_id":"web","jti":"x","aud":"a","iat":1,"exp":9999999999}`))
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}, "invalid_request"},
		{"of another environment", func(_ *testing.T, g *exchangeRig, first *grant.Response) string {
			g.Env.Issuer, g.Env.AllIssuers = "https://auth.example.com/another/as", nil
			return first.Access.Raw
		}, "invalid_request"},
		{"expired", func(_ *testing.T, g *exchangeRig, first *grant.Response) string {
			g.Clock.Advance(10 * time.Minute)
			return first.Access.Raw
		}, "invalid_request"},
		{"revoked", func(t *testing.T, g *exchangeRig, first *grant.Response) string {
			if err := g.Revoker.Revoke(t.Context(), g.Env, g.Clients["web"], first.Access.Raw); err != nil {
				t.Fatal(err)
			}
			return first.Access.Raw
		}, "invalid_request"},
		{"of a grant that has ended", func(t *testing.T, g *exchangeRig, first *grant.Response) string {
			if err := g.Revoker.Revoke(t.Context(), g.Env, g.Clients["web"], first.RefreshToken); err != nil {
				t.Fatal(err)
			}
			return first.Access.Raw
		}, "invalid_request"},
		{"of a person who is gone", func(_ *testing.T, g *exchangeRig, first *grant.Response) string {
			g.People.Remove(testkit.Alice(g.Env.ID).ID)
			return first.Access.Raw
		}, "invalid_request"},
		{"of a person who is disabled", func(_ *testing.T, g *exchangeRig, first *grant.Response) string {
			alice := testkit.Alice(g.Env.ID)
			alice.Disabled = true
			g.People.Put(alice)
			return first.Access.Raw
		}, "invalid_request"},
		{"of a session that has ended", func(t *testing.T, g *exchangeRig, first *grant.Response) string {
			if _, err := g.Sessions.End(t.Context(), g.Env, text(t, claimsOf(t, first.Access.Raw), "sid"), nil); err != nil {
				t.Fatal(err)
			}
			return first.Access.Raw
		}, "invalid_request"},
		{"of a client that is gone", func(_ *testing.T, g *exchangeRig, first *grant.Response) string {
			delete(g.Clients, "web")
			return first.Access.Raw
		}, "invalid_request"},
		{"of a client that is disabled", func(_ *testing.T, g *exchangeRig, first *grant.Response) string {
			g.Clients["web"].Enabled = false
			return first.Access.Raw
		}, "invalid_request"},
		{"a refresh token", func(_ *testing.T, _ *exchangeRig, first *grant.Response) string { return first.RefreshToken }, "invalid_request"},
		{"an ID token said to be an access token", func(_ *testing.T, _ *exchangeRig, first *grant.Response) string { return first.IDToken }, "invalid_request"},
		{"rubbish", func(*testing.T, *exchangeRig, *grant.Response) string { return "rubbish" }, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newExchangeRig(t)
			subject := tt.subject(t, g, g.signIn(t, "web", "openid", "orders:read"))
			if r, code := g.swap(t, subject, "resource="+stock); code != tt.want || (r == nil) != (tt.want != "") {
				t.Errorf("error = %q, want %q", code, tt.want)
			}
		})
	}

	t.Run("ID token", func(t *testing.T) {
		g := newExchangeRig(t)
		id := func(raw string) []string {
			return []string{"subject_token=" + raw, "subject_token_type=" + oauth.TokenTypeIDToken, "resource=" + stock}
		}
		g.Clients["api"].GrantTypes = append(g.Clients["api"].GrantTypes, oauth.GrantAuthorizationCode)
		its, others := g.signIn(t, "api", "openid"), g.signIn(t, "web", "openid")
		r, code := g.swap(t, "", id(its.IDToken)...)
		if is := bought(t, r, code); is != "stock:read stock:write @ "+stock {
			t.Errorf("its own: %s", is)
		}
		if _, code := g.swap(t, "", id(others.IDToken)...); code != "invalid_request" {
			t.Errorf("another client's: error = %q, want invalid_request", code)
		}
		if _, err := g.Sessions.End(t.Context(), g.Env, text(t, claimsOf(t, its.IDToken), "sid"), nil); err != nil {
			t.Fatal(err)
		}
		if _, code := g.swap(t, "", id(its.IDToken)...); code != "invalid_request" {
			t.Errorf("of a session that has ended: error = %q, want invalid_request", code)
		}
	})
}

func exchangeRank(t *testing.T) {
	tests := []struct {
		name    string
		pingOne bool                // compat token_exchange_scopes
		web     map[string][]string // further grants of the subject's client, in the place of its own
		fields  []string
		want    string
	}{
		{"what it has", false, nil, []string{"scope=orders:read"}, "orders:read @ " + testkit.Audience},
		{"wider, of the resource that it is for", false, nil, []string{"scope=orders:write"}, "invalid_scope"},
		{"what it has, and wider", false, nil, []string{"scope=orders:read orders:write"}, "invalid_scope"},
		{"all there is of the resource that it is for", false, nil, []string{"resource=" + testkit.Audience}, "orders:read @ " + testkit.Audience},
		{"another resource", false, nil, []string{"scope=stock:read"}, "stock:read @ " + stock},
		{"another resource, whole", false, nil, []string{"resource=" + stock}, "stock:read stock:write @ " + stock},
		{"what its client has of another resource", false, map[string][]string{"stock": {"stock:read"}}, []string{"resource=" + stock}, "stock:read @ " + stock},
		{"more than its client has", false, map[string][]string{"stock": {"stock:read"}}, []string{"scope=stock:read stock:write"}, "invalid_scope"},
		{"where its client has nothing", false, map[string][]string{"stock": nil}, []string{"resource=" + stock}, "invalid_scope"},
		{"wider, as PingOne", true, nil, []string{"scope=orders:read orders:write"}, "orders:read orders:write @ " + testkit.Audience},
		{"where its client has nothing, as PingOne", true, map[string][]string{"stock": nil}, []string{"resource=" + stock}, "stock:read stock:write @ " + stock},
		{"what the asking client has not, as PingOne", true, nil, []string{"scope=stock:read stock:admin"}, "stock:read @ " + stock},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newExchangeRig(t)
			g.Env.Compat.TokenExchangeScopes = tt.pingOne
			for id, scopes := range tt.web {
				g.Clients["web"].Grants[id] = scopes
			}
			subject := g.signIn(t, "web", "openid", "orders:read").Access.Raw
			r, code := g.swap(t, subject, tt.fields...)
			if is := bought(t, r, code); is != tt.want {
				t.Errorf("got %s, want %s", is, tt.want)
			}
		})
	}
	t.Run("what the asking client is not granted", func(t *testing.T) {
		g := newExchangeRig(t)
		g.Clients["api"].Grants = map[string][]string{"orders": {"orders:write"}}
		subject := g.signIn(t, "web", "orders:read").Access.Raw
		for _, fields := range [][]string{{"scope=orders:read"}, {"resource=" + testkit.Audience}} {
			if _, code := g.swap(t, subject, fields...); code != "invalid_scope" {
				t.Errorf("%s: error = %q, want invalid_scope", fields, code)
			}
		}
		if _, code := g.swap(t, subject, "resource="+stock); code != "invalid_target" {
			t.Errorf("a resource of which it has nothing: error = %q, want invalid_target", code)
		}
	})
}

// exchangeLife: what ends the subject, or what it hangs on, ends the new token, wherever that is checked.
func exchangeLife(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		for name, end := range map[string]func(t *testing.T, g *exchangeRig, subject *grant.Response){
			"the subject token": func(t *testing.T, g *exchangeRig, subject *grant.Response) {
				if err := g.Revoker.Revoke(t.Context(), g.Env, g.Clients["web"], subject.Access.Raw); err != nil {
					t.Fatal(err)
				}
			},
			"its grant": func(t *testing.T, g *exchangeRig, subject *grant.Response) {
				if err := g.Revoker.Revoke(t.Context(), g.Env, g.Clients["web"], subject.RefreshToken); err != nil {
					t.Fatal(err)
				}
			},
			"its session": func(t *testing.T, g *exchangeRig, subject *grant.Response) {
				g.revoke(store.RevokedSession, text(t, claimsOf(t, subject.IDToken), "sid"))
			},
			"its person": func(_ *testing.T, g *exchangeRig, _ *grant.Response) {
				g.revoke(store.RevokedSubject, testkit.Alice(g.Env.ID).ID)
			},
			"its audience": func(_ *testing.T, g *exchangeRig, _ *grant.Response) {
				g.revoke(store.RevokedAudience, testkit.Audience)
			},
			"its client":    func(_ *testing.T, g *exchangeRig, _ *grant.Response) { g.revoke(store.RevokedClient, "web") },
			"the new one's": func(_ *testing.T, g *exchangeRig, _ *grant.Response) { g.revoke(store.RevokedClient, "api") },
			"time":          func(_ *testing.T, g *exchangeRig, _ *grant.Response) { g.Clock.Advance(10 * time.Minute) },
		} {
			t.Run(name, func(t *testing.T) {
				g := newExchangeRig(t)
				g.Env.OpaqueTokens = opaque
				subject := g.signIn(t, "web", "openid", "orders:read")
				r, code := g.swap(t, subject.Access.Raw, "resource="+stock)
				if code != "" {
					t.Fatalf("refused: %s", code)
				}
				second, code := g.swap(t, r.Access.Raw, "resource="+stock)
				if code != "" {
					t.Fatalf("the second exchange: %s", code)
				}
				unrelated := g.signIn(t, "other", "openid", "orders:read")
				end(t, g, subject)
				if g.Active(t, r.Access.Raw) || g.Active(t, second.Access.Raw) {
					t.Errorf("it works on: %t, what it was exchanged for: %t", g.Active(t, r.Access.Raw), g.Active(t, second.Access.Raw))
				}
				if name != "time" && name != "its person" && name != "its audience" && !g.Active(t, unrelated.Access.Raw) {
					t.Error("another token ended with it")
				}
			})
		}
	}
	t.Run("the longest life of its resource", func(t *testing.T) {
		g := newExchangeRig(t)
		g.Resources["stock"].AccessTokenTTL = 5 * time.Minute
		r, code := g.swap(t, g.signIn(t, "web", "openid", "orders:read").Access.Raw, "resource="+stock)
		if code != "" || r.Access.TTL != 5*time.Minute {
			t.Errorf("lives for %v (%s), want 5m", r.Access.TTL, code)
		}
	})
	t.Run("a session that ends meanwhile", func(t *testing.T) {
		g := newExchangeRig(t)
		subject := g.signIn(t, "web", "openid", "orders:read")
		g.exchange.Subjects = &after{g.Verifier, 1, func() {
			if _, err := g.Sessions.End(t.Context(), g.Env, text(t, claimsOf(t, subject.IDToken), "sid"), nil); err != nil {
				t.Fatal(err)
			}
		}}
		if _, code := g.swap(t, subject.Access.Raw, "resource="+stock); code != "invalid_request" {
			t.Errorf("error = %q, want invalid_request", code)
		}
	})
	t.Run("to withdraw what the new one's client was granted ends no one else's", func(t *testing.T) {
		g := newExchangeRig(t)
		subject := g.signIn(t, "web", "openid", "orders:read")
		r, _ := g.swap(t, subject.Access.Raw, "resource="+stock)
		w := token.Withdrawal{Store: g.Store, Revoker: g.Revoker, Now: g.Clock.Now}
		if err := w.Withdraw(t.Context(), g.Env, testkit.Alice(g.Env.ID).ID, "api"); err != nil {
			t.Fatal(err)
		}
		if g.Active(t, r.Access.Raw) || !g.Active(t, subject.Access.Raw) {
			t.Errorf("the new token works: %t, the subject: %t; want the subject alone", g.Active(t, r.Access.Raw), g.Active(t, subject.Access.Raw))
		}
	})
}

// after does something when a subject was read for the n-th time.
type after struct {
	grant.Subjects
	n  int
	do func()
}

func (a *after) Subject(ctx context.Context, env *store.Environment, raw string, id bool) (*token.Subject, error) {
	if a.n--; a.n < 0 {
		a.do()
		a.do = func() {}
	}
	return a.Subjects.Subject(ctx, env, raw, id)
}

// revoke is a revocation as the feed delivers it. It is not stored: other tests share the store.
func (g *exchangeRig) revoke(kind store.RevocationKind, value string) {
	g.Set.Add(store.Revocation{Environment: g.Env.ID, Kind: kind, Value: value, At: g.Clock.Now(), ExpiresAt: g.Clock.Now().Add(time.Hour)})
}

func exchangeActors(t *testing.T) {
	g := newExchangeRig(t)
	subject := g.signIn(t, "web", "openid", "orders:read").Access.Raw
	actor := g.own(t, "other", "stock:read")
	person := g.signIn(t, "other", "openid", "orders:read")
	by := func(raw, kind string) []string {
		return []string{"actor_token=" + raw, "actor_token_type=" + kind, "resource=" + stock}
	}
	act := func(t *testing.T, r *grant.Response, code string) string {
		t.Helper()
		if code != "" {
			t.Fatalf("refused: %s", code)
		}
		return string(raw(claimsOf(t, r.Access.Raw), "act"))
	}
	alice := testkit.Alice(g.Env.ID).ID
	first, code := g.swap(t, subject, by(actor, oauth.TokenTypeAccessToken)...)
	if got, want := act(t, first, code), `{"sub":"other","client_id":"other"}`; got != want {
		t.Errorf("a client acts: act = %s, want %s", got, want)
	}
	second, code := g.swap(t, first.Access.Raw, by(person.Access.Raw, oauth.TokenTypeAccessToken)...)
	want := `{"sub":"` + alice + `","client_id":"other","act":{"sub":"other","client_id":"other"}}`
	if got := act(t, second, code); got != want {
		t.Errorf("a person acts after that: act = %s, want %s", got, want)
	}
	third, code := g.swap(t, second.Access.Raw, "resource="+stock)
	if got := act(t, third, code); got != want {
		t.Errorf("nobody new: act = %s, want it kept: %s", got, want)
	}
	active, err := g.Verifier.Verify(t.Context(), g.Env, third.Access.Raw)
	if err != nil || !strings.Contains(string(active.Introspection), `"act":`+want) {
		t.Errorf("introspection says %s (%v), want act in it", active.Introspection, err)
	}
	t.Run("the life of the actor's counts too", func(t *testing.T) {
		g.Clock.Advance(5 * time.Minute)
		later := g.signIn(t, "web", "openid", "orders:read").Access.Raw
		r, code := g.swap(t, later, by(person.Access.Raw, oauth.TokenTypeAccessToken)...)
		if code != "" || r.Access.TTL != 5*time.Minute {
			t.Errorf("lives for %v (%s), want 5m", r.Access.TTL, code)
		}
	})
	t.Run("an ID token of another client", func(t *testing.T) {
		if _, code := g.swap(t, g.signIn(t, "web", "openid", "orders:read").Access.Raw, by(person.IDToken, oauth.TokenTypeIDToken)...); code != "invalid_request" {
			t.Errorf("error = %q, want invalid_request", code)
		}
	})
	t.Run("revoked", func(t *testing.T) {
		if err := g.Revoker.Revoke(t.Context(), g.Env, g.Clients["other"], person.Access.Raw); err != nil {
			t.Fatal(err)
		}
		if _, code := g.swap(t, g.signIn(t, "web", "openid", "orders:read").Access.Raw, by(person.Access.Raw, oauth.TokenTypeAccessToken)...); code != "invalid_request" {
			t.Errorf("error = %q, want invalid_request", code)
		}
	})
}

// exchangeActorEnds: what ends the token that somebody acts with ends what was made for them, and what that was exchanged for; nothing else of theirs does.
func exchangeActorEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		person bool // acts; or else a client
		end    func(t *testing.T, g *exchangeRig, raw string, actor *token.Subject)
		ended  bool
	}{
		{"nothing", true, func(*testing.T, *exchangeRig, string, *token.Subject) {}, false},
		{"its client's token", false, func(t *testing.T, g *exchangeRig, raw string, _ *token.Subject) {
			g.revoke(store.RevokedToken, claimsOf(t, raw).ID)
		}, true},
		{"its token", true, func(t *testing.T, g *exchangeRig, raw string, _ *token.Subject) {
			g.revoke(store.RevokedToken, claimsOf(t, raw).ID)
		}, true},
		{"another token of its", true, func(t *testing.T, g *exchangeRig, _ string, _ *token.Subject) {
			g.revoke(store.RevokedToken, claimsOf(t, g.signIn(t, "other", "openid", "orders:read").Access.Raw).ID)
		}, false},
		{"its authorization", true, func(_ *testing.T, g *exchangeRig, _ string, s *token.Subject) { g.revoke(store.RevokedGrant, s.Grant) }, true},
		{"its session", true, func(_ *testing.T, g *exchangeRig, _ string, s *token.Subject) {
			g.revoke(store.RevokedSession, s.Session)
		}, true},
		{"its client", false, func(_ *testing.T, g *exchangeRig, _ string, _ *token.Subject) { g.revoke(store.RevokedClient, "other") }, true},
		{"another client", false, func(_ *testing.T, g *exchangeRig, _ string, _ *token.Subject) {
			g.revoke(store.RevokedClient, "native")
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newExchangeRig(t)
			raw := g.own(t, "other", "stock:read")
			if tt.person {
				raw = g.signIn(t, "other", "openid", "orders:read").Access.Raw
			}
			actor, err := g.Verifier.Subject(t.Context(), g.Env, raw, false)
			if err != nil {
				t.Fatal(err)
			}
			first, code := g.swap(t, g.signIn(t, "web", "openid", "orders:read").Access.Raw,
				"actor_token="+raw, "actor_token_type="+oauth.TokenTypeAccessToken, "resource="+stock)
			if code != "" {
				t.Fatalf("with an actor: %s", code)
			}
			second, code := g.swap(t, first.Access.Raw, "resource="+stock)
			if code != "" {
				t.Fatalf("without another: %s", code)
			}
			tt.end(t, g, raw, actor)
			for name, r := range map[string]*grant.Response{"the token": first, "what it was exchanged for": second} {
				_, err := g.Verifier.Verify(t.Context(), g.Env, r.Access.Raw)
				if ended := errors.Is(err, token.ErrInactive); ended != tt.ended || err != nil && !ended {
					t.Errorf("%s: %v, want it ended: %t", name, err, tt.ended)
				}
			}
		})
	}
}

func exchangeChain(t *testing.T) {
	for _, acting := range []bool{false, true} {
		g := newExchangeRig(t)
		current, done := g.signIn(t, "web", "openid", "orders:read").Access.Raw, 0
		fields := []string{"resource=" + stock}
		if acting {
			fields = append(fields, "actor_token="+g.own(t, "other", "stock:read"), "actor_token_type="+oauth.TokenTypeAccessToken)
		}
		for range 20 {
			r, code := g.swap(t, current, fields...)
			if code != "" {
				if code != "invalid_request" {
					t.Errorf("error = %q, want invalid_request", code)
				}
				break
			}
			current, done = r.Access.Raw, done+1
		}
		if done != token.MaxExchanges {
			t.Errorf("%d exchanges one after the other (acting %t), want %d", done, acting, token.MaxExchanges)
		}
	}
}

func exchangeBound(t *testing.T) {
	key := func(name string) token.Confirmation { return token.Confirmation{JKT: name} }
	both := token.Confirmation{JKT: "k", X5T: "c"}
	for _, tt := range []struct {
		name          string
		bound, proved token.Confirmation
		want          string
	}{
		{"unbound", token.Confirmation{}, token.Confirmation{}, ""},
		{"unbound, to be bound", token.Confirmation{}, key("k"), ""},
		{"the same key", key("k"), key("k"), ""},
		{"nothing proved", key("k"), token.Confirmation{}, "invalid_request"},
		{"another key", key("k"), key("l"), "invalid_request"},
		{"both", both, both, ""},
		{"one of both", both, key("k"), "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newExchangeRig(t)
			a := g.Authorize(t, "web", g.SignOn(t), "openid", "orders:read")
			r := g.request("web", "code="+g.Code(t, a))
			r.Proved = tt.bound
			subject, code := answer(g.code.Token(t.Context(), r))
			if code != "" {
				t.Fatalf("sign in: %s", code)
			}
			r = g.swapRequest(subject.Access.Raw, "resource="+stock)
			r.Proved = tt.proved
			got, code := answer(g.exchange.Token(t.Context(), r))
			if code != tt.want {
				t.Fatalf("error = %q, want %q", code, tt.want)
			}
			if got == nil {
				return
			}
			checkBound(t, g, got, tt.proved)
			// As an actor's it needs its proof as well.
			r = g.swapRequest(g.signIn(t, "web", "openid", "orders:read").Access.Raw,
				"resource="+stock, "actor_token="+got.Access.Raw, "actor_token_type="+oauth.TokenTypeAccessToken)
			if _, code := answer(g.exchange.Token(t.Context(), r)); (code == "") != tt.proved.IsZero() {
				t.Errorf("as an actor's without proof: error = %q", code)
			}
		})
	}
}

// What is bound is exchanged without its proof by the gate of its own resource alone, which has verified that, and never for what would be good at that
// resource without the proof: not for the same audience, and not by way of another one.
func exchangeBoundByGate(t *testing.T) {
	key := func(name string) token.Confirmation { return token.Confirmation{JKT: name} }
	bound := func(t *testing.T, g *exchangeRig, to token.Confirmation, scope string) string {
		r := g.request("web", "code="+g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid", scope)))
		r.Proved = to
		first, code := answer(g.code.Token(t.Context(), r))
		if code != "" {
			t.Fatalf("sign in: %s", code)
		}
		return first.Access.Raw
	}
	for _, tt := range []struct {
		name   string
		gateOf []string // of the client that exchanges
		scope  string   // of the subject token
		bound  token.Confirmation
		proved token.Confirmation
		field  string
		want   string
	}{
		{"the gate of its resource", []string{testkit.Audience}, "orders:read", key("k"), token.Confirmation{}, "resource=" + stock, ""},
		{"of several", []string{stock, testkit.Audience}, "orders:read", key("k"), token.Confirmation{}, "resource=" + stock, ""},
		{"bound to a certificate", []string{testkit.Audience}, "orders:read", token.Confirmation{X5T: "c"}, token.Confirmation{}, "resource=" + stock, ""},
		{"to the gate's own key", []string{testkit.Audience}, "orders:read", key("k"), key("gate"), "resource=" + stock, ""},
		{"no gate", nil, "orders:read", key("k"), token.Confirmation{}, "resource=" + stock, "invalid_request"},
		{"no gate, with a key of its own", nil, "orders:read", key("k"), key("gate"), "resource=" + stock, "invalid_request"},
		{"the gate of another resource", []string{stock}, "orders:read", key("k"), token.Confirmation{}, "resource=" + stock, "invalid_request"},
		{"for the same resource", []string{testkit.Audience}, "orders:read", key("k"), token.Confirmation{}, "resource=" + testkit.Audience, "invalid_target"},
		{"for the same resource, by its scope", []string{testkit.Audience}, "orders:read", key("k"), token.Confirmation{}, "scope=orders:read", "invalid_target"},
		{"for the same resource, to the gate's own key", []string{testkit.Audience}, "orders:read", key("k"), key("gate"), "resource=" + testkit.Audience, "invalid_target"},
		{"for the same resource, with its key", []string{testkit.Audience}, "orders:read", key("k"), key("k"), "resource=" + testkit.Audience, ""},
		{"for the same resource, not bound", []string{testkit.Audience}, "orders:read", token.Confirmation{}, token.Confirmation{}, "resource=" + testkit.Audience, ""},
		{"an unknown resource", []string{testkit.Audience}, "orders:read", key("k"), token.Confirmation{}, "resource=https://x.example.com", "invalid_target"},
	} {
		for _, opaque := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, opaque %t", tt.name, opaque), func(t *testing.T) {
				g := newExchangeRig(t)
				g.Env.OpaqueTokens = opaque
				g.Clients["api"].ExchangesBound = tt.gateOf
				r := g.swapRequest(bound(t, g, tt.bound, tt.scope), tt.field)
				r.Proved = tt.proved
				got, code := answer(g.exchange.Token(t.Context(), r))
				if code != tt.want {
					t.Fatalf("error = %q, want %q", code, tt.want)
				}
				if got == nil {
					return
				}
				checkBound(t, g, got, tt.proved)
			})
		}
	}
	for _, opaque := range []bool{false, true} {
		t.Run(fmt.Sprintf("back, by way of another resource, opaque %t", opaque), func(t *testing.T) {
			g := newExchangeRig(t)
			g.Env.OpaqueTokens = opaque
			g.Clients["api"].ExchangesBound = []string{testkit.Audience}
			for name, there := range map[string]struct {
				bound token.Confirmation
				want  string
			}{"bound": {key("k"), "invalid_target"}, "not bound": {token.Confirmation{}, ""}} {
				away, code := g.swap(t, bound(t, g, there.bound, "orders:read"), "resource="+stock)
				if code != "" {
					t.Fatalf("%s: away: %s", name, code)
				}
				if _, code := g.swap(t, away.Access.Raw, "resource="+testkit.Audience); code != there.want {
					t.Errorf("%s: back: error = %q, want %q", name, code, there.want)
				}
				further, code := g.swap(t, away.Access.Raw, "resource="+stock)
				if code != "" {
					t.Fatalf("%s: further: %s", name, code)
				}
				if _, code := g.swap(t, further.Access.Raw, "resource="+testkit.Audience); code != there.want {
					t.Errorf("%s: back from further: error = %q, want %q", name, code, there.want)
				}
			}
		})
	}
	t.Run("as an actor's", func(t *testing.T) {
		g := newExchangeRig(t)
		g.Clients["api"].ExchangesBound = []string{testkit.Audience, stock}
		subject, actor := g.signIn(t, "web", "openid", "orders:read").Access.Raw, bound(t, g, key("k"), "orders:read")
		if _, code := g.swap(t, subject, "resource="+stock, "actor_token="+actor, "actor_token_type="+oauth.TokenTypeAccessToken); code != "invalid_request" {
			t.Errorf("error = %q, want invalid_request", code)
		}
	})
	t.Run("as PingOne does", func(t *testing.T) {
		g := newExchangeRig(t)
		g.Env.Compat.TokenExchangeScopes = true
		subject := bound(t, g, key("k"), "orders:read")
		if _, code := g.swap(t, subject, "resource="+stock); code != "invalid_request" {
			t.Errorf("no gate: error = %q, want invalid_request", code)
		}
		g.Clients["api"].ExchangesBound = []string{testkit.Audience}
		if _, code := g.swap(t, subject, "resource="+testkit.Audience); code != "invalid_target" {
			t.Errorf("for the same resource: error = %q, want invalid_target", code)
		}
		if _, code := g.swap(t, subject, "resource="+stock); code != "" {
			t.Errorf("for another: error = %q", code)
		}
	})
	t.Run("revoked", func(t *testing.T) {
		g := newExchangeRig(t)
		g.Clients["api"].ExchangesBound = []string{testkit.Audience}
		subject := bound(t, g, key("k"), "orders:read")
		got, code := g.swap(t, subject, "resource="+stock)
		if code != "" {
			t.Fatal(code)
		}
		if err := g.Revoker.Revoke(t.Context(), g.Env, g.Clients["web"], subject); err != nil {
			t.Fatal(err)
		}
		if g.Active(t, got.Access.Raw) {
			t.Error("it outlives the subject")
		}
	})
}

func exchangeConsent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		asks   string // the client that people are asked about
		agreed []string
		want   string
	}{
		{"the subject's client, agreed", "web", []string{"openid", "orders:read", "stock:read", "stock:write"}, ""},
		{"the subject's client, not to that", "web", []string{"openid", "orders:read"}, "invalid_scope"},
		{"the asking client, agreed", "api", []string{"stock:read", "stock:write"}, ""},
		{"the asking client, in part", "api", []string{"stock:read"}, "invalid_scope"},
		{"the asking client, never", "api", nil, "invalid_scope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newExchangeRig(t)
			alice := testkit.Alice(g.Env.ID).ID
			for _, id := range []string{"web", "api"} {
				if err := g.Store.DeleteConsent(t.Context(), g.Env.ID, alice, id); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Fatal(err)
				}
			}
			subject := g.signIn(t, "web", "openid", "orders:read").Access.Raw
			g.Clients[tt.asks].Consent = store.ConsentOnce
			if tt.agreed != nil {
				record := store.ConsentRecord{Environment: g.Env.ID, Subject: alice, Client: tt.asks, Scopes: tt.agreed, UpdatedAt: g.Clock.Now()}
				if err := g.Store.PutConsent(t.Context(), record); err != nil {
					t.Fatal(err)
				}
			}
			if _, code := g.swap(t, subject, "resource="+stock); code != tt.want {
				t.Errorf("error = %q, want %q", code, tt.want)
			}
			if tt.want != "" {
				return
			}
			g.exchange.Subjects = &after{g.Verifier, 1, func() {
				if err := g.Store.DeleteConsent(t.Context(), g.Env.ID, alice, tt.asks); err != nil {
					t.Fatal(err)
				}
			}}
			if _, code := g.swap(t, subject, "resource="+stock); code != "invalid_scope" {
				t.Errorf("withdrawn meanwhile: error = %q, want invalid_scope", code)
			}
		})
	}
}

func exchangeOfClients(t *testing.T) {
	g := newExchangeRig(t)
	subject := g.own(t, "other", "orders:read")
	r, code := g.swap(t, subject, "resource="+stock)
	if is := bought(t, r, code); is != "stock:read stock:write @ "+stock {
		t.Fatalf("got %s", is)
	}
	c := claimsOf(t, r.Access.Raw)
	if c.Has("sub") || c.Has("sid") || c.ClientID != "api" {
		t.Errorf("sub %q, client %q, want none, and api", c.Subject, c.ClientID)
	}
	if _, code := g.swap(t, subject, "scope=orders:write"); code != "invalid_scope" {
		t.Errorf("wider: error = %q, want invalid_scope", code)
	}
	if err := g.Revoker.Revoke(t.Context(), g.Env, g.Clients["other"], subject); err != nil {
		t.Fatal(err)
	}
	if g.Active(t, r.Access.Raw) {
		t.Error("it outlives the subject")
	}
}

// TestPropertyExchangeNarrows: whatever is exchanged for whatever, one after the other, no token lives longer or has more of a resource
// than one before it had, and all of them end with the first.
func TestPropertyExchangeNarrows(t *testing.T) {
	base := newExchangeRig(t)
	all := []string{"orders:read", "orders:write", "stock:read", "stock:write"}
	rapid.Check(t, func(rt *rapid.T) {
		g := *base
		scope := rapid.SliceOfNDistinct(rapid.SampledFrom(all[:2]), 1, 2, rapid.ID[string]).Draw(rt, "scope")
		first := g.signIn(t, "web", scope...)
		tokens := []*jose.Claims{claimsOf(t, first.Access.Raw)}
		current := first.Access.Raw
		for range rapid.IntRange(1, 5).Draw(rt, "exchanges") {
			g.Clock.Advance(time.Duration(rapid.IntRange(0, 60).Draw(rt, "seconds")) * time.Second)
			var fields []string
			if rapid.Bool().Draw(rt, "names a resource") {
				fields = append(fields, "resource="+rapid.SampledFrom([]string{testkit.Audience, stock}).Draw(rt, "resource"))
			}
			if asked := rapid.SliceOfDistinct(rapid.SampledFrom(all), rapid.ID[string]).Draw(rt, "asked"); len(asked) > 0 {
				fields = append(fields, "scope="+strings.Join(asked, " "))
			}
			r, code := g.swap(t, current, fields...)
			if code != "" {
				if !slices.Contains([]string{"invalid_scope", "invalid_target"}, code) {
					rt.Fatalf("%s: error = %q", fields, code)
				}
				continue
			}
			after := claimsOf(t, r.Access.Raw)
			for _, before := range tokens {
				if after.Expiry.After(before.Expiry) {
					rt.Fatalf("lives until %v, one before until %v", after.Expiry, before.Expiry)
				}
				for _, s := range after.Scope {
					if slices.Equal(after.Audience, before.Audience) && !slices.Contains(before.Scope, s) {
						rt.Fatalf("has %s, one before %s", after.Scope, before.Scope)
					}
				}
			}
			before := tokens[0]
			if diff := cmp.Diff([]string{before.Subject, text(t, before, "sid"), text(t, before, "grant_id")},
				[]string{after.Subject, text(t, after, "sid"), text(t, after, "grant_id")}); diff != "" {
				rt.Fatalf("whom it is of (-before +after):\n%s", diff)
			}
			tokens, current = append(tokens, after), r.Access.Raw
		}
		if err := g.Revoker.Revoke(t.Context(), g.Env, g.Clients["web"], first.Access.Raw); err != nil {
			rt.Fatal(err)
		}
		if g.Active(t, current) {
			rt.Fatal("the last one outlives the first")
		}
	})
}

// checkBound: the token of an answer is bound to want, and the answer says so.
func checkBound(t *testing.T, g *exchangeRig, got *grant.Response, want token.Confirmation) {
	t.Helper()
	active, err := g.Verifier.Verify(t.Context(), g.Env, got.Access.Raw)
	switch {
	case err != nil:
		t.Errorf("the token does not work: %v", err)
	case active.Bound != want || got.Bound != want:
		t.Errorf("bound to %+v, says %+v, want %+v", active.Bound, got.Bound, want)
	}
}
