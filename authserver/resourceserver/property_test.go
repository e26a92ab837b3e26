package resourceserver_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// one draws one of several values.
func one[T any](rt *rapid.T, label string, values ...T) T {
	return values[rapid.IntRange(0, len(values)-1).Draw(rt, label)]
}

// side is one of two gates that are compared. Each has seen the proofs that came to it, and remembers them.
type side struct {
	policies []*resourceserver.Policy
}

// world is what both gates live in.
type world struct {
	clock     *clock
	local     *local
	issuers   []resourceserver.Issuer
	presented *mtls.Certificate // with the request that is being judged
	tokens    []string
	bound     map[string]bool // to a key
	used      []string        // proofs
}

func newWorld(rt *rapid.T, p *provider, ends map[string]int64, mine string) *world {
	w := &world{clock: newClock(), bound: map[string]bool{}}
	byKeys := fixed(ecKey())
	byKeys.MaxLifetime = time.Hour
	w.local = &local{keys: jose.NewKeySet(ecKey().Public()), revoked: map[string]bool{}}
	inProcess := resourceserver.Issuer{Issuer: "http://localhost/as", Local: w.local, Audience: []string{audience}, ClockSkew: -1}
	asked := p.introspected()
	asked.Introspection.TTL, asked.Timeout = 20*time.Second, time.Minute
	w.issuers = []resourceserver.Issuer{byKeys, inProcess, asked}
	p.set(func(p *provider) {
		p.introspect = func(rw http.ResponseWriter, r *http.Request) {
			end := ends[r.PostFormValue("token")]
			writeJSON(rw, p.active(w.clock).with(claims{"exp": end, "iat": nil, "active": w.clock.Now().Unix() < end}).json())
		}
	})
	now := w.clock.Now().Unix()
	cnf := []any{
		nil, nil, nil, nil, map[string]any{"jkt": alice().thumbprint()}, map[string]any{"jkt": alice().thumbprint()}, map[string]any{"x5t#S256": mine},
		map[string]any{"jkt": alice().thumbprint(), "x5t#S256": mine}, map[string]any{"jkt": mallory().thumbprint()}, map[string]any{}, map[string]any{"kid": "x"}, "x",
	}
	draw := func(i int, issuer string) claims {
		iat := now + int64(rapid.IntRange(-150, 20).Draw(rt, "iat"))
		return goodClaims(issuer, w.clock).with(claims{
			"jti": fmt.Sprint(i), "iat": iat, "exp": iat + one(rt, "life", 3600, 3600, int64(rapid.IntRange(1, 4500).Draw(rt, "any life"))),
			"nbf": iat + int64(rapid.IntRange(0, 60).Draw(rt, "nbf")), "aud": one[any](rt, "aud", audience, audience, audience, audience, []string{"other", audience}, "other", audience),
			"scope": one[any](rt, "scope", "read", "read write", "", nil), "sub": one[any](rt, "sub", "alice", "alice", "alice", "bob", "", nil),
			"cnf": one(rt, "cnf", cnf...), "acr": one[any](rt, "acr", "mfa", "pwd", nil, 7),
			"auth_time": one[any](rt, "auth_time", now, now-60, now-600, nil, "x"),
		})
	}
	for i := range rapid.IntRange(4, 10).Draw(rt, "tokens") {
		payload := draw(i, one(rt, "iss", byKeys.Issuer, byKeys.Issuer, byKeys.Issuer, inProcess.Issuer, inProcess.Issuer, inProcess.Issuer, "https://x.example"))
		typ := one(rt, "typ", "at+jwt", "at+jwt", "at+jwt", "JWT", "dpop+jwt")
		token := must(one(rt, "key", ecKey(), ecKey(), ecKey(), ecKey(), ecKey(), ecKey(), ecKey(), ecKey(), strangerKey()).Sign(typ, []byte(payload.json())))
		if rapid.IntRange(0, 7).Draw(rt, "mangled") == 0 {
			token = mangle(token)
		}
		w.add(token, payload)
	}
	for i := range 3 {
		payload := draw(i, one(rt, "iss", inProcess.Issuer, inProcess.Issuer, byKeys.Issuer))
		w.add(w.local.issue(fmt.Sprintf("in-process-%d", i), payload), payload)
	}
	for i := range 2 {
		token := fmt.Sprintf("opaque-%d", i)
		ends[token] = now + int64(rapid.IntRange(0, 300).Draw(rt, "end"))
		w.tokens = append(w.tokens, token)
	}
	return w
}

