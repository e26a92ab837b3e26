package authorize

import (
	"context"
	"encoding/json"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// MaxState is the longest state, in bytes.
const MaxState = 8 << 10

// maxRequest is the longest Request as JSON, in bytes: a flow has room for 64 KiB
// and other things to remember.
const maxRequest = 56 << 10

// parameter is one that is read, and how long it may be, in bytes. All others
// are ignored (RFC 6749 §3.1), and never kept.
type parameter struct {
	name string
	max  int
}

// parameters are those that say what is asked for; client_id, request and
// request_uri only say who asks, and where it says so.
var parameters = []parameter{
	{"response_type", 64},
	{"response_mode", 64},
	{"redirect_uri", oauth.MaxRedirectURI},
	{"scope", 4 << 10},
	{"state", MaxState},
	{"nonce", 2 << 10},
	{"prompt", 256},
	{"max_age", 64},
	{"acr_values", 1 << 10},
	{"login_hint", 1 << 10},
	{"id_token_hint", 16 << 10},
	{"ui_locales", 1 << 10},
	{"claims", 8 << 10},
	{"code_challenge", 256},
	{"code_challenge_method", 64},
	{"display", 256},
	{paramResource, oauth.MaxResource},
	{"dpop_jkt", 64},
}

// paramResource is the one parameter that may be repeated (RFC 8707 §2).
const paramResource = "resource"

// relevant copies the parameters that count out of a form, so that neither a
// credential nor anything unknown is kept with them. One that was sent empty
// stays so.
func relevant(form *web.Form) *web.Form {
	out := web.NewForm()
	for _, p := range parameters {
		copyParameter(out, form, p.name)
	}
	return out
}

// copyParameter copies all values of one.
func copyParameter(to, from *web.Form, name string) {
	if name == paramResource {
		for _, v := range from.All(name) {
			to.Add(name, v)
		}
		return
	}
	if from.Has(name) {
		to.Set(name, from.Get(name))
	}
}

// wellFormed refuses what is too long, and what is not text: it would not come
// back as it was sent, or not alone.
func wellFormed(_ context.Context, d *draft) error {
	for _, p := range parameters {
		if p.name == paramResource {
			continue // its own check has an error of its own
		}
		v := d.form.Get(p.name)
		if len(v) > p.max {
			return oauth.InvalidRequest("The parameter %s is too long", p.name)
		}
		// claims has a grammar of its own, with line ends.
		if p.name != "claims" && !isText(v) {
			return oauth.InvalidRequest("The parameter %s is malformed", p.name)
		}
	}
	return nil
}

// isText reports whether s is UTF-8 without control characters: a form does not
// bring a line end back as it was.
func isText(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

// bearableSize bounds what a flow has to remember.
func bearableSize(_ context.Context, d *draft) error {
	text, err := json.Marshal(&d.req)
	if err != nil {
		return err
	}
	if len(text) > maxRequest {
		return oauth.InvalidRequest("The request is too long")
	}
	return nil
}
