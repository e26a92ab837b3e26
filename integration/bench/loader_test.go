package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorded is a server that remembers the tokens it was shown.
func recorded(t *testing.T, status int) (addr string, shown func() []string) {
	t.Helper()
	if _, err := newPoller(); err != nil {
		t.Skip(err)
	}
	var mu sync.Mutex
	var tokens []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tokens = append(tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(tokens)
		return tokens
	}
}

func tokens(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("token-%03d", i)
	}
	return list
}

func TestLoadTakesRequestsInTurn(t *testing.T) {
	addr, shown := recorded(t, http.StatusOK)
	l := &load{addr: addr, conns: 4, requests: gets(addr, "/", tokens(50)), want: http.StatusOK}
	defer l.close()
	if err := l.count(150); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(tokens(50), tokens(50), tokens(50))
	slices.Sort(want)
	if got := shown(); !slices.Equal(got, want) {
		t.Errorf("%d requests, want each of 50 thrice: %v", len(got), got)
	}
}

func TestLoadOnceRepeatsNothing(t *testing.T) {
	addr, shown := recorded(t, http.StatusOK)
	l := &load{addr: addr, conns: 4, requests: gets(addr, "/", tokens(30)), want: http.StatusOK, once: true}
	defer l.close()
	got, err := l.send(0, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.answers != 30 || got.window > 30*time.Second {
		t.Errorf("answers = %d in %v, want 30, and no waiting when they are spent", got.answers, got.window)
	}
	if seen := shown(); !slices.Equal(seen, tokens(30)) {
		t.Errorf("tokens shown = %v, want each once", seen)
	}
}

func TestLoadKeepsItsPace(t *testing.T) {
	addr, _ := recorded(t, http.StatusOK)
	l := &load{addr: addr, conns: 4, requests: gets(addr, "/", tokens(1)), want: http.StatusOK, pace: 200}
	defer l.close()
	told := 0
	got, err := l.send(10*time.Millisecond, 500*time.Millisecond, func(bool) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	if most := 200*51/100 + 1; got.answers < 1 || got.answers > most {
		t.Errorf("answers = %d, want 1 to %d in half a second", got.answers, most)
	}
	if told != 2 {
		t.Errorf("counted was told %d times, want at begin and end", told)
	}
}

func TestLoadFailsOnAnotherStatus(t *testing.T) {
	addr, _ := recorded(t, http.StatusUnauthorized)
	for _, tt := range []struct {
		name  string
		want  int
		fails bool
	}{{"expected", http.StatusUnauthorized, false}, {"not expected", http.StatusOK, true}} {
		t.Run(tt.name, func(t *testing.T) {
			l := &load{addr: addr, conns: 1, requests: gets(addr, "/", tokens(1)), want: tt.want}
			defer l.close()
			if err := l.count(3); (err != nil) != tt.fails {
				t.Errorf("error = %v, want one: %v", err, tt.fails)
			}
		})
	}
}

func TestUpstreamAnswersEachHead(t *testing.T) {
	u, err := startUpstream()
	if err != nil {
		t.Skip(err)
	}
	defer u.close()
	conn, err := net.Dial("tcp", u.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := string(get(u.addr(), "/", "x"))
	for _, part := range []string{request, request[:20], request[20:] + request} {
		if _, err := conn.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // so that the parts arrive apart
	}
	var a answers
	for answered := 0; answered < 3; {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(a.room())
		if err != nil {
			t.Fatalf("after %d answers: %v", answered, err)
		}
		for a.took(n); ; answered++ {
			got, whole, err := a.next()
			if err != nil {
				t.Fatal(err)
			}
			if !whole {
				break
			}
			if got.status != http.StatusOK {
				t.Errorf("status = %d, want 200", got.status)
			}
		}
	}
}
