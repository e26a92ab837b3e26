package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// TestMappedClaimForwarded: a claim that a resource maps reaches the upstream as a
// header and a placeholder, through the gate of the same process.
func TestMappedClaimForwarded(t *testing.T) {
	port := freePort(t)
	base := fmt.Sprintf("http://localhost:%d", port)
	load(t, fmt.Sprintf(`gatehouse {
		storage sqlite {
			path %s/gatehouse.db
		}
		environment demo %s {
			issuer %s/%[2]s/as
			resource orders {
				scope orders:read
				attribute tenant "acme west"
				attribute sub machine
				attribute department ${user.department}
			}
			application worker {
				type worker
				secret worker-secret
				allow orders:read
			}
		}
	}`, t.TempDir(), demoEnvironment, base), fmt.Sprintf(`http://localhost:%d {
		authorization_server
		@api path /api
		bearer_auth @api {
			issuer %s/%s/as
			audience orders
			forward_claim tenant X-Tenant
			forward_claim department X-Department
		}
		respond "{http.request.header.X-Tenant}|{http.auth.user.tenant}|{http.auth.user.id}|{http.request.header.X-Department}"
	}`, port, base, demoEnvironment))

	issued := postWorker(t, base+"/"+demoEnvironment+"/as/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"worker"}})
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(issued.Body), &token); err != nil || token.AccessToken == "" {
		t.Fatalf("token endpoint: %d, %v", issued.Status, err)
	}
	got := get(t, base+"/api", token.AccessToken, "X-Tenant", "forged", "X-Department", "forged")
	if want := "acme west|acme west|machine|"; got.Status != 200 || got.Body != want {
		t.Errorf("upstream: %d %q, want 200 %q", got.Status, got.Body, want)
	}
}

// TestAttributesFormatted: caddy fmt leaves sources as they are.
func TestAttributesFormatted(t *testing.T) {
	const text = "application web {\n\tattribute given ${user.name.given} id_token\n\tattribute tier gold\n}\n"
	if got := string(caddyfile.Format([]byte(text))); got != text {
		t.Errorf("formatted:\n%s", got)
	}
}
