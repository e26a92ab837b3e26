package grant_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// RFC 7636 Appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

const callback = "https://app.example.com/cb?x=1"

// TestAttackCodes is case 110 of the attack catalogue: whatever is wrong with a
// request, the answer is one, and the code is not spent by it.
func TestAttackCodes(t *testing.T) {
	t.Run("case_110", func(t *testing.T) {
		good := []string{"redirect_uri=" + callback, "code_verifier=" + verifier}
		tests := []struct {
			name    string
			client  string
			fields  []string
			prepare func(*testing.T, *rig, *token.Authorization)
			dead    bool // the good request fails afterwards, too
		}{
			{name: "another client", client: "other", fields: good},
			{name: "a public client", client: "spa", fields: good},
			{name: "no redirect_uri", fields: good[1:]},
			{name: "another redirect_uri", fields: []string{"redirect_uri=https://app.example.com/cb?x=2", good[1]}},
			{name: "redirect_uri in other words", fields: []string{"redirect_uri=https://app.example.com:443/cb?x=1", good[1]}},
			{name: "no code_verifier", fields: good[:1:1]},
			{name: "another code_verifier", fields: []string{good[0], "code_verifier=" + verifier[:42] + "x"}},
			{name: "the challenge as code_verifier", fields: []string{good[0], "code_verifier=" + challenge}},
			{name: "a malformed code_verifier", fields: []string{good[0], "code_verifier=short"}},
			{name: "the user is disabled", fields: good, dead: true, prepare: func(_ *testing.T, g *rig, a *token.Authorization) {
				u := testkit.Alice(g.Env.ID)
				u.Disabled = true
				g.People.Put(u)
			}},
			{name: "the user is gone", fields: good, dead: true, prepare: func(_ *testing.T, g *rig, a *token.Authorization) {
				g.People.Remove(a.On.Subject)
			}},
			{name: "the session has ended", fields: good, dead: true, prepare: func(t *testing.T, g *rig, a *token.Authorization) {
				if _, err := g.Sessions.End(t.Context(), g.Env, a.On.Session, nil); err != nil {
					t.Fatal(err)
				}
			}},
			{name: "it has expired", fields: good, dead: true, prepare: func(_ *testing.T, g *rig, _ *token.Authorization) {
				g.Clock.Advance(10 * time.Minute)
			}},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				g := newRig(t)
				a := g.Authorize(t, "web", g.SignOn(t), "openid", "orders:read")
				a.RedirectURI, a.Challenge, a.Method = callback, challenge, "S256"
				code := g.Code(t, a)
				if tt.prepare != nil {
					tt.prepare(t, g, &a)
				}
				client := tt.client
				if client == "" {
					client = "web"
				}
				_, err := g.code.Token(t.Context(), g.request(client, append(tt.fields, "code="+code)...))
				if e := oauth.From(err); err == nil || e.Code != "invalid_grant" || e.Description != "The code or token is invalid, expired, used or not for this client" {
					t.Errorf("answer = %v, want the one invalid_grant", err)
				}
				_, got := g.redeem(t, "web", code, good...)
				if want := map[bool]string{true: "invalid_grant"}[tt.dead]; got != want {
					t.Errorf("the good request then: error %q, want %q", got, want)
				}
			})
		}
		t.Run("just before it expires", func(t *testing.T) {
			g := newRig(t)
			code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid"))
			g.Clock.Advance(10*time.Minute - time.Second)
			if _, got := g.redeem(t, "web", code); got != "" {
				t.Errorf("error = %q, want none", got)
			}
		})
		t.Run("strict: 60 seconds", func(t *testing.T) {
			for life, want := range map[time.Duration]string{59 * time.Second: "", 60 * time.Second: "invalid_grant"} {
				g := newRig(t)
				g.Env.Strict = true
				code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid"))
				g.Clock.Advance(life)
				if _, got := g.redeem(t, "web", code); got != want {
					t.Errorf("after %v: error = %q, want %q", life, got, want)
				}
			}
		})
		t.Run("forged", func(t *testing.T) {
			if _, got := newRig(t).redeem(t, "web", "forged"); got != "invalid_grant" {
				t.Errorf("error = %q, want invalid_grant", got)
			}
		})
		t.Run("missing", func(t *testing.T) {
			g := newRig(t)
			if _, got := answer(g.code.Token(t.Context(), g.request("web"))); got != "invalid_request" {
				t.Errorf("error = %q, want invalid_request", got)
			}
		})
		t.Run("a code_verifier without a challenge", func(t *testing.T) {
			g := newRig(t)
			code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid"))
			if _, got := g.redeem(t, "web", code, "code_verifier="+verifier); got != "invalid_grant" {
				t.Errorf("error = %q, want invalid_grant (RFC 9700 §2.1.1)", got)
			}
		})
		t.Run("redirect_uri where the authorization request had none", func(t *testing.T) {
			g := newRig(t)
			code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid"))
			if _, got := g.redeem(t, "web", code, "redirect_uri=https://app.example.com/cb"); got != "" {
				t.Errorf("error = %q, want none: there is nothing to compare", got)
			}
		})
		t.Run("of another environment", func(t *testing.T) {
			g := newRig(t)
			code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid"))
			r := g.request("web", "code="+code)
			elsewhere := *g.Env
			elsewhere.ID = "0b000000-0000-4000-8000-00000000000b"
			r.Environment = &elsewhere
			if _, got := answer(g.code.Token(t.Context(), r)); got != "invalid_grant" {
				t.Errorf("error = %q, want invalid_grant", got)
			}
		})
	})
}

