package resourceserver_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// steps is a ResponseWriter that writes down the deadlines of all of its kind.
type steps struct {
	*httptest.ResponseRecorder
	mu  *sync.Mutex
	all *[]string
}

func (s *steps) note(step string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.all = append(*s.all, step)
	return nil
}

func (s *steps) SetReadDeadline(time.Time) error  { return s.note("read") }
func (s *steps) SetWriteDeadline(time.Time) error { return s.note("write") }

// Case 90: where many exchanges end at once, all of them fall silent before the first handler learns of it: what handlers have to clear
// away would hold up the rest.
func TestAttack90AllFallSilentFirst(t *testing.T) {
	const n = 200
	for name, set := range map[string]func(t *testing.T) (g *gate, token string, end func()){
		"revoked here": func(t *testing.T) (*gate, string, func()) {
			c := newClock()
			l, g, issuer := newLocal(t, c)
			token := must(ecKeyOf(l).Sign("at+jwt", []byte(goodClaims(issuer, c).with(claims{"jti": "id"}).json())))
			return g, token, func() { l.change(func(l *local) { l.revoked["id"] = true }) }
		},
		"expired, of an issuer elsewhere": func(t *testing.T) (*gate, string, func()) {
			c := newClock()
			g := newGate(t, c, fixed(ecKey()))
			token := must(ecKey().Sign("at+jwt", []byte(goodClaims("https://as.example.com", c).json())))
			return g, token, func() { c.Advance(2 * time.Hour) }
		},
		"the gate is closed": func(t *testing.T) (*gate, string, func()) {
			c := newClock()
			l, g, issuer := newLocal(t, c)
			token := must(ecKeyOf(l).Sign("at+jwt", []byte(goodClaims(issuer, c).json())))
			return g, token, g.Close
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, token, end := set(t)
			var mu sync.Mutex
			var all []string
			var open []*resourceserver.Watched
			for range n {
				r := bearer(token)
				got, err := g.Authorize(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, watched := g.Watch(&steps{httptest.NewRecorder(), &mu, &all}, r, got)
				open = append(open, watched)
			}
			end()
			deadline := time.Now().Add(10 * time.Second)
			for done := false; !done; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the exchanges were not ended")
				}
				mu.Lock()
				done = len(all) >= 2*n
				mu.Unlock()
			}
			for _, x := range open {
				if x.Done() == resourceserver.Allowed {
					t.Fatal("Done = allowed, want why the exchange ended")
				}
			}
			for i, step := range all {
				if want := map[bool]string{true: "write", false: "read"}[i < n]; step != want {
					t.Fatalf("deadline %d was for %s, want %s: %d of each", i, step, want, n)
				}
			}
		})
	}
}

// Whoever ends an exchange first, nothing is left of it in the verifier: the client, the upstream, the token, or all at once.
func TestWatchedIsForgottenWhoeverEndsIt(t *testing.T) {
	const rounds = 25
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			release := map[string]chan struct{}{} // by id: ends the upstream's part
			upstream := func(id string) chan struct{} {
				mu.Lock()
				defer mu.Unlock()
				if release[id] == nil {
					release[id] = make(chan struct{})
				}
				return release[id]
			}
			s := newStageOf(t, h2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c := http.NewResponseController(w)
				_ = c.EnableFullDuplex()
				w.Header().Set("Trailer", "Grpc-Status")
				_, _ = io.WriteString(w, "x")
				_ = c.Flush()
				heard := make(chan struct{})
				go func() {
					defer close(heard)
					_, _ = io.Copy(io.Discard, r.Body)
				}()
				select {
				case <-upstream(r.Header.Get("Id")):
				case <-r.Context().Done():
				case <-heard:
				}
				w.Header().Set("Grpc-Status", "0")
				// A body must not be read any more when the handler has returned; it ends with the deadline or with the client.
				_ = c.SetReadDeadline(time.Unix(1, 0))
				<-heard
			}))
			const each = 20
			for round := range rounds {
				var wait sync.WaitGroup
				for i := range each {
					id := fmt.Sprintf("%s-%d-%d", name, round, i)
					out, in := io.Pipe()
					r := s.request(t, http.MethodPost, id, out)
					r.Header.Set("Id", id)
					resp, err := s.site.Client().Do(r)
					if err != nil || resp.StatusCode != http.StatusOK {
						t.Fatalf("answer = %v, %v", resp, err)
					}
					if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
						t.Fatal(err)
					}
					client := func() { _ = in.CloseWithError(errors.New("gone")); resp.Body.Close() }
					ends := []func(){client, func() { close(upstream(id)) }, func() { s.revoke(id) }}
					wait.Go(func() {
						defer client()
						var race sync.WaitGroup
						for j, end := range ends {
							if i%4 == j || i%4 == 3 { // the fourth has all at once
								race.Go(end)
							}
						}
						race.Wait()
						_, _ = io.Copy(io.Discard, resp.Body)
					})
				}
				for range each {
					<-s.begun
				}
				wait.Wait()
				for range each {
					select {
					case <-s.done:
					case <-time.After(10 * time.Second):
						t.Fatal("a handler goes on")
					}
				}
			}
			if got := s.gate.Watching(); got != 0 {
				t.Errorf("%d exchanges are being watched, want none of %d", got, rounds*each)
			}
			for deadline := time.Now().Add(10 * time.Second); s.gate.Watches(); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the watcher goes on, want it to rest when there is nothing to watch")
				}
			}
		})
	}
}
