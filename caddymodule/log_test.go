package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAccessLog: the fields about the token, each once, from verified tokens
// alone; and never a token, not even at level debug (property 7).
func TestAccessLog(t *testing.T) {
	dir := t.TempDir()
	access, rest := filepath.Join(dir, "access.log"), filepath.Join(dir, "rest.log")
	port := freePort(t)
	load(t, "\ndebug\nlog all {\noutput file "+rest+"\nlevel DEBUG\nformat json\n}\n", fmt.Sprintf(`http://:%d {
		log {
			output file %s
			format json
		}
		bearer_auth {%s
			scope read
		}
		bearer_auth {%[3]s}
		respond ok
	}`, port, access, trusted))
	base := fmt.Sprintf("http://127.0.0.1:%d", port)

	good := mint(t, map[string]any{"scope": "read", "jti": "t1"})
	machine := mint(t, map[string]any{"scope": "read", "sub": nil, "jti": "t2\n{\"forged\": true}"})
	short := mint(t, map[string]any{"jti": "t3"})
	forged := good[:strings.LastIndexByte(good, '.')] + ".AAAA"
	tests := []struct {
		name, method, token string
		status              float64
		user                string
		want                map[string]any
	}{
		{"allowed", "GET", good, 200, "alice", map[string]any{"token.iss": issuer, "token.client_id": "web", "token.sub": "alice", "token.jti": "t1", "token.decision": "allowed"}},
		{"no subject", "GET", machine, 200, "", map[string]any{"token.iss": issuer, "token.client_id": "web", "token.jti": "t2\n{\"forged\": true}", "token.decision": "allowed"}},
		{"refused by policy", "GET", short, 403, "", map[string]any{"token.iss": issuer, "token.client_id": "web", "token.sub": "alice", "token.jti": "t3", "token.decision": "insufficient_scope"}},
		{"forged", "GET", forged, 401, "", map[string]any{"token.decision": "bad_signature"}},
		{"none", "GET", "", 401, "", map[string]any{"token.decision": "no_token"}},
		{"preflight", "OPTIONS", "", 200, "", map[string]any{"token.decision": "preflight"}},
	}
	for _, tt := range tests {
		send(t, tt.method, base+"/"+strings.ReplaceAll(tt.name, " ", "-"), tt.token, "Origin", "https://a", "Access-Control-Request-Method", "PUT")
	}
	lines := logLines(t, access, len(tests))
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]any{}
			for key, value := range lines[i] {
				if strings.HasPrefix(key, "token.") || key == "gatehouse" {
					got[key] = value
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if lines[i]["status"] != tt.status || lines[i]["user_id"] != tt.user {
				t.Errorf("status, user_id = %v, %v, want %v, %q", lines[i]["status"], lines[i]["user_id"], tt.status, tt.user)
			}
		})
	}
	for _, file := range []string{access, rest} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), `"token.decision"`); file == access && n != len(tests) {
			t.Errorf("%d decisions in %d lines, want one in each", n, len(tests))
		}
		for _, token := range []string{good, machine, short} {
			for _, part := range strings.Split(token, ".")[1:] {
				if strings.Contains(string(text), part) {
					t.Errorf("%s shows a part of a token", filepath.Base(file))
				}
			}
		}
		if strings.Contains(string(text), secret) || strings.Contains(string(text), strings.TrimRight(secretBase64, "=")) {
			t.Errorf("%s shows the secret", filepath.Base(file))
		}
	}
}

// logLines reads a JSON log once it has n lines.
func logLines(t *testing.T, name string, n int) []map[string]any {
	t.Helper()
	for range 200 {
		text, _ := os.ReadFile(name)
		var out []map[string]any
		for line := range strings.Lines(string(text)) {
			fields := map[string]any{}
			if err := json.Unmarshal([]byte(line), &fields); err != nil && strings.HasSuffix(line, "\n") {
				t.Fatal(err)
			} else if err == nil {
				out = append(out, fields)
			}
		}
		if len(out) >= n {
			return out
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s has fewer than %d lines", name, n)
	return nil
}