// TestCodeReuseEndsTheGrant: the second use, from whomever, ends what the first
// one bought, on every node.
func TestCodeReuseEndsTheGrant(t *testing.T) {
	for _, again := range []string{"web", "other"} {
		t.Run("by "+again, func(t *testing.T) {
			g := newRig(t)
			code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid", "orders:read"))
			first, _ := g.redeem(t, "web", code)
			bystander := g.signIn(t, "web", "openid")
			if !g.Active(t, first.Access.Raw) {
				t.Fatal("the token does not work")
			}
			g.Clock.Advance(5 * time.Minute)
			if _, got := g.redeem(t, again, code); got != "invalid_grant" {
				t.Errorf("second use: %q, want invalid_grant", got)
			}
			if g.Active(t, first.Access.Raw) {
				t.Error("the access token works still")
			}
			if _, got := g.renew(t, "web", first.RefreshToken); got != "invalid_grant" {
				t.Errorf("refresh: %q, want invalid_grant", got)
			}
			if !g.Active(t, bystander.Access.Raw) {
				t.Error("a token of another authorization ended too")
			}
			if _, got := g.renew(t, "web", bystander.RefreshToken); got != "" {
				t.Errorf("refresh of another authorization: %q", got)
			}
		})
	}
	t.Run("after the code itself has expired", func(t *testing.T) {
		g := newRig(t)
		code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid"))
		first, _ := g.redeem(t, "web", code)
		g.Clock.Advance(50 * time.Minute)
		if !g.Active(t, first.Access.Raw) {
			t.Fatal("the token does not work")
		}
		g.redeem(t, "web", code)
		if g.Active(t, first.Access.Raw) {
			t.Error("the access token works still")
		}
	})
	t.Run("the store is away", func(t *testing.T) {
		st := &faulty{Store: shared}
		g := rigOn(t, st, testkit.NewClock(noon))
		code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid"))
		first, _ := g.redeem(t, "web", code)
		st.set(func(method string) bool { return method == "PutRevocation" })
		if _, got := g.redeem(t, "web", code); got != "temporarily_unavailable" {
			t.Errorf("error = %q, want temporarily_unavailable: nothing was ended", got)
		}
		st.set(nil)
		g.redeem(t, "web", code)
		if g.Active(t, first.Access.Raw) {
			t.Error("the access token works still")
		}
	})
}

