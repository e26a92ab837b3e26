package upstream_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/upstream"
)

// Whatever a token endpoint answers: no panic, and what is accepted is a Bearer token that fits into a header, with a life that is bounded.
func FuzzTokenAnswer(f *testing.F) {
	for _, seed := range []string{
		exchanged("a"), own, `{"access_token":"a","token_type":"DPoP"}`, `{}`, `[]`, ``, `{"access_token":"a","access_token":"b"}`,
		`{"access_token":"a","token_type":"bearer","expires_in":1e9}`, `{"access_token":"\u0000","token_type":"bearer"}`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte, exchange bool) {
		token, end, err := upstream.ParseToken(body, now, exchange)
		if err != nil {
			return
		}
		var members struct {
			Token string `json:"access_token"`
			Type  string `json:"token_type"`
		}
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("accepted %q, which is not a JSON object: %v", body, err)
		}
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("accepted the token %q", token)
		}
		if life := end.Sub(now); life <= 0 || life > upstream.LongestLife {
			t.Fatalf("accepted a life of %v", life)
		}
	})
}
