package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// conditional is a gate whose rules and conditions most of these tests use.
const conditional = trusted + `
		scope read
		forward_claim sub X-User-Id
		rule /admin* {
			scope admin
		}
		rule @write {
			any_scope write all
			claim client_id web
		}
		rule /tenants/* {
			allow ` + "`request.path.startsWith(\"/tenants/\" + claims.tenant + \"/\")`" + `
		}
		rule /step {
			acr gold
			max_age 5m
		}
		rule /other {
			require_audience https://other.example.com
		}
`

// TestRules: a rule adds to what every request needs, and to other rules that match; it never takes away.
func TestRules(t *testing.T) {
	base, up := gate(t, "@write method POST PUT\nbearer_auth {"+conditional+"}")
	now := time.Now().Unix()
	tests := []struct {
		name, method, path string
		claims             map[string]any
		status             int
		challenge          string // part of it
	}{
		{"top level alone", "GET", "/x", map[string]any{"scope": "read"}, 200, ""},
		{"top level fails", "GET", "/x", map[string]any{"scope": "admin"}, 403, `scope="read"`},
		{"rule fails, and the challenge has all scopes", "GET", "/admin/x", map[string]any{"scope": "read"}, 403, `scope="read admin"`},
		{"rule alone is not enough", "GET", "/admin/x", map[string]any{"scope": "admin"}, 403, `scope="read admin"`},
		{"both", "GET", "/admin/x", map[string]any{"scope": "read admin"}, 200, ""},
		{"two rules, one fails", "POST", "/admin/x", map[string]any{"scope": "read admin"}, 403, `scope="read admin write all"`},
		{"two rules, the other fails", "POST", "/admin/x", map[string]any{"scope": "read all"}, 403, `scope="read admin write all"`},
		{"two rules", "POST", "/admin/x", map[string]any{"scope": "read admin all"}, 200, ""},
		{"claim of a rule", "POST", "/x", map[string]any{"scope": "read write", "client_id": "other"}, 403, `error="insufficient_scope"`},
		{"claim of a rule that does not match", "GET", "/x", map[string]any{"scope": "read", "client_id": "other"}, 200, ""},
		{"condition", "GET", "/tenants/t1/x", map[string]any{"scope": "read", "tenant": "t1"}, 200, ""},
		{"condition not met", "GET", "/tenants/t2/x", map[string]any{"scope": "read", "tenant": "t1"}, 403, `error="insufficient_scope"`},
		{"condition without its claim", "GET", "/tenants/t1/x", map[string]any{"scope": "read"}, 403, `error="insufficient_scope"`},
		{"condition over a claim of another type", "GET", "/tenants/1/x", map[string]any{"scope": "read", "tenant": 1}, 403, `error="insufficient_scope"`},
		{"step-up", "GET", "/step", map[string]any{"scope": "read", "acr": "gold", "auth_time": now - 10}, 200, ""},
		{"step-up, acr", "GET", "/step", map[string]any{"scope": "read", "acr": "silver", "auth_time": now - 10}, 401, `acr_values="gold"`},
		{"step-up, acr absent", "GET", "/step", map[string]any{"scope": "read", "auth_time": now - 10}, 401, `error="insufficient_user_authentication"`},
		{"step-up, too long ago", "GET", "/step", map[string]any{"scope": "read", "acr": "gold", "auth_time": now - 400}, 401, `max_age="300"`},
		{"audience", "GET", "/other", map[string]any{"scope": "read"}, 403, ""},
		{"audience of both", "GET", "/other", map[string]any{"scope": "read", "aud": []string{audience, "https://other.example.com"}}, 200, ""},
		{"path matchers know no case", "GET", "/ADMIN", map[string]any{"scope": "read"}, 403, `scope="read admin"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := send(t, tt.method, base+tt.path, mint(t, tt.claims))
			if got.Status != tt.status || !strings.Contains(got.Header.Get("WWW-Authenticate"), tt.challenge) {
				t.Errorf("status = %d, challenge %q, want %d, %q", got.Status, got.Header.Get("WWW-Authenticate"), tt.status, tt.challenge)
			}
			if reached := up.last() != nil; reached != (tt.status == 200) {
				t.Errorf("upstream asked = %v, want %v", reached, tt.status == 200)
			}
		})
	}
}

// TestMatcherError: a rule whose matcher fails is one that may match.
func TestMatcherError(t *testing.T) {
	base, up := gate(t, "@odd expression `{http.request.header.X-Number}.x == 1`\nbearer_auth {"+trusted+`
		rule @odd {
			scope admin
		}
	}`)
	if got := get(t, base+"/x", mint(t, map[string]any{"scope": "admin"})); got.Status != 403 || up.last() != nil {
		t.Errorf("status = %d, want 403 and nothing at the upstream", got.Status)
	}
}

// TestAttack50OptionalAuthentication: anonymous is who presents nothing, and nobody else.
func TestAttack50OptionalAuthentication(t *testing.T) {
	base, up := gate(t, "@write method POST PUT\nroute {\nbearer_auth {"+conditional+`
		optional
	}
	header X-Who "{http.auth.user.id}"
	}`)
	good := mint(t, map[string]any{"scope": "read"})
	forged := []string{"X-User-Id", "admin", "X_User_Id", "admin"}
	tests := []struct {
		name, method, path, token string
		headers                   []string
		status                    int
		user                      string
	}{
		{"nothing presented", "GET", "/x", "", nil, 200, ""},
		{"good token", "GET", "/x", good, nil, 200, "alice"},
		{"nothing presented, where a rule matches", "GET", "/admin", "", nil, 401, ""},
		{"nothing presented, where a rule matches the method", "POST", "/x", "", nil, 401, ""},
		{"good token that lacks the scope", "GET", "/x", mint(t, nil), nil, 403, ""},
		{"expired", "GET", "/x", mint(t, map[string]any{"exp": 1000, "iat": 900}), nil, 401, ""},
		{"unknown issuer", "GET", "/x", mint(t, map[string]any{"iss": "https://other.example.com"}), nil, 401, ""},
		{"garbage", "GET", "/x", "garbage", nil, 401, ""},
		{"empty header", "GET", "/x", "", []string{"Authorization", ""}, 401, ""},
		{"another scheme", "GET", "/x", "", []string{"Authorization", "Basic YTpi"}, 401, ""},
		{"scheme alone", "GET", "/x", "", []string{"Authorization", "Bearer"}, 400, ""},
		{"a proof alone", "GET", "/x", "", []string{"DPoP", "x.y.z"}, 401, ""},
		{"token bound to a key", "GET", "/x", mint(t, map[string]any{"scope": "read", "cnf": map[string]any{"jkt": "x"}}), nil, 401, ""},
		{"two headers", "GET", "/x", good, []string{"Authorization", "Bearer x"}, 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := send(t, tt.method, base+tt.path, tt.token, append(forged, tt.headers...)...)
			if got.Status != tt.status {
				t.Errorf("status = %d, want %d", got.Status, tt.status)
			}
			h := up.last()
			if (h != nil) != (tt.status == 200) {
				t.Errorf("upstream asked = %v", h != nil)
			}
			for name, v := range h {
				if fold(name) == "x-user-id" && (tt.user == "" || v[0] != tt.user) {
					t.Errorf("%s: %q at the upstream, want %q", name, v, tt.user)
				}
			}
			if who := got.Header.Get("X-Who"); tt.status == 200 && who != tt.user {
				t.Errorf("{http.auth.user.id} = %q, want %q", who, tt.user)
			}
		})
	}
}

// TestShadow: everything passes, and what would have been refused has no identity.
func TestShadow(t *testing.T) {
	const is = "https://shadow.example.com" // its counters are its own
	dir := t.TempDir()
	access := filepath.Join(dir, "access.log")
	warnings := filepath.Join(dir, "warnings.log")
	up := newUpstream(t)
	port, admin := freePort(t), freePort(t)
	config, err := adapt(fmt.Sprintf(`{
		%s
		admin 127.0.0.1:%d
		log all {
			output file %s
			level WARN
			format json
		}
	}
	http://:%d {
		log {
			output file %s
			format json
		}
		@write method POST
		bearer_auth {%s
			shadow
		}
		reverse_proxy %s
	}`, strings.Replace(globals, "admin off", "", 1), admin, warnings, port, access, strings.ReplaceAll(conditional, issuer, is), up.Addr))
	if err != nil {
		t.Fatal(err)
	}
	loadJSON(t, config)
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	good, short := mint(t, map[string]any{"iss": is, "scope": "read"}), mint(t, map[string]any{"iss": is})
	tests := []struct{ name, path, token, decision, user string }{
		{"good", "/x", good, "allowed", "alice"},
		{"none", "/x", "", "no_token", ""},
		{"garbage", "/x", "garbage", "malformed", ""},
		{"too few scopes", "/x", short, "insufficient_scope", ""},
		{"too few for a rule", "/admin", good, "insufficient_scope", ""},
		{"ambiguous", "/x//y", good, "ambiguous_path", ""},
	}
	for _, tt := range tests {
		got := get(t, base+tt.path, tt.token, "X-User-Id", "admin")
		h := up.last()
		if got.Status != 200 || h == nil {
			t.Fatalf("%s: status = %d, want the upstream's 200", tt.name, got.Status)
		}
		if user := h.Get("X-User-Id"); user != tt.user {
			t.Errorf("%s: X-User-Id = %q, want %q", tt.name, user, tt.user)
		}
		want := ""
		if tt.token != "" {
			want = "Bearer " + tt.token
		}
		if got := h.Get("Authorization"); got != want {
			t.Errorf("%s: Authorization = %q, want it as the client sent it", tt.name, got)
		}
	}
	for i, line := range logLines(t, access, len(tests)) {
		shadow, _ := line["token.shadow"].(bool)
		if line["token.decision"] != tests[i].decision || shadow != (tests[i].decision != "allowed") {
			t.Errorf("%s: logged decision %v, shadow %v", tests[i].name, line["token.decision"], shadow)
		}
	}
	metrics := get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", admin), "").Body
	for _, want := range []string{
		fmt.Sprintf("gatehouse_shadow_decisions_total{issuer=%q,reason=\"insufficient_scope\"} 2", is),
		`gatehouse_shadow_decisions_total{issuer="none",reason="no_token"} `,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if text, _ := os.ReadFile(warnings); !strings.Contains(string(text), "insecure: shadow is on") {
		t.Errorf("no warning at start: %s", text)
	}
}

// TestNested: of several gates on one way each must be satisfied; neither optional nor shadow inside loosens what is outside.
func TestNested(t *testing.T) {
	for _, inner := range []string{"", "scope write", "optional", "shadow", "optional\nshadow\nscope none", "rule /* {\nscope write\n}\noptional", "any_scope read write"} {
		t.Run(strings.ReplaceAll(inner, "\n", " "), func(t *testing.T) {
			base, up := gate(t, "route {\nbearer_auth {"+trusted+"scope admin\n}\nbearer_auth {"+trusted+inner+"\n}\nheader X-Who {http.auth.user.id}\n}")
			for name, token := range map[string]string{
				"none": "", "garbage": "x", "inner's scope alone": mint(t, map[string]any{"scope": "write read"}),
			} {
				if got := get(t, base, token); got.Status < 400 || up.last() != nil {
					t.Errorf("%s: status = %d, want a refusal", name, got.Status)
				}
			}
			if got := get(t, base, mint(t, map[string]any{"scope": "admin write read"})); got.Status != 200 || got.Header.Get("X-Who") != "alice" {
				t.Errorf("both satisfied: status = %d, user %q", got.Status, got.Header.Get("X-Who"))
			}
		})
	}
}

// TestAttack74PoliciesShareNoVerdict: one token, two routes of one verifier, and two issuers with different policies on one site.
func TestAttack74PoliciesShareNoVerdict(t *testing.T) {
	const second = "https://second.example.com"
	two := strings.ReplaceAll(trusted, issuer, second)
	up := newUpstream(t)
	port := freePort(t)
	load(t, "", fmt.Sprintf(`http://localhost:%d {
		handle /open/* {
			bearer_auth {%[2]s
			}
			reverse_proxy %[4]s
		}
		handle /admin/* {
			bearer_auth {%[2]s
				scope admin
			}
			reverse_proxy %[4]s
		}
		handle /tenant/* {
			bearer_auth {%[2]s
				allow "claims.tenant == 't1'"
			}
			reverse_proxy %[4]s
		}
		handle /second/* {
			bearer_auth {%[3]s
				scope admin
			}
			reverse_proxy %[4]s
		}
	}`, port, trusted, two, up.Addr))
	base := fmt.Sprintf("http://localhost:%d", port)
	plain := mint(t, nil)
	foreign := mint(t, map[string]any{"iss": second, "scope": "admin"})
	for round := range 3 { // with results remembered, and in any order
		for _, tt := range []struct {
			path, token string
			status      int
		}{
			{"/open/x", plain, 200}, {"/admin/x", plain, 403}, {"/tenant/x", plain, 403}, {"/second/x", plain, 401},
			{"/admin/x", mint(t, map[string]any{"scope": "admin"}), 200}, {"/tenant/x", mint(t, map[string]any{"tenant": "t1"}), 200},
			{"/second/x", foreign, 200}, {"/admin/x", foreign, 401}, {"/open/x", foreign, 401}, {"/open/x", plain, 200},
		} {
			if got := get(t, base+tt.path, tt.token); got.Status != tt.status {
				t.Errorf("round %d: %s: status = %d, want %d", round, tt.path, got.Status, tt.status)
			}
		}
		time.Sleep(20 * time.Millisecond) // results are remembered in the background
	}
}

// TestAttack44CoercionInConditions: a claim of another type is not the one that a condition is about.
func TestAttack44CoercionInConditions(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+"allow `claims.email_verified == true && claims.email.endsWith(\"@example.com\") && \"staff\" in claims.groups`\n}")
	good := map[string]any{"email_verified": true, "email": "a@example.com", "groups": []string{"staff"}}
	if got := get(t, base, mint(t, good)); got.Status != 200 {
		t.Fatalf("good: status = %d", got.Status)
	}
	up.last()
	for name, bad := range map[string]any{
		"email_verified": "true", "email_verified ": 1, "email_verified  ": []bool{true}, "groups": "staff", "groups ": []any{[]string{"staff"}},
		"email": []string{"a@example.com"}, "email ": map[string]any{"a@example.com": 1}, "email  ": nil,
	} {
		claims := map[string]any{}
		for k, v := range good {
			claims[k] = v
		}
		claims[strings.TrimSpace(name)] = bad
		if got := get(t, base, mint(t, claims)); got.Status != 403 || up.last() != nil {
			t.Errorf("%s = %v: status = %d, want 403", name, bad, got.Status)
		}
	}
}

// TestAttack45MissingClaimInConditions, which is property 4 for conditions: without any of the claims that it reads, a condition
// that was met is not, however it is written.
func TestAttack45MissingClaimInConditions(t *testing.T) {
	for _, condition := range []string{
		`claims.client_id == "web" && claims.tenant == "t1"`,
		`claims.client_id != "bad" && claims.tenant != "bad"`,
		`!(claims.client_id == "bad") && !(claims.tenant in ["bad"])`,
		`!(claims.client_id + claims.tenant).contains("bad")`,
		`[claims.client_id, claims.tenant].all(x, x != "bad")`,
	} {
		t.Run(condition, func(t *testing.T) {
			base, up := gate(t, "bearer_auth {"+trusted+"allow `"+condition+"`\n}")
			if got := get(t, base, mint(t, map[string]any{"tenant": "t1"})); got.Status != 200 {
				t.Fatalf("with all claims: status = %d", got.Status)
			}
			up.last()
			for _, claims := range []map[string]any{{}, {"tenant": "t1", "client_id": nil}} {
				if got := get(t, base, mint(t, claims)); got.Status != 403 || up.last() != nil {
					t.Errorf("without: status = %d, want 403", got.Status)
				}
			}
		})
	}
}

// TestTokenClaim: the matcher, behind the gate and before it.
func TestTokenClaim(t *testing.T) {
	base, _ := gate(t, `route {
		@early token_claim role admin
		header @early X-Early yes
		bearer_auth {`+trusted+`
			optional
		}
		@admin token_claim role admin root
		@nested token_claim realm_access.level 3
		header @admin X-Admin yes
		header @nested X-Nested yes
	}`)
	for _, tt := range []struct {
		name          string
		claims        map[string]any
		admin, nested string
	}{
		{"value", map[string]any{"role": "admin"}, "yes", ""},
		{"other value", map[string]any{"role": "admins"}, "", ""},
		{"in a list", map[string]any{"role": []string{"x", "root"}}, "yes", ""},
		{"absent", nil, "", ""},
		{"nested number", map[string]any{"realm_access": map[string]any{"level": 3}}, "", "yes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := get(t, base, mint(t, tt.claims))
			if a, n, e := got.Header.Get("X-Admin"), got.Header.Get("X-Nested"), got.Header.Get("X-Early"); a != tt.admin || n != tt.nested || e != "" {
				t.Errorf("admin, nested, early = %q, %q, %q, want %q, %q and none", a, n, e, tt.admin, tt.nested)
			}
		})
	}
	if got := get(t, base, ""); got.Header.Get("X-Admin") != "" {
		t.Error("matched without a token")
	}
}

// TestStripHeader: what means something behind the gate alone is removed in every spelling.
func TestStripHeader(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+"strip_header X-Internal-Route X-Debug\noptional\n}")
	for _, token := range []string{"", mint(t, nil)} {
		get(t, base, token, "X-Internal-Route", "a", "X_Internal_Route", "b", "x-internal_route", "c", "X.Debug", "d", "X-Other", "kept")
		h := up.last()
		for name, v := range h {
			if f := fold(name); f == "x-internal-route" || f == "x-debug" {
				t.Errorf("%s: %q arrived", name, v)
			}
		}
		if h.Get("X-Other") != "kept" {
			t.Error("X-Other is gone")
		}
	}
}

// TestAttack128MetadataTwins: the document is for everyone, at its exact path; what looks like it is protected.
func TestAttack128MetadataTwins(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+`
		url https://orders.example.com/api
		scope read
		rule /admin* {
			scope admin read
		}
		resource_metadata {
			name Orders
			documentation https://docs.example.com/orders
		}
	}`)
	const path = "/.well-known/oauth-protected-resource/api"
	got := get(t, base+path, "", "Origin", "https://app.example.com")
	if got.Status != 200 || got.Header.Get("Access-Control-Allow-Origin") != "*" || got.Header.Get("Content-Type") != "application/json" ||
		!strings.HasPrefix(got.Header.Get("Cache-Control"), "public, max-age=") {
		t.Errorf("answer = %+v", got)
	}
	var document struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
		Name     string   `json:"resource_name"`
	}
	if err := json.Unmarshal([]byte(got.Body), &document); err != nil || document.Resource != "https://orders.example.com/api" ||
		fmt.Sprint(document.Servers) != "["+issuer+"]" || fmt.Sprint(document.Scopes) != "[read admin]" || document.Name != "Orders" {
		t.Errorf("document = %s (%v)", got.Body, err)
	}
	if got := send(t, http.MethodHead, base+path, ""); got.Status != 200 || got.Body != "" {
		t.Errorf("HEAD: %d %q", got.Status, got.Body)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		if got := send(t, method, base+path, ""); got.Status != 405 || got.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status = %d, Allow %q", method, got.Status, got.Header.Get("Allow"))
		}
	}
	if h := up.last(); h != nil {
		t.Error("the upstream was asked")
	}
	want := `resource_metadata="https://orders.example.com` + path + `"`
	if got := get(t, base+"/x", ""); got.Status != 401 || !strings.Contains(got.Header.Get("WWW-Authenticate"), want) {
		t.Errorf("challenge = %q, want %s in it", got.Header.Get("WWW-Authenticate"), want)
	}
	for _, twin := range []string{
		path + "-evil", path + "/", path + "/x", "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource-evil/api", path + ";x", "/" + path, path + "%2f",
		"/.well-known/oauth%2Dprotected-resource/api", "/.WELL-KNOWN/oauth-protected-resource/api", "/x/.." + path, "/.well-known/./oauth-protected-resource/api", path + "%00",
	} {
		got := answerOf(t, raw(t, base, "GET "+twin+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
		if got.Status != 401 && got.Status != 400 || strings.Contains(got.Body, "orders.example.com") || up.last() != nil {
			t.Errorf("%s: %+v, want 401 or 400", twin, got)
		}
	}
	// A query changes nothing, and a token neither helps nor harms.
	if got := get(t, base+path+"?x=1", "garbage"); got.Status != 200 {
		t.Errorf("with a query: status = %d", got.Status)
	}
}
