package resourceserver_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// streams is a recorder that is told of exchanges which were ended.
type streams struct {
	*recorder
	ended chan ended
}

type ended struct {
	why resourceserver.Reason
	lag time.Duration
}

func (s *streams) StreamEnded(_ int, why resourceserver.Reason, lag time.Duration) {
	s.ended <- ended{why, lag}
}

// stage is a site behind a gate that watches: a proxy to an upstream, over real connections.
type stage struct {
	local  *local
	clock  *clock
	seen   *streams
	issuer string
	gate   *resourceserver.Verifier
	site   *httptest.Server
	begun  chan struct{}              // for each exchange that is being watched
	done   chan resourceserver.Reason // of each exchange
}

// newStage serves upstream through a proxy behind a gate, over HTTP/2 where h2 is set.
func newStage(t *testing.T, h2 bool, upstream http.HandlerFunc) *stage {
	t.Helper()
	backend := httptest.NewServer(upstream)
	t.Cleanup(backend.Close)
	target := must(url.Parse(backend.URL))
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }}
	return newStageOf(t, h2, proxy)
}

func newStageOf(t *testing.T, h2 bool, behind http.Handler) *stage {
	t.Helper()
	s := &stage{clock: newClock(), seen: &streams{newRecorder(), make(chan ended, 1000)}, begun: make(chan struct{}, 1000), done: make(chan resourceserver.Reason, 1000)}
	s.issuer = "http://localhost:8080/env/as"
	s.local = &local{keys: jose.NewKeySet(rsaKey().Public(), ecKey().Public()), revoked: map[string]bool{}}
	s.serve(t, h2, behind, resourceserver.Issuer{Issuer: s.issuer, Local: s.local, Audience: []string{audience}})
	return s
}

func (s *stage) serve(t *testing.T, h2 bool, behind http.Handler, issuers ...resourceserver.Issuer) {
	t.Helper()
	s.gate = must(resourceserver.New(resourceserver.Config{Issuers: issuers, Now: s.clock.Now, Observer: s.seen}))
	t.Cleanup(s.gate.Close)
	s.site = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := s.gate.Authorize(r, nil)
		if err != nil {
			resourceserver.WriteRefusal(w, err)
			return
		}
		r, watched := s.gate.Watch(w, r, token)
		s.begun <- struct{}{}
		defer func() { s.done <- watched.Done() }()
		behind.ServeHTTP(w, r)
	}))
	s.site.EnableHTTP2 = h2
	if h2 {
		s.site.StartTLS()
	} else {
		s.site.Start()
	}
	t.Cleanup(func() {
		s.site.CloseClientConnections()
		s.site.Close()
	})
}

func (s *stage) token(id string) string {
	return must(ecKey().Sign("at+jwt", []byte(goodClaims(s.issuer, s.clock).with(claims{"jti": id}).json())))
}

func (s *stage) request(t *testing.T, method, id string, body io.Reader) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r := must(http.NewRequestWithContext(ctx, method, s.site.URL, body))
	r.Header.Set("Authorization", "Bearer "+s.token(id))
	return r
}

func (s *stage) revoke(id string) {
	s.local.change(func(l *local) { l.revoked[id] = true })
}

// endless writes for as long as it can.
func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write(make([]byte, 64<<10)); err != nil {
			return
		}
	}
}

// events sends one event and then nothing more.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "data: first\n\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// swallow reads for as long as something comes.
func swallow(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
}

// echo answers what comes, at once, as a stream in both directions does.
func echo(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	_ = c.EnableFullDuplex()
	w.WriteHeader(http.StatusOK)
	_ = c.Flush()
	buf := make([]byte, 1024)
	for {
		n, err := r.Body.Read(buf)
		if _, werr := w.Write(buf[:n]); err != nil || werr != nil {
			return
		}
		_ = c.Flush()
	}
}

// switched is the upstream of a protocol switch: it sends back each line.
func switched(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, line)
	}
}

// begun is an exchange under way: over tells when the client has seen its end.
type begun struct{ over chan error }

