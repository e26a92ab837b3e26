package endpoint_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// answer is what a browser sees of an answer.
type answer struct {
	Status   int
	Location string
	Page     string
	Next     string
}

func seen(r *http.Response) answer {
	return answer{r.StatusCode, r.Header.Get("Location"), r.Header.Get("X-Page"), r.Header.Get("X-Next")}
}

// The rows of the certification's RP-initiated logout plan, by module. Each
// begins with a person signed on.
func TestRPInitiatedLogout(t *testing.T) {
	state := strings.Repeat("aZ9-._~x", 16) // 128 characters
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "."
	tests := []struct {
		module string
		params func(b *browser) []string
		want   answer
		ended  bool
	}{
		{"oidcc-rp-initiated-logout", func(b *browser) []string {
			return []string{"id_token_hint", b.hint("web"), "post_logout_redirect_uri", signOffGoodBy, "state", state}
		}, answer{Status: 302, Location: signOffGoodBy + "&state=" + state}, true},
		{"oidcc-rp-initiated-logout-no-state", func(b *browser) []string {
			return []string{"id_token_hint", b.hint("web"), "post_logout_redirect_uri", signOffGoodBy}
		}, answer{Status: 302, Location: signOffGoodBy}, true},
		{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", func(b *browser) []string {
			return []string{"id_token_hint", b.hint("web"), "post_logout_redirect_uri", "https://evil.example/", "state", state}
		}, answer{Status: 400, Page: "error"}, false},
		{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", func(b *browser) []string {
			return []string{"id_token_hint", b.hint("web"), "post_logout_redirect_uri", signOffGoodBy + "&foo=bar", "state", state}
		}, answer{Status: 400, Page: "error"}, false},
		{"oidcc-rp-initiated-logout-modified-id-token-hint", func(b *browser) []string {
			hint := unsigned + strings.Split(b.hint("web"), ".")[1] + "."
			return []string{"id_token_hint", hint, "post_logout_redirect_uri", signOffGoodBy, "state", state}
		}, answer{Status: 400, Page: "error"}, false},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", func(b *browser) []string {
			foreign, _ := testkit.SigningKey(b.g.t, testkit.ECKey, "ES256", "foreign").Sign("JWT", []byte(`{"iss":"`+signOffIssuer+`"}`))
			return []string{"id_token_hint", foreign, "post_logout_redirect_uri", signOffGoodBy, "state", state}
		}, answer{Status: 400, Page: "error"}, false},
		{"oidcc-rp-initiated-logout-no-id-token-hint", func(*browser) []string {
			return []string{"post_logout_redirect_uri", signOffGoodBy, "state", state}
		}, answer{Status: 200, Page: "confirm"}, false},
		{"oidcc-rp-initiated-logout-no-params", func(*browser) []string { return nil }, answer{Status: 200, Page: "confirm"}, false},
		{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", func(b *browser) []string {
			return []string{"id_token_hint", b.hint("web")}
		}, answer{Status: 200, Page: "signed off"}, true},
		{"oidcc-rp-initiated-logout-only-state", func(*browser) []string { return []string{"state", state} }, answer{Status: 200, Page: "confirm"}, false},
		{"client_id beside the hint", func(b *browser) []string {
			return []string{"id_token_hint", b.hint("web"), "client_id", "web"}
		}, answer{Status: 200, Page: "signed off"}, true},
		{"an expired hint", func(b *browser) []string {
			hint := b.hint("web")
			b.g.clock.Advance(25 * time.Hour)
			return []string{"id_token_hint", hint, "post_logout_redirect_uri", signOffGoodBy}
		}, answer{Status: 302, Location: signOffGoodBy}, true},
	}
	for _, tt := range tests {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(tt.module+"/"+method, func(t *testing.T) {
				g := newSignOffRig(t)
				b := g.signOn(signOffUser, "web")
				want := tt.want
				if want.Status == 302 && method == http.MethodPost {
					want.Status = 303
				}
				resp := b.signOff(method, tt.params(b)...)
				if diff := cmp.Diff(want, seen(resp)); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				if got := !b.signedOn(); got != tt.ended {
					t.Errorf("signed off = %v, want %v", got, tt.ended)
				}
				if got := len(b.jar) == 0; got != tt.ended {
					t.Errorf("the cookies are gone = %v, want %v", got, tt.ended)
				}
				if cc := resp.Header.Get("Cache-Control"); !strings.Contains(cc, "no-store") {
					t.Errorf("Cache-Control = %q, want no-store", cc)
				}
				if strings.Contains(g.log.String(), "eyJ") {
					t.Error("the log has a token in it")
				}
			})
		}
	}
}

