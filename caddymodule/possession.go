package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// DPoP is how a gate judges DPoP proofs (RFC 9449). It needs the gate's url.
type DPoP struct {
	// Refuse tokens that are not bound to a key.
	Required bool `json:"required,omitempty"`
	// Demand nonces of the gate's own (RFC 9449 §9).
	Nonce bool `json:"nonce,omitempty"`
	// Accepted signature algorithms. Default: those that the package dpop has.
	Algorithms []string `json:"algorithms,omitempty"`
	// How old a proof may be, at most 5m. Default: 1m.
	MaxAge caddy.Duration `json:"max_age,omitempty"`
	// Where used proofs are remembered: "process" or "store". Default: store where the gatehouse app's storage is shared by nodes.
	Replay string `json:"replay,omitempty"`
}

// ClientCertificate says where client certificates come from.
type ClientCertificate struct {
	// A request header in which a trusted proxy (Caddy's trusted_proxies) writes the certificate. Default: the TLS connection alone.
	Header string `json:"header,omitempty"`
	// How it is written there: client_cert (RFC 9440, default), pem, or xfcc (Envoy).
	Format string `json:"format,omitempty"`
	// Refuse tokens that are not bound to a certificate.
	Required bool `json:"required,omitempty"`
}

// provisionPossession makes ready how possession is proved; nil where nothing of it is configured.
func (b *BearerAuth) provisionPossession(ctx caddy.Context, app *App) (*resourceserver.Possession, error) {
	return nil, nil
}

func (b *BearerAuth) parseDPoP(d *caddyfile.Dispenser) func() error {
	return func() error { return d.Err("dpop: contract") }
}

func (b *BearerAuth) parseClientCertificate(d *caddyfile.Dispenser) func() error {
	return func() error { return d.Err("client_certificate: contract") }
}