// begin starts an exchange and waits until something of its answer has come.
func (s *stage) begin(t *testing.T, kind, id string) begun {
	t.Helper()
	b := begun{make(chan error, 1)}
	defer func() { <-s.begun }()
	if kind == "websocket" {
		b.upgrade(t, s, id)
		return b
	}
	var body io.Reader
	method := http.MethodGet
	if kind == "upload" || kind == "both" {
		reader, writer := io.Pipe()
		method, body = http.MethodPost, reader
		go func() {
			for {
				if _, err := writer.Write(make([]byte, 32<<10)); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
	}
	r := s.request(t, method, id, body)
	if kind == "upload" {
		go func() {
			resp, err := s.site.Client().Do(r)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			b.over <- err
		}()
		return b
	}
	resp, err := s.site.Client().Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("answer = %v, %v", resp, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if kind == "slow download" { // the client reads no more
		go func() {
			time.Sleep(200 * time.Millisecond)
			_, err := io.Copy(io.Discard, resp.Body)
			b.over <- err
		}()
		return b
	}
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatalf("first byte: %v", err)
	}
	go func() {
		_, err := io.Copy(io.Discard, resp.Body)
		b.over <- err
	}()
	return b
}

func (b begun) upgrade(t *testing.T, s *stage, id string) {
	t.Helper()
	var conn net.Conn
	u := must(url.Parse(s.site.URL))
	if u.Scheme == "https" {
		conn = must(tls.Dial("tcp", u.Host, &tls.Config{InsecureSkipVerify: true})) // HTTP/1.1: no ALPN
	} else {
		conn = must(net.Dial("tcp", u.Host))
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer %s\r\n\r\n", s.token(id))
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answer = %v, %v", resp, err)
	}
	fmt.Fprintf(conn, "hello\n")
	if line, err := reader.ReadString('\n'); err != nil || line != "hello\n" {
		t.Fatalf("echo = %q, %v", line, err)
	}
	go func() {
		_, err := reader.ReadString('\n')
		b.over <- err
	}()
}

// kinds are the exchanges of the attack catalogue's case 90, and what is behind the gate for each.
var kinds = map[string]http.HandlerFunc{
	"websocket": switched, "SSE": events, "download": endless, "slow download": endless, "upload": swallow, "both": echo,
}

// Case 90: what is under way ends within the bound when its token is revoked.
func TestAttack90RevokedUnderWay(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for kind, upstream := range kinds {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				s := newStage(t, h2, upstream)
				mine, other := s.begin(t, kind, "id-1"), s.begin(t, kind, "id-2")
				time.Sleep(60 * time.Millisecond)
				start := time.Now()
				s.revoke("id-1")
				select {
				case e := <-s.seen.ended:
					if e.why != resourceserver.Revoked || e.lag > time.Second {
						t.Errorf("ended = %v after %v, want revoked", e.why, e.lag)
					}
				case <-time.After(5 * time.Second):
					t.Fatal("the exchange was not ended")
				}
				t.Logf("ended after %v", time.Since(start))
				select {
				case err := <-mine.over:
					if err == nil && kind != "upload" {
						t.Error("the client saw a proper end, want a broken one")
					}
				case <-time.After(5 * time.Second):
					t.Fatal("the client did not notice")
				}
				if got := <-s.done; got != resourceserver.Revoked {
					t.Errorf("Done = %v, want revoked", got)
				}
				select {
				case err := <-other.over:
					t.Errorf("another token's exchange ended: %v", err)
				case <-time.After(100 * time.Millisecond):
				}
			})
		}
	}
}

// The same at expiry, with the clock skew that requests have.
func TestAttack90ExpiredUnderWay(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for _, kind := range []string{"websocket", "SSE", "download"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				s := newStage(t, h2, kinds[kind])
				mine := s.begin(t, kind, "id-1")
				s.clock.Advance(time.Hour + 29*time.Second)
				select {
				case err := <-mine.over:
					t.Fatalf("ended before its time: %v", err)
				case <-time.After(700 * time.Millisecond):
				}
				s.clock.Advance(time.Second)
				select {
				case <-mine.over:
				case <-time.After(3 * time.Second):
					t.Fatal("the exchange was not ended")
				}
				if e := <-s.seen.ended; e.why != resourceserver.Expired {
					t.Errorf("ended = %v, want expired", e.why)
				}
			})
		}
	}
}

