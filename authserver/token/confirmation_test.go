package token_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestBoundTokens: what a token is bound to is in it, in what introspection says, and in its record, in both formats.
func TestBoundTokens(t *testing.T) {
	for _, bound := range []token.Confirmation{{}, {JKT: "key"}, {X5T: "certificate"}, {JKT: "key", X5T: "certificate"}} {
		for _, opaque := range []bool{false, true} {
			t.Run(fmt.Sprintf("%+v %v", bound, opaque), func(t *testing.T) {
				a := newAuthority(t)
				a.Env.OpaqueTokens = opaque
				access := token.Access{Client: "web", For: a.Clients["web"], Scope: []string{"orders:read"}, Audience: []string{"orders"}, TTL: time.Hour, Bound: bound}
				minted, err := a.Tokens.Mint(t.Context(), a.Env, access)
				if err != nil {
					t.Fatal(err)
				}
				active, err := a.Verifier.Verify(t.Context(), a.Env, minted.Raw)
				if err != nil {
					t.Fatal(err)
				}
				if active.Bound != bound {
					t.Errorf("bound to %+v, want %+v", active.Bound, bound)
				}
				var said struct {
					Type string              `json:"token_type"`
					CNF  *token.Confirmation `json:"cnf"`
				}
				if err := json.Unmarshal(active.Introspection, &said); err != nil {
					t.Fatal(err)
				}
				want := &bound
				if bound.IsZero() {
					want = nil
				}
				if diff := cmp.Diff(want, said.CNF); diff != "" || said.Type != bound.Type() {
					t.Errorf("introspection: token_type %q, cnf (-want +got):\n%s", said.Type, diff)
				}
				records := &token.Records{Store: a.Store, Set: a.Set, Now: a.Clock.Now}
				record, err := records.ByID(t.Context(), a.Env, minted.ID, active.ExpiresAt)
				if err != nil {
					t.Fatal(err)
				}
				if record.Bound != bound {
					t.Errorf("record: bound to %+v, want %+v", record.Bound, bound)
				}
			})
		}
	}
}

// TestForeignConfirmation: a binding that nobody here can judge is not none.
func TestForeignConfirmation(t *testing.T) {
	a := newAuthority(t)
	signer, err := a.Rings.SignerFor(t.Context(), a.Env, "")
	if err != nil {
		t.Fatal(err)
	}
	for cnf, good := range map[string]bool{
		"":                                   true,
		`,"cnf":{"jkt":"a"}`:                 true,
		`,"cnf":{"x5t#S256":"a"}`:            true,
		`,"cnf":{"jkt":"a","x5t#S256":"b"}`:  true,
		`,"cnf":null`:                        false,
		`,"cnf":{}`:                          false,
		`,"cnf":"a"`:                         false,
		`,"cnf":[]`:                          false,
		`,"cnf":{"jkt":""}`:                  false,
		`,"cnf":{"jkt":7}`:                   false,
		`,"cnf":{"jkt":["a"]}`:               false,
		`,"cnf":{"JKT":"a"}`:                 false,
		`,"cnf":{"x5t":"a"}`:                 false,
		`,"cnf":{"jwk":{"kty":"EC"}}`:        false,
		`,"cnf":{"jkt":"a","kid":"b"}`:       false,
		`,"cnf":{"jkt":"a","x5t#S256":null}`: false,
	} {
		now := a.Clock.Now().Unix()
		raw, err := signer.Sign("at+jwt", fmt.Appendf(nil, `{"client_id":"web","iss":%q,"jti":"x%x","iat":%d,"exp":%d,"aud":["orders"]%s}`,
			a.Env.Issuer, cnf, now, now+60, cnf))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Verifier.Verify(t.Context(), a.Env, raw); (err == nil) != good || err != nil && !errors.Is(err, token.ErrInactive) {
			t.Errorf("%s: %v, want good = %v", cnf, err, good)
		}
	}
}

// TestPropertyBindingMet: who has proved less than a binding asks for has proved nothing, whatever else they have proved.
func TestPropertyBindingMet(t *testing.T) {
	values := []string{"", "a", "b"}
	for _, jkt := range values {
		for _, x5t := range values {
			for _, key := range values {
				for _, certificate := range values {
					bound, proved := token.Confirmation{JKT: jkt, X5T: x5t}, token.Confirmation{JKT: key, X5T: certificate}
					want := (jkt == "" || jkt == key) && (x5t == "" || x5t == certificate)
					if got := bound.MetBy(proved); got != want {
						t.Errorf("%+v met by %+v: %v, want %v", bound, proved, got, want)
					}
				}
			}
		}
	}
}
