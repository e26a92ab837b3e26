package resourceserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Section E of the attack catalogue where it concerns introspection, and case 70.

// active is a complete answer about a good token.
func (p *provider) active(c *clock) claims {
	return p.claims(c).with(claims{"active": true, "token_type": "Bearer"})
}

func (p *provider) answer(c claims) {
	p.set(func(p *provider) { p.introspect = answers(c.json()) })
}

func TestAttackIncompleteAnswer(t *testing.T) {
	c := newClock()
	p := newProvider(t, nil)
	is := p.introspected()
	g := newGate(t, c, is)
	strict := is
	strict.RequireSubject, strict.MaxLifetime = true, 2*time.Hour
	withRules := newGate(t, c, strict)
	base := p.active(c)
	now := c.Now().Unix()
	fields := strings.TrimPrefix(base.with(claims{"active": nil}).json(), "{")
	not200 := func(code int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	down := unavailable(resourceserver.IntrospectionUnavailable)
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   verdict
	}{
		{"good", answers(base.json()), pass},
		{"good/token_type access_token", answers(base.with(claims{"token_type": "access_token"}).json()), pass},
		{"good/no iss, exp or token_type", answers(base.with(claims{"iss": nil, "exp": nil, "token_type": nil}).json()), pass},
		{"case_78/nothing but active", answers(`{"active":true}`), invalid(resourceserver.WrongAudience)},
		{"case_78/no aud", answers(base.with(claims{"aud": nil}).json()), invalid(resourceserver.WrongAudience)},
		{"case_78/other aud", answers(base.with(claims{"aud": "web"}).json()), invalid(resourceserver.WrongAudience)},
		{"case_78/other iss", answers(base.with(claims{"iss": "https://evil.example"}).json()), invalid(resourceserver.BadClaims)},
		{"case_78/expired", answers(base.with(claims{"exp": now - 31}).json()), invalid(resourceserver.Expired)},
		{"case_78/not yet", answers(base.with(claims{"nbf": now + 31}).json()), invalid(resourceserver.NotYetValid)},
		{"case_78/DPoP", answers(base.with(claims{"token_type": "DPoP"}).json()), invalid(resourceserver.BadType)},
		{"case_78/bound", answers(base.with(claims{"cnf": map[string]string{"jkt": "x"}}).json()), invalid(resourceserver.BadClaims)},
		{"case_78/refresh token", answers(base.with(claims{"token_use": "refresh_token"}).json()), invalid(resourceserver.BadType)},
		{"case_78/inactive", answers(`{"active":false}`), invalid(resourceserver.Inactive)},
		{"case_78/inactive with claims", answers(base.with(claims{"active": false}).json()), invalid(resourceserver.Inactive)},

		{"case_78/string", answers(base.with(claims{"active": "true"}).json()), down},
		{"case_78/number", answers(base.with(claims{"active": 1}).json()), down},
		{"case_78/null", answers(base.with(claims{"active": null}).json()), down},
		{"case_78/absent", answers(base.with(claims{"active": nil}).json()), down},
		{"case_78/twin", answers(`{"Active":true,` + fields), down},
		{"case_78/array", answers("[" + base.json() + "]"), down},
		{"case_78/HTML", not200(200, "text/html", base.json()), down},
		{"case_78/204", status(204), down},
		{"case_78/201", not200(201, "application/json", base.json()), down},
		{"case_78/active twice", answers(`{"active":false,"active":true,` + fields), down},
		{"case_78/trailing data", answers(base.json() + base.json()), down},
		{"case_78/empty", answers(""), down},
		{"case_91/signed answer, which was not asked for", not200(200, "application/token-introspection+jwt", must(rsaKey().Sign("token-introspection+jwt", []byte(base.json())))), down},
		{"case_78/exp is a string", answers(base.with(claims{"exp": "9999999999"}).json()), down},
		{"case_78/too large", answers(base.with(claims{"x": strings.Repeat("x", 100_000)}).json()), down},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.set(func(p *provider) { p.introspect = tt.answer })
			g.expect(t, fmt.Sprintf("opaque-%d", i), tt.want)
		})
	}
	for name, want := range map[string]verdict{
		"sub": invalid(resourceserver.BadClaims), "exp": invalid(resourceserver.BadClaims), "iat": invalid(resourceserver.BadClaims),
	} {
		t.Run("case_78/rule needs "+name, func(t *testing.T) {
			p.answer(base.with(claims{name: nil}))
			withRules.expect(t, "rules-"+name, want)
		})
	}
	t.Run("case_78/rules, nearest good", func(t *testing.T) {
		p.answer(base)
		withRules.expect(t, "rules-good", pass)
	})
}

