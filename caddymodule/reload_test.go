package caddymodule_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

// TestReload: verifiers and state survive a reload that does not concern them,
// and are given back when the last configuration that uses them has gone.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	port := freePort(t)
	const env = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	global := func(more string) string {
		return fmt.Sprintf(`
		gatehouse {
			storage sqlite {
				path %s/g.db
			}
			environment demo %s {
				issuer http://localhost:%d/%[2]s/as
				resource orders {
					scope read %[4]s
				}
			}
		}`, dir, env, port, more)
	}
	site := func(foreign, policy string) string {
		return fmt.Sprintf(`http://localhost:%d {
			authorization_server
			route /local {
				bearer_auth {
					issuer http://localhost:%[1]d/%s/as
					audience orders
					%[4]s
				}
				respond ok
			}
			route {
				bearer_auth {%[3]s
					%[4]s
				}
				respond ok
			}
		}`, port, env, foreign, policy)
	}
	base := fmt.Sprintf("http://localhost:%d", port)
	read := map[string]any{"scope": "read"}

	load(t, global(""), site(trusted, ""))
	firstVerifiers, firstStates := caddymodule.Pooled()
	if len(firstVerifiers) != 2 || len(firstStates) != 1 {
		t.Fatalf("%d verifiers and %d states, want 2 and 1", len(firstVerifiers), len(firstStates))
	}
	if got := get(t, base+"/x", mint(t, read)); got.Status != 200 {
		t.Fatalf("status = %d, want 200", got.Status)
	}
	same := func(t *testing.T, got, want map[any]int) {
		t.Helper()
		for v := range want {
			if _, ok := got[v]; !ok {
				t.Errorf("an instance was replaced: %v, want %v", got, want)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("users = %v, want %v", slices.Collect(maps.Values(got)), slices.Collect(maps.Values(want)))
		}
	}

	outer := t // which ends what is loaded: not the subtest
	t.Run("policy, scopes and headers change", func(t *testing.T) {
		load(outer, global("write"), site(trusted, "scope read\nforward_claim sub X-User\nstrip_token\nrealm r"))
		v, s := caddymodule.Pooled()
		same(t, v, firstVerifiers)
		same(t, s, firstStates)
		if got := get(t, base+"/x", mint(t, nil)); got.Status != 403 {
			t.Errorf("status under the new policy = %d, want 403", got.Status)
		}
	})
	t.Run("how an issuer is verified changes", func(t *testing.T) {
		load(outer, global(""), site(strings.Replace(trusted, "algorithms HS256", "algorithms HS256\nclock_skew 1s", 1), ""))
		v, s := caddymodule.Pooled()
		same(t, s, firstStates)
		kept := 0
		for instance := range v {
			if _, ok := firstVerifiers[instance]; ok {
				kept++
			}
		}
		if len(v) != 2 || kept != 1 {
			t.Errorf("%d verifiers, %d of them as before, want 2 and 1", len(v), kept)
		}
	})
	t.Run("a configuration that is refused", func(t *testing.T) {
		v, s := caddymodule.Pooled()
		config, err := adapt("{\n" + globals + global("") + "\n}\n" + site("\nissuer https://new.example.com {\nca_file "+dir+"/absent\n}\naudience a", ""))
		if err != nil {
			t.Fatal(err)
		}
		if err := caddy.Load(config, true); err == nil {
			t.Fatal("loaded")
		}
		nowV, nowS := caddymodule.Pooled()
		same(t, nowV, v)
		same(t, nowS, s)
	})
	t.Run("stop", func(t *testing.T) {
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
		caddymodule.CloseRetired()
		if v, s := caddymodule.Pooled(); len(v)+len(s) != 0 {
			t.Errorf("left in the pools: %v, %v", v, s)
		}
	})
}

// TestReloadInFlight: a request that is being answered while the configuration is replaced is answered, whatever is new about its gate.
func TestReloadInFlight(t *testing.T) {
	for name, next := range map[string]func(string) string{
		"another site": func(sites string) string {
			return sites + fmt.Sprintf("http://localhost:%d {\nrespond new\n}\n", freePort(t))
		},
		"how an issuer is verified": func(sites string) string {
			return strings.Replace(sites, "algorithms HS256", "algorithms HS256\nclock_skew 1s", 1)
		},
		"no gate": func(string) string { return fmt.Sprintf("http://localhost:%d {\nrespond new\n}\n", freePort(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			arrived, release := make(chan struct{}), make(chan struct{})
			slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(arrived)
				<-release
				fmt.Fprint(w, r.Header.Get("X-User"))
			}))
			t.Cleanup(slow.Close)
			port := freePort(t)
			sites := fmt.Sprintf("http://localhost:%d {\nbearer_auth {%s\nforward_claim sub X-User\n}\nreverse_proxy %s\n}\n",
				port, trusted, slow.Listener.Addr())
			load(t, "", sites)

			type result struct {
				status int
				body   string
				err    error
			}
			answered := make(chan result, 1)
			token := mint(t, nil)
			go func() {
				r, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("http://localhost:%d", port), nil)
				r.Header.Set("Authorization", "Bearer "+token)
				res, err := client.Do(r)
				if err != nil {
					answered <- result{err: err}
					return
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				answered <- result{res.StatusCode, string(body), err}
			}()
			<-arrived
			load(t, "", next(sites))
			close(release)
			if got := <-answered; got.err != nil || got.status != 200 || got.body != "alice" {
				t.Errorf("the request in flight got %d %q (%v), want alice", got.status, got.body, got.err)
			}
		})
	}
}
