package session_test

import (
	"encoding/base64"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
)

// TestFormToken: a form is good for the browser, the flow and the state that it
// was made for, and for nothing else; without a cookie there is none.
func TestFormToken(t *testing.T) {
	begun := func() *session.Browser {
		s := &session.Sessions{NewSecret: secret.New}
		b := &session.Browser{}
		s.Begin(b)
		return b
	}
	b := begun()
	token := b.FormToken("flow", "STATE alice")
	if raw, err := base64.RawURLEncoding.DecodeString(token); err != nil || len(raw) != 32 {
		t.Fatalf("token = %q", token)
	}
	tests := []struct {
		name               string
		by                 *session.Browser
		token, flow, state string
		want               bool
	}{
		{"the form itself", b, token, "flow", "STATE alice", true},
		{"another browser's", begun(), token, "flow", "STATE alice", false},
		{"another flow", b, token, "other", "STATE alice", false},
		{"the state moved on", b, token, "flow", "NEXT alice", false},
		{"another person", b, token, "flow", "STATE bob", false},
		{"flow and state run together", b, token, "flow\x00STATE", "alice", false},
		{"no token", b, "", "flow", "STATE alice", false},
		{"no cookie and no token", &session.Browser{}, "", "flow", "STATE alice", false},
		{"no cookie", &session.Browser{}, token, "flow", "STATE alice", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.by.Posted(tt.token, tt.flow, tt.state); got != tt.want {
				t.Errorf("Posted = %v, want %v", got, tt.want)
			}
		})
	}
}
