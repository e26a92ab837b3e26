package caddymodule_test

import (
	"encoding/json"
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
