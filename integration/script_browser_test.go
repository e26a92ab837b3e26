package integration_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// agent is a person's browser without scripts, made of a cookie jar and a reader of
// forms: where many people sign on, Chromium would take too long. Like a tab it tells
// the node what secrets went by.
type agent struct {
	t      testing.TB
	n      *node
	client *http.Client

	at     *url.URL // of the page, with the fragment that led to it
	status int
	body   string
	root   *html.Node
}

// newAgent opens one that has never been anywhere.
func newAgent(t testing.TB, n *node) *agent {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &agent{t: t, n: n, client: &http.Client{
		Timeout:       n.client.Timeout,
		Transport:     n.client.Transport,
		CheckRedirect: n.client.CheckRedirect,
		Jar:           jar,
	}}
}

// visit goes to an address and on to where that leads.
func (a *agent) visit(address string) {
	a.t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		a.t.Fatal(err)
	}
	a.send(http.MethodGet, to, nil)
}

// send makes a request and follows redirects. form is nil for a GET.
func (a *agent) send(method string, to *url.URL, form url.Values) {
	a.t.Helper()
	a.learn(form)
	for range 12 {
		a.learn(to.Query())
		if fragment, err := url.ParseQuery(to.Fragment); err == nil {
			a.learn(fragment)
		}
		req, err := http.NewRequest(method, to.String(), strings.NewReader(form.Encode()))
		if err != nil {
			a.t.Fatal(err)
		}
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		r, err := a.client.Do(req)
		if err != nil {
			a.t.Fatalf("%s %s: %v", method, place(to), err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			a.t.Fatalf("%s %s: %v", method, place(to), err)
		}
		for _, c := range r.Cookies() {
			if c.Name == "ST" {
				a.n.secret("a session cookie", c.Value)
			}
		}
		if location := r.Header.Get("Location"); r.StatusCode/100 == 3 && location != "" {
			next, err := to.Parse(location)
			if err != nil {
				a.t.Fatalf("Location at %s: %v", place(to), err)
			}
			// A 307 or 308 would send the password on (RFC 9700 §2.6).
			if r.StatusCode != http.StatusSeeOther && r.StatusCode != http.StatusFound {
				a.t.Errorf("redirect with status %d at %s, want 303 or 302", r.StatusCode, place(to))
			}
			method, to, form = http.MethodGet, next, nil
			continue
		}
		a.at, a.status, a.body = to, r.StatusCode, string(body)
		if a.root, err = html.Parse(strings.NewReader(a.body)); err != nil {
			a.t.Fatalf("the page at %s: %v", place(to), err)
		}
		return
	}
	a.t.Fatalf("too many redirects, the last to %s", place(to))
}

// place is an address without what may be secret in it.
func place(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// learn tells the node the secrets among the values.
func (a *agent) learn(values url.Values) {
	for name, what := range confidential {
		for _, value := range values[name] {
			a.n.secret(what, value)
		}
	}
}

// has reports whether the page has an element with this id.
func (a *agent) has(id string) bool { return a.element(id) != nil }

func (a *agent) element(id string) *html.Node {
	if a.root == nil {
		return nil
	}
	for e := range a.root.Descendants() {
		if value, ok := attribute(e, "id"); ok && value == id {
			return e
		}
	}
	return nil
}

func attribute(e *html.Node, name string) (string, bool) {
	for _, at := range e.Attr {
		if at.Namespace == "" && at.Key == name {
			return at.Val, true
		}
	}
	return "", false
}

// text is what the page says, with single spaces.
func (a *agent) text() string {
	var b strings.Builder
	for e := range a.root.Descendants() {
		if e.Type == html.TextNode && e.Parent.DataAtom != atom.Style && e.Parent.DataAtom != atom.Script {
			b.WriteString(e.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// press fills in fields, names and values in turn, and presses the button with this id:
// what its form holds is sent.
func (a *agent) press(id string, fields ...string) {
	a.t.Helper()
	button := a.element(id)
	if button == nil {
		a.t.Fatalf("no #%s on the page at %s (status %d):\n%s", id, place(a.at), a.status, a.text())
	}
	form := button
	for form != nil && form.DataAtom != atom.Form {
		form = form.Parent
	}
	if form == nil {
		a.t.Fatalf("#%s is in no form", id)
	}
	values := url.Values{}
	for e := range form.Descendants() {
		name, named := attribute(e, "name")
		kind, _ := attribute(e, "type")
		value, _ := attribute(e, "value")
		switch {
		case !named:
		case e == button, e.DataAtom == atom.Input && kind != "submit" && kind != "checkbox" && kind != "radio":
			values.Add(name, value)
		}
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if !values.Has(fields[i]) {
			a.t.Fatalf("the form of #%s has no field %s", id, fields[i])
		}
		values.Set(fields[i], fields[i+1])
	}
	action, _ := attribute(form, "action")
	to, err := a.at.Parse(action)
	if err != nil {
		a.t.Fatal(err)
	}
	to.Fragment = ""
	if method, _ := attribute(form, "method"); strings.EqualFold(method, http.MethodPost) {
		a.send(http.MethodPost, to, values)
		return
	}
	to.RawQuery = values.Encode()
	a.send(http.MethodGet, to, nil)
}

// walk does what the pages ask for, until one asks for nothing that it knows or the browser
// has left the authorization server, which it reports.
func (a *agent) walk(username, password string) (left bool) {
	a.t.Helper()
	for range 6 {
		switch {
		case !strings.HasPrefix(a.n.vars["ISSUER"], a.at.Scheme+"://"+a.at.Host+"/"):
			return true
		case a.has("password") && a.has("username"):
			a.press("submit", "username", username, "password", password)
		case a.has("allow"):
			a.press("allow")
		case a.has("logout-confirm"):
			a.press("logout-confirm")
		case a.has("continue"): // the form_post page, whose script would do this
			a.press("continue")
		default:
			return false
		}
	}
	a.t.Fatalf("the pages do not end; at %s:\n%s", place(a.at), a.text())
	return false
}

// signOn visits an authorization request and goes through its pages until the browser is at
// the application. It gives the address there.
func (a *agent) signOn(address, username, password string) *url.URL {
	a.t.Helper()
	a.visit(address)
	if !a.walk(username, password) {
		a.t.Fatalf("status %d at %s, not the application:\n%s", a.status, place(a.at), a.text())
	}
	return a.at
}

// signOnAlice is signOn as the person of the standard configuration.
func (a *agent) signOnAlice(address string) *url.URL {
	a.t.Helper()
	return a.signOn(address, "alice", alicePassword)
}
