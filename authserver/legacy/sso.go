package legacy

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// An SSO token is the secret of a session and, between two stars, the name of its
// realm, as AM writes what a token says in the clear: pairs of texts, each
// with its length in front, in base64 whose alphabet a cookie can hold. Everything of it is in A-Za-z0-9-_.*.
const (
	secretSize = 43
	// maxSSO bounds an SSO token: a realm has a few names of 64 characters.
	maxSSO = 1024
	// realmKey is the first text of the pair.
	realmKey = "SR"
)

// tail is AM's base64: "." in place of "=".
var tail = base64.URLEncoding.WithPadding('.').Strict()

// ssoText is the SSO token of a session's secret, as clients see it; it names the realm.
func (l *Legacy) ssoText(r *realm, value secret.Value) string {
	return value.Reveal() + "*" + realmTail(r) + "*"
}

// realmTail is what names a realm.
func realmTail(r *realm) string {
	var b []byte
	for _, text := range []string{realmKey, r.Path} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
		b = append(b, text...)
	}
	return tail.EncodeToString(b)
}

// parseSSO reads an SSO token. There is one text for each secret and realm.
func (l *Legacy) parseSSO(text string) (r *realm, value secret.Value, ok bool) {
	if len(text) < secretSize+2 || len(text) > maxSSO || text[secretSize] != '*' || text[len(text)-1] != '*' {
		return nil, secret.Value{}, false
	}
	if r = l.realmOfTail(text[secretSize+1 : len(text)-1]); r == nil {
		return nil, secret.Value{}, false
	}
	return r, secret.Of(text[:secretSize]), true
}

// realmOfTail reads what realmTail has written; nil for anything else.
func (l *Legacy) realmOfTail(encoded string) *realm {
	if strings.ContainsAny(encoded, "\r\n") { // base64 would skip them
		return nil
	}
	b, err := tail.DecodeString(encoded)
	if err != nil {
		return nil
	}
	key, b, found := cutText(b)
	path, rest, whole := cutText(b)
	if !found || !whole || key != realmKey || len(rest) != 0 {
		return nil
	}
	r := l.byPath(path)
	if r == nil || r.Path != path {
		return nil
	}
	return r
}

func cutText(b []byte) (text string, rest []byte, ok bool) {
	if len(b) < 2 {
		return "", nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return "", nil, false
	}
	return string(b[2 : 2+n]), b[2+n:], true
}

// presented is the SSO token of a request, as it was sent. A header named like
// the cookie wins; two headers or two cookies are as good as a bad token, since which of them is
// whose cannot be told.
type presented struct {
	text     secret.Value
	sent     bool // there is one, good or bad
	inCookie bool
}

func (l *Legacy) presented(r *http.Request) presented {
	if values := r.Header.Values(l.Cookie); len(values) > 1 || len(values) == 1 && values[0] != "" {
		p := presented{sent: true}
		if len(values) == 1 {
			p.text = secret.Of(values[0])
		}
		return p
	}
	switch cookies := r.CookiesNamed(l.Cookie); {
	case len(cookies) == 1:
		return presented{text: secret.Of(cookies[0].Value), sent: true, inCookie: true}
	case len(cookies) > 1:
		return presented{sent: true, inCookie: true}
	}
	return presented{}
}

// signedOn is whose SSO token a request has.
type signedOn struct {
	realm   *realm
	env     *store.Environment // the realm's, with its own issuer; administrators' for them
	session *session.Session
	user    *store.User
	// super: one of the configured administrators.
	super bool
	token secret.Value // the secret of the session; ssoText makes the SSO token of it
	// inCookie: it came in the cookie and not in the header.
	inCookie bool

	browser *session.Browser
}

// accessDenied and unauthorized are the answers to who has no SSO token, and to
// who has one that is not good (any more).
func accessDenied() error {
	e := crest(http.StatusUnauthorized, "Access Denied")
	e.Reason = "no_session"
	return e
}

func unauthorized() error {
	e := crest(http.StatusUnauthorized, "Unauthorized")
	e.Reason = "session"
	return e
}

func isUnauthorized(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.Status == http.StatusUnauthorized
}