// What a new request would be refused for ends an exchange too.
func TestAttack90OtherEnds(t *testing.T) {
	ends := func(t *testing.T, s *stage, b begun, want resourceserver.Reason) {
		t.Helper()
		select {
		case e := <-s.seen.ended:
			if e.why != want {
				t.Errorf("ended = %v, want %v", e.why, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the exchange was not ended")
		}
		<-b.over
	}
	goesOn := func(t *testing.T, s *stage, d time.Duration) {
		t.Helper()
		select {
		case e := <-s.seen.ended:
			t.Fatalf("ended = %v after %v", e.why, e.lag)
		case <-time.After(d):
		}
	}
	t.Run("the key is withdrawn", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, false, events)
		b := s.begin(t, "SSE", "id-1")
		s.local.change(func(l *local) { l.keys = jose.NewKeySet(rsaKey().Public()) })
		ends(t, s, b, resourceserver.UnknownKey)
	})
	t.Run("the key of another issuer is withdrawn", func(t *testing.T) {
		t.Parallel()
		p := newProvider(t, keySet(ecKey()))
		s := foreign(t, p.jwt(), events)
		s.issuer = p.issuer
		b := s.begin(t, "SSE", "id-1")
		p.set(func(p *provider) { p.jwks = keySet(rsaKey()) })
		goesOn(t, s, 600*time.Millisecond)
		s.clock.Advance(11 * time.Minute) // the keys are fetched again
		ends(t, s, b, resourceserver.UnknownKey)
	})
	t.Run("introspection says so, by itself", func(t *testing.T) {
		t.Parallel()
		p := newProvider(t, nil)
		is := p.introspected()
		is.Introspection.TTL = time.Minute
		s := foreign(t, is, events)
		p.answer(p.active(s.clock))
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.site.URL, nil))
		r.Header.Set("Authorization", "Bearer opaque")
		resp := must(s.site.Client().Do(r))
		defer resp.Body.Close()
		b := begun{make(chan error, 1)}
		go func() {
			_, err := io.Copy(io.Discard, resp.Body)
			b.over <- err
		}()
		for i := range 3 {
			s.clock.Advance(time.Minute)
			waitFor(t, "the call of the next interval", func() bool { return p.introspections.Load() >= int64(i)+2 })
			goesOn(t, s, 1100*time.Millisecond)
		}
		if n := p.introspections.Load(); n != 4 {
			t.Errorf("calls = %d, want 4: one in each interval", n)
		}
		p.set(func(p *provider) { p.introspect = answers(`{"active":false}`) })
		s.clock.Advance(59 * time.Second)
		goesOn(t, s, 700*time.Millisecond)
		s.clock.Advance(time.Second)
		ends(t, s, b, resourceserver.Inactive)
	})
	t.Run("it cannot be told for a moment", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, false, events)
		b := s.begin(t, "SSE", "id-1")
		s.local.change(func(l *local) { l.err = errors.New("the feed is away") })
		goesOn(t, s, 700*time.Millisecond)
		s.local.change(func(l *local) { l.err = nil })
		goesOn(t, s, 200*time.Millisecond)
		s.revoke("id-1")
		ends(t, s, b, resourceserver.Revoked)
	})
	t.Run("it cannot be told for long", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, false, events)
		b := s.begin(t, "SSE", "id-1")
		s.local.change(func(l *local) { l.err = errors.New("the feed is away") })
		goesOn(t, s, 9*time.Second)
		ends(t, s, b, resourceserver.LocalUnavailable)
	})
	t.Run("the verifier is closed", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, false, events)
		b := s.begin(t, "SSE", "id-1")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := s.gate.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain = %v, want it to wait for the exchange", err)
		}
		s.gate.Close()
		ends(t, s, b, resourceserver.LocalUnavailable)
		if err := s.gate.Drain(t.Context()); err != nil {
			t.Errorf("Drain = %v, want nil", err)
		}
	})
	t.Run("revoked between the verdict and the watching", func(t *testing.T) {
		t.Parallel()
		between := func() resourceserver.Reason {
			s := newStage(t, false, events)
			keep := s.begin(t, "SSE", "id-0") // so that somebody is looking already
			token := must(s.gate.Authorize(s.request(t, http.MethodGet, "id-1", nil), nil))
			s.revoke("id-1")
			time.Sleep(100 * time.Millisecond)
			w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
			_, watched := s.gate.Watch(w, s.request(t, http.MethodGet, "id-1", nil), token)
			time.Sleep(90 * time.Millisecond) // some ticks, and not until each exchange is looked at anyway
			got := watched.Done()
			s.revoke("id-0")
			<-keep.over
			return got
		}
		var got resourceserver.Reason
		for range 5 { // others are at work on the machine, a while at most
			if got = between(); got == resourceserver.Revoked {
				return
			}
		}
		t.Errorf("Done = %v each time, want revoked", got)
	})
}