func TestAttackHelperDown(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // net/http notices that a client is gone once the body has been read
		<-r.Context().Done()
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}
	reset := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	var visits atomic.Int64
	evil := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		visits.Add(1)
		writeJSON(w, `{"active":true}`)
	}))
	t.Cleanup(evil.Close)
	redirect := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.URL, code) }
	}
	endless := map[string]bool{"case_79/time-out": true, "case_79/slow drip": true} // a time-out ends them
	for name, behave := range map[string]http.HandlerFunc{
		"case_79/500": status(500), "case_79/401": status(401), "case_79/403": status(403), "case_79/429": status(429),
		"case_79/400": status(400), "case_79/404": status(404), "case_79/503": status(503),
		"case_79/time-out": hang, "case_79/reset": reset, "case_79/slow drip": drip,
		"case_70/302": redirect(302), "case_70/307": redirect(307), "case_70/308": redirect(308),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			p := newProvider(t, nil)
			is := p.introspected()
			if endless[name] {
				is.Timeout = 500 * time.Millisecond
			}
			is.AnyAudience, is.Audience = true, nil
			g := newGate(t, c, is)
			p.set(func(p *provider) { p.introspect = behave })
			g.expect(t, "opaque", unavailable(resourceserver.IntrospectionUnavailable))
			// Nothing was remembered: the endpoint is well again, and so is the token.
			p.answer(p.active(c))
			if endless[name] {
				g.recovers(t, "opaque", time.Minute)
				return
			}
			c.Advance(time.Minute)
			g.expect(t, "opaque", pass)
		})
	}
	t.Cleanup(func() {
		if n := visits.Load(); n != 0 {
			t.Errorf("redirects followed = %d, want 0: they carry the credentials", n)
		}
	})
	t.Run("case_79/TLS error", func(t *testing.T) {
		c := newClock()
		p := newProvider(t, nil)
		is := p.introspected()
		is.CA = nil
		p.answer(p.active(c))
		newGate(t, c, is).expect(t, "opaque", unavailable(resourceserver.IntrospectionUnavailable))
	})
	t.Run("case_79/Retry-After is passed on, bounded", func(t *testing.T) {
		c := newClock()
		p := newProvider(t, nil)
		for header, want := range map[string]int{"7": 7, "100000": 30, "0": 1, "soon": 5, "": 5} {
			g := newGate(t, c, p.introspected())
			p.set(func(p *provider) {
				p.introspect = func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Retry-After", header)
					w.WriteHeader(http.StatusTooManyRequests)
				}
			})
			_, err := g.Verify(t.Context(), "opaque")
			r, ok := errors.AsType[*resourceserver.Refusal](err)
			if !ok || r.RetryAfter != want {
				t.Errorf("Retry-After %q: got %v, want %d", header, r, want)
			}
		}
	})
}

func TestAttackStaleAnswer(t *testing.T) {
	c := newClock()
	p := newProvider(t, nil)
	is := p.introspected()
	is.Introspection.TTL, is.Introspection.StaleOnError = time.Minute, 5*time.Minute
	g := newGate(t, c, is)
	never := p.introspected()
	without := newGate(t, c, never)
	down := unavailable(resourceserver.IntrospectionUnavailable)
	p.answer(p.active(c))
	g.expect(t, "opaque", pass)
	without.expect(t, "opaque", pass)
	p.set(func(p *provider) { p.introspect = status(500) })
	c.Advance(61 * time.Second)
	t.Run("case_79/stale only if configured", func(t *testing.T) { without.expect(t, "opaque", down) })
	t.Run("case_79/stale within the bound", func(t *testing.T) { g.expect(t, "opaque", pass) })
	t.Run("case_79/unknown tokens have no stale answer", func(t *testing.T) { g.expect(t, "other", down) })
	t.Run("case_79/an answer ends it", func(t *testing.T) {
		p.set(func(p *provider) { p.introspect = answers(`{"active":false}`) })
		g.expect(t, "opaque", invalid(resourceserver.Inactive))
		p.set(func(p *provider) { p.introspect = status(500) })
		c.Advance(11 * time.Second)
		g.expect(t, "opaque", down)
	})
	t.Run("case_79/past the bound", func(t *testing.T) {
		p.answer(p.active(c))
		g.expect(t, "opaque", pass)
		p.set(func(p *provider) { p.introspect = status(500) })
		c.Advance(7 * time.Minute)
		g.expect(t, "opaque", down)
	})
	t.Run("case_81/never past exp", func(t *testing.T) {
		p.answer(p.active(c).with(claims{"exp": c.Now().Unix() + 90}))
		g.expect(t, "short", pass)
		p.set(func(p *provider) { p.introspect = status(500) })
		c.Advance(80 * time.Second)
		g.expect(t, "short", pass)
		c.Advance(11 * time.Second)
		g.expect(t, "short", down)
	})
}

