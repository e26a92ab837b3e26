package caddymodule

import (
	"context"
	"net/http"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// newGateLog stands in for Caddy's access log at gates, where that would have a token in an address, or a proof of possession in it: one
// that was refused may not have been used yet. Certificates in headers are clients' too, and name people.
func newGateLog(ctx caddy.Context, certificates ...string) accessLog {
	return accessLog{logger: ctx.Logger(new(caddyhttp.App)).Named("log.access"), secrets: append(certificates, dpop.Header)}
}

// tokenParameter is the name of a token in an address, which is refused, or not looked at, and a token nevertheless (RFC 6750 §2.3).
const tokenParameter = "access_token"

// queried reports whether a request has a token in its address, or in that of the page that it comes from.
func queried(r *http.Request) bool {
	if r.URL.RawQuery != "" && strings.Contains(r.URL.RawQuery, tokenParameter) {
		return true
	}
	for _, address := range r.Header["Referer"] {
		if strings.Contains(address, tokenParameter) {
			return true
		}
	}
	return false
}

// serveUnlogged is serve for a request with a proof, or a token in its address, which its line in the access log does not have.
func (b *BearerAuth) serveUnlogged(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return b.unlogged(w, r, func(w http.ResponseWriter, r *http.Request) error { return b.serve(w, r, next) })
}

// unlogged serves a request whose line in the access log is written here, where there is one at all. It may be called in it again.
func (b *BearerAuth) unlogged(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request) error) error {
	if _, again := r.Context().Value(decidedKey{}).(*decided); again || loggedBy(r) == nil {
		return serve(w, r)
	}
	r = r.WithContext(context.WithValue(r.Context(), decidedKey{}, new(decided)))
	// The line is about the request as it came: handlers change it, and take away what is to be hidden.
	return b.access.around(w, r.Clone(r.Context()), func(w http.ResponseWriter, _ *http.Request) error { return serve(w, r) })
}

// decided is what was decided about a request whose line is written here, for that line.
type decided struct{ what zapcore.ObjectMarshaler }

type decidedKey struct{}

// decidedAbout takes note of it, where somebody wants to know.
func decidedAbout(r *http.Request, what zapcore.ObjectMarshaler) {
	if d, ok := r.Context().Value(decidedKey{}).(*decided); ok {
		d.what = what
	}
}

// decisionField is the field of the line, which writes nothing where nothing was decided.
func decisionField(r *http.Request) zap.Field {
	if d, ok := r.Context().Value(decidedKey{}).(*decided); ok && d.what != nil {
		return zap.Inline(d.what)
	}
	return zap.Skip()
}
