package registration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// outcome is what asking for a client came to: "ok", "none" or "later".
func outcome(t testing.TB, d *registration.Documents, id string) string {
	t.Helper()
	return outcomeFrom(t, d, "", id)
}

// outcomeFrom is outcome for somebody at an address.
func outcomeFrom(t testing.TB, d *registration.Documents, address, id string) string {
	t.Helper()
	ctx := registration.WithAddress(t.Context(), func() string { return address })
	c, err := d.Client(ctx, accepting(), id)
	switch {
	case err == nil && c.ID == id:
		return "ok"
	case errors.Is(err, store.ErrNotFound):
		return "none"
	case oauth.From(err).Status == http.StatusServiceUnavailable && oauth.From(err).RetryAfter > 0:
		return "later"
	}
	t.Fatalf("client %v, error %v", c, err)
	return ""
}

// TestDocumentLogs: what is wrong with a document is said once, and nowhere with its query, which is nobody's business.
func TestDocumentLogs(t *testing.T) {
	s := newSite(t)
	for name, serve := range map[string]http.HandlerFunc{
		"not there": http.NotFound,
		"failing": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
		},
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusFound)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<p>") },
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, strings.Repeat(" ", 64<<10))
		},
		"no answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"no good":   describing("redirect_uris", `[]`),
	} {
		t.Run(name, func(t *testing.T) {
			s.set(serve)
			d := documents(t, s, testkit.NewClock(noon), loopbackNetwork)
			var log bytes.Buffer
			d.Cache.Log = slog.New(slog.NewTextHandler(&log, nil))
			_, err := d.Client(t.Context(), accepting(), s.url("app.example.com", "/client.json?of=somebody"))
			if err == nil {
				t.Fatal("it is a client")
			}
			said := log.String()
			if strings.Count(said, "\n") != 1 || !strings.Contains(said, "host=app.example.com") || !strings.Contains(said, "path=/client.json") {
				t.Errorf("log = %q, want one line with host and path", said)
			}
			for e := oauth.From(err); e != nil; e, _ = errors.AsType[*oauth.Error](e.Cause) {
				said += fmt.Sprint(e.Description, e.Cause)
			}
			if said += err.Error(); strings.Contains(said, "somebody") {
				t.Errorf("the query is in what is said: %s", said)
			}
		})
	}
}

func TestDocumentsAreKept(t *testing.T) {
	s := newSite(t)
	id := s.url("app.example.com", "/c")
	for _, tt := range []struct {
		name, header string
		life         time.Duration
	}{
		{"nothing said", "", 10 * time.Minute},
		{"an hour", "public, max-age=3600", time.Hour},
		{"too short", "max-age=1", time.Minute},
		{"none", "max-age=0", time.Minute},
		{"not at all", "no-store, max-age=3600", time.Minute},
		{"not without asking", "max-age=3600, no-cache", time.Minute},
		{"too long", "max-age=31536000", 24 * time.Hour},
		{"unreadable", "max-age=soon", 10 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := testkit.NewClock(noon)
			d := documents(t, s, clock, loopbackNetwork)
			s.set(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", tt.header)
				describing()(w, r)
			})
			s.hits.Store(0)
			for _, step := range []struct {
				wait time.Duration
				hits int64
			}{{0, 1}, {tt.life - time.Second, 1}, {time.Second, 2}, {time.Second, 2}} {
				clock.Advance(step.wait)
				if got := outcome(t, d, id); got != "ok" {
					t.Fatalf("%v later: %s, want ok", step.wait, got)
				}
				if got := s.hits.Load(); got != step.hits {
					t.Errorf("%v later: %d requests, want %d", step.wait, got, step.hits)
				}
			}
		})
	}
	t.Run("one client for as long", func(t *testing.T) {
		s.set(describing())
		d, env := documents(t, s, testkit.NewClock(noon), loopbackNetwork), accepting()
		first, err := d.Client(t.Context(), env, id)
		second, again := d.Client(t.Context(), env, id)
		if err != nil || again != nil || first != second {
			t.Errorf("two clients of one document (%v, %v)", err, again)
		}
	})
}