func TestAttackHitAfterExpiry(t *testing.T) {
	c := newClock()
	p := newProvider(t, nil)
	is := p.introspected()
	is.ClockSkew = -1
	g := newGate(t, c, is)
	p.answer(p.active(c).with(claims{"exp": c.Now().Unix() + 5}))
	g.expect(t, "opaque", pass)
	c.Advance(4 * time.Second)
	g.expect(t, "opaque", pass)
	t.Run("case_81/at expiry", func(t *testing.T) {
		c.Advance(time.Second)
		g.expect(t, "opaque", invalid(resourceserver.Expired))
	})
	t.Run("case_81/JWT, the skew included", func(t *testing.T) {
		is := fixed(rsaKey())
		g := newGate(t, c, is)
		token := sign(goodClaims(is.Issuer, c).with(claims{"exp": c.Now().Unix() + 5}))
		g.expect(t, token, pass)
		c.Advance(34 * time.Second)
		g.expect(t, token, pass)
		c.Advance(time.Second)
		g.expect(t, token, invalid(resourceserver.Expired))
	})
	t.Run("case_81/clock set back", func(t *testing.T) {
		p.answer(p.active(c))
		g.expect(t, "opaque-2", pass)
		before := p.introspections.Load()
		c.Advance(-time.Hour)
		p.answer(p.active(c).with(claims{"active": false}))
		g.expect(t, "opaque-2", invalid(resourceserver.Inactive))
		if n := p.introspections.Load() - before; n != 1 {
			t.Errorf("calls = %d, want 1: an answer from the future is not used", n)
		}
	})
}

func TestAttackPoisonedRefusal(t *testing.T) {
	c := newClock()
	p := newProvider(t, nil)
	g := newGate(t, c, p.introspected())
	t.Run("case_82/the gate's own credentials are rejected", func(t *testing.T) {
		p.set(func(p *provider) { p.introspect = status(401) })
		g.expect(t, "opaque", unavailable(resourceserver.IntrospectionUnavailable))
		p.answer(p.active(c))
		g.expect(t, "opaque", pass)
	})
	t.Run("case_82/tried too early", func(t *testing.T) {
		is := fixed(rsaKey())
		g := newGate(t, c, is)
		token := sign(goodClaims(is.Issuer, c).with(claims{"nbf": c.Now().Unix() + 35}))
		g.expect(t, token, invalid(resourceserver.NotYetValid))
		c.Advance(5 * time.Second)
		g.expect(t, token, pass)
	})
	t.Run("case_82/inactive is kept briefly", func(t *testing.T) {
		p.set(func(p *provider) { p.introspect = answers(`{"active":false}`) })
		before := p.introspections.Load()
		for range 20 {
			g.expect(t, "inactive", invalid(resourceserver.Inactive))
		}
		if n := p.introspections.Load() - before; n != 1 {
			t.Errorf("calls = %d, want 1", n)
		}
		c.Advance(10 * time.Second)
		p.answer(p.active(c))
		g.expect(t, "inactive", pass)
	})
}

