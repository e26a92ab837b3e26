package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/upstream"
)

// TokenRequest is how a token is obtained from an authorization server. Addresses, credentials, audiences and file names may hold
// global placeholders.
type TokenRequest struct {
	// The authorization server, whose discovery document names the endpoint unless that is given.
	Issuer string `json:"issuer,omitempty"`
	// The token endpoint's address. Default: from the issuer's discovery document.
	TokenEndpoint string `json:"token_endpoint,omitempty"`
	// The client as which the gate authenticates.
	ClientID string `json:"client_id,omitempty"`
	// client_secret_basic (default), client_secret_post or private_key_jwt.
	AuthMethod string `json:"auth_method,omitempty"`
	// The client's secret.
	ClientSecret string `json:"client_secret,omitempty"`
	// A file with the client's private key for private_key_jwt: PEM or JWK.
	PrivateKeyFile string `json:"private_key_file,omitempty"`
	// What the token is for: parameters audience (RFC 8693 §2.1), resource (RFC 8707 §2) and scope.
	Audience []string `json:"audience,omitempty"`
	Resource []string `json:"resource,omitempty"`
	Scope    []string `json:"scope,omitempty"`

	// A PEM file of the certificate authorities to trust for the server, instead of the system's.
	CAFile string `json:"ca_file,omitempty"`
	// Time for one exchange with the server. Default: 5s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
	// Allow http addresses on loopback hosts. For development: anyone on this machine may then stand in for the server.
	InsecureLoopbackHTTP bool `json:"insecure_loopback_http,omitempty"`
}

// sharedSource is a source with its cache, shared by every gate that obtains the same tokens, in this configuration and the next.
type sharedSource struct{ upstream.Source }

// Destruct ends the source's background work and frees its cache, when requests of a replaced configuration have what they wait for.
func (s sharedSource) Destruct() error {
	return retired.close(nil, func() error {
		s.Close()
		return nil
	})
}

// sourceIdentity is all that makes two sources differ. Only its digest is kept.
type sourceIdentity struct {
	Kind    string
	Request *TokenRequest    // expanded
	Issuers []issuerIdentity // of phantom tokens
	Files   files
}

// acquire takes the source for q from the pool.
func (u *upstreamCredentials) acquire(kind string, q *TokenRequest, build func(upstream.Config) (upstream.Source, error)) error {
	request, f, config, err := q.resolve()
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	u.source, err = u.pooled(sourceIdentity{Kind: kind, Request: request, Files: f}, config, build)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

func (u *upstreamCredentials) pooled(id sourceIdentity, config upstream.Config, build func(upstream.Config) (upstream.Source, error)) (upstream.Source, error) {
	encoded, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	config.Log, config.Observer, config.Now = processLog(), metrics.upstream, time.Now
	shared, release, err := acquire(sources, digest(string(encoded)), func() (sharedSource, error) {
		source, err := build(config)
		return sharedSource{source}, err
	})
	if err != nil {
		return nil, err
	}
	u.release = append(u.release, release)
	return shared.Source, nil
}

// resolve expands q and reads its files.
func (q *TokenRequest) resolve() (*TokenRequest, files, upstream.Config, error) {
	r := *q
	var f files
	var config upstream.Config
	e := newExpander()
	err := errors.Join(
		e.one("issuer", &r.Issuer), e.one("token_endpoint", &r.TokenEndpoint), e.one("client_id", &r.ClientID),
		e.one("client_secret", &r.ClientSecret), e.one("private_key_jwt", &r.PrivateKeyFile), e.one("ca_file", &r.CAFile),
		e.all("audience", &r.Audience), e.all("resource", &r.Resource),
	)
	if err != nil {
		return nil, f, config, err
	}
	if f.CA, err = readFile("ca_file", r.CAFile); err != nil {
		return nil, f, config, err
	}
	if f.PrivateKey, err = readFile("private_key_jwt", r.PrivateKeyFile); err != nil {
		return nil, f, config, err
	}
	config = upstream.Config{
		Issuer: r.Issuer, TokenEndpoint: r.TokenEndpoint,
		ClientID: r.ClientID, AuthMethod: r.AuthMethod, ClientSecret: r.ClientSecret,
		Audience: r.Audience, Resource: r.Resource, Scope: r.Scope,
		CA: f.CA, Timeout: time.Duration(r.Timeout), InsecureLoopbackHTTP: r.InsecureLoopbackHTTP,
	}
	if f.PrivateKey != nil {
		if config.AuthMethod == "" {
			config.AuthMethod = oauth.AuthPrivateKeyJWT
		}
		if config.PrivateKey, err = jose.ParseSigningKey(f.PrivateKey, "", ""); err != nil {
			return nil, f, config, fmt.Errorf("private_key_jwt: %s: %w", r.PrivateKeyFile, err)
		}
	}
	return &r, f, config, nil
}

// acquirePhantom takes a source for each issuer that is asked by introspection, and one for all others.
func (u *upstreamCredentials) acquirePhantom(b *BearerAuth, app *App) error {
	all := &phantoms{byIssuer: map[string]upstream.Source{}}
	u.source = all
	var others []issuerIdentity
	for _, written := range b.Issuers {
		id, resolved, err := b.provisionIssuer(written, app)
		if err != nil {
			return fmt.Errorf("issuer %s: %w", written.Issuer, err)
		}
		if resolved.Local != nil || resolved.Introspection.ClientID == "" {
			others = append(others, id)
			continue
		}
		in := &resolved.Introspection
		config := upstream.Config{
			Issuer: resolved.Issuer, IntrospectionEndpoint: in.Endpoint,
			ClientID: in.ClientID, AuthMethod: in.AuthMethod, ClientSecret: in.ClientSecret, PrivateKey: in.PrivateKey,
			CA: resolved.CA, Timeout: resolved.Timeout, InsecureLoopbackHTTP: resolved.InsecureLoopbackHTTP,
		}
		if all.byIssuer[resolved.Issuer], err = u.pooled(sourceIdentity{Kind: "phantom", Issuers: []issuerIdentity{id}}, config, upstream.NewPhantom); err != nil {
			return fmt.Errorf("token phantom: issuer %s: %w", resolved.Issuer, err)
		}
	}
	var err error
	all.others, err = u.pooled(sourceIdentity{Kind: "phantom", Issuers: others}, upstream.Config{}, upstream.NewPhantom)
	return err
}

// phantoms has the phantom tokens of several issuers.
type phantoms struct {
	byIssuer map[string]upstream.Source
	others   upstream.Source // in this process, or with JWTs alone
}

// Token implements upstream.Source.
func (p *phantoms) Token(ctx context.Context, raw string, t *resourceserver.Token) (string, error) {
	if t != nil {
		if source, ok := p.byIssuer[t.Issuer()]; ok {
			return source.Token(ctx, raw, t)
		}
	}
	return p.others.Token(ctx, raw, t)
}

// Close implements upstream.Source: the pool closes those that it has.
func (p *phantoms) Close() {}
