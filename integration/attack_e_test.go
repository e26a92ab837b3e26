package integration_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// oracle is an introspection endpoint that answers by script.
type oracle struct {
	*issuer
	mu      sync.Mutex
	answers map[string]http.HandlerFunc // by token
	asked   atomic.Int64
	// refuse makes it turn its callers away.
	refuse atomic.Bool
}

func newOracle(t testing.TB) *oracle {
	o := &oracle{issuer: newIssuer(t), answers: map[string]http.HandlerFunc{}}
	o.set("/introspect", o.answer)
	return o
}

func (o *oracle) answer(w http.ResponseWriter, r *http.Request) {
	o.asked.Add(1)
	id, secret, _ := r.BasicAuth()
	if o.refuse.Load() || (secret != "gate-secret" && r.PostFormValue("client_secret") != "gate-secret") {
		reply(401, "application/json", `{"error":"invalid_client"}`)(w, r)
		return
	}
	o.mu.Lock()
	h := o.answers[r.PostFormValue("token")]
	o.mu.Unlock()
	if h == nil {
		reply(200, "application/json", `{"active":false}`)(w, r)
		return
	}
	r.Header.Set("X-Asker", id)
	h(w, r)
}

// opaque makes up a token that is answered by h, or as active with the claims of
// an acceptable token where h is nil.
func (o *oracle) opaque(h http.HandlerFunc) string {
	token := "opaque-" + random() + random()
	if h == nil {
		h = replyJSON(o.active(nil))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[token] = h
	return token
}

// active is a full answer about an acceptable token, changed by edit.
func (o *oracle) active(edit func(c map[string]any)) map[string]any {
	c := o.good()
	c["active"], c["token_type"] = true, "Bearer"
	if edit != nil {
		edit(c)
	}
	return c
}

// asking is a site that asks an oracle.
func asking(port, issuer, introspection, policy string) string {
	return fmt.Sprintf(`
http://:$%s {
	log
	bearer_auth {
		issuer %s {
			verify introspect
			introspection {
				%s
			}
			insecure_loopback_http
			timeout 1s
			clock_skew 0s
		}
		audience `+orders+`
		refused_ttl 1s
		%s
	}
	reverse_proxy $UPSTREAM
}
`, port, issuer, introspection, policy)
}

// TestAttackE: caches, introspection, availability.
func TestAttackE(t *testing.T) {
	t.Parallel() // it waits most of the time
	o, strong, weak := newOracle(t), newOracle(t), newOracle(t)
	jwts := newIssuer(t)
	down := map[string]http.HandlerFunc{
		"500": reply(500, "application/json", `{"active":true}`), "403": reply(403, "application/json", `{"active":true}`),
		"429": reply(429, "application/json", `{}`), "timeout": hang, "reset": reset, "drip": drip, "redirect": redirect("http://127.0.0.1:9/evil"), "flood": flood,
	}
	const credentials = "basic gate gate-secret"
	ports := []string{"e", "scoped", "weak", "strong", "alice", "bob", "tls", "stale", "short"}
	sites := asking("E", o.url(), credentials, "scope orders:read") + asking("SCOPED", o.url(), credentials, "scope admin") +
		asking("ALICE", o.url(), "basic alice gate-secret", "") + asking("BOB", o.url(), "basic bob gate-secret", "") +
		// One issuer, asked at two places that do not agree.
		asking("WEAK", o.url(), credentials+"\n\t\t\t\tendpoint "+weak.url()+"/introspect", "") +
		asking("STRONG", o.url(), credentials+"\n\t\t\t\tendpoint "+strong.url()+"/introspect", "") +
		asking("STALE", o.url(), credentials+"\n\t\t\t\tttl 1s\n\t\t\t\tstale_on_error 4s", "") +
		asking("TLS", o.url(), credentials+"\n\t\t\t\tendpoint "+tlsOnly(t)+"/introspect", "") +
		gateFor("SHORT", jwts.url(), "clock_skew 0s")
	failing := map[string]*oracle{}
	for name, h := range down {
		failing[name] = newOracle(t)
		failing[name].set("/introspect", h)
		ports = append(ports, "down"+name)
		sites += asking("DOWN"+strings.ToUpper(name), failing[name].url(), credentials, "")
	}
	n := start(t, config{bare: true, ports: ports, sites: sites})
	n.secret("the gate's secret", "gate-secret")
	good := o.opaque(nil)
	n.secret("the good token", good)
	n.passes(t, func() answer { return n.call(t, "e", "/", good) })

	t.Run("case_73", func(t *testing.T) {
		token := weak.opaque(replyJSON(o.active(nil)))
		n.secret("a token", token)
		n.passes(t, func() answer { return n.call(t, "weak", "/", token) })
		n.refuses(t, r401, token, func() answer { return n.call(t, "strong", "/", token) })
		n.passes(t, func() answer { return n.call(t, "weak", "/", token) })
		if strong.asked.Load() != 1 {
			t.Errorf("the second endpoint was asked %d times, want once", strong.asked.Load())
		}
	})
	t.Run("case_74", func(t *testing.T) {
		token := o.opaque(nil)
		n.secret("a token", token)
		for range 2 {
			n.passes(t, func() answer { return n.call(t, "e", "/", token) })
			n.refuses(t, r403, token, func() answer { return n.call(t, "scoped", "/", token) })
		}
		n.passes(t, func() answer {
			return n.call(t, "scoped", "/", o.opaque(replyJSON(o.active(func(c map[string]any) { c["scope"] = "admin" }))))
		})
	})
	t.Run("case_75", func(t *testing.T) {
		token := o.opaque(func(w http.ResponseWriter, r *http.Request) {
			replyJSON(o.active(func(c map[string]any) { c["active"] = r.Header.Get("X-Asker") == "alice" }))(w, r)
		})
		n.secret("a token", token)
		n.passes(t, func() answer { return n.call(t, "alice", "/", token) })
		n.refuses(t, r401, token, func() answer { return n.call(t, "bob", "/", token) })
		n.passes(t, func() answer { return n.call(t, "alice", "/", token) })
	})
	t.Run("case_77", func(t *testing.T) {
		base := "opaque-" + strings.Repeat("a", 5000)
		o.mu.Lock()
		o.answers[base] = replyJSON(o.active(nil))
		o.mu.Unlock()
		n.passes(t, func() answer { return n.call(t, "e", "/", base) })
		n.refusesTokens(t, r401, "e", map[string]string{
			"last byte": base[:len(base)-1] + "b", "one byte more": base + "a", "one byte less": base[:len(base)-1], "case": base[:2000] + "A" + base[2001:],
			"after byte 64": base[:70] + "b" + base[71:], "after byte 4096": base[:4100] + "b" + base[4101:],
		})
		n.passes(t, func() answer { return n.call(t, "e", "/", base) })
	})
	t.Run("case_78", func(t *testing.T) {
		without := func(names ...string) http.HandlerFunc {
			return replyJSON(o.active(func(c map[string]any) {
				for _, name := range names {
					delete(c, name)
				}
			}))
		}
		full := string(mustJSON(t, o.active(nil)))
		text := func(body string) http.HandlerFunc { return reply(200, "application/json", body) }
		with := func(name string, value any) http.HandlerFunc {
			return replyJSON(o.active(func(c map[string]any) { c[name] = value }))
		}
		rows := map[string]struct {
			answer http.HandlerFunc
			want   []verdict
		}{
			"only active":              {text(`{"active":true}`), []verdict{r401}},
			"no aud":                   {without("aud"), []verdict{r401}},
			"aud null":                 {with("aud", nil), []verdict{r401, r503}},
			"another aud":              {with("aud", billing), []verdict{r401}},
			"another issuer":           {with("iss", "https://x.example"), []verdict{r401}},
			"expired all the same":     {with("exp", time.Now().Unix()-10), []verdict{r401}},
			"not yet valid":            {with("nbf", time.Now().Unix()+100), []verdict{r401}},
			"another type":             {with("token_type", "DPoP"), []verdict{r401}},
			"bound to a key":           {with("cnf", map[string]any{"jkt": "x"}), []verdict{r401}},
			"no scope":                 {without("scope"), []verdict{r403}},
			"inactive with claims":     {with("active", false), []verdict{r401}},
			"active is a string":       {with("active", "true"), []verdict{r503, r401}},
			"active is a number":       {with("active", 1), []verdict{r503, r401}},
			"active is null":           {with("active", nil), []verdict{r503, r401}},
			"active twice":             {text(strings.Replace(full, `"active":true`, `"active":true,"active":false`, 1)), []verdict{r503, r401}},
			"active in upper case":     {text(strings.Replace(full, `"active"`, `"ACTIVE"`, 1)), []verdict{r503, r401}},
			"a list":                   {text("[" + full + "]"), []verdict{r503, r401}},
			"cut off":                  {text(full[:len(full)/2]), []verdict{r503, r401}},
			"two documents":            {text(full + full), []verdict{r503, r401}},
			"a page":                   {reply(200, "text/html", "<html>"), []verdict{r503, r401}},
			"nothing":                  {reply(204, "application/json", ""), []verdict{r503, r401}},
			"a string":                 {text(`"active"`), []verdict{r503, r401}},
			"exp is a string":          {with("exp", "9999999999"), []verdict{r503, r401}},
			"the answer of RFC 9701":   {reply(200, "application/token-introspection+jwt", jwts.token(t, nil)), []verdict{r503, r401}},
			"longer than any answer":   {text(strings.TrimSuffix(full, "}") + `,"pad":"` + strings.Repeat("a", 2<<20) + `"}`), []verdict{r503, r401}},
			"the claims of the client": {without("client_id", "sub"), nil}, // nobody asked for them: passes
		}
		for name, row := range rows {
			t.Run(name, func(t *testing.T) {
				token := o.opaque(row.answer)
				n.secret("a token", token)
				before := n.upstream.count()
				a := n.call(t, "e", "/", token)
				if row.want == nil {
					if a.status != 200 {
						t.Errorf("status = %d, want 200", a.status)
					}
					return
				}
				ok := false
				for _, w := range row.want {
					ok = ok || a.status == w.status
				}
				if !ok || n.upstream.count() != before {
					t.Errorf("status = %d %s, the upstream saw %d requests, want %v and none", a.status, a.challenge(), n.upstream.count()-before, row.want)
				}
				// A good token still passes: nothing here may cut the others off.
				n.passes(t, func() answer { return n.call(t, "e", "/", o.opaque(nil)) })
			})
		}
	})
	t.Run("case_79", func(t *testing.T) {
		t.Run("group", func(t *testing.T) {
			for name := range down {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					token := failing[name].opaque(nil)
					n.secret("a token", token)
					before := time.Now()
					for range 2 {
						n.checkVerdict(t, r503, n.call(t, "down"+name, "/", token), token)
					}
					if took := time.Since(before); took > 8*time.Second {
						t.Errorf("two answers took %v with a timeout of 1 s", took)
					}
					// It comes back: the failure was not remembered as a refusal.
					failing[name].set("/introspect", failing[name].answer)
					eventually(t, 15*time.Second, "the endpoint is asked again", func() bool {
						return n.call(t, "down"+name, "/", token).status == 200
					})
				})
			}
			t.Run("no trust in its certificate", func(t *testing.T) {
				t.Parallel()
				token := o.opaque(nil)
				n.checkVerdict(t, r503, n.call(t, "tls", "/", token), token)
			})
		})
	})
	t.Run("case_79 stale within its bound", func(t *testing.T) {
		token := o.opaque(nil)
		n.passes(t, func() answer { return n.call(t, "stale", "/", token) })
		o.set("/introspect", reply(500, "application/json", "{}"))
		defer o.set("/introspect", o.answer)
		time.Sleep(1500 * time.Millisecond) // past ttl, within stale_on_error
		n.passes(t, func() answer { return n.call(t, "stale", "/", token) })
		n.checkVerdict(t, r503, n.call(t, "e", "/", o.opaque(nil)), "")
		eventually(t, 15*time.Second, "the stale answer ends", func() bool { return n.call(t, "stale", "/", token).status == 503 })
	})
	t.Run("case_81", func(t *testing.T) {
		// Answers are good for a minute, the tokens for six seconds.
		end := time.Now().Add(6 * time.Second)
		soon := func(c map[string]any) { c["exp"] = end.Unix() }
		opaque, jwt := o.opaque(replyJSON(o.active(soon))), jwts.token(t, soon)
		eventually(t, 15*time.Second, "the endpoint is asked again", func() bool { return n.call(t, "e", "/", o.opaque(nil)).status == 200 })
		if time.Now().Before(end.Add(-4 * time.Second)) {
			n.passes(t, func() answer { return n.call(t, "e", "/", opaque) })
			n.passes(t, func() answer { return n.call(t, "short", "/", jwt) })
		}
		time.Sleep(time.Until(end) + 100*time.Millisecond)
		n.refuses(t, r401, opaque, func() answer { return n.call(t, "e", "/", opaque) })
		n.refuses(t, r401, jwt, func() answer { return n.call(t, "short", "/", jwt) })
		n.passes(t, func() answer { return n.call(t, "short", "/", jwts.token(t, nil)) })
	})
	t.Run("case_82", func(t *testing.T) {
		token := o.opaque(nil)
		o.refuse.Store(true)
		n.checkVerdict(t, r503, n.call(t, "alice", "/", token), token)
		o.refuse.Store(false)
		eventually(t, 15*time.Second, "the gate asks again", func() bool { return n.call(t, "alice", "/", token).status == 200 })

		// Tried too early, a token is good as soon as its time has come.
		from := time.Now().Add(5 * time.Second)
		early := jwts.token(t, func(c map[string]any) { c["nbf"] = from.Unix() })
		n.refuses(t, r401, early, func() answer { return n.call(t, "short", "/", early) })
		time.Sleep(time.Until(from) + 50*time.Millisecond)
		n.passes(t, func() answer { return n.call(t, "short", "/", early) })

		// What is inactive may become active; it is not remembered for long.
		late := "opaque-" + random()
		n.refuses(t, r401, late, func() answer { return n.call(t, "alice", "/", late) })
		o.mu.Lock()
		o.answers[late] = replyJSON(o.active(nil))
		o.mu.Unlock()
		eventually(t, 15*time.Second, "the refusal ends after refused_ttl", func() bool { return n.call(t, "alice", "/", late).status == 200 })
	})
	t.Run("case_83", func(t *testing.T) {
		keep := o.opaque(nil)
		n.passes(t, func() answer { return n.call(t, "alice", "/", keep) })
		asked := o.asked.Load()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 250 {
					if a := n.call(t, "short", "/", "x"+random()); a.status != 401 {
						t.Errorf("a made-up token: %d, want 401", a.status)
					}
				}
			})
		}
		wg.Wait()
		n.passes(t, func() answer { return n.call(t, "alice", "/", keep) })
		if got := o.asked.Load() - asked; got != 0 {
			t.Errorf("the endpoint was asked %d times; the good token should have stayed in the cache", got)
		}
	})
	t.Run("one question for many requests", func(t *testing.T) {
		slow := o.opaque(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(300 * time.Millisecond)
			replyJSON(o.active(nil))(w, r)
		})
		asked := o.asked.Load()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if a := n.call(t, "e", "/", slow); a.status != 200 {
					t.Errorf("status = %d, want 200", a.status)
				}
			})
		}
		wg.Wait()
		if got := o.asked.Load() - asked; got != 1 {
			t.Errorf("the endpoint was asked %d times for 20 concurrent requests, want once", got)
		}
	})
}

