package caddymodule_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// tokenServer is an authorization server that answers as it is told, and remembers the last form.
type tokenServer struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	form   url.Values
	asked  int
}

func newTokenServer(t testing.TB, answer http.HandlerFunc) *tokenServer {
	t.Helper()
	s := &tokenServer{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		s.mu.Lock()
		s.form, s.asked = r.PostForm, s.asked+1
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *tokenServer) says(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *tokenServer) seen() (url.Values, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.form, s.asked
}

func jsonAnswer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

const innerToken = `{"access_token":"inner","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":600}`

// request is the block of an exchange with s, or of client credentials.
func (s *tokenServer) request(kind string) string {
	return fmt.Sprintf("upstream {\n%s {\ntoken_endpoint %s/token\nbasic gate gate-secret\ninsecure_loopback_http\n}\n}\n", kind, s.URL)
}

// TestUpstreamToken: what the upstream gets in place of the client's token, in each mode; and that a proof of possession, which is for the gate,
// goes nowhere when the token does not.
func TestUpstreamToken(t *testing.T) {
	as := newTokenServer(t, jsonAnswer(200, innerToken))
	token := mint(t, nil)
	for _, tt := range []struct {
		name, options string
		want          string // Authorization at the upstream
		proof         bool   // the DPoP header is there
	}{
		{"keep", "upstream {\ntoken keep\n}", "Bearer " + token, true},
		{"strip", "upstream {\ntoken strip\n}", "", false},
		{"phantom of a JWT", "upstream {\ntoken phantom\n}", "Bearer " + token, false},
		{"exchange", as.request("exchange"), "Bearer inner", false},
		{"client credentials", as.request("client_credentials"), "Bearer inner", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, up := gate(t, "bearer_auth {"+trusted+tt.options+"\n}")
			if got := get(t, base+"/x", token, "Dpop", "proof"); got.Status != 200 {
				t.Fatalf("status = %d, want 200: %s", got.Status, got.Body)
			}
			h := up.last()
			if got := strings.Join(h["Authorization"], "|"); got != tt.want {
				t.Errorf("Authorization = %q, want %q", got, tt.want)
			}
			if got := len(h["Dpop"]) > 0; got != tt.proof {
				t.Errorf("DPoP at the upstream: %v, want %v", got, tt.proof)
			}
		})
	}
	if form, _ := as.seen(); form.Get("grant_type") != "client_credentials" {
		t.Errorf("grant_type = %q, want client_credentials", form.Get("grant_type"))
	}
}

// TestAttack67ConnectionListTakesUpstreamToken: no client has the upstream's token removed on the way by calling it the connection's.
func TestAttack67ConnectionListTakesUpstreamToken(t *testing.T) {
	as := newTokenServer(t, jsonAnswer(200, innerToken))
	for _, kind := range []string{"exchange", "client_credentials"} {
		base, up := gate(t, "bearer_auth {"+trusted+as.request(kind)+"}")
		for _, list := range []string{"close", "close, Authorization", "close,authorization , X-Other", "Authorization\r\nConnection: close"} {
			got := answerOf(t, raw(t, base, "GET / HTTP/1.1\r\nHost: a\r\nConnection: "+list+"\r\nX-Other: 1\r\nAuthorization: Bearer "+mint(t, nil)+"\r\n\r\n"))
			h := up.last()
			if got.Status != 200 || h.Get("Authorization") != "Bearer inner" {
				t.Errorf("%s, %q: status %d, Authorization %q, want 200 and the upstream's token", kind, list, got.Status, h.Get("Authorization"))
			}
			if gone := h.Get("X-Other") == ""; gone != strings.Contains(list, "X-Other") {
				t.Errorf("%s, %q: X-Other is gone: %v", kind, list, gone)
			}
		}
	}
}

// TestUpstreamTokenOfAnonymous: an optional gate has nothing to exchange for an anonymous request, and its own token for any.
func TestUpstreamTokenOfAnonymous(t *testing.T) {
	as := newTokenServer(t, jsonAnswer(200, innerToken))
	for kind, want := range map[string]string{"exchange": "", "client_credentials": "Bearer inner"} {
		t.Run(kind, func(t *testing.T) {
			base, up := gate(t, "bearer_auth {"+trusted+"optional\n"+as.request(kind)+"}")
			if got := get(t, base, ""); got.Status != 200 {
				t.Fatalf("status = %d, want 200", got.Status)
			}
			if got := up.last().Get("Authorization"); got != want {
				t.Errorf("Authorization = %q, want %q", got, want)
			}
		})
	}
}

