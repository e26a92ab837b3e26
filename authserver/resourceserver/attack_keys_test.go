package resourceserver_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Section A of the attack catalogue where it concerns the keys, and cases 70 and 87.

func kidToken(kid, payload string) string {
	return rs256(`{"alg":"RS256","typ":"at+jwt","kid":`+string(must(json.Marshal(kid)))+`}`, payload)
}

func TestAttackKeyByURL(t *testing.T) {
	var visits atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	defer trap.Close()
	c := newClock()
	p := newProvider(t, keySet(ecKey()))
	g := newGate(t, c, p.jwt())
	payload := p.claims(c).json()
	for _, url := range []string{trap.URL, "http://169.254.169.254/keys", "https://evil.example/keys"} {
		for _, member := range []string{"jku", "x5u"} {
			t.Run("case_07/"+member+" "+url, func(t *testing.T) {
				header := fmt.Sprintf(`{"alg":"ES256","kid":"stranger",%q:%q}`, member, url)
				g.expect(t, esRaw(strangerPrivate(), header, payload), invalid(resourceserver.UnknownKey))
			})
		}
	}
	t.Run("case_07/nearest good: the member is ignored", func(t *testing.T) {
		g.expect(t, esRaw(ecPrivate(), `{"alg":"ES256","kid":"ec-1","jku":"`+trap.URL+`"}`, payload), pass)
	})
	if n := visits.Load(); n != 0 {
		t.Errorf("fetches from the address in a token = %d, want 0", n)
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("fetches from the issuer = %d, want 1", n)
	}
}

func TestAttackMissingKeyID(t *testing.T) {
	c := newClock()
	second := signingKey(must(rsa.GenerateKey(rand.Reader, 2048)), jose.RS256, "rsa-2")
	token := rs256(`{"alg":"RS256","typ":"at+jwt"}`, goodClaims("https://as.example.com", c).json())
	t.Run("case_10/one key fits", func(t *testing.T) {
		newGate(t, c, fixed(rsaKey(), ecKey())).expect(t, token, pass)
	})
	t.Run("case_10/two keys fit", func(t *testing.T) {
		newGate(t, c, fixed(rsaKey(), second)).expect(t, token, invalid(resourceserver.UnknownKey))
	})
}

func TestAttackUnknownKeyFlood(t *testing.T) {
	tests := []struct {
		name string
		down bool
	}{{"issuer up", false}, {"issuer down", true}}
	for _, tt := range tests {
		t.Run("case_11/"+tt.name, func(t *testing.T) {
			c := newClock()
			p := newProvider(t, keySet(rsaKey()))
			g := newGate(t, c, p.jwt())
			payload := p.claims(c).json()
			good := kidToken("rsa-1", payload)
			g.expect(t, good, pass)
			if tt.down {
				p.set(func(p *provider) { p.keys, p.discovered = status(500), status(500) })
			}
			before := p.fetches.Load() + p.discoveries.Load()
			// No signature is looked at before the key is known.
			unknown := func(kid string) string {
				return unsigned(`{"alg":"RS256","typ":"at+jwt","kid":"`+kid+`"}`, payload) + ".AAAA"
			}
			flood := func(from int) {
				var wg sync.WaitGroup
				for i := range 200 {
					wg.Go(func() {
						if got, want := g.ask(unknown(fmt.Sprintf("k%d", from+i))), invalid(resourceserver.UnknownKey); got != want {
							t.Errorf("verdict = %v, want %v", got, want)
						}
					})
				}
				wg.Wait()
			}
			flood(0)
			if n := p.fetches.Load() + p.discoveries.Load() - before; n != 0 {
				t.Errorf("fetches within the interval = %d, want 0", n)
			}
			c.Advance(11 * time.Second)
			flood(1000)
			// At most one fetch of the keys, with the metadata that it may need.
			if n := p.fetches.Load() + p.discoveries.Load() - before; n < 1 || n > 2 {
				t.Errorf("fetches in the next interval = %d, want one", n)
			}
			g.expect(t, good, pass)
			g.expect(t, rs256(`{"alg":"RS256","typ":"at+jwt","kid":"rsa-1"}`, p.claims(c).with(claims{"jti": "new"}).json()), pass)
		})
	}
	t.Run("case_11/nearest good: a key published meanwhile", func(t *testing.T) {
		c := newClock()
		p := newProvider(t, keySet(ecKey()))
		g := newGate(t, c, p.jwt())
		token := kidToken("rsa-1", p.claims(c).json())
		g.expect(t, token, invalid(resourceserver.UnknownKey))
		p.set(func(p *provider) { p.jwks = keySet(ecKey(), rsaKey()) })
		c.Advance(11 * time.Second)
		g.expect(t, token, pass)
	})
}

