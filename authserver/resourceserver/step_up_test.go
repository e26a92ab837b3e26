package resourceserver_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

func challengesOf(err error) []string {
	h := http.Header{}
	resourceserver.SetRefusalHeaders(h, err)
	return h["Www-Authenticate"]
}

// Case 106, at the gate: a route that needs a better or a fresher sign-on says so, and nothing that is absent, malformed or of the future
// stands in for one.
func TestAttack106StepUp(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	now := c.Now().Unix()
	stepUp := verdict{http.StatusUnauthorized, oauth.CodeInsufficientUserAuthentication, resourceserver.InsufficientAuthentication}
	policy := &resourceserver.Policy{ACR: []string{"mfa", "phr"}, MaxAge: 5 * time.Minute}
	good := goodClaims(is.Issuer, c).with(claims{"acr": "mfa", "auth_time": now - 10})
	for _, tt := range []struct {
		name   string
		change claims
		want   verdict
	}{
		{"nearest good", nil, pass},
		{"the other acr", claims{"acr": "phr"}, pass},
		{"auth_time at the limit, with the skew", claims{"auth_time": now - 330}, pass},
		{"auth_time with a fraction", claims{"auth_time": json.RawMessage("1772366399.5")}, pass},
		{"clock a little behind", claims{"auth_time": now + 29}, pass},
		{"no acr", claims{"acr": nil}, stepUp},
		{"acr null", claims{"acr": null}, stepUp},
		{"other acr", claims{"acr": "pwd"}, stepUp},
		{"acr in another case", claims{"acr": "MFA"}, stepUp},
		{"acr list", claims{"acr": []string{"mfa"}}, stepUp},
		{"both acr in one", claims{"acr": "mfa phr"}, stepUp},
		{"amr in its place", claims{"acr": nil, "amr": []string{"mfa"}}, stepUp},
		{"no auth_time", claims{"auth_time": nil}, stepUp},
		{"auth_time null", claims{"auth_time": null}, stepUp},
		{"auth_time string", claims{"auth_time": "1772366399"}, stepUp},
		{"auth_time zero", claims{"auth_time": 0}, stepUp},
		{"auth_time negative", claims{"auth_time": -1}, stepUp},
		{"auth_time huge", claims{"auth_time": json.RawMessage("1e300")}, stepUp},
		{"auth_time too old", claims{"auth_time": now - 331}, stepUp},
		{"auth_time in the future", claims{"auth_time": now + 31}, stepUp},
		{"iat in its place", claims{"auth_time": nil, "iat": now}, stepUp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := sign(good.with(tt.change))
			for range 2 {
				if got := g.request(bearer(token), policy); got != tt.want {
					t.Errorf("verdict = %v, want %v", got, tt.want)
				}
				g.Settle()
			}
			if got := g.request(bearer(token), nil); got != pass {
				t.Errorf("verdict where nothing is asked = %v, want %v", got, pass)
			}
		})
	}
	t.Run("a remembered token grows old", func(t *testing.T) {
		token := sign(good)
		if got := g.request(bearer(token), policy); got != pass {
			t.Errorf("verdict = %v, want %v", got, pass)
		}
		g.Settle()
		c.Advance(5*time.Minute + 21*time.Second)
		if got := g.request(bearer(token), policy); got != stepUp {
			t.Errorf("verdict = %v, want %v", got, stepUp)
		}
	})
}