func TestDocumentsThatCannotBeHad(t *testing.T) {
	s := newSite(t)
	id := s.url("app.example.com", "/c")
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	hangUp := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for _, tt := range []struct {
		name  string
		serve http.HandlerFunc
		new   string // what comes of it where nothing is known
		known string // and where an older document is
	}{
		{"server error", status(http.StatusInternalServerError), "later", "ok"},
		{"too many requests", status(http.StatusTooManyRequests), "later", "ok"},
		{"hangs up", hangUp, "later", "ok"},
		{"not found", status(http.StatusNotFound), "none", "none"},
		{"gone", status(http.StatusGone), "none", "none"},
		{"forbidden", status(http.StatusForbidden), "none", "none"},
		{"no good", describing("client_id", `"x"`), "none", "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := testkit.NewClock(noon)
			d := documents(t, s, clock, loopbackNetwork)
			s.set(tt.serve)
			s.hits.Store(0)
			for range 3 {
				if got := outcome(t, d, id); got != tt.new {
					t.Fatalf("at first: %s, want %s", got, tt.new)
				}
			}
			if got := s.hits.Load(); got != 1 {
				t.Errorf("%d requests at once, want 1", got)
			}
			s.set(describing())
			clock.Advance(10 * time.Second)
			if got := outcome(t, d, id); got != "ok" {
				t.Fatalf("mended: %s, want ok", got)
			}
			s.set(tt.serve)
			clock.Advance(10 * time.Minute)
			for range 2 {
				if got := outcome(t, d, id); got != tt.known {
					t.Fatalf("later: %s, want %s", got, tt.known)
				}
			}
			clock.Advance(24*time.Hour + time.Second)
			if got := outcome(t, d, id); got != tt.new {
				t.Errorf("a day later: %s, want %s", got, tt.new)
			}
		})
	}
}

