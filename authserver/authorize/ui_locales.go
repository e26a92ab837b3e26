package authorize

import "context"

// keepLocales keeps the languages that may be names of languages (BCP 47), and
// forgets the others: a wish is never an error (OIDC Core §3.1.2.1).
func keepLocales(_ context.Context, d *draft) error {
	for _, tag := range members(d.form.Get("ui_locales")) {
		if languageTag(tag) {
			d.req.UILocales = append(d.req.UILocales, tag)
		}
	}
	return nil
}

func languageTag(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(s) <= 35
}