// tlsOnly is the address of an endpoint whose certificate nobody trusts.
func tlsOnly(t testing.TB) string {
	f := unstartedIssuer()
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	return f.url()
}

// TestAttackEServer: introspection and revocation at the authorization server.
func TestAttackEServer(t *testing.T) {
	t.Run("case_88", introspectionOfOthers)
	t.Run("case_89", dishonestRevocation)
}

// introspectionOfOthers asks about tokens of others (RFC 7662 §2.1, §4).
func introspectionOfOthers(t *testing.T) {
	n := start(t, config{})
	token := n.token(t, worker, "orders:read")
	s := secrets()
	inactive := func(name string, a answer) {
		t.Helper()
		if a.status != 200 || strings.TrimSpace(a.body) != `{"active":false}` {
			t.Errorf("%s: %d %s, want only active false", name, a.status, a.body)
		}
	}
	inactive("another client", n.form(t, "/introspect", reader, "token", token))
	inactive("another resource", n.form(t, "/introspect", nil, "client_id", "billing", "client_secret", s["BILLING_SECRET"], "token", token))
	inactive("another environment", n.formAt(t, n.vars["OTHER_ISSUER"]+"/introspect", basic("worker", s["OTHER_SECRET"]), "token", token))
	inactive("another environment's resource of the same name", n.formAt(t, n.vars["OTHER_ISSUER"]+"/introspect", basic("orders", s["ORDERS_SECRET"]), "token", token))
	for name, a := range map[string]answer{
		"no authentication":              n.form(t, "/introspect", nil, "token", token),
		"a client without its secret":    n.form(t, "/introspect", nil, "client_id", "worker", "token", token),
		"a resource without its secret":  n.form(t, "/introspect", nil, "client_id", "orders", "token", token),
		"wrong secret":                   n.form(t, "/introspect", basic("worker", "wrong-secret"), "token", token),
		"resource by the wrong method":   n.form(t, "/introspect", nil, "client_id", "orders", "client_secret", s["ORDERS_SECRET"], "token", token),
		"the bearer of the token itself": n.form(t, "/introspect", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }, "token", token),
	} {
		if a.status != 401 || a.oauthError() != "invalid_client" || strings.Contains(a.body, "active") {
			t.Errorf("%s: %d %s, want 401 invalid_client", name, a.status, a.body)
		}
	}
	req, _ := http.NewRequest(http.MethodGet, n.vars["ISSUER"]+"/introspect?token=query-token", nil)
	worker(req)
	if a := n.do(t, req); a.status != http.StatusMethodNotAllowed && a.status != 400 {
		t.Errorf("GET: %d %s, want 405 or 400", a.status, a.body)
	}
	req = formRequest(n.vars["ISSUER"]+"/introspect?token=query-token", worker)
	if a := n.do(t, req); a.status != 400 || a.oauthError() != "invalid_request" {
		t.Errorf("token in the query: %d %s, want 400 invalid_request", a.status, a.body)
	}
	if a := n.form(t, "/introspect", worker, "token", token, "token", token); a.status != 400 {
		t.Errorf("token twice: %d, want 400", a.status)
	}
	if got := n.introspect(t, worker, token); got["active"] != true {
		t.Errorf("the token's own client is told %v, want active", got)
	}
}

