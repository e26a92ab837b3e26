package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-gatehouse/gatehouse/authserver/assertion"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/upstream"
)

// Upstream says what the upstream gets in place of the client's token, or beside it. At most one of token, exchange and
// client_credentials is given; an assertion may be given beside each.
type Upstream struct {
	// What becomes of the client's token: "keep" (default), "strip", or "phantom": a signed JWT in place of an opaque one, from the
	// issuer that vouches for it.
	Token string `json:"token,omitempty"`
	// Another token in exchange for the client's (RFC 8693).
	Exchange *TokenRequest `json:"exchange,omitempty"`
	// The gate's own token (RFC 6749 §4.4) in place of the client's.
	ClientCredentials *TokenRequest `json:"client_credentials,omitempty"`
	// A signed assertion of who asks for what.
	Assertion *Assertion `json:"assertion,omitempty"`
}

// What becomes of the client's token, as configuration spells it.
const (
	tokenKeep    = "keep"
	tokenStrip   = "strip"
	tokenPhantom = "phantom"
)

// Assertion is a signed JWT that says whose token was verified, for which request.
type Assertion struct {
	// What assertions are issued by: a URL that names the gate. Default: the gate's url.
	Issuer string `json:"issuer,omitempty"`
	// The upstream that they are for. Required.
	Audience string `json:"audience,omitempty"`
	// The request header that has them. Default: Gatehouse-Assertion.
	Header string `json:"header,omitempty"`
	// Claims of the token that they have, beside sub, client_id and scope.
	Claims []string `json:"claims,omitempty"`
	// How long they are good, at most 5m. Default: 1m.
	TTL caddy.Duration `json:"ttl,omitempty"`
	// Files with private keys, PEM or JWK. The first one signs, all are published. Default: a key that is made on first use, kept in
	// Caddy's storage and replaced every 90 days.
	KeyFiles []string `json:"key_files,omitempty"`
}

// keysPath is where the keys of assertions are published.
const keysPath = "/.well-known/gatehouse/jwks.json"

// upstreamCredentials is an Upstream made ready. nil has none.
type upstreamCredentials struct {
	gate    *BearerAuth
	replace bool            // the client's token goes nowhere
	source  upstream.Source // nil: nothing takes its place
	header  string          // of assertions, canonical; "" for none
	signer  *assertion.Signer
	keys    *assertionKeys
	release []func() error // of what is pooled
}

// headers are the request headers that it sets, to be removed from every request.
func (u *Upstream) headers() []string {
	if u == nil || u.Assertion == nil {
		return nil
	}
	return []string{u.Assertion.header()}
}

func (a *Assertion) header() string {
	return http.CanonicalHeaderKey(cmp.Or(a.Header, assertion.Header))
}

// provisionUpstream makes b.Upstream ready; nil where there is none.
func (b *BearerAuth) provisionUpstream(ctx caddy.Context, app *App) (*upstreamCredentials, error) {
	if b.Upstream == nil {
		return nil, nil
	}
	u := &upstreamCredentials{gate: b}
	if err := u.provision(ctx, b, app); err != nil {
		u.close()
		return nil, fmt.Errorf("upstream: %w", err)
	}
	return u, nil
}

func (u *upstreamCredentials) provision(ctx caddy.Context, b *BearerAuth, app *App) error {
	if err := b.Upstream.check(b.StripToken); err != nil {
		return err
	}
	var err error
	switch up := b.Upstream; {
	case up.Exchange != nil:
		u.replace, err = true, u.acquire("exchange", up.Exchange, upstream.NewExchange)
	case up.ClientCredentials != nil:
		u.replace, err = true, u.acquire("client_credentials", up.ClientCredentials, upstream.NewClientCredentials)
	case up.Token == tokenPhantom && b.onlyBound():
		err = errors.New("token phantom: tokens that are bound to a key or a certificate have no phantom, and others do not pass here; " +
			"exchange, token strip and assertion work with them")
	case up.Token == tokenPhantom:
		u.replace, err = true, u.acquirePhantom(b, app)
	case up.Token == tokenStrip:
		u.replace = true
	}
	if err != nil || b.Upstream.Assertion == nil {
		return err
	}
	return u.provisionAssertion(ctx, b)
}

// onlyBound reports whether only tokens pass that are bound.
func (b *BearerAuth) onlyBound() bool {
	return b.Bound != "" || b.DPoP != nil && b.DPoP.Required || b.ClientCertificate != nil && b.ClientCertificate.Required
}

// check refuses what excludes each other.
func (u *Upstream) check(stripToken bool) error {
	var ways []string
	if u.Token != "" && u.Token != tokenKeep {
		ways = append(ways, "token "+u.Token)
	}
	if u.Exchange != nil {
		ways = append(ways, "exchange")
	}
	if u.ClientCredentials != nil {
		ways = append(ways, "client_credentials")
	}
	switch {
	case !slices.Contains([]string{"", tokenKeep, tokenStrip, tokenPhantom}, u.Token):
		return fmt.Errorf("token: '%s' is none of %s, %s and %s", u.Token, tokenKeep, tokenStrip, tokenPhantom)
	case len(ways) > 1:
		return fmt.Errorf("%s and %s exclude each other", ways[0], ways[1])
	case u.Token == tokenKeep && len(ways) > 0:
		return fmt.Errorf("token keep and %s exclude each other", ways[0])
	case stripToken && u.Token == tokenKeep:
		return errors.New("token keep and strip_token exclude each other")
	case stripToken && len(ways) > 0 && u.Token != tokenStrip:
		return fmt.Errorf("strip_token: leave it out, with %s the client's token goes nowhere anyway", ways[0])
	}
	return nil
}