func TestAttackSameKeyIDInTwoIssuers(t *testing.T) {
	c := newClock()
	current := func(private *rsa.PrivateKey) *jose.SigningKey { return signingKey(private, jose.RS256, "current") }
	keyA, keyB := current(rsaPrivate()), current(must(rsa.GenerateKey(rand.Reader, 2048)))
	a, b := newProvider(t, keySet(keyA)), newProvider(t, keySet(keyB))
	g := newGate(t, c, a.jwt(), b.jwt())
	sign := func(k *jose.SigningKey, p *provider, id string) string {
		return must(k.Sign("at+jwt", []byte(p.claims(c).with(claims{"jti": id}).json())))
	}
	var wg sync.WaitGroup
	for i := range 20 {
		id := fmt.Sprint(i)
		for _, tt := range []struct {
			name  string
			token string
			want  verdict
		}{
			{"A by A", sign(keyA, a, id), pass},
			{"B by B", sign(keyB, b, id), pass},
			{"B by A", sign(keyA, b, id), invalid(resourceserver.BadSignature)},
			{"A by B", sign(keyB, a, id), invalid(resourceserver.BadSignature)},
		} {
			wg.Go(func() {
				if got := g.ask(tt.token); got != tt.want {
					t.Errorf("case_12/%s: verdict = %v, want %v", tt.name, got, tt.want)
				}
			})
		}
	}
	wg.Wait()
}

func TestAttackAddressFromClaims(t *testing.T) {
	c := newClock()
	p := newProvider(t, keySet(rsaKey()))
	g := newGate(t, c, p.jwt())
	for _, iss := range []any{
		"http://169.254.169.254/latest", "file:///etc/passwd", "//evil.example", p.issuer + "/../b", p.URL + "/other/as",
		p.issuer + "/", strings.ToUpper(p.issuer), "", 7, []string{p.issuer}, null,
	} {
		t.Run(fmt.Sprintf("case_13/%v", iss), func(t *testing.T) {
			if got := g.ask(sign(p.claims(c).with(claims{"iss": iss}))); got.status != 401 || got.code != "invalid_token" {
				t.Errorf("verdict = %v, want 401 invalid_token", got)
			}
		})
	}
	if n := p.fetches.Load() + p.discoveries.Load(); n != 0 {
		t.Errorf("fetches for issuers that are not trusted = %d, want 0", n)
	}
	t.Run("case_13/nearest good", func(t *testing.T) { g.expect(t, sign(p.claims(c)), pass) })
}

func TestAttackForeignDiscoveryDocument(t *testing.T) {
	for name, change := range map[string]func(issuer string) any{
		"case":   func(s string) any { return strings.ToUpper(s) },
		"slash":  func(s string) any { return s + "/" },
		"host":   func(string) any { return "https://evil.example/tenant/as" },
		"absent": func(string) any { return nil },
		"array":  func(s string) any { return []string{s} },
	} {
		t.Run("case_15/"+name, func(t *testing.T) {
			c := newClock()
			p := newProvider(t, keySet(rsaKey()))
			g := newGate(t, c, p.jwt())
			p.set(func(p *provider) { p.metadata["issuer"] = change(p.issuer) })
			token := sign(p.claims(c))
			g.expect(t, token, unavailable(resourceserver.KeysUnavailable))
			if n := p.fetches.Load(); n != 0 {
				t.Errorf("key fetches = %d, want 0: the document is not the issuer's", n)
			}
			p.set(func(p *provider) { p.metadata["issuer"] = p.issuer })
			c.Advance(11 * time.Second)
			g.expect(t, token, pass)
		})
	}
}

