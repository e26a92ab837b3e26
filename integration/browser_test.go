package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// step is the time that one act of a person may take, page included: much, since
// the machine may be busy.
const step = 30 * time.Second

// chromium is one browser for all tests of the process, started on first use.
// Every test gets a profile of its own in it.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := browserPath()
	if err != nil {
		return nil, err
	}
	// Frames of other sites have their cookies, which Debian's Chromium does not give them by default.
	profile := filepath.Join(scratch, "browser")
	if err := os.MkdirAll(filepath.Join(profile, "Default"), 0o700); err != nil {
		return nil, err
	}
	preferences := `{"profile":{"block_third_party_cookies":false,"cookie_controls_mode":0}}`
	if err := os.WriteFile(filepath.Join(profile, "Default", "Preferences"), []byte(preferences), 0o600); err != nil {
		return nil, err
	}
	var env []string
	if *updatePages { // with the fonts of the other pictures in docs/pages
		fonts := filepath.Join(scratch, "fonts.conf")
		if err := os.WriteFile(fonts, []byte(pictureFonts), 0o600); err != nil {
			return nil, err
		}
		env = []string{"FONTCONFIG_FILE=" + fonts}
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Env(env...), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.IgnoreCertErrors, // certificates are the tests' own
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-US"),
		// Pages kept whole come back without the events that chromedp waits for.
		chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,BackForwardCache"))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	closeBrowser = func() {
		_ = chromedp.Cancel(ctx)
		cancel()
	}
	return ctx, chromedp.Do(ctx)
})

// closeBrowser ends the browser, if there is one. TestMain calls it.
var closeBrowser = func() {}

func browserPath() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no chromium, chromium-browser or google-chrome in PATH")
}

// tab is what a person looks at: one tab of a browser with a profile of its own.
// Whatever secret goes over the wire there is told to the node, and whatever the browser
// complains about on its console fails the test.
type tab struct {
	t   testing.TB
	n   *node
	ctx context.Context
	all *overheard
}

// overheard is what the tabs of a profile have been told by the browser.
type overheard struct {
	mu         sync.Mutex
	complaints []string
	cookies    []string // Set-Cookie lines
}

// browse opens a browser that has never been anywhere.
func browse(t testing.TB, n *node) *tab {
	t.Helper()
	b := &tab{t: t, n: n, all: &overheard{}}
	b.ctx = b.open(t, mustBrowser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(func() {
		for _, c := range b.all.taken() {
			t.Errorf("the browser complains: %s", c)
		}
	})
	return b
}

// mustBrowser starts the browser. Where there is none the test is skipped, or fails in CI.
func mustBrowser(t testing.TB) context.Context {
	t.Helper()
	ctx, err := chromium()
	if err == nil {
		return ctx
	}
	if _, missing := browserPath(); missing == nil || os.Getenv("CI") != "" {
		t.Fatalf("a browser is required here: %v", err)
	}
	t.Skipf("no browser: %v", err)
	return nil
}

// another opens a second tab of the same browser.
func (b *tab) another() *tab {
	b.t.Helper()
	c := &tab{t: b.t, n: b.n, all: b.all}
	c.ctx = c.open(b.t, b.ctx)
	return c
}

func (b *tab) open(t testing.TB, parent context.Context, options ...chromedp.ContextOption) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, append(options, chromedp.WithListener(b.hear))...)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	return ctx
}

// hear gets every event of the tab.
func (b *tab) hear(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// That a page has status 400 is said there too, and no complaint.
		if e.Entry.Source != log.EntrySourceNetwork && (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) {
			b.all.complain("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		b.all.complain("exception: %s", e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.all.complain("console.%s on a page", e.Type)
		}
	case *network.EventRequestWillBeSent:
		b.learn(e.Request)
	case *network.EventResponseReceivedExtraInfo:
		for name, value := range e.Headers {
			if strings.EqualFold(name, "Set-Cookie") {
				for line := range strings.SplitSeq(fmt.Sprint(value), "\n") {
					b.all.setCookie(line)
					if value, ok := strings.CutPrefix(line, "ST="); ok {
						value, _, _ = strings.Cut(value, ";")
						b.n.secret("a session cookie", value)
					}
				}
			}
		}
	}
}

// confidential are the parameters, in addresses and forms, whose values nobody may find later.
var confidential = map[string]string{
	"code": "a code", "access_token": "an access token", "id_token": "an ID token", "id_token_hint": "an ID token", "password": "a password",
	"currentPassword": "a password", "newPassword": "a password", "repeat": "a password", "form": "a form's token", "confirmation": "a form's token",
}

// learn tells the node the secrets of a request.
func (b *tab) learn(r *network.Request) {
	texts := []string{strings.TrimPrefix(r.URLFragment, "#")}
	if u, err := url.Parse(r.URL); err == nil {
		texts = append(texts, u.RawQuery)
	}
	for _, entry := range r.PostDataEntries {
		texts = append(texts, string(entry.Bytes))
	}
	for _, text := range texts {
		values, _ := url.ParseQuery(text)
		for name, what := range confidential {
			for _, value := range values[name] {
				b.n.secret(what, value)
			}
		}
	}
}

func (o *overheard) complain(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.complaints = append(o.complaints, fmt.Sprintf(format, args...))
}

func (o *overheard) setCookie(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cookies = append(o.cookies, line)
}

// set gives the Set-Cookie lines so far.
func (o *overheard) set() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.cookies)
}

// taken gives the complaints so far, once.
func (o *overheard) taken() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.complaints
	o.complaints = nil
	return all
}

// do runs actions within the time of a step.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, step)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.fatalf("%v", err)
	}
}

