package upstream_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/upstream"
)

// TestExchangeRequest: what is asked, and as whom (RFC 8693 §2.1).
func TestExchangeRequest(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, counting())
	config := as.config(clock)
	config.ClientID, config.ClientSecret = "the gate", "a+b:c"
	config.Audience, config.Resource, config.Scope = []string{"inner", "other"}, []string{"https://inner.example.com/"}, []string{"a", "b"}
	if got := ask(t, source(t, upstream.NewExchange, config), "client's", client(clock, time.Hour, nil)); got != "token-1" {
		t.Fatalf("token = %q, want token-1", got)
	}
	request := as.last(t)
	want := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"client's"},
		"subject_token_type":   {"urn:ietf:params:oauth:token-type:access_token"},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		"audience":             {"inner", "other"}, "resource": {"https://inner.example.com/"}, "scope": {"a b"},
	}
	if diff := cmp.Diff(want, request.form); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	r := http.Request{Header: request.header}
	if id, secret, _ := r.BasicAuth(); id != "the+gate" || secret != "a%2Bb%3Ac" {
		t.Errorf("basic credentials = %q %q, want them form-encoded (RFC 6749 §2.3.1)", id, secret)
	}
}

// TestClientAuthentication has the other two ways.
func TestClientAuthentication(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, counting())
	t.Run(oauth.AuthClientSecretPost, func(t *testing.T) {
		config := as.config(clock)
		config.AuthMethod = oauth.AuthClientSecretPost
		ask(t, source(t, upstream.NewExchange, config), "a", client(clock, time.Hour, nil))
		got := as.last(t)
		if got.form.Get("client_id") != "gate" || got.form.Get("client_secret") != "gate-secret" || got.header.Get("Authorization") != "" {
			t.Errorf("form = %v, Authorization = %q", got.form, got.header.Get("Authorization"))
		}
	})
	t.Run(oauth.AuthPrivateKeyJWT, func(t *testing.T) {
		key := must(jose.GenerateSigningKey(jose.ES256, 0))
		config := as.config(clock)
		config.AuthMethod, config.ClientSecret, config.PrivateKey, config.Issuer = oauth.AuthPrivateKeyJWT, "", key, as.URL
		ask(t, source(t, upstream.NewExchange, config), "b", client(clock, time.Hour, nil))
		got := as.last(t)
		jws := must(jose.Parse(got.form.Get("client_assertion"), jose.Limits{}))
		if err := jws.Verify(key.Public()); err != nil {
			t.Error(err)
		}
		claims := must(jws.Claims())
		if claims.Issuer != "gate" || claims.Subject != "gate" || claims.Audience[0] != as.URL || claims.Expiry.Sub(clock.Now()) > time.Minute {
			t.Errorf("assertion = %+v", claims)
		}
		if got.form.Has("client_secret") {
			t.Error("the form has a secret")
		}
	})
}

