package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"go.uber.org/zap"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

func init() {
	caddy.RegisterModule(BearerAuth{})
}

// BearerAuth lets a request through only with a valid access token of a trusted
// issuer that satisfies the policy, and answers others as RFC 6750 says.
//
// Requests that pass have the placeholders `{http.auth.user.id}` (the token's
// sub) and `{http.auth.user.<claim>}`. Requests that do not are answered with a
// small JSON body, or by the site's error routes where it has some.
//
// Headers that forward_claims may set are removed from every request first,
// however the client spelt them, whether it is let through or not.
type BearerAuth struct {
	// The trusted issuers, at least one.
	Issuers []Issuer `json:"issuers,omitempty"`
	// The audience of issuers that name none themselves: a token must be meant for
	// one of these.
	Audience []string `json:"audience,omitempty"`
	// Accept tokens whatever their audience, for issuers that name none
	// themselves. Without it, an audience is required.
	AnyAudience bool `json:"any_audience,omitempty"`

	// What a token must have, on every request.
	Requirements
	// Further requirements of some requests. They add to those above, and to each other.
	Rules []Rule `json:"rules,omitempty"`
	// Requests that present nothing at all pass too, without a token; a token that is presented must be good. Where a rule
	// matches, a token is required nevertheless.
	Optional bool `json:"optional,omitempty"`
	// Decide, count and log, and let every request pass: for finding out what a gate would refuse. Requests that would have been refused
	// pass without identity headers. Insecure, and said so at start.
	Shadow bool `json:"shadow,omitempty"`
	// Which paths are refused for being ambiguous: "strict", those that an upstream may read otherwise than rules and conditions do (encoded
	// slashes, dot segments, …), or "any", none. Default: strict where rules or conditions are there.
	Paths string `json:"paths,omitempty"`

	// Where clients reach what is behind the gate: a URL of scheme and host, and of the path that proxies in front of this server take
	// off. DPoP proofs are made for it and the path of the request as it came in, and the metadata of the protected resource is there.
	URL string `json:"url,omitempty"`
	// How DPoP proofs are judged (RFC 9449). Without it, tokens that are bound to a key are refused.
	DPoP *DPoP `json:"dpop,omitempty"`
	// Where client certificates come from (RFC 8705). Without it, tokens that are bound to one are refused.
	ClientCertificate *ClientCertificate `json:"client_certificate,omitempty"`
	// The metadata of the protected resource (RFC 9728), which challenges then name.
	ResourceMetadata *ResourceMetadata `json:"resource_metadata,omitempty"`
	// Scopes of tools of the Model Context Protocol.
	MCP *MCP `json:"mcp,omitempty"`
	// What the upstream gets in place of the token, or beside it.
	Upstream *Upstream `json:"upstream,omitempty"`
	// Answer another proxy that asks whether a request may pass, instead of passing it on.
	Authorizer *Authorizer `json:"authorizer,omitempty"`
	// Request headers that are removed from every request: those that mean something behind the gate alone.
	StripHeaders []string `json:"strip_headers,omitempty"`
	// Leave Cache-Control of answers alone. Without it, answers to requests with a token are marked private unless the upstream says
	// something about caches.
	SharedCache bool `json:"shared_cache,omitempty"`

	// Claims that the upstream receives as request headers. Strings, numbers,
	// booleans and arrays of strings (joined by commas) are passed on verbatim; a
	// claim that is absent, empty or cannot be written so leaves the header out.
	ForwardClaims []ForwardClaim `json:"forward_claims,omitempty"`
	// Remove the token from the request before it goes on. Default: it is kept.
	StripToken bool `json:"strip_token,omitempty"`
	// The realm of challenges (RFC 9110 §11.5). Default: none.
	Realm string `json:"realm,omitempty"`

	// Bytes of memory for the results of good tokens. Default: 64 MiB.
	CacheSize int64 `json:"cache_size,omitempty"`
	// Bytes of memory for the results of refused tokens. Default: 16 MiB.
	RefusedCacheSize int64 `json:"refused_cache_size,omitempty"`
	// How long a refusal is remembered, at most 1m. Default: 10s.
	RefusedTTL caddy.Duration `json:"refused_ttl,omitempty"`
	// The longest token that is looked at, in bytes. Default: 16 KiB.
	MaxTokenSize int64 `json:"max_token_size,omitempty"`

	verifier    *sharedVerifier
	release     func() error // gives the verifier back; nil until it is acquired
	policy      *resourceserver.Policy
	rules       []rule
	upstream    *upstreamCredentials // nil: the token is kept or stripped, see StripToken
	metadata    *publicMetadata      // nil without ResourceMetadata
	strictPaths bool
	judged      bool // there are rules or conditions, which may be about methods
	strip       *resourceserver.HeaderStripper
	// certificates are those of clients; nil where none are looked at.
	certificates *clientCertificates
	forward      []ForwardClaim // with canonical header names
	log          *zap.Logger
	access       accessLog
	logged       bool // requests may have lines in an access log
	// namedMatcher reads a matcher where the Caddyfile adapter can: only it knows the named ones.
	namedMatcher func() (caddy.ModuleMap, bool, error)
}

