package authserver_test

import (
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func environment(t *testing.T, g *rig, id string) *store.Environment {
	t.Helper()
	env, err := g.directory.EnvironmentByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// TestRevocationTable: what can be revoked, and what is refused honestly.
func TestRevocationTable(t *testing.T) {
	g := newRig(t, rigOptions{})
	admin, basicB := basic("admin", "admin-secret"), basic("client_secret_basic", "basic-secret-b")
	tests := []struct {
		name  string
		env   string
		c     credential
		scope string
		want  string
		alive bool
	}{
		{"custom resource, client credentials", envA, basicClient, "", "200", false},
		{"the same as PingOne has it", envB, basicB, "", "400 unsupported_token_type", true},
		{"PingOne API", envA, admin, "", "400 unsupported_token_type", true},
		{"custom resource of a worker with roles", envA, admin, "orders:read", "200", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := g.token(tt.env, tt.c, "scope="+tt.scope)
			if got := g.form(tt.env, "revoke", tt.c, "token="+token).outcome(); got != tt.want {
				t.Errorf("outcome = %s, want %s", got, tt.want)
			}
			if got := g.active(tt.env, tt.c, token); got != tt.alive {
				t.Errorf("active = %v, want %v", got, tt.alive)
			}
			if got := g.form(tt.env, "revoke", tt.c, "token="+token).outcome(); got != tt.want {
				t.Errorf("again: outcome = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRevokingOneTokenLeavesTheOthers(t *testing.T) {
	g := newRig(t, rigOptions{})
	one, other := g.token(envA, basicClient), g.token(envA, basicClient)
	g.form(envA, "revoke", basicClient, "token="+one)
	if g.active(envA, basicClient, one) || !g.active(envA, basicClient, other) {
		t.Error("not exactly the one token was revoked")
	}
}

// TestRevokedAtTheGate: a gate in this process sees a revocation before the
// client sees its answer, and its cached verdicts are out of date.
func TestRevokedAtTheGate(t *testing.T) {
	g := newRig(t, rigOptions{})
	local := g.state.Local(environment(t, g, envA))
	token := g.token(envA, basicClient)
	keys, err := local.Keys(t.Context(), "")
	if err != nil || keys.Len() != 2 {
		t.Fatalf("keys: %v", err)
	}
	epoch := local.Epoch()
	if revoked, err := local.Revoked(claimsOf(t, token)); revoked || err != nil {
		t.Fatalf("before: %v, %v", revoked, err)
	}
	g.form(envA, "revoke", basicClient, "token="+token)
	if local.Epoch() == epoch {
		t.Error("the epoch is the same after a revocation")
	}
	if revoked, err := local.Revoked(claimsOf(t, token)); !revoked || err != nil {
		t.Errorf("after: %v, %v", revoked, err)
	}
	// A gate may let clocks differ by minutes: the revocation outlives the token.
	g.clock.Advance(time.Hour + 5*time.Minute)
	if revoked, err := local.Revoked(claimsOf(t, token)); !revoked || err != nil {
		t.Errorf("after exp, within a gate's skew: %v, %v", revoked, err)
	}
}

// TestRevokedElsewhere: another node on the same store revokes a token, or
// everything of a client.
func TestRevokedElsewhere(t *testing.T) {
	db := testkit.Store(t)
	here, elsewhere := newRig(t, rigOptions{store: db}), newRig(t, rigOptions{store: db})
	token, kept := here.token(envA, basicClient), here.token(envA, basicClient)
	if !here.active(envA, basicClient, token) { // and cached
		t.Fatal("not active")
	}
	elsewhere.form(envA, "revoke", basicClient, "token="+token)
	eventually(t, "the token is not active", func() bool { return !here.active(envA, basicClient, token) })

	if !here.active(envA, basicClient, kept) {
		t.Fatal("the other token died with it")
	}
	if err := db.PutRevocation(t.Context(), store.Revocation{
		Environment: envA, Kind: store.RevokedClient, Value: "client_secret_basic", At: noon, ExpiresAt: noon.Add(time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client's tokens are not active", func() bool { return !here.active(envA, basicClient, kept) })
	here.clock.Advance(time.Second)
	if young := here.token(envA, basicClient); !here.active(envA, basicClient, young) {
		t.Error("a token issued after the client's revocation is not active")
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Errorf("not within 5 s: %s", what)
}
