package resourceserver

import (
	"encoding/json"
	"testing"
	"time"
)

// Whatever a helper answers: no panic, and only a JSON object whose one member active is
// the literal true can make a token good.
func FuzzIntrospectionAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"active":true}`, `{"active":false}`, `{"active":"true"}`, `{"active":1}`, `[{"active":true}]`,
		`{"active":true,"active":false}`, `{"Active":true}`, `{"active":true,"aud":["x"],"exp":4102444800,"token_type":"Bearer"}`,
		`{"active":true,"exp":1e300}`, "", "null", `{"active":true}{}`, `{"active":true,"cnf":{}}`,
	} {
		f.Add([]byte(seed))
	}
	is := &issuer{config: Issuer{Issuer: "https://as.example.com", AnyAudience: true, ClockSkew: defaultClockSkew}}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := parseAnswer(body)
		if err != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("accepted %q, which is not a JSON object", body)
		}
		if got := string(members["active"]); got != "true" && got != "false" || a.active != (got == "true") {
			t.Fatalf("active = %v for %q", a.active, got)
		}
		if !a.active {
			return
		}
		if _, why := is.checkAnswer(a.claims, nil, Confirmation{}, now); why == Allowed {
			e := newEntry(Token{Claims: a.claims, issuer: is}, now)
			e.believeFor(time.Minute, time.Minute)
			if e.fresh > e.stale || e.stale > e.end || e.size() <= 0 {
				t.Fatalf("entry of %q = %+v", body, e)
			}
		}
	})
}