// Case 73 and 75: results belong to a verifier and to an issuer within it.
func TestAttackSharedResults(t *testing.T) {
	c := newClock()
	weak, strong := newProvider(t, nil), newProvider(t, nil)
	weak.answer(weak.active(c))
	strong.set(func(p *provider) { p.introspect = answers(`{"active":false}`) })
	first, second := newGate(t, c, weak.introspected()), newGate(t, c, strong.introspected())
	t.Run("case_73/each route asks its own endpoint", func(t *testing.T) {
		first.expect(t, "opaque", pass)
		second.expect(t, "opaque", invalid(resourceserver.Inactive))
	})
	t.Run("case_75/other credentials see something else", func(t *testing.T) {
		p := newProvider(t, nil)
		p.set(func(p *provider) {
			p.introspect = func(w http.ResponseWriter, r *http.Request) {
				id, _, _ := r.BasicAuth()
				writeJSON(w, p.active(c).with(claims{"active": id == "gate"}).json())
			}
		})
		other := p.introspected()
		other.Introspection.ClientID = "tenant-2"
		newGate(t, c, p.introspected()).expect(t, "opaque", pass)
		newGate(t, c, other).expect(t, "opaque", invalid(resourceserver.Inactive))
	})
	t.Run("case_73/several issuers, JWTs go to the one they name", func(t *testing.T) {
		a, b := weak.introspected(), strong.introspected()
		a.Introspection.OpaqueTokens = true
		g := newGate(t, c, a, b)
		g.expect(t, "opaque", pass)
		g.expect(t, must(rsaKey().Sign("at+jwt", []byte(weak.claims(c).json()))), pass)
		g.expect(t, must(rsaKey().Sign("at+jwt", []byte(strong.claims(c).json()))), invalid(resourceserver.Inactive))
		g.expect(t, must(rsaKey().Sign("at+jwt", []byte(strong.claims(c).with(claims{"iss": "https://x.example"}).json()))), invalid(resourceserver.UnknownIssuer))
		g.expect(t, must(rsaKey().Sign("JWT", []byte(weak.claims(c).with(claims{"nonce": "n"}).json()))), invalid(resourceserver.BadType))
	})
	t.Run("opaque tokens need an issuer that is asked about them", func(t *testing.T) {
		g := newGate(t, c, weak.introspected(), strong.introspected())
		g.expect(t, "opaque", invalid(resourceserver.Malformed))
	})
}

func TestAttackCachedAllowSkipsPolicy(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	token := sign(goodClaims(is.Issuer, c))
	g.expect(t, token, pass)
	for name, tt := range map[string]struct {
		policy resourceserver.Policy
		want   verdict
	}{
		"case_74/scope":    {resourceserver.Policy{Scopes: []string{"admin"}}, verdict{403, "insufficient_scope", resourceserver.InsufficientScope}},
		"case_74/audience": {resourceserver.Policy{Audience: []string{"https://admin.example"}}, verdict{403, "insufficient_scope", resourceserver.WrongAudience}},
		"case_74/claim":    {resourceserver.Policy{Claims: []resourceserver.ClaimRule{{Name: "sub", Values: []string{"bob"}}}}, verdict{403, "insufficient_scope", resourceserver.ClaimMismatch}},
		"case_74/good":     {resourceserver.Policy{Scopes: []string{"orders:read"}}, pass},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				if got := g.request(bearer(token), &tt.policy); got != tt.want {
					t.Errorf("verdict = %v, want %v", got, tt.want)
				}
			}
		})
	}
	t.Run("case_74/issuer list", func(t *testing.T) {
		other := is
		other.Issuer = "https://other.example.com"
		newGate(t, c, other).expect(t, token, invalid(resourceserver.UnknownIssuer))
	})
}

func TestAttackNearIdenticalTokens(t *testing.T) {
	c := newClock()
	p := newProvider(t, nil)
	good := strings.Repeat("aB3", 1800)
	p.set(func(p *provider) {
		p.introspect = func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, p.active(c).with(claims{"active": r.PostFormValue("token") == good}).json())
		}
	})
	g := newGate(t, c, p.introspected())
	g.expect(t, good, pass)
	for name, twin := range map[string]string{
		"last byte":  good[:len(good)-1] + "4",
		"case":       strings.ToLower(good),
		"after 64":   good[:65] + "x" + good[66:],
		"after 4096": good[:4097] + "x" + good[4098:],
		"longer":     good + "a",
		"shorter":    good[:len(good)-1],
		"padded":     good + "=",
	} {
		t.Run("case_77/"+name, func(t *testing.T) { g.expect(t, twin, invalid(resourceserver.Inactive)) })
	}
	t.Run("case_77/nearest good", func(t *testing.T) { g.expect(t, good, pass) })
}