func TestDocumentIsFetchedOnceForAll(t *testing.T) {
	s := newSite(t)
	id := s.url("app.example.com", "/c")
	d := documents(t, s, testkit.NewClock(noon), loopbackNetwork)
	begun, goOn := make(chan struct{}), make(chan struct{})
	s.set(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-goOn
		describing()(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := d.Client(ctx, accepting(), id); err != nil {
			t.Errorf("who began it: %v", err)
		}
	})
	<-begun
	cancel() // who began it hangs up
	var mu sync.Mutex
	got := map[string]int{}
	for range 100 {
		all.Go(func() {
			o := outcome(t, d, id)
			mu.Lock()
			defer mu.Unlock()
			got[o]++
		})
	}
	for { // those who do not wait are told at once
		mu.Lock()
		told := got["later"]
		mu.Unlock()
		if told == 36 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := d.Client(gone, accepting(), id); oauth.From(err).Status != http.StatusServiceUnavailable {
		t.Errorf("who does not wait: %v", err)
	}
	close(goOn)
	all.Wait()
	if got["ok"] != 64 || s.hits.Load() != 1 {
		t.Errorf("outcomes %v of %d requests, want 64 ok of one", got, s.hits.Load())
	}
}

// TestDocumentsAreFetchedSeldom: who makes up addresses troubles neither one host nor this server for long.
func TestDocumentsAreFetchedSeldom(t *testing.T) {
	s := newSite(t)
	s.set(describing())
	clock := testkit.NewClock(noon)
	d := documents(t, s, clock, loopbackNetwork)
	// Everybody has an address of their own.
	count := func(n int, id func(i int) string) map[string]int {
		got := map[string]int{}
		for i := range n {
			got[outcomeFrom(t, d, fmt.Sprintf("198.51.%d.%d", i/256, i%256), id(i))]++
		}
		return got
	}
	path := func(host string) func(i int) string {
		return func(i int) string { return s.url(host, fmt.Sprintf("/%d", i)) }
	}
	if got := count(50, path("one.example.com")); got["ok"] != 10 || got["later"] != 40 {
		t.Errorf("one host: %v, want 10 ok and 40 later", got)
	}
	if got := count(50, path("two.example.com")); got["ok"] != 10 {
		t.Errorf("another host: %v, want 10 ok", got)
	}
	clock.Advance(3 * time.Second)
	if got := count(50, func(i int) string { return path("one.example.com")(i + 100) }); got["ok"] != 3 {
		t.Errorf("one host, 3 s later: %v, want 3 ok", got)
	}
	clock.Advance(time.Minute)
	if got := count(300, func(i int) string { return s.url(fmt.Sprintf("h%d.example.com", i), "/c") }); got["ok"] != 100 {
		t.Errorf("many hosts: %v, want 100 ok", got)
	}
	t.Run("what is known stays", func(t *testing.T) {
		if got := outcome(t, d, path("one.example.com")(1)); got != "ok" {
			t.Errorf("%s, want ok", got)
		}
	})
	t.Run("clients that there are are renewed while others are refused", func(t *testing.T) {
		clock := testkit.NewClock(noon)
		d := documents(t, s, clock, loopbackNetwork)
		client := path("one.example.com")(1)
		if got := outcome(t, d, client); got != "ok" {
			t.Fatalf("%s, want ok", got)
		}
		clock.Advance(40 * time.Hour) // longer than anything old is used
		for i := range 200 {
			from := fmt.Sprintf("198.51.100.%d", i)
			_ = outcomeFrom(t, d, from, path("one.example.com")(i+100))
			_ = outcomeFrom(t, d, from, s.url(fmt.Sprintf("x%d.example.com", i), "/c"))
		}
		if got := outcomeFrom(t, d, "203.0.113.1", path("one.example.com")(99)); got != "later" {
			t.Errorf("a new one of the host: %s, want later", got)
		}
		if got := outcomeFrom(t, d, "203.0.113.1", s.url("new.example.com", "/c")); got != "later" {
			t.Errorf("a new one of another host: %s, want later", got)
		}
		if got := outcome(t, d, client); got != "ok" {
			t.Errorf("a client: %s, want ok", got)
		}
		// What has never been a client's has no such right.
		clock.Advance(time.Minute)
		s.set(describing("client_id", `"x"`))
		bad := path("bad.example.com")(1)
		if got := outcome(t, d, bad); got != "none" {
			t.Fatalf("%s, want none", got)
		}
		clock.Advance(10 * time.Second)
		for i := range 20 {
			_ = outcome(t, d, path("bad.example.com")(i+2))
		}
		s.hits.Store(0)
		if got := outcome(t, d, bad); got != "none" || s.hits.Load() != 0 {
			t.Errorf("no client: %s after %d requests, want none without any", got, s.hits.Load())
		}
	})
}

// TestDocumentsAreFetchedForEverybody: one address that names as many documents as it can makes nobody else wait.
func TestDocumentsAreFetchedForEverybody(t *testing.T) {
	s := newSite(t)
	s.set(describing())
	host := func(i int) string { return s.url(fmt.Sprintf("h%d.example.com", i), "/c") }
	const atOnce = 20
	fill := func(t *testing.T, d *registration.Documents, address string, from, n int) (ok int) {
		for i := range n {
			if outcomeFrom(t, d, address, host(from+i)) == "ok" {
				ok++
			}
		}
		return ok
	}
	t.Run("a part for each address", func(t *testing.T) {
		clock := testkit.NewClock(noon)
		d := documents(t, s, clock, loopbackNetwork)
		if got := fill(t, d, "192.0.2.7", 0, 200); got != atOnce {
			t.Errorf("one address: %d documents, want %d", got, atOnce)
		}
		if got := outcomeFrom(t, d, "192.0.2.7", host(1)); got != "ok" {
			t.Errorf("one that is known: %s, want ok", got)
		}
		if got := outcomeFrom(t, d, "192.0.2.8", host(1000)); got != "ok" {
			t.Errorf("another address: %s, want ok", got)
		}
		if got := outcomeFrom(t, d, "::ffff:192.0.2.7", host(1001)); got != "later" {
			t.Errorf("the address, written otherwise: %s, want later", got)
		}
		if got := fill(t, d, "2001:db8::1", 2000, 200); got != atOnce {
			t.Errorf("one IPv6 address: %d documents, want %d", got, atOnce)
		}
		if got := outcomeFrom(t, d, "2001:db8::2", host(1002)); got != "later" {
			t.Errorf("another one of its network: %s, want later", got)
		}
		if got := outcomeFrom(t, d, "2001:db8:0:1::1", host(1003)); got != "ok" {
			t.Errorf("one of another network: %s, want ok", got)
		}
		clock.Advance(3 * time.Second)
		if got := fill(t, d, "192.0.2.7", 3000, 50); got != 3 {
			t.Errorf("3 s later: %d documents, want 3", got)
		}
	})
	t.Run("nobody has said from where", func(t *testing.T) {
		d := documents(t, s, testkit.NewClock(noon), loopbackNetwork)
		got := map[string]int{}
		for i := range 50 {
			if _, err := d.Client(t.Context(), accepting(), host(i)); err == nil {
				got["ok"]++
			} else if e := oauth.From(err); e.Status == http.StatusServiceUnavailable && e.RetryAfter > 0 {
				got["later"]++
			}
		}
		if got["ok"] != atOnce || got["later"] != 50-atOnce {
			t.Errorf("%v, want %d ok and the others later", got, atOnce)
		}
	})
	t.Run("an address without limit has no more than all have", func(t *testing.T) {
		d := documents(t, s, testkit.NewClock(noon), loopbackNetwork)
		d.NoLimit = func(address string) bool { return address == "192.0.2.99" }
		if got := fill(t, d, "192.0.2.99", 0, 200); got != 100 {
			t.Errorf("%d documents, want 100", got)
		}
	})
	t.Run("sites that do not answer", func(t *testing.T) {
		d := documents(t, s, testkit.NewClock(noon), loopbackNetwork)
		goOn, asked := make(chan struct{}), make(chan struct{}, 100)
		s.set(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Host, "h") {
				asked <- struct{}{}
				<-goOn
			}
			describing()(w, r)
		})
		const underWay = 8
		var all sync.WaitGroup
		for i := range underWay {
			all.Go(func() { _ = outcomeFrom(t, d, "192.0.2.7", host(i)) })
		}
		for range underWay {
			<-asked
		}
		if got := outcomeFrom(t, d, "192.0.2.7", s.url("quick.example.com", "/1")); got != "later" {
			t.Errorf("one more for the address: %s, want later", got)
		}
		if got := outcomeFrom(t, d, "192.0.2.8", s.url("quick.example.com", "/1")); got != "ok" {
			t.Errorf("one for another address: %s, want ok", got)
		}
		close(goOn)
		all.Wait()
		if got := outcomeFrom(t, d, "192.0.2.7", s.url("quick.example.com", "/2")); got != "ok" {
			t.Errorf("when they have answered: %s, want ok", got)
		}
		if n := d.Cache.FlightsOf(); n != 0 {
			t.Errorf("%d addresses are remembered, want none", n)
		}
	})
}