// The challenges of RFC 9470 §3, and what several policies ask for together.
func TestRFC9470Challenges(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	r := bearer(sign(goodClaims(is.Issuer, c).with(claims{"acr": "pwd", "auth_time": 1})))
	const begin = `error="insufficient_user_authentication", error_description="The request needs another sign-on than the access token's."`
	type policy = resourceserver.Policy
	for _, tt := range []struct {
		name string
		p    *policy
		also []*policy
		want string
	}{
		{"acr_values", &policy{ACR: []string{"myACR"}}, nil, `Bearer ` + begin + `, acr_values="myACR"`},
		{"max_age", &policy{MaxAge: 5 * time.Second}, nil, `Bearer ` + begin + `, max_age="5"`},
		{"both, realm and metadata", &policy{ACR: []string{"a", "b"}, MaxAge: time.Hour, Realm: "orders", Metadata: "https://r.example/m"}, nil,
			`Bearer realm="orders", ` + begin + `, acr_values="a b", max_age="3600", resource_metadata="https://r.example/m"`},
		{"of a rule", &policy{Realm: "orders"}, []*policy{{ACR: []string{"a"}}}, `Bearer realm="orders", ` + begin + `, acr_values="a"`},
		{"what satisfies all", &policy{ACR: []string{"a", "b", "c"}, MaxAge: time.Hour}, []*policy{{ACR: []string{"c", "b"}}, {MaxAge: time.Minute}, {MaxAge: time.Hour}},
			`Bearer ` + begin + `, acr_values="b c", max_age="60"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := g.Authorize(r, tt.p, tt.also...)
			if diff := cmp.Diff([]string{tt.want}, challengesOf(err)); diff != "" {
				t.Errorf("challenges (-want +got):\n%s", diff)
			}
			w := httptest.NewRecorder()
			resourceserver.WriteRefusal(w, err)
			if w.Code != http.StatusUnauthorized || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("answer = %d %v, want 401 that is not stored", w.Code, w.Header())
			}
		})
	}
}

// condition is a Condition that says what it is told to.
type condition func(r *http.Request, t *resourceserver.Token) (bool, error)

func (c condition) Allows(r *http.Request, t *resourceserver.Token) (bool, error) { return c(r, t) }

func says(ok bool, err error) condition {
	return func(*http.Request, *resourceserver.Token) (bool, error) { return ok, err }
}

// Conditions are judged for each request; one that cannot be judged is not met.
func TestConditions(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	token := sign(goodClaims(is.Issuer, c))
	forbidden := verdict{http.StatusForbidden, oauth.CodeInsufficientScope, resourceserver.NotAllowed}
	secret := errors.New("no such claim: secret")
	mine := condition(func(r *http.Request, t *resourceserver.Token) (bool, error) {
		return r.URL.Path == "/orders" && t.Claims.Subject == "alice", nil
	})
	for _, tt := range []struct {
		name  string
		allow []resourceserver.Condition
		want  verdict
	}{
		{"none", nil, pass},
		{"met", []resourceserver.Condition{mine, says(true, nil)}, pass},
		{"not met", []resourceserver.Condition{says(false, nil)}, forbidden},
		{"the second is not", []resourceserver.Condition{mine, says(false, nil)}, forbidden},
		{"error", []resourceserver.Condition{says(false, secret)}, forbidden},
		{"error that says yes", []resourceserver.Condition{says(true, secret)}, forbidden},
		{"a reason of the host's", []resourceserver.Condition{says(false, &resourceserver.Unmet{Why: resourceserver.ToolNotAllowed})},
			verdict{http.StatusForbidden, oauth.CodeInsufficientScope, resourceserver.ToolNotAllowed}},
		{"no reason", []resourceserver.Condition{says(false, &resourceserver.Unmet{})}, forbidden},
		{"no reason that there is", []resourceserver.Condition{says(true, &resourceserver.Unmet{Why: resourceserver.ReasonCount})}, forbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &resourceserver.Policy{Allow: tt.allow, Scopes: []string{"orders:read"}}
			for range 2 {
				if got := g.request(bearer(token), p); got != tt.want {
					t.Errorf("verdict = %v, want %v", got, tt.want)
				}
				if _, err := g.Authorize(bearer(token), nil, &resourceserver.Policy{}, p); (err == nil) != (tt.want == pass) {
					t.Errorf("by a rule: error = %v, want %v", err, tt.want)
				}
				g.Settle()
			}
		})
	}
	t.Run("the answer", func(t *testing.T) {
		_, err := g.Authorize(bearer(token), &resourceserver.Policy{Allow: []resourceserver.Condition{says(false, secret)}, Scopes: []string{"orders:read"}})
		const want = `Bearer error="insufficient_scope", error_description="The access token does not permit this request."`
		if diff := cmp.Diff([]string{want}, challengesOf(err)); diff != "" {
			t.Errorf("challenges, which must name no scope (-want +got):\n%s", diff)
		}
		r, _ := errors.AsType[*resourceserver.Refusal](err)
		if !errors.Is(r.Cause, secret) || r.Token == nil {
			t.Errorf("cause = %v, want the error for the log, and the token", r.Cause)
		}
		if body := string(resourceserver.RefusalBody(err)); body != `{"error":"insufficient_scope","error_description":"The access token does not permit this request."}` {
			t.Errorf("body = %s", body)
		}
	})
}

// All policies hold, and the challenge names what they ask for together.
func TestPoliciesAdd(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	token := sign(goodClaims(is.Issuer, c)) // orders:read profile
	type policy = resourceserver.Policy
	for _, tt := range []struct {
		name string
		p    *policy
		also []*policy
		want []string // challenges; nil: it passes
	}{
		{"all hold", &policy{Scopes: []string{"orders:read"}}, []*policy{{AnyScope: []string{"profile", "x"}}, {}}, nil},
		{"the outer does not", &policy{Scopes: []string{"orders:write"}, Realm: "r"}, []*policy{{Scopes: []string{"orders:read"}}},
			[]string{`Bearer realm="r", error="insufficient_scope", error_description="The access token lacks a required scope.", scope="orders:write orders:read"`}},
		{"the inner does not", &policy{Scopes: []string{"orders:read"}, Realm: "r"}, []*policy{{Scopes: []string{"orders:read", "admin"}, Realm: "ignored"}},
			[]string{`Bearer realm="r", error="insufficient_scope", error_description="The access token lacks a required scope.", scope="orders:read admin"`}},
		{"a claim of the second", &policy{}, []*policy{{}, {Claims: []resourceserver.ClaimRule{{Name: "sub", Values: []string{"bob"}}}}},
			[]string{`Bearer error="insufficient_scope", error_description="The access token does not permit this request."`}},
		{"an audience of the second", nil, []*policy{{}, {Audience: []string{"x"}}},
			[]string{`Bearer error="insufficient_scope", error_description="The access token does not permit this request."`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := g.Authorize(bearer(token), tt.p, tt.also...)
			var got []string
			if err != nil {
				got = challengesOf(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("challenges (-want +got):\n%s", diff)
			}
		})
	}
}

// A host refuses in the same words, and in the scheme of the request.
func TestRefuse(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	p := &resourceserver.Policy{Realm: "orders", Metadata: "https://r.example/m", Possession: possession(c)}
	cause := errors.New("for the log")
	const ambiguous = `realm="orders", error="invalid_request", error_description="The path must be written in its plainest form."`
	for scheme, want := range map[string][]string{
		"Bearer": {`Bearer ` + ambiguous + `, resource_metadata="https://r.example/m"`},
		"Basic":  {`Bearer ` + ambiguous + `, resource_metadata="https://r.example/m"`},
	} {
		refusal := g.Refuse(presented(scheme, "x"), p, nil, resourceserver.AmbiguousPath, cause)
		if diff := cmp.Diff(want, challengesOf(refusal)); diff != "" {
			t.Errorf("%s: challenges (-want +got):\n%s", scheme, diff)
		}
		if refusal.Status != http.StatusBadRequest || refusal.Why != resourceserver.AmbiguousPath || !errors.Is(refusal.Cause, cause) {
			t.Errorf("%s: refusal = %+v", scheme, refusal)
		}
	}
	got := challengesOf(g.Refuse(presented("DPoP", "x"), p, nil, resourceserver.ToolNotAllowed, nil))
	if len(got) != 1 || got[0][:5] != "DPoP " {
		t.Errorf("challenges = %q, want one of DPoP", got)
	}
	if got := challengesOf(g.Refuse(bearer("x"), nil, nil, resourceserver.UpstreamUnavailable, nil)); got != nil {
		t.Errorf("challenges of 503 = %q, want none", got)
	}
	if len(g.seen.decided) != 0 {
		t.Errorf("decisions = %v, want none: they are the host's to tell", g.seen.decided)
	}
}

func TestRequirementMistakes(t *testing.T) {
	c := newClock()
	type policy = resourceserver.Policy
	for name, tt := range map[string]struct {
		policy policy
		want   string // option; "" for none
	}{
		"nothing":               {policy{}, ""},
		"everything":            {policy{ACR: []string{"urn:x:2"}, MaxAge: time.Minute, Possession: possession(c), Bound: resourceserver.BoundDPoP, Allow: []resourceserver.Condition{says(true, nil)}}, ""},
		"a rule's":              {policy{Bound: resourceserver.BoundMTLS}, ""},
		"scope":                 {policy{Scopes: []string{"a b"}}, "scope"},
		"empty acr":             {policy{ACR: []string{""}}, "acr"},
		"acr with a space":      {policy{ACR: []string{"a b"}}, "acr"},
		"acr with a quote":      {policy{ACR: []string{`a"`}}, "acr"},
		"negative max_age":      {policy{MaxAge: -1}, "max_age"},
		"part of a second":      {policy{MaxAge: 1500 * time.Millisecond}, "max_age"},
		"no condition":          {policy{Allow: []resourceserver.Condition{nil}}, "allow"},
		"bound to magic":        {policy{Bound: "magic"}, "bound"},
		"dpop without a url":    {policy{Possession: &resourceserver.Possession{DPoP: possession(c).DPoP}}, "url"},
		"bound, but no dpop":    {policy{Bound: resourceserver.BoundDPoP, Possession: &resourceserver.Possession{Certificate: presents()}}, "bound dpop"},
		"bound, no certificate": {policy{Bound: resourceserver.BoundMTLS, Possession: possession(c)}, "bound mtls"},
		"bound to nothing":      {policy{Bound: resourceserver.BoundSomehow, Possession: &resourceserver.Possession{}}, "bound any"},
	} {
		t.Run(name, func(t *testing.T) { wantMistake(t, tt.policy.Validate(), tt.want) })
	}
}