func (w *world) add(token string, payload claims) {
	w.tokens = append(w.tokens, token)
	cnf, _ := payload["cnf"].(map[string]any)
	w.bound[token] = cnf["jkt"] != nil
}

// newSide makes the policies of one gate: the same for each, but for what remembers proofs.
func (w *world) newSide() *side {
	key, certificate := possession(w.clock), &resourceserver.Possession{}
	certificate.Certificate = func(*http.Request) (*mtls.Certificate, error) { return w.presented, nil }
	both := &resourceserver.Possession{DPoP: key.DPoP, URL: key.URL, Certificate: certificate.Certificate}
	onlyAlice := condition(func(_ *http.Request, t *resourceserver.Token) (bool, error) { return t.Claims.Subject == "alice", nil })
	return &side{[]*resourceserver.Policy{
		nil, {Possession: both}, {Possession: both}, {Possession: both}, {Possession: both, Scopes: []string{"read"}}, {AnyScope: []string{"write", "admin"}}, {Audience: []string{"other"}},
		{Claims: []resourceserver.ClaimRule{{Name: "sub", Values: []string{"alice"}}}}, {Possession: key}, {Possession: certificate},
		{Possession: both, Bound: resourceserver.BoundSomehow}, {Possession: both, Bound: resourceserver.BoundDPoP},
		{Possession: certificate, Bound: resourceserver.BoundMTLS}, {Possession: both, ACR: []string{"mfa"}},
		{Possession: both, MaxAge: 5 * time.Minute}, {Possession: both, Allow: []resourceserver.Condition{onlyAlice}},
		{Allow: []resourceserver.Condition{says(true, fmt.Errorf("cannot tell"))}},
	}}
}

// draw makes a request with one of the tokens.
func (w *world) draw(rt *rapid.T, mine *mtls.Certificate) *http.Request {
	token := one(rt, "token", w.tokens...)
	w.presented = one(rt, "certificate", mine, mine, mine, nil)
	if rapid.IntRange(0, 3).Draw(rt, "as it should be") > 0 {
		if !w.bound[token] {
			return bearer(token)
		}
		return presented("DPoP", token, alice().proof(w.clock, token, nil))
	}
	r := presented(one(rt, "scheme", "Bearer", "Bearer", "DPoP", "DPoP", "Basic"), token)
	who, changes := alice(), claims(nil)
	switch one(rt, "proof", "none", "good", "good", "good", "other key", "other method", "used", "twice") {
	case "none":
		return r
	case "other key":
		who = mallory()
	case "other method":
		changes = claims{"htm": "POST"}
	case "used":
		if len(w.used) > 0 {
			r.Header["Dpop"] = []string{one(rt, "which", w.used...)}
		}
		return r
	case "twice":
		r.Header["Dpop"] = []string{"x", "x"}
		return r
	}
	proof := who.proof(w.clock, token, changes)
	w.used = append(w.used, proof)
	r.Header["Dpop"] = []string{proof}
	return r
}

