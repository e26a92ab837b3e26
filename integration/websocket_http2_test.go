package integration_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/net/websocket"
)

// socketSite judges WebSockets by what the upstream sees of them: a GET with Upgrade, never a CONNECT.
const socketSite = `
https://localhost:$SOCKETS {
	tls $CERTIFICATE $PRIVATE
	@get method GET
	@connect method CONNECT
	@socket header Upgrade websocket
	bearer_auth {
		issuer $ISSUER
		audience ` + orders + `
		forward_claim client_id X-Client
		rule @get {
			scope orders:read
		}
		rule @socket {
			scope orders:write
		}
		rule @connect {
			scope orders:tunnel
		}
	}
	reverse_proxy $API
}
`

// h2Conn is a connection that speaks HTTP/2 frame by frame, as Go's client begins no WebSockets. One stream at a time is
// looked at; not for concurrent use.
type h2Conn struct {
	tls    *tls.Conn
	framer *http2.Framer
	out    bytes.Buffer
	enc    *hpack.Encoder
	last   uint32 // stream
	set    bool   // its settings have come
	offers bool   // extended CONNECT
	data   map[uint32][]byte
	heads  map[uint32]*http2.MetaHeadersFrame
	over   map[uint32]error // streams that have ended; nil for a proper end
}

func dialH2(t testing.TB, addr string, config *tls.Config) *h2Conn {
	t.Helper()
	config = config.Clone()
	config.ServerName, config.NextProtos = "localhost", []string{"h2"}
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &h2Conn{tls: conn, framer: http2.NewFramer(conn, conn), data: map[uint32][]byte{}, heads: map[uint32]*http2.MetaHeadersFrame{}, over: map[uint32]error{}}
	c.enc = hpack.NewEncoder(&c.out)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := c.framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	c.until(t, "the server's settings", func() bool { return c.set })
	return c
}

