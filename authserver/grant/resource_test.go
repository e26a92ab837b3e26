package grant_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const stock = "https://stock.example.com"

// withStock adds the resource stock, which shares a scope with nobody, and lets clients ask for it.
func (g *rig) withStock(clients ...string) {
	g.Resources = map[string]*store.Resource{"stock": {
		Environment: g.Env.ID, ID: "stock", Name: "stock", Audience: stock, Scopes: []string{"stock:read", "stock:write"}, AccessTokenTTL: 30 * time.Minute,
	}}
	for _, id := range clients {
		g.Clients[id].Grants["stock"] = []string{"stock:read", "stock:write"}
	}
}

// bought is what a response has: scopes and audiences, or the error's code.
func bought(t testing.TB, r *grant.Response, code string) string {
	t.Helper()
	if code != "" {
		return code
	}
	c := claimsOf(t, r.Access.Raw)
	if strings.Join(c.Scope, " ") != strings.Join(r.Scope, " ") {
		t.Errorf("scope of the token %q, of the response %q", c.Scope, r.Scope)
	}
	return strings.Join(c.Scope, " ") + " @ " + strings.Join(c.Audience, " ")
}

// TestResourceAtTheTokenEndpoint: each token is for some of the resources that the person granted, and never for others (RFC 8707 §2.2).
func TestResourceAtTheTokenEndpoint(t *testing.T) {
	const both = "openid orders:read stock:read @ " + testkit.Audience + " " + stock
	tests := []struct {
		name   string
		scope  string // granted
		fields []string
		want   string
	}{
		{"none", "openid orders:read stock:read", nil, both},
		{"one of two", "openid orders:read stock:read", []string{"resource=" + stock}, "openid stock:read @ " + stock},
		{"the other", "openid orders:read stock:read", []string{"resource=" + testkit.Audience}, "openid orders:read @ " + testkit.Audience},
		{"both", "openid orders:read stock:read", []string{"resource=" + testkit.Audience, "resource=" + stock}, both},
		{"the only one", "openid orders:read", []string{"resource=" + testkit.Audience}, "openid orders:read @ " + testkit.Audience},
		{"one that was not granted", "openid orders:read", []string{"resource=" + stock}, "invalid_target"},
		{"one that was, and one that was not", "openid orders:read", []string{"resource=" + testkit.Audience, "resource=" + stock}, "invalid_target"},
		{"that of OpenID Connect, beside a custom one", "openid orders:read", []string{"resource=https://api.pingone.com"}, "invalid_target"},
		{"that of OpenID Connect alone", "openid", []string{"resource=https://api.pingone.com"}, "openid @ https://api.pingone.com"},
		{"a custom one that only OpenID Connect's was granted of", "openid", []string{"resource=" + testkit.Audience}, "invalid_target"},
		{"unknown", "openid orders:read", []string{"resource=https://x.example.com"}, "invalid_target"},
		{"with a slash more", "openid orders:read", []string{"resource=" + testkit.Audience + "/"}, "invalid_target"},
		{"malformed", "openid orders:read", []string{"resource=orders"}, "invalid_target"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			g.withStock("web")
			g.Clients["web"].MultipleResources = true
			a := g.Authorize(t, "web", g.SignOn(t), strings.Fields(tt.scope)...)
			raw := g.Code(t, a)
			r, code := g.redeem(t, "web", raw, tt.fields...)
			if got := bought(t, r, code); got != tt.want {
				t.Fatalf("for the code: %s, want %s", got, tt.want)
			}
			if code != "" { // a mistake does not cost the code
				if r, code = g.redeem(t, "web", raw); code != "" {
					t.Fatalf("for the code without resource: %s", code)
				}
			}
			renewed, code := g.renew(t, "web", r.RefreshToken, tt.fields...)
			if got := bought(t, renewed, code); got != tt.want {
				t.Fatalf("for the refresh token: %s, want %s", got, tt.want)
			}
			if renewed == nil {
				return
			}
			// What one token left out, the next one may have.
			again, code := g.renew(t, "web", renewed.RefreshToken)
			whole := strings.Join(a.Scope, " ") + " @ " + strings.Join(a.Audience, " ")
			if got := bought(t, again, code); got != whole {
				t.Errorf("for the next refresh token: %s, want %s", got, whole)
			}
		})
	}

	t.Run("scope and resource", func(t *testing.T) {
		g := newRig(t)
		g.withStock("web")
		g.Clients["web"].MultipleResources = true
		r := g.signIn(t, "web", "openid", "orders:read", "stock:read")
		for _, tt := range []struct{ scope, resource, want string }{
			{"stock:read", stock, "stock:read @ " + stock},
			{"stock:read orders:read", stock, "stock:read @ " + stock},
			{"orders:read", stock, oauth.CodeInvalidScope},
			{"stock:write", stock, oauth.CodeInvalidScope},
		} {
			got, code := g.renew(t, "web", r.RefreshToken, "scope="+tt.scope, "resource="+tt.resource)
			if is := bought(t, got, code); is != tt.want {
				t.Errorf("%s at %s: %s, want %s", tt.scope, tt.resource, is, tt.want)
			}
			if got != nil {
				r = got
			}
		}
	})

	t.Run("a scope that several resources have, of the one that was named", func(t *testing.T) {
		g := newRig(t)
		g.withStock("web")
		g.Resources["stock"].Scopes = []string{"orders:read"}
		g.Clients["web"].Grants["stock"] = []string{"orders:read"}
		granted, err := g.Scopes.ForUserAt(t.Context(), g.Env, g.Clients["web"], []string{"orders:read"}, []string{stock})
		if err != nil {
			t.Fatal(err)
		}
		g.Clients["web"].Grants["orders"] = nil
		a := g.Authorize(t, "web", g.SignOn(t), "orders:read")
		g.Clients["web"].Grants["orders"] = []string{"orders:read"}
		a.Named, a.Audience, a.Resources = []string{stock}, granted.Audience, granted.Resources
		r, code := g.redeem(t, "web", g.Code(t, a))
		if got := bought(t, r, code); got != "orders:read @ "+stock {
			t.Fatalf("for the code: %s", got)
		}
		r, code = g.renew(t, "web", r.RefreshToken)
		if got := bought(t, r, code); got != "orders:read @ "+stock {
			t.Errorf("for the refresh token: %s", got)
		}
	})
}

