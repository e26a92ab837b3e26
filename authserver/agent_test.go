package authserver_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// agent is a person's browser without scripts: cookies, redirects within the
// server, and forms.
type agent struct {
	t   testing.TB
	g   *rig
	jar map[string]string
	at  *url.URL // of the page last shown
}

func newAgent(t testing.TB, g *rig) *agent { return &agent{t: t, g: g, jar: map[string]string{}} }

// open follows a GET to the first page, or to the first address that is somebody
// else's, which is then in the Location of the answer.
func (a *agent) open(address string) answer {
	a.t.Helper()
	return a.send(http.MethodGet, address, nil)
}

func (a *agent) send(method, address string, form url.Values) answer {
	a.t.Helper()
	for range 10 {
		r := httptest.NewRequest(method, address, strings.NewReader(form.Encode()))
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for name, value := range a.jar {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		got := a.g.do(r)
		for _, c := range (&http.Response{Header: got.header}).Cookies() {
			if c.MaxAge < 0 {
				delete(a.jar, c.Name)
			} else {
				a.jar[c.Name] = c.Value
			}
		}
		a.at = r.URL
		next := got.header.Get("Location")
		if next == "" {
			return got
		}
		to, err := r.URL.Parse(next)
		if err != nil {
			a.t.Fatalf("Location %q: %v", next, err)
		}
		if to.Host != r.URL.Host {
			return got
		}
		method, address, form = http.MethodGet, to.String(), nil
	}
	a.t.Fatal("too many redirects")
	return answer{}
}

var (
	forms  = regexp.MustCompile(`(?s)<form [^>]*action="([^"]*)"[^>]*>(.*?)</form>`)
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	button = regexp.MustCompile(`<button type="submit" id="([^"]*)"(?: name="([^"]*)" value="([^"]*)")?`)
)

// press fills in the form of a page that has the button with this id, and presses it.
func (a *agent) press(page answer, id string, fill ...string) answer {
	a.t.Helper()
	for _, f := range forms.FindAllStringSubmatch(page.body, -1) {
		for _, b := range button.FindAllStringSubmatch(f[2], -1) {
			if b[1] != id {
				continue
			}
			form := url.Values{}
			for _, h := range hidden.FindAllStringSubmatch(f[2], -1) {
				form.Set(html.UnescapeString(h[1]), html.UnescapeString(h[2]))
			}
			if b[2] != "" {
				form.Set(b[2], b[3])
			}
			for i := 0; i < len(fill); i += 2 {
				form.Set(fill[i], fill[i+1])
			}
			to, err := a.at.Parse(html.UnescapeString(f[1]))
			if err != nil {
				a.t.Fatalf("action %q: %v", f[1], err)
			}
			return a.send(http.MethodPost, to.String(), form)
		}
	}
	a.t.Fatalf("status %d: no button %q on the page:\n%s", page.status, id, page.body)
	return answer{}
}

// signOn opens an authorization request, signs the demo person on where the
// server asks, agrees where it asks, and gives the parameters that the client gets.
func (a *agent) signOn(address string) url.Values {
	a.t.Helper()
	got := a.open(address)
	for range 3 {
		switch {
		case got.header.Get("Location") != "":
			to, err := url.Parse(got.header.Get("Location"))
			if err != nil {
				a.t.Fatal(err)
			}
			return to.Query()
		case strings.Contains(got.body, `id="username"`):
			got = a.press(got, "submit", "username", "alice", "password", "alice-demo-pass")
		case strings.Contains(got.body, `id="allow"`):
			got = a.press(got, "allow")
		default:
			a.t.Fatalf("status %d, neither sign-on nor consent:\n%s", got.status, got.body)
		}
	}
	a.t.Fatal("the sign-on does not end")
	return nil
}