// TestParallelRedemptions: of fifty uses of one code one succeeds, and since it
// was used more than once nothing that it bought works.
func TestParallelRedemptions(t *testing.T) {
	onEachStore(t, func(t *testing.T, nodes []*rig) {
		g := nodes[0]
		code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid", "orders:read"))
		var mu sync.Mutex
		var won []*grant.Response
		outcomes := map[string]int{}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				r, code := nodes[i%2].redeem(t, "web", code)
				mu.Lock()
				defer mu.Unlock()
				outcomes[code]++
				if r != nil {
					won = append(won, r)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 || outcomes["invalid_grant"] != 49 {
			t.Errorf("outcomes = %v, want one success and invalid_grant for the rest", outcomes)
		}
		for _, r := range won {
			for i, node := range nodes {
				if !node.soonDead(t, r.Access.Raw) {
					t.Errorf("node %d: the access token works", i)
				}
				// A loser may have been quick enough to bar the refresh token.
				if r.RefreshToken == "" {
					continue
				}
				if _, got := node.renew(t, "web", r.RefreshToken); got != "invalid_grant" {
					t.Errorf("node %d: refresh %q, want invalid_grant", i, got)
				}
			}
		}
	})
}

// TestReuseBeforeTheFamilyBegins: a code is used again while its first use is
// between spending it and making the refresh token.
func TestReuseBeforeTheFamilyBegins(t *testing.T) {
	g := newRig(t)
	a := g.Authorize(t, "web", g.SignOn(t), "openid")
	if err := g.Revoker.EndGrant(t.Context(), g.Env, a); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Refresh.Begin(t.Context(), g.Env, g.Clients["web"], a); !errors.Is(err, store.ErrExists) {
		t.Errorf("error = %v, want ErrExists: the family would live on", err)
	}
}

// leaving are sessions that end as they are looked at for the nth time.
type leaving struct {
	grant.Sessions
	sessions *session.Sessions
	after    int
	mu       sync.Mutex
	asked    int
}

func (l *leaving) leave(ctx context.Context, env *store.Environment, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked++; l.asked > l.after {
		_, _ = l.sessions.End(ctx, env, id, nil)
	}
}

func (l *leaving) ByID(ctx context.Context, env *store.Environment, id string) (*session.Session, error) {
	l.leave(ctx, env, id)
	return l.Sessions.ByID(ctx, env, id)
}

func (l *leaving) Touch(ctx context.Context, env *store.Environment, id string) error {
	l.leave(ctx, env, id)
	return l.Sessions.Touch(ctx, env, id)
}

// TestSignOffMeanwhile: who signs off while tokens are being made leaves none
// behind.
func TestSignOffMeanwhile(t *testing.T) {
	t.Run("authorization_code", func(t *testing.T) {
		g := newRig(t)
		a := g.Authorize(t, "web", g.SignOn(t), "openid")
		g.code.Sessions = &leaving{Sessions: g.Sessions, sessions: g.Sessions, after: 1}
		if _, got := g.redeem(t, "web", g.Code(t, a)); got != "invalid_grant" {
			t.Errorf("error = %q, want invalid_grant", got)
		}
		expectEnded(t, g, a.Grant)
	})
	t.Run("refresh_token", func(t *testing.T) {
		g := newRig(t)
		first := g.signIn(t, "web", "openid")
		g.refresh.Sessions = &leaving{Sessions: g.Sessions, sessions: g.Sessions, after: 1}
		if _, got := g.renew(t, "web", first.RefreshToken); got != "invalid_grant" {
			t.Errorf("error = %q, want invalid_grant", got)
		}
		expectEnded(t, g, text(t, claimsOf(t, first.Access.Raw), "grant_id"))
	})
}

func expectEnded(t *testing.T, g *rig, id string) {
	t.Helper()
	live, err := g.Store.ListFamilies(t.Context(), store.FamilyFilter{Environment: g.Env.ID, ID: id}, "", 10, g.Clock.Now())
	if err != nil || len(live) > 0 {
		t.Errorf("live families = %v, %v, want none", live, err)
	}
	revoked, err := g.Set.Revoked(g.Env.ID, token.Holder{ID: "j", Grant: id, IssuedAt: g.Clock.Now().Add(time.Hour)})
	if err != nil || !revoked {
		t.Errorf("grant revoked = %v, %v, want it to be", revoked, err)
	}
}

// TestOffline is the table of who gets a refresh token.
func TestOffline(t *testing.T) {
	tests := []struct {
		name, client string
		scope        []string
		without      bool // the client lacks the grant type
		want         bool
	}{
		{name: "client may not ask for offline_access", client: "web", scope: []string{"openid"}, want: true},
		{name: "may not, and asks", client: "web", scope: []string{"openid", "offline_access"}, want: true},
		{name: "may not, without openid", client: "web", scope: []string{"orders:read"}, want: true},
		{name: "may ask, and does", client: "offline", scope: []string{"openid", "offline_access"}, want: true},
		{name: "may ask, and does not", client: "offline", scope: []string{"openid"}, want: false},
		{name: "public client", client: "spa", scope: []string{"openid"}, want: true},
		{name: "without the grant type", client: "web", scope: []string{"openid"}, without: true, want: false},
		{name: "without the grant type, asks", client: "offline", scope: []string{"openid", "offline_access"}, without: true, want: false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			if tt.without {
				g.Clients[tt.client].GrantTypes = []string{oauth.GrantAuthorizationCode}
			}
			r := g.signIn(t, tt.client, tt.scope...)
			if got := r.RefreshToken != ""; got != tt.want {
				t.Errorf("refresh token: %v, want %v", got, tt.want)
			}
		})
	}
}