// TestResourceOfAClientItself: client credentials with resource.
func TestResourceOfAClientItself(t *testing.T) {
	const api = "https://api.pingone.com"
	tests := []struct {
		name    string
		several bool
		worker  bool
		fields  []string
		want    string
	}{
		{"none of two", false, false, nil, "invalid_scope"},
		{"one, without scope", false, false, []string{"resource=" + stock}, "stock:read stock:write @ " + stock},
		{"one, with scope", false, false, []string{"resource=" + stock, "scope=stock:read"}, "stock:read @ " + stock},
		{"one, with scopes of both", false, false, []string{"resource=" + stock, "scope=stock:read orders:read"}, "stock:read @ " + stock},
		{"one, with scopes of the other", false, false, []string{"resource=" + stock, "scope=orders:read"}, "invalid_scope"},
		{"two", true, false, []string{"resource=" + stock, "resource=" + testkit.Audience, "scope=stock:read orders:read"}, "stock:read orders:read @ " + testkit.Audience + " " + stock},
		{"two, not allowed", false, false, []string{"resource=" + stock, "resource=" + testkit.Audience}, "invalid_scope"},
		{"unknown", false, false, []string{"resource=https://x.example.com"}, "invalid_target"},
		{"malformed", false, false, []string{"resource=stock"}, "invalid_target"},
		{"that of OpenID Connect", false, false, []string{"resource=" + api, "scope=openid"}, "invalid_scope"},
		{"a worker's own", false, true, nil, " @ " + api},
		{"a worker's own, named", false, true, []string{"resource=" + api}, " @ " + api},
		{"a worker, another named", false, true, []string{"resource=" + stock}, "stock:read stock:write @ " + stock},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			g.withStock("other")
			client := g.Clients["other"]
			client.MultipleResources = tt.several
			if tt.worker {
				client.Type, client.Roles = store.Worker, []string{"Environment Admin"}
			}
			own := &grant.ClientCredentials{Scopes: g.Scopes, Tokens: g.Tokens}
			r, code := answer(own.Token(t.Context(), g.request("other", tt.fields...)))
			if got := bought(t, r, code); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestResourcesOfOpenIDConnectStay: neither is one in the tokens of who granted no custom resource at all, though an environment's own scope of
// OpenID Connect has its name.
func TestResourcesOfOpenIDConnectStay(t *testing.T) {
	const api = "openid stock:read @ https://api.pingone.com"
	g := newRig(t)
	g.withStock()
	web := g.Clients["web"]
	web.Grants[store.ResourceOpenID] = append(web.Grants[store.ResourceOpenID], "stock:read")
	before := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid", "stock:read"))
	r := g.signIn(t, "web", "openid", "stock:read")
	if got := bought(t, r, ""); got != api {
		t.Fatalf("at first: %s, want %s", got, api)
	}
	web.Grants["stock"] = []string{"stock:read"}
	next, code := g.renew(t, "web", r.RefreshToken)
	if got := bought(t, next, code); got != api {
		t.Errorf("a refresh token, the resource granted meanwhile: %s, want %s", got, api)
	}
	redeemed, code := g.redeem(t, "web", before)
	if got := bought(t, redeemed, code); got != api {
		t.Errorf("a code, the resource granted meanwhile: %s, want %s", got, api)
	}
	if got, want := bought(t, g.signIn(t, "web", "openid", "stock:read"), ""), "openid stock:read @ "+stock; got != want {
		t.Errorf("granted anew: %s, want %s", got, want)
	}
}

// TestPropertyResourcesStay: what a client is granted later, of a resource whose scopes have the same names, is in no token of what a person
// granted before.
func TestPropertyResourcesStay(t *testing.T) {
	for _, several := range []bool{false, true} {
		g := newRig(t)
		g.withStock()
		g.Resources["stock"].Scopes = []string{"orders:read"}
		g.Clients["web"].MultipleResources = several
		before := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid", "orders:read"))
		r := g.signIn(t, "web", "openid", "orders:read")
		check := func(when, want string) {
			t.Helper()
			next, code := g.renew(t, "web", r.RefreshToken)
			if got := bought(t, next, code); got != want {
				t.Fatalf("%s, several %t: %s, want %s", when, several, got, want)
			}
			r = next
		}
		check("at first", "openid orders:read @ "+testkit.Audience)
		orders := g.Clients["web"].Grants["orders"]
		g.Clients["web"].Grants["stock"] = []string{"orders:read"}
		check("the other one's granted as well", "openid orders:read @ "+testkit.Audience)
		redeemed, code := g.redeem(t, "web", before)
		if got := bought(t, redeemed, code); got != "openid orders:read @ "+testkit.Audience {
			t.Errorf("a code, several %t: %s", several, got)
		}
		delete(g.Clients["web"].Grants, "orders")
		check("the other one's alone", "openid @ https://api.pingone.com")
		g.Clients["web"].Grants["orders"] = orders
		check("as at first", "openid orders:read @ "+testkit.Audience)
		if !several {
			continue
		}
		anew := g.signIn(t, "web", "openid", "orders:read")
		if got, want := bought(t, anew, ""), "openid orders:read @ "+testkit.Audience+" "+stock; got != want {
			t.Errorf("granted anew: %s, want %s", got, want)
		}
	}
}
