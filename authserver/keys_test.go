package authserver_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ownKeys: nothing private is published, and a key is known before it signs.
func ownKeys(t *testing.T) {
	db, clock := testkit.Store(t), testkit.NewClock(noon)
	rig := func() *rig { return newRig(t, rigOptions{store: db, clock: clock}) }

	g := rig()
	jwks := g.get("/" + envA + "/as/jwks").body
	t.Run("no private members", func(t *testing.T) {
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal([]byte(jwks), &set); err != nil {
			t.Fatal(err)
		}
		for _, k := range set.Keys {
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
				if _, ok := k[private]; ok {
					t.Errorf("the published key %v has %q", k["kid"], private)
				}
			}
			if x5c, ok := k["x5c"].([]any); !ok || len(x5c) != 1 || k["x5t"] == "" {
				t.Errorf("x5c, x5t = %v, %v", k["x5c"], k["x5t"])
			}
			if k["use"] != "sig" || k["alg"] != "ES256" || k["kid"] == "" {
				t.Errorf("use, alg, kid = %v, %v, %v", k["use"], k["alg"], k["kid"])
			}
		}
	})

	first := kids(t, jwks)
	if len(first) != 2 {
		t.Fatalf("keys = %q, want CURRENT and NEXT from the first day", first)
	}
	old := g.token(envA, basicClient)
	if got := kidOf(t, old); got != first[0] {
		t.Fatalf("the token is signed by %s, want CURRENT %s", got, first[0])
	}

	t.Run("before the rotation the next key signs nothing", func(t *testing.T) {
		clock.Advance(90*24*time.Hour - time.Second)
		if got := kidOf(t, rig().token(envA, basicClient)); got != first[0] {
			t.Errorf("signed by %s, want %s", got, first[0])
		}
	})

	clock.Advance(time.Second)
	g = rig() // a node that starts now rotates at once
	young := g.token(envA, basicClient)
	t.Run("then it does, and the one after it is published", func(t *testing.T) {
		if got := kidOf(t, young); got != first[1] {
			t.Errorf("signed by %s, want what was NEXT, %s", got, first[1])
		}
		now := kids(t, g.get("/"+envA+"/as/jwks").body)
		if len(now) != 3 || now[0] != first[1] || slices.Contains(first, now[1]) || now[2] != first[0] {
			t.Errorf("keys = %q, want CURRENT %s, a new NEXT, PREVIOUS %s", now, first[1], first[0])
		}
	})

	t.Run("the previous key stays for the longest token's life", func(t *testing.T) {
		clock.Advance(store.MaxAccessTokenTTL)
		if got := kids(t, rig().get("/"+envA+"/as/jwks").body); !slices.Contains(got, first[0]) {
			t.Errorf("keys = %q, want %s among them", got, first[0])
		}
		clock.Advance(10 * time.Minute)
		g := rig()
		if got := kids(t, g.get("/"+envA+"/as/jwks").body); slices.Contains(got, first[0]) {
			t.Errorf("keys = %q, want %s gone", got, first[0])
		}
	})

	t.Run("stored keys are sealed", func(t *testing.T) {
		ring, _, err := db.KeyRing(t.Context(), envA)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range ring {
			if _, err := jose.ParseSigningKey(k.Sealed, "", ""); err == nil || strings.Contains(string(k.Sealed), `"d"`) {
				t.Errorf("key %s is readable in the store", k.ID)
			}
		}
	})
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	jws, err := jose.Parse(token, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Header.KeyID
}

// TestRestart: keys and revocations are there again, and a second node that
// opens the same store signs with the same keys.
func TestRestart(t *testing.T) {
	path, clock := filepath.Join(t.TempDir(), "gatehouse.db"), testkit.NewClock(noon)
	db := testkit.StoreAt(t, path)
	g := newRig(t, rigOptions{store: db, clock: clock})
	kept, revoked := g.token(envA, basicClient), g.token(envA, basicClient)
	if a := g.form(envA, "revoke", basicClient, "token="+revoked); a.status != 200 {
		t.Fatalf("revoke: %s", a.outcome())
	}
	jwks := g.get("/" + envA + "/as/jwks").body
	if err := g.state.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	clock.Advance(time.Minute)
	g = newRig(t, rigOptions{store: testkit.StoreAt(t, path), clock: clock})
	if got := g.get("/" + envA + "/as/jwks").body; got != jwks {
		t.Errorf("keys after the restart:\n%s\nwant\n%s", got, jwks)
	}
	if !g.active(envA, basicClient, kept) {
		t.Error("a token did not survive the restart")
	}
	if g.active(envA, basicClient, revoked) {
		t.Error("a revoked token came back with the restart")
	}
}

// TestOneRing: nodes that start at once end with one ring.
func TestOneRing(t *testing.T) {
	db := testkit.Store(t)
	const nodes = 4
	got := make(chan string, nodes)
	for range nodes {
		g := newRig(t, rigOptions{store: db})
		go func() { got <- g.get("/" + envA + "/as/jwks").body }()
	}
	first := <-got
	for range nodes - 1 {
		if next := <-got; next != first {
			t.Errorf("two nodes publish different keys:\n%s\n%s", first, next)
		}
	}
}
