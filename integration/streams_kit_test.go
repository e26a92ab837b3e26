package integration_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// streamAPI is an API whose answers do not end: events, downloads, WebSockets, and calls whose
// request bodies do not end either, over HTTP/2 without TLS. What it sends comes every few milliseconds.
type streamAPI struct {
	address string
	open    atomic.Int64 // downloads and event streams that are being sent
}

func newStreams(t testing.TB) *streamAPI {
	api := &streamAPI{}
	const beat = 10 * time.Millisecond
	mux := http.NewServeMux()
	endless := func(kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			api.open.Add(1)
			defer api.open.Add(-1)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, text); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				time.Sleep(beat)
			}
		}
	}
	mux.HandleFunc("/events", endless("text/event-stream", "data: tick\n\n"))
	mux.HandleFunc("/download", endless("application/octet-stream", strings.Repeat("x", 16<<10)))
	mux.HandleFunc("/quiet", func(w http.ResponseWriter, r *http.Request) { // says one thing, and then nothing
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/grpc", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		buf := make([]byte, 1024)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				_, _ = w.Write(buf[:n])
				_ = http.NewResponseController(w).Flush()
			}
			if err != nil {
				w.Header().Set("Grpc-Status", "0")
				return
			}
		}
	})
	mux.Handle("/ws", websocket.Server{Handler: func(c *websocket.Conn) { _, _ = io.Copy(c, c) }})
	s := httptest.NewUnstartedServer(mux)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	api.address = strings.TrimPrefix(s.URL, "http://")
	return api
}

// streamKind is a way to open one. It gives what the client receives.
type streamKind struct {
	name string
	open func(ctx context.Context, g streamGate, token string) (io.ReadCloser, error)
}

var streamKinds = []streamKind{
	{"WebSocket", webSocket},
	{"events", func(ctx context.Context, g streamGate, token string) (io.ReadCloser, error) {
		return g.get(ctx, "/events", token)
	}},
	{"download", func(ctx context.Context, g streamGate, token string) (io.ReadCloser, error) {
		return g.get(ctx, "/download", token)
	}},
	{"gRPC", call},
}

// streamGate is a gate in front of the streams: one port without TLS, one with HTTP/2 over it.
type streamGate struct {
	n           *node
	plain, over string // names of ports
	h2          *http.Client
}

// refused is what is in place of a stream.
type refused struct{ status int }

func (r refused) Error() string { return fmt.Sprintf("status %d", r.status) }

func (g streamGate) get(ctx context.Context, path, token string) (io.ReadCloser, error) {
	req := g.n.callRequest(g.plain, path, token).WithContext(ctx)
	r, err := (&http.Client{Transport: g.n.client.Transport}).Do(req) // without the node's time-out
	return body(r, err)
}

func body(r *http.Response, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	if r.StatusCode != http.StatusOK {
		r.Body.Close()
		return nil, refused{r.StatusCode}
	}
	return r.Body, nil
}

// webSocket speaks all the time, and receives its own words.
func webSocket(ctx context.Context, g streamGate, token string) (io.ReadCloser, error) {
	// The handshake's own error does not tell the status.
	req := g.n.callRequest(g.plain, "/ws", token)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Origin": "http://localhost/", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		req.Header.Set(name, value)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", g.n.addr(g.plain))
	if err != nil {
		return nil, err
	}
	config, err := websocket.NewConfig("ws://"+g.n.addr(g.plain)+"/ws", "http://localhost/")
	if err != nil {
		return nil, err
	}
	config.Header = http.Header{"Authorization": req.Header["Authorization"]}
	ws, err := websocket.NewClient(config, conn)
	if err != nil {
		conn.Close()
		if a, err := g.n.try(req); err == nil {
			return nil, refused{a.status}
		}
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	go func() {
		for {
			if _, err := io.WriteString(ws, "tick"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return ws, nil
}

// call sends and receives at once.
func call(ctx context.Context, g streamGate, token string) (io.ReadCloser, error) {
	out, in := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://localhost:"+fmt.Sprint(g.n.ports[g.over])+"/grpc", out)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	go func() {
		for {
			if _, err := io.WriteString(in, "tick"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	r, err := g.h2.Do(req)
	if err == nil && r.ProtoMajor != 2 {
		r.Body.Close()
		return nil, fmt.Errorf("protocol = %s, want HTTP/2", r.Proto)
	}
	return body(r, err)
}

// h2Client speaks HTTP/2 with whoever is at localhost, and has all of its streams on one connection.
func h2Client(t testing.TB, config *tls.Config) *http.Client {
	t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: config.Clone()}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// stream is one that is open.
type stream struct {
	kind   string
	came   atomic.Int64 // bytes
	ended  chan struct{}
	at     time.Time // when it ended
	cancel context.CancelFunc
}

// openStream opens one and waits for its first bytes.
func openStream(t testing.TB, g streamGate, kind, token string) *stream {
	t.Helper()
	i := slices.IndexFunc(streamKinds, func(k streamKind) bool { return k.name == kind })
	ctx, cancel := context.WithCancel(t.Context())
	in, err := streamKinds[i].open(ctx, g, token)
	if err != nil {
		cancel()
		t.Fatalf("%s: %v, want a stream", kind, err)
	}
	return follow(t, kind, in, cancel)
}

func follow(t testing.TB, kind string, in io.ReadCloser, cancel context.CancelFunc) *stream {
	t.Helper()
	s := &stream{kind: kind, ended: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(s.ended)
		defer in.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := in.Read(buf)
			s.came.Add(int64(n))
			if err != nil {
				s.at = time.Now()
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-s.ended })
	eventually(t, 20*time.Second, kind+" begins", func() bool { return s.came.Load() > 0 })
	return s
}

// goesOn insists that more comes.
func (s *stream) goesOn(t testing.TB) {
	t.Helper()
	was := s.came.Load()
	for deadline := time.Now().Add(20 * time.Second); s.came.Load() == was; time.Sleep(5 * time.Millisecond) {
		select {
		case <-s.ended:
			t.Errorf("%s has ended, want it to go on", s.kind)
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Errorf("%s is silent, want it to go on", s.kind)
			return
		}
	}
}

// ends waits for its end, and gives how long after a moment that was.
func (s *stream) ends(t testing.TB, since time.Time, within time.Duration) time.Duration {
	t.Helper()
	select {
	case <-s.ended:
		lag := s.at.Sub(since)
		if lag > within {
			t.Errorf("%s ended after %v, want at most %v", s.kind, lag, within)
		}
		return lag
	case <-time.After(time.Until(since.Add(within + 5*time.Second))):
		t.Errorf("%s goes on %v later, want it to end within %v", s.kind, time.Since(since), within)
		return 0
	}
}
