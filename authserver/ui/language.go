package ui

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

//go:embed messages/*.json
var messageFiles embed.FS

// fallback is the language of last resort.
const fallback = "en"

// languages maps each language that we speak to its texts. They are read for the first page, since many servers show none.
var languages = sync.OnceValue(func() map[string]map[string]string { return readLanguages("en", "de") })

// readLanguages panics over a damaged file: it is part of the program.
func readLanguages(names ...string) map[string]map[string]string {
	all := make(map[string]map[string]string, len(names))
	for _, name := range names {
		text, err := messageFiles.ReadFile("messages/" + name + ".json")
		if err != nil {
			panic(err)
		}
		messages := map[string]string{}
		if err := json.Unmarshal(text, &messages); err != nil {
			panic(fmt.Errorf("messages/%s.json: %w", name, err))
		}
		all[name] = messages
	}
	return all
}

// language chooses the language of a page: what the application asked for
// (ui_locales, OIDC Core §3.1.2.1), then what the browser prefers, then the
// environment's, then English. Unknown ones are passed over, never an error.
func language(r *http.Request, env *store.Environment, uiLocales []string) string {
	wanted := append(slices.Clone(uiLocales), acceptedLanguages(r.Header.Get("Accept-Language"))...)
	if env != nil {
		wanted = append(wanted, env.Branding.Language)
	}
	for _, tag := range wanted {
		if name := primary(tag); languages()[name] != nil {
			return name
		}
	}
	return fallback
}

// asked is the language of a page that belongs to no flow: of an error, or of
// signing off, where the application may wish for one in the address too (OIDC
// RP-Initiated Logout §2).
func asked(r *http.Request, env *store.Environment) string {
	wishes := strings.Fields(r.URL.Query().Get("ui_locales"))
	return language(r, env, wishes[:min(len(wishes), maxLanguages)])
}

// primary is the language of a tag without script, region and the like (RFC 4647 §3.4).
func primary(tag string) string {
	name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
	return name
}

// maxLanguages bounds how much of an Accept-Language header is read.
const maxLanguages = 30

// acceptedLanguages are the tags of an Accept-Language header, the best liked first
// (RFC 9110 §12.5.4). Those of no weight are left out, as is what is malformed.
func acceptedLanguages(header string) []string {
	type liked struct {
		tag    string
		weight float64
	}
	var all []liked
	for part := range strings.SplitSeq(header, ",") {
		if len(all) == maxLanguages {
			break
		}
		tag, params, _ := strings.Cut(part, ";")
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			var err error
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		if tag = strings.TrimSpace(tag); tag != "" && weight > 0 && weight <= 1 {
			all = append(all, liked{tag, weight})
		}
	}
	slices.SortStableFunc(all, func(a, b liked) int {
		switch {
		case a.weight > b.weight:
			return -1
		case a.weight < b.weight:
			return 1
		}
		return 0
	})
	tags := make([]string, len(all))
	for i, l := range all {
		tags[i] = l.tag
	}
	return tags
}

// translate gives the text of key with its {places} filled from pairs of name and value.
// A key that a language lacks is taken from English; one that is nowhere shows itself, which the
// tests find before anybody else does.
func translate(lang, key string, pairs ...any) string {
	text, ok := languages()[lang][key]
	if !ok {
		if text, ok = languages()[fallback][key]; !ok {
			return key
		}
	}
	if len(pairs) == 0 {
		return text
	}
	replacements := make([]string, 0, len(pairs))
	for i := 0; i+1 < len(pairs); i += 2 {
		replacements = append(replacements, "{"+fmt.Sprint(pairs[i])+"}", fmt.Sprint(pairs[i+1]))
	}
	return strings.NewReplacer(replacements...).Replace(text)
}

// hasMessage reports whether there is a text for key.
func hasMessage(key string) bool { _, ok := languages()[fallback][key]; return ok }
