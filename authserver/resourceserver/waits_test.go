package resourceserver_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// waiting is a condition that waits for something, and is met.
type waiting struct {
	meanwhile func()
	asked     int
}

func (c *waiting) Allows(*http.Request, *resourceserver.Token) (bool, error) {
	c.asked++
	c.meanwhile()
	return true, nil
}

// TestAttack90TokenEndsWhileAConditionWaits: whoever sends the last byte of a body when the token has ended is too late, for any reason for which a
// request that begins then would be.
func TestAttack90TokenEndsWhileAConditionWaits(t *testing.T) {
	tests := []struct {
		name  string
		begun func(c *clock, l *local) // while it waits
		want  verdict
		asked int
	}{
		{"nothing happens", func(*clock, *local) {}, pass, 1},
		{"other tokens are revoked", func(_ *clock, l *local) { l.change(func(l *local) { l.revoked["id-2"] = true }) }, pass, 1},
		{"it is revoked", func(_ *clock, l *local) { l.change(func(l *local) { l.revoked["id-1"] = true }) }, invalid(resourceserver.Revoked), 1},
		{"it expires", func(c *clock, _ *local) { c.Advance(2 * time.Hour) }, invalid(resourceserver.Expired), 1},
		{"its key is withdrawn", func(_ *clock, l *local) { l.change(func(l *local) { l.keys = jose.NewKeySet(ecKey().Public()) }) }, invalid(resourceserver.UnknownKey), 1},
		{"nobody can tell", func(_ *clock, l *local) { l.change(func(l *local) { l.err = errors.New("the store is away") }) }, unavailable(resourceserver.LocalUnavailable), 1},
		{"time goes by", func(c *clock, _ *local) { c.Advance(2 * time.Second) }, pass, 2},
		{"the sign-on gets too old", func(c *clock, _ *local) { c.Advance(6 * time.Minute) },
			verdict{http.StatusUnauthorized, "insufficient_user_authentication", resourceserver.InsufficientAuthentication}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			l, g, issuer := newLocal(t, c)
			token := sign(goodClaims(issuer, c).with(claims{"auth_time": c.Now().Unix()}))
			condition := &waiting{meanwhile: func() {}}
			condition.meanwhile = func() { condition.meanwhile = func() {}; tt.begun(c, l) }
			p := &resourceserver.Policy{MaxAge: 5 * time.Minute}
			also := &resourceserver.Policy{Waits: true, Allow: []resourceserver.Condition{condition}}
			if got := g.request(bearer(token), p, also); got != tt.want || condition.asked != tt.asked {
				t.Errorf("verdict = %v, asked %d times; want %v, %d", got, condition.asked, tt.want, tt.asked)
			}
			if n := g.seen.decided[tt.want.why]; n != 1 || len(g.seen.decided) != 1 {
				t.Errorf("decisions = %v, want one", g.seen.decided)
			}
		})
	}
}

// TestIntrospectedTokenChangesWhileAConditionWaits: what the issuer says by then counts, and what has been proved must be what is to be.
func TestIntrospectedTokenChangesWhileAConditionWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		then string // what the issuer says
		want verdict
	}{
		"the same":      {`"scope":"orders:read"`, pass},
		"less":          {`"scope":"profile"`, verdict{http.StatusForbidden, "insufficient_scope", resourceserver.InsufficientScope}},
		"not active":    {`"active":false`, invalid(resourceserver.Inactive)},
		"bound to more": {`"scope":"orders:read","cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`, invalid(resourceserver.NotBound)},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			p := newProvider(t, keySet(rsaKey()))
			says := func(members string) {
				active := `"active":true,`
				if name == "not active" && members == tt.then {
					active = ""
				}
				p.set(func(p *provider) {
					p.introspect = answers(`{` + active + `"aud":"` + audience + `","sub":"alice",` + members + `}`)
				})
			}
			says(`"scope":"orders:read"`)
			g := newGate(t, c, p.introspected())
			condition := &waiting{meanwhile: func() { c.Advance(2 * time.Minute); says(tt.then) }}
			policy := &resourceserver.Policy{Scopes: []string{"orders:read"}}
			got := g.request(bearer("opaque"), policy, &resourceserver.Policy{Waits: true, Allow: []resourceserver.Condition{condition}})
			if got != tt.want {
				t.Errorf("verdict = %v, want %v", got, tt.want)
			}
		})
	}
}
