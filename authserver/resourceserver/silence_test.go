package resourceserver_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Property 7 of the catalogue: neither errors nor logs repeat a token or a secret.
func TestSilence(t *testing.T) {
	const secret = "very-secret-of-the-gate"
	c := newClock()
	var log testkit.Buffer
	keys, asked := newProvider(t, keySet(rsaKey())), newProvider(t, nil)
	is := asked.introspected()
	is.Introspection.ClientSecret = secret
	is.Timeout = 200 * time.Millisecond
	g := newGateWith(t, c, resourceserver.Config{
		Issuers: []resourceserver.Issuer{keys.jwt(), is},
		Log:     slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	good := sign(keys.claims(c))
	tokens := []string{
		good, mangle(good), good + ".x", "opaque-token-of-alice", strings.Repeat("long-token", 4000), "not a b64token",
		sign(keys.claims(c).with(claims{"exp": 1, "iat": 1})), sign(keys.claims(c).with(claims{"exp": "x"})),
		kidToken("evil\r\nlevel=ERROR", keys.claims(c).json()), `{"token":"json-token-of-alice"}`,
	}
	behaviours := []http.HandlerFunc{
		answers(asked.active(c).json()), answers(`{"active":"opaque-token-of-alice"}`), status(401), status(500),
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/evil", http.StatusFound) },
		func(w http.ResponseWriter, r *http.Request) { writeJSON(w, r.PostFormValue("token")) },
	}
	var said strings.Builder
	for _, behave := range behaviours {
		asked.set(func(p *provider) { p.introspect = behave })
		for _, token := range tokens {
			if _, err := g.Verify(context.Background(), token); err != nil {
				fmt.Fprintf(&said, "%v %+v\n", err, err)
			}
		}
		c.Advance(time.Minute)
		keys.set(func(p *provider) { p.keys, p.discovered = status(500), status(500) })
	}
	for _, text := range []string{said.String(), log.String()} {
		for _, token := range append(tokens, secret, "json-token-of-alice") {
			for part := range strings.SplitSeq(token, ".") {
				if len(part) > 12 && strings.Contains(text, part[:12]) && part[:12] != "eyJhbGciOiJS" {
					t.Errorf("%q is repeated", part[:12])
				}
			}
		}
		if strings.Contains(text, "\nlevel=ERROR") {
			t.Error("a key id ended a log line")
		}
	}
	if !strings.Contains(log.String(), "left alone") {
		t.Errorf("log = %q, want it to tell of the outage", log.String())
	}
}
