package caddymodule_test

import (
	"fmt"
	"testing"
)

// TestAttackErrorPageLeak is case 69: whoever makes a site's error pages is not
// given the client's token, proof or cookies, whether the upstream failed or the token was refused.
func TestAttackErrorPageLeak(t *testing.T) {
	api, pages := newUpstream(t), newUpstream(t)
	port, dead := freePort(t), freePort(t)
	load(t, "", fmt.Sprintf(`http://:%d {
		handle_errors {
			reverse_proxy %s
		}
		handle /broken {
			bearer_auth {%s}
			reverse_proxy 127.0.0.1:%d
		}
		handle {
			bearer_auth {%[3]s
				scope write
			}
			reverse_proxy %[5]s
		}
	}`, port, pages.Addr, trusted, dead, api.Addr))
	base := fmt.Sprintf("http://127.0.0.1:%d", port)

	for _, tt := range []struct{ name, path, token string }{
		{"the upstream is down", "/broken", mint(t, nil)},
		{"a good token without the scope", "/", mint(t, nil)},
		{"an expired token", "/", mint(t, map[string]any{"exp": 1})},
		{"a token of somebody else's", "/", "opaque-token-of-another-service"},
	} {
		t.Run("case_69 "+tt.name, func(t *testing.T) {
			get(t, base+tt.path, tt.token, "Accept", "text/html", "Dpop", "proof", "Cookie", "session=1")
			h := pages.last()
			if h == nil || h.Get("Accept") != "text/html" {
				t.Fatalf("headers at the error backend = %v, want the request's", h)
			}
			for _, name := range []string{"Authorization", "Dpop", "Cookie"} {
				if got, ok := h[name]; ok {
					t.Errorf("%s at the error backend = %q, want none", name, got)
				}
			}
			if got := api.last(); got != nil {
				t.Errorf("the API was asked, with %v", got)
			}
		})
	}
	t.Run("case_69 nearest good", func(t *testing.T) {
		token := mint(t, map[string]any{"scope": "write"})
		if got := get(t, base, token); got.Status != 200 {
			t.Fatalf("status = %d, want 200", got.Status)
		}
		if got, want := api.last().Get("Authorization"), "Bearer "+token; got != want {
			t.Error("the API did not get the token")
		}
	})
}