// dishonestRevocation revokes what it may not (RFC 7009 §2).
func dishonestRevocation(t *testing.T) {
	n := start(t, config{})
	token := n.token(t, worker, "orders:read")
	alive := func() {
		t.Helper()
		if a := n.call(t, "gate", "/", token); a.status != 200 {
			t.Errorf("the token at the gate: %d, want 200", a.status)
		}
	}
	if a := n.form(t, "/revoke", reader, "token", token); a.status != 400 || a.oauthError() == "" {
		t.Errorf("another client's token: %d %s, want 400", a.status, a.body)
	}
	alive()
	for name, auth := range map[string]func(*http.Request){"no authentication": nil, "wrong secret": basic("worker", "wrong-secret"), "other environment's secret": basic("worker", secrets()["OTHER_SECRET"])} {
		if a := n.form(t, "/revoke", auth, "token", token); a.status != 401 || a.oauthError() != "invalid_client" {
			t.Errorf("%s: %d %s, want 401 invalid_client", name, a.status, a.body)
		}
		alive()
	}
	if a := n.form(t, "/revoke", worker); a.status != 400 || a.oauthError() != "invalid_request" {
		t.Errorf("no token: %d %s, want 400 invalid_request", a.status, a.body)
	}
	for _, unknown := range []string{"unknown", "a.b.c", flip(token)} {
		n.revoke(t, worker, unknown)
	}
	alive()
	if a := n.form(t, "/revoke", worker, "token", token, "token_type_hint", "refresh_token"); a.status != 200 {
		t.Errorf("a wrong hint: %d %s, want 200", a.status, a.body)
	}
	if a := n.call(t, "gate", "/", token); a.status != 401 {
		t.Errorf("revoked with a wrong hint: %d, want 401", a.status)
	}
}