func TestAttackCacheFlood(t *testing.T) {
	c := newClock()
	var active atomic.Int64
	var most atomic.Int64
	p := newProvider(t, nil)
	p.set(func(p *provider) {
		p.introspect = func(w http.ResponseWriter, r *http.Request) {
			if n := active.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer active.Add(-1)
			writeJSON(w, p.active(c).with(claims{"active": strings.HasPrefix(r.PostFormValue("token"), "hot")}).json())
		}
	})
	g := newGateWith(t, c, resourceserver.Config{
		Issuers: []resourceserver.Issuer{p.introspected()}, GoodCacheBytes: 1 << 20, BadCacheBytes: 256 << 10,
	})
	hot := make([]string, 50)
	for i := range hot {
		hot[i] = fmt.Sprintf("hot-%d", i)
		g.expect(t, hot[i], pass)
	}
	var wg sync.WaitGroup
	for i := range 3000 {
		wg.Go(func() { g.ask(fmt.Sprintf("flood-%d", i)) })
	}
	wg.Wait()
	t.Run("case_83/calls are bounded", func(t *testing.T) {
		if n := most.Load(); n > 64 {
			t.Errorf("concurrent calls = %d, want at most 64", n)
		}
	})
	t.Run("case_83/hot entries survive", func(t *testing.T) {
		before := p.introspections.Load()
		for _, token := range hot {
			if got := g.ask(token); got != pass {
				t.Errorf("verdict = %v, want %v", got, pass)
			}
		}
		if n := p.introspections.Load() - before; n != 0 {
			t.Errorf("calls for hot tokens = %d, want 0", n)
		}
	})
	t.Run("case_83/bounded bytes", func(t *testing.T) {
		s := g.Stats()
		if s.Good.Bytes > 1<<20 || s.Bad.Bytes > 256<<10 {
			t.Errorf("bytes = %d and %d, want at most 1 MiB and 256 KiB", s.Good.Bytes, s.Bad.Bytes)
		}
		if s.Bad.Entries > 2000 {
			t.Errorf("refusals remembered = %d, want few", s.Bad.Entries)
		}
	})
}

func TestIntrospectionIsSingleFlight(t *testing.T) {
	c := newClock()
	p := newProvider(t, nil)
	release := make(chan struct{})
	p.set(func(p *provider) {
		p.introspect = func(w http.ResponseWriter, _ *http.Request) {
			<-release
			writeJSON(w, p.active(c).json())
		}
	})
	g := newGate(t, c, p.introspected())
	// The first caller gives up; the others get the answer of its call.
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := g.Verify(ctx, "opaque")
		first <- err
	}()
	waitFor(t, "the call", func() bool { return p.introspections.Load() == 1 })
	var wg sync.WaitGroup
	var asking atomic.Int64
	for range 50 {
		wg.Go(func() {
			asking.Add(1)
			if got := g.ask("opaque"); got != pass {
				t.Errorf("verdict = %v, want %v", got, pass)
			}
		})
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("error of the first caller = %v, want %v", err, context.Canceled)
	}
	waitFor(t, "the questions", func() bool { return asking.Load() == 50 })
	time.Sleep(200 * time.Millisecond) // they wait for the one answer
	close(release)
	wg.Wait()
	if n := p.introspections.Load(); n != 1 {
		t.Errorf("calls = %d, want 1", n)
	}
}

func TestBreakerLeavesADeadEndpointAlone(t *testing.T) {
	c := newClock()
	p := newProvider(t, nil)
	p.set(func(p *provider) { p.introspect = status(503) })
	g := newGate(t, c, p.introspected())
	for i := range 200 {
		if got, want := g.ask(fmt.Sprintf("t%d", i)), unavailable(resourceserver.IntrospectionUnavailable); got != want {
			t.Fatalf("verdict = %v, want %v", got, want)
		}
	}
	if n := p.introspections.Load(); n != 5 {
		t.Errorf("calls = %d, want 5 before it is left alone", n)
	}
	p.answer(p.active(c))
	c.Advance(time.Second)
	g.expect(t, "back", pass)

	t.Run("what one token provokes does not cut off the others", func(t *testing.T) {
		p.set(func(p *provider) {
			p.introspect = func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.PostFormValue("token"), "poison") {
					w.WriteHeader(http.StatusInternalServerError)
					return
				}
				writeJSON(w, p.active(c).json())
			}
		})
		for i := range 20 {
			g.ask(fmt.Sprintf("poison-%d", i))
		}
		g.expect(t, "healthy", pass)
	})
}

