package integration_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// demoBinary builds ./cmd/demo on first use and gives its path.
var demoBinary = sync.OnceValues(func() (string, error) {
	out := filepath.Join(scratch, "demo")
	cmd := exec.Command("go", "build", "-o", out, "./cmd/demo")
	cmd.Dir = ".." // the module's root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/demo: %w\n%s", err, text)
	}
	return out, nil
})

// demo is the demo web application, and its tokens as the API gets them.
type demo struct {
	home string

	mu     sync.Mutex
	tokens []string
}

// startDemo runs the demo web application beside the example. It calls the API through a proxy
// that remembers the tokens.
func startDemo(t *testing.T, n *node) *demo {
	t.Helper()
	path, err := demoBinary()
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{home: fmt.Sprintf("http://localhost:%d/", n.ports["8083"])}
	gate, _ := url.Parse(fmt.Sprintf("http://localhost:%d", n.ports["8081"]))
	api := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(gate)
		token := strings.TrimPrefix(r.In.Header.Get("Authorization"), "Bearer ")
		n.secret("an access token", token)
		d.mu.Lock()
		d.tokens = append(d.tokens, token)
		d.mu.Unlock()
	}})
	t.Cleanup(api.Close)

	log, err := os.Create(filepath.Join(n.dir, "demo.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(path)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), fmt.Sprintf("DEMO_LISTEN=localhost:%d", n.ports["8083"]), "DEMO_ISSUER="+n.vars["ISSUER"], "DEMO_API="+api.URL+"/")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	eventually(t, 30*time.Second, "the demo answers", func() bool {
		r, err := n.client.Get(d.home)
		if err == nil {
			r.Body.Close()
		}
		return err == nil
	})
	return d
}

// last is the token that the API got last.
func (d *demo) last(t *testing.T) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.tokens) == 0 {
		t.Fatal("the API was not called")
	}
	return d.tokens[len(d.tokens)-1]
}

var updatePages = flag.Bool("update-pages", false, "write the pictures of the demo in docs/pages (and shrink them with pngquant, where there is one)")