// TestDocumentsAreBounded: only so many are kept, and what is no client's makes no room for itself.
func TestDocumentsAreBounded(t *testing.T) {
	s := newSite(t)
	good := s.url("good.example.com", "/c")
	for _, tt := range []struct {
		name string
		bad  http.HandlerFunc
	}{
		{"documents that there are not", http.NotFound},
		{"documents that are no client's", describing("client_id", `"x"`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := testkit.NewClock(noon)
			d := documents(t, s, clock, loopbackNetwork)
			s.set(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=86400")
				describing()(w, r)
			})
			if got := outcome(t, d, good); got != "ok" {
				t.Fatalf("a good one: %s, want ok", got)
			}
			s.set(tt.bad)
			for i := range registration.MaxDocuments + 50 {
				clock.Advance(time.Second)
				if got := outcome(t, d, s.url("bad.example.com", fmt.Sprintf("/%d", i))); got != "none" {
					t.Fatalf("a bad one: %s, want none", got)
				}
			}
			if got := d.Cache.Kept(); got != registration.MaxDocuments {
				t.Errorf("%d are kept, want %d", got, registration.MaxDocuments)
			}
			s.hits.Store(0)
			if got := outcome(t, d, good); got != "ok" || s.hits.Load() != 0 {
				t.Errorf("the good one: %s after %d requests, want ok without any", got, s.hits.Load())
			}
		})
	}
	t.Run("what is refused takes no room", func(t *testing.T) {
		s.set(http.NotFound)
		d := documents(t, s, testkit.NewClock(noon), loopbackNetwork)
		for i := range 200 {
			_, _ = d.Client(t.Context(), accepting(), s.url("one.example.com", fmt.Sprintf("/%d", i)))
		}
		if got := d.Cache.Kept(); got != 10 {
			t.Errorf("%d are kept, want the 10 that were asked for", got)
		}
	})
}

// TestAttack108DocumentsOfEnvironments: whoever names a client in an environment that refuses its document takes it from no other one.
func TestAttack108DocumentsOfEnvironments(t *testing.T) {
	s := newSite(t)
	id := s.url("app.example.com", "/c")
	s.set(describing("scope", `"orders:read"`))
	clock := testkit.NewClock(noon)
	d := documents(t, s, clock, loopbackNetwork)
	here, there := accepting(), accepting()
	there.ID, there.Registration.Scopes = "0b000000-0000-4000-8000-00000000000b", []string{"openid"}
	check := func(when string, hits int64) {
		t.Helper()
		for range 2 {
			if _, err := d.Client(t.Context(), there, id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: the environment that refuses it: %v, want %v", when, err, store.ErrNotFound)
			}
			if c, err := d.Client(t.Context(), here, id); err != nil || c.ID != id || c.Environment != here.ID {
				t.Errorf("%s: the environment that accepts it: %v", when, err)
			}
		}
		if got := s.hits.Load(); got != hits {
			t.Errorf("%s: %d requests, want %d", when, got, hits)
		}
	}
	check("at first", 1)
	clock.Advance(10 * time.Second)
	check("when its author may have mended it", 2)
	s.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	clock.Advance(10 * time.Second)
	check("while its server is down", 3)
}
