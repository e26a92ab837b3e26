package token_test

import (
	"slices"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestPhantom: a gate in the same process gets the JWT of an opaque token, which says the same and works for as long.
func TestPhantom(t *testing.T) {
	a := testkit.NewAuthority(t, testkit.Store(t), testkit.NewClock(noon))
	a.Env.OpaqueTokens = true
	local := &token.Local{Environment: a.Env, Rings: a.Rings, Set: a.Set, Store: a.Store}
	s := a.SignOn(t)
	auth := a.Authorize(t, "web", s, "openid", "orders:read")
	access := auth.Access(a.Clients["web"], testkit.Alice(a.Env.ID))
	access.Bound = token.Confirmation{JKT: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}
	minted, err := a.Tokens.Mint(t.Context(), a.Env, access)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := local.Opaque(t.Context(), minted.Raw)
	if err != nil || claims == nil {
		t.Fatalf("claims of the opaque token: %v, %v", claims, err)
	}
	for range 2 {
		raw, err := local.Phantom(t.Context(), claims)
		if err != nil {
			t.Fatal(err)
		}
		jws, err := jose.Parse(raw, jose.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if !jws.Header.TypeIs(oauth.TypeAccessToken) {
			t.Errorf("typ = %q, want %s", jws.Header.Type, oauth.TypeAccessToken)
		}
		got, err := jws.Claims()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Names(), claims.Names()) {
			t.Errorf("members %q, want %q", got.Names(), claims.Names())
		}
		for _, name := range claims.Names() {
			is, _ := got.Raw(name)
			if want, _ := claims.Raw(name); string(is) != string(want) {
				t.Errorf("%s = %s, want %s", name, is, want)
			}
		}
		active, err := a.Verifier.Verify(t.Context(), a.Env, raw)
		if err != nil || active.ID() != minted.ID || active.Bound != access.Bound {
			t.Fatalf("the phantom does not work: %v", err)
		}
	}
	raw, err := local.Phantom(t.Context(), claims)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["web"], minted.Raw); err != nil {
		t.Fatal(err)
	}
	if a.Active(t, raw) {
		t.Error("the phantom outlives its token")
	}

	t.Run("of what is no access token", func(t *testing.T) {
		for _, text := range []string{`{}`, `{"iss":"x","sub":"y","aud":"web","iat":1,"exp":2}`, `{"client_id":"web","jti":"x","aud":"a","iat":1}`} {
			c, err := jose.ParseClaims([]byte(text), jose.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := local.Phantom(t.Context(), c); err == nil {
				t.Errorf("%s became a token", text)
			}
		}
	})
}
