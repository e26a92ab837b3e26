package grant_test

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestAttackRefresh holds cases 111 and 112 of the attack catalogue.
func TestAttackRefresh(t *testing.T) {
	t.Run("case_111", refreshRace)
	t.Run("case_112", refreshAmnesia)
}

// refreshRace: fifty uses of one token at once, on two nodes.
func refreshRace(t *testing.T) {
	race := func(t *testing.T, nodes []*rig, grace time.Duration) (first *grant.Response, successors map[string]int, refused int) {
		for _, n := range nodes {
			n.Clients["web"].RefreshTokenGrace = grace
		}
		first = nodes[0].signIn(t, "web", "openid")
		successors = map[string]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				r, code := nodes[i%2].renew(t, "web", first.RefreshToken)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case r != nil:
					successors[r.RefreshToken]++
				case code == "invalid_grant":
					refused++
				default:
					t.Errorf("error = %q", code)
				}
			})
		}
		wg.Wait()
		return first, successors, refused
	}

	t.Run("inside the grace period: one successor for all", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, nodes []*rig) {
			_, successors, refused := race(t, nodes, time.Minute)
			if len(successors) != 1 || refused != 0 {
				t.Fatalf("%d successors, %d refused, want one and none", len(successors), refused)
			}
			for raw := range successors {
				if _, got := nodes[1].renew(t, "web", raw); got != "" {
					t.Errorf("the successor: %q", got)
				}
			}
		})
	})
	t.Run("without one: one winner, and the family dies once", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, nodes []*rig) {
			first, successors, refused := race(t, nodes, 0)
			if len(successors) != 1 || refused != 49 {
				t.Errorf("%d successors, %d refused, want 1 and 49", len(successors), refused)
			}
			if n := nodes[0].Replayed() + nodes[1].Replayed(); n != 1 {
				t.Errorf("replays told = %d, want 1", n)
			}
			for raw := range successors {
				if _, got := nodes[0].renew(t, "web", raw); got != "invalid_grant" {
					t.Errorf("the successor: %q, want invalid_grant", got)
				}
			}
			for i, n := range nodes {
				if !n.soonDead(t, first.Access.Raw) {
					t.Errorf("node %d: an access token of the grant works", i)
				}
			}
		})
	})
	t.Run("after the grace period", func(t *testing.T) {
		g := newRig(t)
		g.Clients["web"].RefreshTokenGrace = 30 * time.Second
		first := g.signIn(t, "web", "openid")
		second, _ := g.renew(t, "web", first.RefreshToken)
		g.Clock.Advance(29 * time.Second)
		again, _ := g.renew(t, "web", first.RefreshToken)
		if again == nil || again.RefreshToken != second.RefreshToken {
			t.Fatalf("within the period: %v, want the same successor", again)
		}
		g.Clock.Advance(time.Second)
		if _, got := g.renew(t, "web", first.RefreshToken); got != "invalid_grant" {
			t.Errorf("after it: %q, want invalid_grant", got)
		}
		if _, got := g.renew(t, "web", second.RefreshToken); got != "invalid_grant" || g.Replayed() != 1 {
			t.Errorf("the successor: %q, replays told %d, want invalid_grant and 1", got, g.Replayed())
		}
		if g.Active(t, again.Access.Raw) || g.Active(t, first.Access.Raw) {
			t.Error("an access token of the grant works")
		}
		if _, got := g.renew(t, "web", first.RefreshToken); got != "invalid_grant" || g.Replayed() != 1 {
			t.Errorf("once more: %q, replays told %d, want invalid_grant and 1", got, g.Replayed())
		}
	})
	t.Run("protection switched off: refused, and the family lives", func(t *testing.T) {
		g := newRig(t)
		g.Clients["web"].NoReplayProtection = true
		first := g.signIn(t, "web", "openid")
		second, _ := g.renew(t, "web", first.RefreshToken)
		if _, got := g.renew(t, "web", first.RefreshToken); got != "invalid_grant" {
			t.Errorf("replay: %q, want invalid_grant", got)
		}
		if !g.Active(t, first.Access.Raw) || g.Replayed() != 0 {
			t.Error("the grant ended")
		}
		if _, got := g.renew(t, "web", second.RefreshToken); got != "" {
			t.Errorf("the successor: %q", got)
		}
	})
	t.Run("strict: protection cannot be switched off", func(t *testing.T) {
		g := newRig(t)
		g.Env.Strict, g.Clients["web"].NoReplayProtection = true, true
		first := g.signIn(t, "web", "openid")
		second, _ := g.renew(t, "web", first.RefreshToken)
		g.renew(t, "web", first.RefreshToken)
		if _, got := g.renew(t, "web", second.RefreshToken); got != "invalid_grant" {
			t.Errorf("the successor: %q, want invalid_grant", got)
		}
	})
	t.Run("a grace period that came later", func(t *testing.T) {
		g := newRig(t)
		first := g.signIn(t, "web", "openid")
		g.renew(t, "web", first.RefreshToken)
		g.Clients["web"].RefreshTokenGrace = time.Minute
		if _, got := g.renew(t, "web", first.RefreshToken); got != "invalid_grant" {
			t.Errorf("error = %q, want invalid_grant: nobody knows the successor", got)
		}
	})
}

