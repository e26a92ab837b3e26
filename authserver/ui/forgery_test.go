package ui_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/ui"
)

// TestForgery is attack 104 and its kin: a form counts once, in the state it was made for,
// from the browser and for the flow it was made for, and never from another site.
func TestForgery(t *testing.T) {
	s := newSite(t)
	signedOn := func() *flowtest.Browser {
		b := s.Browser()
		s.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		return b
	}
	tests := []struct {
		name   string
		edit   func(b *flowtest.Browser, f form, r *http.Request) *http.Request
		status int
		kept   bool // the consent is still to be given
	}{
		{"our own form", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request { return r }, 303, false},
		{"a browser that says nothing", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request {
			r.Header.Del("Origin")
			r.Header.Del("Sec-Fetch-Site")
			return r
		}, 303, false},
		{"our own origin", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request {
			r.Header.Set("Origin", "https://auth.example.com")
			return r
		}, 303, false},
		{"reloaded by the person", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request {
			r.Header.Set("Sec-Fetch-Site", "none")
			return r
		}, 303, false},
		{"cross-site, with a good token", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			return r
		}, 403, true},
		{"a neighbour's site", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request {
			r.Header.Set("Sec-Fetch-Site", "same-site")
			return r
		}, 403, true},
		{"a word of Sec-Fetch-Site that is none", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request {
			r.Header.Set("Sec-Fetch-Site", "")
			return r
		}, 403, true},
		{"foreign origin", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://auth.example.com.evil.example")
			return r
		}, 403, true},
		{"another port", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://auth.example.com:8443")
			return r
		}, 403, true},
		{"plain http", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "http://auth.example.com")
			return r
		}, 403, true},
		{"no token", func(_ *flowtest.Browser, f form, _ *http.Request) *http.Request {
			f.fields.Del("form")
			return s.request(f, "accept", "true")
		}, 409, true},
		{"a wrong token", func(_ *flowtest.Browser, f form, _ *http.Request) *http.Request {
			return s.request(f, "accept", "true", "form", strings.Repeat("A", 43))
		}, 409, true},
		{"the token of another browser", func(_ *flowtest.Browser, f form, _ *http.Request) *http.Request {
			other := signedOn()
			_, page := s.begin(other, flowtest.Always, flow.ConsentRequired)
			return s.request(f, "accept", "true", "form", formOf(t, page, flow.Consent).fields.Get("form"))
		}, 409, true},
		{"the token of another flow", func(b *flowtest.Browser, f form, _ *http.Request) *http.Request {
			_, page := s.begin(b, flowtest.Always, flow.ConsentRequired)
			return s.request(f, "accept", "true", "form", formOf(t, page, flow.Consent).fields.Get("form"))
		}, 409, true},
		{"the form for other scopes than are asked for", func(b *flowtest.Browser, f form, _ *http.Request) *http.Request {
			_, page := s.begin(b, flowtest.Always, flow.ConsentRequired, func(r *authorize.Request) { r.Scope = []string{"openid"} })
			return s.request(f, "accept", "true", "form", formOf(t, page, flow.Consent).fields.Get("form"))
		}, 409, true},
		{"an action of another state", func(_ *flowtest.Browser, f form, _ *http.Request) *http.Request {
			return s.request(f, "action", "usernamePassword.check", "username", "bob", "password", flowtest.BobPassword)
		}, 409, true},
		{"an action that there is not", func(_ *flowtest.Browser, f form, _ *http.Request) *http.Request {
			return s.request(f, "action", "flow.complete")
		}, 409, true},
		{"a parameter twice", func(_ *flowtest.Browser, f form, _ *http.Request) *http.Request {
			r := s.request(f)
			r.Body = http.NoBody
			q := httptest.NewRequest("POST", r.URL.String(), strings.NewReader(f.fields.Encode()+"&accept=true&accept=false"))
			q.Header = r.Header
			return q
		}, 400, true},
		{"the fields in the query", func(_ *flowtest.Browser, f form, r *http.Request) *http.Request {
			q := httptest.NewRequest("POST", r.URL.String()+"&"+f.fields.Encode()+"&accept=true", strings.NewReader(""))
			q.Header = r.Header
			return q
		}, 409, true},
		{"another media type", func(_ *flowtest.Browser, _ form, r *http.Request) *http.Request {
			r.Header.Set("Content-Type", "text/plain")
			return r
		}, 415, true},
		{"without cookies", func(b *flowtest.Browser, _ form, r *http.Request) *http.Request {
			clear(b.Cookies)
			return r
		}, 404, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := signedOn()
			f, page := s.begin(b, flowtest.Always, flow.ConsentRequired)
			posted := formOf(t, page, flow.Consent)
			honest := b.Copy()
			w := s.send(b, tt.edit(b, posted, s.request(posted, "accept", "true")))
			if w.Code != tt.status {
				t.Errorf("status = %d, want %d", w.Code, tt.status)
			}
			got, err := s.Read(honest, f.ID)
			if err != nil {
				t.Fatal(err)
			}
			if kept := got.Status == flow.ConsentRequired; kept != tt.kept {
				t.Errorf("status of the flow = %s", got.Status)
			}
			if tt.status == 409 {
				s.want(w, 409, "out of date", `id="allow"`)
			}
		})
	}
}

// TestReplay: a form sent again after the state moved on does nothing, and says what is next.
func TestReplay(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	f, first := s.begin(b, flowtest.Always, flow.UsernamePasswordRequired)
	second := s.follow(b, s.submit(b, first, flow.CheckPassword, "username", "alice", "password", flowtest.AlicePassword))
	s.want(second, 200, `id="allow"`)

	// The back button, and the form again.
	again := s.submit(b, first, flow.CheckPassword, "username", "bob", "password", flowtest.BobPassword)
	s.want(again, 409, "out of date", `id="allow"`)
	if b.Session().Subject != flowtest.AliceID {
		t.Error("the old form signed somebody else on")
	}
	// The page that came with the refusal works.
	s.wantResume(s.submit(b, again, flow.Consent, "accept", "true"), f.ID)
	// Pressed twice: nothing new happens, and the way on is the same.
	s.wantResume(s.submit(b, second, flow.Consent, "accept", "false"), f.ID)
	got, err := s.Read(b, f.ID)
	if err != nil || got.Status != flow.Completed {
		t.Fatalf("flow = %+v, %v", got, err)
	}
	s.MustAnswer(b, got)
	// After the answer there is nothing to go on with.
	for name, w := range map[string]*httptest.ResponseRecorder{
		"page": s.get(b, ui.Link(s.Env, f.ID)), "form": s.submit(b, second, flow.Consent, "accept", "true"),
	} {
		if w.Code != 200 || !strings.Contains(w.Body.String(), "This sign-on is complete") {
			t.Errorf("%s after the answer = %d\n%s", name, w.Code, w.Body)
		}
	}
}

// TestTwoTabs: what was begun before another tab signed on goes on.
func TestTwoTabs(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	f, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	_, other := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	if w := s.submit(b, other, flow.CheckPassword, "username", "alice", "password", flowtest.AlicePassword); w.Code != 303 {
		t.Fatalf("the other tab: %d", w.Code)
	}
	// The cookie is a new one, so the form is not good any more; the page that says so is.
	w := s.submit(b, page, flow.CheckPassword, "username", "alice", "password", flowtest.AlicePassword)
	if w.Code == http.StatusConflict {
		s.want(w, 409, "out of date", `id="password"`)
		w = s.submit(b, w, flow.CheckPassword, "username", "alice", "password", flowtest.AlicePassword)
	}
	s.wantResume(w, f.ID)
}
