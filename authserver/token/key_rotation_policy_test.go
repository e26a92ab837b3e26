package token_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestKeyOfAPolicySigns: whatever a client gets that is signed. Where its policy has no key, it gets nothing, and no other
// key steps in.
func TestKeyOfAPolicySigns(t *testing.T) {
	clock := testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	a := testkit.NewAuthority(t, testkit.Store(t), clock)
	rings := keys.New(keys.Config{
		Store: a.Store, Now: clock.Now, Log: slog.New(slog.DiscardHandler),
		Sealer: func(bool) (*secret.Sealer, error) {
			return secret.NewSealer([]byte("0123456789abcdef0123456789abcdef"))
		},
		Policies: func(context.Context, *store.Environment) ([]keys.Policy, error) {
			return []keys.Policy{{ID: "p", DN: "CN=P", Period: 30 * 24 * time.Hour, Validity: 365 * 24 * time.Hour}}, nil
		},
	})
	a.Tokens.Keys, a.IDTokens.Keys, a.Verifier.Keys = rings, rings, rings
	kid := func(policy string) string {
		k, err := rings.SignerFor(t.Context(), a.Env, policy)
		if err != nil {
			t.Fatal(err)
		}
		return k.ID()
	}
	alice := testkit.Alice(a.Env.ID)
	artefacts := map[string]func(*store.Client) (string, error){
		"access token of a client": func(c *store.Client) (string, error) {
			a.Tokens.Directory = clientAlone{a.Directory(), c}
			m, err := a.Tokens.Mint(t.Context(), a.Env, token.Access{Client: c.ID, For: c, KeyRotationPolicy: c.KeyRotationPolicy, Audience: []string{testkit.Audience}, TTL: time.Hour})
			return m.Raw, err
		},
		"access token of an authorization": func(c *store.Client) (string, error) {
			authorization := token.Authorization{Client: c.ID, On: token.SignedOn{Subject: alice.ID}, Audience: []string{testkit.Audience}, TTL: time.Hour}
			a.Tokens.Directory = clientAlone{a.Directory(), c}
			m, err := a.Tokens.Mint(t.Context(), a.Env, authorization.Access(c, alice))
			return m.Raw, err
		},
		"ID token": func(c *store.Client) (string, error) {
			return a.IDTokens.Mint(t.Context(), a.Env, token.IDToken{Client: c, On: token.SignedOn{Subject: alice.ID, AuthTime: clock.Now()}})
		},
		"UserInfo answer": func(c *store.Client) (string, error) {
			return a.IDTokens.UserInfo(t.Context(), a.Env, &store.OpenID{}, c, alice, &token.Person{Subject: alice.ID})
		},
	}
	for name, mint := range artefacts {
		for _, policy := range []string{"", "p", "gone"} {
			t.Run(name+" with policy "+policy, func(t *testing.T) {
				client := *a.Clients["web"]
				client.KeyRotationPolicy = policy
				raw, err := mint(&client)
				if policy == "gone" {
					if code := oauth.From(err).Code; err == nil || code != oauth.CodeTemporarilyUnavailable || raw != "" {
						t.Errorf("error = %v, want temporarily_unavailable and no token", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				jws, err := jose.Parse(raw, jose.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if got, want := jws.Header.KeyID, kid(policy); got != want {
					t.Errorf("kid = %s, want %s", got, want)
				}
				ring, err := rings.Ring(t.Context(), a.Env)
				if err != nil {
					t.Fatal(err)
				}
				if err := jws.Verify(ring.Set.Find(&jws.Header)); err != nil {
					t.Errorf("it does not verify: %v", err)
				}
			})
		}
	}
	if n := len(records(t, a)); n != 4 {
		t.Errorf("%d tokens were recorded, want the four that were given out", n)
	}
}

func records(t *testing.T, a *testkit.Authority) []store.AccessToken {
	t.Helper()
	all, err := a.Store.ListAccessTokens(t.Context(), store.AccessTokenFilter{Environment: a.Env.ID, Client: "web"}, "", 100, a.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return all
}
