package caddymodule_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

func TestHide(t *testing.T) {
	for _, tt := range []struct {
		name, address, want string
	}{
		{"no query", "/as/jwks", "/as/jwks"},
		{"nothing confidential", "/as/authorize?client_id=web&state=a%20b&nonce=", "/as/authorize?client_id=web&state=a%20b&nonce="},
		{"a name that only ends like one", "/cb?barcode=1&xcode=2", "/cb?barcode=1&xcode=2"},
		{"a code", "https://app.example/cb?x=1&code=Ab-9_&state=s", "https://app.example/cb?x=1&code=REDACTED&state=s"},
		{"a code first and last", "https://app.example/cb?code=Ab", "https://app.example/cb?code=REDACTED"},
		{"tokens in a fragment", "https://app.example/cb?x=1#access_token=a.b.c&token_type=Bearer&id_token=d.e.f", "https://app.example/cb?x=1#access_token=REDACTED&token_type=Bearer&id_token=REDACTED"},
		{"a hint in a request", "/as/signoff?id_token_hint=a.b.c&client_id=web", "/as/signoff?id_token_hint=REDACTED&client_id=web"},
		{"a request object", "/as/authorize?client_id=web&request=a.b.c", "/as/authorize?client_id=web&request=REDACTED"},
		{"a reference to one", "/as/authorize?client_id=web&request_uri=urn%3Ax", "/as/authorize?client_id=web&request_uri=urn%3Ax"},
		{"twice", "/as/signoff?id_token_hint=a&id_token_hint=b", "/as/signoff?id_token_hint=REDACTED&id_token_hint=REDACTED"},
		{"a name written otherwise", "/as/signoff?%69d_token_hint=a&ID_Token_Hint=b", "/as/signoff?%69d_token_hint=REDACTED&ID_Token_Hint=REDACTED"},
		{"a name that cannot be read", "/as/signoff?%zz=a", "/as/signoff?%zz=REDACTED"},
		{"an address in an address", "/as/signoff?post_logout_redirect_uri=https://app.example/?code=1&x=2", "/as/signoff?post_logout_redirect_uri=https://app.example/?code=REDACTED&x=2"},
		{"no value", "/cb?code", "/cb?code"},
		{"empty", "", ""},
		{"a token in the path", "/am/frrest/oauth2/token/Ab-9_", "/am/frrest/oauth2/token/REDACTED"},
		{"a token in the path, and in the query", "https://old.example/am/frrest/oauth2/token/Ab?_action=revoke&token=Cd", "https://old.example/am/frrest/oauth2/token/REDACTED?_action=revoke&token=REDACTED"},
		{"the query of that place", "/am/frrest/oauth2/token/?_queryId=userName%3Dalice&_pageSize=2", "/am/frrest/oauth2/token/?_queryId=REDACTED&_pageSize=2"},
		{"a token in the place of a name", "/am/frrest/oauth2/token?0123456789012345678901234567890123456789x=&a=1", "/am/frrest/oauth2/token?REDACTED&a=1"},
		{"a name as long as names are", "/am/frrest/oauth2/token?0123456789012345678901234567890123456789=&a=1", "/am/frrest/oauth2/token?0123456789012345678901234567890123456789=&a=1"},
		{"a session in the query", "/am/json/sessions?_action=logout&tokenId=Ab*x*", "/am/json/sessions?_action=logout&tokenId=REDACTED"},
		{"a session to upgrade", "/am/json/authenticate?sessionUpgradeSSOTokenId=Ab*x*", "/am/json/authenticate?sessionUpgradeSSOTokenId=REDACTED"},
		{"a session in a parameter named like the cookie", "/am/oauth2/authorize?iPlanetDirectoryPro=Ab*x*&x=1", "/am/oauth2/authorize?iPlanetDirectoryPro=REDACTED&x=1"},
		{"a password in the query", "/am/XUI/?IDToken1=alice&IDToken2=x#login", "/am/XUI/?IDToken1=REDACTED&IDToken2=REDACTED#REDACTED"},
		{"other paths of that tree", "/am/json/realms/root/realms/alpha/users/alice/oauth2/applications?_queryFilter=true", "/am/json/realms/root/realms/alpha/users/alice/oauth2/applications?_queryFilter=true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, hidden := caddymodule.Hide(tt.address)
			if got != tt.want || hidden != (tt.want != tt.address) {
				t.Errorf("Hide(%q) = %q, %v, want %q", tt.address, got, hidden, tt.want)
			}
		})
	}
}

// TestLogAround: the line is written once, with what happened, however the request ends; nothing of the token is in it.
func TestLogAround(t *testing.T) {
	const secret, path = "Sekret-47.11", "/am/frrest/oauth2/token/"
	tests := []struct {
		name, address string
		serve         func(http.ResponseWriter, *http.Request) error
		status        int64 // of our line; 0 where there is none
		level         zapcore.Level
	}{
		{"answered", path + secret, func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(404); return nil }, 404, zapcore.InfoLevel},
		{"failed", path + secret, func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(503); return nil }, 503, zapcore.ErrorLevel},
		{"panic", path + secret, func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(200); panic("x") }, 200, zapcore.InfoLevel},
		{"error of a handler behind", path + secret, func(http.ResponseWriter, *http.Request) error {
			return caddyhttp.Error(http.StatusBadGateway, errors.New("x"))
		}, 502, zapcore.ErrorLevel},
		{"error without a status", path + secret, func(http.ResponseWriter, *http.Request) error { return errors.New("x") }, 500, zapcore.ErrorLevel},
		{"answer leads to it", "/elsewhere", func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Location", path+secret)
			w.WriteHeader(302)
			return nil
		}, 302, zapcore.InfoLevel},
		{"nothing to hide", "/am/json/serverinfo/*", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(200); return nil }, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://localhost"+tt.address, nil)
			r.RequestURI = tt.address
			lines, skipped := caddymodule.LogAround(httptest.NewRecorder(), r, tt.serve)
			if tt.status == 0 {
				if len(lines) != 0 || skipped {
					t.Errorf("%d lines, skipped: %v, want Caddy's own line", len(lines), skipped)
				}
				return
			}
			if len(lines) != 1 || !skipped {
				t.Fatalf("%d lines, skipped: %v, want one and Caddy's left out", len(lines), skipped)
			}
			fields := lines[0].ContextMap()
			if fields["status"] != tt.status || lines[0].Level != tt.level {
				t.Errorf("status %v at level %v, want %d at %v", fields["status"], lines[0].Level, tt.status, tt.level)
			}
			if text := fmt.Sprint(lines[0].Message, fields); strings.Contains(text, "Sekret") || strings.Contains(text, "47.11") {
				t.Errorf("the line shows the token: %s", text)
			}
		})
	}
}
