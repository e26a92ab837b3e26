package logout_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// relyingParty is a client's back-channel logout endpoint.
type relyingParty struct {
	*httptest.Server
	mu     sync.Mutex
	got    []request
	status int
	header http.Header
	wait   chan struct{} // answers when closed; nil: at once
}

type request struct {
	method, contentType, cookie, body string
	query                             string
}

func newRelyingParty(t testing.TB) *relyingParty {
	p := &relyingParty{status: http.StatusOK}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.got = append(p.got, request{r.Method, r.Header.Get("Content-Type"), r.Header.Get("Cookie"), string(body), r.URL.RawQuery})
		status, wait := p.status, p.wait
		for name, values := range p.header {
			w.Header()[name] = values
		}
		p.mu.Unlock()
		if wait != nil {
			select {
			case <-wait:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte("thank you"))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *relyingParty) answer(status int, header http.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.header = status, header
}

func (p *relyingParty) requests() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]request(nil), p.got...)
}

func (p *relyingParty) options() fetch.Options {
	return fetch.Options{CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})}
}

// logoutToken takes the token out of a form with nothing else in it.
func logoutToken(t testing.TB, r request) string {
	t.Helper()
	form, err := url.ParseQuery(r.body)
	if err != nil || len(form) != 1 || len(form["logout_token"]) != 1 {
		t.Fatalf("the form has other members than one logout_token")
	}
	return form.Get("logout_token")
}

// TestBackchannelLogoutOfMappedSubject: a client that knows the person by another sub
// is told of the session alone (OIDC Back-Channel Logout §2.4).
func TestBackchannelLogoutOfMappedSubject(t *testing.T) {
	p := newRelyingParty(t)
	g := newRig(t, p.options())
	g.directory.put(&store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: p.URL, Subject: store.Source{User: "email"}})
	b := g.signOn("web")
	if _, err := g.ender.End(t.Context(), g.env, b.Session.ID, b); err != nil {
		t.Fatal(err)
	}
	g.ender.DeliverDue(t.Context())
	got := p.requests()
	if len(got) != 1 {
		t.Fatalf("%d requests, want 1", len(got))
	}
	claims := decode(t, strings.Split(logoutToken(t, got[0]), ".")[1])
	if _, there := claims["sub"]; there || claims["sid"] == nil {
		t.Errorf("claims = %v, want sid and no sub", claims)
	}
}