func (a *Assertion) check() error {
	switch {
	case !httpguts.ValidHeaderFieldName(a.header()):
		return fmt.Errorf("assertion: '%s' is not a header name", a.Header)
	case slices.Contains(reservedHeaders, a.header()):
		return fmt.Errorf("assertion: header %s is not for assertions", a.header())
	}
	return nil
}

func (u *upstreamCredentials) provisionAssertion(ctx caddy.Context, b *BearerAuth) error {
	a := *b.Upstream.Assertion
	if a.Issuer == "" {
		a.Issuer = b.URL
	}
	e := newExpander()
	if err := errors.Join(
		e.one("assertion: issuer", &a.Issuer), e.one("assertion: audience", &a.Audience), e.all("assertion: key_file", &a.KeyFiles), a.check(),
	); err != nil {
		return err
	}
	if a.Issuer == "" {
		return errors.New("assertion: issuer is missing: it, or the gate's url, names the gate")
	}
	if i := slices.IndexFunc(b.ForwardClaims, func(f ForwardClaim) bool { return resourceserver.SameHeader(f.Header, a.header()) }); i >= 0 {
		return fmt.Errorf("assertion: an upstream may take header %s for %s of forward_claim", a.header(), b.ForwardClaims[i].Header)
	}
	keys, err := newAssertionKeys(ctx, a.Issuer, a.KeyFiles)
	if err != nil {
		return fmt.Errorf("assertion: %w", err)
	}
	u.keys = keys
	u.signer = &assertion.Signer{Issuer: a.Issuer, Audience: a.Audience, Life: time.Duration(a.TTL), Claims: a.Claims, Key: keys.signing}
	u.header = a.header()
	if err := u.signer.Check(); err != nil {
		return fmt.Errorf("assertion: %w", err)
	}
	return nil
}

// publishes reports whether r asks for the keys of assertions, which are for everyone.
func (u *upstreamCredentials) publishes(r *http.Request) bool {
	return u != nil && u.keys != nil && r.URL.Path == keysPath && r.URL.RawPath == ""
}

// publish answers with the keys.
func (u *upstreamCredentials) publish(w http.ResponseWriter, r *http.Request) error {
	return u.keys.serve(w, r)
}

// apply gives r what the upstream is to get. raw and t are the client's token, "" and nil without one. An error is to be
// answered: the client's token must not go on then.
func (u *upstreamCredentials) apply(ctx context.Context, r *http.Request, raw string, t *resourceserver.Token) error {
	if u == nil {
		return nil
	}
	sent := raw
	if u.replace {
		token, err := u.obtain(ctx, raw, t)
		if err != nil {
			// Made first: it says things in the scheme of the credentials.
			err = u.refuse(r, t, err)
			dropToken(r.Header)
			return err
		}
		dropToken(r.Header)
		if token != "" {
			r.Header["Authorization"] = []string{"Bearer " + token}
			ownCredentials.StripConnection(r.Header)
			sent = token
		}
	}
	if u.signer == nil {
		return nil
	}
	about := assertion.Request{Method: passedMethod(r), Target: r.URL.RequestURI(), Token: sent}
	if t != nil {
		about.Claims, about.TokenIssuer = t.Claims, t.Issuer()
	}
	text, err := u.signer.Sign(ctx, about)
	if err != nil {
		err = u.refuse(r, t, err)
		dropToken(r.Header)
		return err
	}
	r.Header[u.header] = []string{text}
	return nil
}

// ownCredentials is the header with the upstream's token. A client that lists it in Connection would have the next proxy remove it, and the upstream
// take the request for one without a token.
var ownCredentials = resourceserver.NewHeaderStripper("Authorization")

func (u *upstreamCredentials) obtain(ctx context.Context, raw string, t *resourceserver.Token) (string, error) {
	if u.source == nil {
		return "", nil
	}
	return u.source.Token(ctx, raw, t)
}

// refuse is what the client is told. Anything but a word of a Source's own is a 503.
func (u *upstreamCredentials) refuse(r *http.Request, t *resourceserver.Token, err error) error {
	why, wait := resourceserver.UpstreamUnavailable, 0
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		why, wait = e.Why, e.RetryAfter
	}
	refusal := u.gate.verifier.Refuse(r, u.gate.policy, t, why, err)
	if wait > 0 && refusal.RetryAfter > 0 {
		refusal.RetryAfter = wait
	}
	return refusal
}

// dropToken removes the client's token, and the proof that it had it: neither means anything to an upstream that gets another one.
func dropToken(h http.Header) {
	delete(h, "Authorization")
	delete(h, "Dpop")
}

// forget removes what apply gave to a request that somebody else than the upstream gets now.
func (u *upstreamCredentials) forget(h http.Header) {
	if u != nil && u.header != "" {
		delete(h, u.header)
	}
}

func (u *upstreamCredentials) close() {
	if u == nil {
		return
	}
	if u.keys != nil {
		u.keys.close()
	}
	for _, release := range u.release {
		if err := release(); err != nil {
			processLog().Error("closing a source of upstream tokens", "error", err)
		}
	}
}