func TestIntrospectionClientAuthentication(t *testing.T) {
	c := newClock()
	p := newProvider(t, nil)
	const id, secret = "gate:1", "s p+c&r%t/ü"
	key := must(jose.GenerateSigningKey(jose.ES256, 0))
	tests := []struct {
		name  string
		with  resourceserver.Introspection
		check func(r *http.Request) error
	}{
		{"basic, form-encoded", resourceserver.Introspection{ClientSecret: secret}, func(r *http.Request) error {
			gotID, gotSecret, _ := r.BasicAuth()
			gotID, _ = url.QueryUnescape(gotID)
			gotSecret, _ = url.QueryUnescape(gotSecret)
			if gotID != id || gotSecret != secret || r.PostFormValue("client_id") != "" {
				return fmt.Errorf("credentials = %q %q", gotID, gotSecret)
			}
			return nil
		}},
		{"post", resourceserver.Introspection{AuthMethod: oauth.AuthClientSecretPost, ClientSecret: secret}, func(r *http.Request) error {
			if r.PostFormValue("client_id") != id || r.PostFormValue("client_secret") != secret || r.Header.Get("Authorization") != "" {
				return fmt.Errorf("form = %v", r.PostForm)
			}
			return nil
		}},
		{"private_key_jwt", resourceserver.Introspection{AuthMethod: oauth.AuthPrivateKeyJWT, PrivateKey: key}, func(r *http.Request) error {
			jws, err := jose.Parse(r.PostFormValue("client_assertion"), jose.Limits{})
			if err != nil {
				return err
			}
			if err := jws.Verify(key.Public()); err != nil {
				return err
			}
			a, err := jws.Claims()
			if err != nil {
				return err
			}
			aud, _ := a.Raw("aud")
			want, _ := json.Marshal(p.issuer)
			life := a.Expiry.Sub(c.Now())
			if a.Issuer != id || a.Subject != id || a.ID == "" || string(aud) != string(want) || life <= 0 || life > time.Minute ||
				r.PostFormValue("client_assertion_type") != oauth.AssertionTypeJWTBearer {
				return fmt.Errorf("assertion = %+v, aud %s", a, aud)
			}
			return nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.set(func(p *provider) {
				p.introspect = func(w http.ResponseWriter, r *http.Request) {
					if err := tt.check(r); err != nil {
						t.Error(err)
					}
					if r.Method != http.MethodPost || r.PostFormValue("token") != "opaque" || r.URL.RawQuery != "" {
						t.Errorf("request = %s %v, want a POST with the token in the body", r.Method, r.URL)
					}
					writeJSON(w, p.active(c).json())
				}
			})
			is := p.introspected()
			is.Introspection = tt.with
			is.Introspection.ClientID = id
			is.Introspection.Endpoint = "" // discovered
			newGate(t, c, is).expect(t, "opaque", pass)
		})
	}
}

func TestJWTAndIntrospection(t *testing.T) {
	c := newClock()
	p := newProvider(t, keySet(rsaKey()))
	is := p.jwt()
	is.Mode, is.RecheckEvery = resourceserver.ModeBoth, time.Minute
	is.Introspection = resourceserver.Introspection{ClientID: "gate", ClientSecret: "s"}
	g := newGate(t, c, is)
	token := sign(p.claims(c))
	p.set(func(p *provider) { p.introspect = answers(`{"active":true}`) })
	t.Run("bad signatures are not asked about", func(t *testing.T) {
		g.expect(t, mangle(token), invalid(resourceserver.BadSignature))
		if n := p.introspections.Load(); n != 0 {
			t.Errorf("calls = %d, want 0", n)
		}
	})
	t.Run("asked at most once in each interval", func(t *testing.T) {
		for range 30 {
			g.expect(t, token, pass)
		}
		if n := p.introspections.Load(); n != 1 {
			t.Errorf("calls = %d, want 1", n)
		}
	})
	t.Run("asked again in the next", func(t *testing.T) {
		p.set(func(p *provider) { p.introspect = answers(`{"active":false}`) })
		c.Advance(59 * time.Second)
		g.expect(t, token, pass)
		c.Advance(time.Second)
		g.expect(t, token, invalid(resourceserver.Inactive))
	})
	t.Run("opaque tokens are refused", func(t *testing.T) { g.expect(t, "opaque", invalid(resourceserver.Malformed)) })
	t.Run("an answer must not contradict", func(t *testing.T) {
		for name, change := range map[string]claims{
			"iss": {"iss": "https://evil.example"}, "aud": {"aud": "other"}, "cnf": {"cnf": map[string]any{"jkt": "x"}},
			"exp": {"exp": c.Now().Unix() - 60}, "token_type": {"token_type": "DPoP"},
		} {
			p.answer(claims{"active": true}.with(change))
			if got := g.ask(sign(p.claims(c).with(claims{"jti": name}))); got.status != 401 {
				t.Errorf("%s: verdict = %v, want 401", name, got)
			}
		}
	})
}
