package caddymodule_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAttackConfiguration has the rows of the attack catalogue that end in CONF:
// refused when the configuration is loaded, in a message that names the option.
// Beside each is the nearest configuration that is fine.
func TestAttackConfiguration(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	jwks := write("keys.json", `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`)
	empty := write("empty", "")
	notPEM := write("not.pem", "not a certificate")
	t.Setenv("CONF_EMPTY", "")
	t.Setenv("CONF_SECRET", secretBase64)
	t.Setenv("CONF_URL", "https://issuer.example.com")

	hmac := func(secret string) string {
		return fmt.Sprintf("issuer https://i.example.com {\nalgorithms HS256\nsecret %s\n}\naudience a", secret)
	}
	introspect := func(more string) string {
		return "issuer https://i.example.com {\nverify introspect\nintrospection {\n" + more + "\n}\n}\naudience a"
	}
	tests := []struct {
		name, bearer string
		want         string // part of the error; empty means accepted
	}{
		{"case_36 audience left out", "issuer https://i.example.com", "audience"},
		{"case_36 any audience, written out", "issuer https://i.example.com\nany_audience", ""},
		{"case_36 audience given", "issuer https://i.example.com\naudience a", ""},
		{"case_36 audience left out for one of two issuers", "issuer https://i.example.com {\naudience a\n}\nissuer https://j.example.com", "audience"},
		{"audience and any_audience", "issuer https://i.example.com\naudience a\nany_audience", "any_audience"},

		{"case_05 empty secret", hmac(`{env.CONF_EMPTY}`), "secret"},
		{"case_05 blank secret", hmac("ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICA="), "secret"},
		{"case_05 31 bytes", hmac("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQ=="), "secret"},
		{"case_05 32 bytes", hmac(secretBase64), ""},
		{"case_05 32 bytes from the environment", hmac("{env.CONF_SECRET}"), ""},
		{"case_05 not base64", hmac("'*'"), "secret"},
		{"case_05 symmetric algorithm for published keys", "issuer https://i.example.com {\nalgorithms HS256\n}\naudience a", "algorithms"},
		{"secret without a symmetric algorithm", "issuer https://i.example.com {\nsecret " + secretBase64 + "\nalgorithms RS256\n}\naudience a", "algorithms"},

		{"case_01 none", "issuer https://i.example.com {\nalgorithms none\n}\naudience a", "algorithms"},
		{"case_04 unknown algorithm", "issuer https://i.example.com {\nalgorithms RS257\n}\naudience a", "algorithms"},
		{"case_04 one algorithm", "issuer https://i.example.com {\nalgorithms ES384\n}\naudience a", ""},

		{"case_87 http", "issuer http://i.example.com\naudience a", "issuer"},
		{"case_87 http on loopback", "issuer http://localhost:1/x\naudience a", "insecure_loopback_http"},
		{"case_87 http on loopback, allowed", "issuer http://localhost:1/x {\ninsecure_loopback_http\n}\naudience a", ""},
		{"case_87 http elsewhere, allowed", "issuer http://i.example.com {\ninsecure_loopback_http\n}\naudience a", "issuer"},
		{"case_87 skip verify", "issuer https://i.example.com {\ninsecure_skip_verify\n}\naudience a", "insecure_skip_verify"},
		{"case_87 http jwks_uri", "issuer https://i.example.com {\njwks_uri http://i.example.com/keys\n}\naudience a", "jwks_uri"},
		{"case_87 http introspection endpoint", introspect("endpoint http://i.example.com/introspect\nbasic a b"), "endpoint"},
		{"case_87 https introspection endpoint", introspect("endpoint https://i.example.com/introspect\nbasic a b"), ""},

		{"case_86 unreadable ca_file", "issuer https://i.example.com {\nca_file " + filepath.Join(dir, "absent.pem") + "\n}\naudience a", "ca_file"},
		{"case_86 ca_file without certificates", "issuer https://i.example.com {\nca_file " + notPEM + "\n}\naudience a", "ca_file"},
		{"empty jwks_file", "issuer https://i.example.com {\njwks_file " + empty + "\n}\naudience a", "jwks_file"},
		{"jwks_file that holds no JWK Set", "issuer https://i.example.com {\njwks_file " + notPEM + "\n}\naudience a", "jwks_file"},
		{"jwks_file", "issuer https://i.example.com {\njwks_file " + jwks + "\n}\naudience a", ""},
		{"jwks_file is a folder", "issuer https://i.example.com {\njwks_file " + dir + "\n}\naudience a", "jwks_file"},
		{"unreadable private key", introspect("private_key_jwt gate " + filepath.Join(dir, "absent.pem")), "private_key_jwt"},
		{"private key that is none", introspect("private_key_jwt gate " + notPEM), "private_key_jwt"},

		{"two key sources", "issuer https://i.example.com {\njwks_uri https://i.example.com/k\njwks_file " + jwks + "\n}\naudience a", "jwks_uri"},
		{"introspection without verify", "issuer https://i.example.com {\nintrospection {\nbasic a b\n}\n}\naudience a", "verify"},
		{"clock_skew too large", "issuer https://i.example.com {\nclock_skew 6m\n}\naudience a", "clock_skew"},
		{"clock_skew none", "issuer https://i.example.com {\nclock_skew 0s\n}\naudience a", ""},
		{"refused_ttl too long", "issuer https://i.example.com\naudience a\nrefused_ttl 2m", "refused_ttl"},
		{"malformed scope", "issuer https://i.example.com\naudience a\nscope \"a b\"", "scope"},
		{"issuer from the environment", "issuer {env.CONF_URL}\naudience a", ""},
		{"issuer from an empty variable", "issuer {env.CONF_EMPTY}\naudience a", "issuer"},
		{"audience from an empty variable", "issuer https://i.example.com\naudience {env.CONF_EMPTY}", "audience"},
		{"case_59 issuer from the request", "issuer https://{http.request.host}\naudience a", "issuer"},
		{"one header for two claims", "issuer https://i.example.com\naudience a\nforward_claim sub X-User\nforward_claim email x_user", "forward_claim"},
		{"two headers for two claims", "issuer https://i.example.com\naudience a\nforward_claim sub X-User\nforward_claim email X-Email", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := validate("{\n" + globals + "\n}\n:8999 {\nbearer_auth {\n" + tt.bearer + "\n}\n}")
			checkRefused(t, err, tt.want)
		})
	}
}

