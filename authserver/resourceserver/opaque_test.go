package resourceserver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Tokens that are no JWTs, of authorization servers in this process.
func TestLocalOpaque(t *testing.T) {
	c := newClock()
	l, g, issuer := newLocal(t, c)
	good, now := goodClaims(issuer, c), c.Now().Unix()
	tests := []struct {
		name   string
		change claims
		want   verdict
	}{
		{"good", nil, pass},
		{"good/without sub, which client credentials have not", claims{"sub": nil}, pass},
		{"good/expired within the clock skew", claims{"exp": now - 29}, pass},
		{"good/one audience of two", claims{"aud": []string{"x", audience}}, pass},
		{"good/the nonce of its authorization", claims{"nonce": "n"}, pass},
		{"expired", claims{"exp": now - 30}, invalid(resourceserver.Expired)},
		{"no exp", claims{"exp": nil}, invalid(resourceserver.BadClaims)},
		{"not yet valid", claims{"nbf": now + 31}, invalid(resourceserver.NotYetValid)},
		{"issued in the future", claims{"iat": now + 31}, invalid(resourceserver.NotYetValid)},
		{"other audience", claims{"aud": "x"}, invalid(resourceserver.WrongAudience)},
		{"no audience", claims{"aud": nil}, invalid(resourceserver.WrongAudience)},
		{"blank subject", claims{"sub": " "}, invalid(resourceserver.BadClaims)},
		{"bound to a key", claims{"cnf": map[string]any{"jkt": "x"}}, invalid(resourceserver.BadClaims)},
		{"revoked", claims{"jti": "revoked"}, invalid(resourceserver.Revoked)},
		{"no issuer", claims{"iss": nil}, invalid(resourceserver.UnknownIssuer)},
		{"issuer that is not configured", claims{"iss": issuer + "/"}, invalid(resourceserver.UnknownIssuer)},
	}
	l.change(func(l *local) { l.revoked["revoked"] = true })
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g.expect(t, l.issue(fmt.Sprintf("opaque-%d", i), good.with(tt.change)), tt.want)
		})
	}
	t.Run("nobody's", func(t *testing.T) { g.expect(t, "opaque", invalid(resourceserver.Malformed)) })
	t.Run("the rules of the issuer hold", func(t *testing.T) {
		strict := newGate(t, c, resourceserver.Issuer{
			Issuer: issuer, Local: l, Audience: []string{audience}, RequireSubject: true, MaxLifetime: time.Hour,
		})
		strict.expect(t, l.issue("strict", good), pass)
		strict.expect(t, l.issue("nobody", good.with(claims{"sub": nil})), invalid(resourceserver.BadClaims))
		strict.expect(t, l.issue("long", good.with(claims{"exp": now + 3601})), invalid(resourceserver.BadClaims))
	})
	t.Run("the policy holds", func(t *testing.T) {
		p := &resourceserver.Policy{Scopes: []string{"admin"}}
		if got := g.request(bearer("opaque-0"), p); got.why != resourceserver.InsufficientScope {
			t.Errorf("verdict = %v, want insufficient_scope", got)
		}
	})
}