// TestExchangeAnswer: what counts as a token (RFC 8693 §2.2.1), and what does not.
func TestExchangeAnswer(t *testing.T) {
	good := map[string]string{
		"access_token": `"inner"`, "issued_token_type": `"urn:ietf:params:oauth:token-type:access_token"`, "token_type": `"Bearer"`, "expires_in": `60`,
	}
	with := func(changes ...string) string {
		all := map[string]string{}
		for k, v := range good {
			all[k] = v
		}
		for i := 0; i < len(changes); i += 2 {
			all[changes[i]] = changes[i+1]
		}
		var members []string
		for k, v := range all {
			if v != "" {
				members = append(members, `"`+k+`":`+v)
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	key := must(jose.GenerateSigningKey(jose.ES256, 0))
	jwt := func(claims string) string { return must(key.Sign("at+jwt", []byte(claims))) }
	plain, bound := jwt(`{"iss":"https://as.example.com"}`), jwt(`{"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}`)
	tests := []struct {
		name, body string
		want       string
	}{
		{"good", with(), "inner"},
		{"token_type in lower case", with("token_type", `"bearer"`), "inner"},
		{"token_type N_A", with("token_type", `"N_A"`), "inner"},
		{"a JWT", with("access_token", `"`+plain+`"`, "issued_token_type", `"urn:ietf:params:oauth:token-type:jwt"`), plain},
		{"without expires_in", with("expires_in", ""), "inner"},
		{"a member that nobody knows", with("x", `{"y":[1]}`), "inner"},

		{"no token", with("access_token", ""), unavailable},
		{"an empty token", with("access_token", `""`), unavailable},
		{"a token that is no string", with("access_token", `{"a":1}`), unavailable},
		{"a token with a space", with("access_token", `"a b"`), unavailable},
		{"a token with a line break", with("access_token", `"a\r\nX-User: admin"`), unavailable},
		{"a token that is not ASCII", with("access_token", `"é"`), unavailable},
		{"a token that fits into no header", with("access_token", `"`+strings.Repeat("a", 33<<10)+`"`), unavailable},
		{"a token that is bound to a key", with("access_token", `"`+bound+`"`), unavailable},
		{"token_type DPoP", with("token_type", `"DPoP"`), unavailable},
		{"token_type mac", with("token_type", `"mac"`), unavailable},
		{"no token_type", with("token_type", ""), unavailable},
		{"token_type null", with("token_type", `null`), unavailable},
		{"no issued_token_type", with("issued_token_type", ""), unavailable},
		{"a refresh token", with("issued_token_type", `"urn:ietf:params:oauth:token-type:refresh_token"`), unavailable},
		{"an ID token", with("issued_token_type", `"urn:ietf:params:oauth:token-type:id_token"`), unavailable},
		{"expires_in 0", with("expires_in", "0"), unavailable},
		{"expires_in negative", with("expires_in", "-5"), unavailable},
		{"expires_in a string", with("expires_in", `"60"`), unavailable},
		{"expires_in a fraction", with("expires_in", "0.5"), unavailable},
		{"expires_in beyond all numbers", with("expires_in", "1e300"), unavailable},
		{"expires_in null", with("expires_in", "null"), unavailable},
		{"a member repeated", strings.Replace(with(), "{", `{"access_token":"other",`, 1), unavailable},
		{"an upper-case twin", strings.Replace(with(), `"access_token"`, `"ACCESS_TOKEN"`, 1), unavailable},
		{"an array", "[" + with() + "]", unavailable},
		{"nothing", "", unavailable},
		{"text behind it", with() + "x", unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := newClock()
			as := newAuthority(t, answers(http.StatusOK, tt.body))
			s := source(t, upstream.NewExchange, as.config(clock))
			if got := ask(t, s, "a", client(clock, time.Hour, nil)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for name, answer := range map[string]http.HandlerFunc{
		"HTML": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(with()))
		},
		"no content":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"status 201":    answers(http.StatusCreated, with()),
		"70 kB":         answers(http.StatusOK, with("x", `"`+strings.Repeat("a", 70<<10)+`"`)),
		"a broken body": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			as := newAuthority(t, answer)
			if got := ask(t, source(t, upstream.NewExchange, as.config(clock)), "a", client(clock, time.Hour, nil)); got != unavailable {
				t.Errorf("got %q, want %q", got, unavailable)
			}
		})
	}
}

// TestExchangeRefused: whose fault an error answer is (RFC 8693 §2.2.2, RFC 6749 §5.2).
func TestExchangeRefused(t *testing.T) {
	tests := []struct {
		status int
		body   string
		want   string
	}{
		{400, `{"error":"invalid_request"}`, refused},
		{400, `{"error":"invalid_grant","error_description":"revoked"}`, refused},
		{400, `{"error":"invalid_target"}`, forbidden},
		{400, `{"error":"invalid_scope"}`, forbidden},
		{403, `{"error":"access_denied"}`, forbidden},

		{400, `{"error":"unauthorized_client"}`, unavailable},
		{400, `{"error":"unsupported_grant_type"}`, unavailable},
		{401, `{"error":"invalid_client"}`, unavailable},
		{400, `{"error":"INVALID_GRANT"}`, unavailable},
		{400, `{"error":"invalid_grant","error":"invalid_grant"}`, unavailable},
		{400, `invalid_grant`, unavailable},
		{400, ``, unavailable},
		{401, `{"error":"invalid_grant"}`, unavailable},
		{403, ``, unavailable},
		{404, `{"error":"invalid_grant"}`, unavailable},
		{429, `{"error":"invalid_grant"}`, unavailable},
		{500, `{"error":"invalid_grant"}`, unavailable},
		{503, ``, unavailable},
	}
	for _, tt := range tests {
		t.Run(http.StatusText(tt.status)+" "+tt.body, func(t *testing.T) {
			clock := newClock()
			as := newAuthority(t, answers(tt.status, tt.body))
			seen := &recorder{}
			config := as.config(clock)
			config.Observer = seen
			s := source(t, upstream.NewExchange, config)
			if got := ask(t, s, "a", client(clock, time.Hour, nil)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			outcome := "exchange refused"
			if tt.want == unavailable {
				outcome = "exchange error"
			}
			if diff := cmp.Diff(map[string]int{outcome: 1}, seen.seen); diff != "" {
				t.Errorf("observed (-want +got):\n%s", diff)
			}
		})
	}
}

// TestExchangeRemembered: a token is asked for once while it is good, and each client's token has its own.
func TestExchangeRemembered(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, counting())
	s := source(t, upstream.NewExchange, as.config(clock))
	alice, bob := client(clock, time.Hour, nil), client(clock, time.Hour, map[string]any{"sub": "bob"})
	step := func(name, raw string, want string) {
		t.Helper()
		token := alice
		if raw == "b" {
			token = bob
		}
		if got := ask(t, s, raw, token); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	step("first", "a", "token-1")
	step("again", "a", "token-1")
	step("another client's", "b", "token-2")
	step("differs in its last byte", "aa", "token-3")
	clock.Advance(9*time.Minute + 29*time.Second)
	step("just before the margin of an answer of 10 minutes", "a", "token-1")
	clock.Advance(2 * time.Second)
	step("within the margin", "a", "token-4")
}

// TestExchangeEndsWithClientToken: what was exchanged is not used longer than the client's token is good.
func TestExchangeEndsWithClientToken(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, counting())
	s := source(t, upstream.NewExchange, as.config(clock))
	short := client(clock, 30*time.Second, nil)
	for i, want := range []string{"token-1", "token-1", "token-2"} {
		if got := ask(t, s, "a", short); got != want {
			t.Errorf("question %d: %q, want %q", i, got, want)
		}
		clock.Advance(20 * time.Second)
	}
}

// TestExchangeUnstatedLife: an answer that does not say how long is believed for a minute.
func TestExchangeUnstatedLife(t *testing.T) {
	clock := newClock()
	var n sync.Mutex
	tokens := []string{"one", "two"}
	as := newAuthority(t, func(w http.ResponseWriter, r *http.Request) {
		n.Lock()
		defer n.Unlock()
		answers(200, strings.Replace(exchanged(tokens[0]), `,"expires_in":600`, "", 1))(w, r)
		tokens = tokens[1:]
	})
	s := source(t, upstream.NewExchange, as.config(clock))
	for _, want := range []string{"one", "one", "two"} {
		if got := ask(t, s, "a", client(clock, time.Hour, nil)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		clock.Advance(40 * time.Second)
	}
}

// TestExchangeRefusalRemembered: a client that goes on trying does not have the authorization server asked each time, and not for long.
func TestExchangeRefusalRemembered(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, answers(400, `{"error":"invalid_grant"}`))
	s := source(t, upstream.NewExchange, as.config(clock))
	alice := client(clock, time.Hour, nil)
	for range 5 {
		if got := ask(t, s, "a", alice); got != refused {
			t.Fatalf("got %q, want %q", got, refused)
		}
	}
	if got := as.count(); got != 1 {
		t.Errorf("asked %d times, want 1", got)
	}
	as.says(counting())
	clock.Advance(11 * time.Second)
	if got := ask(t, s, "a", alice); got != "token-1" {
		t.Errorf("later: %q, want token-1", got)
	}
}

// TestExchangeFailureNotRemembered: what says nothing about a token is forgotten at once.
func TestExchangeFailureNotRemembered(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, answers(500, ""))
	s := source(t, upstream.NewExchange, as.config(clock))
	alice := client(clock, time.Hour, nil)
	if got := ask(t, s, "a", alice); got != unavailable {
		t.Fatalf("got %q, want %q", got, unavailable)
	}
	as.says(counting())
	if got := ask(t, s, "a", alice); got != "token-1" {
		t.Errorf("then: %q, want token-1", got)
	}
}

// TestExchangeOnce: requests with one token wait for one answer, and go on without it when their client is gone.
func TestExchangeOnce(t *testing.T) {
	clock := newClock()
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	as := newAuthority(t, func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-leave
		sendJSON(w, http.StatusOK, exchanged("inner"))
	})
	s := source(t, upstream.NewExchange, as.config(clock))
	alice := client(clock, time.Hour, nil)

	// The one that starts it gives up.
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	go func() {
		_, err := s.Token(ctx, "a", alice)
		gone <- err
	}()
	<-entered
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the client that went away: %v, want %v", err, context.Canceled)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got, err := s.Token(context.Background(), "a", alice); got != "inner" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	close(leave)
	wg.Wait()
	if got := as.count(); got > 2 { // 2: one may have come between the flight's end and its being remembered
		t.Errorf("asked %d times, want 1", got)
	}
}

