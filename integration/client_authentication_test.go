package integration_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// TestClientAuthentication presents every method to every client: only the one
// that is registered passes (and each refusal has its nearest good input in the
// same row).
func TestClientAuthentication(t *testing.T) {
	n := start(t, config{})
	issuer := n.vars["ISSUER"]
	s := secrets()

	present := map[string]func(id, secret string) (func(*http.Request), []string){
		"basic": func(id, secret string) (func(*http.Request), []string) { return basic(id, secret), nil },
		"post": func(id, secret string) (func(*http.Request), []string) {
			return nil, []string{"client_id", id, "client_secret", secret}
		},
		"secret_jwt": func(id, secret string) (func(*http.Request), []string) {
			key := []byte(secret + strings.Repeat("x", max(0, 32-len(secret))))
			return nil, []string{"client_assertion_type", assertionType,
				"client_assertion", signed(t, jose.HS256, key, "", "JWT", assertion(id, issuer, nil))}
		},
		"private_key_jwt": func(id, _ string) (func(*http.Request), []string) {
			return nil, []string{"client_assertion_type", assertionType,
				"client_assertion", signed(t, jose.RS256, rsaKey("signer"), "signer-1", "JWT", assertion(id, issuer, nil))}
		},
		"none": func(id, _ string) (func(*http.Request), []string) { return nil, []string{"client_id", id} },
	}
	clients := []struct{ id, secret, method string }{
		{"worker", s["BASIC_SECRET"], "basic"},
		{"poster", s["POST_SECRET"], "post"},
		{"macer", s["HMAC_SECRET"], "secret_jwt"},
		{"signer", "", "private_key_jwt"},
	}
	for _, c := range clients {
		for method, how := range present {
			t.Run(c.id+" by "+method, func(t *testing.T) {
				auth, fields := how(c.id, c.secret)
				a := n.form(t, "/token", auth, append(fields, "grant_type", "client_credentials", "scope", "orders:read")...)
				if method == c.method {
					token := n.tokenFrom(t, a)
					if got := n.call(t, "gate", "/", token); got.status != http.StatusOK {
						t.Errorf("the token at the gate: status = %d, want 200", got.status)
					}
					return
				}
				if a.status != http.StatusUnauthorized || a.oauthError() != "invalid_client" {
					t.Errorf("status, error = %d, %q, want 401, invalid_client", a.status, a.oauthError())
				}
				if method == "basic" && !strings.HasPrefix(a.challenge(), "Basic") {
					t.Errorf("WWW-Authenticate = %q, want Basic (RFC 6749 §5.2)", a.challenge())
				}
			})
		}
	}

	t.Run("the previous secret works until its end", func(t *testing.T) {
		n.token(t, basic("worker", s["PREVIOUS_SECRET"]), "orders:read")
	})
	for name, auth := range map[string]func(*http.Request){
		"wrong secret":    basic("worker", s["BASIC_SECRET"]+"x"),
		"empty secret":    basic("worker", ""),
		"unknown client":  basic("nobody", s["BASIC_SECRET"]),
		"disabled client": basic("gone", s["BASIC_SECRET"]),
		"no credentials":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			a := n.form(t, "/token", auth, "grant_type", "client_credentials")
			if a.oauthError() != "invalid_client" && (auth != nil || a.oauthError() != "invalid_request") {
				t.Errorf("status, body = %d, %s, want invalid_client", a.status, a.body)
			}
			if auth != nil && a.status != http.StatusUnauthorized {
				t.Errorf("status = %d, want 401", a.status)
			}
			if strings.Contains(a.body, "secret-") {
				t.Errorf("the answer repeats a secret: %s", a.body)
			}
		})
	}
}

