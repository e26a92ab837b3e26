package authserver_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
)

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

// drawn replaces what is drawn anew at every run.
func drawn(body string) []byte { return []byte(uuid.ReplaceAllString(body, "drawn") + "\n") }

func TestIntrospectionAnswer(t *testing.T) {
	g := newRig(t, rigOptions{})
	for name, c := range map[string]credential{
		"introspection_custom.json": basicClient,
		"introspection_worker.json": basic("admin", "admin-secret"),
	} {
		t.Run(name, func(t *testing.T) {
			token := g.token(envA, c)
			cold := g.form(envA, "introspect", c, "token="+token, "token_type_hint=access_token")
			testkit.Golden(t, name, drawn(cold.body))
			if warm := g.form(envA, "introspect", c, "token="+token); warm.body != cold.body {
				t.Errorf("the second answer differs:\n%s\n%s", warm.body, cold.body)
			}
		})
	}
}

func TestIntrospectionEndsWithTheToken(t *testing.T) {
	g := newRig(t, rigOptions{})
	token := g.token(envA, basicClient)
	g.clock.Advance(time.Hour - time.Second)
	if !g.active(envA, basicClient, token) {
		t.Error("a second before exp the token is not active")
	}
	g.clock.Advance(time.Second)
	if g.active(envA, basicClient, token) {
		t.Error("at exp a token that is cached is active")
	}
	unseen := g.token(envA, basicClient)
	g.clock.Advance(time.Hour)
	if g.active(envA, basicClient, unseen) {
		t.Error("at exp a token that is not cached is active")
	}
}

// TestNothingIsKnownBeforeTheFeed: until the revocations of other nodes have
// been read, no token is called active.
func TestNothingIsKnownBeforeTheFeed(t *testing.T) {
	db := testkit.Store(t)
	token := newRig(t, rigOptions{store: db}).token(envA, basicClient)

	g := newRig(t, rigOptions{store: db, idle: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	a := g.do(introspect(envA, basicClient, token).WithContext(ctx))
	if got := a.outcome(); got != "503 temporarily_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("before Start: %s, want 503 with Retry-After", got)
	}
	local := g.state.Local(environment(t, g, envA))
	if _, err := local.Keys(ctx, ""); err == nil {
		t.Error("the gate gets keys before revocations are known")
	}
	if _, err := local.Revoked(claimsOf(t, token)); err == nil {
		t.Error("the gate is told that the token has not been revoked")
	}

	g.state.Start()
	if !g.active(envA, basicClient, token) {
		t.Error("after Start the token is not active")
	}
	if strings.Contains(a.body, "active") {
		t.Errorf("body = %s", a.body)
	}
}
