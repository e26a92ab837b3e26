package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func keyIDs(t testing.TB, n *node) []string {
	t.Helper()
	var set struct {
		Keys []struct {
			KID string `json:"kid"`
		} `json:"keys"`
	}
	b, _ := json.Marshal(n.getJSON(t, n.vars["ISSUER"]+"/jwks"))
	_ = json.Unmarshal(b, &set)
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k.KID)
	}
	slices.Sort(ids)
	return ids
}

// TestRestart: keys and revocations outlive the process.
func TestRestart(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n := start(t, config{storage: b})
		kept, revoked := n.token(t, worker), n.token(t, worker)
		n.revoke(t, worker, revoked)
		before := keyIDs(t, n)
		if len(before) == 0 {
			t.Fatal("no keys are published")
		}
		n.stop()
		n.run(t)
		if after := keyIDs(t, n); !slices.Equal(after, before) {
			t.Errorf("key ids after the restart = %v, want %v", after, before)
		}
		for range 2 {
			if a := n.call(t, "gate", "/", revoked); a.status != http.StatusUnauthorized {
				t.Errorf("the revoked token after a restart: %d, want 401", a.status)
			}
			if a := n.call(t, "gate", "/", kept); a.status != http.StatusOK {
				t.Errorf("the old token after a restart: %d, want 200", a.status)
			}
		}
		if got := n.introspect(t, worker, kept); got["active"] != true {
			t.Errorf("introspection of the old token = %v, want active", got)
		}
		if got := n.introspect(t, worker, revoked); got["active"] != false {
			t.Errorf("introspection of the revoked token = %v, want inactive", got)
		}
		n.token(t, worker)
	})
}

// TestKill ends the process without warning under load: what a client was told
// has happened, has happened.
func TestKill(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n := start(t, config{storage: b, info: true})
		n.token(t, worker) // the signing key exists

		// A storm of token requests, broken off in the middle.
		var mu sync.Mutex
		var issued []string
		enough := func() bool { mu.Lock(); defer mu.Unlock(); return len(issued) >= 400 }
		storm(t, n, 16, enough, func() bool {
			a, err := n.try(formRequest(n.vars["ISSUER"]+"/token", worker, "grant_type", "client_credentials"))
			if err != nil || a.status != http.StatusOK {
				return false
			}
			var body struct {
				AccessToken string `json:"access_token"`
			}
			if json.Unmarshal([]byte(a.body), &body) != nil {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			issued = append(issued, body.AccessToken)
			return true
		})
		if len(issued) < 20 {
			t.Fatalf("only %d tokens were issued before the kill; the storm is too weak to show anything", len(issued))
		}
		n.run(t)
		for i, token := range issued {
			n.secret("a token of the storm", token)
			if got := n.introspect(t, worker, token); got["active"] != true {
				t.Fatalf("token %d of %d was acknowledged and is now %v", i, len(issued), got)
			}
		}

		// The same with revocations.
		victims := slices.Clone(issued)
		var next atomic.Int64
		revoked := map[string]bool{}
		attempted := map[string]bool{}
		half := func() bool { mu.Lock(); defer mu.Unlock(); return len(revoked) >= len(victims)/2 }
		storm(t, n, 16, half, func() bool {
			i := int(next.Add(1)) - 1
			if i >= len(victims) {
				return false
			}
			mu.Lock()
			attempted[victims[i]] = true
			mu.Unlock()
			a, err := n.try(formRequest(n.vars["ISSUER"]+"/revoke", worker, "token", victims[i]))
			if err != nil || a.status != http.StatusOK {
				return false
			}
			mu.Lock()
			revoked[victims[i]] = true
			mu.Unlock()
			return true
		})
		if len(revoked) < 5 {
			t.Fatalf("only %d revocations were acknowledged before the kill", len(revoked))
		}
		n.run(t)
		for token := range maps.Keys(revoked) {
			if a := n.call(t, "gate", "/", token); a.status != http.StatusUnauthorized {
				t.Fatalf("a revocation was acknowledged and the gate answers %d", a.status)
			}
			if got := n.introspect(t, worker, token); got["active"] != false {
				t.Fatalf("a revocation was acknowledged and introspection says %v", got)
			}
		}
		alive := 0
		for _, token := range victims {
			if !attempted[token] {
				alive++
				if a := n.call(t, "gate", "/", token); a.status != http.StatusOK {
					t.Fatalf("a token that nobody revoked is answered %d", a.status)
				}
			}
		}
		t.Logf("%s: %d tokens issued, %d revocations acknowledged, %d never revoked", b.name(), len(issued), len(revoked), alive)
	})
}

// storm runs act from many goroutines until each had its first failure, and
// kills the node in the middle of it: once there was enough, or after a while.
func storm(t testing.TB, n *node, clients int, enough func() bool, act func() bool) {
	t.Helper()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for act() {
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); !enough() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	n.kill(t)
	wg.Wait()
}

