package resourceserver_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// The answers, exactly (RFC 6750 §3).
func TestRefusalAnswers(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	l, lg, localIssuer := newLocal(t, c)
	l.keysErr = errors.New("sealed")
	g := newGate(t, c, is)
	good := sign(goodClaims(is.Issuer, c))
	expired := sign(goodClaims(is.Issuer, c).with(claims{"iat": 1, "exp": 2}))
	type answer struct {
		Status                      int
		Challenge, RetryAfter, Body string
	}
	const notValid = `{"error":"invalid_token","error_description":"The access token is not valid."}`
	tests := []struct {
		name   string
		gate   *gate
		header string
		policy *resourceserver.Policy
		want   answer
	}{
		{"no token", g, "", nil, answer{401, `Bearer`, "", `{"error":"unauthorized","error_description":"An access token is required."}`}},
		{"no token, realm", g, "", &resourceserver.Policy{Realm: "orders"}, answer{401, `Bearer realm="orders"`, "", `{"error":"unauthorized","error_description":"An access token is required."}`}},
		{"realm is quoted safely", g, "", &resourceserver.Policy{Realm: "a\"b\r\nX: y"}, answer{401, `Bearer realm="a'b  X: y"`, "", `{"error":"unauthorized","error_description":"An access token is required."}`}},
		{"malformed", g, "Bearer", nil, answer{400, `Bearer error="invalid_request", error_description="The request must carry exactly one well-formed access token."`, "", `{"error":"invalid_request","error_description":"The request must carry exactly one well-formed access token."}`}},
		{"opaque", g, "Bearer x", nil, answer{401, `Bearer error="invalid_token", error_description="The access token is not valid."`, "", notValid}},
		{"bad signature", g, "Bearer " + mangle(good), &resourceserver.Policy{Realm: "orders"}, answer{401, `Bearer realm="orders", error="invalid_token", error_description="The access token is not valid."`, "", notValid}},
		{"expired", g, "Bearer " + expired, nil, answer{401, `Bearer error="invalid_token", error_description="The access token expired."`, "", `{"error":"invalid_token","error_description":"The access token expired."}`}},
		{"scope", g, "Bearer " + good, &resourceserver.Policy{Realm: "orders", Scopes: []string{"orders:read", "orders:write"}}, answer{403, `Bearer realm="orders", error="insufficient_scope", error_description="The access token lacks a required scope.", scope="orders:read orders:write"`, "", `{"error":"insufficient_scope","error_description":"The access token lacks a required scope."}`}},
		{"claim", g, "Bearer " + good, &resourceserver.Policy{Claims: []resourceserver.ClaimRule{{Name: "acr", Values: []string{"high"}}}}, answer{403, `Bearer error="insufficient_scope", error_description="The access token does not permit this request."`, "", `{"error":"insufficient_scope","error_description":"The access token does not permit this request."}`}},
		{"not now", lg, "Bearer " + sign(goodClaims(localIssuer, c)), nil, answer{503, "", "5", `{"error":"temporarily_unavailable","error_description":"The access token cannot be verified now."}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, when := range []string{"first", "second"} {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				if tt.header != "" {
					r.Header.Set("Authorization", tt.header)
				}
				w := httptest.NewRecorder()
				reached := false
				tt.gate.Middleware(tt.policy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(w, r)
				h := w.Header()
				got := answer{w.Code, strings.Join(h["Www-Authenticate"], "|"), h.Get("Retry-After"), w.Body.String()}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s answer (-want +got):\n%s", when, diff)
				}
				if h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/json" {
					t.Errorf("headers = %v, want no-store JSON", h)
				}
				if reached {
					t.Error("the handler was reached")
				}
				if token := strings.TrimPrefix(tt.header, "Bearer "); len(token) > 20 && strings.Contains(fmt.Sprint(h, w.Body), token[:20]) {
					t.Error("the answer repeats the token")
				}
			}
		})
	}
}

func TestRefusalOfAnotherError(t *testing.T) {
	w := httptest.NewRecorder()
	resourceserver.WriteRefusal(w, errors.New("secret detail"))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("answer = %d %s, want 500 without detail", w.Code, w.Body)
	}
}

// Hosts edit header values in place; the prepared refusals must not notice.
func TestRefusalHeadersAreNotShared(t *testing.T) {
	g := newGate(t, newClock(), fixed(rsaKey()))
	_, err := g.Authenticate(httptest.NewRequest(http.MethodGet, "/", nil))
	first, second := http.Header{}, http.Header{}
	resourceserver.SetRefusalHeaders(first, err)
	first["Www-Authenticate"][0] = "changed"
	resourceserver.SetRefusalHeaders(second, err)
	if got := second.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("challenge = %q, want %q", got, "Bearer")
	}
}

func TestDecisionIsToldOnce(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	token := sign(goodClaims(is.Issuer, c))
	policy := &resourceserver.Policy{Scopes: []string{"admin"}}
	for range 3 {
		g.request(bearer(token), nil)
		g.request(bearer(token), policy)
		g.request(bearer("x"), nil)
		g.request(httptest.NewRequest(http.MethodGet, "/", nil), nil)
	}
	want := map[resourceserver.Reason]int{
		resourceserver.Allowed: 3, resourceserver.InsufficientScope: 3, resourceserver.Malformed: 3, resourceserver.NoToken: 3,
	}
	if diff := cmp.Diff(want, g.seen.decided); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
}

func TestRefusalCarriesTheToken(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	_, err := g.Authorize(bearer(sign(goodClaims(is.Issuer, c))), &resourceserver.Policy{Scopes: []string{"admin"}})
	r, ok := errors.AsType[*resourceserver.Refusal](err)
	if !ok || r.Token == nil || r.Token.Claims.Subject != "alice" || r.Issuer != 0 || r.Token.Issuer() != is.Issuer {
		t.Errorf("refusal = %+v, want the verified token with it", r)
	}
}

func TestLabelsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for r := resourceserver.Reason(0); r < resourceserver.ReasonCount; r++ {
		if l := r.String(); l == "" || l == "unknown" || seen[l] {
			t.Errorf("label of reason %d = %q, want one of its own", r, l)
		}
		seen[r.String()] = true
	}
	for p := resourceserver.Path(0); p < resourceserver.PathCount; p++ {
		if l := p.String(); l == "unknown" || seen[l] {
			t.Errorf("label of path %d = %q, want one of its own", p, l)
		}
		seen[p.String()] = true
	}
}
