package token_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

func newAuthority(t testing.TB) *testkit.Authority {
	t.Helper()
	return testkit.NewAuthority(t, testkit.Store(t), testkit.NewClock(noon))
}

func parsed(t testing.TB, raw string) *jose.Claims {
	t.Helper()
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := jws.Claims()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestIDTokenMembers: an ID token has what it was given and nothing that is
// empty (conformance 2.16 to 2.22).
func TestIDTokenMembers(t *testing.T) {
	a := newAuthority(t)
	on := token.SignedOn{Subject: "u", Session: "s", AuthTime: noon, ACR: "Single_Factor", AMR: []string{"pwd"}}
	usual := []string{"iss", "sub", "aud", "iat", "exp", "auth_time", "acr", "amr"}
	with := func(more ...string) []string { return append(append([]string(nil), usual...), more...) }
	tests := []struct {
		name   string
		vendor bool
		id     token.IDToken
		want   []string
	}{
		{"usual", false, token.IDToken{On: on}, with("sid")},
		{"nonce", false, token.IDToken{On: on, Nonce: `n"ö`}, with("nonce", "sid")},
		{"with an access token", false, token.IDToken{On: on, AccessToken: "a"}, with("sid", "at_hash")},
		{"hybrid", false, token.IDToken{On: on, AccessToken: "a", Code: "c", State: "s"}, with("sid", "at_hash", "c_hash", "s_hash")},
		{"vendor claims where they are switched on", true, token.IDToken{On: on}, with("sid", "env", "org")},
		{"an acr that is not known is left out", false, token.IDToken{On: token.SignedOn{Subject: "u", AuthTime: noon}}, []string{"iss", "sub", "aud", "iat", "exp", "auth_time"}},
		{
			"claims, in order, and none that is the token's own", false,
			token.IDToken{
				On: on, User: &store.User{ID: "u", Claims: map[string]any{"name": "N", "email": "e@x", "sub": "x", "sid": "x", "p1.rid": "x", "aud": "x"}},
				Asked: map[string]oauth.ClaimRequest{"name": {}, "email": {}, "sub": {}, "sid": {}, "p1.rid": {}, "aud": {}},
			},
			with("sid", "email", "name"),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := *a.Env
			env.VendorClaims = tt.vendor
			tt.id.Client = a.Clients["web"]
			raw, err := a.IDTokens.Mint(t.Context(), &env, tt.id)
			if err != nil {
				t.Fatal(err)
			}
			c := parsed(t, raw)
			if diff := cmp.Diff(tt.want, c.Names()); diff != "" {
				t.Errorf("members (-want +got):\n%s", diff)
			}
			if nonce, _ := c.Text("nonce"); nonce != tt.id.Nonce {
				t.Errorf("nonce = %q, want %q exactly", nonce, tt.id.Nonce)
			}
			if aud, _ := c.Raw("aud"); string(aud) != `"web"` {
				t.Errorf("aud = %s, want the client as text", aud)
			}
		})
	}
	t.Run("claims that are not granted to the client", func(t *testing.T) {
		client := *a.Clients["web"]
		client.Grants = map[string][]string{store.ResourceOpenID: {"openid", "email"}}
		raw, err := a.IDTokens.Mint(t.Context(), a.Env, token.IDToken{
			Client: &client, On: on, User: testkit.Alice(env), Scope: []string{"profile", "email"}, ScopeClaims: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if c := parsed(t, raw); c.Has("name") || !c.Has("email") {
			t.Errorf("members = %v, want email and not name", c.Names())
		}
	})
}

// TestVerifyIDToken tells ID tokens from everything else the same keys sign.
func TestVerifyIDToken(t *testing.T) {
	a := newAuthority(t)
	signer, err := a.Rings.Signer(t.Context(), a.Env)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(typ, claims string) string {
		raw, err := signer.Sign(typ, []byte(claims))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	good := `{"iss":"` + a.Env.Issuer + `","sub":"u","aud":"web","iat":1772366400,"exp":1772370000,"auth_time":1772366000,"sid":"s"}`
	without := func(member string) string { return strings.Replace(good, member, `"x":0`, 1) }
	stranger, err := jose.GenerateSigningKey(jose.ES256, 0)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := stranger.Sign("JWT", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	access, err := a.Tokens.Mint(t.Context(), a.Env, a.Authorize(t, "web", a.SignOn(t), "openid").Access(a.Clients["web"], testkit.Alice(a.Env.ID)))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, raw string
		good      bool
	}{
		{"good", sign("JWT", good), true},
		{"good: without typ", sign("", good), true},
		{"good: through another domain", sign("JWT", strings.Replace(good, a.Env.Issuer, "https://login.example.com/as", 1)), true},
		{"of another issuer", sign("JWT", strings.Replace(good, a.Env.Issuer, "https://evil.example.com/as", 1)), false},
		{"of another key", forged, false},
		{"expired", sign("JWT", strings.Replace(good, "1772370000", "1772366400", 1)), false},
		{"an access token", access.Raw, false},
		{"typed as an access token", sign("at+jwt", good), false},
		{"a logout token", sign("logout+jwt", good), false},
		{"with events", sign("JWT", strings.Replace(good, `"sid"`, `"events":{},"sid"`, 1)), false},
		{"with a client_id", sign("JWT", strings.Replace(good, `"sid"`, `"client_id":"web","sid"`, 1)), false},
		{"without exp", sign("JWT", without(`"exp":1772370000`)), false},
		{"without iat", sign("JWT", without(`"iat":1772366400`)), false},
		{"without sub", sign("JWT", without(`"sub":"u"`)), false},
		{"without aud", sign("JWT", without(`"aud":"web"`)), false},
		{"without auth_time", sign("JWT", without(`"auth_time":1772366000`)), false},
		{"for two", sign("JWT", strings.Replace(good, `"web"`, `["web","other"]`, 1)), false},
		{"garbage", "a.b.c", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := a.Verifier.VerifyIDToken(t.Context(), a.Env, tt.raw)
			if tt.good {
				if err != nil || id.Client != "web" || id.Subject != "u" || id.Session != "s" {
					t.Errorf("got %+v, %v", id, err)
				}
			} else if !errors.Is(err, token.ErrInactive) {
				t.Errorf("error = %v, want ErrInactive", err)
			}
			// And no ID token is an access token.
			if _, err := a.Verifier.Verify(t.Context(), a.Env, tt.raw); (err == nil) != (tt.name == "an access token") {
				t.Errorf("as an access token: %v", err)
			}
		})
	}
	for kind, value := range map[store.RevocationKind]string{
		store.RevokedSession: "s", store.RevokedSubject: "u", store.RevokedClient: "web",
	} {
		t.Run("revoked: "+string(kind), func(t *testing.T) {
			a := newAuthority(t)
			raw, err := a.IDTokens.Mint(t.Context(), a.Env, token.IDToken{Client: a.Clients["web"], On: token.SignedOn{Subject: "u", Session: "s", AuthTime: noon}})
			if err != nil {
				t.Fatal(err)
			}
			a.Set.Add(store.Revocation{Environment: a.Env.ID, Kind: kind, Value: value, At: noon, ExpiresAt: noon.Add(time.Hour)})
			if _, err := a.Verifier.VerifyIDToken(t.Context(), a.Env, raw); !errors.Is(err, token.ErrInactive) {
				t.Errorf("error = %v, want ErrInactive", err)
			}
		})
	}
	t.Run("it cannot be told", func(t *testing.T) {
		a := newAuthority(t)
		raw, err := a.IDTokens.Mint(t.Context(), a.Env, token.IDToken{Client: a.Clients["web"], On: token.SignedOn{Subject: "u", Session: "s", AuthTime: noon}})
		if err != nil {
			t.Fatal(err)
		}
		a.Set.Alive(false)
		a.Clock.Advance(time.Minute)
		if _, err := a.Verifier.VerifyIDToken(t.Context(), a.Env, raw); oauth.From(err).Code != oauth.CodeTemporarilyUnavailable {
			t.Errorf("error = %v, want temporarily_unavailable", err)
		}
	})
}

// TestEndedGrantAtTheGate: a gate in the same process sees that a grant has
// ended, for tokens made before and after.
func TestEndedGrantAtTheGate(t *testing.T) {
	a := newAuthority(t)
	gate := &token.Local{Environment: a.Env, Rings: a.Rings, Set: a.Set}
	s := a.SignOn(t)
	auth, other := a.Authorize(t, "web", s, "openid"), a.Authorize(t, "web", s, "openid")
	mint := func(auth token.Authorization) *jose.Claims {
		m, err := a.Tokens.Mint(t.Context(), a.Env, auth.Access(a.Clients["web"], testkit.Alice(a.Env.ID)))
		if err != nil {
			t.Fatal(err)
		}
		return parsed(t, m.Raw)
	}
	before, bystander := mint(auth), mint(other)
	epoch := gate.Epoch()
	if err := a.Revoker.EndGrant(t.Context(), a.Env, auth); err != nil {
		t.Fatal(err)
	}
	if gate.Epoch() == epoch {
		t.Error("the epoch is the same: remembered tokens would go on")
	}
	a.Clock.Advance(time.Minute)
	for name, tt := range map[string]struct {
		c    *jose.Claims
		want bool
	}{"made before": {before, true}, "made after": {mint(auth), true}, "of another grant": {bystander, false}} {
		if got, err := gate.Revoked(tt.c); got != tt.want || err != nil {
			t.Errorf("%s: revoked = %v, %v, want %v", name, got, err, tt.want)
		}
	}
}

// TestRefreshTokensAtRest: the store holds hashes; what it holds to be read
// again is encrypted, and bound to its place.
func TestRefreshTokensAtRest(t *testing.T) {
	a := newAuthority(t)
	client := a.Clients["web"]
	client.RefreshTokenGrace = time.Minute
	auth := a.Authorize(t, "web", a.SignOn(t), "openid")
	auth.Nonce, auth.RedirectURI, auth.Challenge = "the-nonce", "https://app.example.com/", "the-challenge"
	first, err := a.Refresh.Begin(t.Context(), a.Env, client, auth)
	if err != nil {
		t.Fatal(err)
	}
	held, err := a.Refresh.Find(t.Context(), a.Env, first)
	if err != nil {
		t.Fatal(err)
	}
	if got := held.Authorization; got.Nonce+got.Challenge != "" || got.Grant != auth.Grant || got.RedirectURI != auth.RedirectURI {
		t.Errorf("authorization = %+v, want only what is needed on", got)
	}
	second, err := a.Refresh.Exchange(t.Context(), a.Env, client, held)
	if err != nil {
		t.Fatal(err)
	}
	f, kept, spent, err := a.Store.FamilyByToken(t.Context(), a.Env.ID, second.Hash(), a.Clock.Now())
	if err != nil || spent || f.ID != auth.Grant {
		t.Fatalf("family %+v, spent %v, %v", f, spent, err)
	}
	if len(kept.Sealed) == 0 || strings.Contains(string(kept.Sealed), second.Reveal()) || strings.Contains(string(f.Data), second.Reveal()) {
		t.Error("the token is readable in the store")
	}
	t.Run("without a grace period nothing is kept", func(t *testing.T) {
		client.RefreshTokenGrace = 0
		held, err := a.Refresh.Find(t.Context(), a.Env, second)
		if err != nil {
			t.Fatal(err)
		}
		third, err := a.Refresh.Exchange(t.Context(), a.Env, client, held)
		if err != nil {
			t.Fatal(err)
		}
		if _, kept, _, err := a.Store.FamilyByToken(t.Context(), a.Env.ID, third.Hash(), a.Clock.Now()); err != nil || len(kept.Sealed) > 0 {
			t.Errorf("sealed = %d bytes, %v", len(kept.Sealed), err)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		if _, err := a.Refresh.Find(t.Context(), a.Env, secret.Of("unknown")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("error = %v, want ErrNotFound", err)
		}
	})
}

// TestCodesAreKept: a spent code is remembered for as long as an access token
// that it bought.
func TestCodesAreKept(t *testing.T) {
	for name, tt := range map[string]struct{ ttl, after time.Duration }{
		"an hour":            {time.Hour, time.Hour + 9*time.Minute},
		"a resource's month": {store.MaxAccessTokenTTL, store.MaxAccessTokenTTL},
		"less than an hour":  {10 * time.Minute, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			auth := a.Authorize(t, "web", a.SignOn(t), "openid")
			auth.TTL = tt.ttl
			code := secret.Of(a.Code(t, auth))
			if got, err := a.Codes.Take(t.Context(), a.Env, code); err != nil || got.Grant != auth.Grant {
				t.Fatalf("take: %+v, %v", got, err)
			}
			a.Clock.Advance(tt.after)
			if got, err := a.Codes.Look(t.Context(), a.Env, code); !errors.Is(err, store.ErrSpent) || got.Grant != auth.Grant {
				t.Errorf("look: %+v, %v, want ErrSpent and the grant", got, err)
			}
		})
	}
}
