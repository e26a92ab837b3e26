package authorize

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Response is the answer to an authorization request, good or bad.
type Response struct {
	ReplyTo ReplyTo
	Params  [][2]string // in order, state and iss included
}

// Refuse is the answer that carries an error. id is the correlation id.
func Refuse(env *store.Environment, to ReplyTo, e *oauth.Error, id string) *Response {
	r := &Response{ReplyTo: to}
	r.add("error", e.Code)
	if env.Home == "" {
		r.add("error_description", web.Description(e, id))
	} else { // clients of such a place know other words than PingOne's, and look for them as they are
		r.add("error_description", web.Printable(e.Description))
	}
	r.finish(env)
	return r
}

func (r *Response) add(name, value string) { r.Params = append(r.Params, [2]string{name, value}) }

// finish adds what is in every answer: the state as it was sent, and who answers,
// so that a client of several issuers cannot be made to mix them up (RFC 9207 §2).
func (r *Response) finish(env *store.Environment) {
	if r.ReplyTo.State != "" {
		r.add("state", r.ReplyTo.State)
	}
	r.add("iss", env.Issuer)
}

// Write sends the response in its mode: 302 (303 after a POST, so that the
// browser does not post the form on; RFC 9700 §4.12) with query or fragment, or
// the form_post page. It is not for pi.flow, whose answer is the caller's own.
func (r *Response) Write(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Referrer-Policy", "no-referrer")
	switch r.ReplyTo.Mode {
	case oauth.ModeFormPost:
		r.writeFormPost(w, req)
		return
	case oauth.ModeFragment:
		h.Set("Location", r.ReplyTo.URI+"#"+encode(r.Params))
	case oauth.ModeQuery:
		h.Set("Location", r.ReplyTo.URI+separator(r.ReplyTo.URI)+encode(r.Params))
	default:
		panic("authorize: a response in the mode " + r.ReplyTo.Mode + " has no place to go")
	}
	h.Set("Content-Length", "0")
	status := http.StatusFound
	if req.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	w.WriteHeader(status)
}

// separator is what stands between a redirect URI, whose own query stays as it
// is (RFC 6749 §3.1.2), and our parameters.
func separator(uri string) string {
	switch i := strings.IndexByte(uri, '?'); {
	case i < 0:
		return "?"
	case i == len(uri)-1 || uri[len(uri)-1] == '&':
		return ""
	}
	return "&"
}

// encode writes parameters for a query or a fragment. A space becomes %20, which
// every reader understands: some do not take a plus for one behind a "#".
func encode(params [][2]string) string {
	var b strings.Builder
	for i, p := range params {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0])
		b.WriteByte('=')
		b.WriteString(strings.ReplaceAll(url.QueryEscape(p[1]), "+", "%20"))
	}
	return b.String()
}