// sso finds out who called: 401 "Access Denied" where there is no SSO token, 401 "Unauthorized" where
// it is not good (any more). A bearer token is none. It counts as use of the session.
func (c *call) sso() (*signedOn, error) {
	on, err := c.signedOn()
	if err != nil {
		return nil, err
	}
	now, err := c.l.Sessions.Prolong(c.r.Context(), on.env, on.session.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, unauthorized() // ended just now
	case err != nil:
		return nil, oauth.CannotTell("use session", err)
	}
	on.session = now
	return on, nil
}

// signedOn is sso without counting as use.
func (c *call) signedOn() (*signedOn, error) {
	if c.caller != nil {
		return c.caller, nil
	}
	p := c.l.presented(c.r)
	if !p.sent {
		return nil, accessDenied()
	}
	on, err := c.find(p.text)
	if err != nil {
		return nil, err
	}
	if on == nil {
		return nil, unauthorized()
	}
	on.inCookie = p.inCookie
	if on.inCookie && c.crossOrigin() && (on.super || on.realm != c.realm) {
		return nil, accessDenied()
	}
	c.caller = on
	return on, nil
}

// crossOrigin reports whether a page of another origin has sent a request. Such pages are trusted by an application of the
// call's realm (see trusts): with the cookie they are let in as a person of that realm, and neither as one of another realm
// nor as an administrator, whose power goes beyond every application's.
func (c *call) crossOrigin() bool {
	origins := c.r.Header.Values("Origin")
	return len(origins) > 0 && (len(origins) > 1 || !strings.EqualFold(origins[0], strings.TrimSuffix(c.l.URL, prefix)))
}

// find finds whose SSO token a text is: nil for nobody's.
func (c *call) find(text secret.Value) (*signedOn, error) {
	r, value, ok := c.l.parseSSO(text.Reveal())
	if !ok {
		return nil, nil
	}
	if r.Path == "/" {
		on, err := c.holder(r, c.l.root.env, value)
		if on != nil || err != nil {
			return on, err
		}
	}
	env, err := c.environment(r)
	if err != nil {
		return nil, err
	}
	if env == nil {
		return nil, nil
	}
	return c.holder(r, env, value)
}

// holder finds whose session a secret stands for. A person who is gone or was disabled has none.
func (c *call) holder(r *realm, env *store.Environment, value secret.Value) (*signedOn, error) {
	b, err := c.l.Sessions.Presented(c.r, env, value)
	if err != nil {
		return nil, oauth.CannotTell("read session", err)
	}
	if b.Session == nil {
		return nil, nil
	}
	user, err := c.l.usersOf(env).ByID(c.r.Context(), env, b.Session.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, oauth.CannotTell("find user", err)
	case user.Disabled:
		return nil, nil
	}
	return &signedOn{
		realm: r, env: env, session: b.Session, user: user, super: env == c.l.root.env, token: value, browser: b,
	}, nil
}

// checkCSRF refuses (403) what changes something, trusts the cookie and has neither X-Requested-With nor
// Accept-API-Version (3.5): no other site's page can send those unasked.
func (c *call) checkCSRF() error {
	switch c.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if !c.l.presented(c.r).inCookie || c.r.Header.Get("X-Requested-With") != "" || c.r.Header.Get(headerVersion) != "" {
		return nil
	}
	return forbidden("csrf")
}

// setCookie gives a browser its SSO token; "" takes it away.
func (c *call) setCookie(text string) {
	cookie := &http.Cookie{
		Name: c.l.Cookie, Value: text, Path: "/", HttpOnly: true, Domain: strings.TrimPrefix(c.l.CookieDomain, "."),
	}
	if c.l.secure() {
		// None: applications of other sites call with it, as they do in AM. checkCSRF is for that.
		cookie.Secure, cookie.SameSite = true, http.SameSiteNoneMode
	} else {
		cookie.SameSite = http.SameSiteLaxMode
	}
	if text == "" {
		cookie.MaxAge, cookie.Expires = -1, time.Unix(1, 0)
	}
	http.SetCookie(c.w, cookie)
}

// secure reports whether clients come by https.
func (l *Legacy) secure() bool { return strings.HasPrefix(l.URL, "https://") }