// TestClientAssertions is the claims table of assertions (RFC 7523 §3), each
// refusal next to an accepted neighbour. In the other environment PingOne's
// looser rules are switched on.
func TestClientAssertions(t *testing.T) {
	n := start(t, config{other: "compat assertion_audience_endpoint assertion_replay"})
	issuer := n.vars["ISSUER"]
	s := secrets()
	set := func(name string, value any) func(map[string]any) {
		return func(c map[string]any) { c[name] = value }
	}
	drop := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	shift := func(name string, seconds int64) func(map[string]any) {
		return func(c map[string]any) { c[name] = c["iat"].(int64) + seconds }
	}
	sign := func(edit func(map[string]any)) string {
		return signed(t, jose.RS256, rsaKey("signer"), "signer-1", "JWT", assertion("signer", issuer, edit))
	}
	mac := func(alg jose.SignatureAlgorithm, key string) string {
		return signed(t, alg, []byte(key), "", "", assertion("macer", issuer, nil))
	}
	tests := []struct {
		name      string
		assertion string
		ok        bool
	}{
		{"aud is the issuer", sign(nil), true},
		{"aud is the token endpoint, without compat", sign(set("aud", issuer+"/token")), false},
		{"aud is a list with the issuer", sign(set("aud", []string{"https://x.example", issuer})), false},
		{"aud is another endpoint", sign(set("aud", issuer+"/revoke")), false},
		{"aud is another environment", sign(set("aud", n.vars["OTHER_ISSUER"])), false},
		{"aud has a slash too many", sign(set("aud", issuer+"/")), false},
		{"no aud", sign(drop("aud")), false},
		{"no exp", sign(drop("exp")), false},
		{"exp one hour ahead", sign(shift("exp", 3590)), true},
		{"exp 61 minutes ahead", sign(shift("exp", 3700)), false},
		{"expired", sign(shift("exp", -300)), false},
		{"nbf in the past", sign(shift("nbf", -60)), true},
		{"nbf in the future", sign(shift("nbf", 300)), false},
		{"iss is another client", sign(set("iss", "worker")), false},
		{"sub is another client", sign(set("sub", "worker")), false},
		{"no jti", sign(drop("jti")), true},
		{"signed by another key", signed(t, jose.RS256, rsaKey("stranger"), "signer-1", "JWT", assertion("signer", issuer, nil)), false},
		{"RS512", signed(t, jose.RS512, rsaKey("signer"), "", "JWT", assertion("signer", issuer, nil)), false}, // the key is published for RS256
		{"HS256 with the public key's client", signed(t, jose.HS256, []byte(s["HMAC_SECRET"]), "signer-1", "JWT", assertion("signer", issuer, nil)), false},
		{"HS256", mac(jose.HS256, s["HMAC_SECRET"]), true},
		{"HS512", mac(jose.HS512, s["HMAC_SECRET"]), true},
		{"HS256 with another secret", mac(jose.HS256, s["HMAC_SECRET"]+"x"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := n.form(t, "/token", nil, "grant_type", "client_credentials", "scope", "orders:read",
				"client_assertion_type", assertionType, "client_assertion", tt.assertion)
			if tt.ok {
				n.tokenFrom(t, a)
			} else if a.status != http.StatusUnauthorized || a.oauthError() != "invalid_client" {
				t.Errorf("status, error = %d, %q, want 401, invalid_client", a.status, a.oauthError())
			}
		})
	}

	t.Run("an assertion used twice", func(t *testing.T) {
		once := sign(nil)
		ask := func(issuer, assertion string) answer {
			return n.formAt(t, issuer+"/token", nil, "grant_type", "client_credentials", "scope", "orders:read",
				"client_assertion_type", assertionType, "client_assertion", assertion)
		}
		n.tokenFrom(t, ask(issuer, once))
		if a := ask(issuer, once); a.status != http.StatusUnauthorized || a.oauthError() != "invalid_client" {
			t.Errorf("the second use: %d %s, want 401 invalid_client", a.status, a.body)
		}
		other := n.vars["OTHER_ISSUER"]
		for _, aud := range []string{other, other + "/token"} {
			again := sign(set("aud", aud))
			n.tokenFrom(t, ask(other, again))
			n.tokenFrom(t, ask(other, again))
		}
	})
}
