package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// TestOpaqueTokens: the Caddyfile says which access tokens are opaque; gates that name
// an issuer of this process, an environment's own or that of a realm, verify them there, and
// not one request more once they are revoked.
func TestOpaqueTokens(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	base := fmt.Sprintf("http://localhost:%d", port)
	own, realm := base+"/"+demoEnvironment+"/as", base+"/am/oauth2/realms/root/realms/alpha"
	reload := func(environment, worker string) {
		t.Helper()
		load(t, fmt.Sprintf(`gatehouse {
			storage sqlite {
				path %s/gatehouse.db
			}
			environment demo %s {
				issuer %s
				%s
				resource orders {
					audience https://orders.example.com
					scope orders:read
				}
				application worker {
					type worker
					secret worker-secret
					%s
					allow orders:read
				}
			}
			legacy {
				url %s/am
				realm alpha demo
			}
		}`, dir, demoEnvironment, own, environment, worker, base), fmt.Sprintf(`http://localhost:%d {
			authorization_server
			route /own {
				bearer_auth {
					issuer %s
					audience https://orders.example.com
				}
				respond own
			}
			route /realm {
				bearer_auth {
					issuer %s
					audience https://orders.example.com
				}
				respond realm
			}
			route /both {
				bearer_auth {
					issuer %[2]s
					issuer %[3]s
					audience https://orders.example.com
				}
				respond both
			}
		}`, port, own, realm))
		client.CloseIdleConnections() // a reload may close them under a request
	}
	token := func(endpoint string) string {
		t.Helper()
		a := postWorker(t, endpoint, url.Values{"grant_type": {"client_credentials"}})
		var issued struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal([]byte(a.Body), &issued); err != nil || issued.AccessToken == "" {
			t.Fatalf("%s: %d %s", endpoint, a.Status, a.Body)
		}
		return issued.AccessToken
	}
	opaque := func(raw string) bool { return !strings.Contains(raw, ".") }
	expect := func(raw string, statuses map[string]int) {
		t.Helper()
		for range 2 {
			for path, want := range statuses {
				got := get(t, base+path, raw)
				if got.Status != want || want == 200 && got.Body != path[1:] {
					t.Errorf("%s: %d %q, want %d", path, got.Status, got.Body, want)
				}
			}
		}
	}
	ofOwn := map[string]int{"/own": 200, "/realm": 401, "/both": 200}
	ofRealm := map[string]int{"/own": 401, "/realm": 200, "/both": 200}
	nobodys := map[string]int{"/own": 401, "/realm": 401, "/both": 401}

	type held struct {
		raw string
		at  map[string]int
	}
	var all []held
	for _, step := range []struct {
		environment, worker string
		opaque              bool
	}{
		{"", "", false},
		{"access_token_format opaque", "", true},
		{"access_token_format opaque", "access_token_format jwt", false},
		{"access_token_format jwt", "access_token_format opaque", true},
		{"", "", false},
	} {
		reload(step.environment, step.worker)
		for _, h := range []held{{token(own + "/token"), ofOwn}, {token(realm + "/access_token"), ofRealm}} {
			if got := opaque(h.raw); got != step.opaque {
				t.Errorf("%q, %q: opaque = %v, want %v", step.environment, step.worker, got, step.opaque)
			}
			all = append(all, h)
		}
		for _, h := range all {
			expect(h.raw, h.at)
		}
	}
	for _, h := range all {
		if got := postWorker(t, own+"/revoke", url.Values{"token": {h.raw}}); got.Status != 200 {
			t.Errorf("revocation: %d %s", got.Status, got.Body)
		}
		expect(h.raw, nobodys)
	}
}