// Property 1 of the catalogue: for any token, policy, clock and sequence of
// requests, the verdict of a gate that remembers equals the verdict of one that
// has just been made.
func TestPropertyCacheTransparency(t *testing.T) {
	p := newProvider(t, nil)
	certificate := certificate(t, "mine")
	mine := &mtls.Certificate{Leaf: certificate}
	verdicts, hits := map[int]int{}, uint64(0)
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt, p, map[string]int64{}, mtls.Thumbprint(certificate))
		config := withClock(resourceserver.Config{Issuers: w.issuers}, w.clock)
		a, b := w.newSide(), w.newSide()
		remembering := &gate{Verifier: must(resourceserver.New(config)), clock: w.clock}
		defer remembering.Close()
		for range rapid.IntRange(5, 20).Draw(rt, "steps") {
			switch rapid.IntRange(0, 11).Draw(rt, "event") {
			// By even numbers, so that it never ends up one second before it was, however often it was set: what is remembered may
			// be used for a request that read the clock up to a second earlier.
			case 0:
				w.clock.Advance(time.Duration(rapid.IntRange(1, 30).Draw(rt, "forward")) * 2 * time.Second)
			case 1:
				w.clock.Advance(-time.Duration(rapid.IntRange(1, 25).Draw(rt, "back")) * 2 * time.Second)
			case 2:
				id := fmt.Sprint(rapid.IntRange(0, 9).Draw(rt, "revoked"))
				w.local.change(func(l *local) { l.revoked[id] = true })
			}
			r := w.draw(rt, mine)
			i, also := rapid.IntRange(0, len(a.policies)-1).Draw(rt, "policy"), rapid.IntRange(1, len(a.policies)-1).Draw(rt, "also")
			judge := func(g *gate, s *side) verdict {
				if also%5 == 0 {
					return g.request(r, s.policies[i], s.policies[also])
				}
				return g.request(r, s.policies[i])
			}
			got := judge(remembering, a)
			remembering.Settle()
			fresh := &gate{Verifier: must(resourceserver.New(config)), clock: w.clock}
			want := judge(fresh, b)
			fresh.Close()
			// Of several reasons for one answer, another may be found first as time goes by.
			if got.status != want.status || got.code != want.code {
				rt.Fatalf("policies %d and %d: verdict = %v, want %v as without a cache", i, also, got, want)
			}
			verdicts[got.status]++
		}
		hits += remembering.Stats().Good.Hits
	})
	t.Logf("verdicts = %v, cache hits = %d", verdicts, hits)
	if verdicts[200] < 25 || verdicts[401] < 50 || verdicts[403] < 5 || hits < 25 {
		t.Errorf("verdicts = %v, cache hits = %d, want enough of each for the comparison to mean something", verdicts, hits)
	}
}

// Two issuers with different policies on one site never share a verdict: what one handler found out about a token says nothing about what
// the other makes of it, in whatever order they are asked.
func TestPropertyVerdictsAreNotShared(t *testing.T) {
	c := newClock()
	first, second := fixed(ecKey()), fixed(ecKey())
	second.Issuer = "https://second.example.com"
	second.Audience = []string{"https://second.example.com/api"}
	site := newGate(t, c, first, second)
	policies := map[string]*resourceserver.Policy{
		"first":  {Claims: []resourceserver.ClaimRule{{Name: "iss", Values: []string{first.Issuer}}}, Scopes: []string{"read"}},
		"second": {Claims: []resourceserver.ClaimRule{{Name: "iss", Values: []string{second.Issuer}}}, ACR: []string{"mfa"}},
		"bound":  {Possession: possession(c), Bound: resourceserver.BoundDPoP},
		"any":    {Possession: possession(c)},
	}
	names := slices.Sorted(maps.Keys(policies))
	alone := map[string]*gate{}
	for _, name := range names {
		alone[name] = newGate(t, c, first, second)
	}
	tokens := map[string]string{}
	for name, payload := range map[string]claims{
		"first read": goodClaims(first.Issuer, c).with(claims{"scope": "read"}), "first": goodClaims(first.Issuer, c),
		"second mfa": goodClaims(second.Issuer, c).with(claims{"acr": "mfa", "aud": second.Audience[0]}),
		"second":     goodClaims(second.Issuer, c).with(claims{"aud": second.Audience[0]}),
		"crossed":    goodClaims(second.Issuer, c), "bound": alice().bound(goodClaims(first.Issuer, c).with(claims{"scope": "read"})),
	} {
		tokens[name] = must(ecKey().Sign("at+jwt", []byte(payload.json())))
	}
	kinds := slices.Sorted(maps.Keys(tokens))
	seen := map[string]map[verdict]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		for range 10 {
			name, kind := one(rt, "policy", names...), one(rt, "token", kinds...)
			scheme := one(rt, "scheme", "Bearer", "DPoP")
			request := func() *http.Request {
				if scheme == "Bearer" {
					return bearer(tokens[kind])
				}
				return presented("DPoP", tokens[kind], alice().proof(c, tokens[kind], nil))
			}
			got, want := site.request(request(), policies[name]), alone[name].request(request(), policies[name])
			if got != want {
				rt.Fatalf("%s at %s: verdict = %v, want %v as where it is alone", kind, name, got, want)
			}
			if seen[kind] == nil {
				seen[kind] = map[verdict]bool{}
			}
			seen[kind][got] = true
		}
	})
	for kind, verdicts := range seen {
		if kind != "crossed" && len(verdicts) < 2 {
			t.Errorf("verdicts on %q = %v, want different ones for the comparison to mean something", kind, verdicts)
		}
	}
}

