package assertion_test

import (
	"context"
	"net/http"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver/assertion"
)

// TestPropertyAssertionOfOneRequest: an assertion is good for the request that it was made for, and for no other.
func TestPropertyAssertionOfOneRequest(t *testing.T) {
	clock := newClock()
	s, v := newSigner(clock), newVerifier(t, clock, nil)
	claims := claimsOf(clock, nil)
	method := rapid.SampledFrom([]string{"GET", "POST", "PUT", "DELETE", "M-SEARCH"})
	target := rapid.StringMatching(`/[a-z%/.;+<>"-]{0,12}(\?[a-z=&%<>"]{0,8})?`)
	token := rapid.StringMatching(`[A-Za-z0-9._~+/-]{1,20}=?`)
	request := rapid.Custom(func(t *rapid.T) assertion.Request {
		return assertion.Request{
			Method: method.Draw(t, "method"), Target: target.Draw(t, "target"), Token: token.Draw(t, "token"),
			TokenIssuer: "https://as.example.com", Claims: claims,
		}
	})
	arrives := func(r assertion.Request, text string) *http.Request {
		return &http.Request{Method: r.Method, RequestURI: r.Target, Header: http.Header{
			assertion.Header: {text}, "Authorization": {"Bearer " + r.Token},
		}}
	}
	rapid.Check(t, func(t *rapid.T) {
		one, other := request.Draw(t, "one"), request.Draw(t, "other")
		text, err := s.Sign(context.Background(), one)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(arrives(one, text)); err != nil {
			t.Fatalf("its own request: %v", err)
		}
		same := one.Method == other.Method && one.Target == other.Target && one.Token == other.Token
		if _, err := v.Verify(arrives(other, text)); (err == nil) != same {
			t.Fatalf("another request: %v, want it to be accepted: %v", err, same)
		}
		// One thing changed is enough.
		for _, change := range []assertion.Request{
			{Method: other.Method, Target: one.Target, Token: one.Token}, {Method: one.Method, Target: other.Target, Token: one.Token},
			{Method: one.Method, Target: one.Target, Token: other.Token},
		} {
			same := change.Method == one.Method && change.Target == one.Target && change.Token == one.Token
			if _, err := v.Verify(arrives(change, text)); (err == nil) != same {
				t.Fatalf("%s %s: %v, want it to be accepted: %v", change.Method, change.Target, err, same)
			}
		}
	})
}
