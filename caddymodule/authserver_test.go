package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const demoEnvironment = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"

// TestInProcess: a token from the authorization server passes the gate of the same
// process, and not one request more once it is revoked.
func TestInProcess(t *testing.T) {
	dir := t.TempDir()
	port := freePort(t)
	t.Setenv("GATE_WORKER_SECRET", "worker-secret")
	base := fmt.Sprintf("http://localhost:%d", port)
	load(t, fmt.Sprintf(`gatehouse {
		storage sqlite {
			path %s/data/gatehouse.db
		}
		environment demo %s {
			issuer %s/%[2]s/as
			resource orders {
				audience https://orders.example.com
				scope orders:read
			}
			application worker {
				type worker
				secret {env.GATE_WORKER_SECRET}
				allow orders:read
			}
		}
	}`, dir, demoEnvironment, base), fmt.Sprintf(`http://localhost:%d {
		authorization_server
		@api path /api
		bearer_auth @api {
			issuer %s/%s/as
			audience https://orders.example.com
			scope orders:read
		}
		respond "{http.auth.user.client_id}"
	}`, port, base, demoEnvironment))

	issued := postWorker(t, base+"/"+demoEnvironment+"/as/token", url.Values{"grant_type": {"client_credentials"}})
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(issued.Body), &token); err != nil || token.AccessToken == "" {
		t.Fatalf("token endpoint: %d %s", issued.Status, issued.Body)
	}
	if got := get(t, base+"/elsewhere", ""); got.Status != 200 {
		t.Errorf("a path that is not the server's: %d, want it passed on", got.Status)
	}
	if got := get(t, base+"/api", ""); got.Status != 401 {
		t.Errorf("without a token: %d, want 401", got.Status)
	}
	for range 2 {
		if got := get(t, base+"/api", token.AccessToken); got.Status != 200 || got.Body != "worker" {
			t.Errorf("with a token: %d %q, want 200 worker", got.Status, got.Body)
		}
	}
	if got := postWorker(t, base+"/"+demoEnvironment+"/as/revoke", url.Values{"token": {token.AccessToken}}); got.Status != 200 {
		t.Fatalf("revocation: %d %s", got.Status, got.Body)
	}
	if got := get(t, base+"/api", token.AccessToken); got.Status != 401 {
		t.Errorf("with a revoked token: %d, want 401", got.Status)
	}

	info, err := os.Stat(filepath.Join(dir, "data", "gatehouse.db.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v, want mode 0600", info, err)
	}
}

// TestExample keeps Caddyfile.example loadable, formatted and true to what the
// README, the Makefile and the tests rely on.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GATEHOUSE_DATA", t.TempDir())
	if err := validate(string(text)); err != nil {
		t.Fatal(err)
	}
	b, err := adapt(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"listen":"localhost:2019"`, `"127.0.0.1:8080"`, `"127.0.0.1:8081"`, `"127.0.0.1:8082"`, `"127.0.0.1:8089"`, `"metrics":{}`,
		`"id":"` + demoEnvironment + `","issuer":"http://localhost:8080/` + demoEnvironment + `/as"`,
		`"audience":"https://orders.example.com","scopes":["orders:read","orders:write"]`,
		`"client_id":"demo-worker"`, `"secret":"demo-worker-secret"`, `"auth_method":"client_secret_basic"`,
		`"url":"http://localhost:8080/am","realms":[{"realm":"alpha","environment":"demo"}]`,
		`"name":"amadmin","password":"amadmin-demo-pass"`, `"issuer":"http://localhost:8080/am/oauth2/realms/root/realms/alpha"`,
		`"username":"alice","password":"alice-demo-pass"`, `"username":"bob","password":"bob-demo-pass"`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("Caddyfile.example lacks %s", want)
		}
	}
	for _, claim := range []string{ // OIDC Core §5.1, but for sub
		"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "email",
		"email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified", "address", "updated_at",
	} {
		if n := strings.Count(string(b), `"`+claim+`":`); n < 2 {
			t.Errorf("claim %s is filled for %d users, want both", claim, n)
		}
	}
}
