package token_test

import (
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestDetailsIssuer: records say which issuer a token came from, where that is not the environment's own.
func TestDetailsIssuer(t *testing.T) {
	a := newAuthority(t)
	records := &token.Records{Store: a.Store, Set: a.Set, Now: a.Clock.Now}
	other := a.Env.At(store.Domain{Issuer: a.Env.AllIssuers[1]})
	opaque := *other
	opaque.OpaqueTokens = true
	for name, tt := range map[string]struct {
		env  *store.Environment
		want string
	}{"its own": {a.Env, ""}, "another": {other, other.Issuer}, "another, opaque": {&opaque, other.Issuer}} {
		m, err := a.Tokens.Mint(t.Context(), tt.env, token.Access{
			Client: "web", For: a.Clients["web"], Audience: []string{testkit.Audience}, TTL: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := records.ByID(t.Context(), a.Env, m.ID, noon.Add(m.TTL))
		if err != nil || r.Issuer != tt.want || r.GrantType != "" {
			t.Errorf("%s: issuer = %q, grant_type = %q, %v, want %q", name, r.Issuer, r.GrantType, err, tt.want)
		}
	}
}
