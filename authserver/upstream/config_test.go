package upstream_test

import (
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/upstream"
)

// TestConfig: mistakes are found before anybody is asked, and named as configuration names them.
func TestConfig(t *testing.T) {
	good := func() upstream.Config {
		return upstream.Config{Issuer: "https://as.example.com", ClientID: "gate", ClientSecret: "very-secret"}
	}
	key := must(jose.GenerateSigningKey(jose.ES256, 0))
	tests := []struct {
		name   string
		change func(*upstream.Config)
		want   string // part of the error; "" means accepted
	}{
		{"good", func(*upstream.Config) {}, ""},
		{"endpoint alone", func(c *upstream.Config) { c.Issuer, c.TokenEndpoint = "", "https://as.example.com/token" }, ""},
		{"neither issuer nor endpoint", func(c *upstream.Config) { c.Issuer = "" }, "token_endpoint"},
		{"issuer without TLS", func(c *upstream.Config) { c.Issuer = "http://as.example.com" }, "issuer"},
		{"issuer without TLS on loopback", func(c *upstream.Config) { c.Issuer = "http://localhost:1" }, "insecure_loopback_http"},
		{"issuer without TLS on loopback, allowed", func(c *upstream.Config) { c.Issuer, c.InsecureLoopbackHTTP = "http://localhost:1", true }, ""},
		{"issuer with a query", func(c *upstream.Config) { c.Issuer = "https://as.example.com?a" }, "issuer"},
		{"endpoint without TLS", func(c *upstream.Config) { c.TokenEndpoint = "http://as.example.com/token" }, "token_endpoint"},
		{"endpoint with a password", func(c *upstream.Config) { c.TokenEndpoint = "https://a:very-secret@as.example.com/token" }, "token_endpoint"},
		{"no client", func(c *upstream.Config) { c.ClientID = "" }, "client id"},
		{"no secret", func(c *upstream.Config) { c.ClientSecret = "" }, "secret"},
		{"private_key_jwt", func(c *upstream.Config) {
			c.AuthMethod, c.ClientSecret, c.PrivateKey = oauth.AuthPrivateKeyJWT, "", key
		}, ""},
		{"private_key_jwt without a key", func(c *upstream.Config) { c.AuthMethod, c.ClientSecret = oauth.AuthPrivateKeyJWT, "" }, "private_key_jwt"},
		{"private_key_jwt without an issuer", func(c *upstream.Config) {
			c.AuthMethod, c.ClientSecret, c.PrivateKey = oauth.AuthPrivateKeyJWT, "", key
			c.Issuer, c.TokenEndpoint = "", "https://as.example.com/token"
		}, "issuer"},
		{"a method that there is not", func(c *upstream.Config) { c.AuthMethod = "none" }, "none"},
		{"a scope with a space", func(c *upstream.Config) { c.Scope = []string{"a b"} }, "scope"},
		{"an empty audience", func(c *upstream.Config) { c.Audience = []string{""} }, "audience"},
		{"a relative resource", func(c *upstream.Config) { c.Resource = []string{"/orders"} }, "resource"},
		{"a resource with a fragment", func(c *upstream.Config) { c.Resource = []string{"https://a.example.com/#x"} }, "resource"},
		{"a resource that is a URN", func(c *upstream.Config) { c.Resource = []string{"urn:example:orders"} }, ""},
		{"a negative timeout", func(c *upstream.Config) { c.Timeout = -1 }, "timeout"},
		{"a CA that is none", func(c *upstream.Config) { c.CA = []byte("x") }, "ca_file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good()
			tt.change(&c)
			for _, build := range []func(upstream.Config) (upstream.Source, error){upstream.NewExchange, upstream.NewClientCredentials} {
				s, err := build(c)
				switch {
				case err == nil:
					s.Close()
					if tt.want != "" {
						t.Errorf("accepted, want an error that names %s", tt.want)
					}
				case tt.want == "" || !strings.Contains(err.Error(), tt.want):
					t.Errorf("error = %v, want one that names %q", err, tt.want)
				case strings.Contains(err.Error(), "very-secret"):
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}