// The confirmation page's own form finishes what it asked about.
func TestConfirmedSignOff(t *testing.T) {
	for _, tt := range []struct {
		name   string
		params []string
		want   answer
	}{
		{"nothing else", nil, answer{Status: 200, Page: "signed off"}},
		{"state alone", []string{"state", "s"}, answer{Status: 200, Page: "signed off"}},
		{"an address of some client", []string{"post_logout_redirect_uri", signOffGoodBy, "state", "a b"},
			answer{Status: 200, Page: "signed off", Next: signOffGoodBy + "&state=a%20b"}},
		{"an address of the client named", []string{"post_logout_redirect_uri", signOffGoodBy, "client_id", "web"},
			answer{Status: 200, Page: "signed off", Next: signOffGoodBy}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newSignOffRig(t)
			b := g.signOn(signOffUser, "web")
			page := b.signOff(http.MethodGet, tt.params...)
			if got := page.Header.Get("X-Action"); got != signOffIssuer+"/signoff" {
				t.Errorf("the form posts to %q, want the endpoint", got)
			}
			form, _ := url.ParseQuery(page.Header.Get("X-Form"))
			resp := b.send(g.signoff, http.MethodPost, form)
			if diff := cmp.Diff(tt.want, seen(resp)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if b.signedOn() || len(b.jar) > 0 {
				t.Error("the person is still signed on")
			}
		})
	}
}