// refreshAmnesia: what a refresh token must not survive, and what must not cost it.
func refreshAmnesia(t *testing.T) {
	tests := []struct {
		name    string
		client  string // default web
		fields  []string
		prepare func(*testing.T, *rig, *grant.Response)
		want    string
		spared  bool // the token works afterwards
	}{
		{name: "another client", client: "other", want: "invalid_grant", spared: true},
		{name: "a public client", client: "spa", want: "invalid_grant", spared: true},
		{name: "a wider scope", fields: []string{"scope=openid orders:write"}, want: "invalid_scope", spared: true},
		{name: "an unknown scope", fields: []string{"scope=billing:read"}, want: "invalid_scope", spared: true},
		{name: "a malformed scope", fields: []string{"scope=openid  profile"}, want: "invalid_scope", spared: true},
		{name: "the user is disabled", want: "invalid_grant", prepare: func(_ *testing.T, g *rig, _ *grant.Response) {
			u := testkit.Alice(g.Env.ID)
			u.Disabled = true
			g.People.Put(u)
		}},
		{name: "the user is gone", want: "invalid_grant", prepare: func(_ *testing.T, g *rig, _ *grant.Response) {
			g.People.Remove(testkit.Alice(g.Env.ID).ID)
		}},
		{name: "the session has ended", want: "invalid_grant", prepare: func(t *testing.T, g *rig, r *grant.Response) {
			if _, err := g.Sessions.End(t.Context(), g.Env, text(t, claimsOf(t, r.Access.Raw), "sid"), nil); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "the session has expired", want: "invalid_grant", prepare: func(_ *testing.T, g *rig, _ *grant.Response) {
			g.Env.SignOn.SessionLifetime = time.Hour
			g.Clock.Advance(time.Hour)
		}},
		{name: "its family was ended", want: "invalid_grant", prepare: func(t *testing.T, g *rig, r *grant.Response) {
			f := store.FamilyFilter{Environment: g.Env.ID, Session: text(t, claimsOf(t, r.Access.Raw), "sid"), Client: "web"}
			if ended, err := g.Store.EndFamilies(t.Context(), f); err != nil || len(ended) != 1 {
				t.Fatalf("ended = %v, %v", ended, err)
			}
		}},
		{name: "its own life is over", want: "invalid_grant", prepare: func(_ *testing.T, g *rig, _ *grant.Response) {
			g.Clock.Advance(30 * 24 * time.Hour)
		}},
		{name: "nothing of the scope is granted to the client any more", want: "invalid_scope", prepare: func(_ *testing.T, g *rig, _ *grant.Response) {
			g.Clients["web"].Grants = nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			r := g.signIn(t, "web", "openid", "orders:read")
			if tt.prepare != nil {
				tt.prepare(t, g, r)
			}
			client := tt.client
			if client == "" {
				client = "web"
			}
			if _, got := g.renew(t, client, r.RefreshToken, tt.fields...); got != tt.want {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
			if _, got := g.renew(t, "web", r.RefreshToken); (got == "") != tt.spared {
				t.Errorf("the good request then: error %q, want one: %v", got, !tt.spared)
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		if _, got := newRig(t).renew(t, "web", "unknown"); got != "invalid_grant" {
			t.Errorf("error = %q, want invalid_grant", got)
		}
	})
	t.Run("missing", func(t *testing.T) {
		g := newRig(t)
		if _, got := answer(g.refresh.Token(t.Context(), g.request("web"))); got != "invalid_request" {
			t.Errorf("error = %q, want invalid_request", got)
		}
	})
	t.Run("of another environment", func(t *testing.T) {
		g := newRig(t)
		r := g.request("web", "refresh_token="+g.signIn(t, "web", "openid").RefreshToken)
		elsewhere := *g.Env
		elsewhere.ID = "0b000000-0000-4000-8000-00000000000b"
		r.Environment = &elsewhere
		if _, got := answer(g.refresh.Token(t.Context(), r)); got != "invalid_grant" {
			t.Errorf("error = %q, want invalid_grant", got)
		}
	})
	t.Run("after a restart", func(t *testing.T) {
		path, clock := filepath.Join(t.TempDir(), "gatehouse.db"), testkit.NewClock(noon)
		st := testkit.StoreAt(t, path)
		before := rigOn(t, st, clock)
		first := before.signIn(t, "web", "openid")
		second, _ := before.renew(t, "web", first.RefreshToken)
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		after := rigOn(t, testkit.StoreAt(t, path), clock)
		if _, got := after.renew(t, "web", first.RefreshToken); got != "invalid_grant" || after.Replayed() != 1 {
			t.Errorf("replay: %q, told %d times, want invalid_grant and once", got, after.Replayed())
		}
		if _, got := after.renew(t, "web", second.RefreshToken); got != "invalid_grant" {
			t.Errorf("the successor: %q, want invalid_grant", got)
		}
	})
	t.Run("the clock goes back", func(t *testing.T) {
		g := newRig(t)
		first := g.signIn(t, "web", "openid")
		second, _ := g.renew(t, "web", first.RefreshToken)
		g.Clock.Advance(-time.Hour)
		if _, got := g.renew(t, "web", first.RefreshToken); got != "invalid_grant" {
			t.Errorf("replay: %q, want invalid_grant", got)
		}
		if _, got := g.renew(t, "web", second.RefreshToken); got != "invalid_grant" {
			t.Errorf("the successor: %q, want invalid_grant", got)
		}
	})
}

// TestRefreshNeedsConsent: a refresh token works while the person agrees to
// what it was given for, and is not revived by a later consent.
func TestRefreshNeedsConsent(t *testing.T) {
	scope := []string{"openid", "orders:read"}
	agree := func(t *testing.T, g *rig, client string, scopes ...string) {
		t.Helper()
		err := g.Store.PutConsent(t.Context(), store.ConsentRecord{
			Environment: g.Env.ID, Subject: testkit.Alice(g.Env.ID).ID, Client: client, Scopes: scopes, UpdatedAt: g.Clock.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	withdraw := func(t *testing.T, g *rig) {
		t.Helper()
		if err := g.Store.DeleteConsent(t.Context(), g.Env.ID, testkit.Alice(g.Env.ID).ID, "web"); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		asks   store.Consent
		change func(*testing.T, *rig)
		fields []string
		want   string
	}{
		{"good: once", store.ConsentOnce, func(*testing.T, *rig) {}, nil, ""},
		{"good: always", store.ConsentAlways, func(*testing.T, *rig) {}, nil, ""},
		{"good: more than it was given for", store.ConsentOnce, func(t *testing.T, g *rig) { agree(t, g, "web", "openid", "orders:read", "profile") }, nil, ""},
		{"good: withdrawn from a client that nobody is asked about", store.ConsentNever, withdraw, nil, ""},
		{"withdrawn", store.ConsentOnce, withdraw, nil, "invalid_grant"},
		{"withdrawn, asked always", store.ConsentAlways, withdraw, nil, "invalid_grant"},
		{"withdrawn in part", store.ConsentOnce, func(t *testing.T, g *rig) { agree(t, g, "web", "openid") }, nil, "invalid_grant"},
		{"withdrawn in part, and not asked for", store.ConsentOnce, func(t *testing.T, g *rig) { agree(t, g, "web", "openid") }, []string{"scope=openid"}, "invalid_grant"},
		{"given to another client", store.ConsentOnce, func(t *testing.T, g *rig) { withdraw(t, g); agree(t, g, "other", scope...) }, nil, "invalid_grant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			g.Clients["web"].Consent = tt.asks
			agree(t, g, "web", scope...)
			first := g.signIn(t, "web", scope...)
			tt.change(t, g)
			if _, got := g.renew(t, "web", first.RefreshToken, tt.fields...); got != tt.want {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
			if tt.want == "" {
				return
			}
			if g.Active(t, first.Access.Raw) {
				t.Error("the access token of the grant works on")
			}
			agree(t, g, "web", scope...)
			if _, got := g.renew(t, "web", first.RefreshToken); got != tt.want {
				t.Errorf("after a new consent: error = %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("what cannot be told is 503 and costs nothing", func(t *testing.T) {
		st := &faulty{Store: shared}
		g := rigOn(t, st, testkit.NewClock(noon))
		g.Clients["web"].Consent = store.ConsentOnce
		agree(t, g, "web", scope...)
		first := g.signIn(t, "web", scope...)
		st.set(func(m string) bool { return m == "ConsentTo" })
		_, got := g.renew(t, "web", first.RefreshToken)
		st.set(nil)
		if got != "temporarily_unavailable" {
			t.Errorf("error = %q, want temporarily_unavailable", got)
		}
		if _, got := g.renew(t, "web", first.RefreshToken); got != "" {
			t.Errorf("again: %q, want success", got)
		}
	})
}

// TestRefreshedTokens: what new tokens say (OIDC Core §12.2).
func TestRefreshedTokens(t *testing.T) {
	g := newRig(t)
	s := g.SignOn(t)
	a := g.Authorize(t, "spa", s, "openid", "profile", "orders:read")
	a.Nonce = "once"
	first, _ := g.redeem(t, "spa", g.Code(t, a))
	g.Clock.Advance(10 * time.Minute)
	second, code := g.renew(t, "spa", first.RefreshToken)
	if code != "" {
		t.Fatal(code)
	}
	old, id, access := claimsOf(t, first.IDToken), claimsOf(t, second.IDToken), claimsOf(t, second.Access.Raw)
	for _, name := range []string{"iss", "sub", "aud", "sid", "auth_time", "acr", "amr"} {
		was, _ := old.Raw(name)
		if is, _ := id.Raw(name); string(is) != string(was) {
			t.Errorf("ID token: %s = %s, want %s as before", name, is, was)
		}
	}
	if id.Has("nonce") || !id.IssuedAt.After(old.IssuedAt) {
		t.Errorf("ID token: nonce %v, iat %v, want none, and a later one", id.Has("nonce"), id.IssuedAt)
	}
	if got, _ := access.Raw("auth_time"); text(t, access, "grant_id") != a.Grant || string(got) != "1772366400" {
		t.Errorf("access token: grant_id = %s, auth_time = %s", text(t, access, "grant_id"), got)
	}
	if second.RefreshToken == first.RefreshToken || len(second.RefreshToken) != 43 {
		t.Error("the refresh token was not exchanged for one of 256 bits")
	}

	t.Run("a narrower scope, and its audience", func(t *testing.T) {
		third, code := g.renew(t, "spa", second.RefreshToken, "scope=openid")
		if code != "" {
			t.Fatal(code)
		}
		c := claimsOf(t, third.Access.Raw)
		if !slices.Equal(third.Scope, []string{"openid"}) || !slices.Equal(c.Audience, []string{g.Env.APIAudience}) {
			t.Errorf("scope = %v, aud = %v", third.Scope, c.Audience)
		}
		fourth, _ := g.renew(t, "spa", third.RefreshToken, "scope=orders:read")
		if fourth == nil || fourth.IDToken != "" {
			t.Fatalf("without openid: %+v, want no ID token", fourth)
		}
		fifth, _ := g.renew(t, "spa", fourth.RefreshToken)
		if diff := cmp.Diff([]string{"openid", "profile", "orders:read"}, fifth.Scope); diff != "" {
			t.Errorf("the family's scope (-want +got):\n%s", diff)
		}
		g.Clients["spa"].Grants[store.ResourceOpenID] = []string{"openid"}
		sixth, _ := g.renew(t, "spa", fifth.RefreshToken)
		if diff := cmp.Diff([]string{"openid", "orders:read"}, sixth.Scope); diff != "" {
			t.Errorf("profile is not granted any more (-want +got):\n%s", diff)
		}
	})
}

// TestLifeOfRefreshedAccessTokens: the resource's, and never longer than it was
// when the person granted it.
func TestLifeOfRefreshedAccessTokens(t *testing.T) {
	g := newRig(t)
	first := g.signIn(t, "web", "openid", "orders:read")
	if first.Access.TTL != 10*time.Minute {
		t.Fatalf("first = %v, want the resource's 10 minutes", first.Access.TTL)
	}
	second, _ := g.renew(t, "web", first.RefreshToken, "scope=openid")
	if second == nil || second.Access.TTL != 10*time.Minute {
		t.Errorf("refreshed for UserInfo alone: %+v, want 10 minutes and not an hour", second)
	}
}

// TestLifeOfRefreshTokens: each token's life, and the end of all of a family.
func TestLifeOfRefreshTokens(t *testing.T) {
	tests := []struct {
		name         string
		ttl, rolling time.Duration
		pauses       []time.Duration // before each exchange
		want         string
	}{
		{"default, just in time", 0, 0, []time.Duration{30*24*time.Hour - time.Second}, ""},
		{"default, late", 0, 0, []time.Duration{30 * 24 * time.Hour}, "invalid_grant"},
		{"a life of its own", time.Hour, 0, []time.Duration{59 * time.Minute, 59 * time.Minute}, ""},
		{"a life of its own, late", time.Hour, 0, []time.Duration{59 * time.Minute, time.Hour}, "invalid_grant"},
		{"rolling, just in time", time.Hour, 90 * time.Minute, []time.Duration{59 * time.Minute, 30 * time.Minute}, ""},
		{"rolling, late", time.Hour, 90 * time.Minute, []time.Duration{59 * time.Minute, 31 * time.Minute}, "invalid_grant"},
		{"rolling below the life", time.Hour, 30 * time.Minute, []time.Duration{30 * time.Minute}, "invalid_grant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			g.Env.SignOn.SessionIdle, g.Env.SignOn.SessionLifetime = 365*24*time.Hour, 365*24*time.Hour
			g.Clients["web"].RefreshTokenTTL, g.Clients["web"].RefreshTokenRolling = tt.ttl, tt.rolling
			raw, got := g.signIn(t, "web", "openid").RefreshToken, ""
			for _, pause := range tt.pauses {
				g.Clock.Advance(pause)
				var r *grant.Response
				if r, got = g.renew(t, "web", raw); r != nil {
					raw = r.RefreshToken
				}
			}
			if got != tt.want {
				t.Errorf("last exchange: %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("the end of the family bounds its tokens", func(t *testing.T) {
		g := newRig(t)
		g.Clients["web"].RefreshTokenTTL, g.Clients["web"].RefreshTokenRolling = time.Hour, 90*time.Minute
		first := g.signIn(t, "web", "openid")
		g.Clock.Advance(59 * time.Minute)
		second, _ := g.renew(t, "web", first.RefreshToken)
		held, err := g.Refresh.Find(t.Context(), g.Env, secret.Of(second.RefreshToken))
		if want := noon.Add(90 * time.Minute); err != nil || !held.ExpiresAt.Equal(want) {
			t.Errorf("expires %v, %v, want %v", held.ExpiresAt, err, want)
		}
	})
}

// TestRefreshIsAUse: a refresh moves the session's last use and not its end.
func TestRefreshIsAUse(t *testing.T) {
	g := newRig(t)
	s := g.SignOn(t)
	first, _ := g.redeem(t, "web", g.Code(t, g.Authorize(t, "web", s, "openid")))
	g.Clock.Advance(24 * time.Hour)
	if _, got := g.renew(t, "web", first.RefreshToken); got != "" {
		t.Fatal(got)
	}
	now, err := g.Sessions.ByID(t.Context(), g.Env, s.ID)
	if err != nil || !now.ActiveAt.After(s.ActiveAt) || !now.ExpiresAt.Equal(s.ExpiresAt) {
		t.Errorf("active %v, expires %v, %v, want a later use and the same end %v", now.ActiveAt, now.ExpiresAt, err, s.ExpiresAt)
	}
}

// TestStoreAway: what cannot be decided is 503, and costs neither code nor token
// as long as it has not been spent.
func TestStoreAway(t *testing.T) {
	st := &faulty{Store: shared}
	g := rigOn(t, st, testkit.NewClock(noon))
	for _, method := range []string{"SessionByID", "PutAccessToken", "RotateRefreshToken"} {
		t.Run("refresh: "+method, func(t *testing.T) {
			r := g.signIn(t, "web", "openid")
			st.set(func(m string) bool { return m == method })
			_, got := g.renew(t, "web", r.RefreshToken)
			st.set(nil)
			if got != "temporarily_unavailable" {
				t.Errorf("error = %q, want temporarily_unavailable", got)
			}
			if _, got := g.renew(t, "web", r.RefreshToken); got != "" {
				t.Errorf("again: %q, want success", got)
			}
		})
	}
	for _, method := range []string{"SessionByID", "TakeTicket"} {
		t.Run("code: "+method, func(t *testing.T) {
			code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid"))
			st.set(func(m string) bool { return m == method })
			_, got := g.redeem(t, "web", code)
			st.set(nil)
			if got != "temporarily_unavailable" {
				t.Errorf("error = %q, want temporarily_unavailable", got)
			}
			if _, got := g.redeem(t, "web", code); got != "" {
				t.Errorf("again: %q, want success", got)
			}
		})
	}
}