func TestAttackWithdrawnKey(t *testing.T) {
	c := newClock()
	p := newProvider(t, keySet(rsaKey(), ecKey()))
	g := newGate(t, c, p.jwt())
	withdrawn, kept := sign(p.claims(c)), must(ecKey().Sign("at+jwt", []byte(p.claims(c).json())))
	g.expect(t, withdrawn, pass)
	g.expect(t, kept, pass)
	p.set(func(p *provider) { p.jwks = keySet(ecKey()) })
	// The refresh is due: it runs in the background, no request waits for it.
	c.Advance(10*time.Minute + time.Second)
	g.expect(t, kept, pass)
	waitFor(t, "the refresh", func() bool { return g.seen.refreshes(true) == 2 })
	waitFor(t, "the new keys", func() bool { return g.ask(withdrawn) != pass })
	t.Run("case_16/withdrawn", func(t *testing.T) { g.expect(t, withdrawn, invalid(resourceserver.UnknownKey)) })
	t.Run("case_16/nearest good", func(t *testing.T) { g.expect(t, kept, pass) })

	t.Run("case_16/after an idle time", func(t *testing.T) {
		p.set(func(p *provider) { p.jwks = keySet(rsaKey()) })
		c.Advance(30 * time.Minute)
		g.expect(t, kept, invalid(resourceserver.UnknownKey))
	})
}

func TestAttackHostileKeySet(t *testing.T) {
	c := newClock()
	good := strings.TrimSuffix(strings.TrimPrefix(string(keySet(rsaKey())), `{"keys":[`), `]}`)
	weak := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	weakJWK := fmt.Sprintf(`{"kty":"RSA","kid":"weak","n":%q,"e":"AQAB"}`, b64(string(weak.N.Bytes())))
	rsaN := b64(string(rsaPrivate().N.Bytes()))
	tests := []struct {
		name string
		jwks string
		want verdict
	}{
		{"case_17/unknown kty", `{"keys":[{"kty":"XYZ","kid":"x"},` + good + `]}`, pass},
		{"case_17/missing members", `{"keys":[{"kty":"RSA"},{"kty":"EC","crv":"P-256"},{},` + good + `]}`, pass},
		{"case_17/exponent 1", `{"keys":[{"kty":"RSA","kid":"one","n":"` + rsaN + `","e":"AQ"},` + good + `]}`, pass},
		{"case_17/only exponent 1", `{"keys":[{"kty":"RSA","kid":"rsa-1","n":"` + rsaN + `","e":"AQ"}]}`, invalid(resourceserver.UnknownKey)},
		{"case_17/point off curve", `{"keys":[{"kty":"EC","crv":"P-256","kid":"off","x":"` + b64(strings.Repeat("1", 32)) + `","y":"` + b64(strings.Repeat("2", 32)) + `"},` + good + `]}`, pass},
		{"case_17/5000 keys", `{"keys":[` + good + strings.Repeat(`,{"kty":"XYZ"}`, 5000) + `]}`, pass},
		{"case_17/kid twice", `{"keys":[` + good + `,` + good + `]}`, pass},
		{"case_17/no keys", `{"keys":[]}`, invalid(resourceserver.UnknownKey)},
		{"case_17/no JWK Set", `{"error":"oops"}`, unavailable(resourceserver.KeysUnavailable)},
		{"case_17/no object", `[]`, unavailable(resourceserver.KeysUnavailable)},
		{"case_17/50 MB", `{"keys":[` + good + `,"` + strings.Repeat("x", 50<<20) + `"]}`, unavailable(resourceserver.KeysUnavailable)},
		{"case_24/1024 bits", `{"keys":[` + weakJWK + `,` + good + `]}`, pass},
		{"case_24/only 1024 bits", `{"keys":[` + strings.Replace(weakJWK, "weak", "rsa-1", 1) + `]}`, invalid(resourceserver.UnknownKey)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t, []byte(tt.jwks))
			g := newGate(t, c, p.jwt())
			g.expect(t, sign(p.claims(c)), tt.want)
		})
	}
}

