package grant_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// recordOf is the record of an access token of either kind.
func (g *rig) recordOf(t testing.TB, raw string) *token.Record {
	t.Helper()
	active, err := g.Verifier.Verify(t.Context(), g.Env, raw)
	if err != nil {
		t.Fatal(err)
	}
	records := &token.Records{Store: g.Store, Set: g.Set, Now: g.Clock.Now}
	r, err := records.ByID(t.Context(), g.Env, active.ID(), active.ExpiresAt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRecords: each grant says of itself how a token came to be.
func TestRecords(t *testing.T) {
	for _, format := range []store.AccessTokenFormat{store.FormatJWT, store.FormatOpaque} {
		t.Run(string(format), func(t *testing.T) {
			g := newRig(t)
			for _, c := range g.Clients {
				c.AccessTokenFormat = format
			}
			a := g.Authorize(t, "web", g.SignOn(t), "openid", "orders:read")
			a.Nonce, a.RedirectURI = "the nonce", "https://app.example.com/cb"
			a.Claims.IDToken = map[string]oauth.ClaimRequest{"email": {}}
			first, code := g.redeem(t, "web", g.Code(t, a), "redirect_uri="+a.RedirectURI)
			if code != "" {
				t.Fatal(code)
			}
			g.Clock.Advance(1e9)
			second, code := g.renew(t, "web", first.RefreshToken)
			if code != "" {
				t.Fatal(code)
			}
			own, err := (&grant.ClientCredentials{Scopes: g.Scopes, Tokens: g.Tokens}).Token(t.Context(), g.request("web", "scope=orders:read"))
			if err != nil {
				t.Fatal(err)
			}
			common := token.Details{
				RedirectURI: a.RedirectURI, AuthTime: noon.Unix(), ACR: "Single_Factor", AMR: []string{"pwd"}, Claims: `{"id_token":{"email":{}}}`,
			}
			byCode, byRefresh := common, common
			byCode.GrantType, byCode.Nonce = oauth.GrantAuthorizationCode, "the nonce"
			byRefresh.GrantType = oauth.GrantRefreshToken // whose ID tokens have no nonce either (OIDC Core §12.2)
			for _, tt := range []struct {
				name, raw string
				want      token.Details
				grant     string
			}{
				{"authorization_code", first.Access.Raw, byCode, a.Grant},
				{"refresh_token", second.Access.Raw, byRefresh, a.Grant},
				{"client_credentials", own.Access.Raw, token.Details{}, ""},
			} {
				r := g.recordOf(t, tt.raw)
				if opaque := r.Opaque != nil; opaque != (format == store.FormatOpaque) || opaque != token.IsOpaque(tt.raw) || r.Grant != tt.grant {
					t.Errorf("%s: opaque %v, grant %q, want %v, %q", tt.name, opaque, r.Grant, format == store.FormatOpaque, tt.grant)
				}
				d := r.Details
				d.Opaque = nil
				if diff := cmp.Diff(tt.want, d); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tt.name, diff)
				}
			}
			half, err := jose.LeftHash(jose.ES256, first.Access.Raw)
			if got := text(t, claimsOf(t, first.IDToken), "at_hash"); got != half || err != nil {
				t.Errorf("at_hash = %q, %v, want %q", got, err, half)
			}
		})
	}
}

// TestOpaqueOnAnyNode: an opaque token works on every node, and ends on every node.
func TestOpaqueOnAnyNode(t *testing.T) {
	onEachStore(t, func(t *testing.T, nodes []*rig) {
		here, there := nodes[0], nodes[1]
		for _, n := range nodes {
			n.Env.OpaqueTokens = true
		}
		a := here.Authorize(t, "web", here.SignOn(t), "openid")
		r, code := here.redeem(t, "web", here.Code(t, a))
		if code != "" || !token.IsOpaque(r.Access.Raw) {
			t.Fatalf("redeem: %s, want an opaque token", code)
		}
		mine, err := here.Verifier.Verify(t.Context(), here.Env, r.Access.Raw)
		if err != nil {
			t.Fatal(err)
		}
		other, err := there.Verifier.Verify(t.Context(), there.Env, r.Access.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(mine.Introspection) || string(mine.Introspection) != string(other.Introspection) {
			t.Errorf("introspection here and there:\n%s\n%s", mine.Introspection, other.Introspection)
		}
		if err := here.Revoker.Revoke(t.Context(), here.Env, here.Clients["web"], r.Access.Raw); err != nil {
			t.Fatal(err)
		}
		if here.Active(t, r.Access.Raw) {
			t.Error("it is active where it was revoked")
		}
		if !there.soonDead(t, r.Access.Raw) {
			t.Error("it is active elsewhere")
		}
	})
}
