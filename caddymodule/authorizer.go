package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Authorizer has the gate answer other proxies. They must be among Caddy's trusted_proxies: nobody else is answered.
type Authorizer struct {
	// How they ask: "forward" (Caddy's forward_auth, Traefik's ForwardAuth, nginx's auth_request: headers say what is asked about) or
	// "envoy" (ext_authz over gRPC).
	Protocol string `json:"protocol,omitempty"`
	// Headers that name the request's method, path with query, host and scheme; the proxy must set each, whatever its client sent.
	// Default: X-Forwarded-Method, X-Forwarded-Uri, X-Forwarded-Host, X-Forwarded-Proto.
	MethodHeader string `json:"method_header,omitempty"`
	URIHeader    string `json:"uri_header,omitempty"`
	HostHeader   string `json:"host_header,omitempty"`
	ProtoHeader  string `json:"proto_header,omitempty"`
	// Which statuses the proxy understands: "all", or "nginx", whose auth_request knows 401 and 403 alone: refusals with 400 become 401
	// then, with the same challenge. Default: all.
	Statuses string `json:"statuses,omitempty"`

	warned atomic.Int64 // when strangers were last written about, in Unix seconds
	envoy  *extAuthz    // nil for forward
}

// What an Authorizer may be told.
const (
	protocolForward = "forward"
	protocolEnvoy   = "envoy"
	statusesAll     = "all"
	statusesNginx   = "nginx"
)

// provision fills in defaults and refuses what cannot be kept.
func (a *Authorizer) provision(b *BearerAuth) error {
	if b.MCP != nil {
		return errors.New("authorizer: mcp reads bodies, which other proxies do not send: it works for requests that pass through this handler alone")
	}
	switch a.Protocol {
	case protocolForward:
		// Assertions are in answers, where Caddy's access log would have them.
		b.access.secrets = append(b.access.secrets, b.Upstream.headers()...)
		if err := a.provisionForward(); err != nil {
			return err
		}
		b.access.also = []string{a.URIHeader}
		return nil
	case protocolEnvoy:
		if b.ClientCertificate != nil && b.ClientCertificate.Header != "" {
			return errors.New("client_certificate: header is not for authorizer envoy: the header would be that of Envoy's client, and the message has the certificate")
		}
		if a.MethodHeader+a.URIHeader+a.HostHeader+a.ProtoHeader+a.Statuses != "" {
			return errors.New("authorizer: envoy sends what it asks about in messages of its own: it takes no options")
		}
		a.envoy = newExtAuthz(b)
		return nil
	}
	return fmt.Errorf("authorizer: no protocol '%s'; there are: %s, %s", a.Protocol, protocolForward, protocolEnvoy)
}

// serve answers one question with what b decides about the request that is asked about.
func (a *Authorizer) serve(b *BearerAuth, w http.ResponseWriter, r *http.Request) error {
	if b.upstream.publishes(r) {
		return b.upstream.publish(w, r)
	}
	var refused error
	if !fromTrustedProxy(r) {
		b.verifier.observer.Decided(-1, resourceserver.InvalidRequest)
		a.warnOf(b.log, r)
		refused = errStranger
	}
	switch {
	case a.envoy != nil:
		return a.envoy.serve(w, r, refused)
	case refused != nil:
		return b.refuse(w, r, refused)
	}
	if b.upstream != nil && b.upstream.header != "" {
		return b.unlogged(w, r, func(w http.ResponseWriter, r *http.Request) error { return a.answer(b, w, r) })
	}
	return a.answer(b, w, r)
}

// errStranger refuses a question whose answer would be worth something to who asks: what a token says, and the token for the upstream.
var errStranger = &oauth.Error{
	Code: oauth.CodeInvalidRequest, Description: "Only trusted proxies are answered here.",
	Status: http.StatusForbidden, Reason: resourceserver.InvalidRequest.String(),
}

// warnOf writes about a stranger, once a minute at most: anybody may ask.
func (a *Authorizer) warnOf(log *zap.Logger, r *http.Request) {
	now, last := time.Now().Unix(), a.warned.Load()
	if now-last < 60 || !a.warned.CompareAndSwap(last, now) {
		return
	}
	log.Warn("somebody who is not a trusted proxy asks the authorizer; if it is your proxy, name its address in trusted_proxies (global option servers)",
		zap.String("peer", r.RemoteAddr))
}

// judge decides about a request that another proxy asks about, and makes it what the upstream is to see. w is for what its answer is to say.
func (b *BearerAuth) judge(w http.ResponseWriter, asked *http.Request) error {
	b.strip.Strip(asked)
	b.certificates.cleanse(asked)
	return b.admit(w, asked).err
}

// credentialHeaders are the client's credentials, which the upstream gets, or not.
var credentialHeaders = []string{"Authorization", "Dpop"}

// managed are the request headers that the gate sets or takes away: those that the other proxy must take from answers. Credentials come first.
func (b *BearerAuth) managed() []string {
	names := slices.Clone(credentialHeaders)
	for _, f := range b.forward {
		names = append(names, f.Header)
	}
	if b.Upstream != nil {
		for _, name := range b.Upstream.headers() {
			names = append(names, http.CanonicalHeaderKey(name))
		}
	}
	return names
}

// parseAuthorizer reads the option. Syntax:
//
//	authorizer forward {
//	    method_header <header>
//	    uri_header    <header>
//	    host_header   <header>
//	    proto_header  <header>
//	    statuses      all|nginx
//	}
//	authorizer envoy
func (b *BearerAuth) parseAuthorizer(d *caddyfile.Dispenser) func() error {
	return func() error {
		a := new(Authorizer)
		if err := oneString(d, &a.Protocol)(); err != nil {
			return err
		}
		b.Authorizer = a
		options := map[string]option{}
		switch a.Protocol {
		case protocolEnvoy:
		case protocolForward:
			options = map[string]option{
				"method_header": once(oneString(d, &a.MethodHeader)),
				"uri_header":    once(oneString(d, &a.URIHeader)),
				"host_header":   once(oneString(d, &a.HostHeader)),
				"proto_header":  once(oneString(d, &a.ProtoHeader)),
				"statuses":      once(oneOf(d, &a.Statuses, statusesAll, statusesNginx)),
			}
		default:
			return d.Errf("authorizer: no protocol '%s'; there are: %s, %s", a.Protocol, protocolForward, protocolEnvoy)
		}
		if d.NextArg() {
			return d.Errf("authorizer has an argument too many: '%s'", d.Val())
		}
		return eachSubdirective(d, "authorizer "+a.Protocol, options)
	}
}
