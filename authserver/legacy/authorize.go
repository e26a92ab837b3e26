package legacy

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// authorize is the authorization endpoint. For a person who is signed on by an SSO token of the realm it answers at once,
// where nothing else is needed of them; for everybody else the environment's own endpoint goes on, in the name of the
// realm's issuer.
func (c *call) authorize() error {
	on, err := c.personHere()
	if err != nil {
		return err
	}
	application, err := c.asked()
	if err != nil {
		return err
	}
	if err := c.l.Endpoints["authorize"](c.w, c.asBrowser(on), c.env); err != nil {
		return c.inAM(err)
	}
	if !strings.HasPrefix(c.w.Header().Get("Location"), c.env.Home+"/") { // where it goes on, nothing was answered
		c.calledByID(application("client_id"))
	}
	return nil
}

// endSession is the end-session endpoint. It ends the session that the SSO token stands for; where there is
// none, the environment's own endpoint goes on, with the session that it knows.
func (c *call) endSession() error {
	on, err := c.personHere()
	if err != nil {
		return err
	}
	sent, err := c.asked()
	if err != nil {
		return err
	}
	w := c.w
	if on != nil && on.inCookie {
		w = &beforeHeader{ResponseWriter: c.w, do: func() { c.forgetEnded(on) }}
	}
	if err := c.l.Endpoints["signoff"](w, c.asBrowser(on), c.env); err != nil {
		return c.inAM(err)
	}
	if on == nil {
		return nil
	}
	if hint := sent("id_token_hint"); hint != "" {
		if h, err := c.l.Logout.Hint(c.r.Context(), c.env, hint); err == nil {
			c.calledBy(h.Client)
		}
	}
	return nil
}

// asked gives the parameters of a request of the front channel by name, of the query or of the form, once it was found good.
func (c *call) asked() (parameter func(name string) string, err error) {
	if c.r.Method != http.MethodPost {
		return c.values.Get, nil
	}
	body, err := c.keepBody()
	if err != nil {
		return nil, err
	}
	return func(name string) string {
		form, _ := url.ParseQuery(string(body)) // nobody's, if it cannot be read
		return form.Get(name)
	}, nil
}

// personHere is the person of this realm who is signed on; nil where nobody is. Administrators are nobody's person.
func (c *call) personHere() (*signedOn, error) {
	on, err := c.signedOn()
	if err != nil {
		if oauth.From(err).Status == http.StatusUnauthorized {
			return nil, nil
		}
		return nil, err
	}
	if on.super || on.realm != c.realm {
		return nil, nil
	}
	return on, nil
}

// asBrowser is the request as the server's own endpoint knows it: the session in the cookie ST, and nothing of what /am
// goes by, nor of the cookie ST that the browser may hold for another place.
func (c *call) asBrowser(on *signedOn) *http.Request {
	r := c.r.Clone(c.r.Context())
	r.Header.Del(c.l.Cookie)
	r.Header.Del("Cookie")
	if state := c.r.CookiesNamed(session.StateCookie); len(state) == 1 {
		r.AddCookie(&http.Cookie{Name: session.StateCookie, Value: state[0].Value})
	}
	if on != nil {
		r.AddCookie(&http.Cookie{Name: session.Cookie, Value: on.token.Reveal()})
	}
	return r
}

// forgetEnded takes the SSO token away from a browser whose session has ended.
func (c *call) forgetEnded(on *signedOn) {
	if _, err := c.l.Sessions.ByID(c.r.Context(), on.env, on.session.ID); errors.Is(err, store.ErrNotFound) {
		c.setCookie("")
	}
}

// beforeHeader does something right before the header of an answer goes out.
type beforeHeader struct {
	http.ResponseWriter
	do   func()
	done bool
}

func (w *beforeHeader) WriteHeader(status int) {
	if !w.done {
		w.done = true
		w.do()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *beforeHeader) Write(b []byte) (int, error) {
	if !w.done {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *beforeHeader) Unwrap() http.ResponseWriter { return w.ResponseWriter }