const pictureFonts = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>/usr/share/fonts/opentype/inter</dir><dir>/usr/share/fonts/truetype/liberation</dir><cachedir prefix="xdg">fontconfig</cachedir>
<alias><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
<alias><family>monospace</family><prefer><family>Liberation Mono</family></prefer></alias>
</fontconfig>`

// demoPictures are the pictures that are kept: how the page is looked at.
var demoPictures = []struct {
	name          string
	width, height int64
	dark          bool
}{
	{"demo-desktop.png", 1280, 1100, false},
	{"demo-phone-dark.png", 390, 1400, true},
}

// TestDemoPictures keeps the pictures of the demo web application complete; -update-pages takes them anew.
func TestDemoPictures(t *testing.T) {
	pages := filepath.Join("..", "docs", "pages")
	if *updatePages {
		n, _ := exampleOn(t, sqlite{})
		d := startDemo(t, n)
		b := browse(t, n)
		b.visit(d.home)
		b.press("sign-in")
		b.signOn("alice", alicePassword)
		b.press("allow")
		b.press("call")
		b.expect("#notice", "200")
		for _, p := range demoPictures {
			b.looking(p.width, p.height, p.dark)
			writePicture(t, filepath.Join(pages, p.name), b.picture())
		}
	}
	index, err := os.ReadFile(filepath.Join(pages, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range demoPictures {
		if _, err := os.Stat(filepath.Join(pages, p.name)); err != nil {
			t.Errorf("no picture (run with -update-pages to take it): %v", err)
		}
		if !strings.Contains(string(index), p.name) {
			t.Errorf("docs/pages/README.md lacks %s", p.name)
		}
	}
}

func writePicture(t *testing.T, path string, png []byte) {
	t.Helper()
	if err := os.WriteFile(path, png, 0o644); err != nil {
		t.Fatal(err)
	}
	if pngquant, err := exec.LookPath("pngquant"); err == nil {
		if out, err := exec.Command(pngquant, "--force", "--strip", "--output", path, "64", path).CombinedOutput(); err != nil {
			t.Fatalf("pngquant: %v\n%s", err, out)
		}
	}
}

// TestDemo is what the README promises about `make run`: sign in with the demo web
// application, consent, claims, the API, new tokens, sign-off, and the gate refuses what is left.
func TestDemo(t *testing.T) {
	mustBrowser(t)
	onEach(t, func(t *testing.T, store backend) {
		n, _ := exampleOn(t, store)
		n.secret("alice's password", alicePassword)
		d := startDemo(t, n)
		gate := func(token string) answer {
			req, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("http://localhost:%d/", n.ports["8081"]), nil)
			req.Header.Set("Authorization", "Bearer "+token)
			return n.do(t, req)
		}

		b := browse(t, n)
		b.visit(d.home)
		b.press("sign-in")
		b.expect("h1", "Sign On")
		b.expect("main", "Demo web application")
		b.signOn("alice", alicePassword)
		b.see("allow")
		for _, want := range []string{"Demo web application", "See your profile", "See your e-mail address", "Keep access while you are away", "orders:read", "Alice Ellen Liddell"} {
			b.expect("main", want)
		}
		b.press("allow")
		b.expect("#greeting", "Alice Ellen Liddell")
		b.expect("#notice", "You are signed in")
		b.expect("#you", "alice@example.com")
		b.expect("#claims", `"iss": "`+n.vars["ISSUER"]+`"`)
		b.expect("#claims", `"aud": `)
		b.expect("#userinfo", `"birthdate": "1990-05-04"`)
		b.expect("#scopes", "orders:read")

		b.press("call")
		b.expect("#notice", "The API answers 200")
		b.expect("#detail", "Hello from the orders API")
		first := d.last(t)

		b.press("refresh")
		b.expect("#notice", "The tokens are new")
		b.press("call")
		b.expect("#notice", "The API answers 200")
		second := d.last(t)
		if first == second {
			t.Error("the access token is the same after a refresh")
		}

		b.press("sign-off")
		b.expect("#notice", "You are signed off")
		b.see("sign-in")
		for name, token := range map[string]string{"first": first, "second": second} {
			if a := gate(token); a.status != http.StatusUnauthorized || !strings.Contains(a.challenge(), "invalid_token") {
				t.Errorf("the %s token at the gate after sign-off: %d, %q, want 401 invalid_token", name, a.status, a.challenge())
			}
		}

		// The session is gone, so the password is asked for; what was allowed is not asked again.
		b.press("sign-in")
		b.signOn("alice", alicePassword)
		b.expect("#greeting", "Alice")

		// Signed off at the authorization server, without the application: it is told.
		other := b.another()
		other.visit(n.vars["ISSUER"] + "/signoff")
		other.press("logout-confirm")
		other.expect("h1", "You have been signed off")
		eventually(t, step, "the demo has been told", func() bool {
			b.visit(d.home)
			return b.has("#notice") && strings.Contains(b.text("#notice"), "ended elsewhere")
		})

		// Somebody who does not agree.
		n.secret("bob's password", "bob-demo-pass")
		b.press("sign-in")
		b.signOn("bob", "bob-demo-pass")
		b.press("deny")
		b.expect("#notice", "You are not signed in")
		b.expect("#detail", "access_denied")

		// Two tabs at once, once Bob, who did sign on, has signed off.
		other.visit(n.vars["ISSUER"] + "/signoff")
		other.press("logout-confirm")
		b.press("sign-in")
		other.visit(d.home)
		other.press("sign-in")
		b.signOn("alice", alicePassword)
		b.expect("#greeting", "Alice")
		other.signOn("alice", alicePassword)
		if other.has("#username") { // the form was overtaken, and is shown again
			other.signOn("alice", alicePassword)
		}
		other.expect("#greeting", "Alice")
		other.expect("#notice", "You are signed in")
	})
}

// TestDemoButtons presses the demo's buttons from elsewhere.
func TestDemoButtons(t *testing.T) {
	n, _ := exampleOn(t, sqlite{})
	d := startDemo(t, n)
	for _, tt := range []struct {
		name, site string
		want       int
	}{
		{"its own page", "same-origin", http.StatusSeeOther},
		{"no browser", "", http.StatusSeeOther},
		{"another port of this host", "same-site", http.StatusForbidden},
		{"another site", "cross-site", http.StatusForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, button := range []string{"sign-in", "call", "refresh", "sign-off"} {
				req := formRequest(d.home+button, nil)
				if tt.site != "" {
					req.Header.Set("Sec-Fetch-Site", tt.site)
				}
				if a := n.do(t, req); a.status != tt.want {
					t.Errorf("%s: status %d, want %d", button, a.status, tt.want)
				}
			}
		})
	}
	t.Run("a logout token that is none", func(t *testing.T) {
		for _, token := range []string{"", "x", "a.b.c"} {
			if a := n.formAt(t, d.home+"backchannel-logout", nil, "logout_token", token); a.status != http.StatusBadRequest {
				t.Errorf("%q: status %d, want 400", token, a.status)
			}
		}
	})
	t.Run("an answer nobody asked for", func(t *testing.T) {
		req, _ := http.NewRequest(http.MethodGet, d.home+"callback?code=x&state=y", nil)
		a := n.do(t, req)
		again, _ := http.NewRequest(http.MethodGet, d.home, nil)
		again.Header.Set("Cookie", strings.SplitN(a.header.Get("Set-Cookie"), ";", 2)[0])
		if page := n.do(t, again); !strings.Contains(page.body, "does not belong to a sign-in that began here") {
			t.Errorf("the page says nothing of it: %.300s", page.body)
		}
	})
}
