package integration_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// policySite has gates of two issuers, each with a policy of its own, on one site.
const policySite = `
(a) {
	issuer $ISSUER_A {
		insecure_loopback_http
	}
	issuer $ASKED_A {
		verify introspect
		introspection {
			endpoint $ASKED_A/introspect
			basic gate gate-secret
			ttl 1m
		}
		insecure_loopback_http
	}
}

(b) {
	issuer $ISSUER_B {
		insecure_loopback_http
	}
	issuer $ASKED_B {
		verify introspect
		introspection {
			endpoint $ASKED_B/introspect
			basic gate gate-secret
			ttl 1m
		}
		insecure_loopback_http
	}
}

http://:$POLICIES {
	log
	@write path /rule/write/*
	bearer_auth /plain {
		import a
		audience ` + orders + `
	}
	bearer_auth /b {
		import b
		audience ` + orders + `
	}
	bearer_auth /billing {
		import a
		audience ` + billing + `
	}
	bearer_auth /write {
		import a
		audience ` + orders + `
		scope orders:write
	}
	bearer_auth /sales {
		import a
		audience ` + orders + `
		claim department sales
	}
	bearer_auth /gold {
		import a
		audience ` + orders + `
		acr gold
	}
	bearer_auth /recent {
		import a
		audience ` + orders + `
		max_age 5m
	}
	bearer_auth /cel {
		import a
		audience ` + orders + `
		allow ` + "`claims.level >= 3 && request.query.all(k, k != 'forbidden')`" + `
	}
	bearer_auth /key {
		import a
		audience ` + orders + `
		url http://127.0.0.1:$POLICIES
		dpop
		bound dpop
	}
	bearer_auth /optional {
		import a
		audience ` + orders + `
		optional
	}
	bearer_auth /rule/* {
		import a
		audience ` + orders + `
		rule @write {
			scope orders:write
		}
	}
	bearer_auth /nested* {
		import a
		audience ` + orders + `
		claim department sales
	}
	bearer_auth /nested/write {
		import a
		audience ` + orders + `
		scope orders:write
	}
	reverse_proxy $UPSTREAM
}
`

// bearer is a token and what is to become of it, by what it says.
type bearer struct {
	name       string
	token      string
	b          bool // of issuer B, in place of A
	opaque     bool // which B knows nothing of
	aud        string
	scopes     []string
	department string
	acr        string
	level      int // -1: no such claim
	age        time.Duration
	key        *dpopKey // that it is bound to
}