func TestLocalOpaqueIsRemembered(t *testing.T) {
	c := newClock()
	l, g, issuer := newLocal(t, c)
	token := l.issue("opaque", goodClaims(issuer, c))
	other := l.issue("other", goodClaims(issuer, c).with(claims{"jti": "id-2"}))
	g.expect(t, token, pass)
	g.expect(t, other, pass)

	lookups := func(f func()) int64 {
		before := l.lookedUp.Load()
		f()
		return l.lookedUp.Load() - before
	}
	t.Run("it is not looked up again", func(t *testing.T) {
		asked := l.asked.Load()
		if n := lookups(func() { g.expect(t, token, pass) }); n != 0 || l.asked.Load() != asked {
			t.Errorf("look-ups = %d, questions = %d, want none", n, l.asked.Load()-asked)
		}
	})
	t.Run("a refusal neither", func(t *testing.T) {
		g.expect(t, "garbage", invalid(resourceserver.Malformed))
		if n := lookups(func() { g.expect(t, "garbage", invalid(resourceserver.Malformed)) }); n != 0 {
			t.Errorf("look-ups = %d, want none", n)
		}
	})
	t.Run("no key is asked for, and none is missed", func(t *testing.T) {
		l.change(func(l *local) { l.keys, l.keysErr = jose.NewKeySet(), errors.New("sealed") })
		g.expect(t, token, pass)
		g.expect(t, l.issue("third", goodClaims(issuer, c).with(claims{"jti": "id-3"})), pass)
		l.change(func(l *local) { l.keysErr = nil })
	})
	t.Run("it cannot be told whether it was revoked", func(t *testing.T) {
		l.change(func(l *local) { l.err = errors.New("the feed is away") })
		g.expect(t, token, unavailable(resourceserver.LocalUnavailable))
		l.change(func(l *local) { l.err = nil })
		g.expect(t, token, pass)
	})
	t.Run("it cannot be looked up, and that is not remembered", func(t *testing.T) {
		l.issue("fourth", goodClaims(issuer, c).with(claims{"jti": "id-4"}))
		l.change(func(l *local) { l.opaqueErr = errors.New("the store is away") })
		g.expect(t, "fourth", unavailable(resourceserver.LocalUnavailable))
		g.expect(t, token, pass) // it is known to be good
		l.change(func(l *local) { l.opaqueErr = nil })
		g.expect(t, "fourth", pass)
	})
	t.Run("revoked: refused by the very next request", func(t *testing.T) {
		l.change(func(l *local) { l.revoked["id-1"] = true })
		g.expect(t, token, invalid(resourceserver.Revoked))
		g.expect(t, other, pass)
	})
	t.Run("over: refused by the clock", func(t *testing.T) {
		c.Advance(time.Hour + 30*time.Second)
		g.expect(t, other, invalid(resourceserver.Expired))
	})
}

// An environment has tokens of several issuers, and a gate may name some of them.
func TestLocalOpaqueNamesItsIssuer(t *testing.T) {
	c := newClock()
	const own, realm, foreign = "https://as.example/env/as", "https://as.example/am/oauth2", "https://as.example/other/as"
	one := &local{keys: jose.NewKeySet(), revoked: map[string]bool{}}
	two := &local{keys: jose.NewKeySet(), revoked: map[string]bool{}}
	issuer := func(name string, l *local) resourceserver.Issuer {
		return resourceserver.Issuer{Issuer: name, Local: l, Audience: []string{audience}}
	}
	both := newGate(t, c, issuer(own, one), issuer(realm, one), issuer(foreign, two))
	alone := newGate(t, c, issuer(own, one))
	ofOwn, ofRealm := one.issue("own", goodClaims(own, c)), one.issue("realm", goodClaims(realm, c))
	posed := one.issue("posed", goodClaims(foreign, c))

	both.expect(t, ofOwn, pass)
	both.expect(t, ofRealm, pass)
	both.expect(t, two.issue("second", goodClaims(foreign, c)), pass)
	alone.expect(t, ofOwn, pass)
	t.Run("one that is not configured", func(t *testing.T) { alone.expect(t, ofRealm, invalid(resourceserver.UnknownIssuer)) })
	t.Run("one who does not know it", func(t *testing.T) { both.expect(t, posed, invalid(resourceserver.UnknownIssuer)) })
	t.Run("one who is not in this process", func(t *testing.T) {
		elsewhere := fixed(ecKey())
		g := newGate(t, c, issuer(own, one), elsewhere)
		g.expect(t, one.issue("elsewhere", goodClaims(elsewhere.Issuer, c)), invalid(resourceserver.UnknownIssuer))
	})
	t.Run("the token says which", func(t *testing.T) {
		for raw, want := range map[string]string{ofOwn: own, ofRealm: realm} {
			token, err := both.Verify(t.Context(), raw)
			if err != nil || token.Issuer() != want {
				t.Errorf("issuer = %q, %v, want %q", token.Issuer(), err, want)
			}
		}
	})
}

