package resourceserver_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Every mistake is refused when loaded (CONF of the attack catalogue), with a
// message that names the option; the same configuration without it is good.
func TestConfigMistakes(t *testing.T) {
	type config = resourceserver.Config
	type issuer = resourceserver.Issuer
	good := func() config {
		is := fixed(rsaKey())
		is.JWKS = nil
		return config{Issuers: []issuer{is}}
	}
	introspected := func() config {
		c := good()
		c.Issuers[0].Mode = resourceserver.ModeIntrospect
		c.Issuers[0].Introspection = resourceserver.Introspection{ClientID: "gate", ClientSecret: "s"}
		return c
	}
	secret := func() config {
		c := good()
		c.Issuers[0].Secret = []byte("0123456789abcdef0123456789abcdef")
		return c
	}
	tests := []struct {
		name string
		base func() config
		edit func(c *config, is *issuer)
		want string // option in the message
	}{
		{"no issuer", good, func(c *config, _ *issuer) { c.Issuers = nil }, "issuer"},
		{"empty issuer", good, func(_ *config, is *issuer) { is.Issuer = " " }, "issuer"},
		{"issuer twice", good, func(c *config, is *issuer) { c.Issuers = append(c.Issuers, *is) }, "twice"},
		{"case_36/no audience", good, func(_ *config, is *issuer) { is.Audience = nil }, "audience"},
		{"case_36/empty audience", good, func(_ *config, is *issuer) { is.Audience = []string{""} }, "audience"},
		{"audience and any", good, func(_ *config, is *issuer) { is.AnyAudience = true }, "any_audience"},
		{"case_01/none", good, func(_ *config, is *issuer) { is.Algorithms = []string{"none"} }, "algorithms"},
		{"unknown algorithm", good, func(_ *config, is *issuer) { is.Algorithms = []string{"rs256"} }, "algorithms"},
		{"case_05/symmetric without a secret", good, func(_ *config, is *issuer) { is.Algorithms = []string{"HS256"} }, "algorithms"},
		{"case_05/symmetric with keys by URL", good, func(_ *config, is *issuer) {
			is.JWKSURI, is.Algorithms = "https://as.example.com/jwks", []string{"RS256", "HS256"}
		}, "algorithms"},
		{"case_05/empty secret", good, func(_ *config, is *issuer) { is.Secret = []byte{} }, "secret"},
		{"case_05/blank secret", good, func(_ *config, is *issuer) { is.Secret = []byte(strings.Repeat(" ", 40)) }, "secret"},
		{"case_05/short secret", good, func(_ *config, is *issuer) { is.Secret = []byte("0123456789abcdef0123456789abcde") }, "secret"},
		{"case_05/secret too short for HS512", secret, func(_ *config, is *issuer) { is.Algorithms = []string{"HS512"} }, "secret"},
		{"secret with RS256", secret, func(_ *config, is *issuer) { is.Algorithms = []string{"RS256"} }, "algorithms"},
		{"secret and keys by URL", secret, func(_ *config, is *issuer) { is.JWKSURI = "https://as.example.com/jwks" }, "jwks_uri and secret"},
		{"two sources of keys", good, func(_ *config, is *issuer) {
			is.JWKSURI, is.JWKS = "https://as.example.com/jwks", keySet(rsaKey())
		}, "jwks_uri and jwks_file"},
		{"local and keys", good, func(_ *config, is *issuer) { is.Local, is.JWKS = &local{}, keySet(rsaKey()) }, "local and jwks_file"},
		{"local and introspection", introspected, func(_ *config, is *issuer) { is.Local = &local{} }, "in process"},
		{"unreadable keys", good, func(_ *config, is *issuer) { is.JWKS = []byte("{}") }, "jwks_file"},
		{"no usable key", good, func(_ *config, is *issuer) { is.JWKS = []byte(`{"keys":[{"kty":"XYZ"}]}`) }, "jwks_file"},
		{"case_87/http issuer", good, func(_ *config, is *issuer) { is.Issuer = "http://as.example.com" }, "https"},
		{"case_87/http keys", good, func(_ *config, is *issuer) { is.JWKSURI = "http://as.example.com/jwks" }, "jwks_uri"},
		{"case_87/http keys in spite of loopback", good, func(_ *config, is *issuer) {
			is.JWKSURI, is.InsecureLoopbackHTTP = "http://as.example.com/jwks", true
		}, "jwks_uri"},
		{"case_87/loopback http without the option", good, func(_ *config, is *issuer) { is.JWKSURI = "http://127.0.0.1/jwks" }, "insecure_loopback_http"},
		{"case_87/http introspection", introspected, func(_ *config, is *issuer) { is.Introspection.Endpoint = "http://as.example.com/i" }, "introspection endpoint"},
		{"case_86/unreadable CA", good, func(_ *config, is *issuer) { is.CA = []byte("garbage") }, "ca_file"},
		{"case_86/empty CA", good, func(_ *config, is *issuer) { is.CA = []byte{} }, "ca_file"},
		{"issuer with a query", good, func(_ *config, is *issuer) { is.Issuer += "?x=y" }, "issuer"},
		{"issuer that cannot be discovered", good, func(_ *config, is *issuer) { is.Issuer = "accounts.example.com" }, "issuer"},
		{"user info", good, func(_ *config, is *issuer) { is.JWKSURI = "https://a:b@as.example.com/jwks" }, "jwks_uri"},
		{"skew too large", good, func(_ *config, is *issuer) { is.ClockSkew = 6 * time.Minute }, "clock_skew"},
		{"negative lifetime", good, func(_ *config, is *issuer) { is.MaxLifetime = -1 }, "max_lifetime"},
		{"negative timeout", good, func(_ *config, is *issuer) { is.Timeout = -1 }, "timeout"},
		{"unknown mode", good, func(_ *config, is *issuer) { is.Mode = "trust" }, "verify"},
		{"introspection that is never used", good, func(_ *config, is *issuer) { is.Introspection.ClientID = "gate" }, "introspection"},
		{"no client id", introspected, func(_ *config, is *issuer) { is.Introspection.ClientID = "" }, "client id"},
		{"no client secret", introspected, func(_ *config, is *issuer) { is.Introspection.ClientSecret = "" }, "secret"},
		{"no private key", introspected, func(_ *config, is *issuer) {
			is.Introspection.AuthMethod, is.Introspection.ClientSecret = oauth.AuthPrivateKeyJWT, ""
		}, "private_key_jwt"},
		{"unknown method", introspected, func(_ *config, is *issuer) { is.Introspection.AuthMethod = oauth.AuthNone }, "authentication method"},
		{"signed answers and a secret", introspected, func(_ *config, is *issuer) {
			is.Introspection.Signed, is.Secret, is.Algorithms = true, []byte("0123456789abcdef0123456789abcdef"), []string{"HS256"}
		}, "signed"},
		{"signed answers to no question", good, func(_ *config, is *issuer) { is.Introspection.Signed = true }, "signed"},
		{"case_87/http keys of signed answers", introspected, func(_ *config, is *issuer) {
			is.Introspection.Signed, is.JWKSURI = true, "http://as.example.com/jwks"
		}, "jwks_uri"},
		{"introspection and keys", introspected, func(_ *config, is *issuer) { is.JWKSURI = "https://as.example.com/jwks" }, "jwks_uri"},
		{"negative ttl", introspected, func(_ *config, is *issuer) { is.Introspection.TTL = -1 }, "ttl"},
		{"negative stale", introspected, func(_ *config, is *issuer) { is.Introspection.StaleOnError = -1 }, "stale_on_error"},
		{"no interval", introspected, func(_ *config, is *issuer) { is.Mode = resourceserver.ModeBoth }, "interval"},
		{"two for opaque tokens", introspected, func(c *config, is *issuer) {
			is.Introspection.OpaqueTokens = true
			other := *is
			other.Issuer = "https://other.example.com"
			c.Issuers = append(c.Issuers, other)
		}, "opaque_tokens"},
		{"opaque tokens without introspection", good, func(_ *config, is *issuer) { is.Introspection.OpaqueTokens = true }, "opaque_tokens"},
		{"token size", good, func(c *config, _ *issuer) { c.MaxTokenSize = 2 << 20 }, "max_token_size"},
		{"cache size", good, func(c *config, _ *issuer) { c.BadCacheBytes = -1 }, "cache_size"},
		{"refusals kept too long", good, func(c *config, _ *issuer) { c.RefusedTTL = 2 * time.Minute }, "refused_ttl"},
	}
	for _, base := range []func() config{good, introspected, secret} {
		v, err := resourceserver.New(base())
		if err != nil {
			t.Fatalf("good configuration: %v", err)
		}
		v.Close()
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.base()
			tt.edit(&c, &c.Issuers[0])
			v, err := resourceserver.New(c)
			if err == nil {
				v.Close()
				t.Fatalf("New: no error, want one about %s", tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %q, want it to name %s", err, tt.want)
			}
			if strings.Contains(err.Error(), "0123456789abcdef") {
				t.Errorf("error %q repeats the secret", err)
			}
		})
	}
}

