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
	r *http.Request
}

// SetWriteDeadline is for deadlines that are over, with http.ResponseController.
func (x *exchange) SetWriteDeadline(deadline time.Time) error {
	if x.closed() {
		return nil
	}
	return http.NewResponseController(bottom(x.ResponseWriter)).SetWriteDeadline(deadline)
}

// SetReadDeadline is for deadlines that are over, with http.ResponseController.
func (x *exchange) SetReadDeadline(deadline time.Time) error {
	if x.closed() {
		return nil
	}
	return http.NewResponseController(bottom(x.ResponseWriter)).SetReadDeadline(deadline)
}

// closed closes the connection if it is this exchange's alone.
func (x *exchange) closed() bool {
	if x.r.ProtoMajor != 1 {
		return false
	}
	conn, ok := x.r.Context().Value(connKey{}).(net.Conn)
	if !ok {
		return false
	}
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn() // TLS would wait for a client that does not read, to take its leave
	}
	go func() { _ = conn.Close() }() // those of others may wait too
	return true
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