// TestExchangeAnonymous: without a token there is nothing to exchange, and nothing is sent on.
func TestExchangeAnonymous(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, counting())
	if got := ask(t, source(t, upstream.NewExchange, as.config(clock)), "", nil); got != "" || as.count() != 0 {
		t.Errorf("got %q after %d questions, want nothing", got, as.count())
	}
}

// TestExchangeLeftAlone: an authorization server that is down is not asked by each request, and says when to come back.
func TestExchangeLeftAlone(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	s := source(t, upstream.NewExchange, as.config(clock))
	for i := range 5 {
		_, err := s.Token(context.Background(), "a", client(clock, time.Hour, nil))
		e, ok := errors.AsType[*upstream.Error](err)
		if !ok || e.RetryAfter != 20 {
			t.Errorf("question %d: %v, want one to be repeated after 20 s", i, err)
		}
	}
	if got := as.count(); got != 1 {
		t.Errorf("asked %d times, want 1", got)
	}
	as.says(counting())
	clock.Advance(21 * time.Second)
	if got := ask(t, s, "a", client(clock, time.Hour, nil)); got != "token-1" {
		t.Errorf("later: %q, want token-1", got)
	}
}

// TestExchangeDiscovery: the endpoint is that of the issuer's own metadata, and nobody is asked before a token is needed.
func TestExchangeDiscovery(t *testing.T) {
	clock := newClock()
	as := newAuthority(t, counting())
	config := as.config(clock)
	config.Issuer, config.TokenEndpoint = as.URL, ""
	if got := ask(t, source(t, upstream.NewExchange, config), "a", client(clock, time.Hour, nil)); got != "token-1" {
		t.Errorf("got %q, want token-1", got)
	}
	for name, metadata := range map[string]map[string]any{
		"of another issuer":              {"issuer": as.URL + "/", "token_endpoint": as.URL + "/token"},
		"that names no endpoint":         {"issuer": as.URL},
		"that names one without TLS":     {"issuer": as.URL, "token_endpoint": "http://127.0.0.1:1/token"},
		"that names something else":      {"issuer": as.URL, "token_endpoint": 7},
		"that names one with a fragment": {"issuer": as.URL, "token_endpoint": as.URL + "/token#x"},
	} {
		t.Run(name, func(t *testing.T) {
			before := as.count()
			as.mu.Lock()
			as.metadata = metadata
			as.mu.Unlock()
			if got := ask(t, source(t, upstream.NewExchange, config), "a", client(clock, time.Hour, nil)); got != unavailable {
				t.Errorf("got %q, want %q", got, unavailable)
			}
			if as.count() != before {
				t.Error("the token endpoint was asked")
			}
		})
	}
}

