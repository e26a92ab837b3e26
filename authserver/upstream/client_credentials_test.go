package upstream_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/upstream"
)

// own is a good answer to client credentials, which may not say issued_token_type.
const own = `{"access_token":"own","token_type":"bearer","expires_in":100}`

// TestClientCredentialsRequest: what is asked (RFC 6749 §4.4.2), for clients and anonymous requests alike.
func TestClientCredentialsRequest(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, answers(200, own))
	config := as.config(clock)
	config.Scope, config.Resource = []string{"x", "y"}, []string{"https://inner.example.com"}
	s := source(t, upstream.NewClientCredentials, config)
	for _, raw := range []string{"alice's", "bob's"} {
		if got := ask(t, s, raw, client(clock, time.Hour, nil)); got != "own" {
			t.Errorf("got %q, want own", got)
		}
	}
	if got := ask(t, s, "", nil); got != "own" {
		t.Errorf("anonymous: %q, want own", got)
	}
	want := url.Values{"grant_type": {"client_credentials"}, "scope": {"x y"}, "resource": {"https://inner.example.com"}}
	if diff := cmp.Diff(want, as.last(t).form); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	if got := as.count(); got != 1 {
		t.Errorf("asked %d times, want 1", got)
	}
}

// eventually waits until what happens in the background has happened.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// TestClientCredentialsReplaced: near its end a token is replaced while it still serves, and nobody waits.
func TestClientCredentialsReplaced(t *testing.T) {
	clock := newClock()
	var n atomic.Int64
	as := newAuthority(t, func(w http.ResponseWriter, _ *http.Request) { numbered(w, &n) })
	s := source(t, upstream.NewClientCredentials, as.config(clock))
	expect := func(when, want string) {
		t.Helper()
		if got := ask(t, s, "", nil); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	expect("first", "token-1")
	clock.Advance(7 * time.Minute) // of 10, less the margin of 30 s
	expect("well before its end", "token-1")
	if n.Load() != 1 {
		t.Errorf("asked %d times, want 1", n.Load())
	}

	release := make(chan struct{})
	as.says(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		numbered(w, &n)
	})
	clock.Advance(2 * time.Minute)
	expect("near its end, while the next one is on its way", "token-1")
	expect("once more", "token-1")
	close(release)
	eventually(t, "the token is not replaced", func() bool { return ask(t, s, "", nil) == "token-2" })
	if n.Load() != 2 {
		t.Errorf("asked %d times, want 2", n.Load())
	}
}

// TestClientCredentialsOutage: while the next token cannot be had the old one serves to its end, and then nothing does.
func TestClientCredentialsOutage(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, answers(200, own))
	s := source(t, upstream.NewClientCredentials, as.config(clock))
	ask(t, s, "", nil)
	as.says(answers(500, ""))
	clock.Advance(80 * time.Second)
	for range 20 {
		if got := ask(t, s, "", nil); got != "own" {
			t.Fatalf("during the outage: %q, want own", got)
		}
	}
	eventually(t, "the next token was not asked for", func() bool { return as.count() == 2 })
	clock.Advance(11 * time.Second)
	for range 20 {
		if got := ask(t, s, "", nil); got != unavailable {
			t.Fatalf("past its end: %q, want %q", got, unavailable)
		}
	}
	if got := as.count(); got > 7 {
		t.Errorf("asked %d times, want it to be left alone after a few", got)
	}
	as.says(answers(200, own))
	clock.Advance(31 * time.Second)
	if got := ask(t, s, "", nil); got != "own" {
		t.Errorf("afterwards: %q, want own", got)
	}
}

// TestClientCredentialsOnce: requests that come before the first token wait for one answer.
func TestClientCredentialsOnce(t *testing.T) {
	clock := newClock()
	leave := make(chan struct{})
	as := newAuthority(t, func(w http.ResponseWriter, _ *http.Request) {
		<-leave
		sendJSON(w, 200, own)
	})
	s := source(t, upstream.NewClientCredentials, as.config(clock))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got, err := s.Token(context.Background(), "", nil); got != "own" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	eventually(t, "nothing was asked", func() bool { return as.count() > 0 })
	close(leave)
	wg.Wait()
	if got := as.count(); got != 1 {
		t.Errorf("asked %d times, want 1", got)
	}
}

// TestClientCredentialsRefused: whatever an error answer says, it is the gate's affair and not the client's.
func TestClientCredentialsRefused(t *testing.T) {
	for _, answer := range []string{`{"error":"invalid_client"}`, `{"error":"invalid_grant"}`, `{"error":"invalid_scope"}`, `{"error":"invalid_target"}`, ``} {
		clock := newClock()
		as := newAuthority(t, answers(400, answer))
		if got := ask(t, source(t, upstream.NewClientCredentials, as.config(clock)), "a", client(clock, time.Hour, nil)); got != unavailable {
			t.Errorf("%s: %q, want %q", answer, got, unavailable)
		}
	}
	clock := newClock()
	as := newAuthority(t, answers(200, `{"access_token":"own","token_type":"N_A"}`))
	if got := ask(t, source(t, upstream.NewClientCredentials, as.config(clock)), "a", nil); got != unavailable {
		t.Errorf("token_type N_A: %q, want %q", got, unavailable)
	}
}

// TestClientCredentialsClock: a clock that was set back lengthens no life.
func TestClientCredentialsClock(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, counting())
	s := source(t, upstream.NewClientCredentials, as.config(clock))
	ask(t, s, "", nil)
	clock.Advance(-2 * time.Hour)
	if got := ask(t, s, "", nil); got != "token-2" {
		t.Errorf("got %q, want token-2", got)
	}
}
