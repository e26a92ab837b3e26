package caddymodule_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUpstreamConfiguration: what is refused when the configuration is loaded, in a message that names the option; that nobody is contacted
// and nothing written meanwhile. Beside each mistake is the nearest configuration that is fine.
func TestUpstreamConfiguration(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := write("key.jwk", `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`)
	notKey := write("not.pem", "no key")
	t.Setenv("CONF_EMPTY", "")
	t.Setenv("CONF_SECRET", "very-secret")
	t.Setenv("CONF_URL", "https://as.example.com")

	exchange := func(more string) string { return "upstream {\nexchange {\n" + more + "\n}\n}" }
	asserted := func(more string) string { return "upstream {\nassertion {\naudience orders\n" + more + "\n}\n}" }
	tests := []struct {
		name, options string
		want          string // part of the error; empty means accepted
	}{
		{"exchange", exchange("issuer https://as.example.com\nbasic gate secret"), ""},
		{"secret and issuer from the environment", exchange("issuer {env.CONF_URL}\nbasic gate {env.CONF_SECRET}"), ""},
		{"secret from an empty variable", exchange("issuer https://as.example.com\nbasic gate {env.CONF_EMPTY}"), "upstream: exchange: client_secret"},
		{"issuer from an empty variable", exchange("issuer {env.CONF_EMPTY}\nbasic gate secret"), "upstream: exchange: issuer"},
		{"case_59 endpoint from the request", exchange("token_endpoint https://{http.request.host}/token\nbasic gate secret"), "token_endpoint"},
		{"case_87 http", exchange("issuer http://as.example.com\nbasic gate secret"), "upstream: exchange: issuer"},
		{"case_87 http endpoint", exchange("token_endpoint http://as.example.com/token\nbasic gate secret"), "token_endpoint"},
		{"case_87 http on loopback", exchange("issuer http://localhost:1\nbasic gate secret"), "insecure_loopback_http"},
		{"case_87 http on loopback, allowed", exchange("issuer http://localhost:1\nbasic gate secret\ninsecure_loopback_http"), ""},
		{"case_86 unreadable ca_file", exchange("issuer https://as.example.com\nbasic gate secret\nca_file " + filepath.Join(dir, "absent")), "ca_file"},
		{"case_86 ca_file without certificates", exchange("issuer https://as.example.com\nbasic gate secret\nca_file " + notKey), "ca_file"},
		{"private_key_jwt", exchange("issuer https://as.example.com\nprivate_key_jwt gate " + key), ""},
		{"private_key_jwt without issuer", exchange("token_endpoint https://as.example.com/token\nprivate_key_jwt gate " + key), "private_key_jwt"},
		{"private key that is none", exchange("issuer https://as.example.com\nprivate_key_jwt gate " + notKey), "private_key_jwt"},
		{"private key that is not there", exchange("issuer https://as.example.com\nprivate_key_jwt gate " + filepath.Join(dir, "absent")), "private_key_jwt"},
		{"malformed scope", exchange("issuer https://as.example.com\nbasic gate secret\nscope \"a b\""), "scope"},
		{"relative resource", exchange("issuer https://as.example.com\nbasic gate secret\nresource /orders"), "resource"},
		{"resource", exchange("issuer https://as.example.com\nbasic gate secret\nresource urn:example:orders"), ""},

		{"strip_token with exchange", "strip_token\n" + exchange("issuer https://as.example.com\nbasic gate secret"), "strip_token"},
		{"strip_token with token keep", "strip_token\nupstream {\ntoken keep\n}", "strip_token"},
		{"strip_token with token strip", "strip_token\nupstream {\ntoken strip\n}", ""},
		{"strip_token with an assertion", "strip_token\n" + asserted("issuer https://gate.example.com"), ""},
		{"phantom", "upstream {\ntoken phantom\n}", ""},
		{"phantom where only bound tokens pass", "url https://gate.example.com\ndpop {\nrequired\n}\nupstream {\ntoken phantom\n}", "token phantom"},
		{"phantom where bound tokens pass too", "url https://gate.example.com\ndpop\nupstream {\ntoken phantom\n}", ""},

		{"assertion", asserted("issuer https://gate.example.com"), ""},
		{"assertion by the gate's url", "url https://gate.example.com\n" + asserted(""), ""},
		{"assertion of nobody", asserted(""), "upstream: assertion: issuer"},
		{"assertion of a name", asserted("issuer gate"), "upstream: assertion: issuer"},
		{"assertion for too long", asserted("issuer https://gate.example.com\nttl 10m"), "ttl"},
		{"assertion for as long as may be", asserted("issuer https://gate.example.com\nttl 5m"), ""},
		{"assertion with a claim of its own", asserted("issuer https://gate.example.com\nclaim aud"), "aud"},
		{"assertion with a key", asserted("issuer https://gate.example.com\nkey_file " + key), ""},
		{"assertion with a key that is none", asserted("issuer https://gate.example.com\nkey_file " + notKey), "key_file"},
		{"assertion with a key that is not there", asserted("issuer https://gate.example.com\nkey_file " + filepath.Join(dir, "absent")), "key_file"},
		{"assertion with the same key twice", asserted("issuer https://gate.example.com\nkey_file " + key + " " + key), "key_file"},
		{"header of assertions for a claim too", "forward_claim sub gatehouse_assertion\n" + asserted("issuer https://gate.example.com"), "assertion"},
		{"another header for a claim", "forward_claim sub X-User\n" + asserted("issuer https://gate.example.com"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kept := filepath.Join(dir, "storage")
			err := validate("{\n" + globals + keptIn(kept) + "\n}\n:8999 {\nbearer_auth {\nissuer https://i.example.com\nany_audience\n" + tt.options + "\n}\n}")
			checkRefused(t, err, tt.want)
			if err != nil && strings.Contains(err.Error(), "very-secret") {
				t.Errorf("the error shows a secret: %v", err)
			}
			if _, err := os.Stat(filepath.Join(kept, "gatehouse")); err == nil {
				t.Error("validating made a key")
			}
		})
	}
}

// TestUpstreamManual: every Caddyfile of the manual is one.
func TestUpstreamManual(t *testing.T) {
	text, err := os.ReadFile("../docs/upstream.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GATE_SECRET", "gate-secret")
	const environment = "gatehouse {\nenvironment demo 5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60 {\n" +
		"issuer https://auth.example.com/5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60/as\nresource orders {\nscope orders:read\n}\nresource stock {\nscope stock:read\n}\n"
	blocks := regexp.MustCompile("(?s)```caddyfile\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d Caddyfiles in the manual, want one for each mode", len(blocks))
	}
	for _, block := range blocks {
		site, global := block[1], keptIn(t.TempDir())
		switch {
		case strings.HasPrefix(site, "bearer_auth"):
			site = ":8999 {\n" + site + "}\n"
		case strings.HasPrefix(site, "application"):
			site, global = "", global+"\n"+environment+site+"}\n}"
		}
		if err := validate("{\n" + globals + global + "\n}\n" + site); err != nil {
			t.Errorf("%v in\n%s", err, site)
		}
	}
}