// TestAttack70UpstreamTokenRedirect: an endpoint that answers with a redirect gets no second request, and nobody else gets the first.
func TestAttack70UpstreamTokenRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, build := range map[string]func(upstream.Config) (upstream.Source, error){
			"exchange": upstream.NewExchange, "client_credentials": upstream.NewClientCredentials, "phantom": upstream.NewPhantom,
		} {
			t.Run(name+" "+http.StatusText(status), func(t *testing.T) {
				clock := newClock()
				evil := newAuthority(t, counting())
				as := newAuthority(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", evil.URL+"/token")
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					_, _ = w.Write([]byte(exchanged("evil")))
				})
				config := as.config(clock)
				config.CA = append(as.ca(), evil.ca()...) // it would be trusted
				if name == "phantom" {
					config.TokenEndpoint, config.IntrospectionEndpoint = "", as.URL+"/introspect"
				}
				if got := ask(t, source(t, build, config), "opaque", client(clock, time.Hour, nil)); got != unavailable {
					t.Errorf("got %q, want %q", got, unavailable)
				}
				if as.count() != 1 || evil.count() != 0 {
					t.Errorf("%d questions, %d of them elsewhere; want 1, 0", as.count()+evil.count(), evil.count())
				}
			})
		}
	}
}

// TestClosed: what is asked of a source that was closed ends with an error, and so does what was under way.
func TestClosed(t *testing.T) {
	clock := newClock()
	entered := make(chan struct{}, 1)
	as := newAuthority(t, func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	})
	s := must(upstream.NewExchange(as.config(clock)))
	done := make(chan error, 1)
	go func() {
		_, err := s.Token(context.Background(), "a", client(clock, time.Hour, nil))
		done <- err
	}()
	<-entered
	s.Close()
	if err := <-done; err == nil {
		t.Error("a question that was under way succeeded")
	}
	if got := ask(t, s, "b", client(clock, time.Hour, nil)); got != unavailable {
		t.Errorf("after Close: %q, want %q", got, unavailable)
	}
}