// ask runs an action that has a result.
func ask[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, step)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.fatalf("%v", err)
	}
	return v
}

// command is a command of the DevTools protocol as an action.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, params)
		return chromedp.Void{}, err
	}
}

// fatalf ends the test with what the person sees.
func (b *tab) fatalf(format string, args ...any) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	at, _ := chromedp.Run(ctx, chromedp.Location())
	seen, _ := chromedp.Run(ctx, chromedp.TextContent(chromedp.CSS("body")))
	if u, err := url.Parse(at); err == nil { // its query may hold a code
		u.RawQuery, u.Fragment = "", ""
		at = u.String()
	}
	b.t.Fatalf("%s\nat %s:\n%s", fmt.Sprintf(format, args...), at, strings.Join(strings.Fields(seen), " "))
}

// visit goes to an address, and on to where that leads. It gives the status of the page there.
func (b *tab) visit(address string) int {
	b.t.Helper()
	return statusOf(ask(b, chromedp.NavigateResponse(address)))
}

// press clicks the element with this id, as a mouse does, and gives the status of the
// page that it leads to.
func (b *tab) press(id string) int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, step)
	defer cancel()
	r, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.ID(id)))
	if err != nil {
		b.fatalf("pressing #%s: %v", id, err)
	}
	return statusOf(r)
}

func statusOf(r *network.Response) int {
	if r == nil {
		return 0
	}
	return int(r.Status)
}

// fill replaces what is in a field, as a password manager or the clipboard does.
func (b *tab) fill(id, text string) {
	b.t.Helper()
	b.do(chromedp.Clear(chromedp.ID(id)), chromedp.Focus(chromedp.ID(id)), command(input.InsertText, input.InsertTextParams{Text: text}))
}

// see waits until the element with this id can be seen.
func (b *tab) see(id string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.ID(id)))
}

// text is what the first element that fits a CSS selector says.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return strings.Join(strings.Fields(ask(b, chromedp.TextContent(chromedp.CSS(selector)))), " ")
}

func (b *tab) value(id string) string {
	b.t.Helper()
	return ask(b, chromedp.Value(chromedp.ID(id)))
}

// has reports whether the page has an element that fits.
func (b *tab) has(selector string) bool {
	b.t.Helper()
	return len(ask(b, chromedp.QueryNodeIDs(chromedp.CSSAll(selector), chromedp.AtLeast(0)))) > 0
}

// focused is the id of the element that keys go to.
func (b *tab) focused() string {
	b.t.Helper()
	return ask(b, chromedp.Evaluate[string]("document.activeElement ? document.activeElement.id : ''"))
}

// attribute is that of the first element that fits.
func (b *tab) attribute(selector, name string) string {
	b.t.Helper()
	return ask(b, chromedp.Attributes(chromedp.CSS(selector)))[name]
}

// at is the address of the page.
func (b *tab) at() *url.URL {
	b.t.Helper()
	u, err := url.Parse(ask(b, chromedp.Location()))
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// back goes one page back, as the button does.
func (b *tab) back() {
	b.t.Helper()
	b.do(chromedp.NavigateBack())
}

// expect compares what an element says.
func (b *tab) expect(selector, want string) {
	b.t.Helper()
	if got := b.text(selector); !strings.Contains(got, want) {
		b.t.Errorf("%s says %q, want %q in it", selector, got, want)
	}
}

// withoutScripts turns JavaScript off.
func (b *tab) withoutScripts() *tab {
	b.t.Helper()
	b.do(command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	return b
}

// speaking sends an Accept-Language.
func (b *tab) speaking(languages string) *tab {
	b.t.Helper()
	b.do(command(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": languages}}))
	return b
}

// looking changes the window and whether the person prefers the dark.
func (b *tab) looking(width, height int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do(chromedp.EmulateViewport(width, height), command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}))
}

// picture is what can be seen, as PNG.
func (b *tab) picture() []byte {
	b.t.Helper()
	return ask(b, chromedp.CaptureScreenshot())
}

// TestBrowserComplaints shows that the other tests would notice a page that breaks
// its own Content-Security-Policy.
func TestBrowserComplaints(t *testing.T) {
	n := &node{secrets: map[string]string{}}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'none'")
		http.SetCookie(w, &http.Cookie{Name: "ST", Value: "value-of-the-cookie"})
		switch r.URL.Path {
		case "/script":
			_, _ = w.Write([]byte(`<p id="p">a</p><script>document.title = "ran"</script>`))
		case "/style":
			_, _ = w.Write([]byte(`<p id="p" style="color:red">a</p>`))
		case "/form":
			_, _ = w.Write([]byte(`<form method="post"><button id="p">a</button></form>`))
		default:
			_, _ = w.Write([]byte(`<p id="p">a</p>`))
		}
	}))
	defer site.Close()
	for _, path := range []string{"/script", "/style", "/form", "/good"} {
		b := browse(t, n)
		b.visit(site.URL + path + "?code=value-of-the-code")
		b.see("p")
		var got []string
		if path == "/form" {
			b.do(chromedp.Click(chromedp.ID("p")))
			eventually(t, step, "a complaint about the form", func() bool {
				got = b.all.taken()
				return len(got) > 0
			})
		}
		got = append(got, b.all.taken()...)
		if want := path != "/good"; len(got) > 0 != want {
			t.Errorf("%s: complaints = %q, want some: %v", path, got, want)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, value := range []string{"value-of-the-cookie", "value-of-the-code"} {
		if n.secrets[value] == "" {
			t.Errorf("%s went by unnoticed", value)
		}
	}
}
