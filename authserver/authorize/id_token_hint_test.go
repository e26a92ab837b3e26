package authorize_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

func TestIDTokenHint(t *testing.T) {
	k := newKit(t)
	signer, err := k.rings.Signer(t.Context(), k.env)
	if err != nil {
		t.Fatal(err)
	}
	ours := func(typ string, changes map[string]any) string {
		c := map[string]any{
			"iss": issuer, "sub": "alice-id", "aud": "app", "iat": k.clock.Now().Unix(), "exp": k.clock.Now().Add(time.Hour).Unix(), "auth_time": k.clock.Now().Unix(),
		}
		for name, v := range changes {
			if c[name] = v; v == nil {
				delete(c, name)
			}
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := signer.Sign(typ, b)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	on := token.SignedOn{Subject: "alice-id", Session: "sid", AuthTime: k.clock.Now(), ACR: "Single_Factor"}
	minted, err := k.issuer.IDTokens.Mint(t.Context(), k.env, token.IDToken{Client: k.client, On: on, Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	access, err := k.issuer.Tokens.Mint(t.Context(), k.env, token.Access{Client: "app", For: k.client, Subject: "alice-id", Scope: []string{"openid"}, Audience: []string{"app"}, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	untyped := *k.env
	untyped.AccessTokenType = "JWT"
	plain, err := k.issuer.Tokens.Mint(t.Context(), &untyped, token.Access{Client: "app", For: k.client, Subject: "alice-id", Audience: []string{"app"}, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := k.issuer.IDTokens.UserInfo(t.Context(), k.env, &store.OpenID{}, k.client, &store.User{ID: "alice-id"}, &token.Person{Scope: []string{"openid"}})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := testkit.SigningKey(t, testkit.ECKey, jose.ES256, signer.ID()).Sign("JWT", []byte(`{"iss":"`+issuer+`","sub":"alice-id","aud":"app"}`))
	if err != nil {
		t.Fatal(err)
	}
	hint := func(raw string) []string { return []string{"id_token_hint", raw} }
	const bad = "BACK invalid_request query"
	// run makes a client of its own for each row, with the same id.
	for _, tt := range []row{
		{"ours", nil, hint(minted), "ok"},
		{"expired", nil, hint(ours("JWT", map[string]any{"exp": k.clock.Now().Add(-24 * time.Hour).Unix()})), "ok"},
		{"without typ", nil, hint(ours("", nil)), "ok"},
		{"for several", nil, hint(ours("JWT", map[string]any{"aud": []string{"other", "app"}})), "ok"},
		{"whose sub is mapped", nil, hint(ours("JWT", map[string]any{"sub": "alice@example.com", "unmapped_sub": "alice-id"})), "ok"},
		{"for another client", nil, hint(ours("JWT", map[string]any{"aud": "other"})), bad},
		{"for nobody", nil, hint(ours("JWT", map[string]any{"aud": nil})), bad},
		{"of another issuer", nil, hint(ours("JWT", map[string]any{"iss": "https://other.example.com"})), bad},
		{"without an issuer", nil, hint(ours("JWT", map[string]any{"iss": nil})), bad},
		{"about nobody", nil, hint(ours("JWT", map[string]any{"sub": nil})), bad},
		{"an access token", nil, hint(access.Raw), bad},
		{"an access token without a typ of its own", nil, hint(plain.Raw), bad},
		{"a logout token", nil, hint(ours("logout+jwt", map[string]any{"events": map[string]any{}})), bad},
		{"a logout token without its typ", nil, hint(ours("", map[string]any{"events": map[string]any{}})), bad},
		{"a signed UserInfo answer", nil, hint(answer), bad},
		{"signed by somebody else", nil, hint(foreign), bad},
		{"signed by a client", nil, hint(k.signed(jose.HS256, object(map[string]any{"iss": issuer, "aud": "app", "sub": "alice-id"}))), bad},
		{"unsigned", nil, hint(unsigned([]byte(`{"iss":"` + issuer + `","sub":"alice-id","aud":"app"}`))), bad},
		{"no token", nil, hint("x"), bad},
		{"empty is absent", nil, hint("="), "ok"},
		{"and claims about the same person", nil, append(hint(minted), "claims", `{"id_token":{"sub":{"value":"alice-id"}}}`), "ok"},
		{"and claims about another person", nil, append(hint(minted), "claims", `{"id_token":{"sub":{"value":"bob-id"}}}`), bad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, failure := k.read(tt.request...)
			if got := outcome(failure); got != tt.want {
				t.Fatalf("got %s, want %s (%v)", got, tt.want, failure)
			}
			if failure == nil && tt.request[1] != "=" && req.HintSubject != "alice-id" {
				t.Errorf("the hint is about %q, want alice-id", req.HintSubject)
			}
		})
	}

	t.Run("signed by a key that has retired", func(t *testing.T) {
		k.clock.Advance(90*24*time.Hour + time.Second)
		k.rings.Watch(k.env)
		if err := k.rings.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now, err := k.rings.Signer(t.Context(), k.env); err != nil || now.ID() == signer.ID() {
			t.Fatalf("signer = %v, %v, want another key by now", now, err)
		}
		if _, failure := k.read("id_token_hint", minted); failure != nil {
			t.Errorf("got %v, want it accepted", failure)
		}
	})
	t.Run("of another environment (attack 108)", func(t *testing.T) {
		other := *k.env
		other.ID, other.Issuer = "0b000000-0000-4000-8000-00000000000b", "https://auth.example.com/0b000000-0000-4000-8000-00000000000b/as"
		client := everything("app")
		client.Environment = other.ID
		reader := *k.reader
		reader.Directory = &directory{clients: map[string]*store.Client{"app": client}}
		_, _, err := reader.Read(t.Context(), &other, form("id_token_hint", minted))
		if err == nil {
			t.Error("it is accepted, want it refused")
		}
	})
	t.Run("the keys cannot be had", func(t *testing.T) {
		reader := *k.reader
		reader.Keys = keys.New(keys.Config{Store: nothing{}, Now: k.clock.Now})
		_, _, err := reader.Read(t.Context(), k.env, form("id_token_hint", minted))
		k.reader = &reader
		if _, failure := k.read("id_token_hint", minted); outcome(failure) != "BACK temporarily_unavailable query" {
			t.Errorf("got %v, want temporarily_unavailable", err)
		}
	})
}
