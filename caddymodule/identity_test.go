package caddymodule_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestForwardClaim: what becomes of a claim's value in a header.
func TestForwardClaim(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+`
		forward_claim value X-Value
		forward_claim a.b.c X-Deep
		forward_claim https://example.com/tenant X-Tenant
	}`)
	tests := []struct {
		name   string
		claims map[string]any
		header string
		want   string // empty: no header
	}{
		{"string", map[string]any{"value": "alice"}, "X-Value", "alice"},
		{"spaces inside", map[string]any{"value": "a  b"}, "X-Value", "a  b"},
		{"beyond ASCII", map[string]any{"value": "Zoë 名前"}, "X-Value", "Zoë 名前"},
		{"number", map[string]any{"value": 12345678901234}, "X-Value", "12345678901234"},
		{"fraction", map[string]any{"value": 1.5}, "X-Value", "1.5"},
		{"true", map[string]any{"value": true}, "X-Value", "true"},
		{"false", map[string]any{"value": false}, "X-Value", "false"},
		{"array of strings", map[string]any{"value": []string{"a", "b c"}}, "X-Value", "a,b c"},
		{"array of one", map[string]any{"value": []string{"a"}}, "X-Value", "a"},
		{"empty array", map[string]any{"value": []string{}}, "X-Value", ""},
		{"array whose member has a comma", map[string]any{"value": []string{"a,b"}}, "X-Value", ""},
		{"array with a number", map[string]any{"value": []any{"a", 1}}, "X-Value", ""},
		{"object", map[string]any{"value": map[string]any{"a": "b"}}, "X-Value", ""},
		{"null", map[string]any{"value": []any{nil}[0]}, "X-Value", ""},
		{"absent", nil, "X-Value", ""},
		{"empty", map[string]any{"value": ""}, "X-Value", ""},
		{"CR LF", map[string]any{"value": "a\r\nX-Admin: yes"}, "X-Value", ""},
		{"NUL", map[string]any{"value": "a\x00b"}, "X-Value", ""},
		{"tab", map[string]any{"value": "a\tb"}, "X-Value", ""},
		{"DEL", map[string]any{"value": "a\x7fb"}, "X-Value", ""},
		{"right-to-left override", map[string]any{"value": "a\u202eb"}, "X-Value", ""},
		{"no-break space", map[string]any{"value": "a\u00a0b"}, "X-Value", ""},
		{"space before", map[string]any{"value": " admin"}, "X-Value", ""},
		{"space behind", map[string]any{"value": "admin "}, "X-Value", ""},
		{"in an object", map[string]any{"a": map[string]any{"b": map[string]any{"c": "deep"}}}, "X-Deep", "deep"},
		{"whole name first", map[string]any{"a.b.c": "whole", "a": map[string]any{"b": map[string]any{"c": "deep"}}}, "X-Deep", "whole"},
		{"dotted member", map[string]any{"a": map[string]any{"b.c": "dotted"}}, "X-Deep", "dotted"},
		{"not an object on the way", map[string]any{"a": "b"}, "X-Deep", ""},
		{"a URL as name", map[string]any{"https://example.com/tenant": "acme"}, "X-Tenant", "acme"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := get(t, base, mint(t, tt.claims), "X-Value", "forged", "X-Deep", "forged", "X-Tenant", "forged"); got.Status != 200 {
				t.Fatalf("status = %d, want 200", got.Status)
			}
			values, present := up.last()[tt.header]
			if present != (tt.want != "") || present && (len(values) != 1 || values[0] != tt.want) {
				t.Errorf("%s = %q, want %q", tt.header, values, tt.want)
			}
		})
	}
}

// TestPlaceholders: {http.auth.user.*} are the token's, claim text is not
// expanded again, and an earlier handler's user is not mixed in.
func TestPlaceholders(t *testing.T) {
	t.Setenv("GATE_TEST_SECRET", "leaked")
	port := freePort(t)
	// bob's password is his name.
	const bob = "$2a$04$0DYhFGpmSeHqffUgfguT.ObiNRfAux5xqRo8IRq.njZeMHA9Znr82"
	load(t, "", fmt.Sprintf(`http://:%d {
		route /basic {
			basic_auth {
				bob %s
			}
			request_header -Authorization
			request_header Authorization "Bearer {header.X-Token}"
			bearer_auth {%s}
			respond "{http.auth.user.id}"
		}
		route /twice {
			bearer_auth {%[3]s}
			request_header Authorization "Bearer {header.X-Token}"
			bearer_auth {%[3]s}
			respond "{http.auth.user.id}"
		}
		route {
			bearer_auth {%[3]s}
			respond "{http.auth.user.id}|{http.auth.user.email}|{http.auth.user.groups}|{http.auth.user.none}|{http.vars.gatehouse.token}"
		}
	}`, port, bob, trusted))
	base := fmt.Sprintf("http://127.0.0.1:%d", port)

	t.Run("claims", func(t *testing.T) {
		got := get(t, base, mint(t, map[string]any{"email": "a@example.com", "groups": []string{"a", "b"}}))
		if want := "alice|a@example.com|a,b||[token]"; got.Body != want {
			t.Errorf("body = %q, want %q", got.Body, want)
		}
	})
	t.Run("case_43", func(t *testing.T) {
		got := get(t, base, mint(t, map[string]any{"email": "{env.GATE_TEST_SECRET}"}))
		if !strings.Contains(got.Body, "|{env.GATE_TEST_SECRET}|") {
			t.Errorf("body = %q, want the claim verbatim", got.Body)
		}
	})
	t.Run("no subject", func(t *testing.T) {
		if got := get(t, base, mint(t, map[string]any{"sub": nil})); !strings.HasPrefix(got.Body, "|") {
			t.Errorf("body = %q, want an empty id", got.Body)
		}
	})
	t.Run("another handler's user before", func(t *testing.T) {
		got := get(t, base+"/basic", "", "Authorization", "Basic Ym9iOmJvYg==", "X-Token", mint(t, nil))
		if got.Status != 200 || got.Body != "alice" {
			t.Errorf("answer = %d %q, want alice", got.Status, got.Body)
		}
	})
	t.Run("the last of two tokens", func(t *testing.T) {
		got := get(t, base+"/twice", mint(t, nil), "X-Token", mint(t, map[string]any{"sub": "bob"}))
		if got.Status != 200 || got.Body != "bob" {
			t.Errorf("answer = %d %q, want bob", got.Status, got.Body)
		}
	})
}

// TestStripToken: the token goes on, unless it is stripped.
func TestStripToken(t *testing.T) {
	for _, tt := range []struct{ option, want string }{{"", "Bearer"}, {"strip_token", ""}} {
		t.Run("option "+tt.option, func(t *testing.T) {
			base, up := gate(t, "bearer_auth {"+trusted+"\n"+tt.option+"\n}")
			get(t, base, mint(t, nil))
			scheme, _, _ := strings.Cut(up.last().Get("Authorization"), " ")
			if scheme != tt.want {
				t.Errorf("scheme at the upstream = %q, want %q", scheme, tt.want)
			}
		})
	}
}