// TestTokensForPeople: what the tokens of one redemption say.
func TestTokensForPeople(t *testing.T) {
	g := newRig(t)
	s := g.SignOn(t)
	a := g.Authorize(t, "web", s, "openid", "profile", "orders:read")
	a.Nonce = "n-0S6_WzA2Mj"
	a.Claims.IDToken = map[string]oauth.ClaimRequest{"email": {}}
	a.Claims.UserInfo = map[string]oauth.ClaimRequest{"phone_number": {Essential: true}, "name": {}, "unknown": {}}
	r, code := g.redeem(t, "web", g.Code(t, a))
	if code != "" {
		t.Fatal(code)
	}
	if diff := cmp.Diff([]string{"openid", "profile", "orders:read"}, r.Scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	access, id := claimsOf(t, r.Access.Raw), claimsOf(t, r.IDToken)

	t.Run("access token", func(t *testing.T) {
		want := []string{
			"client_id", "iss", "jti", "iat", "exp", "aud", "scope", "sub", "sid", "auth_time", "acr", "amr", "grant_id", "userinfo_claims",
		}
		if diff := cmp.Diff(want, access.Names()); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
		for name, want := range map[string]string{
			"client_id": "web", "sub": s.Subject, "sid": s.ID, "acr": "Single_Factor", "grant_id": a.Grant, "scope": "openid profile orders:read",
		} {
			if got := text(t, access, name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		if !slices.Equal(access.Audience, []string{testkit.Audience}) || access.Expiry.Sub(access.IssuedAt) != 10*time.Minute {
			t.Errorf("aud = %v, life = %v, want those of the resource", access.Audience, access.Expiry.Sub(access.IssuedAt))
		}
		if raw, _ := access.Raw("userinfo_claims"); string(raw) != `["phone_number"]` {
			t.Errorf("userinfo_claims = %s, want only what the scopes do not give", raw)
		}
	})
	t.Run("its record", func(t *testing.T) {
		rec, err := g.Store.AccessTokenByID(t.Context(), g.Env.ID, access.ID, access.Expiry, g.Clock.Now())
		if err != nil || rec.Grant != a.Grant || rec.Subject != s.Subject || rec.Session != s.ID {
			t.Errorf("record = %+v, %v", rec, err)
		}
	})
	t.Run("ID token", func(t *testing.T) {
		want := []string{"iss", "sub", "aud", "iat", "exp", "auth_time", "acr", "amr", "nonce", "sid", "at_hash", "email"}
		if diff := cmp.Diff(want, id.Names()); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
		if text(t, id, "nonce") != a.Nonce || id.Subject != s.Subject || !slices.Equal(id.Audience, []string{"web"}) || id.Expiry.Sub(id.IssuedAt) != time.Hour {
			t.Errorf("claims = %v", id)
		}
		if want, _ := jose.LeftHash("ES256", r.Access.Raw); text(t, id, "at_hash") != want {
			t.Errorf("at_hash = %s, want %s", text(t, id, "at_hash"), want)
		}
	})
	t.Run("without openid there is no ID token", func(t *testing.T) {
		if r := g.signIn(t, "web", "orders:read"); r.IDToken != "" {
			t.Error("an ID token was made")
		}
	})
	t.Run("no nonce sent, none returned", func(t *testing.T) {
		if c := claimsOf(t, g.signIn(t, "web", "openid").IDToken); c.Has("nonce") {
			t.Error("there is a nonce")
		}
	})
	t.Run("x5t where the client wants it", func(t *testing.T) {
		g.Clients["web"].IncludeX5T = true
		defer func() { g.Clients["web"].IncludeX5T = false }()
		r := g.signIn(t, "web", "openid")
		for kind, raw := range map[string]string{"access token": r.Access.Raw, "ID token": r.IDToken} {
			if x5t := headerOf(t, raw)["x5t"]; x5t == nil || x5t != publishedX5T(t, g) {
				t.Errorf("%s: x5t = %v, want that of the published key %v", kind, x5t, publishedX5T(t, g))
			}
			if !g.Active(t, r.Access.Raw) {
				t.Error("the token does not verify")
			}
		}
	})
}

// TestCustomDomain: tokens keep the issuer that the person was sent to,
// whichever of the environment's domains the client calls later.
func TestCustomDomain(t *testing.T) {
	g := newRig(t)
	domain := g.Env.At(store.Domain{Host: "login.example.com", Issuer: "https://login.example.com/as"})
	a := g.Authorize(t, "web", g.SignOn(t), "openid")
	code, err := g.Codes.Issue(t.Context(), domain, a)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := g.redeem(t, "web", code.Reveal())
	second, _ := g.renew(t, "web", first.RefreshToken)
	for i, r := range []*grant.Response{first, second} {
		for _, raw := range []string{r.Access.Raw, r.IDToken} {
			if got := claimsOf(t, raw).Issuer; got != domain.Issuer {
				t.Errorf("response %d: iss = %s, want %s", i, got, domain.Issuer)
			}
		}
		if !g.Active(t, r.Access.Raw) {
			t.Errorf("response %d: the token does not work at the other domain", i)
		}
	}
	g.Env.AllIssuers = g.Env.AllIssuers[:1]
	if g.Active(t, second.Access.Raw) {
		t.Error("a token of a domain that is gone works")
	}
	if third, _ := g.renew(t, "web", second.RefreshToken); third == nil || claimsOf(t, third.IDToken).Issuer != g.Env.Issuer {
		t.Error("the domain is gone: want tokens of the issuer that was called")
	}
}

// TestCodesAreSecret: a code has 256 bits, and the store sees its hash alone.
func TestCodesAreSecret(t *testing.T) {
	g := newRig(t)
	a := g.Authorize(t, "web", g.SignOn(t), "openid")
	code := g.Code(t, a)
	if len(code) != 43 {
		t.Errorf("length = %d, want 43", len(code))
	}
	found, err := g.Store.TicketByHash(t.Context(), g.Env.ID, store.TicketCode, secret.Of(code).Hash(), g.Clock.Now())
	if err != nil || found.Client != "web" || found.Grant != a.Grant {
		t.Errorf("ticket = %+v, %v", found, err)
	}
}
