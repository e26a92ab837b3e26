package integration_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// declaredAt finds where in a node's Caddyfile something is declared, by how its line begins.
func declaredAt(t testing.TB, n *node, declaration string) int {
	t.Helper()
	text, err := os.ReadFile(n.caddyfile())
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), declaration) {
			return i + 1
		}
	}
	t.Fatalf("the Caddyfile has no line %q", declaration)
	return 0
}

// reconfigure replaces a node's configuration while it runs.
func (n *node) reconfigure(t testing.TB, c config) {
	t.Helper()
	n.write(t, c)
	n.reload(t)
}

// TestDeclaredObjects: what the Caddyfile declares is shown, and whoever wants to change it is told where that can
// be done.
func TestDeclaredObjects(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n := start(t, config{storage: b, env: sdkEnv})
		c := openConsole(t, n)
		alice := c.list(t, "/users?filter=username+eq+%22alice%22", "users")
		if len(alice) != 1 {
			t.Fatalf("alice is there %d times, want once", len(alice))
		}
		user := "/users/" + alice[0]["id"].(string)
		roles := c.list(t, "/applications/admin/roleAssignments", "roleAssignments")
		if len(roles) != 1 || roles[0]["readOnly"] != true {
			t.Fatalf("the roles of a declared application = %v, want one, read only", roles)
		}
		role := "/applications/admin/roleAssignments/" + roles[0]["id"].(string)
		scope := c.scope(t, "orders", "orders:read")
		grants := c.list(t, "/applications/reader/grants", "grants")
		if len(grants) != 1 {
			t.Fatalf("the grants of a declared application = %v, want one", grants)
		}
		grant := "/applications/reader/grants/" + grants[0]["id"].(string)

		for _, tt := range []struct {
			read, declared, method, path string
			body                         any
			header                       []string
		}{
			{"", "environment main", "PUT", "", anEnvironment("renamed"), nil},
			{"", "environment main", "DELETE", "", nil, nil},
			{"/applications/reader", "application reader", "PUT", "", aService("renamed"), nil},
			{"/applications/reader", "application reader", "DELETE", "", nil, nil},
			{"/applications/reader", "application reader", "POST", "/secret", object{}, nil},
			{"/applications/reader", "application reader", "DELETE", "/secret", nil, nil},
			{"/applications/reader", "application reader", "POST", "/attributes", object{"name": "colour", "value": "red", "required": false}, nil},
			{"/applications/reader", "application reader", "POST", "/grants", object{"resource": ref("billing"), "scopes": []object{ref(c.scope(t, "billing", "billing:read"))}}, nil},
			{grant, "application reader", "PUT", "", object{"resource": ref("orders"), "scopes": []object{ref(scope)}}, nil},
			{grant, "application reader", "DELETE", "", nil, nil},
			{role, "application admin", "DELETE", "", nil, nil},
			{"/resources/orders", "resource orders", "PUT", "", object{"name": "orders", "audience": orders}, nil},
			{"/resources/orders", "resource orders", "DELETE", "", nil, nil},
			{"/resources/orders", "resource orders", "POST", "/secret", object{}, nil},
			{"/resources/orders", "resource orders", "POST", "/scopes", object{"name": "orders:all"}, nil},
			{"/resources/orders", "resource orders", "POST", "/attributes", object{"name": "colour", "value": "red"}, nil},
			{"/resources/orders/scopes/" + scope, "resource orders", "PUT", "", object{"name": "orders:look"}, nil},
			{"/resources/orders/scopes/" + scope, "resource orders", "DELETE", "", nil, nil},
			{user, "user alice", "PUT", "", object{"username": "alice", "email": "other@example.com"}, nil},
			{user, "user alice", "PATCH", "", object{"nickname": "Al"}, nil},
			{user, "user alice", "DELETE", "", nil, nil},
			{user, "user alice", "PUT", "/enabled", object{"enabled": false}, nil},
		} {
			t.Run(tt.method+" "+strings.TrimPrefix(tt.read+tt.path, user), func(t *testing.T) {
				read := func() string { return c.want(t, http.StatusOK, http.MethodGet, tt.read, nil).body }
				before := read()
				a := c.send(t, tt.method, tt.read+tt.path, tt.body, tt.header...)
				code, details := a.pingOneError()
				where := regexp.MustCompile(`Caddyfile:(\d+)\b`).FindStringSubmatch(a.body)
				if a.status != http.StatusBadRequest || code != "INVALID_DATA" || where == nil {
					t.Fatalf("answer = %d %s, want 400 INVALID_DATA and where it is declared", a.status, a.body)
				}
				if line, _ := strconv.Atoi(where[1]); line != declaredAt(t, n, tt.declared) {
					t.Errorf("it says line %d, want %d: %s", line, declaredAt(t, n, tt.declared), details)
				}
				if after := read(); after != before {
					t.Errorf("it has changed:\n%s\n%s", before, after)
				}
			})
		}
		// The secret that is declared is as good as before.
		n.token(t, reader)
	})
}

