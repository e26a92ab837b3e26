package resourceserver_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

func newLocal(t testing.TB, c *clock) (*local, *gate, string) {
	t.Helper()
	l := &local{keys: jose.NewKeySet(rsaKey().Public()), revoked: map[string]bool{}}
	is := resourceserver.Issuer{Issuer: "http://localhost:8080/env/as", Local: l, Audience: []string{audience}}
	return l, newGate(t, c, is), is.Issuer
}

func TestLocalIssuer(t *testing.T) {
	c := newClock()
	l, g, issuer := newLocal(t, c)
	token := sign(goodClaims(issuer, c))
	other := sign(goodClaims(issuer, c).with(claims{"jti": "id-2"}))
	g.expect(t, token, pass)
	g.expect(t, other, pass)

	t.Run("a remembered token is not asked about", func(t *testing.T) {
		before := l.asked.Load()
		for range 10 {
			g.expect(t, token, pass)
		}
		if n := l.asked.Load() - before; n != 0 {
			t.Errorf("questions = %d, want none", n)
		}
	})
	t.Run("it cannot be told", func(t *testing.T) {
		l.change(func(l *local) { l.err = errors.New("the store is away") })
		g.expect(t, token, unavailable(resourceserver.LocalUnavailable))
		l.change(func(l *local) { l.err = nil })
		g.expect(t, token, pass)
	})
	t.Run("keys cannot be read", func(t *testing.T) {
		l.change(func(l *local) { l.keysErr = errors.New("sealed") })
		g.expect(t, token, unavailable(resourceserver.LocalUnavailable))
		g.expect(t, sign(goodClaims(issuer, c).with(claims{"jti": "id-3"})), unavailable(resourceserver.LocalUnavailable))
		l.change(func(l *local) { l.keysErr = nil })
		g.expect(t, token, pass)
	})
	t.Run("revoked: refused by the very next request", func(t *testing.T) {
		l.change(func(l *local) { l.revoked["id-1"] = true })
		g.expect(t, token, invalid(resourceserver.Revoked))
		g.expect(t, other, pass)
	})
	t.Run("a key is withdrawn", func(t *testing.T) {
		l.change(func(l *local) { l.keys = jose.NewKeySet(ecKey().Public()) })
		g.expect(t, other, invalid(resourceserver.UnknownKey))
		g.expect(t, must(ecKey().Sign("at+jwt", []byte(goodClaims(issuer, c).with(claims{"jti": "id-4"}).json()))), pass)
	})
	t.Run("the rules of any JWT hold", func(t *testing.T) {
		sign := func(c claims) string { return must(ecKey().Sign("at+jwt", []byte(c.json()))) }
		base := goodClaims(issuer, c)
		g.expect(t, sign(base.with(claims{"aud": "x"})), invalid(resourceserver.WrongAudience))
		g.expect(t, sign(base.with(claims{"exp": c.Now().Unix() - 60, "iat": 1})), invalid(resourceserver.Expired))
		g.expect(t, must(strangerKey().Sign("at+jwt", []byte(base.json()))), invalid(resourceserver.UnknownKey))
		g.expect(t, must(ecKey().Sign("JWT", []byte(base.with(claims{"nonce": "n"}).json()))), invalid(resourceserver.BadType))
	})
}

// A revocation that was acknowledged is seen by every request that begins
// after it, whatever is going on meanwhile.
func TestLocalRevocationRace(t *testing.T) {
	c := newClock()
	l, g, issuer := newLocal(t, c)
	l.revokeWhileAsked(t, g, func(id string) string { return sign(goodClaims(issuer, c).with(claims{"jti": id})) })
}

// revokeWhileAsked revokes tokens, one after the other, each while several others ask for it.
func (l *local) revokeWhileAsked(t *testing.T, g *gate, issue func(id string) string) {
	t.Helper()
	for i := range 30 {
		id := fmt.Sprint(i)
		token := issue(id)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						g.ask(token)
					}
				}
			})
		}
		g.ask(token)
		g.Settle()
		l.change(func(l *local) { l.revoked[id] = true })
		for range 20 {
			if got, want := g.ask(token), invalid(resourceserver.Revoked); got != want {
				t.Fatalf("verdict after the revocation = %v, want %v", got, want)
			}
		}
		close(stop)
		wg.Wait()
	}
}
