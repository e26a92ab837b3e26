package authserver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestAttack117TokenExchangeOverHTTP: the exchange as clients see it, with proofs of possession; the rules are package grant's.
func TestAttack117TokenExchangeOverHTTP(t *testing.T) {
	allow := []string{"orders:read", "orders:write", "billing:read"}
	g := newRig(t, rigOptions{config: &declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: envA, Issuer: issuerA, SigningAlgorithm: "ES256",
		Resources: []declared.Resource{
			{Name: "orders", Audience: orders, Scopes: []string{"orders:read", "orders:write"}, Secret: "orders-secret"},
			{Name: "billing", Audience: billing, Scopes: []string{"billing:read"}, Secret: "billing-secret"},
		},
		Applications: []declared.Application{
			{ClientID: "batch", Type: "service", Secret: "batch-secret", Allow: allow},
			{ClientID: "api", Type: "service", Secret: "api-secret", Grants: []string{"token_exchange"}, Allow: allow},
			{ClientID: "gate", Type: "service", Secret: "gate-secret", Grants: []string{"token_exchange"}, Allow: allow, ExchangeBound: []string{"orders"}},
			{ClientID: "plain", Type: "service", Secret: "plain-secret", Allow: allow},
			{ClientID: "open", Type: "native_app", Grants: []string{"token_exchange"}, Allow: allow},
		},
	}}}})
	batch, api := basic("batch", "batch-secret"), basic("api", "api-secret")
	swap := func(c credential, subject string, fields ...string) answer {
		return g.form(envA, "token", c, append([]string{
			"grant_type=" + oauth.GrantTokenExchange, "subject_token=" + subject, "subject_token_type=" + oauth.TokenTypeAccessToken,
		}, fields...)...)
	}
	subject := g.token(envA, batch, "scope=orders:read")

	got := swap(api, subject, "resource="+billing)
	if got.status != http.StatusOK || got.member("issued_token_type") != oauth.TokenTypeAccessToken || got.member("token_type") != "Bearer" ||
		got.member("scope") != "billing:read" || got.member("refresh_token") != nil || !strings.Contains(got.header.Get("Cache-Control"), "no-store") {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	if !g.active(envA, basic("billing", "billing-secret"), text(got, "access_token")) {
		t.Error("the new token is not active for its resource")
	}
	if types, _ := g.get(issuerA + "/.well-known/openid-configuration").member("grant_types_supported").([]any); !slices.Contains(types, any(oauth.GrantTokenExchange)) {
		t.Errorf("grant_types_supported = %v", types)
	}
	for _, tt := range []struct {
		name   string
		as     credential
		fields []string
		want   string
	}{
		{"a client without the grant type", basic("plain", "plain-secret"), []string{"resource=" + billing}, "400 unauthorized_client"},
		{"a public client", public("open"), []string{"resource=" + billing}, "400 unauthorized_client"},
		{"nobody", anonymous, []string{"resource=" + billing}, "401 invalid_client"},
		{"wider", api, []string{"scope=orders:write"}, "400 invalid_scope"},
		{"unknown audience", api, []string{"audience=https://x.example.com"}, "400 invalid_target"},
		{"two subject tokens", api, []string{"subject_token=" + subject}, "400 invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := swap(tt.as, subject, tt.fields...); got.outcome() != tt.want {
				t.Errorf("%s, want %s", got.outcome(), tt.want)
			}
		})
	}
	t.Run("bound to a key", func(t *testing.T) {
		h, other := newHolder(t, g.clock), newHolder(t, g.clock)
		bound := g.token(envA, h.as(batch, "token"), "scope=orders:read")
		if got := swap(api, bound, "resource="+billing); got.outcome() != "400 invalid_request" {
			t.Errorf("without proof: %s, want 400 invalid_request", got.outcome())
		}
		if got := swap(other.as(api, "token"), bound, "resource="+billing); got.outcome() != "400 invalid_request" {
			t.Errorf("with another key: %s, want 400 invalid_request", got.outcome())
		}
		got := swap(h.as(api, "token"), bound, "resource="+billing)
		if got.status != http.StatusOK || got.member("token_type") != "DPoP" {
			t.Fatalf("with its key: %s %s", got.outcome(), got.body)
		}
		if cnf, _ := claimsOf(t, text(got, "access_token")).Raw("cnf"); !strings.Contains(string(cnf), h.kid) {
			t.Errorf("cnf = %s, want the key", cnf)
		}
	})
	t.Run("bound to a key, by the gate of its resource", func(t *testing.T) {
		h, gate := newHolder(t, g.clock), basic("gate", "gate-secret")
		bound := g.token(envA, h.as(batch, "token"), "scope=orders:read")
		for _, tt := range []struct {
			name    string
			as      credential
			subject string
			field   string
			want    string
		}{
			{"for another resource", gate, bound, "resource=" + billing, "200"},
			{"for its own", gate, bound, "resource=" + orders, "400 invalid_target"},
			{"by another client", api, bound, "resource=" + billing, "400 invalid_request"},
			{"of another resource's", gate, g.token(envA, h.as(batch, "token"), "scope=billing:read"), "resource=" + orders, "400 invalid_request"},
			{"by who says to be the gate", public("gate"), bound, "resource=" + billing, "401 invalid_client"},
		} {
			got := swap(tt.as, tt.subject, tt.field)
			if got.outcome() != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got.outcome(), tt.want)
			}
			if got.status == http.StatusOK && (got.member("token_type") != "Bearer" || !g.active(envA, basic("billing", "billing-secret"), text(got, "access_token"))) {
				t.Errorf("%s: %s, want a Bearer token that is active for its resource", tt.name, got.body)
			}
		}
	})
	t.Run("revoked", func(t *testing.T) {
		if got := g.form(envA, "revoke", batch, "token="+subject); got.status != http.StatusOK {
			t.Fatalf("revocation: %s", got.outcome())
		}
		if got := swap(api, subject, "resource="+billing); got.outcome() != "400 invalid_request" {
			t.Errorf("%s, want 400 invalid_request", got.outcome())
		}
		if g.active(envA, basic("billing", "billing-secret"), text(got, "access_token")) {
			t.Error("what it was exchanged for before works on")
		}
	})
}
