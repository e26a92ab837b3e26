package caddymodule_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestErrorRoutes: a site's handle_errors may dress a refusal; where it has none
// for it, the small JSON body is there, whatever other sites of the server have.
func TestErrorRoutes(t *testing.T) {
	port := freePort(t)
	const protected = "bearer_auth {" + trusted + "\nscope read\n}\nrespond ok\n"
	load(t, "", strings.ReplaceAll(`
		http://dressed.example.com:$PORT {
			handle_errors {
				header X-Dressed yes
				respond "sorry: {err.status_code} {err.message}"
			}
			`+protected+`
		}
		http://partly.example.com:$PORT {
			handle_errors 403 404 5xx {
				respond "partly"
			}
			`+protected+`
		}
		http://path.example.com:$PORT {
			handle_errors {
				@api path /api/*
				respond @api "api"
			}
			rewrite * /moved
			`+protected+`
		}
		http://plain.example.com:$PORT {
			`+protected+`
		}
	`, "$PORT", fmt.Sprint(port)))
	base := fmt.Sprintf("http://127.0.0.1:%d", port)

	tests := []struct {
		name, host, path, token string
		status                  int
		body                    string
	}{
		{"dressed", "dressed.example.com", "/", "", 401, "sorry: 401 Unauthorized: An access token is required."},
		{"dressed, bad token", "dressed.example.com", "/", "x", 401, "sorry: 401 invalid_token: The access token is not valid."},
		{"dressed for 403, is 403", "partly.example.com", "/", mint(t, nil), 403, "partly"},
		{"dressed for 403, is 401", "partly.example.com", "/", "", 401, `{"error":"unauthorized","error_description":"An access token is required."}`},
		{"dressed by the original path", "path.example.com", "/api/x", "", 401, "api"},
		{"not dressed by the original path", "path.example.com", "/x", "", 401, `{"error":"unauthorized","error_description":"An access token is required."}`},
		{"the site has no error routes", "plain.example.com", "/", "", 401, `{"error":"unauthorized","error_description":"An access token is required."}`},
		{"accepted", "dressed.example.com", "/", mint(t, map[string]any{"scope": "read"}), 200, "ok"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := raw(t, base, "GET "+tt.path+" HTTP/1.0\r\nHost: "+tt.host+"\r\n"+bearer(tt.token)+"\r\n")
			got := answerOf(t, strings.Replace(text, "HTTP/1.0", "HTTP/1.1", 1))
			if got.Status != tt.status || got.Body != tt.body {
				t.Errorf("answer = %d %q, want %d %q", got.Status, got.Body, tt.status, tt.body)
			}
			if tt.status != 200 && !strings.Contains(text, "\r\nWww-Authenticate: Bearer") {
				t.Errorf("no challenge:\n%s", text)
			}
			if strings.Contains(text, "X-Dressed") != (tt.host == "dressed.example.com" && tt.status != 200) {
				t.Errorf("error routes ran or not:\n%s", text)
			}
		})
	}
}

// bearer is the Authorization field for a token, with its line end; nothing for
// none.
func bearer(token string) string {
	if token == "" {
		return ""
	}
	return "Authorization: Bearer " + token + "\r\n"
}
