package authserver_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
)

// TestSilence: whatever is sent and whatever goes wrong, no secret and no token
// gets into the log at any level, or into an error's body.
func TestSilence(t *testing.T) {
	var logged testkit.Buffer
	broken := &faulty{Store: testkit.Store(t)}
	g := newRig(t, rigOptions{store: broken, log: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	token := g.token(envA, basicClient)
	jwt := hs256(t, hmacSecret, goodClaims("client_secret_jwt", "once"))
	secrets := []string{"basic-secret", "posted-secret", hmacSecret, token, token[len(token)-20:], jwt, "wrong-secret", "<script>"}

	var bodies strings.Builder
	for range 2 {
		for _, c := range []credential{
			basicClient, basic("client_secret_basic", "wrong-secret"), basic("wrong-secret", "client_secret_basic"),
			post("client_secret_post", "posted-secret"), post("<script>", "wrong-secret"), assertion(jwt), assertion(token), anonymous,
		} {
			for _, endpoint := range []string{"token", "introspect", "revoke", "token?client_secret=wrong-secret", "introspect?token=" + token} {
				for _, fields := range [][]string{
					{"grant_type=client_credentials", "scope=<script>", "token=" + token[:len(token)-1]},
					{"grant_type=<script>", "token=<script>"},
					{"grant_type=" + token, "scope=" + token},
				} {
					if a := g.form(envA, endpoint, c, fields...); a.status >= 400 {
						bodies.WriteString(a.body)
					}
				}
			}
		}
		broken.fail.Store(true)
	}
	if logged.String() == "" || bodies.Len() == 0 {
		t.Fatal("nothing was logged or refused")
	}
	for _, s := range secrets {
		if strings.Contains(logged.String(), s) {
			t.Errorf("the log has %.20q", s)
		}
		if strings.Contains(bodies.String(), s) {
			t.Errorf("an error body has %.20q", s)
		}
	}
}
