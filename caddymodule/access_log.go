package caddymodule

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// confidential are the parameters, in an address, whose values open something.
var confidential = map[string]bool{
	"code": true, "access_token": true, "id_token": true, "refresh_token": true, "token": true, "response": true,
	"id_token_hint": true, "logout_token": true, "client_secret": true, "client_assertion": true, "code_verifier": true,
	"assertion": true, "subject_token": true, "actor_token": true, "password": true,
	"request": true, // a request object may have an id_token_hint in it
}

// accessLog stands in for Caddy's access log where that would have a code or a token
// in it. In the front channel these travel in addresses: an answer's in Location, an
// id_token_hint in the request's own. Caddy hides credentials in headers alone, and lets no
// handler change what it is going to write; but one can be left out. So such a
// request's line is left out and written here, to the same loggers, with REDACTED in the places of the
// values. Fields added by log_append are missing in it.
//
// Who has asked Caddy to log credentials (log_credentials) gets Caddy's own line.
type accessLog struct{ logger *zap.Logger }

// newAccessLog writes where Caddy's HTTP app of this configuration does.
func newAccessLog(ctx caddy.Context) accessLog {
	return accessLog{ctx.Logger(new(caddyhttp.App)).Named("log.access")}
}

// around serves a request, and writes its line where Caddy must not.
func (l accessLog) around(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Logs == nil || server.Logs.ShouldLogCredentials {
		serve(w, r)
		return
	}
	start, rec := time.Now(), caddyhttp.NewResponseRecorder(w, nil, nil)
	defer func() { l.write(server.Logs, r, rec, time.Since(start)) }() // after a panic too
	serve(rec, r)
}

// write writes the line if there is something to hide.
func (l accessLog) write(logs *caddyhttp.ServerLogConfig, r *http.Request, rec caddyhttp.ResponseRecorder, took time.Duration) {
	ctx := r.Context()
	if skip, _ := caddyhttp.GetVar(ctx, caddyhttp.LogSkipVar).(bool); skip {
		return
	}
	asked := r.Clone(ctx)
	if original, ok := ctx.Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		asked.Method, asked.RequestURI = original.Method, original.RequestURI
	}
	var inURI, inReferer, inLocation bool
	asked.RequestURI, inURI = hide(asked.RequestURI)
	answered := rec.Header().Clone()
	inReferer = hideIn(asked.Header, "Referer")
	inLocation = hideIn(answered, "Location")
	if !inURI && !inReferer && !inLocation {
		return
	}
	caddyhttp.SetVar(ctx, caddyhttp.LogSkipVar, true)

	level := zapcore.InfoLevel
	if rec.Status() >= http.StatusInternalServerError {
		level = zapcore.ErrorLevel
	}
	if name, ok := caddyhttp.GetVar(ctx, caddyhttp.LogLevelVar).(string); ok {
		if wanted, err := zapcore.ParseLevel(name); err == nil && wanted >= zapcore.DebugLevel && wanted <= zapcore.ErrorLevel {
			level = wanted
		}
	}
	user := ""
	if repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		user, _ = repl.GetString("http.auth.user.id")
	}
	for _, name := range loggerNames(logs, r) {
		line := l.logger
		if name != "" {
			line = line.Named(name)
		}
		if entry := line.Check(level, "handled request"); entry != nil {
			entry.Write(
				zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: asked}),
				zap.Int("bytes_read", int(max(r.ContentLength, 0))), zap.String("user_id", user), zap.Duration("duration", took),
				zap.Int("size", rec.Size()), zap.Int("status", rec.Status()),
				zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: answered}),
			)
		}
	}
}

// loggerNames are the loggers that a request's line goes to, as Caddy chooses them: those that
// the request was given, those of its host, or the server's. None where the host is not logged.
func loggerNames(logs *caddyhttp.ServerLogConfig, r *http.Request) []string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	names, mapped := ofHost(logs.LoggerNames, host)
	if !mapped {
		if logs.SkipUnmappedHosts {
			return nil
		}
		for _, skipped := range logs.SkipHosts {
			if (&caddyhttp.MatchHost{skipped}).Match(r) {
				return nil
			}
		}
		names = []string{logs.DefaultLoggerName}
	}
	if given, ok := caddyhttp.GetVar(r.Context(), caddyhttp.AccessLoggerNameVarKey).([]any); ok {
		names = nil
		for _, name := range given {
			if name, ok := name.(string); ok {
				names = append(names, name)
			}
		}
	}
	return names
}

// ofHost finds the names for a host: its own, or those of a wildcard.
func ofHost(all map[string]caddyhttp.StringArray, host string) (names []string, mapped bool) {
	host = strings.ToLower(host)
	if names, ok := all[host]; ok {
		return names, true
	}
	labels := strings.Split(host, ".")
	for i := range labels {
		if labels[i] == "" {
			continue
		}
		labels[i] = "*"
		if names, ok := all[strings.Join(labels, ".")]; ok {
			return names, true
		}
	}
	return nil, false
}

// hideIn hides what is confidential in the addresses of a header field.
func hideIn(h http.Header, field string) (hidden bool) {
	for i, address := range h[field] {
		shown, some := hide(address)
		h[field][i] = shown
		hidden = hidden || some
	}
	return hidden
}

// hide replaces the values of confidential parameters in an address, in its query and in its fragment.
func hide(address string) (shown string, hidden bool) {
	start := strings.IndexAny(address, "?#")
	if start < 0 {
		return address, false
	}
	var b strings.Builder
	b.WriteString(address[:start])
	for rest := address[start:]; rest != ""; {
		b.WriteByte(rest[0])
		rest = rest[1:]
		end := strings.IndexAny(rest, "&?#;")
		if end < 0 {
			end = len(rest)
		}
		name, _, ok := strings.Cut(rest[:end], "=")
		if plain, err := url.QueryUnescape(name); ok && (err != nil || confidential[strings.ToLower(plain)]) {
			b.WriteString(name + "=REDACTED")
			hidden = true
		} else {
			b.WriteString(rest[:end])
		}
		rest = rest[end:]
	}
	return b.String(), hidden
}