// rules is a gate whose every rule reads something.
type rules struct {
	issuer resourceserver.Issuer
	policy *resourceserver.Policy
	reads  []string // members of the token that are read, so that they must be there
}

func drawRules(rt *rapid.T, c *clock, is resourceserver.Issuer) *rules {
	q := &rules{issuer: is, policy: &resourceserver.Policy{Possession: possession(c)}, reads: []string{"aud"}}
	maybe := func(name string, add func()) {
		if rapid.Bool().Draw(rt, name) {
			add()
		}
	}
	read := func(names ...string) { q.reads = append(q.reads, names...) }
	maybe("subject", func() { q.issuer.RequireSubject = true; read("sub") })
	maybe("lifetime", func() { q.issuer.MaxLifetime = 2 * time.Hour; read("iat", "exp") })
	maybe("scopes", func() { q.policy.Scopes = []string{"read"}; read("scope") })
	maybe("any scope", func() { q.policy.AnyScope = []string{"read", "write"}; read("scope") })
	maybe("audience", func() { q.policy.Audience = []string{audience} })
	maybe("claim", func() {
		q.policy.Claims = append(q.policy.Claims, resourceserver.ClaimRule{Name: "tenant", Values: []string{"a", "", "null", "false"}})
		read("tenant")
	})
	maybe("deep claim", func() {
		q.policy.Claims = append(q.policy.Claims, resourceserver.ClaimRule{Name: "realm.roles", Values: []string{"admin"}})
		read("realm")
	})
	maybe("acr", func() { q.policy.ACR = []string{"mfa", "phr"}; read("acr") })
	maybe("max_age", func() { q.policy.MaxAge = time.Hour; read("auth_time") })
	maybe("bound", func() {
		q.policy.Bound = one(rt, "to", resourceserver.BoundSomehow, resourceserver.BoundDPoP)
		read("cnf")
	})
	return q
}

// drawMembers makes the members of a token, most of them good.
func drawMembers(rt *rapid.T, c *clock, issuer string) claims {
	now := c.Now().Unix()
	return goodClaims(issuer, c).with(claims{
		"sub": one[any](rt, "sub", "alice", "alice", ""), "exp": now + one[int64](rt, "exp", 3600, 3600, 9000, -60),
		"scope": one[any](rt, "scope", "read", "read", "other", ""), "aud": one[any](rt, "aud", audience, audience, "x"),
		"tenant": one[any](rt, "tenant", "a", "a", "b", false, null), "realm": one[any](rt, "realm", map[string]any{"roles": []string{"admin"}}, map[string]any{"roles": "user"}, "x"),
		"acr": one[any](rt, "acr", "mfa", "mfa", "pwd"), "auth_time": one[any](rt, "auth_time", now, now, now-9000),
		"cnf": one[any](rt, "cnf", nil, map[string]any{"jkt": alice().thumbprint()}, map[string]any{"jkt": alice().thumbprint()}, map[string]any{"jkt": mallory().thumbprint()}),
	})
}

