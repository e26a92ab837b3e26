package logout_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestEndLeavesNothingAlive(t *testing.T) {
	g := newRig(t, fetch.Options{})
	b, other := g.signOn("web"), g.signOn("web")
	sid := b.Session.ID
	mine, theirs := g.family(sid, "web"), g.family(other.Session.ID, "web")
	issued := g.clock.Now()

	if _, err := g.ender.End(t.Context(), g.env, sid, b); err != nil {
		t.Fatal(err)
	}
	if !g.tokenRevoked(sid, "web", issued) {
		t.Error("case_121: an access token of the session works on")
	}
	// By a request under way, or by a node whose clock is ahead.
	if !g.tokenRevoked(sid, "web", issued.Add(time.Hour)) {
		t.Error("case_121: an access token that is made of the session afterwards works")
	}
	if !g.familyEnded(mine) {
		t.Error("case_121: a refresh token of the session works on")
	}
	if _, err := g.sessions.ByID(t.Context(), g.env, sid); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session: error = %v, want ErrNotFound", err)
	}
	if b.Session != nil {
		t.Error("the browser is still signed on")
	}
	w := httptest.NewRecorder()
	b.WriteCookies(w, g.env)
	for _, c := range w.Result().Cookies() {
		if c.Value != "" {
			t.Errorf("cookie %s still has a value", c.Name)
		}
	}
	if g.tokenRevoked(other.Session.ID, "web", issued) || g.familyEnded(theirs) {
		t.Error("another session of the same person ended too")
	}
	if _, err := g.sessions.ByID(t.Context(), g.env, other.Session.ID); err != nil {
		t.Errorf("the other session: %v", err)
	}
	if got := g.counted(g.revoked); got["session"] != 1 {
		t.Errorf("revocations told = %v, want one of a session", got)
	}

	t.Run("the revocation outlives every access token", func(t *testing.T) {
		var found store.Revocation
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		// Just before 30 days have passed: the longest life that a resource can give.
		_ = g.db.WatchRevocations(ctx, issued.Add(30*24*time.Hour), store.RevocationWatcher{
			Deliver: func(r store.Revocation) { found = r },
			Alive:   func(bool) { cancel() },
		})
		if found.Kind != store.RevokedSession || found.Value != sid {
			t.Errorf("got %+v, want the session's revocation", found)
		}
	})
	t.Run("ended already is no error", func(t *testing.T) {
		frames, err := g.ender.End(t.Context(), g.env, sid, nil)
		if err != nil || frames != nil {
			t.Errorf("got %v, %v, want nothing and no error", frames, err)
		}
	})
}

func TestEndHasOneWinner(t *testing.T) {
	g := newRig(t, fetch.Options{})
	g.directory.put(&store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: "https://web.example.com/logout", FrontchannelLogoutURI: "https://web.example.com/front"})
	sid := g.signOn("web").Session.ID
	var told atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			frames, err := g.ender.End(t.Context(), g.env, sid, nil)
			if err != nil {
				t.Error(err)
			}
			told.Add(int32(len(frames)))
		})
	}
	wg.Wait()
	if got := told.Load(); got != 1 {
		t.Errorf("%d callers load the front-channel address, want 1", got)
	}
	if got := len(g.due()); got != 1 {
		t.Errorf("%d logout tokens are queued, want 1", got)
	}
}

// failing fails one kind of call.
type failing struct {
	store.Store
	revocations, families, deliveries, sessions bool
}

func (f *failing) PutRevocation(ctx context.Context, r store.Revocation) error {
	if f.revocations {
		return store.ErrUnavailable
	}
	return f.Store.PutRevocation(ctx, r)
}

func (f *failing) EndFamilies(ctx context.Context, by store.FamilyFilter) ([]store.Family, error) {
	if f.families {
		return nil, store.ErrUnavailable
	}
	return f.Store.EndFamilies(ctx, by)
}

func (f *failing) PutDelivery(ctx context.Context, d store.Delivery) error {
	if f.deliveries {
		return store.ErrUnavailable
	}
	return f.Store.PutDelivery(ctx, d)
}

func (f *failing) EndSession(ctx context.Context, env, id string) (store.Session, error) {
	if f.sessions {
		return store.Session{}, store.ErrUnavailable
	}
	return f.Store.EndSession(ctx, env, id)
}