func checkRefused(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && err == nil:
		t.Errorf("accepted, want an error that names %s", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("error %q does not name %s", err, want)
	}
	if err != nil && strings.Contains(err.Error(), strings.TrimRight(secretBase64, "=")) {
		t.Errorf("the error shows a secret: %v", err)
	}
}

// TestGatehouseConfiguration: what the app refuses at load, and that judging a
// configuration leaves nothing on the disk.
func TestGatehouseConfiguration(t *testing.T) {
	t.Setenv("CONF_EMPTY", "")
	t.Setenv("CONF_KEY", secretBase64)
	t.Setenv("CONF_URL", "https://auth.example.com")
	t.Setenv("CONF_DOMAIN", "example.com")
	t.Setenv("CONF_HASH", "$argon2id$v=19$"+secretBase64)
	const env = `environment demo 5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60 {
		issuer https://auth.example.com/5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60/as
		resource orders {
			scope read
			secret %s
		}
	}`
	const withLegacy = "storage sqlite {\npath $DIR/a.db\n}\nlegacy {\nurl https://auth.example.com/am\nrealm alpha demo\n%s\n}\n"
	withDemo := fmt.Sprintf(env, "{env.CONF_KEY}")
	tests := []struct{ name, gatehouse, site, want string }{
		{"sqlite alone", "storage sqlite {\npath $DIR/a.db\n}", "", ""},
		{"sqlite below a folder that is missing", "storage sqlite {\npath $DIR/b/c/a.db\n}", "", ""},
		{"sqlite with a key", "storage sqlite {\npath $DIR/a.db\n}\nsecrets_key {env.CONF_KEY}", "", ""},
		{"sqlite path from an empty variable", "storage sqlite {\npath {env.CONF_EMPTY}\n}", "", "path"},
		{"key in hex", "storage sqlite {\npath $DIR/a.db\n}\nsecrets_key 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "", ""},
		{"key from an empty variable", "storage sqlite {\npath $DIR/a.db\n}\nsecrets_key {env.CONF_EMPTY}", "", "secrets_key"},
		{"key too short", "storage sqlite {\npath $DIR/a.db\n}\nsecrets_key c2hvcnQ=", "", "secrets_key"},
		{"postgres without a key", "storage postgres {\ndsn postgres://127.0.0.1:1/x\n}", "", "secrets_key"},
		{"postgres with a key, unreachable", "storage postgres {\ndsn postgres://127.0.0.1:1/x\n}\nsecrets_key {env.CONF_KEY}", "", ""},
		{"postgres with a DSN that is none", "storage postgres {\ndsn postgres://[\n}\nsecrets_key {env.CONF_KEY}", "", "dsn"},
		{"environment", "storage sqlite {\npath $DIR/a.db\n}\n" + fmt.Sprintf(env, "{env.CONF_KEY}"), "authorization_server", ""},
		{"secret from an empty variable", "storage sqlite {\npath $DIR/a.db\n}\n" + fmt.Sprintf(env, "{env.CONF_EMPTY}"), "", "secret"},
		{"secret that is too short", "storage sqlite {\npath $DIR/a.db\n}\n" + fmt.Sprintf(env, "short"), "", "secret"},
		{"opaque tokens", "storage sqlite {\npath $DIR/a.db\n}\n" + strings.Replace(withDemo, "resource", "access_token_format opaque\nresource", 1), "authorization_server", ""},
		{"opaque tokens of an application", "storage sqlite {\npath $DIR/a.db\n}\n" + strings.Replace(withDemo, "resource", "application a {\ntype web_app\nsecret a-long-secret\naccess_token_format opaque\n}\nresource", 1), "authorization_server", ""},
		{"tokens of a format that there is not", "storage sqlite {\npath $DIR/a.db\n}\n" + strings.Replace(withDemo, "resource", "access_token_format reference\nresource", 1), "", `environment demo: access_token_format "reference" is neither jwt nor opaque`},
		{"an application's tokens of a format that there is not", "storage sqlite {\npath $DIR/a.db\n}\n" + strings.Replace(withDemo, "resource", "application a {\ntype web_app\nsecret a-long-secret\naccess_token_format at+jwt\n}\nresource", 1), "", `application "a": access_token_format "at+jwt" is neither jwt nor opaque`},
		{"unknown surface", "storage sqlite {\npath $DIR/a.db\n}", "authorization_server everything", "everything"},
		{"directive without the app", "-", "authorization_server", "gatehouse"},
		{"legacy", fmt.Sprintf(withLegacy, "") + withDemo, "authorization_server", ""},
		{"legacy listed", fmt.Sprintf(withLegacy, "") + withDemo, "authorization_server oidc legacy", ""},
		{"legacy listed and not configured", "storage sqlite {\npath $DIR/a.db\n}\n" + withDemo, "authorization_server oidc legacy", "legacy"},
		{"legacy configured and nobody serves it", fmt.Sprintf(withLegacy, "") + withDemo, "", ""},
		{"legacy configured and not listed", fmt.Sprintf(withLegacy, "") + withDemo, "authorization_server oidc", ""},
		{"legacy url from a variable", strings.Replace(fmt.Sprintf(withLegacy, ""), "https://auth.example.com", "{env.CONF_URL}", 1) + withDemo, "", ""},
		{"legacy url from an empty variable", strings.Replace(fmt.Sprintf(withLegacy, ""), "https://auth.example.com/am", "{env.CONF_EMPTY}", 1) + withDemo, "", "legacy: url"},
		{"legacy url from a variable that is none", strings.Replace(fmt.Sprintf(withLegacy, ""), "/am", "/{env.CONF_DOMAIN}", 1) + withDemo, "", "legacy: url"},
		{"legacy password from a variable", fmt.Sprintf(withLegacy, "administrator amadmin {env.CONF_KEY}") + withDemo, "", ""},
		{"legacy password from an empty variable", fmt.Sprintf(withLegacy, "administrator amadmin {env.CONF_EMPTY}") + withDemo, "", "legacy: administrator amadmin: password"},
		{"legacy password from a variable that only looks like a hash", fmt.Sprintf(withLegacy, "administrator amadmin {env.CONF_HASH}") + withDemo, "", "legacy: administrator amadmin: password"},
		{"legacy cookie domain from a variable", fmt.Sprintf(withLegacy, "cookie_domain {env.CONF_DOMAIN}") + withDemo, "", ""},
		{"legacy cookie domain from an empty variable", fmt.Sprintf(withLegacy, "cookie_domain {env.CONF_EMPTY}") + withDemo, "", "legacy: cookie_domain"},
		{"realm's issuer in this process needs an audience too", fmt.Sprintf(withLegacy, "") + withDemo, "bearer_auth {\nissuer https://auth.example.com/am/oauth2/realms/root/realms/alpha\n}", "audience"},
		{"realm's issuer in this process", fmt.Sprintf(withLegacy, "") + withDemo, "bearer_auth {\nissuer https://auth.example.com/am/oauth2/realms/root/realms/alpha\naudience orders\n}", ""},
		{"issuer in this process needs an audience too", "storage sqlite {\npath $DIR/a.db\n}\n" + fmt.Sprintf(env, "{env.CONF_KEY}"),
			"bearer_auth {\nissuer https://auth.example.com/5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60/as\n}", "audience"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			option := ""
			if tt.gatehouse != "-" {
				option = "gatehouse {\n" + strings.ReplaceAll(tt.gatehouse, "$DIR", dir) + "\n}\n"
			}
			err := validate("{\n" + globals + option + "}\n:8999 {\n" + tt.site + "\n}\n")
			checkRefused(t, err, tt.want)
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("validating wrote %s", left[0].Name())
			}
		})
	}
}