// TestDeclaredReload: what a reload adds or takes away is there or gone with the next request.
func TestDeclaredReload(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		late := config{storage: b, env: sdkEnv}
		n := start(t, late)
		c := openConsole(t, n)
		if a := c.send(t, http.MethodGet, "/applications/late", nil); a.status != http.StatusNotFound {
			t.Fatalf("before: %d, want 404", a.status)
		}
		plain := late
		late.env += `
			application late {
				name "Late"
				type service
				secret late-secret-4TqZ81vb
				allow orders:read
			}`
		n.secret("the secret of late", "late-secret-4TqZ81vb")
		n.reconfigure(t, late)
		if name := c.get(t, "/applications/late")["name"]; name != "Late" {
			t.Errorf("name = %v, want Late", name)
		}
		if a := c.send(t, http.MethodPost, "/applications", aService("Late")); a.status != http.StatusBadRequest || !strings.Contains(a.body, "UNIQUENESS_VIOLATION") {
			t.Errorf("another one of that name = %d %s, want UNIQUENESS_VIOLATION", a.status, a.body)
		}
		token := n.token(t, basic("late", "late-secret-4TqZ81vb"))
		if a := n.call(t, "gate", "/", token); a.status != http.StatusOK {
			t.Errorf("the gate: %d, want 200", a.status)
		}
		n.reconfigure(t, plain)
		if a := c.send(t, http.MethodGet, "/applications/late", nil); a.status != http.StatusNotFound {
			t.Errorf("after it was taken out: %d, want 404", a.status)
		}
		if a := n.tryWorker(t, mainEnv, "late", "late-secret-4TqZ81vb", ""); a.status != http.StatusUnauthorized {
			t.Errorf("its token request: %d, want 401", a.status)
		}
		c.create(t, "/applications", aService("Late")) // the name is free
	})
}

