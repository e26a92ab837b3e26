package ui_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/ui"
)

var place = regexp.MustCompile(`\{[a-z]+\}`)

// TestLanguagesAreComplete: every language has every text, with the same places
// to fill, and none is empty.
func TestLanguagesAreComplete(t *testing.T) {
	english := ui.Languages["en"]
	files, err := filepath.Glob("messages/*.json")
	if err != nil || len(files) != len(ui.Languages) {
		t.Errorf("%d files for %d languages (%v)", len(files), len(ui.Languages), err)
	}
	for name, texts := range ui.Languages {
		for key, text := range english {
			got, ok := texts[key]
			switch {
			case !ok:
				t.Errorf("%s lacks %q", name, key)
			case strings.TrimSpace(got) == "":
				t.Errorf("%s: %q is empty", name, key)
			case !slices.Equal(slices.Sorted(slices.Values(place.FindAllString(got, -1))), slices.Sorted(slices.Values(place.FindAllString(text, -1)))):
				t.Errorf("%s: %q has other places than in English: %q", name, key, got)
			}
		}
		for key := range texts {
			if _, ok := english[key]; !ok {
				t.Errorf("%s has %q, which English lacks", name, key)
			}
		}
	}
}

// TestEveryTextExistsAndIsUsed: the keys in templates and code, and those in the files.
func TestEveryTextExistsAndIsUsed(t *testing.T) {
	var source strings.Builder
	for _, pattern := range []string{"*.go", "templates/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(text)
		}
	}
	for _, m := range regexp.MustCompile(`(?:\.T|\.Rich|\$\.T|\.T\()[ (]?"([a-z_A-Z.]+[a-zA-Z])"`).FindAllStringSubmatch(source.String(), -1) {
		if _, ok := ui.Languages["en"][m[1]]; !ok {
			t.Errorf("there is no text %q", m[1])
		}
	}
	// Keys that are put together.
	made := regexp.MustCompile(`^(field|wrong|requirement|scope|error|duration|notice)\.|^(account|consent|register|verify|forgot|recover|change_password|sign_on)\.title$`)
	for key := range ui.Languages["en"] {
		if !made.MatchString(key) && !strings.Contains(source.String(), `"`+key+`"`) {
			t.Errorf("nobody says %q", key)
		}
	}
}

// TestLanguage: the application's wish, the browser's, the environment's, English.
func TestLanguage(t *testing.T) {
	tests := []struct {
		name     string
		locales  []string
		accept   string
		fallback string
		want     string
	}{
		{"nothing said", nil, "", "", "en"},
		{"the application's wish comes first", []string{"de"}, "en", "en", "de"},
		{"the first wish that we speak", []string{"fr", "se", "de-AT"}, "en", "", "de"},
		{"an unknown wish (module ui-locales)", []string{"se"}, "de", "", "de"},
		{"the browser's", nil, "de-CH,de;q=0.9,en;q=0.8", "en", "de"},
		{"weights", nil, "de;q=0.3, en;q=0.9", "de", "en"},
		{"a weight of zero refuses", nil, "de;q=0, fr", "en", "en"},
		{"in order where weights are equal", nil, "de, en", "", "de"},
		{"the environment's", nil, "fr, *", "de", "de"},
		{"capitals and spaces", nil, " DE-de ; q=1.0 ", "", "de"},
		{"script and region", []string{"de-Latn-DE"}, "", "", "de"},
		{"malformed", nil, "de;q=x, ;;, ,-,;q=1", "", "en"},
		{"weights that are none", nil, "de;q=NaN, de;q=2, de;q=-1, de;q=Inf", "", "en"},
		{"one of ours behind too many", nil, strings.Repeat("fr,", 1000) + "de", "", "en"},
		{"the environment speaks something else", nil, "", "fr", "en"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept-Language", tt.accept)
			env := &store.Environment{Branding: store.Branding{Language: tt.fallback}}
			if got := ui.Language(r, env, tt.locales); got != tt.want {
				t.Errorf("language = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestLanguageOfTheAddress: pages without a flow take ui_locales from the address.
func TestLanguageOfTheAddress(t *testing.T) {
	w := httptest.NewRecorder()
	(&ui.Pages{}).SignedOff(w, httptest.NewRequest("GET", "/as/signoff?ui_locales=se+de-AT", nil), nil, nil, "")
	if !strings.Contains(w.Body.String(), "Sie wurden abgemeldet") {
		t.Error("the page is not in German")
	}
}

// FuzzLanguage: whatever is asked for, the answer is one of ours.
func FuzzLanguage(f *testing.F) {
	f.Add("de-CH,de;q=0.9", "se de", "fr")
	f.Fuzz(func(t *testing.T, accept, locales, fallback string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Accept-Language"] = []string{accept}
		if got := ui.Language(r, &store.Environment{Branding: store.Branding{Language: fallback}}, strings.Fields(locales)); ui.Languages[got] == nil {
			t.Errorf("language = %q", got)
		}
	})
}
