package caddymodule

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// provisionForward checks the headers that say what is asked about.
func (a *Authorizer) provisionForward() error {
	var names []string
	for _, h := range []struct {
		option string
		name   *string
		usual  string
	}{
		{"method_header", &a.MethodHeader, "X-Forwarded-Method"},
		{"uri_header", &a.URIHeader, "X-Forwarded-Uri"},
		{"host_header", &a.HostHeader, "X-Forwarded-Host"},
		{"proto_header", &a.ProtoHeader, "X-Forwarded-Proto"},
	} {
		if *h.name == "" {
			*h.name = h.usual
		}
		if !httpguts.ValidHeaderFieldName(*h.name) {
			return fmt.Errorf("authorizer: %s: '%s' is not a header name", h.option, *h.name)
		}
		*h.name = http.CanonicalHeaderKey(*h.name)
		if slices.Contains(names, *h.name) || slices.Contains(reservedHeaders, *h.name) {
			return fmt.Errorf("authorizer: %s: header %s has another meaning already", h.option, *h.name)
		}
		names = append(names, *h.name)
	}
	switch a.Statuses {
	case "", statusesAll, statusesNginx:
		return nil
	}
	return fmt.Errorf("authorizer: statuses: there is no '%s'; there are: %s, %s", a.Statuses, statusesAll, statusesNginx)
}

// answer answers a question that came as headers: with 200 and what the request is to carry on, or with the refusal.
//
// A proxy that copies a header from the answer removes the client's first. So the answer has those that the request is to have, and
// those that it must not have are left out.
func (a *Authorizer) answer(b *BearerAuth, w http.ResponseWriter, r *http.Request) error {
	asked, err := a.question(w, r)
	if err == nil {
		err = b.foreseen(asked)
	}
	if err != nil {
		b.verifier.observer.Decided(-1, resourceserver.InvalidRequest)
	} else {
		err = b.judge(w, asked)
	}
	if err != nil {
		return a.refuse(b, w, r, err)
	}
	h := w.Header()
	h["Cache-Control"] = []string{"no-store"}
	for _, name := range b.managed() {
		if values := asked.Header[name]; len(values) > 0 {
			h[name] = slices.Clone(values)
		}
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// refuse writes the refusal with a status that the proxy understands.
func (a *Authorizer) refuse(b *BearerAuth, w http.ResponseWriter, r *http.Request, err error) error {
	if a.Statuses != statusesNginx {
		return b.refuse(w, r, err)
	}
	err = b.refuse(nginxStatus{w}, r, err)
	if e, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		joinChallenges(w.Header())
		e.StatusCode = forNginx(e.StatusCode)
		return e
	}
	return err
}

// nginxStatus writes statuses that nginx's auth_request understands, and challenges as one header: older versions pass on no more.
type nginxStatus struct{ http.ResponseWriter }

func (w nginxStatus) WriteHeader(status int) {
	joinChallenges(w.Header())
	w.ResponseWriter.WriteHeader(forNginx(status))
}

// joinChallenges makes one header of several challenges (RFC 9110 §11.6.1).
func joinChallenges(h http.Header) {
	if all := h["Www-Authenticate"]; len(all) > 1 {
		h["Www-Authenticate"] = []string{strings.Join(all, ", ")}
	}
}

// forNginx translates the one status that nginx would make an error of its own without anybody having failed. 503 stays: it becomes
// nginx's 500, which is what a gate that cannot tell is.
func forNginx(status int) int {
	if status == http.StatusBadRequest {
		return http.StatusUnauthorized
	}
	return status
}

// question is the request that r asks about: a fresh one, of which nothing but the client's other headers is r's.
func (a *Authorizer) question(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	var values [4]string
	for i, name := range [...]string{a.MethodHeader, a.URIHeader, a.HostHeader, a.ProtoHeader} {
		v := r.Header[name]
		if len(v) != 1 || v[0] == "" {
			return nil, oauth.InvalidRequest("The proxy must name the request that it asks about in one header %s.", name)
		}
		values[i] = v[0]
	}
	// A question with a body is one about a request with a body: a proxy that was told to send it has no other.
	q := question{method: values[0], uri: values[1], host: values[2], scheme: values[3], header: r.Header.Clone(), body: r.ContentLength != 0}
	delete(q.header, a.MethodHeader)
	delete(q.header, a.URIHeader)
	return q.request(w, r)
}

// question is a request in another proxy's words.
type question struct {
	method, uri, host, scheme string
	header                    http.Header
	// body: the request is known to have one, whatever header says.
	body bool
	// tls is what the proxy says of its client's connection; nil for nothing.
	tls *tls.ConnectionState
}

// request makes the question the request that it is about. r is the one that brought it.
func (q *question) request(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	switch q.scheme {
	case "https", "wss": // as Traefik calls WebSockets
		if q.tls == nil {
			q.tls = new(tls.ConnectionState)
		}
	case "http", "ws":
		q.tls = nil
	default:
		return nil, oauth.InvalidRequest("The scheme of the request that is asked about must be http or https.")
	}
	u, ok := parseTarget(q.uri)
	if !ok || !httpguts.ValidHeaderFieldName(q.method) || q.host == "" || strings.ContainsAny(q.host, ", /@") || !httpguts.ValidHostHeader(q.host) {
		return nil, oauth.InvalidRequest("The method, path or host of the request that is asked about is malformed.")
	}
	more := q.body || exceedsPreflight(q.header)
	upgrade := q.header["Upgrade"]
	for _, name := range hopHeaders {
		delete(q.header, name)
	}
	if upgrade != nil { // Envoy's and Caddy's are their clients', and those of others are refused rather than overlooked
		q.header["Upgrade"], q.header["Connection"] = upgrade, []string{"Upgrade"}
	}
	asked := &http.Request{
		Method: q.method, URL: u, RequestURI: q.uri, Host: q.host, TLS: q.tls,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: q.header, Body: http.NoBody, RemoteAddr: r.RemoteAddr,
	}
	if more {
		asked.ContentLength = -1 // how much it is does not matter: see isPreflight
	}
	srv, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	asked = caddyhttp.PrepareRequest(asked.WithContext(r.Context()), caddy.NewReplacer(), w, srv)
	// What is decided belongs into the one line of the access log, in place: placeholders hold on to this very request.
	*asked = *asked.WithContext(context.WithValue(asked.Context(), caddyhttp.ExtraLogFieldsCtxKey, r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey)))
	return asked, nil
}