// TestAttack74TwoIssuersOneSite: which gate has seen a token before, and what that made of it, is nothing to the next one: every verdict is
// that of the place, in any order.
func TestAttack74TwoIssuersOneSite(t *testing.T) {
	a, b := newIssuer(t), newIssuer(t)
	askedA, askedB := newOracle(t), newOracle(t)
	n := start(t, config{bare: true, ports: []string{"policies"}, sites: policySite, vars: map[string]string{
		"ISSUER_A": a.url(), "ISSUER_B": b.url(), "ASKED_A": askedA.url(), "ASKED_B": askedB.url(),
	}})
	key := newDPoPKey()
	now := time.Now()
	var bearers []*bearer
	add := func(x bearer, edit func(c map[string]any)) {
		x.aud, x.level = orders, -1
		claims := func(c map[string]any) {
			c["scope"] = "orders:read"
			if edit != nil {
				edit(c)
			}
			// What the oracle judges by is read back from what the token says.
			x.aud, _ = c["aud"].(string)
			x.scopes = strings.Fields(c["scope"].(string))
			x.department, _ = c["department"].(string)
			x.acr, _ = c["acr"].(string)
			if level, ok := c["level"].(int); ok {
				x.level = level
			}
			x.age = time.Hour
			if at, ok := c["auth_time"].(int64); ok {
				x.age = now.Sub(time.Unix(at, 0))
			}
		}
		switch {
		case x.opaque:
			x.token = askedA.opaque(replyJSON(askedA.active(claims)))
		case x.b:
			x.token = b.token(t, claims)
		default:
			x.token = a.token(t, claims)
		}
		n.secret("the token "+x.name, x.token)
		bearers = append(bearers, &x)
	}
	set := func(pairs ...any) func(map[string]any) {
		return func(c map[string]any) {
			for i := 0; i < len(pairs); i += 2 {
				c[pairs[i].(string)] = pairs[i+1]
			}
		}
	}
	everything := []any{"scope", "orders:read orders:write", "department", "sales", "acr", "gold", "auth_time", now.Unix(), "level", 9}
	add(bearer{name: "plain"}, nil)
	add(bearer{name: "everything"}, set(everything...))
	add(bearer{name: "B", b: true}, nil)
	add(bearer{name: "B with everything", b: true}, set(everything...))
	add(bearer{name: "billing"}, set("aud", billing))
	add(bearer{name: "write"}, set("scope", "orders:write"))
	add(bearer{name: "sales"}, set("department", "sales"))
	add(bearer{name: "marketing"}, set("department", "marketing", "scope", "orders:read orders:write"))
	add(bearer{name: "gold, long ago"}, set("acr", "gold", "auth_time", now.Add(-10*time.Minute).Unix()))
	add(bearer{name: "silver, now"}, set("acr", "silver", "auth_time", now.Unix()))
	add(bearer{name: "level 2"}, set("level", 2))
	add(bearer{name: "level 3"}, set("level", 3))
	add(bearer{name: "bound", key: &key}, set("cnf", map[string]any{"jkt": key.thumbprint(t)}))
	add(bearer{name: "bound, with everything", key: &key}, set(append(everything, "cnf", map[string]any{"jkt": key.thumbprint(t)})...))
	add(bearer{name: "opaque", opaque: true}, nil)
	add(bearer{name: "opaque with everything", opaque: true}, set(everything...))

	allowed := func(ok bool) int {
		if ok {
			return http.StatusOK
		}
		return http.StatusForbidden
	}
	// at is the answer of a gate of A for the audience, and more for those whose token is good there.
	at := func(audience string, dpop bool, more func(x *bearer) int) func(x *bearer) int {
		return func(x *bearer) int {
			if x.b || x.aud != audience || x.key != nil && !dpop {
				return http.StatusUnauthorized
			}
			if more == nil {
				return http.StatusOK
			}
			return more(x)
		}
	}
	has := func(scope string) func(*bearer) int {
		return func(x *bearer) int { return allowed(slices.Contains(x.scopes, scope)) }
	}
	stepUp := func(ok func(*bearer) bool) func(*bearer) int {
		return func(x *bearer) int {
			if ok(x) {
				return http.StatusOK
			}
			return http.StatusUnauthorized
		}
	}
	sales := func(x *bearer) int { return allowed(x.department == "sales") }
	places := []struct {
		path string
		want func(x *bearer) int
	}{
		{"/plain", at(orders, false, nil)},
		{"/b", func(x *bearer) int {
			if x.b && x.key == nil {
				return http.StatusOK
			}
			return http.StatusUnauthorized
		}},
		{"/billing", at(billing, false, nil)},
		{"/write", at(orders, false, has("orders:write"))},
		{"/sales", at(orders, false, sales)},
		{"/gold", at(orders, false, stepUp(func(x *bearer) bool { return x.acr == "gold" }))},
		{"/recent", at(orders, false, stepUp(func(x *bearer) bool { return x.age < 5*time.Minute }))},
		{"/cel", at(orders, false, func(x *bearer) int { return allowed(x.level >= 3) })},
		{"/cel?forbidden=1", at(orders, false, func(*bearer) int { return http.StatusForbidden })},
		{"/key", at(orders, true, func(x *bearer) int {
			if x.key == nil {
				return http.StatusUnauthorized
			}
			return http.StatusOK
		})},
		{"/optional", at(orders, false, nil)},
		{"/rule/read", at(orders, false, nil)},
		{"/rule/write/1", at(orders, false, has("orders:write"))},
		{"/nested", at(orders, false, sales)},
		{"/nested/write", at(orders, false, func(x *bearer) int {
			return allowed(x.department == "sales" && slices.Contains(x.scopes, "orders:write"))
		})},
	}
	ask := func(x *bearer, path string) answer {
		if x.key == nil {
			return n.call(t, "policies", path, x.token)
		}
		plain, _, _ := strings.Cut(path, "?")
		return n.prove(t, "policies", path, x.token, x.key.proof(t, http.MethodGet, n.url("policies")+plain, x.token, nil))
	}
	type visit struct{ x, place int }
	var visits []visit
	for x := range bearers {
		for p := range places {
			visits = append(visits, visit{x, p}, visit{x, p})
		}
	}
	seed := rand.Uint64()
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(visits), func(i, j int) { visits[i], visits[j] = visits[j], visits[i] })
	passed := map[string]int{}
	for i, v := range visits {
		x, place := bearers[v.x], places[v.place]
		before := n.upstream.count()
		got, want := ask(x, place.path), place.want(x)
		if got.status != want {
			t.Errorf("seed %d, visit %d: token %q at %s = %d %s, want %d", seed, i, x.name, place.path, got.status, got.challenge(), want)
		}
		if reached := n.upstream.count() - before; reached != 0 && want != http.StatusOK || reached != 1 && want == http.StatusOK {
			t.Errorf("seed %d, visit %d: token %q at %s reached the upstream %d times", seed, i, x.name, place.path, reached)
		}
		if want == http.StatusOK {
			passed[place.path]++
		}
		if t.Failed() && i > 50 {
			break
		}
	}
	// Anonymous requests pass where nothing has to be presented, and nowhere else.
	for _, place := range places {
		want := http.StatusUnauthorized
		if place.path == "/optional" {
			want = http.StatusOK
		}
		if got := n.call(t, "policies", place.path, ""); got.status != want {
			t.Errorf("nothing at %s = %d, want %d", place.path, got.status, want)
		}
	}
	for _, place := range places {
		if passed[place.path] == 0 && place.path != "/cel?forbidden=1" {
			t.Errorf("%s let nothing pass; the test shows nothing there", place.path)
		}
	}
	t.Logf("%d visits, passed: %v", len(visits), fmt.Sprint(passed))
}