func TestSharedSecretIssuer(t *testing.T) {
	c := newClock()
	is := resourceserver.Issuer{Issuer: "legacy", Secret: []byte("0123456789abcdef0123456789abcdef"), Audience: []string{audience}}
	g := newGate(t, c, is)
	payload := []byte(goodClaims(is.Issuer, c).json())
	g.expect(t, must(jose.SignSecret(jose.HS256, is.Secret, "at+jwt", payload)), pass)
	g.expect(t, must(jose.SignSecret(jose.HS256, []byte("0123456789abcdef0123456789abcdeX"), "at+jwt", payload)), invalid(resourceserver.BadSignature))
	g.expect(t, must(rsaKey().Sign("at+jwt", payload)), invalid(resourceserver.BadAlgorithm))
}

func TestPolicyMistakes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy resourceserver.Policy
		want   string
	}{
		{"two scopes in one", resourceserver.Policy{Scopes: []string{"a b"}}, "scope"},
		{"quote", resourceserver.Policy{AnyScope: []string{`a"`}}, "scope"},
		{"empty audience", resourceserver.Policy{Audience: []string{""}}, "require_audience"},
		{"nameless claim", resourceserver.Policy{Claims: []resourceserver.ClaimRule{{Values: []string{"x"}}}}, "claim"},
		{"claim without values", resourceserver.Policy{Claims: []resourceserver.ClaimRule{{Name: "acr"}}}, "claim acr"},
		{"good", resourceserver.Policy{Scopes: []string{"a"}, AnyScope: []string{"b:c"}, Claims: []resourceserver.ClaimRule{{Name: "acr", Values: []string{""}}}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.policy.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
}