// hopHeaders speak of the connection between proxy and gate, Upgrade excepted where it is there.
var hopHeaders = []string{"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// parseTarget reads a request target in origin form (RFC 9112 §3.2.1). Another form, or a fragment, which has no place in a target, would
// mean one thing here and another thing elsewhere.
func parseTarget(uri string) (*url.URL, bool) {
	if !strings.HasPrefix(uri, "/") || strings.ContainsAny(uri, "# ") {
		return nil, false
	}
	u, err := url.ParseRequestURI(uri)
	return u, err == nil
}

// foreseen refuses requests with a header that other proxies would let through, where this handler would have removed it: they copy names
// from answers, and so replace those headers in no spelling but their own, and none that answers never have.
func (b *BearerAuth) foreseen(asked *http.Request) error {
	probe := &http.Request{Header: asked.Header.Clone()}
	b.strip.Strip(probe)
	b.certificates.stripTwins(probe)
	managed := b.managed()
	for name := range asked.Header {
		if _, kept := probe.Header[name]; !kept && !slices.Contains(managed, name) {
			return oauth.InvalidRequest("The request has a header that is reserved.")
		}
	}
	// Real preflight requests have neither credentials nor another method: those that look like one are judged as what they might become.
	if isPreflight(asked) {
		before := len(probe.Header)
		if stripPreflight(probe.Header); len(probe.Header) < before {
			delete(asked.Header, "Access-Control-Request-Method")
		}
	}
	return nil
}