// TestAttack85ProofsOverReload: a proof that was used stays used when the configuration is loaded anew, and at a second node.
func TestAttack85ProofsOverReload(t *testing.T) {
	site := func(name, issuer string) string {
		return fmt.Sprintf(`
http://:$%[1]s {
	log
	bearer_auth {
		issuer %[2]s {
			$INSECURE_%[1]s
		}
		audience `+orders+`
		url http://127.0.0.1:$%[1]s
		dpop
	}
	reverse_proxy $UPSTREAM
}
`, name, issuer)
	}
	f := newIssuer(t)
	key := newDPoPKey()
	c := config{
		ports: []string{"bound", "far"}, sites: site("BOUND", "$ISSUER") + site("FAR", "$FOREIGN_ISSUER"),
		vars: map[string]string{"FOREIGN_ISSUER": f.url(), "INSECURE_BOUND": "", "INSECURE_FAR": "insecure_loopback_http"},
	}
	foreign := f.token(t, func(c map[string]any) { c["cnf"] = map[string]any{"jkt": key.thumbprint(t)} })
	refused := func(t *testing.T, what string, a answer) {
		t.Helper()
		if a.status != http.StatusUnauthorized || !strings.Contains(a.challenge(), "invalid_dpop_proof") {
			t.Errorf("%s: %d %s, want 401 invalid_dpop_proof", what, a.status, a.challenge())
		}
	}
	passes := func(t *testing.T, what string, a answer) {
		t.Helper()
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s, want 200", what, a.status, a.challenge())
		}
	}
	use := func(t *testing.T, n *node, token map[string]string) map[string]string {
		used := map[string]string{}
		for _, port := range []string{"bound", "far"} {
			n.secret("an access token", token[port])
			used[port] = key.proof(t, http.MethodGet, n.url(port)+"/", token[port], nil)
			passes(t, "the proof at "+port, n.prove(t, port, "/", token[port], used[port]))
			refused(t, "the proof again at "+port, n.prove(t, port, "/", token[port], used[port]))
		}
		return used
	}
	t.Run("reload", func(t *testing.T) {
		n := start(t, c)
		token := map[string]string{"bound": n.dpopToken(t, key, worker, "orders:read"), "far": foreign}
		used := use(t, n, token)
		atServer := key.proof(t, http.MethodPost, n.vars["ISSUER"]+"/token", "", nil)
		ask := func() answer {
			return n.form(t, "/token", func(r *http.Request) { worker(r); r.Header.Set("DPoP", atServer) }, "grant_type", "client_credentials")
		}
		if a := ask(); a.status != http.StatusOK {
			t.Fatalf("the token endpoint: %d %s, want 200", a.status, a.body)
		}
		for range 2 {
			n.reload(t)
			for _, port := range []string{"bound", "far"} {
				refused(t, "after a reload at "+port, n.prove(t, port, "/", token[port], used[port]))
				fresh := key.proof(t, http.MethodGet, n.url(port)+"/", token[port], nil)
				passes(t, "a new proof at "+port, n.prove(t, port, "/", token[port], fresh))
			}
			if a := ask(); a.status != http.StatusBadRequest || a.oauthError() != "invalid_dpop_proof" {
				t.Errorf("the token endpoint, again: %d %s, want 400 invalid_dpop_proof", a.status, a.body)
			}
		}
	})
	t.Run("two nodes", func(t *testing.T) {
		a, b := twins(t, c)
		// Both are behind one name, which the proof is for.
		b.vars["BOUND"], b.vars["FAR"] = a.vars["BOUND"], a.vars["FAR"]
		text := strings.NewReplacer("url http://127.0.0.1:"+fmt.Sprint(b.ports["bound"]), "url "+a.url("bound"), "url http://127.0.0.1:"+fmt.Sprint(b.ports["far"]), "url "+a.url("far"))
		rewrite(t, b, text.Replace)
		b.reload(t)
		token := map[string]string{"bound": a.dpopToken(t, key, worker, "orders:read"), "far": foreign}
		used := use(t, a, token)
		for _, port := range []string{"bound", "far"} {
			refused(t, "at the other node, at "+port, b.prove(t, port, "/", token[port], used[port]))
			fresh := key.proof(t, http.MethodGet, a.url(port)+"/", token[port], nil)
			passes(t, "a new proof at the other node, at "+port, b.prove(t, port, "/", token[port], fresh))
			refused(t, "then at the first, at "+port, a.prove(t, port, "/", token[port], fresh))
		}
		atServer := key.proof(t, http.MethodPost, a.vars["ISSUER"]+"/token", "", nil)
		ask := func(n *node) answer {
			return n.form(t, "/token", func(r *http.Request) { worker(r); r.Header.Set("DPoP", atServer) }, "grant_type", "client_credentials")
		}
		if got := ask(a); got.status != http.StatusOK {
			t.Errorf("the token endpoint: %d %s, want 200", got.status, got.body)
		}
		if got := ask(b); got.status != http.StatusBadRequest || got.oauthError() != "invalid_dpop_proof" {
			t.Errorf("the other node's token endpoint: %d %s, want 400 invalid_dpop_proof", got.status, got.body)
		}
	})
}

// rewrite changes a node's Caddyfile.
func rewrite(t testing.TB, n *node, change func(string) string) {
	t.Helper()
	text, err := os.ReadFile(n.caddyfile())
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(text))
	if changed == string(text) {
		t.Fatal("nothing was changed in the Caddyfile")
	}
	if err := os.WriteFile(n.caddyfile(), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}
