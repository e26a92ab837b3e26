package endpoint

import (
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// IDPSignoff is PingOne's idpSignoff: signing off with an ID token alone, for
// native applications, whose requests bring no cookie. Only for clients that have IDPSignoff.
type IDPSignoff struct {
	Sessions *session.Sessions
	Logout   *logout.Ender
	Pages    SignOffPages
}

// Serve ends the session that the ID token names. One that has ended is a
// success. The answer is a redirect to post_logout_redirect_uri; without one, 204
// where JSON is accepted, otherwise a redirect to where a browser reads that it is
// signed off. PingOne redirects to a sign-on page there, which without an
// application to sign on to could say nothing but an error.
func (e *IDPSignoff) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	err := e.serve(w, r, env)
	if err == nil || web.WantsJSON(r) {
		return err
	}
	return onPage(e.Pages, r, env, err)
}

func (e *IDPSignoff) serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	ctx := r.Context()

	// parse
	form, err := web.ReadParameters(r)
	if err != nil {
		return err
	}
	q, err := readSignOff(form)
	if err != nil {
		return err
	}
	if _, err := form.Require("id_token_hint"); err != nil {
		return err
	}

	// authenticate the client, and through it the person
	hint, err := e.Logout.Hint(ctx, env, q.hint)
	if err != nil {
		return err
	}
	switch {
	case !hint.Client.IDPSignoff:
		return oauth.UnauthorizedClient("The client may not sign off with an ID token alone")
	case hint.Session == "":
		return oauth.InvalidRequest("The id_token_hint names no session")
	}

	// validate
	if err := q.checkHint(hint); err != nil {
		return err
	}
	if err := q.checkURI(ctx, nil, env, hint.Client); err != nil {
		return err
	}
	s, err := e.Sessions.ByID(ctx, env, hint.Session)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return oauth.TemporarilyUnavailable(err)
	case s.Subject != hint.Subject:
		return oauth.InvalidRequest("The id_token_hint was issued to somebody else")
	}

	// act; there is no browser here that could load front-channel addresses
	if _, err := e.Logout.End(ctx, env, hint.Session, nil); err != nil {
		return err
	}

	// respond
	switch next := q.next(); {
	case next != "":
		goTo(w, r, next)
	case web.WantsJSON(r):
		w.WriteHeader(http.StatusNoContent)
	default:
		goTo(w, r, env.Issuer+"/signoff")
	}
	return nil
}