func TestBackchannelLogout(t *testing.T) {
	p := newRelyingParty(t)
	g := newRig(t, p.options())
	g.directory.put(&store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: p.URL + "/logout?tenant=7"})
	b := g.signOn("web", "without")
	if _, err := g.ender.End(t.Context(), g.env, b.Session.ID, b); err != nil {
		t.Fatal(err)
	}
	if n := g.ender.DeliverDue(t.Context()); n != 1 {
		t.Fatalf("%d deliveries were tried, want 1", n)
	}
	got := p.requests()
	if len(got) != 1 {
		t.Fatalf("%d requests, want 1", len(got))
	}
	want := request{method: "POST", contentType: "application/x-www-form-urlencoded", body: got[0].body, query: "tenant=7"}
	if got[0] != want {
		t.Errorf("request = %+v, want a form post without cookies", got[0])
	}
	raw := logoutToken(t, got[0])

	t.Run("an independent client accepts it", func(t *testing.T) {
		ring, err := g.rings.Ring(t.Context(), g.env)
		if err != nil {
			t.Fatal(err)
		}
		jwks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(ring.JWKS) }))
		defer jwks.Close()
		v := oidc.NewVerifier(issuer, oidc.NewRemoteKeySet(context.Background(), jwks.URL),
			&oidc.Config{ClientID: "web", Now: g.clock.Now, SupportedSigningAlgs: []string{"ES256"}})
		lt, err := v.VerifyLogout(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if lt.Subject != subject {
			t.Errorf("sub = %q, want %q", lt.Subject, subject)
		}
	})
	t.Run("it says what the specification asks for, and nothing else", func(t *testing.T) {
		parts := strings.Split(raw, ".")
		header, claims := decode(t, parts[0]), decode(t, parts[1])
		if header["typ"] != "logout+jwt" || header["alg"] != "ES256" || header["kid"] == nil {
			t.Errorf("header = %v, want typ logout+jwt, the environment's alg and a kid", header)
		}
		now := float64(g.clock.Now().Unix())
		jti, _ := claims["jti"].(string)
		if jti == "" {
			t.Error("jti is missing")
		}
		want := map[string]any{
			"iss": issuer, "aud": "web", "sub": subject, "sid": claims["sid"], "jti": jti, "iat": now, "exp": now + 120,
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		}
		if diff := cmp.Diff(want, claims); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	})
	t.Run("it is delivered once", func(t *testing.T) {
		g.clock.Advance(2 * time.Minute)
		if n := g.ender.DeliverDue(t.Context()); n != 0 {
			t.Errorf("%d deliveries were tried again, want 0", n)
		}
		if diff := cmp.Diff(map[string]int{"ok": 1}, g.counted(g.delivered)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
	t.Run("the token is in no log", func(t *testing.T) {
		if strings.Contains(g.log.String(), raw[:40]) || strings.Contains(g.log.String(), "tenant=7") {
			t.Error("the log has the token or the address's query in it")
		}
	})
}

func decode(t testing.TB, part string) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDeliveryIsTriedAgain(t *testing.T) {
	for name, answer := range map[string]func(p *relyingParty){
		"400":      func(p *relyingParty) { p.answer(http.StatusBadRequest, nil) },
		"500":      func(p *relyingParty) { p.answer(http.StatusInternalServerError, nil) },
		"redirect": func(p *relyingParty) { p.answer(http.StatusFound, http.Header{"Location": {"/elsewhere"}}) },
		"307":      func(p *relyingParty) { p.answer(http.StatusTemporaryRedirect, http.Header{"Location": {"/elsewhere"}}) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newRelyingParty(t)
			answer(p)
			g := newRig(t, p.options())
			g.directory.put(&store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: p.URL + "/logout"})
			sid := g.signOn("web").Session.ID
			if _, err := g.ender.End(t.Context(), g.env, sid, nil); err != nil {
				t.Fatal(err)
			}
			g.ender.DeliverDue(t.Context())
			if n := g.ender.DeliverDue(t.Context()); n != 0 {
				t.Errorf("it was tried again without a pause")
			}
			g.clock.Advance(2 * time.Second)
			p.answer(http.StatusNoContent, nil)
			g.ender.DeliverDue(t.Context())
			got := p.requests()
			if len(got) != 2 {
				t.Fatalf("%d requests, want 2 (none to where the redirect leads)", len(got))
			}
			first, second := decode(t, strings.Split(logoutToken(t, got[0]), ".")[1]), decode(t, strings.Split(logoutToken(t, got[1]), ".")[1])
			if first["jti"] == second["jti"] || first["iat"] == second["iat"] {
				t.Error("the second attempt sent the first one's token")
			}
			if diff := cmp.Diff(map[string]int{"retry": 1, "ok": 1}, g.counted(g.delivered)); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDeliveryIsGivenUpAfterAnHour(t *testing.T) {
	p := newRelyingParty(t)
	p.answer(http.StatusServiceUnavailable, nil)
	g := newRig(t, p.options())
	g.directory.put(&store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: p.URL + "/logout"})
	start := g.clock.Now()
	if _, err := g.ender.End(t.Context(), g.env, g.signOn("web").Session.ID, nil); err != nil {
		t.Fatal(err)
	}
	var last time.Time
	var pauses []time.Duration
	step := time.Second
	for range 3600 {
		if g.ender.DeliverDue(t.Context()) > 0 {
			if !last.IsZero() {
				pauses = append(pauses, g.clock.Now().Sub(last))
			}
			last = g.clock.Now()
		}
		if g.counted(g.delivered)["given_up"] > 0 {
			break
		}
		if g.clock.Now().Sub(start) > time.Minute {
			step = 10 * time.Second
		}
		g.clock.Advance(step)
	}
	if got := g.counted(g.delivered)["given_up"]; got != 1 {
		t.Fatalf("given up %d times, want once", got)
	}
	if took := g.clock.Now().Sub(start); took < 50*time.Minute || took > time.Hour {
		t.Errorf("given up after %v, want about an hour", took)
	}
	if n := len(pauses); n < 12 || n > 40 {
		t.Errorf("%d pauses, want a dozen or two that grow", n)
	}
	for i, d := range pauses {
		if d > 5*time.Minute*5/4+step {
			t.Errorf("pause %d = %v, want at most 5 min and a quarter", i, d)
		}
	}
	if g.clock.Advance(2 * time.Hour); g.ender.DeliverDue(t.Context()) != 0 {
		t.Error("tried again after it was given up")
	}
}

func TestDeliveryGoesWhereTheClientIsNow(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *store.Client)
		want   int // requests
	}{
		{"unchanged", func(*store.Client) {}, 1},
		{"another address", func(c *store.Client) { c.BackchannelLogoutURI += "/new" }, 1},
		{"no address any more", func(c *store.Client) { c.BackchannelLogoutURI = "" }, 0},
		{"disabled", func(c *store.Client) { c.Enabled = false }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newRelyingParty(t)
			g := newRig(t, p.options())
			client := store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: p.URL}
			g.directory.put(&client)
			if _, err := g.ender.End(t.Context(), g.env, g.signOn("web").Session.ID, nil); err != nil {
				t.Fatal(err)
			}
			changed := client
			tt.change(&changed)
			g.directory.put(&changed)
			g.ender.DeliverDue(t.Context())
			if got := len(p.requests()); got != tt.want {
				t.Errorf("%d requests, want %d", got, tt.want)
			}
			if got := len(g.due()); got != 0 {
				t.Errorf("%d deliveries are left, want 0", got)
			}
		})
	}
}