// until takes frames in until done.
func (c *h2Conn) until(t testing.TB, what string, done func() bool) {
	t.Helper()
	_ = c.tls.SetReadDeadline(time.Now().Add(10 * time.Second))
	for !done() {
		if err := c.take(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

func (c *h2Conn) take() error {
	frame, err := c.framer.ReadFrame()
	if err != nil {
		return err
	}
	id := frame.Header().StreamID
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return nil
		}
		if v, ok := f.Value(http2.SettingEnableConnectProtocol); ok && v == 1 {
			c.offers = true
		}
		c.set = true
		return c.framer.WriteSettingsAck()
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.framer.WritePing(true, f.Data)
		}
	case *http2.MetaHeadersFrame:
		c.heads[id] = f
		if f.StreamEnded() {
			c.over[id] = nil
		}
	case *http2.DataFrame:
		c.data[id] = append(c.data[id], f.Data()...)
		if f.StreamEnded() {
			c.over[id] = nil
		}
	case *http2.RSTStreamFrame:
		c.over[id] = fmt.Errorf("reset: %v", f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Errorf("GOAWAY: %v", f.ErrCode)
	}
	return nil
}

// begin sends the head of a request, and gives its stream and the status of the answer.
func (c *h2Conn) begin(t testing.TB, fields ...string) (stream uint32, status string) {
	t.Helper()
	if stream = 1; c.last > 0 {
		stream = c.last + 2
	}
	c.last = stream
	c.out.Reset()
	for i := 0; i < len(fields); i += 2 {
		if err := c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: c.out.Bytes(), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	c.until(t, "answer", func() bool { return c.heads[stream] != nil || c.over[stream] != nil })
	if c.heads[stream] == nil {
		return stream, c.over[stream].Error()
	}
	return stream, c.heads[stream].PseudoValue("status")
}

// speak sends a text in a WebSocket and waits for its echo.
func (c *h2Conn) speak(t testing.TB, stream uint32, word string) {
	t.Helper()
	had := len(c.data[stream])
	frame := append([]byte{0x81, 0x80 | byte(len(word)), 0, 0, 0, 0}, word...) // the mask is zero
	if err := c.framer.WriteData(stream, false, frame); err != nil {
		t.Fatal(err)
	}
	want := append([]byte{0x81, byte(len(word))}, word...)
	c.until(t, "echo of "+word, func() bool {
		if err, over := c.over[stream]; over {
			t.Fatalf("the WebSocket is over (%v), want an echo of %s", err, word)
		}
		return len(c.data[stream]) >= had+len(want)
	})
	if got := c.data[stream][had:]; !bytes.Equal(got, want) {
		t.Fatalf("echo = %q, want %q", got, want)
	}
}

// TestAttack90WebSocketOverHTTP2: extended CONNECT (RFC 8441), which Go's server offers where it is told to, begins a WebSocket
// that is judged as the GET that the upstream gets, and that ends with its token, alone of all on its connection.
func TestAttack90WebSocketOverHTTP2(t *testing.T) {
	asked := make(chan *http.Request, 10)
	gone := make(chan struct{}, 10)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Clone(t.Context())
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, "plain")
			return
		}
		websocket.Server{Handler: func(c *websocket.Conn) {
			_, _ = io.Copy(c, c)
			gone <- struct{}{}
		}}.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { api.CloseClientConnections(); api.Close() })
	certificate, key, _ := selfSigned(t, "localhost")
	n := prepare(t, config{
		global: "insecure_unlimited 127.0.0.0/8", sites: socketSite, ports: []string{"sockets"},
		vars: map[string]string{
			"API": strings.TrimPrefix(api.URL, "http://"), "CERTIFICATE": writeFile(t, "cert.pem", certificate), "PRIVATE": writeFile(t, "key.pem", key),
		},
	})
	n.env = append(n.env, "GODEBUG=http2xconnect=1")
	n.run(t)
	c := dialH2(t, n.addr("sockets"), rootsOf(t, n.vars["CERTIFICATE"]))
	if !c.offers {
		t.Fatal("the server does not offer extended CONNECT, want it to with http2xconnect=1")
	}
	authority := fmt.Sprintf("localhost:%d", n.ports["sockets"])
	connect := func(protocol, token string) (uint32, string) {
		fields := []string{":method", "CONNECT", ":protocol", protocol, ":scheme", "https", ":path", "/ws", ":authority", authority,
			"sec-websocket-version", "13", "origin", "https://localhost", "x-client", "forged"}
		if token != "" {
			fields = append(fields, "authorization", "Bearer "+token)
		}
		return c.begin(t, fields...)
	}
	unseen := func(what string) {
		t.Helper()
		select {
		case r := <-asked:
			t.Errorf("%s: the upstream was asked: %s %s", what, r.Method, r.URL)
		default:
		}
	}
	both, read, write := n.token(t, worker, "orders:read", "orders:write"), n.token(t, worker, "orders:read"), n.token(t, worker, "orders:write")

	for _, tt := range []struct{ name, protocol, token, want string }{
		{"no token", "websocket", "", "401"},
		{"a bad token", "websocket", "x" + both, "401"},
		{"without the scope for Upgrade", "websocket", read, "403"},
		{"without the scope for GET", "websocket", write, "403"},
		{"another protocol", "connect-udp", both, "400"},
		{"another case", "WebSocket", both, "400"},
	} {
		if _, got := connect(tt.protocol, tt.token); got != tt.want {
			t.Errorf("%s: status = %s, want %s", tt.name, got, tt.want)
		}
		unseen(tt.name)
	}
	if _, got := c.begin(t, ":method", "CONNECT", ":authority", authority, "authorization", "Bearer "+both); got != "400" {
		t.Errorf("a tunnel: status = %s, want 400", got)
	}
	unseen("a tunnel")

	kept, revoked := both, n.token(t, worker, "orders:read", "orders:write")
	first, status := connect("websocket", revoked)
	if status != "200" {
		t.Fatalf("a WebSocket: status = %s, want 200", status)
	}
	if r := <-asked; r.Method != http.MethodGet || r.Header.Get("Upgrade") != "websocket" || r.Header.Get("X-Client") == "forged" || r.Header.Get("X-Client") == "" {
		t.Errorf("the upstream got %s with %v, want GET, Upgrade and the client of the token", r.Method, r.Header)
	}
	second, status := connect("websocket", kept)
	if status != "200" {
		t.Fatalf("another WebSocket: status = %s, want 200", status)
	}
	c.speak(t, first, "first")
	c.speak(t, second, "second")
	counted := n.endedFor(t, "revoked")
	n.revoke(t, worker, revoked)
	since := time.Now()
	c.until(t, "the end of a WebSocket whose token is revoked", func() bool {
		_, over := c.over[first]
		return over
	})
	if lag := time.Since(since); lag > streamEnd || c.over[first] == nil {
		t.Errorf("the WebSocket ended after %v with %v, want a reset within %v", lag, c.over[first], streamEnd)
	}
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Error("the upstream goes on")
	}
	if got := n.endedFor(t, "revoked") - counted; got != 1 {
		t.Errorf("the metric counts %v ends, want 1", got)
	}
	c.speak(t, second, "still")
	if _, got := connect("websocket", revoked); got != "401" {
		t.Errorf("with a revoked token: status = %s, want 401", got)
	}

	// The client goes first: the upstream is let go, and what is left of the connection works.
	if err := c.framer.WriteRSTStream(second, http2.ErrCodeCancel); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Error("the upstream goes on after the client has gone")
	}
	if stream, got := connect("websocket", kept); got != "200" {
		t.Errorf("a third WebSocket: status = %s, want 200", got)
	} else {
		c.speak(t, stream, "third")
	}
}