// Nobody elsewhere is told a token of ours.
func TestLocalOpaqueBeforeIntrospection(t *testing.T) {
	c := newClock()
	l := &local{keys: jose.NewKeySet(), revoked: map[string]bool{"revoked": true}}
	inProcess := resourceserver.Issuer{Issuer: "http://localhost/as", Local: l, Audience: []string{audience}}
	for _, mode := range []resourceserver.Mode{resourceserver.ModeIntrospect, resourceserver.ModeBoth} {
		t.Run(string(mode), func(t *testing.T) {
			p := newProvider(t, keySet(rsaKey()))
			p.answer(p.active(c))
			asked := p.introspected()
			asked.Mode, asked.Introspection.OpaqueTokens = mode, true
			if mode == resourceserver.ModeBoth {
				asked.RecheckEvery = 20 * time.Second
			}
			g := newGate(t, c, asked, inProcess)
			base := goodClaims(inProcess.Issuer, c)

			g.expect(t, l.issue("ours", base), pass)
			g.expect(t, l.issue("ours-revoked", base.with(claims{"jti": "revoked"})), invalid(resourceserver.Revoked))
			g.expect(t, l.issue("ours-expired", base.with(claims{"exp": c.Now().Unix() - 60})), invalid(resourceserver.Expired))
			g.expect(t, l.issue("ours-otherwise", base.with(claims{"iss": "http://localhost/other"})), invalid(resourceserver.UnknownIssuer))
			g.expect(t, l.issue("ours-posing", base.with(claims{"iss": p.issuer})), invalid(resourceserver.UnknownIssuer))
			l.change(func(l *local) { l.opaqueErr = errors.New("the store is away") })
			g.expect(t, "perhaps-ours", unavailable(resourceserver.LocalUnavailable))
			l.change(func(l *local) { l.opaqueErr = nil })
			if n := p.introspections.Load(); n != 0 {
				t.Fatalf("calls = %d, want none", n)
			}
			g.expect(t, "theirs", pass)
			if n := p.introspections.Load(); n != 1 {
				t.Errorf("calls = %d, want 1", n)
			}
			p.set(func(p *provider) { p.introspect = answers(`{"active":false}`) })
			g.expect(t, "of-nobody", invalid(resourceserver.Inactive))
			every := time.Minute
			if mode == resourceserver.ModeBoth {
				every = 20 * time.Second
			}
			c.Advance(every - time.Second)
			g.expect(t, "theirs", pass)
			c.Advance(time.Second)
			g.expect(t, "theirs", invalid(resourceserver.Inactive))
		})
	}
}

// A revocation that was acknowledged is seen by every request that begins
// after it, whatever is going on meanwhile.
func TestLocalOpaqueRevocationRace(t *testing.T) {
	c := newClock()
	l, g, issuer := newLocal(t, c)
	l.revokeWhileAsked(t, g, func(id string) string {
		return l.issue("opaque-"+id, goodClaims(issuer, c).with(claims{"jti": id}))
	})
}

// It is told from where an answer came.
func TestLocalOpaquePath(t *testing.T) {
	c := newClock()
	l, g, issuer := newLocal(t, c)
	token := l.issue("opaque", goodClaims(issuer, c))
	for i, raw := range []string{token, "garbage"} {
		g.ask(raw)
		g.Settle()
		if got := g.seen.path(resourceserver.PathLocal); got != i+1 {
			t.Errorf("%s: verified in process = %d, want %d", raw, got, i+1)
		}
		g.ask(raw)
		if got := g.seen.path(resourceserver.PathCacheHit); got != i+1 {
			t.Errorf("%s: remembered = %d, want %d", raw, got, i+1)
		}
	}
}

// Neither errors nor logs repeat an opaque token or what is known of it.
func TestLocalOpaqueSilence(t *testing.T) {
	const secret = "secret-part-of-a-token"
	c := newClock()
	var log testkit.Buffer
	l := &local{keys: jose.NewKeySet(), revoked: map[string]bool{"revoked": true}}
	const issuer = "http://localhost/as"
	g := newGateWith(t, c, resourceserver.Config{
		Issuers: []resourceserver.Issuer{{Issuer: issuer, Local: l, Audience: []string{audience}}},
		Log:     slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	base := goodClaims(issuer, c)
	var said strings.Builder
	ask := func(raw string) {
		if _, err := g.Verify(context.Background(), raw); err != nil {
			fmt.Fprintf(&said, "%v %+v\n", err, err)
		}
	}
	for i, change := range []claims{nil, {"exp": 1, "iat": 1}, {"jti": "revoked"}, {"aud": "x"}, {"iss": "http://localhost/x"}, {"sub": ""}} {
		ask(l.issue(fmt.Sprint(secret, i), base.with(change)))
	}
	ask(secret + "-of-nobody")
	l.change(func(l *local) { l.opaqueErr, l.err = errors.New("the store is away"), errors.New("the feed is away") })
	ask(secret + "-unknown")
	ask(secret + "0")
	if !strings.Contains(said.String(), "away") {
		t.Errorf("errors = %q, want the cause among them", said.String())
	}
	for _, text := range []string{said.String(), log.String()} {
		if strings.Contains(text, secret) || strings.Contains(text, "alice") {
			t.Errorf("%q repeats a token", text)
		}
	}
}