// TestReload replaces the configuration under load: no request fails, and what
// was learned (tokens, keys, answers) is kept.
func TestReload(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := newIssuer(t)
		n := start(t, config{storage: b, info: true, ports: []string{"foreign"}, vars: map[string]string{"FOREIGN_ISSUER": f.url()}, sites: `
http://:$FOREIGN {
	bearer_auth {
		issuer $FOREIGN_ISSUER {
			insecure_loopback_http
		}
		audience ` + orders + `
	}
	reverse_proxy $UPSTREAM
}
`})
		token := n.token(t, worker)
		foreign := f.token(t, nil)
		n.secret("a foreign token", foreign)
		revoked := n.token(t, worker)
		n.revoke(t, worker, revoked)
		for _, port := range []string{"gate", "asked", "keys"} {
			if a := n.call(t, port, "/", token); a.status != http.StatusOK {
				t.Fatalf("%s before the load: %d, want 200", port, a.status)
			}
		}
		if a := n.call(t, "foreign", "/", foreign); a.status != http.StatusOK {
			t.Fatalf("the foreign issuer's token before the load: %d %s, want 200", a.status, a.challenge())
		}
		fetches := f.hits("/jwks")
		before := n.metrics(t)

		var stop atomic.Bool
		var served atomic.Int64
		// Each configuration listens with a socket of its own (SO_REUSEPORT). What waits in
		// the kernel's queue of the old one when it is closed is reset, although no
		// server has seen it; net.ipv4.tcp_migrate_req keeps that from happening. What was
		// accepted just then is closed, before anything was read of it. The
		// access log shows below that it was so.
		var unaccepted sync.Map
		failures := make(chan string, 64)
		fail := func(format string, args ...any) {
			select {
			case failures <- fmt.Sprintf(format, args...):
			default:
			}
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for !stop.Load() {
					var req *http.Request
					want := http.StatusOK
					switch i {
					case 0:
						req = formRequest(n.vars["ISSUER"]+"/token", worker, "grant_type", "client_credentials")
						// A server may close an idle connection just when a request goes out on it.
						// net/http repeats a GET then; this lets it repeat a POST too.
						req.Header["Idempotency-Key"] = nil
					case 1:
						req, want = n.callRequest("gate", "/", revoked), http.StatusUnauthorized
					case 2:
						req = n.callRequest("asked", "/", token)
					case 3:
						req = n.callRequest("foreign", "/", foreign)
					case 4:
						req = n.callRequest("keys", "/", token)
					default:
						req = n.callRequest("gate", "/", token)
					}
					attempt := strconv.FormatInt(served.Add(1), 10)
					req.Header.Set("X-Attempt", attempt)
					a, err := n.try(req)
					if err != nil && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || strings.HasSuffix(err.Error(), "server closed idle connection")) {
						unaccepted.Store(attempt, true)
						continue
					}
					if err != nil {
						fail("%s: %v", req.URL, err)
					} else if a.status != want {
						fail("%s: %d %.100s, want %d", req.URL, a.status, a.body, want)
					}
				}
			})
		}
		load := func() { // a busy machine takes longer for it
			time.Sleep(300 * time.Millisecond)
			was := served.Load()
			eventually(t, 30*time.Second, "requests between reloads", func() bool { return served.Load() >= was+100 })
		}
		defer stop.Store(true)
		for range 5 {
			load()
			n.reload(t)
		}
		load()
		stop.Store(true)
		wg.Wait()
		close(failures)
		for f := range failures {
			t.Error(f)
		}
		if t.Failed() {
			t.Logf("ports: %v; decisions: %v", n.ports, n.decisions(t))
		}
		lost := 0
		for _, line := range n.logLines("handled request") {
			headers, _ := line["request"].(map[string]any)["headers"].(map[string]any)
			attempt, _ := headers["X-Attempt"].([]any)
			if len(attempt) == 1 {
				if _, reset := unaccepted.Load(attempt[0]); reset {
					t.Errorf("attempt %v reached the server and was not answered", attempt[0])
				}
			}
		}
		unaccepted.Range(func(any, any) bool { lost++; return true })
		if got := served.Load(); got < 200 || int64(lost) > got/50 {
			t.Errorf("%d of %d connections were reset before the server had them", lost, got)
		}
		if got := served.Load(); got < 200 {
			t.Errorf("only %d requests were served; the load is too weak to show anything", got)
		}
		if got := f.hits("/jwks") - fetches; got != 0 {
			t.Errorf("the foreign issuer's keys were fetched %d more times, want none: they are kept over a reload", got)
		}
		after := n.metrics(t)
		checkCountersKept(t, before, after)
		const verified = "gatehouse_verification_seconds"
		if got := sum(after, verified, "path", "jwt") - sum(before, verified, "path", "jwt"); got > 10 {
			t.Errorf("known tokens were verified again %v times, want them to be kept over a reload", got)
		}
		t.Logf("%s: %d requests over 5 reloads", b.name(), served.Load())
	})
}