func TestAttack109OpenRedirectAndForeignSignOff(t *testing.T) {
	t.Run("post_logout_redirect_uri", func(t *testing.T) {
		for name, params := range map[string]func(b *browser) []string{
			"unregistered, without hint": func(*browser) []string { return []string{"post_logout_redirect_uri", "https://evil.example/"} },
			"of another client than the hint's": func(b *browser) []string {
				return []string{"id_token_hint", b.hint("web"), "post_logout_redirect_uri", "https://other.example.com/bye"}
			},
			"of another client than client_id": func(*browser) []string {
				return []string{"client_id", "web", "post_logout_redirect_uri", "https://other.example.com/bye"}
			},
			"of a disabled client": func(*browser) []string {
				return []string{"post_logout_redirect_uri", "https://disabled.example.com/bye"}
			},
			"hint of a disabled client": func(b *browser) []string {
				return []string{"id_token_hint", b.hint("disabled"), "post_logout_redirect_uri", "https://disabled.example.com/bye"}
			},
			"hint of an unknown client": func(b *browser) []string { return []string{"id_token_hint", b.hint("nobody")} },
			"hint of somebody else": func(b *browser) []string {
				return []string{"id_token_hint", b.g.hint("web", "22222222-2222-4222-8222-222222222222", "s"), "post_logout_redirect_uri", signOffGoodBy}
			},
			"client_id is not the hint's": func(b *browser) []string { return []string{"id_token_hint", b.hint("web"), "client_id", "other"} },
			"unknown client_id":           func(*browser) []string { return []string{"client_id", "nobody"} },
			"disabled client_id":          func(*browser) []string { return []string{"client_id", "disabled"} },
			"//evil":                      func(*browser) []string { return []string{"post_logout_redirect_uri", "//evil.example"} },
			`/\evil`:                      func(*browser) []string { return []string{"post_logout_redirect_uri", `/\evil.example`} },
			"/%09/evil":                   func(*browser) []string { return []string{"post_logout_redirect_uri", "/\t/evil.example"} },
			"https:evil":                  func(*browser) []string { return []string{"post_logout_redirect_uri", "https:evil.example"} },
			"javascript:":                 func(*browser) []string { return []string{"post_logout_redirect_uri", "javascript:alert(1)"} },
			"other case":                  func(*browser) []string { return []string{"post_logout_redirect_uri", "https://WEB.example.com/other"} },
			"a slash more":                func(*browser) []string { return []string{"post_logout_redirect_uri", "https://web.example.com/other/"} },
			"userinfo": func(*browser) []string {
				return []string{"post_logout_redirect_uri", "https://web.example.com@evil.example/other"}
			},
			"8192 characters with state": func(b *browser) []string {
				return []string{"id_token_hint", b.hint("web"), "post_logout_redirect_uri", signOffGoodBy, "state", strings.Repeat("s", 8192-len(signOffGoodBy))}
			},
		} {
			t.Run(name, func(t *testing.T) {
				g := newSignOffRig(t)
				b := g.signOn(signOffUser, "web")
				resp := b.signOff(http.MethodGet, params(b)...)
				if diff := cmp.Diff(answer{Status: 400, Page: "error"}, seen(resp)); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				if !b.signedOn() {
					t.Error("the person was signed off")
				}
			})
		}
	})
	t.Run("8191 characters with state are good", func(t *testing.T) {
		g := newSignOffRig(t)
		b := g.signOn(signOffUser, "web")
		state := strings.Repeat("s", 8191-len(signOffGoodBy))
		resp := b.signOff(http.MethodGet, "id_token_hint", b.hint("web"), "post_logout_redirect_uri", signOffGoodBy, "state", state)
		if resp.StatusCode != 302 || !strings.HasSuffix(resp.Header.Get("Location"), "&state="+state) {
			t.Errorf("status = %d, want the redirect with state", resp.StatusCode)
		}
	})
	t.Run("repeated parameter", func(t *testing.T) {
		g := newSignOffRig(t)
		b := g.signOn(signOffUser, "web")
		resp := b.send(g.signoff, http.MethodGet, url.Values{"post_logout_redirect_uri": {signOffGoodBy, "https://evil.example/"}})
		if resp.StatusCode != 400 || !b.signedOn() {
			t.Errorf("status = %d, want 400 and nothing done", resp.StatusCode)
		}
	})

	// Another site can have the browser send anything but what only our page knows.
	t.Run("a form of another site", func(t *testing.T) {
		g := newSignOffRig(t)
		attacker := g.signOn(signOffUser, "web") // even of the same person, in another browser
		theirs, _ := url.ParseQuery(attacker.signOff(http.MethodGet).Header.Get("X-Form"))
		nobody, _ := url.ParseQuery(g.browser().signOff(http.MethodGet, "post_logout_redirect_uri", signOffGoodBy).Header.Get("X-Form"))
		for name, form := range map[string]url.Values{
			"without confirmation":          {},
			"empty confirmation":            {"confirmation": {""}},
			"guessed confirmation":          {"confirmation": {"true"}},
			"confirmation of another":       theirs,
			"confirmation without a cookie": nobody,
			"confirmation in the query":     nil,
		} {
			t.Run(name, func(t *testing.T) {
				b := g.signOn(signOffUser, "web")
				method := http.MethodPost
				if form == nil {
					method = http.MethodGet
					form, _ = url.ParseQuery(b.signOff(http.MethodGet).Header.Get("X-Form"))
				}
				resp := b.send(g.signoff, method, form)
				if got := resp.Header.Get("X-Page"); got != "confirm" {
					t.Errorf("page = %q, want to be asked", got)
				}
				if !b.signedOn() {
					t.Error("the person was signed off")
				}
			})
		}
	})
	t.Run("a confirmation is good for what was asked alone", func(t *testing.T) {
		g := newSignOffRig(t)
		b := g.signOn(signOffUser, "web")
		form, _ := url.ParseQuery(b.signOff(http.MethodGet, "post_logout_redirect_uri", signOffGoodBy).Header.Get("X-Form"))
		form.Set("post_logout_redirect_uri", "https://other.example.com/bye")
		if got := b.send(g.signoff, http.MethodPost, form).Header.Get("X-Page"); got != "confirm" || !b.signedOn() {
			t.Errorf("page = %q, want to be asked again", got)
		}
	})
	t.Run("a confirmation ends with the sign-on that it was made in", func(t *testing.T) {
		g := newSignOffRig(t)
		b := g.signOn(signOffUser, "web")
		form, _ := url.ParseQuery(b.signOff(http.MethodGet).Header.Get("X-Form"))
		later := g.signOn(signOffUser, "web")
		if got := later.send(g.signoff, http.MethodPost, form).Header.Get("X-Page"); got != "confirm" {
			t.Errorf("page = %q, want to be asked again", got)
		}
	})
	t.Run("HEAD signs nobody off", func(t *testing.T) {
		g := newSignOffRig(t)
		b := g.signOn(signOffUser, "web")
		if b.signOff(http.MethodHead, "id_token_hint", b.hint("web")); !b.signedOn() {
			t.Error("the person was signed off")
		}
	})
}