// TestAttackConfiguration loads configurations that must not load, next to ones
// that do.
func TestAttackConfiguration(t *testing.T) {
	const site = `{
	admin off
	auto_https off
	persist_config off
}
http://127.0.0.1:$PORT {
	bearer_auth {
		issuer $ISSUER {
			$OPTION
		}
		$OUTER
	}
	respond ok
}
`
	port := fmt.Sprint(freePorts(t, []string{"x"})["x"])
	tests := []struct {
		name, issuer, option, outer string
		want                        string // named in the message; "" loads
	}{
		{"case_87 https", "https://issuer.example", "", "audience a", ""},
		{"case_87 http", "http://issuer.example", "", "audience a", "http"},
		{"case_87 http on loopback", "http://127.0.0.1:9", "", "audience a", "insecure_loopback_http"},
		{"case_87 http on loopback, allowed", "http://127.0.0.1:9", "insecure_loopback_http", "audience a", ""},
		{"case_87 http elsewhere, allowed on loopback", "http://issuer.example", "insecure_loopback_http", "audience a", "http"},
		{"case_87 key set by http", "https://issuer.example", "jwks_uri http://issuer.example/jwks", "audience a", "jwks_uri"},
		{"case_87 introspection by http", "https://issuer.example", "verify introspect\nintrospection {\nendpoint http://issuer.example/i\nbasic a secret-secret\n}", "audience a", "endpoint"},
		{"case_86 unreadable roots", "https://issuer.example", "ca_file /nonexistent.pem", "audience a", "ca_file"},
		{"case_36 no audience", "https://issuer.example", "", "", "audience"},
		{"case_36 any audience", "https://issuer.example", "", "any_audience", ""},
		{"case_05 short secret", "https://issuer.example", "algorithms HS256\nsecret c2hvcnQ=", "audience a", "secret"},
		{"case_05 empty secret", "https://issuer.example", "algorithms HS256\nsecret \"\"", "audience a", "secret"},
		{"case_05 good secret", "https://issuer.example", "algorithms HS256\nsecret MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "audience a", ""},
		{"case_05 symmetric without a secret", "https://issuer.example", "algorithms HS256", "audience a", "algorithms"},
		{"case_01 none", "https://issuer.example", "algorithms none", "audience a", "none"},
		{"skew over five minutes", "https://issuer.example", "clock_skew 6m", "audience a", "clock_skew"},
		{"introspection without credentials", "https://issuer.example", "verify introspect", "audience a", "introspection"},
		{"unknown option", "https://issuer.example", "jwks_url https://issuer.example/jwks", "audience a", "jwks_url"},
		{"no issuer option twice", "https://issuer.example", "", "audience a\nrealm x\nrealm y", "realm"},
		{"malformed scope", "https://issuer.example", "", "audience a\nscope \"a\\\"b\"", "scope"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := writeFile(t, "Caddyfile", strings.NewReplacer("$PORT", port, "$ISSUER", tt.issuer, "$OPTION", tt.option, "$OUTER", tt.outer).Replace(site))
			out, errs, err := runCaddy(t, nil, "validate", "--config", file, "--adapter", "caddyfile")
			said := lastError(out + errs)
			if tt.want == "" && err != nil {
				t.Errorf("refused: %s", said)
			}
			if tt.want != "" && err == nil {
				t.Errorf("loaded, want an error that names %s", tt.want)
			}
			if tt.want != "" && !strings.Contains(said, tt.want) {
				t.Errorf("message = %q, want it to name %s", said, tt.want)
			}
		})
	}
}

// lastError is the last error that caddy has logged, or the last line that is
// no log entry.
func lastError(text string) string {
	var last string
	for line := range strings.Lines(text) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal([]byte(line), &entry) != nil {
			last = strings.TrimSpace(line)
		} else if entry.Level == "error" {
			last = entry.Msg
		}
	}
	return last
}