// Property 4 of the catalogue: without a member that a rule reads nothing passes, whether or not it did with it.
func TestPropertyAbsentIsNotEqual(t *testing.T) {
	c := newClock()
	p := newProvider(t, keySet(ecKey()))
	passed, refused := 0, 0
	// absent judges the members, then again without each of those that are read.
	absent := func(rt *rapid.T, members claims, reads []string, judge func(claims) verdict) {
		if judge(members) == pass {
			passed++
		} else {
			refused++
		}
		for _, name := range reads {
			if got := judge(members.with(claims{name: nil})); got == pass {
				rt.Errorf("without %s: verdict = %v, want a refusal", name, got)
			}
		}
	}
	request := func(token string, members claims) *http.Request {
		if members["cnf"] == nil {
			return bearer(token)
		}
		return presented("DPoP", token, alice().proof(c, token, nil))
	}
	t.Run("JWT", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			q := drawRules(rt, c, fixed(ecKey()))
			g := newGate(t, c, q.issuer)
			defer g.Close()
			absent(rt, drawMembers(rt, c, q.issuer.Issuer), append(q.reads, "iss", "exp"), func(m claims) verdict {
				token := must(ecKey().Sign("at+jwt", []byte(m.json())))
				// Presented in both ways: what a token is bound to must not be a matter of taste.
				if got := g.request(bearer(token), q.policy); got == pass {
					return got
				}
				return g.request(request(token, m), q.policy)
			})
		})
	})
	t.Run("introspection answer", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			q := drawRules(rt, c, p.introspected())
			g := newGate(t, c, q.issuer)
			defer g.Close()
			n := 0
			members := drawMembers(rt, c, q.issuer.Issuer).with(claims{"active": one[any](rt, "active", true, true, true, false)})
			absent(rt, members, append(q.reads, "active"), func(m claims) verdict {
				p.answer(m)
				n++
				token := fmt.Sprintf("opaque-%d", n)
				return g.request(request(token, m), q.policy)
			})
		})
	})
	t.Run("signed introspection answer", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			is := p.introspected()
			is.Introspection.Signed = true
			g := newGate(t, c, is)
			defer g.Close()
			n := 0
			now := c.Now().Unix()
			outside := p.signed(c, p.active(c)).with(claims{
				"iss": one[any](rt, "iss", p.issuer, p.issuer, "x"), "aud": one[any](rt, "aud", "gate", "gate", "x"), "iat": now - one[int64](rt, "iat", 0, 0, 600),
			})
			absent(rt, outside, []string{"iss", "aud", "iat", "token_introspection"}, func(m claims) verdict {
				p.signs(func() string { return must(ecKey().Sign("token-introspection+jwt", []byte(m.json()))) })
				n++
				return g.ask(fmt.Sprintf("opaque-%d", n))
			})
		})
	})
	t.Run("proof", func(t *testing.T) {
		is := fixed(ecKey())
		g := newGate(t, c, is)
		token := must(ecKey().Sign("at+jwt", []byte(alice().bound(goodClaims(is.Issuer, c)).json())))
		rapid.Check(t, func(rt *rapid.T) {
			q := possession(c)
			q.DPoP.Nonces = dpop.NewNonces(make([]byte, 32), 0)
			good := alice().claims(c, token).with(claims{
				"nonce": one[any](rt, "nonce", q.DPoP.Nonces.Current(c.Now()), q.DPoP.Nonces.Current(c.Now()), "x"), "htm": one[any](rt, "htm", "GET", "GET", "POST"),
				"htu": one[any](rt, "htu", place, place, place+"x"), "ath": one[any](rt, "ath", ath(token), ath(token), ath("x")), "iat": one[any](rt, "iat", c.Now().Unix(), 1),
			})
			n := 0
			absent(rt, good, []string{"jti", "htm", "htu", "iat", "ath", "nonce"}, func(m claims) verdict {
				n++
				if m["jti"] != nil {
					m = m.with(claims{"jti": fmt.Sprint(good["jti"], n)})
				}
				return g.request(presented("DPoP", token, alice().sign(alice().header(nil), m.json())), &resourceserver.Policy{Possession: q})
			})
			if got := g.request(presented("DPoP", token), &resourceserver.Policy{Possession: q}); got == pass {
				rt.Errorf("without a proof: verdict = %v, want a refusal", got)
			}
		})
	})
	if passed < 20 || refused < 100 {
		t.Errorf("passed = %d, refused = %d, want enough of each for it to mean something", passed, refused)
	}
}

func withClock(config resourceserver.Config, c *clock) resourceserver.Config {
	config.Now = c.Now
	config.GoodCacheBytes, config.BadCacheBytes = 1<<16, 1<<16
	return config
}
