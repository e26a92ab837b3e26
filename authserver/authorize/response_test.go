package authorize_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// nothing is a key store that is out.
type nothing struct{ store.Keys }

func (nothing) KeyRing(context.Context, string) ([]store.Key, int64, error) {
	return nil, 0, store.ErrUnavailable
}

func write(r *authorize.Response, method string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.Write(w, httptest.NewRequest(method, "https://auth.example.com/authorize", nil))
	return w
}

func TestResponseWrite(t *testing.T) {
	params := [][2]string{{"code", "abc"}, {"state", "a b+c&d=e%f#g"}, {"iss", issuer}}
	const sent = "code=abc&state=a%20b%2Bc%26d%3De%25f%23g&iss=https%3A%2F%2Fauth.example.com%2F" + envID + "%2Fas"
	tests := []struct {
		name, uri, mode, method string
		status                  int
		location                string
	}{
		{"query", callback, "query", "GET", 302, callback + "?" + sent},
		{"query after a POST", callback, "query", "POST", 303, callback + "?" + sent},
		{"query beside one of its own", callback + "?a=1&b=%20&c", "query", "GET", 302, callback + "?a=1&b=%20&c&" + sent},
		{"query behind an empty one", callback + "?", "query", "GET", 302, callback + "?" + sent},
		{"query behind an ampersand", callback + "?a&", "query", "GET", 302, callback + "?a&" + sent},
		{"fragment", callback, "fragment", "GET", 302, callback + "#" + sent},
		{"fragment after a POST", callback, "fragment", "POST", 303, callback + "#" + sent},
		{"fragment beside a query", callback + "?a=1", "fragment", "GET", 302, callback + "?a=1#" + sent},
		{"a private scheme", "com.example.app:/cb", "query", "GET", 302, "com.example.app:/cb?" + sent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := write(&authorize.Response{ReplyTo: authorize.ReplyTo{URI: tt.uri, Mode: tt.mode}, Params: params}, tt.method)
			if w.Code != tt.status || w.Header().Get("Location") != tt.location {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Header().Get("Location"), tt.status, tt.location)
			}
			if w.Header().Get("Cache-Control") != "no-cache, no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" || w.Body.Len() != 0 {
				t.Errorf("header = %v, body = %q", w.Header(), w.Body)
			}
		})
	}
	t.Run("pi.flow has nowhere to go", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic, want the caller's mistake to show")
			}
		}()
		write(&authorize.Response{ReplyTo: authorize.ReplyTo{Mode: "pi.flow"}}, "GET")
	})
}

func TestRefuse(t *testing.T) {
	k := newKit(t)
	e := oauth.AuthorizationError(oauth.CodeLoginRequired, "Say \"x\"\r\n\\<script>é")
	r := authorize.Refuse(k.env, authorize.ReplyTo{URI: callback, Mode: "fragment", State: "s"}, e, "the-id")
	if got := names(r); got != "error error_description state iss" {
		t.Errorf("parameters = %s", got)
	}
	d := param(r, "error_description")
	if !regexp.MustCompile(`^[\x20-\x21\x23-\x5b\x5d-\x7e]+$`).MatchString(d) || !strings.Contains(d, "Correlation ID: the-id") {
		t.Errorf("description = %q, want printable ASCII without quotes and backslashes", d)
	}
	if got := names(authorize.Refuse(k.env, authorize.ReplyTo{URI: callback, Mode: "query"}, e, "the-id")); got != "error error_description iss" {
		t.Errorf("without a state: %s", got)
	}
	if e := oauth.From(store.ErrUnavailable); strings.Contains(param(authorize.Refuse(k.env, authorize.ReplyTo{}, e, "x"), "error_description"), "store") {
		t.Error("the cause is told to the client")
	}
}