// deadlines is a ResponseWriter that lets deadlines be set.
type deadlines struct {
	*httptest.ResponseRecorder
	set atomic.Int64
}

func (d *deadlines) SetReadDeadline(time.Time) error  { d.set.Add(1); return nil }
func (d *deadlines) SetWriteDeadline(time.Time) error { d.set.Add(1); return nil }

func foreign(t *testing.T, is resourceserver.Issuer, upstream http.HandlerFunc) *stage {
	t.Helper()
	backend := httptest.NewServer(upstream)
	t.Cleanup(backend.Close)
	target := must(url.Parse(backend.URL))
	s := &stage{clock: newClock(), seen: &streams{newRecorder(), make(chan ended, 1000)}, begun: make(chan struct{}, 1000), done: make(chan resourceserver.Reason, 1000)}
	s.serve(t, false, &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }}, is)
	return s
}

// An exchange that is over is left alone, whatever becomes of its token: its connection has other requests by then.
func TestWatchedIsLeftAloneWhenDone(t *testing.T) {
	c := newClock()
	l, g, issuer := newLocal(t, c)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 300 {
				id := fmt.Sprintf("%d-%d", i, n)
				r := bearer(must(ecKeyOf(l).Sign("at+jwt", []byte(goodClaims(issuer, c).with(claims{"jti": id}).json()))))
				token, err := g.Authorize(r, nil)
				if err != nil {
					t.Errorf("Authorize: %v", err)
					return
				}
				w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
				_, watched := g.Watch(w, r, token)
				if n%3 == 0 {
					l.change(func(l *local) { l.revoked[id] = true })
				}
				if n%50 == 0 {
					time.Sleep(30 * time.Millisecond)
				}
				ended := watched.Done()
				before := w.set.Load()
				if (ended != resourceserver.Allowed) != (before > 0) {
					t.Errorf("Done = %v with %d deadlines set", ended, before)
				}
				if n%50 == 1 {
					time.Sleep(30 * time.Millisecond)
				}
				if w.set.Load() != before {
					t.Error("an exchange was ended after it was done")
				}
			}
		})
	}
	wg.Wait()
}

// ecKeyOf has the server publish the quick key too.
func ecKeyOf(l *local) *jose.SigningKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.keys.HasID(ecKey().Public().ID) {
		l.keys = jose.NewKeySet(rsaKey().Public(), ecKey().Public())
	}
	return ecKey()
}

// Anonymous requests, and tokens that no verifier made, are not watched.
func TestWatchNothing(t *testing.T) {
	g := newGate(t, newClock(), fixed(ecKey()))
	r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(""))
	for name, token := range map[string]*resourceserver.Token{"none": nil, "of nobody": {}} {
		got, watched := g.Watch(httptest.NewRecorder(), r, token)
		if got != r || watched.Done() != resourceserver.Allowed {
			t.Errorf("%s: the request was changed or ended", name)
		}
	}
}

// BenchmarkWatch is what every request pays for.
func BenchmarkWatch(b *testing.B) {
	l, _, issuer := newLocal(b, newClock())
	v := benchGate(b, resourceserver.Issuer{Issuer: issuer, Local: l, Audience: []string{audience}})
	r := bearer(sign(liveClaims(issuer)))
	token, err := v.Authorize(r, nil)
	if err != nil {
		b.Fatal(err)
	}
	w := httptest.NewRecorder()
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, watched := v.Watch(w, r, token)
			watched.Done()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, watched := v.Watch(w, r, token)
				watched.Done()
			}
		})
	})
}
