package upstream_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/upstream"
)

// TestSilence: whatever an authorization server answers, neither the log nor an error has a token or a secret, nor text of the answer.
func TestSilence(t *testing.T) {
	const raw, inner, secret = "client-token-0123456789", "inner-token-0123456789", "gate-secret-0123456789"
	for name, answer := range map[string]http.HandlerFunc{
		"good":                 answers(200, exchanged(inner)),
		"a type of its own":    answers(200, strings.Replace(exchanged(inner), "Bearer", inner, 1)),
		"malformed":            answers(200, exchanged(inner)+inner),
		"an error with text":   answers(400, `{"error":"invalid_grant","error_description":"`+raw+secret+`"}`),
		"an error of its own":  answers(400, `{"error":"`+raw+`"}`),
		"down":                 answers(503, raw),
		"not JSON":             func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, inner) },
		"a redirect that asks": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/?token="+raw, http.StatusFound) },
		"a connection that breaks": func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			as := newAuthority(t, answer)
			log := &testkit.Buffer{}
			config := as.config(clock)
			config.ClientSecret, config.Log = secret, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			for _, build := range []func(upstream.Config) (upstream.Source, error){upstream.NewExchange, upstream.NewClientCredentials} {
				s := source(t, build, config)
				for range 7 { // until it is left alone, which is logged
					_, err := s.Token(context.Background(), raw, client(clock, time.Hour, nil))
					upstream.Settle(s)
					seen := log.String() + fmt.Sprintf("%v %+v", err, err)
					for _, hidden := range []string{raw, inner, secret} {
						if strings.Contains(seen, hidden) {
							t.Fatalf("%q is in %s", hidden, seen)
						}
					}
				}
			}
		})
	}
}
