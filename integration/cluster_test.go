package integration_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// TestTwoNodes: two nodes on one PostgreSQL are one server. A token revoked at
// one is refused by the other within the time that a notification takes.
func TestTwoNodes(t *testing.T) {
	dsn := pgtest.Database(t)
	a := start(t, config{storage: postgres{dsn}, info: true})
	// The second node speaks for the same issuer.
	b := start(t, config{storage: postgres{dsn}, info: true, vars: map[string]string{"ISSUER": a.vars["ISSUER"], "OTHER_ISSUER": a.vars["OTHER_ISSUER"]}})
	atB := func(path string) string {
		u, err := url.Parse(b.vars["ISSUER"] + path)
		if err != nil {
			t.Fatal(err)
		}
		u.Host = b.addr("as")
		return u.String()
	}
	set := func(target string) any { return a.getJSON(t, target)["keys"] }
	if x, y := mustJSON(t, set(a.vars["ISSUER"]+"/jwks")), mustJSON(t, set(atB("/jwks"))); string(x) != string(y) {
		t.Errorf("the nodes publish different keys:\n%s\n%s", x, y)
	}
	// Each accepts what the other issued.
	tokenA := a.token(t, worker)
	tokenB := b.tokenFrom(t, b.formAt(t, atB("/token"), worker, "grant_type", "client_credentials"))
	for name, got := range map[string]answer{"A's at B": b.call(t, "gate", "/", tokenA), "B's at A": a.call(t, "gate", "/", tokenB)} {
		if got.status != http.StatusOK {
			t.Errorf("%s: %d %s, want 200", name, got.status, got.challenge())
		}
	}

	var lags []time.Duration
	for range 40 {
		token := a.token(t, worker)
		if got := b.call(t, "gate", "/", token); got.status != http.StatusOK {
			t.Fatalf("a new token at B: %d, want 200", got.status)
		}
		a.revoke(t, worker, token)
		acknowledged := time.Now()
		eventually(t, 2*time.Second, "B refuses what A revoked", func() bool {
			for range 50 { // as fast as it goes, not at eventually's pace
				if b.call(t, "gate", "/", token).status == http.StatusUnauthorized {
					return true
				}
			}
			return false
		})
		lags = append(lags, time.Since(acknowledged))
		if got := b.formAt(t, atB("/introspect"), worker, "token", token); got.body != `{"active":false}` && got.body != "{\"active\":false}\n" {
			t.Errorf("introspection at B = %s, want inactive", got.body)
		}
	}
	slices.Sort(lags)
	t.Logf("revoked at A, refused at B: median %v, p99 %v (request included)", lags[len(lags)/2], lags[len(lags)-1])
}

// TestDatabaseGone: while the database cannot be reached, nothing is
// acknowledged that was not stored, the gate does not accept what it cannot
// judge, and everything works again afterwards (attack case 89, 90).
func TestDatabaseGone(t *testing.T) {
	t.Parallel() // it waits most of the time
	wire := newWire(t, pgtest.Database(t))
	n := start(t, config{storage: postgres{wire.dsn}, info: true})
	token, victim := n.token(t, worker), n.token(t, worker)
	for _, s := range []string{token, victim} {
		if a := n.call(t, "gate", "/", s); a.status != http.StatusOK {
			t.Fatalf("before: %d, want 200", a.status)
		}
	}
	wire.cut()
	t.Run("case_89 storage failure while revoking", func(t *testing.T) {
		if a := n.form(t, "/revoke", worker, "token", victim); a.status != http.StatusServiceUnavailable {
			t.Errorf("revocation without a database: %d %s, want 503", a.status, a.body)
		}
	})
	t.Run("no token without a record", func(t *testing.T) {
		if a := n.form(t, "/token", worker, "grant_type", "client_credentials"); a.status != http.StatusServiceUnavailable {
			t.Errorf("token without a database: %d %s, want 503", a.status, a.body)
		}
	})
	t.Run("case_90 the gate cannot know of revocations", func(t *testing.T) {
		// Another node may revoke now, and this one would not hear of it.
		eventually(t, 20*time.Second, "the gate answers 503", func() bool {
			a := n.call(t, "gate", "/", token)
			if a.status != http.StatusOK && a.status != http.StatusServiceUnavailable {
				t.Fatalf("status = %d %s, want 200 for a while, then 503", a.status, a.challenge())
			}
			return a.status == http.StatusServiceUnavailable
		})
	})
	wire.mend()
	eventually(t, 20*time.Second, "everything works again", func() bool {
		a := n.form(t, "/token", worker, "grant_type", "client_credentials")
		return a.status == http.StatusOK && n.call(t, "gate", "/", n.tokenFrom(t, a)).status == http.StatusOK && n.call(t, "gate", "/", token).status == http.StatusOK
	})
	n.revoke(t, worker, victim)
	if a := n.call(t, "gate", "/", victim); a.status != http.StatusUnauthorized {
		t.Errorf("revoked after the outage: %d, want 401", a.status)
	}
}

// wire is a TCP proxy in front of PostgreSQL that can be cut.
type wire struct {
	dsn    string
	target string

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]struct{}
}

func newWire(t testing.TB, dsn string) *wire {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{target: u.Host, conns: map[net.Conn]struct{}{}}
	u.Host = l.Addr().String()
	w.dsn = u.String()
	t.Cleanup(func() { l.Close(); w.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.join(c)
		}
	}()
	return w
}

func (w *wire) join(c net.Conn) {
	far, err := net.Dial("tcp", w.target)
	if err != nil {
		c.Close()
		return
	}
	w.mu.Lock()
	if w.down {
		w.mu.Unlock()
		c.Close()
		far.Close()
		return
	}
	w.conns[c], w.conns[far] = struct{}{}, struct{}{}
	w.mu.Unlock()
	done := func() {
		c.Close()
		far.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, c)
		delete(w.conns, far)
	}
	go func() { _, _ = io.Copy(far, c); done() }()
	_, _ = io.Copy(c, far)
	done()
}

// cut ends every connection and lets no new one through.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for c := range w.conns {
		c.Close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}
