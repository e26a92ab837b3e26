package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestLegacyJSON: what the Caddyfile refuses where it is written, JSON refuses when it is loaded.
func TestLegacyJSON(t *testing.T) {
	const good = `{"url": "https://auth.example.com/am", "realms": [{"realm": "alpha", "environment": "demo"}]}`
	tests := []struct{ name, legacy, want string }{
		{"the least", good, ""},
		{"environment by its id", strings.Replace(good, "demo", demoEnvironment, 1), ""},
		{"realm with a slash in front", strings.Replace(good, "alpha", "/alpha", 1), ""},
		{"environment that is not declared", strings.Replace(good, "demo", "prod", 1), "realm alpha: environment 'prod' is not declared"},
		{"no environment", strings.Replace(good, "demo", "", 1), "realm alpha: environment is missing"},
		{"no url", strings.Replace(good, `"url": "https://auth.example.com/am", `, "", 1), "url"},
		{"no realm", `{"url": "https://auth.example.com/am"}`, "realm is missing"},
		{"one realm twice", strings.Replace(good, `"}]`, `"}, {"realm": "/Alpha", "environment": "demo"}]`, 1), "realm /Alpha is there twice"},
		{"two realms of one environment", strings.Replace(good, `"}]`, `"}, {"realm": "bravo", "environment": "demo"}]`, 1), ""},
		{"administrator without a password", strings.Replace(good, `"}]`, `"}], "administrators": [{"name": "amadmin"}]`, 1), "administrator amadmin: password is missing"},
		{"administrator", strings.Replace(good, `"}]`, `"}], "administrators": [{"name": "amadmin", "password": "x"}]`, 1), ""},
		{"sunset that is no day", strings.Replace(good, `"}]`, `"}], "sunset": "tomorrow"`, 1), "sunset"},
		{"sunset before deprecated", strings.Replace(good, `"}]`, `"}], "deprecated": "2027-01-01", "sunset": "2026-12-31"`, 1), "sunset"},
		{"sunset after deprecated", strings.Replace(good, `"}]`, `"}], "deprecated": "2027-01-01", "sunset": "2027-01-02"`, 1), ""},
		{"compat", strings.Replace(good, `"}]`, `"}], "compat": ["revoke_tokens"]`, 1), ""},
		{"compat that there is not", strings.Replace(good, `"}]`, `"}], "compat": ["revoke_token"]`, 1), "compat"},
		{"negative idle time", strings.Replace(good, `"}]`, `"}], "administrator_idle": "-1h"`, 1), "administrator_session"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var config caddy.Config
			text := `{"admin": {"disabled": true}, "apps": {"gatehouse": {
				"storage": {"backend": "sqlite", "path": "` + t.TempDir() + `/a.db"},
				"environments": [{"name": "demo", "id": "` + demoEnvironment + `", "issuer": "https://auth.example.com/` + demoEnvironment + `/as"}],
				"legacy": ` + tt.legacy + `}}}`
			if err := json.Unmarshal([]byte(text), &config); err != nil {
				t.Fatal(err)
			}
			checkRefused(t, caddy.Validate(&config), tt.want)
		})
	}
}

// TestLegacyInProcess: a token of a realm's own endpoint passes a gate that trusts the realm's issuer, and not one request
// more once an administrator has deleted it; the application is counted. Where the surface is not listed the paths are nobody's, and the
// realm's tokens are good all the same.
func TestLegacyInProcess(t *testing.T) {
	dir, port, off, admin := t.TempDir(), freePort(t), freePort(t), freePort(t)
	base := fmt.Sprintf("http://localhost:%d", port)
	text := fmt.Sprintf(`{
	%s
	admin 127.0.0.1:%d
	gatehouse {
		storage sqlite {
			path %s/gatehouse.db
		}
		environment demo %s {
			issuer %s/%[4]s/as
			resource orders {
				audience https://orders.example.com
				scope orders:read
			}
			application legacy-worker {
				type worker
				secret worker-secret
				allow orders:read
			}
		}
		legacy {
			url %[5]s/am
			realm alpha demo
			administrator amadmin amadmin-secret-pass
		}
	}
}
(api) {
	@api path /api
	bearer_auth @api {
		issuer %[5]s/am/oauth2/realms/root/realms/alpha
		audience https://orders.example.com
		scope orders:read
	}
	respond "{http.auth.user.client_id}"
}
http://localhost:%d {
	authorization_server
	import api
}
http://localhost:%d {
	authorization_server oidc
	import api
}
`, strings.Replace(globals, "admin off", "", 1), admin, dir, demoEnvironment, base, port, off)
	config, err := adapt(text)
	if err != nil {
		t.Fatal(err)
	}
	loadJSON(t, config)
	s := &legacySite{base: base}
	call := func(method, address string, headers ...string) answer {
		t.Helper()
		return s.call(t, method, address, "", headers...)
	}
	token := s.call(t, "POST", base+"/am/oauth2/realms/root/realms/alpha/access_token", "grant_type=client_credentials",
		"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic bGVnYWN5LXdvcmtlcjp3b3JrZXItc2VjcmV0").member(t, "access_token")
	elsewhere := fmt.Sprintf("http://localhost:%d", off)
	for _, site := range []string{base, elsewhere} {
		if got := call("GET", site+"/api", "Authorization", "Bearer "+token); got.Status != 200 || got.Body != "legacy-worker" {
			t.Errorf("at the gate: %d %q, want 200 legacy-worker", got.Status, got.Body)
		}
	}
	if got := call("GET", elsewhere+"/am/json/serverinfo/*"); strings.Contains(got.Body, "cookieName") || got.Header.Get("Deprecation") != "" {
		t.Errorf("where the surface is off: %d %q, want it passed on", got.Status, got.Body)
	}
	if got := call("GET", base+"/am/json/serverinfo/*"); got.member(t, "cookieName") != "iPlanetDirectoryPro" || got.Header.Get("Deprecation") != "@1795305600" {
		t.Errorf("serverinfo: %s, Deprecation %q", got.Body, got.Header.Get("Deprecation"))
	}
	sso := s.signOn(t, "", "amadmin", "amadmin-secret-pass")
	if got := call("DELETE", base+"/am/frrest/oauth2/token/"+token, "iPlanetDirectoryPro", sso); got.Status != 200 {
		t.Fatalf("delete: %d %s", got.Status, got.Body)
	}
	for _, site := range []string{base, elsewhere} {
		if got := call("GET", site+"/api", "Authorization", "Bearer "+token); got.Status != 401 {
			t.Errorf("with a deleted token: %d, want 401", got.Status)
		}
	}
	scraped := call("GET", fmt.Sprintf("http://127.0.0.1:%d/metrics", admin)).Body
	for _, want := range []string{
		`gatehouse_legacy_requests_total{application="legacy-worker",endpoint="am_token"} 1`,
		`gatehouse_legacy_requests_total{application="legacy-worker",endpoint="frrest_token"} 1`,
		`gatehouse_legacy_requests_total{application="none",endpoint="am_authenticate"} `,
	} {
		if !strings.Contains(scraped, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(scraped, token) || strings.Contains(scraped, sso) {
		t.Error("metrics show a token")
	}
}
