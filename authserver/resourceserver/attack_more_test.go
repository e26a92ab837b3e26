package resourceserver_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Cases 48, 90 and 91 of the attack catalogue, where they concern what exists.

// TestAttackSeveralTokens: of two tokens in one request none is chosen, and before
// anything is known of the keys no less than after.
func TestAttackSeveralTokens(t *testing.T) {
	c := newClock()
	p := newProvider(t, keySet(rsaKey()))
	g := newGate(t, c, p.jwt())
	good := sign(p.claims(c))
	twice := func(tokens ...string) *http.Request {
		r := bearer(tokens[0])
		for _, token := range tokens[1:] {
			r.Header.Add("Authorization", "Bearer "+token)
		}
		return r
	}
	want := verdict{http.StatusBadRequest, "invalid_request", resourceserver.InvalidRequest}
	both := func(t *testing.T) {
		var wg sync.WaitGroup
		for range 16 {
			for _, tokens := range [][]string{{good, "bad"}, {"bad", good}, {good, good}, {good, mangle(good)}} {
				wg.Go(func() {
					if got := g.request(twice(tokens...), nil); got != want {
						t.Errorf("verdict = %v, want %v", got, want)
					}
				})
			}
		}
		wg.Wait()
	}
	t.Run("case_48/keys not loaded yet", func(t *testing.T) {
		both(t)
		if n := p.discoveries.Load() + p.fetches.Load(); n != 0 {
			t.Errorf("fetches for requests that are refused anyway = %d, want 0", n)
		}
	})
	t.Run("case_48/nearest good", func(t *testing.T) { g.expect(t, good, pass) })
	t.Run("case_48/one of them in the cache", both)
}

// TestAttackLifeAfterRevocation: a token that another server has revoked is
// refused as soon as what was remembered about it ends.
func TestAttackLifeAfterRevocation(t *testing.T) {
	c := newClock()
	p := newProvider(t, nil)
	is := p.introspected()
	is.Introspection.TTL = time.Minute
	g := newGate(t, c, is)
	p.answer(p.active(c))
	t.Run("case_90/nearest good", func(t *testing.T) { g.expect(t, "opaque", pass) })
	p.set(func(p *provider) { p.introspect = answers(`{"active":false}`) })
	t.Run("case_90/within the bound", func(t *testing.T) {
		c.Advance(59 * time.Second)
		g.expect(t, "opaque", pass)
	})
	t.Run("case_90/at the bound", func(t *testing.T) {
		c.Advance(time.Second)
		g.expect(t, "opaque", invalid(resourceserver.Inactive))
	})
}

// TestAttackSignedAnswer: signed introspection answers (RFC 9701) are not asked
// for, so that none counts, whoever has signed it.
func TestAttackSignedAnswer(t *testing.T) {
	c := newClock()
	p := newProvider(t, nil)
	g := newGate(t, c, p.introspected())
	const kind = "application/token-introspection+jwt"
	payload := claims{"iss": p.issuer, "aud": "gate", "iat": c.Now().Unix(), "token_introspection": p.active(c)}
	const header = `{"alg":"RS256","kid":"rsa-1","typ":"token-introspection+jwt"}`
	for _, tt := range []struct{ name, contentType, body string }{
		{"signed by the issuer", kind, rs256(header, payload.json())},
		{"unsigned", kind, unsigned(`{"alg":"none","typ":"token-introspection+jwt"}`, payload.json()) + "."},
		{"of another issuer", kind, rs256(header, payload.with(claims{"iss": "https://evil.example"}).json())},
		{"for another gate", kind, rs256(header, payload.with(claims{"aud": "other"}).json())},
		{"said to be JSON", "application/json", rs256(header, payload.json())},
		{"plain JSON said to be signed", kind, p.active(c).json()},
	} {
		t.Run("case_91/"+tt.name, func(t *testing.T) {
			p.set(func(p *provider) {
				p.introspect = func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", tt.contentType)
					_, _ = w.Write([]byte(tt.body))
				}
			})
			g.expect(t, strings.ReplaceAll(tt.name, " ", "-"), unavailable(resourceserver.IntrospectionUnavailable))
			c.Advance(time.Minute) // the endpoint may be asked again
		})
	}
	t.Run("case_91/nearest good: plain JSON", func(t *testing.T) {
		p.answer(p.active(c))
		g.expect(t, "plain", pass)
	})
}