func TestSignOffWithoutASession(t *testing.T) {
	g := newSignOffRig(t)
	hint := g.hint("web", signOffUser, "gone")
	tests := []struct {
		name   string
		params []string
		want   answer
	}{
		{"hint and address", []string{"id_token_hint", hint, "post_logout_redirect_uri", signOffGoodBy, "state", "s"},
			answer{Status: 302, Location: signOffGoodBy + "&state=s"}},
		{"hint", []string{"id_token_hint", hint}, answer{Status: 200, Page: "signed off"}},
		{"nothing", nil, answer{Status: 200, Page: "signed off"}},
		{"an address without hint is asked about all the same", []string{"post_logout_redirect_uri", signOffGoodBy}, answer{Status: 200, Page: "confirm"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, seen(g.browser().signOff(http.MethodGet, tt.params...))); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("and confirmed", func(t *testing.T) {
		b := g.browser()
		form, _ := url.ParseQuery(b.signOff(http.MethodGet, "post_logout_redirect_uri", signOffGoodBy).Header.Get("X-Form"))
		want := answer{Status: 200, Page: "signed off", Next: signOffGoodBy}
		if diff := cmp.Diff(want, seen(b.send(g.signoff, http.MethodPost, form))); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
	})
}

// oidcc-frontchannel-rp-initiated-logout: the frames first, then the client.
func TestSignOffWithFrontchannel(t *testing.T) {
	g := newSignOffRig(t)
	b := g.signOn(signOffUser, "framed", "web")
	resp := b.signOff(http.MethodGet, "id_token_hint", b.hint("web"), "post_logout_redirect_uri", signOffGoodBy, "state", "s")
	if diff := cmp.Diff(answer{Status: 200, Page: "signed off", Next: signOffGoodBy + "&state=s"}, seen(resp)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	want := []string{"https://framed.example.com/out?iss=" + url.QueryEscape(signOffIssuer) + "&sid=" + b.sid}
	if diff := cmp.Diff(want, resp.Header["X-Frames"]); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
}

func TestAttack121NothingWorksAfterSignOff(t *testing.T) {
	g := newSignOffRig(t)
	b := g.signOn(signOffUser, "web")
	cookies := map[string]string{}
	for k, v := range b.jar {
		cookies[k] = v
	}
	issued := g.clock.Now()
	resp := b.signOff(http.MethodGet, "id_token_hint", b.hint("web"))

	t.Run("the cookie replayed", func(t *testing.T) {
		if replay := (&browser{g: g, jar: cookies}); replay.signedOn() {
			t.Error("the old cookie still stands for a session")
		}
	})
	t.Run("an access token", func(t *testing.T) {
		revoked, err := g.set.Revoked(signOffEnv, token.Holder{ID: "j", Session: b.sid, Client: "web", Subject: signOffUser, IssuedAt: issued})
		if err != nil || !revoked {
			t.Errorf("revoked = %v, %v, want true", revoked, err)
		}
	})
	t.Run("deletion matches what was set", func(t *testing.T) {
		names := map[string]bool{}
		for _, c := range resp.Cookies() {
			names[c.Name] = true
			if c.Path != "/"+signOffEnv || !c.Secure || c.SameSite != http.SameSiteNoneMode || c.MaxAge >= 0 {
				t.Errorf("cookie %s is deleted with %q", c.Name, c.String())
			}
		}
		if !names[session.Cookie] || !names[session.StateCookie] {
			t.Errorf("deleted cookies = %v, want both", names)
		}
	})
}

func TestSignOffCORS(t *testing.T) {
	for origin, want := range map[string]string{
		"https://web.example.com": "https://web.example.com", "https://evil.example": "", "null": "", "https://web.example.com.evil.example": "",
	} {
		t.Run(origin, func(t *testing.T) {
			g := newSignOffRig(t)
			b := g.signOn(signOffUser, "web")
			resp := b.send(g.signoff, http.MethodGet, values("id_token_hint", b.hint("web")), [2]string{"Origin", origin})
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("Access-Control-Allow-Origin = %q, want %q", got, want)
			}
		})
	}
}

func TestIDPSignoff(t *testing.T) {
	asJSON := [2]string{"Accept", "application/json"}
	tests := []struct {
		name   string
		client string
		params []string
		accept bool
		want   answer
		ended  bool
	}{
		{"JSON", "web", nil, true, answer{Status: 204}, true},
		{"a browser", "web", nil, false, answer{Status: 302, Location: signOffIssuer + "/signoff"}, true},
		{"an address", "web", []string{"post_logout_redirect_uri", signOffGoodBy}, true, answer{Status: 302, Location: signOffGoodBy}, true},
		{"an address and state", "web", []string{"post_logout_redirect_uri", signOffGoodBy, "state", "s"}, true, answer{Status: 302, Location: signOffGoodBy + "&state=s"}, true},
		{"client_id is the hint's", "web", []string{"client_id", "web"}, true, answer{Status: 204}, true},
		{"client_id is not", "web", []string{"client_id", "other"}, true, answer{Status: 400}, false},
		{"an address in other case", "web", []string{"post_logout_redirect_uri", "https://web.example.com/BYE?x=1"}, true, answer{Status: 400}, false},
		{"an address of another client", "web", []string{"post_logout_redirect_uri", "https://other.example.com/bye"}, false, answer{Status: 400, Page: "error"}, false},
		{"a client that may not", "other", nil, true, answer{Status: 400}, false},
		{"a disabled client", "disabled", nil, true, answer{Status: 400}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newSignOffRig(t)
			b := g.signOn(signOffUser, "web")
			params := values(tt.params...)
			params.Set("id_token_hint", b.hint(tt.client))
			g.clock.Advance(2 * time.Hour) // the hint has expired
			var header [][2]string
			if tt.accept {
				header = append(header, asJSON)
			}
			// A native application's request has no cookie.
			if diff := cmp.Diff(tt.want, seen(g.browser().send(g.idp, http.MethodGet, params, header...))); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if got := !b.signedOn(); got != tt.ended {
				t.Errorf("signed off = %v, want %v", got, tt.ended)
			}
		})
	}
	for name, hint := range map[string]func(g *signOffRig, b *browser) string{
		"without hint": func(*signOffRig, *browser) string { return "" },
		"hint without sid": func(g *signOffRig, _ *browser) string {
			return g.hint("web", signOffUser, "")
		},
		"hint of somebody else with this sid": func(g *signOffRig, b *browser) string {
			return g.hint("web", "22222222-2222-4222-8222-222222222222", b.sid)
		},
		"garbage": func(*signOffRig, *browser) string { return "x.y.z" },
	} {
		t.Run(name, func(t *testing.T) {
			g := newSignOffRig(t)
			b := g.signOn(signOffUser, "web")
			resp := g.browser().send(g.idp, http.MethodGet, values("id_token_hint", hint(g, b)), asJSON)
			if resp.StatusCode != 400 || !b.signedOn() {
				t.Errorf("status = %d, signed on = %v, want 400 and nothing done", resp.StatusCode, b.signedOn())
			}
		})
	}
	t.Run("ended already is a success", func(t *testing.T) {
		g := newSignOffRig(t)
		b := g.signOn(signOffUser, "web")
		hint := values("id_token_hint", b.hint("web"))
		for range 2 {
			if resp := g.browser().send(g.idp, http.MethodGet, hint, asJSON); resp.StatusCode != 204 {
				t.Errorf("status = %d, want 204", resp.StatusCode)
			}
		}
	})
}

func TestSignOffWhenTheStoreIsGone(t *testing.T) {
	g := newSignOffRig(t)
	b := g.signOn(signOffUser, "web")
	hint := b.hint("web")
	if err := g.db.Close(); err != nil {
		t.Fatal(err)
	}
	resp := b.signOff(http.MethodGet, "id_token_hint", hint)
	if diff := cmp.Diff(answer{Status: 503, Page: "error"}, seen(resp)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if len(b.jar) == 0 {
		t.Error("the cookie was cleared although the session is still there")
	}
}

func TestCheckSessionIframe(t *testing.T) {
	w := httptest.NewRecorder()
	if err := (endpoint.CheckSessionIframe{}).Serve(w, httptest.NewRequest(http.MethodGet, "/", nil), &store.Environment{}); err != nil {
		t.Fatal(err)
	}
	h := w.Result().Header
	if got := h.Get("X-Frame-Options"); got != "" {
		t.Errorf("X-Frame-Options = %q, want none: clients frame it", got)
	}
	policy := h.Get("Content-Security-Policy")
	if strings.Contains(policy, "frame-ancestors") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "script-src 'sha256-") {
		t.Errorf("Content-Security-Policy = %q, want the script's hash alone, and any parent", policy)
	}
	if got := h.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type = %q", got)
	}
}