// The page posts what a redirect would carry, to the redirect URI and nowhere
// else, with its script or without.
func TestFormPost(t *testing.T) {
	const evil = `"><script>alert(1)</script>'&lt;` + "\u2028"
	r := &authorize.Response{
		ReplyTo: authorize.ReplyTo{URI: callback + "?a=1&b=2", Mode: "form_post"},
		Params:  [][2]string{{"code", "abc"}, {"state", evil}, {"iss", issuer}},
	}
	w := write(r, "GET")
	page := w.Body.String()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Location") != "" {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-cache, no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}

	action := regexp.MustCompile(`<form method="post" action="([^"]*)">`).FindStringSubmatch(page)
	if action == nil || html.UnescapeString(action[1]) != r.ReplyTo.URI {
		t.Errorf("action = %v, want the redirect URI", action)
	}
	inputs := regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(page, -1)
	if len(inputs) != len(r.Params) {
		t.Fatalf("%d fields, want %d", len(inputs), len(r.Params))
	}
	for i, in := range inputs {
		if name, value := html.UnescapeString(in[1]), html.UnescapeString(in[2]); name != r.Params[i][0] || value != r.Params[i][1] {
			t.Errorf("field %d = %s=%q, want %q", i, name, value, r.Params[i])
		}
	}
	if strings.Contains(page, "alert(1)</script>") || strings.Count(page, "<script") != 1 {
		t.Error("markup of a parameter is markup of the page")
	}

	// The policy names exactly the script and the style that are there.
	policy := w.Header().Get("Content-Security-Policy")
	for element, directive := range map[string]string{"script": "script-src", "style": "style-src"} {
		found := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindStringSubmatch(page)
		if found == nil {
			t.Fatalf("no %s", element)
		}
		sum := sha256.Sum256([]byte(found[1]))
		if want := directive + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("policy %s lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "form-action") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy = %s", policy)
	}
	if !strings.Contains(page, `<button type="submit"`) || !strings.Contains(page, `document.forms[0].submit()`) {
		t.Error("want a button and a script")
	}
	if regexp.MustCompile(`(?i)(id|name)="?submit`).MatchString(page) || regexp.MustCompile(`(?i)\son[a-z]+=`).MatchString(page) {
		t.Error("a control hides submit(), or a handler is inline")
	}
	if !strings.Contains(page, `lang="en"`) {
		t.Error("want the page's language named")
	}

	t.Run("as it is", func(t *testing.T) {
		r := &authorize.Response{ReplyTo: authorize.ReplyTo{URI: callback, Mode: "form_post"}, Params: [][2]string{{"code", "a-code"}, {"state", "s-1"}, {"iss", issuer}}}
		testkit.Golden(t, "form_post.html", write(r, "GET").Body.Bytes())
	})
	t.Run("in German", func(t *testing.T) {
		req := httptest.NewRequest("GET", "https://auth.example.com/", nil)
		req.Header.Set("Accept-Language", "de-CH, en;q=0.5")
		w := httptest.NewRecorder()
		r.Write(w, req)
		if !strings.Contains(w.Body.String(), `lang="de"`) || !strings.Contains(w.Body.String(), "Zurück") {
			t.Error("want it in German")
		}
	})
	t.Run("to a private scheme", func(t *testing.T) {
		w := write(&authorize.Response{ReplyTo: authorize.ReplyTo{URI: "com.example.app:/cb", Mode: "form_post"}}, "GET")
		if !strings.Contains(w.Body.String(), `action="com.example.app:/cb"`) {
			t.Errorf("page = %s", w.Body)
		}
	})
}

// FuzzResponse: whatever is in a parameter comes out of the query, the fragment
// and the form as it went in.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{"", "a", "a b+c&d=e%f#g", `"><script>`, "\u2028", "ünï", "\x00", "a\xff", "&amp;", "{{.}}"} {
		f.Add(seed, seed)
	}
	field := regexp.MustCompile(`<input type="hidden" name="state" value="([^"]*)">`)
	f.Fuzz(func(t *testing.T, state, code string) {
		r := &authorize.Response{ReplyTo: authorize.ReplyTo{URI: callback, Mode: "query"}, Params: [][2]string{{"code", code}, {"state", state}}}
		for _, mode := range []string{"query", "fragment"} {
			r.ReplyTo.Mode = mode
			location := write(r, "GET").Header().Get("Location")
			_, sent, ok := strings.Cut(location, map[string]string{"query": "?", "fragment": "#"}[mode])
			got, err := url.ParseQuery(sent)
			if !ok || err != nil || len(got) != 2 || got.Get("state") != state || got.Get("code") != code {
				t.Fatalf("%s: %q comes back as %v, %v", mode, location, got, err)
			}
			u, err := url.Parse(location)
			if err != nil || u.Host != "app.example.com" || u.Path != "/cb" {
				t.Fatalf("%s: %q goes elsewhere", mode, location)
			}
		}
		r.ReplyTo.Mode = "form_post"
		page := write(r, "GET").Body.String()
		found := field.FindStringSubmatch(page)
		if found == nil || strings.Count(page, "<script") != 1 || strings.Count(page, "<form") != 1 || strings.Count(page, "<input") != 2 {
			t.Fatalf("page = %s", page)
		}
		// HTML has no NUL, and a line end is always one line feed; neither passes
		// the check of parameters.
		if !strings.ContainsAny(state, "\x00\r") && html.UnescapeString(found[1]) != strings.ToValidUTF8(state, "\ufffd") && strings.ToValidUTF8(state, "") == state {
			t.Errorf("form_post: %q comes back as %q", state, html.UnescapeString(found[1]))
		}
	})
}
