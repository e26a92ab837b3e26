package endpoint

import (
	"context"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// EndSession is the end-session endpoint (OIDC RP-Initiated Logout §2), which
// PingOne calls signoff. GET and POST mean the same.
type EndSession struct {
	Directory store.Directory
	Sessions  *session.Sessions
	Logout    *logout.Ender
	Pages     SignOffPages
}

// Serve signs a person off: at once where an ID token of theirs shows that it is
// their client who asks, otherwise after they have confirmed it on our own page,
// since any page on the web can send a browser here.
//
// Errors are pages, and never redirects. A post_logout_redirect_uri that is not
// registered is one, and the session stays.
func (e *EndSession) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK) // no body was asked for, so nobody can have meant to sign off
		return nil
	}
	if err := e.serve(w, r, env); err != nil {
		return onPage(e.Pages, r, env, err)
	}
	return nil
}

func (e *EndSession) serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
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

	// authenticate the browser, and the client by its ID token
	b, err := e.Sessions.Read(r, env)
	if err != nil {
		return oauth.TemporarilyUnavailable(err)
	}
	if b.Session == nil && env.Home != "" {
		return sendHome(w, r, env, "signoff")
	}
	who, err := e.asking(ctx, r, env, q, b)
	if err != nil {
		return err
	}
	if origin := r.Header.Get("Origin"); who.client != nil && origin != "" && who.client.TrustsOrigin(origin) {
		web.AllowOrigin(w.Header(), origin)
	}

	// validate
	if err := q.checkURI(ctx, e.Directory, env, who.client); err != nil {
		return err
	}
	if !who.trusted {
		if b.Session == nil && q.uri == "" {
			e.Pages.SignedOff(w, r, env, nil, "") // there is nothing to ask for
			return nil
		}
		if r.Method != http.MethodPost || !q.confirmed(env, b) {
			e.Sessions.Begin(b)
			b.WriteCookies(w, env)
			e.Pages.ConfirmSignOff(w, r, env, env.EndpointURL("signoff"), q.hidden(q.proof(env, b)))
			return nil
		}
	}

	// act
	frames, err := e.end(ctx, env, b, who)
	if err != nil {
		return err
	}

	// respond
	b.WriteCookies(w, env)
	if next := q.next(); who.trusted && next != "" && len(frames) == 0 {
		goTo(w, r, next)
		return nil
	}
	// From the confirmation page too: its form-action keeps a browser from following a redirect to
	// another origin.
	e.Pages.SignedOff(w, r, env, frames, q.next())
	return nil
}

// signingOff is the client that asks for a sign-off.
type signingOff struct {
	client  *store.Client // nil: unknown
	trusted bool          // it has shown an ID token of the person
	session string        // that the ID token names
}

// asking finds out who asks.
func (e *EndSession) asking(ctx context.Context, r *http.Request, env *store.Environment, q *signOffRequest, b *session.Browser) (signingOff, error) {
	if q.hint == "" {
		client, err := q.named(ctx, e.Directory, env)
		return signingOff{client: client}, err
	}
	hint, err := e.Logout.Hint(ctx, speaking(r, env), q.hint)
	if err != nil {
		return signingOff{}, err
	}
	if err := q.checkHint(hint); err != nil {
		return signingOff{}, err
	}
	if b.Session != nil && b.Session.Subject != hint.Subject {
		return signingOff{}, oauth.InvalidRequest("The id_token_hint was issued to somebody else")
	}
	return signingOff{hint.Client, true, hint.Session}, nil
}

// end ends the session of the browser, and gives the frames that tell its clients. Where there are no pages it
// ends the one that an ID token names, too: the client knows the person by a session of the pages elsewhere, whose
// cookie is not sent here.
func (e *EndSession) end(ctx context.Context, env *store.Environment, b *session.Browser, who signingOff) (frames []string, err error) {
	signedOff := ""
	if b.Session != nil {
		signedOff = b.Session.ID
		if frames, err = e.Logout.End(ctx, env, signedOff, b); err != nil {
			return nil, err
		}
	}
	if env.Home == "" || !who.trusted || who.session == "" || who.session == signedOff {
		return frames, nil
	}
	more, err := e.Logout.End(ctx, env, who.session, nil)
	if err != nil {
		return nil, err
	}
	return append(frames, more...), nil
}
