package caddymodule

import (
	"context"
	"net/http"
	"net/url"
	"slices"
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

// writesLog reports whether the server that is being provisioned has an access log. Where that cannot be told, it may have one.
func writesLog(ctx caddy.Context) bool {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return !ok || server.Logs != nil
}

// queried reports whether the line of a request in the access log would have a token in an address: in the request's own, as it came and as handlers
// before this one have written it anew, in that of the page that it comes from, or in the one that another proxy asks about.
func (b *BearerAuth) queried(r *http.Request) bool {
	if !b.logged {
		return false
	}
	if namesToken(r.URL.RawQuery) {
		return true
	}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil && namesToken(original.URL.RawQuery) {
		return true
	}
	return slices.ContainsFunc(r.Header["Referer"], namesToken) ||
		b.Authorizer != nil && slices.ContainsFunc(r.Header[b.Authorizer.URIHeader], namesToken)
}

// namesToken reports whether an address, or its query alone, has a parameter of that name: in any case, and percent-encoded, as the line is searched.
func namesToken(address string) bool {
	for rest := address; rest != ""; {
		end := strings.IndexAny(rest, "&?#;")
		if end < 0 {
			end = len(rest)
		}
		if name, _, ok := strings.Cut(rest[:end], "="); ok && len(name) >= len(tokenParameter) {
			if plain, err := url.QueryUnescape(name); err != nil || strings.EqualFold(plain, tokenParameter) {
				return true
			}
		}
		rest = rest[min(end+1, len(rest)):]
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
