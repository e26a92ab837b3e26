package caddymodule

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// exchange is what a watched request is ended by, at any time and from outside of its handler. Caddy's own writers, which
// set deadlines for themselves with every write, are not made for that.
//
// On HTTP/1 the connection has no other exchange: it is closed. On HTTP/2 a deadline that is over resets the stream, at once and for good; it
// is set below Caddy's writers.
type exchange struct {
	http.ResponseWriter
	r *http.Request // nil when its connection is being closed
}

// SetWriteDeadline is for deadlines that are over, with http.ResponseController. It does not wait.
func (x *exchange) SetWriteDeadline(deadline time.Time) error {
	conn, own := x.conn()
	if !own {
		return http.NewResponseController(bottom(x.ResponseWriter)).SetWriteDeadline(deadline)
	}
	switch conn := conn.(type) {
	// The client sees the end now. To close is more work, as whoever uses the connection has to let it go: it is done
	// when as much has been done for all that end with this one.
	case *net.TCPConn:
		_ = conn.CloseWrite() // fails if it is closed already
	case *net.UnixConn:
		_ = conn.CloseWrite()
	default:
		x.close(conn)
	}
	return nil
}

// SetReadDeadline is for deadlines that are over, with http.ResponseController. It does not wait.
func (x *exchange) SetReadDeadline(deadline time.Time) error {
	conn, own := x.conn()
	if !own {
		return http.NewResponseController(bottom(x.ResponseWriter)).SetReadDeadline(deadline)
	}
	x.close(conn)
	return nil
}

// conn is the connection if it is this exchange's own, and nil if it is being closed.
func (x *exchange) conn() (conn net.Conn, own bool) {
	if x.r == nil {
		return nil, true
	}
	if x.r.ProtoMajor != 1 {
		return nil, false
	}
	if conn, own = x.r.Context().Value(connKey{}).(net.Conn); !own {
		return nil, false
	}
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn() // TLS would wait for a client that does not read, to take its leave
	}
	return conn, true
}

// close closes the connection, once.
func (x *exchange) close(conn net.Conn) {
	if x.r == nil {
		return
	}
	x.r = nil
	go func() { _ = conn.Close() }() // waits for who reads from it, and those of others may wait longer
}

// bottom is the writer of net/http below those of Caddy.
func bottom(w http.ResponseWriter) http.ResponseWriter {
	for {
		above, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = above.Unwrap()
	}
}

type connKey struct{}

// rememberConns has the requests of the server that is being provisioned know their connections.
func rememberConns(ctx caddy.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return
	}
	server.RegisterConnContext(func(ctx context.Context, conn net.Conn) context.Context {
		if ctx.Value(connKey{}) != nil { // for another gate
			return ctx
		}
		return context.WithValue(ctx, connKey{}, conn)
	})
}