func TestIssuerOutages(t *testing.T) {
	c := newClock()
	p := newProvider(t, keySet(rsaKey()))
	p.set(func(p *provider) { p.discovered = status(500) })
	g := newGate(t, c, p.jwt())
	token := sign(p.claims(c))
	t.Run("down at start: 503, never a pass", func(t *testing.T) {
		g.expect(t, token, unavailable(resourceserver.KeysUnavailable))
	})
	t.Run("nothing is asked again at once", func(t *testing.T) {
		before := p.discoveries.Load()
		for range 50 {
			g.ask(token)
		}
		if n := p.discoveries.Load() - before; n != 0 {
			t.Errorf("discoveries = %d, want 0 within the interval", n)
		}
	})
	t.Run("up again", func(t *testing.T) {
		p.set(func(p *provider) { p.discovered = nil })
		c.Advance(11 * time.Second)
		g.expect(t, token, pass)
	})
	t.Run("down later: the last good keys serve", func(t *testing.T) {
		p.set(func(p *provider) { p.discovered, p.keys = status(503), status(503) })
		c.Advance(50 * time.Minute)
		g.expect(t, sign(p.claims(c).with(claims{"jti": "2"})), pass)
	})
	t.Run("down for longer than a day", func(t *testing.T) {
		c.Advance(25 * time.Hour)
		g.expect(t, sign(p.claims(c).with(claims{"jti": "3"})), unavailable(resourceserver.KeysUnavailable))
	})
}

func TestLyingIssuer(t *testing.T) {
	var visits atomic.Int64
	evil := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		visits.Add(1)
		writeJSON(w, string(keySet(rsaKey())))
	}))
	defer evil.Close()
	redirect := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.URL, http.StatusFound) }
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	drip := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}
	html := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(keySet(rsaKey()))
	}
	endless := map[string]bool{"keys hang": true, "keys drip": true} // a time-out ends them
	for name, behave := range map[string]func(p *provider){
		"case_70/keys redirect":      func(p *provider) { p.keys = redirect },
		"case_70/discovery redirect": func(p *provider) { p.discovered = redirect },
		"keys hang":                  func(p *provider) { p.keys = hang },
		"keys drip":                  func(p *provider) { p.keys = drip },
		"keys are HTML":              func(p *provider) { p.keys = html },
		"keys over plain http":       func(p *provider) { p.metadata["jwks_uri"] = "http://127.0.0.1:1/jwks" },
		"keys elsewhere over http":   func(p *provider) { p.metadata["jwks_uri"] = "http://keys.example.com/jwks" },
		"keys with user info":        func(p *provider) { p.metadata["jwks_uri"] = "https://a:b@keys.example.com/jwks" },
		"no jwks_uri":                func(p *provider) { delete(p.metadata, "jwks_uri") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			p := newProvider(t, keySet(rsaKey()))
			is := p.jwt()
			if endless[name] {
				is.Timeout = 200 * time.Millisecond
			}
			g := newGate(t, c, is)
			p.set(behave)
			token := sign(p.claims(c))
			g.expect(t, token, unavailable(resourceserver.KeysUnavailable))
			p.set(func(p *provider) {
				p.keys, p.discovered = nil, nil
				p.metadata["jwks_uri"] = p.issuer + "/jwks"
			})
			if endless[name] {
				g.recovers(t, token, 11*time.Second)
				return
			}
			c.Advance(11 * time.Second)
			g.expect(t, token, pass)
		})
	}
	t.Cleanup(func() {
		if n := visits.Load(); n != 0 {
			t.Errorf("redirects followed = %d, want 0", n)
		}
	})
}

func TestAttackUnverifiedChannel(t *testing.T) {
	c := newClock()
	p := newProvider(t, keySet(rsaKey()))
	t.Run("case_87/certificate of nobody that is trusted", func(t *testing.T) {
		is := p.jwt()
		is.CA = nil // the system's roots do not have the test's certificate
		g := newGate(t, c, is)
		g.expect(t, sign(p.claims(c)), unavailable(resourceserver.KeysUnavailable))
		if n := p.discoveries.Load(); n != 0 {
			t.Errorf("requests over an unverified channel = %d, want 0", n)
		}
	})
	t.Run("case_87/nearest good", func(t *testing.T) { newGate(t, c, p.jwt()).expect(t, sign(p.claims(c)), pass) })
	t.Run("case_87/loopback http where it is allowed", func(t *testing.T) {
		plain := httptest.NewServer(p)
		defer plain.Close()
		is := resourceserver.Issuer{
			Issuer: p.issuer, JWKSURI: plain.URL + "/tenant/as/jwks", Audience: []string{audience}, InsecureLoopbackHTTP: true,
		}
		newGate(t, c, is).expect(t, sign(p.claims(c)), pass)
	})
}

// waitFor waits for something that happens in the background.
func waitFor(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for range 500 {
		if happened() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s did not happen", what)
}

func (o *recorder) refreshes(ok bool) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refreshed[ok]
}