func TestDeliveryToAStranger(t *testing.T) {
	// The relying party is on a loopback address, where nobody who registered themselves may point.
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	tests := []struct {
		name       string
		registered bool
		networks   []netip.Prefix
		want       int
	}{
		{"case_120/registered client, private address", true, nil, 0},
		{"registered client, network listed", true, loopback, 1},
		{"declared client: the operator's own address", false, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newRelyingParty(t)
			o := p.options()
			o.StrangerNetworks = tt.networks
			g := newRig(t, o)
			g.directory.put(&store.Client{ID: "web", Enabled: true, Registered: tt.registered, BackchannelLogoutURI: p.URL})
			if _, err := g.ender.End(t.Context(), g.env, g.signOn("web").Session.ID, nil); err != nil {
				t.Fatal(err)
			}
			g.ender.DeliverDue(t.Context())
			if got := len(p.requests()); got != tt.want {
				t.Errorf("%d requests, want %d", got, tt.want)
			}
		})
	}
}

func TestRunDeliversAtOnce(t *testing.T) {
	p, slow := newRelyingParty(t), newRelyingParty(t)
	slow.wait = make(chan struct{})
	o := p.options()
	o.CA = append(o.CA, slow.options().CA...)
	g := newRig(t, o)
	g.directory.put(
		&store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: p.URL},
		&store.Client{ID: "slow", Enabled: true, BackchannelLogoutURI: slow.URL},
	)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { g.ender.Run(ctx); close(done) }()
	// Many sessions of a client that does not answer keep nobody else waiting.
	for range 100 {
		if _, err := g.ender.End(t.Context(), g.env, g.signOn("slow").Session.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.ender.End(t.Context(), g.env, g.signOn("web").Session.ID, nil); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); len(p.requests()) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not delivered within 5 s")
		}
	}
	if got := len(slow.requests()); got > 8 {
		t.Errorf("%d requests at once to one client, want at most 8", got)
	}
	cancel()
	close(slow.wait)
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("Run goes on after its context ended")
	}
}

func TestRunTakesWhatAnotherProcessLeft(t *testing.T) {
	p := newRelyingParty(t)
	g := newRig(t, p.options())
	g.directory.put(&store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: p.URL})
	// This process ends the session and dies before it has told the client.
	if _, err := g.ender.End(t.Context(), g.env, g.signOn("web").Session.ID, nil); err != nil {
		t.Fatal(err)
	}
	// Another process on the same store
	other := newRig(t, p.options())
	other.ender.Store, other.ender.Directory, other.ender.Keys, other.ender.Now = g.db, g.directory, g.rings, g.clock.Now
	if n := other.ender.DeliverDue(t.Context()); n != 0 {
		t.Errorf("%d deliveries were taken while they belong to the first process, want 0", n)
	}
	g.clock.Advance(time.Minute)
	other.ender.DeliverDue(t.Context())
	if got := len(p.requests()); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
	// The first one was only slow: it sees that the delivery is not its own any more.
	g.ender.DeliverDue(t.Context())
	if got := len(p.requests()); got != 1 {
		t.Errorf("%d requests, want no second one", got)
	}
}