// TestAttack71OriginalTokenPasses: where another token takes the place of the client's and cannot be had, the client's goes nowhere: not to the
// upstream, not to who makes the error pages, not past a gate in shadow mode.
func TestAttack71OriginalTokenPasses(t *testing.T) {
	as := newTokenServer(t, nil)
	token := mint(t, nil)
	answers := []struct {
		name     string
		answer   http.HandlerFunc
		exchange int // the gate's status in this mode
		code     string
		own      int
	}{
		{"down", jsonAnswer(503, ""), 503, "", 503},
		{"an error of its own", jsonAnswer(500, ""), 503, "", 503},
		{"it wants the gate to authenticate", jsonAnswer(401, `{"error":"invalid_client"}`), 503, "", 503},
		{"not JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, innerToken) }, 503, "", 503},
		{"no token", jsonAnswer(200, `{}`), 503, "", 503},
		{"a connection that breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503, "", 503},
		{"case_70 a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+r.Host+"/evil", http.StatusTemporaryRedirect)
		}, 503, "", 503},
		{"the token was revoked there", jsonAnswer(400, `{"error":"invalid_grant"}`), 401, "invalid_token", 503},
		{"the token is not for what is behind", jsonAnswer(400, `{"error":"invalid_target"}`), 403, "insufficient_scope", 503},
	}
	for _, mode := range []string{"exchange", "client_credentials"} {
		for _, tt := range answers {
			t.Run(mode+" "+tt.name, func(t *testing.T) {
				as.says(tt.answer)
				base, up := gate(t, "bearer_auth {"+trusted+as.request(mode)+"}")
				status, code := tt.exchange, tt.code
				if mode == "client_credentials" {
					status, code = tt.own, ""
				}
				got := get(t, base+"/x", token)
				if got.Status != status {
					t.Errorf("status = %d, want %d", got.Status, status)
				}
				if h := up.last(); h != nil {
					t.Errorf("the upstream was asked, with %v", h)
				}
				challenge := got.Header.Get("WWW-Authenticate")
				if code == "" && (challenge != "" || got.Header.Get("Retry-After") == "") {
					t.Errorf("WWW-Authenticate = %q, Retry-After = %q; want none, some", challenge, got.Header.Get("Retry-After"))
				}
				if code != "" && !strings.Contains(challenge, `error="`+code+`"`) {
					t.Errorf("WWW-Authenticate = %q, want %s", challenge, code)
				}
				as.says(jsonAnswer(200, innerToken))
				if got := get(t, base+"/x", mint(t, nil)); tt.answer != nil && got.Status == 200 && up.last().Get("Authorization") != "Bearer inner" {
					t.Error("another token does not get what it should, afterwards")
				}
			})
		}
	}
	t.Run("phantom", func(t *testing.T) {
		// The issuer says that the token is good, and cannot make a JWT of it.
		is := newTokenServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") == "application/jwt" {
				w.WriteHeader(http.StatusNotAcceptable)
				return
			}
			jsonAnswer(200, `{"active":true,"sub":"alice"}`)(w, r)
		})
		base, up := gate(t, fmt.Sprintf(`bearer_auth {
			issuer http://localhost:1 {
				any_audience
				insecure_loopback_http
				verify introspect
				introspection {
					endpoint %s/introspect
					basic gate gate-secret
				}
			}
			upstream {
				token phantom
			}
		}`, is.URL))
		if got := get(t, base, "opaque-token"); got.Status != 503 || up.last() != nil {
			t.Errorf("status = %d, want 503 and nothing at the upstream", got.Status)
		}
	})
	t.Run("error pages and shadow", func(t *testing.T) {
		as.says(jsonAnswer(503, ""))
		api, pages := newUpstream(t), newUpstream(t)
		port, shadow := freePort(t), freePort(t)
		load(t, "", fmt.Sprintf(`http://:%d {
			handle_errors {
				reverse_proxy %s
			}
			bearer_auth {%s}
			reverse_proxy %s
		}
		http://:%d {
			bearer_auth {%[3]s
				shadow
			}
			reverse_proxy %[4]s
		}`, port, pages.Addr, trusted+as.request("exchange"), api.Addr, shadow))
		get(t, fmt.Sprintf("http://127.0.0.1:%d", port), token)
		if h := pages.last(); h == nil || h.Get("Authorization") != "" {
			t.Errorf("headers at the error backend = %v, want the request's without a token", h)
		}
		// What is to take the place of the token is no verdict that shadow mode could overlook.
		for name, tt := range map[string]struct {
			raw    string
			status int
		}{"that cannot be exchanged": {mint(t, nil), 503}, "that is not good": {"garbage", 200}} {
			if got := get(t, fmt.Sprintf("http://127.0.0.1:%d", shadow), tt.raw); got.Status != tt.status {
				t.Errorf("shadow mode: a token %s: status = %d, want %d", name, got.Status, tt.status)
			}
			h := api.last()
			if got := h.Get("Authorization"); got != "" || (h != nil) != (tt.status == 200) {
				t.Errorf("shadow mode: a token %s: headers at the upstream = %v", name, h)
			}
		}
	})
}

// TestUpstreamSourceOutlivesReload: a reload asks for no token again that is known.
func TestUpstreamSourceOutlivesReload(t *testing.T) {
	as := newTokenServer(t, jsonAnswer(200, innerToken))
	up := newUpstream(t)
	port := freePort(t)
	token := mint(t, nil)
	site := func(more string) string {
		return fmt.Sprintf("http://:%d {\nbearer_auth {%s%s%s}\nreverse_proxy %s\n}\n", port, trusted, as.request("exchange"), more, up.Addr)
	}
	ask := func(when string) (asked int) {
		t.Helper()
		if got := get(t, fmt.Sprintf("http://127.0.0.1:%d", port), token); got.Status != 200 || up.last().Get("Authorization") != "Bearer inner" {
			t.Fatalf("%s: status = %d", when, got.Status)
		}
		_, asked = as.seen()
		return asked
	}
	load(t, "", site(""))
	known := ask("at first")
	for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) { // answers are remembered in the background
		before := known
		if known = ask("again"); known == before {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("asked %d times, and no answer is remembered", known)
		}
	}
	for _, more := range []string{"realm other\n", "forward_claim sub X-User\n"} {
		load(t, "", site(more))
		if asked := ask(more); asked != known {
			t.Errorf("after a reload with %q: asked %d times, want %d", more, asked, known)
		}
	}
	// Another client's secret is another source.
	load(t, "", strings.Replace(site(""), "gate-secret", "other-secret", 1))
	if asked := ask("with another secret"); asked != known+1 {
		t.Errorf("with another secret: asked %d times in all, want %d", asked, known+1)
	}
}
