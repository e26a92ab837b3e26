package ui_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var updatePages = flag.Bool("update-pages", false, "write the pictures in docs/pages with Chromium (and pngquant, where there is one)")

// shots are the pictures that are kept: of each sample, how it is looked at.
var shots = []struct{ sample, look string }{
	{"sign-on", "desktop"}, {"sign-on", "phone"}, {"sign-on", "desktop dark"}, {"sign-on", "phone dark"}, {"sign-on-german", "phone"},
	{"sign-on-wrong-password", "desktop"}, {"sign-on-locked", "phone"}, {"sign-on-limited", "phone dark"}, {"sign-on-stale", "phone"},
	{"password-again", "desktop"}, {"password-again", "phone"}, {"select-account", "desktop"}, {"select-account", "phone dark"},
	{"register", "desktop tall"}, {"register", "phone tall"}, {"register-wrong", "desktop tall"}, {"register-wrong", "phone tall dark"}, {"sign-on-locked", "small"},
	{"verify", "desktop"}, {"verify", "phone"}, {"verify-wrong", "phone"}, {"forgot", "desktop"}, {"forgot", "phone"},
	{"recover", "desktop"}, {"recover-sent", "phone tall"},
	{"change-password-expired", "desktop"}, {"change-password-must", "phone tall"}, {"change-password-wrong", "phone tall dark"},
	{"consent", "desktop tall"}, {"consent", "phone tall"}, {"consent", "desktop tall dark"}, {"consent-german", "phone tall dark"}, {"consent-german", "small tall"},
	{"finished", "desktop"}, {"finished", "phone"}, {"sign-off", "desktop"}, {"sign-off", "phone"},
	{"signed-off", "desktop"}, {"signed-off", "phone"}, {"signed-off-onward", "phone dark"},
	{"error", "desktop"}, {"error", "phone"}, {"error", "desktop dark"}, {"error-gone", "phone"}, {"error-server", "phone"},
}

// file is the name of a picture.
func file(sample, look string) string {
	return sample + "-" + strings.ReplaceAll(strings.Replace(look, " tall", "", 1), " ", "-") + ".png"
}

// TestPictures keeps the pictures complete; -update-pages takes them anew.
func TestPictures(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "pages")
	if *updatePages {
		takePictures(t, dir)
	}
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shots {
		name := file(s.sample, s.look)
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("no picture (run with -update-pages to take it): %v", err)
		}
		if !strings.Contains(string(index), name) {
			t.Errorf("docs/pages/README.md lacks %s", name)
		}
	}
}

// marks stand in for the logos, which a test has no network to fetch.
var marks = map[string]string{
	"mark.svg": `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40" width="40" height="40"><rect width="40" height="40" rx="10" fill="#0f766e"/>` +
		`<path d="M12 28V12l16 16V12" fill="none" stroke="#fff" stroke-width="3.5" stroke-linecap="round" stroke-linejoin="round"/></svg>`,
	"logo.svg": `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40" width="40" height="40"><rect width="40" height="40" fill="#fff7ed"/>` +
		`<path d="M9 15l11-6 11 6v11l-11 6-11-6z" fill="#f59e0b"/><path d="M9 15l11 6 11-6M20 21v11" fill="none" stroke="#92400e" stroke-width="1.8"/></svg>`,
}

// takePictures writes every picture into dir.
func takePictures(t *testing.T, dir string) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("the pictures need Chromium: %v", err)
	}
	all := map[string]sample{}
	for _, s := range samples() {
		all[s.name] = s
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if mark := marks[name]; mark != "" {
			w.Header().Set("Content-Type", "image/svg+xml")
			_, _ = w.Write([]byte(mark))
			return
		}
		page, ok := all[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		// The logos come from here, and no script goes on before the picture is
		// taken; everything else is the page as it is.
		got := page.get()
		here := "http://" + r.Host
		for _, host := range []string{"https://northwind.example", "https://orders.example"} {
			got.Body = bytes.NewBuffer(bytes.ReplaceAll(got.Body.Bytes(), []byte(`src="`+host), []byte(`src="`+here)))
		}
		csp := strings.NewReplacer("https://northwind.example", here, "https://orders.example", here).Replace(got.Header().Get("Content-Security-Policy"))
		csp = strings.Replace(csp, "; script-src ", "; script-src-elem 'none'; script-src-attr ", 1)
		w.Header().Set("Content-Type", got.Header().Get("Content-Type"))
		w.Header().Set("Content-Security-Policy", csp)
		_, _ = w.Write(got.Body.Bytes())
	}))
	defer server.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, s := range shots {
		takePicture(t, chromium, server.URL+"/"+s.sample, filepath.Join(dir, file(s.sample, s.look)), s.look)
	}
}

// fontSettings leave Chromium two families of fonts, so that the pictures look
// the same wherever they are taken: Debian's fonts-inter, closest to what people's systems
// have, and for what it lacks fonts-liberation.
const fontSettings = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>/usr/share/fonts/opentype/inter</dir><dir>/usr/share/fonts/truetype/liberation</dir><cachedir prefix="xdg">fontconfig</cachedir>
<alias><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
<alias><family>monospace</family><prefer><family>Liberation Mono</family></prefer></alias>
</fontconfig>`

// takePicture looks at one page.
func takePicture(t *testing.T, chromium, address, path, look string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	width, height, scheme := 1280, 900, 1
	if strings.HasPrefix(look, "phone") {
		width, height = 390, 844
	}
	if strings.HasPrefix(look, "small") { // the least that WCAG 2.2 §1.4.10 asks for
		width, height = 320, 720
	}
	if strings.Contains(look, "tall") { // scrolled, in life
		height += 250
	}
	if strings.HasSuffix(look, "dark") {
		scheme = 0
	}
	fonts := filepath.Join(t.TempDir(), "fonts.conf")
	if err := os.WriteFile(fonts, []byte(fontSettings), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
		"--user-data-dir="+t.TempDir(), fmt.Sprintf("--window-size=%d,%d", width, height), fmt.Sprintf("--blink-settings=preferredColorScheme=%d", scheme),
		"--screenshot="+path, address)
	cmd.Env = append(os.Environ(), "FONTCONFIG_FILE="+fonts)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", address, err, out)
	}
	if pngquant, err := exec.LookPath("pngquant"); err == nil {
		if out, err := exec.CommandContext(ctx, pngquant, "--force", "--strip", "--output", path, "64", path).CombinedOutput(); err != nil {
			t.Fatalf("pngquant: %v\n%s", err, out)
		}
	}
}