// ClaimRule is a claim and the values of which it must have one. An absent claim
// has none of them. Dots in the name reach into objects.
type ClaimRule struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// ForwardClaim is a claim and the request header that carries it to the upstream.
type ForwardClaim struct {
	Claim  string `json:"claim"`
	Header string `json:"header"`
}

// CaddyModule returns the Caddy module information.
func (BearerAuth) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.bearer_auth",
		New: func() caddy.Module { return new(BearerAuth) },
	}
}

// Provision reads the files that issuers name, checks everything and takes the
// verifier from the pool. It reaches no issuer: keys are fetched when the first
// token comes.
func (b *BearerAuth) Provision(ctx caddy.Context) error {
	b.log = ctx.Logger()
	collect(ctx)
	rememberConns(ctx)
	b.warn(ctx)

	if err := b.provisionHeaders(); err != nil {
		return err
	}
	app, err := configuredApp(ctx)
	if err != nil {
		return err
	}
	if b.verifier, b.release, err = b.acquireVerifier(app); err != nil {
		return err
	}
	possession, err := b.provisionPossession(ctx, app)
	if err != nil {
		return err
	}
	b.access, b.logged = newGateLog(ctx, b.certificates.headers()...), writesLog(ctx)
	if err := b.provisionMetadata(possession); err != nil {
		return err
	}
	if err := b.provisionPolicy(ctx, possession); err != nil {
		return err
	}
	if b.MCP != nil {
		if err := b.MCP.provision(); err != nil {
			return err
		}
	}
	if b.upstream, err = b.provisionUpstream(ctx, app); err != nil {
		return err
	}
	if b.Authorizer != nil {
		return b.Authorizer.provision(b)
	}
	return nil
}

// warn says what a configuration gives up, and what it may give up without knowing.
func (b *BearerAuth) warn(ctx caddy.Context) {
	if b.Shadow {
		b.log.Warn("insecure: shadow is on, every request is let through, with a good token, a bad one or none")
	}
	if server := cacheInFront(ctx); server != "" && b.SharedCache {
		b.log.Warn("insecure: a cache stands before bearer_auth and shared_cache is on: what one client may see, the next one gets without a token; "+
			"order the cache after bearer_auth", zap.String("server", server))
	} else if server != "" {
		b.log.Warn("a cache stands before bearer_auth: what it keeps, it gives out without a token; only Cache-Control of the answers protects them; "+
			"order the cache after bearer_auth", zap.String("server", server))
	}
}

// provisionHeaders checks the identity headers and prepares to strip them.
func (b *BearerAuth) provisionHeaders() error {
	var names []string
	for _, f := range b.ForwardClaims {
		if err := f.check(); err != nil {
			return err
		}
		f.Header = http.CanonicalHeaderKey(f.Header)
		if i := slices.IndexFunc(b.forward, func(g ForwardClaim) bool { return resourceserver.SameHeader(f.Header, g.Header) }); i >= 0 {
			return fmt.Errorf("forward_claim: an upstream may take header %s for %s: each may be set once", f.Header, b.forward[i].Header)
		}
		names = append(names, f.Header)
		b.forward = append(b.forward, f)
	}
	for _, name := range b.StripHeaders {
		if err := checkStripHeader(name); err != nil {
			return err
		}
		names = append(names, name)
	}
	if b.Upstream != nil {
		names = append(names, b.Upstream.headers()...)
	}
	b.strip = resourceserver.NewHeaderStripper(names...)
	return nil
}

// reservedHeaders frame or route a request, or carry credentials; a claim must
// not be able to.
var reservedHeaders = []string{
	"Authorization", "Connection", "Content-Length", "Cookie", "Expect", "Host", "Http2-Settings", "Keep-Alive",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func (f ForwardClaim) check() error {
	switch {
	case f.Claim == "":
		return errors.New("forward_claim: the claim's name is empty")
	case !httpguts.ValidHeaderFieldName(f.Header):
		return fmt.Errorf("forward_claim: '%s' is not a header name", f.Header)
	case slices.Contains(reservedHeaders, http.CanonicalHeaderKey(f.Header)):
		return fmt.Errorf("forward_claim: header %s is not for claims", f.Header)
	}
	return nil
}

// Cleanup gives back what Provision took: nothing, perhaps, if it failed.
func (b *BearerAuth) Cleanup() error {
	b.upstream.close()
	if b.release == nil {
		return nil
	}
	return b.release()
}

var (
	_ caddy.Provisioner           = (*BearerAuth)(nil)
	_ caddy.CleanerUpper          = (*BearerAuth)(nil)
	_ caddyhttp.MiddlewareHandler = (*BearerAuth)(nil)
	_ caddyfile.Unmarshaler       = (*BearerAuth)(nil)
)
