package token_test

import (
	"context"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// nowhere stores nothing, so that what is measured is the token's own work.
type nowhere struct{ store.AccessTokens }

func (nowhere) PutAccessToken(context.Context, store.AccessToken) error { return nil }

func benchmarkMint(b *testing.B, a *testkit.Authority) {
	b.Helper()
	a.Tokens.Store = nowhere{}
	access := token.Access{
		Client: "web", For: a.Clients["web"], Scope: []string{"orders:read", "orders:write"}, Audience: []string{testkit.Audience}, TTL: time.Hour,
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Tokens.Mint(b.Context(), a.Env, access); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMint makes tokens of client credentials, without storing them.
func BenchmarkMint(b *testing.B) { benchmarkMint(b, newAuthority(b)) }

func BenchmarkMintOpaque(b *testing.B) {
	a := newAuthority(b)
	a.Env.OpaqueTokens = true
	benchmarkMint(b, a)
}

// BenchmarkVerify is of a remembered token, BenchmarkVerifyOpaque as well; BenchmarkFindOpaque looks for its record
// each time.
func BenchmarkVerify(b *testing.B) { benchmarkVerify(b, newAuthority(b)) }

func BenchmarkVerifyOpaque(b *testing.B) { benchmarkVerify(b, opaqueAuthority(b)) }

func benchmarkVerify(b *testing.B, a *testkit.Authority) {
	b.Helper()
	raw, _ := mintFor(b, a, "web", "openid")
	if !a.Active(b, raw) {
		b.Fatal("the token is not active")
	}
	remember(a)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Verifier.Verify(b.Context(), a.Env, raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFindOpaque(b *testing.B) {
	a := opaqueAuthority(b)
	raw, _ := mintFor(b, a, "web", "openid")
	gate := &token.Local{Environment: a.Env, Rings: a.Rings, Set: a.Set, Store: a.Store}
	b.ReportAllocs()
	for b.Loop() {
		if c, err := gate.Opaque(b.Context(), raw); c == nil || err != nil {
			b.Fatal(err)
		}
	}
}