// TestDeclaredTakesID: an application is declared under the ID of a stored one, and a person under the name of one. The
// declared one counts, alone: nothing of the stored one shines through, neither a secret nor a
// grant nor a password. When it is taken out again, the stored one is as it was.
func TestDeclaredTakesID(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		t.Setenv("DESK_SECRET", deskSecret)
		desk := newParty(t, "desk", deskSecret, "127.0.0.1")
		plain := config{storage: b, env: changeEnv, vars: map[string]string{"DESK": desk.base, "SHOP": desk.base}}
		n := start(t, plain)
		n.secret("the secret of desk", deskSecret)
		c := openConsole(t, n)
		id := c.create(t, "/applications", aService("stored"))
		c.grant(t, id, "orders", c.scope(t, "orders", "orders:write"))
		secret := c.secretOf(t, "/applications/"+id)
		person := c.importUser(t, "twin", "twin-stored-9Kd2-pass")
		subject := func(password string) any {
			t.Helper()
			at := newAgent(t, n)
			begun := desk.begin(n, "prompt", "login")
			at.visit(begun.address)
			at.press("submit", "username", "twin", "password", password)
			if at.at.Query().Get("code") == "" {
				return nil
			}
			return begun.redeem(t, n).claims["sub"]
		}
		stored := func(t *testing.T) {
			t.Helper()
			if name := c.get(t, "/applications/"+id)["name"]; name != "stored" {
				t.Errorf("name = %v, want stored", name)
			}
			if got := claims(t, n.workerToken(t, mainEnv, id, secret, ""))["scope"]; got != "orders:write" {
				t.Errorf("scope = %v, want orders:write", got)
			}
			if got := subject("twin-stored-9Kd2-pass"); got != person {
				t.Errorf("twin is %v, want %s", got, person)
			}
		}
		stored(t)

		declared := plain
		declared.env += fmt.Sprintf(`
			application %s {
				name "declared"
				type service
				secret declared-secret-Hw7z2Qx
				allow orders:read
			}
			user twin {
				password twin-declared-3Lp8-pass
			}`, id)
		n.secret("the declared secret", "declared-secret-Hw7z2Qx")
		n.secret("the declared password", "twin-declared-3Lp8-pass")
		n.reconfigure(t, declared)
		if name := c.get(t, "/applications/"+id)["name"]; name != "declared" {
			t.Errorf("name = %v, want declared", name)
		}
		if a := n.tryWorker(t, mainEnv, id, secret, ""); a.status != http.StatusUnauthorized {
			t.Errorf("the stored secret: %d, want 401", a.status)
		}
		if got := claims(t, n.workerToken(t, mainEnv, id, "declared-secret-Hw7z2Qx", ""))["scope"]; got != "orders:read" {
			t.Errorf("scope = %v, want what is declared", got)
		}
		if a := n.tryWorker(t, mainEnv, id, "declared-secret-Hw7z2Qx", "orders:write"); a.oauthError() != "invalid_scope" {
			t.Errorf("a scope that the stored one was granted = %d %s, want invalid_scope", a.status, a.body)
		}
		if a := c.send(t, http.MethodGet, "/applications/"+id+"/secret", nil); strings.Contains(a.body, secret) {
			t.Error("the stored secret is shown")
		}
		for _, change := range []*http.Request{
			c.request(http.MethodPut, "/applications/"+id, aService("stolen")), c.request(http.MethodDelete, "/applications/"+id, nil),
			c.request(http.MethodPost, "/applications/"+id+"/secret", object{}),
		} {
			if a := n.do(t, change); a.status != http.StatusBadRequest || !strings.Contains(a.body, "Caddyfile:") {
				t.Errorf("%s %s = %d %s, want 400 and where it is declared", change.Method, change.URL.Path, a.status, a.body)
			}
		}
		var granted []any
		for _, g := range c.list(t, "/applications/"+id+"/grants", "grants") {
			granted = append(granted, g["scopes"])
		}
		if want := []any{[]any{ref(c.scope(t, "orders", "orders:read"))}}; fmt.Sprint(granted) != fmt.Sprint(want) {
			t.Errorf("scopes of its grants = %v, want those of the declared one %v", granted, want)
		}
		seen := 0
		for _, a := range c.list(t, "/applications", "applications") {
			if a["id"] == id {
				seen++
			}
		}
		if seen != 1 {
			t.Errorf("it is listed %d times, want once", seen)
		}
		if got := subject("twin-stored-9Kd2-pass"); got != nil {
			t.Errorf("the stored password lets in %v", got)
		}
		if got := subject("twin-declared-3Lp8-pass"); got == nil || got == person {
			t.Errorf("the declared password lets in %v, want the declared person", got)
		}

		n.reconfigure(t, plain)
		stored(t)
	})
}