func TestEndThatFailsCanBeMadeAgain(t *testing.T) {
	for name, f := range map[string]failing{
		"revocation": {revocations: true}, "refresh tokens": {families: true}, "queue": {deliveries: true}, "session": {sessions: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, fetch.Options{})
			g.directory.put(&store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: "https://web.example.com/logout"})
			b := g.signOn("web")
			sid, h := b.Session.ID, g.family(b.Session.ID, "web")
			f.Store = g.db
			broken := &logout.Ender{
				Directory: g.directory, Store: &f, Set: g.set, Keys: g.rings, Outbound: g.ender.Outbound,
				Sessions: &session.Sessions{Store: &f, NewID: g.sessions.NewID, NewSecret: g.sessions.NewSecret, Now: g.clock.Now},
				NewID:    g.ender.NewID, Now: g.clock.Now, Log: g.ender.Log, Revoked: g.ender.Revoked, Delivered: g.ender.Delivered,
			}
			_, err := broken.End(t.Context(), g.env, sid, b)
			if got := code(err); got != oauth.CodeTemporarilyUnavailable {
				t.Fatalf("error = %v, want temporarily_unavailable", err)
			}
			if _, err := g.sessions.ByID(t.Context(), g.env, sid); err != nil {
				t.Fatalf("the session is gone although what hangs on it may not be: %v", err)
			}
			if g.tokenRevoked(sid, "web", g.clock.Now().Add(time.Second)) {
				t.Error("the session lives on, and the tokens that it gives from now on do not work")
			}
			if _, err := g.ender.End(t.Context(), g.env, sid, b); err != nil {
				t.Fatalf("the second try: %v", err)
			}
			if !g.familyEnded(h) || !g.tokenRevoked(sid, "web", g.clock.Now()) || len(g.due()) == 0 {
				t.Error("the second try left something alive or somebody untold")
			}
		})
	}
}

func TestEndGoesOnWithoutTheBrowser(t *testing.T) {
	g := newRig(t, fetch.Options{})
	b := g.signOn("web")
	sid := b.Session.ID
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.ender.End(ctx, g.env, sid, b); err != nil {
		t.Fatal(err)
	}
	if _, err := g.sessions.ByID(t.Context(), g.env, sid); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session: error = %v, want ErrNotFound", err)
	}
}

func TestFrontchannelAddresses(t *testing.T) {
	g := newRig(t, fetch.Options{})
	g.directory.put(
		&store.Client{ID: "plain", Enabled: true, FrontchannelLogoutURI: "https://plain.example.com/out"},
		&store.Client{ID: "session", Enabled: true, FrontchannelLogoutURI: "https://session.example.com/out", FrontchannelLogoutSession: true},
		&store.Client{ID: "query", Enabled: true, FrontchannelLogoutURI: "https://query.example.com/out?a=b%20c", FrontchannelLogoutSession: true},
		&store.Client{ID: "none", Enabled: true},
		&store.Client{ID: "disabled", FrontchannelLogoutURI: "https://disabled.example.com/out"},
		&store.Client{ID: "script", Enabled: true, FrontchannelLogoutURI: "javascript:alert(1)"},
		&store.Client{ID: "absent", Enabled: true, FrontchannelLogoutURI: "https://absent.example.com/out"},
	)
	b := g.signOn("plain", "session", "query", "none", "disabled", "script", "deleted")
	got, err := g.ender.End(t.Context(), g.env, b.Session.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	added := "iss=" + strings.NewReplacer(":", "%3A", "/", "%2F").Replace(issuer) + "&sid=" + b.Session.ID
	want := []string{
		"https://plain.example.com/out",
		"https://session.example.com/out?" + added,
		"https://query.example.com/out?a=b%20c&" + added,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestAddQuery(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"without a query", "https://a.example/out", "https://a.example/out?state=x%20y%26z"},
		{"with one", "https://a.example/out?b=%2f", "https://a.example/out?b=%2f&state=x%20y%26z"},
		{"with an empty one", "https://a.example/out?", "https://a.example/out?state=x%20y%26z"},
		{"in front of a fragment", "https://a.example/out#f", "https://a.example/out?state=x%20y%26z#f"},
		{"private-use scheme", "com.example.app:/out", "com.example.app:/out?state=x%20y%26z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := logout.AddQuery(tt.in, [2]string{"state", "x y&z"}); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestEndReplacedTellsTheClients(t *testing.T) {
	g := newRig(t, fetch.Options{})
	g.directory.put(&store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: "https://web.example.com/logout"})
	b := g.signOn("web")
	before, h := b.Session, g.family(b.Session.ID, "web")
	replaced, err := g.sessions.SignOn(t.Context(), g.env, b, session.SignOn{Subject: "somebody-else"})
	if err != nil || replaced == nil {
		t.Fatalf("SignOn = %v, %v, want the session of the one before", replaced, err)
	}
	if err := g.ender.EndReplaced(t.Context(), g.env, replaced); err != nil {
		t.Fatal(err)
	}
	if !g.familyEnded(h) || !g.tokenRevoked(before.ID, "web", g.clock.Now().Add(time.Hour)) {
		t.Error("something of the session works on")
	}
	due := g.due()
	if len(due) != 1 || due[0].Client != "web" || due[0].Kind != "backchannel_logout" {
		t.Errorf("queued = %+v, want one back-channel logout to web", due)
	}
}

func TestEndClient(t *testing.T) {
	g := newRig(t, fetch.Options{})
	b := g.signOn("gone", "stays")
	gone, stays := g.family(b.Session.ID, "gone"), g.family(b.Session.ID, "stays")
	if err := g.ender.EndClient(t.Context(), g.env, "gone"); err != nil {
		t.Fatal(err)
	}
	if !g.familyEnded(gone) || !g.tokenRevoked("", "gone", g.clock.Now()) {
		t.Error("something of the client works on")
	}
	if g.familyEnded(stays) || g.tokenRevoked(b.Session.ID, "stays", g.clock.Now()) {
		t.Error("another client lost something")
	}
}
