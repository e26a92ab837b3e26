package caddymodule

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// addresses are request headers that hold the address of this or another request: browsers and proxies write them.
var addresses = []string{"Referer", "X-Forwarded-Uri", "X-Original-Uri", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Path", "X-Envoy-Original-Path"}

// accessLog stands in for Caddy's access log where that would have a code or a token
// in it. In the front channel these travel in addresses: an answer's in Location, an
// id_token_hint in the request's own; on legacy paths in the path itself, and in headers that only AM knows. Caddy
// hides a few well-known headers alone, not those of DPoP proofs, and lets no
// handler change what it is going to write; but one can be left out. So such a
// request's line is left out and written here, to the same loggers, with REDACTED in the places of the
// values. Fields added by log_append are missing in it.
//
// Who has asked Caddy to log credentials (log_credentials) gets Caddy's own line.
type accessLog struct {
	logger *zap.Logger
	// secrets are the canonical names of headers that say who somebody is, beside those that Caddy hides.
	secrets []string
	// also are canonical names of headers that hold an address, beside those that everybody writes one in.
	also []string
	// parameter is that of a query that holds an SSO token, in lower case.
	parameter string
}

// newAccessLog writes where Caddy's HTTP app of this configuration does. SSO tokens are in headers of the name ssoToken; certificates
// are clients' too, and name people.
func newAccessLog(ctx caddy.Context, ssoToken string, certificates ...string) accessLog {
	return accessLog{
		logger:    ctx.Logger(new(caddyhttp.App)).Named("log.access"),
		secrets:   append(certificates, http.CanonicalHeaderKey(ssoToken), "X-Openam-Username", "X-Openam-Password", dpop.Header),
		parameter: strings.ToLower(ssoToken),
	}
}

// around serves a request, and writes its line where Caddy must not.
func (l accessLog) around(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request) error) (err error) {
	logs := loggedBy(r)
	if logs == nil {
		return serve(w, r)
	}
	start, rec := time.Now(), caddyhttp.NewResponseRecorder(w, nil, nil)
	defer func() { l.write(logs, r, rec, err, time.Since(start)) }() // after a panic too
	return serve(rec, r)
}

// loggedBy is how Caddy logs the request, or nil where there is nothing to see to.
func loggedBy(r *http.Request) *caddyhttp.ServerLogConfig {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Logs == nil || server.Logs.ShouldLogCredentials {
		return nil
	}
	return server.Logs
}

// concerns reports whether a request that others will answer is of a client of the legacy paths, whose line has to be looked at all
// the same: the paths are switched off, or are served by somebody else still.
func (l accessLog) concerns(r *http.Request) bool {
	if loggedBy(r) == nil {
		return false
	}
	if strings.HasPrefix(r.URL.Path, "/am/") {
		return true
	}
	for _, name := range l.secrets {
		if r.Header[name] != nil {
			return true
		}
	}
	uri := r.RequestURI
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		uri = original.RequestURI
	}
	_, hidden := authserver.Redact(uri)
	for _, field := range addresses {
		for _, address := range r.Header[field] {
			if !hidden {
				_, hidden = authserver.Redact(address)
			}
		}
	}
	return hidden
}

// write writes the line if there is something to hide. err is that of a handler which Caddy is going to answer.
func (l accessLog) write(logs *caddyhttp.ServerLogConfig, r *http.Request, rec caddyhttp.ResponseRecorder, err error, took time.Duration) {
	ctx := r.Context()
	if skip, _ := caddyhttp.GetVar(ctx, caddyhttp.LogSkipVar).(bool); skip {
		return
	}
	asked, answered, hidden := l.shown(r, rec.Header())
	if !hidden {
		return
	}
	caddyhttp.SetVar(ctx, caddyhttp.LogSkipVar, true)

	status := rec.Status()
	if err != nil {
		status = http.StatusInternalServerError
		if answer, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
			status = answer.StatusCode
		}
	}
	level, user := levelOf(r, status), ""
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
				zap.Int("size", rec.Size()), zap.Int("status", status),
				zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: answered}),
				decisionField(r),
			)
		}
	}
}

// shown are copies of a request, as it came, and of its answer's header, without what opens something; hidden tells whether there
// was such a thing.
func (l accessLog) shown(r *http.Request, header http.Header) (asked *http.Request, answered http.Header, hidden bool) {
	asked, answered = r.Clone(r.Context()), header.Clone()
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		asked.Method, asked.RequestURI = original.Method, original.RequestURI
	}
	asked.RequestURI, hidden = l.hide(asked.RequestURI)
	for _, list := range [][]string{addresses, l.also} {
		for _, field := range list {
			hidden = l.hideIn(asked.Header, field) || hidden
		}
	}
	hidden = l.hideIn(answered, "Location") || hidden
	for _, name := range l.secrets {
		for _, h := range []http.Header{asked.Header, answered} { // in answers, for another proxy
			for i := range h[name] {
				h[name][i], hidden = redacted, true
			}
		}
	}
	return asked, answered, hidden
}

// levelOf is the level that Caddy would write a line at: that which the request was given, or that of the status.
func levelOf(r *http.Request, status int) zapcore.Level {
	if name, ok := caddyhttp.GetVar(r.Context(), caddyhttp.LogLevelVar).(string); ok {
		if wanted, err := zapcore.ParseLevel(name); err == nil && wanted >= zapcore.DebugLevel && wanted <= zapcore.ErrorLevel {
			return wanted
		}
	}
	if status >= http.StatusInternalServerError {
		return zapcore.ErrorLevel
	}
	return zapcore.InfoLevel
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
func (l accessLog) hideIn(h http.Header, field string) (hidden bool) {
	for i, address := range h[field] {
		shown, some := l.hide(address)
		h[field][i] = shown
		hidden = hidden || some
	}
	return hidden
}

// redacted stands for what is hidden.
const redacted = "REDACTED"

// longestName is the length of the longest name of a parameter that is shown. Codes and tokens have 43 characters or more.
const longestName = 40

// hide replaces what opens something in an address: in its path, and the values of confidential parameters in its query and in
// its fragment.
func (l accessLog) hide(address string) (shown string, hidden bool) {
	address, hidden = authserver.Redact(address)
	start := strings.IndexAny(address, "?#")
	if start < 0 {
		return address, hidden
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
		plain, err := url.QueryUnescape(name)
		plain = strings.ToLower(plain)
		switch {
		case len(name) > longestName: // a token without a name
			b.WriteString(redacted)
			hidden = true
		case ok && (err != nil || authserver.Confidential(plain) || plain == l.parameter):
			b.WriteString(name + "=" + redacted)
			hidden = true
		default:
			b.WriteString(rest[:end])
		}
		rest = rest[end:]
	}
	return b.String(), hidden
}
