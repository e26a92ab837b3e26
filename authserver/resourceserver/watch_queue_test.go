package resourceserver_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// ending is a ResponseWriter that says when its exchange has been ended.
type ending struct {
	*httptest.ResponseRecorder
	name string
	all  chan string
	once sync.Once
}

func (e *ending) SetReadDeadline(time.Time) error {
	e.once.Do(func() { e.all <- e.name })
	return nil
}

func (e *ending) SetWriteDeadline(time.Time) error { return nil }

// Case 90: tokens about which somebody has to be asked are asked about so many at a time, and each has its turn, however long that takes. Nothing else
// waits for them: what was revoked here, or has expired, ends while nobody answers, and nobody is asked about a token that expired while it waited.
func TestAttack90EveryTokenHasItsTurn(t *testing.T) {
	const long, short, atOnce = 80, 20, 32
	c := newClock()
	p := newProvider(t, nil)
	elsewhere := p.introspected()
	elsewhere.Timeout = 10 * time.Minute // the test answers when it has seen enough
	l := &local{keys: jose.NewKeySet(rsaKey().Public(), ecKey().Public()), revoked: map[string]bool{}}
	const here = "http://localhost:8080/env/as"
	g := newGate(t, c, elsewhere, resourceserver.Issuer{Issuer: here, Local: l, Audience: []string{audience}})

	// At first every token is good.
	p.set(func(p *provider) {
		p.introspect = func(w http.ResponseWriter, r *http.Request) {
			var answer claims
			payload, err := base64.RawURLEncoding.DecodeString(strings.Split(r.PostFormValue("token"), ".")[1])
			if err != nil || json.Unmarshal(payload, &answer) != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			writeJSON(w, answer.with(claims{"active": true, "token_type": "Bearer"}).json())
		}
	})
	ended := make(chan string, 2*(long+short+1))
	open := map[string]*resourceserver.Watched{}
	names := map[string]string{} // of tokens
	watch := func(name string, made claims) {
		t.Helper()
		token := must(ecKey().Sign("at+jwt", []byte(made.with(claims{"jti": name}).json())))
		r := bearer(token)
		got, err := g.Authorize(r, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		names[token] = name
		_, open[name] = g.Watch(&ending{ResponseRecorder: httptest.NewRecorder(), name: name, all: ended}, r, got)
	}
	for i := range long {
		watch(fmt.Sprint("long ", i), p.claims(c))
	}
	for i := range short {
		watch(fmt.Sprint("short ", i), p.claims(c).with(claims{"exp": c.Now().Add(20 * time.Minute).Unix()}))
	}
	watch("here", goodClaims(here, c))

	// Then nobody answers.
	asked, goOn := make(chan string, 1000), make(chan struct{})
	free := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(free) // before the provider is closed, which waits for its handlers
	var underWay, most atomic.Int64
	p.set(func(p *provider) {
		p.introspect = func(w http.ResponseWriter, r *http.Request) {
			for n := underWay.Add(1); ; {
				if before := most.Load(); n <= before || most.CompareAndSwap(before, n) {
					break
				}
			}
			defer underWay.Add(-1) // before the answer is sent, which is when this returns
			asked <- names[r.PostFormValue("token")]
			<-goOn
			writeJSON(w, `{"active":false}`)
		}
	})
	stuck := time.After(2 * time.Minute)
	over := map[string]bool{}
	wait := func(what string, prefix string, n int) {
		t.Helper()
		for count := 0; count < n; {
			select {
			case name := <-ended:
				over[name] = true
				if strings.HasPrefix(name, prefix) {
					count++
				}
			case <-stuck:
				t.Fatalf("%s: %d of %d have ended", what, count, n)
			}
		}
	}
	c.Advance(10 * time.Minute)
	seen := map[string]bool{}
	for range atOnce {
		select {
		case name := <-asked:
			seen[name] = true
		case <-stuck:
			t.Fatalf("%d tokens are asked about at once, want %d", len(seen), atOnce)
		}
	}
	l.change(func(l *local) { l.revoked["here"] = true })
	wait("revoked here, while nobody answers", "here", 1)
	c.Advance(20 * time.Minute)
	wait("expired, while nobody answers", "short", short)
	if len(over) != short+1 || len(asked) > 0 || len(seen) != atOnce {
		t.Errorf("%d exchanges have ended and %d tokens were asked about, want %d and %d", len(over), len(seen)+len(asked), short+1, atOnce)
	}
	mayBeAsked := map[string]bool{}
	for name := range open {
		mayBeAsked[name] = strings.HasPrefix(name, "long") || seen[name]
	}

	// Each answer makes room for another question, until all have been asked about.
	missing := func() (n int) {
		for name := range open {
			if mayBeAsked[name] && !seen[name] {
				n++
			}
		}
		return n
	}
	for missing() > 0 {
		select {
		case name := <-asked:
			seen[name] = true
		case goOn <- struct{}{}:
		case <-stuck:
			t.Fatalf("%d tokens have not had their turn", missing())
		}
	}
	free()
	for len(over) < len(open) {
		select {
		case name := <-ended:
			over[name] = true
		case <-stuck:
			t.Fatalf("%d exchanges have ended, want all %d", len(over), len(open))
		}
	}
	for name, x := range open {
		want := resourceserver.Inactive
		switch {
		case name == "here":
			want = resourceserver.Revoked
		case strings.HasPrefix(name, "short"):
			want = resourceserver.Expired
		}
		if got := x.Done(); got != want {
			t.Errorf("%s: ended because of %v, want %v", name, got, want)
		}
	}
	for len(asked) > 0 {
		seen[<-asked] = true
	}
	for name := range seen {
		if !mayBeAsked[name] {
			t.Errorf("%s: it was asked about, and had expired while it waited", name)
		}
	}
	if got := most.Load(); got != atOnce {
		t.Errorf("%d questions at once, want %d", got, atOnce)
	}
}
