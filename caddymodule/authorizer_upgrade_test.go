package caddymodule_test

import (
	"testing"
)

// TestAttack72AuthorizerUpgrade: what another proxy's client wants to upgrade to is judged as at the gate itself: rules about it apply, and h2c, in which
// nobody would see anything any more, is refused.
func TestAttack72AuthorizerUpgrade(t *testing.T) {
	const rules = `@socket {
			header Upgrade websocket
			header Connection *Upgrade*
		}
		bearer_auth {` + trusted + `
		rule @socket {
			scope socket
		}
		`
	reader, listener := mint(t, map[string]any{"scope": "read"}), mint(t, map[string]any{"scope": "socket"})
	tests := []struct {
		name, token, upgrade string
		want                 int
	}{
		{"no upgrade", reader, "", 200},
		{"a WebSocket, without its scope", reader, "websocket", 403},
		{"a WebSocket", listener, "websocket", 200},
		{"h2c", listener, "h2c", 400},
		{"h2c among others", listener, "websocket, H2C", 400},
	}
	t.Run("forward", func(t *testing.T) {
		base := authorizer(t, trustLoopback, rules+"authorizer forward\n}")
		for _, tt := range tests {
			headers := about("GET", "/x")
			if tt.upgrade != "" {
				headers = append(headers, "Upgrade", tt.upgrade, "Connection", "Upgrade")
			}
			if got := get(t, base, tt.token, headers...); got.Status != tt.want || got.Header.Get("Upgrade") != "" {
				t.Errorf("%s: status = %d, want %d", tt.name, got.Status, tt.want)
			}
		}
	})
	t.Run("envoy", func(t *testing.T) {
		client := envoy(t, trustEnvoy, rules+"authorizer envoy\n}")
		for _, tt := range tests {
			var headers []string
			if tt.upgrade != "" {
				headers = []string{"upgrade", tt.upgrade, "connection", "upgrade, x-user"}
			}
			got := ask(t, client, question(tt.token, headers...))
			if got.Status != tt.want%200 && got.Status != tt.want {
				t.Errorf("%s: verdict = %+v, want %d", tt.name, got, tt.want)
			}
			if len(got.Set)+len(got.Remove) > 0 {
				t.Errorf("%s: Envoy is to change %v and remove %v, want nothing", tt.name, got.Set, got.Remove)
			}
		}
	})
}
