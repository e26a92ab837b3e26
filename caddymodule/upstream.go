package caddymodule

import (
	"context"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Upstream says what the upstream gets in place of the client's token, or beside it. At most one of phantom, exchange and client
// credentials is given; an assertion may be given beside each.
type Upstream struct {
	// A signed JWT in place of an opaque token.
	Phantom *PhantomToken `json:"phantom,omitempty"`
	// Another token in exchange for the client's (RFC 8693).
	Exchange *TokenRequest `json:"exchange,omitempty"`
	// The gate's own token.
	ClientCredentials *TokenRequest `json:"client_credentials,omitempty"`
	// A signed assertion of who asks for what.
	Assertion *Assertion `json:"assertion,omitempty"`
}

// PhantomToken has no options yet but how it is obtained elsewhere: by the introspection of its issuer.
type PhantomToken struct{}

// TokenRequest is how a token is obtained from an authorization server.
type TokenRequest struct {
	Issuer         string   `json:"issuer,omitempty"`
	TokenEndpoint  string   `json:"token_endpoint,omitempty"`
	ClientID       string   `json:"client_id,omitempty"`
	AuthMethod     string   `json:"auth_method,omitempty"`
	ClientSecret   string   `json:"client_secret,omitempty"`
	PrivateKeyFile string   `json:"private_key_file,omitempty"`
	Audience       []string `json:"audience,omitempty"`
	Resource       []string `json:"resource,omitempty"`
	Scope          []string `json:"scope,omitempty"`
}

// Assertion is a signed identity assertion.
type Assertion struct {
	Issuer   string         `json:"issuer,omitempty"` // default: the gate's url
	Audience string         `json:"audience,omitempty"`
	Header   string         `json:"header,omitempty"`
	Claims   []string       `json:"claims,omitempty"`
	TTL      caddy.Duration `json:"ttl,omitempty"`
	KeyFile  string         `json:"key_file,omitempty"` // default: one that is made and kept in Caddy's storage
}

// upstreamCredentials is an Upstream made ready. nil has none.
type upstreamCredentials struct{}

// headers are the request headers that it sets, to be removed from every request.
func (u *Upstream) headers() []string { return nil }

// provisionUpstream makes b.Upstream ready; nil where there is none.
func (b *BearerAuth) provisionUpstream(ctx caddy.Context, app *App) (*upstreamCredentials, error) {
	return nil, nil
}

// publishes reports whether r asks for the keys of assertions, which are for everyone.
func (u *upstreamCredentials) publishes(r *http.Request) bool { return false }

// publish answers with the keys.
func (u *upstreamCredentials) publish(w http.ResponseWriter, r *http.Request) error { return nil }

// apply gives r what the upstream is to get. raw and t are the client's token, "" and nil without one. An error is to be
// answered: the client's token must not go on then.
func (u *upstreamCredentials) apply(ctx context.Context, r *http.Request, raw string, t *resourceserver.Token) error {
	return nil
}

func (u *upstreamCredentials) close() {}

func (b *BearerAuth) parseUpstream(d *caddyfile.Dispenser) func() error {
	return func() error { return d.Err("upstream: contract") }
}
