package endpoint

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// SignOffPages are the pages of signing off.
type SignOffPages interface {
	// ConfirmSignOff asks whether to sign off: a form that posts the hidden fields to action.
	ConfirmSignOff(w http.ResponseWriter, r *http.Request, env *store.Environment, action string, hidden [][2]string)
	// SignedOff says that the person has been signed off, loads frames, and then goes to next where that is set.
	SignedOff(w http.ResponseWriter, r *http.Request, env *store.Environment, frames []string, next string)
	ErrorPage
}

// maxPostLogout bounds post_logout_redirect_uri and state together, in bytes.
const maxPostLogout = 8192

// signOffRequest is what a request to sign off says, nothing of it judged yet
// but its size.
type signOffRequest struct {
	hint, client, uri, state string
	confirmation             string // of our own page
}

// fieldConfirmation is the hidden field that our confirmation page posts.
const fieldConfirmation = "confirmation"

func readSignOff(form *web.Form) (*signOffRequest, error) {
	q := &signOffRequest{
		hint: form.Get("id_token_hint"), client: form.Get("client_id"),
		uri: form.Get("post_logout_redirect_uri"), state: form.Get("state"), confirmation: form.Get(fieldConfirmation),
	}
	if len(q.uri)+len(q.state) >= maxPostLogout {
		return nil, oauth.InvalidRequest("The parameters post_logout_redirect_uri and state are too long")
	}
	return q, nil
}

// next is where to go after signing off; "" is nowhere. state comes back exactly
// as it was sent, and nothing is added beside it (OIDC RP-Initiated Logout §3).
func (q *signOffRequest) next() string {
	if q.uri == "" || q.state == "" {
		return q.uri
	}
	return logout.AddQuery(q.uri, [2]string{"state", q.state})
}

// hidden are the fields with which the confirmation page repeats the request.
func (q *signOffRequest) hidden(confirmation string) [][2]string {
	fields := [][2]string{{fieldConfirmation, confirmation}}
	for _, f := range [...][2]string{{"client_id", q.client}, {"post_logout_redirect_uri", q.uri}, {"state", q.state}} {
		if f[1] != "" {
			fields = append(fields, f)
		}
	}
	return fields
}

// formSignOff stands for the confirmation page where forms of flows have an id.
const formSignOff = "sign-off"

// proof ties the confirmation to the browser that was asked and to what it was
// asked, so that nobody else can have the browser post it.
func (q *signOffRequest) proof(env *store.Environment, b *session.Browser) string {
	asked := web.NewForm([2]string{"env", env.ID}, [2]string{"client", q.client}, [2]string{"uri", q.uri}, [2]string{"state", q.state})
	return b.FormToken(formSignOff, asked.Encode())
}

// confirmed reports whether our page, shown to this browser, sent the request.
// A browser without a cookie has not been shown any.
func (q *signOffRequest) confirmed(env *store.Environment, b *session.Browser) bool {
	return q.confirmation != "" && b.Binding() != (store.Hash{}) && secret.Equal([]byte(q.confirmation), []byte(q.proof(env, b)))
}

// named finds the client that the request names by its id alone.
func (q *signOffRequest) named(ctx context.Context, directory store.Directory, env *store.Environment) (*store.Client, error) {
	if q.client == "" {
		return nil, nil
	}
	c, err := directory.ClientByID(ctx, env.ID, q.client)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !c.Enabled:
		return nil, oauth.InvalidRequest("The client_id is unknown")
	case err != nil:
		return nil, oauth.TemporarilyUnavailable(err)
	}
	return c, nil
}

// checkURI judges post_logout_redirect_uri: one that client has registered, byte
// for byte; where no client is known, one of any enabled client.
func (q *signOffRequest) checkURI(ctx context.Context, directory store.Directory, env *store.Environment, client *store.Client) error {
	if q.uri == "" {
		return nil
	}
	registered := false
	if client != nil {
		registered = slices.Contains(client.PostLogoutRedirectURIs, q.uri)
	} else {
		var err error
		if registered, err = directory.PostLogoutRedirectURI(ctx, env.ID, q.uri); err != nil {
			return oauth.TemporarilyUnavailable(err)
		}
	}
	if !registered {
		return oauth.InvalidRequest("The post_logout_redirect_uri is not registered")
	}
	return nil
}

// checkHint compares the hint with the client_id beside it.
func (q *signOffRequest) checkHint(h *logout.Hint) error {
	if q.client != "" && q.client != h.Client.ID {
		return oauth.InvalidRequest("The client_id is not the one that the id_token_hint was issued to")
	}
	return nil
}

// goTo redirects after signing off: 303 after a POST, so that the browser does
// not repeat it there. The address of this page may hold an ID token.
func goTo(w http.ResponseWriter, r *http.Request, next string) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", next)
	w.Header().Set("Content-Length", "0")
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusFound)
}
