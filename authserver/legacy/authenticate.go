package legacy

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
)

// The headers of one-step sign-on ("zero page login").
const (
	headerUsername = "X-OpenAM-Username"
	headerPassword = "X-OpenAM-Password"
)

// authenticateVersions are those of the resource; 2.1 differs from 2.0 in nothing that is served here.
var authenticateVersions = []version{{1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}}

// attempt is one request of a sign-on, read and checked.
type attempt struct {
	*call
	version version
	service string // the tree
	// noSession: prove only. force: even if there is a session already.
	noSession, force bool
	// upgrade is sessionUpgradeSSOTokenId: the session that is to go on.
	upgrade secret.Value
	posted  *posted // nil at the start
}

// authenticate is the endpoint of signing on (3.3).
func (c *call) authenticate() error {
	// parse
	v, err := c.version(authenticateVersions...)
	if err != nil {
		return err
	}
	a := &attempt{call: c, version: v}
	if err = a.read(); err == nil {
		// act and respond
		if a.posted != nil {
			err = a.goOn()
		} else {
			err = a.start()
		}
	}
	if err != nil {
		return a.refuse(err)
	}
	return nil
}

// read reads body and parameters.
func (a *attempt) read() (err error) {
	body, err := a.readObject()
	if err != nil {
		return err
	}
	if a.posted, err = readPosted(body); err != nil {
		return err
	}
	if a.service, err = a.askedService(); err != nil {
		return err
	}
	if a.noSession, err = a.flag("noSession"); err != nil {
		return err
	}
	if a.force, err = a.flag("ForceAuth"); err != nil {
		return err
	}
	upgrade, err := a.one("sessionUpgradeSSOTokenId")
	a.upgrade = secret.Of(upgrade)
	return err
}

// askedService is the tree that is asked for, by authIndexType and authIndexValue, or the default. One that is not
// configured is AM's error for it.
func (a *attempt) askedService() (string, error) {
	kind, err := a.one("authIndexType")
	if err != nil {
		return "", err
	}
	value, err := a.one("authIndexValue")
	switch {
	case err != nil:
		return "", err
	case kind == "" && value == "":
		return a.l.Services[0], nil
	case kind == "service" && slices.Contains(a.l.Services, value):
		return value, nil
	}
	e := crest(http.StatusBadRequest, "No Configuration found")
	e.Reason = "service"
	return "", e
}

// one reads a parameter that may be there once; "" is none.
func (c *call) one(name string) (string, error) {
	switch values := c.values[name]; {
	case len(values) > 1:
		return "", crest(http.StatusBadRequest, "The parameter "+name+" is there more than once")
	case len(values) == 1:
		return values[0], nil
	}
	return "", nil
}

// flag reads a parameter that is true or false.
func (c *call) flag(name string) (bool, error) {
	value, err := c.one(name)
	switch {
	case err != nil:
		return false, err
	case strings.EqualFold(value, "true"):
		return true, nil
	case value == "" || strings.EqualFold(value, "false"):
		return false, nil
	}
	return false, crest(http.StatusBadRequest, "The parameter "+name+" is neither true nor false")
}

// start begins a sign-on: with the credentials in headers it is done at once, and who has a session
// already is told so unless they force another one.
func (a *attempt) start() error {
	name, password, sent, err := a.credentials()
	if err != nil {
		return err
	}
	if sent {
		p, err := a.prove(name, password)
		if err != nil {
			return a.told(err)
		}
		return a.proved(p)
	}
	if !a.force && a.upgrade.IsZero() {
		if on, err := a.already(); err != nil {
			return err
		} else if on != nil {
			return a.success(on.realm, secret.Of(a.l.ssoText(on.realm, on.token)))
		}
	}
	return a.ask(authID{Step: stepCredentials}, credentialCallbacks(), "")
}

// already is whose session the request has, of the call's realm; nil for nobody's.
func (a *attempt) already() (*signedOn, error) {
	on, err := a.signedOn()
	if err == nil && on.realm != a.realm {
		return nil, nil
	}
	if err == nil {
		on, err = a.sso()
	}
	if isUnauthorized(err) {
		return nil, nil // a session that has ended is none: who comes with it signs on
	}
	return on, err
}

// credentials are those of the headers of one-step sign-on; sent is false where not both are there.
func (a *attempt) credentials() (name, password string, sent bool, err error) {
	names, passwords := a.r.Header.Values(headerUsername), a.r.Header.Values(headerPassword)
	if len(names) > 1 || len(passwords) > 1 {
		return "", "", false, crest(http.StatusBadRequest, "The credentials are there more than once")
	}
	if len(names) == 0 || len(passwords) == 0 {
		return "", "", false, nil
	}
	return decodeWords(names[0]), decodeWords(passwords[0]), true, nil
}

// decodeWords reads encoded words (RFC 2047), which is how letters outside ASCII come in a header. What
// is none, or of a character set that nobody knows, is meant as it is.
func decodeWords(text string) string {
	decoded, err := new(mime.WordDecoder).DecodeHeader(text)
	if err != nil {
		return text
	}
	return decoded
}

// goOn takes the callbacks that somebody has filled in.
func (a *attempt) goOn() error {
	id, err := a.l.readAuthID(a.posted.authID)
	if err != nil {
		return err
	}
	if id.Realm != a.realm.Path || id.Service != a.service && a.asksService() {
		return errTimedOut // it was begun elsewhere
	}
	a.service, a.noSession = id.Service, a.noSession || id.NoSession
	if id.Step == stepChange {
		return a.change(id)
	}
	values, err := a.posted.fill(credentialCallbacks())
	if err != nil {
		return err
	}
	p, failed := a.prove(values[0], values[1])
	if failed != nil && !errors.Is(failed, errNobody) {
		return failed // nothing was tried, so nothing is spent
	}
	if err := a.spendAuthID(id); err != nil {
		return err
	}
	if failed != nil {
		return a.told(failed)
	}
	return a.proved(p)
}

// asksService reports whether the request names a service at all.
func (a *attempt) asksService() bool { return a.values.Get("authIndexType") != "" }

// proved goes on after somebody has proved who they are.
func (a *attempt) proved(p *proven) error {
	switch p.standing {
	case identity.StandingMustChange, identity.StandingExpired:
		return a.ask(authID{Step: stepChange, Subject: p.user.ID}, changeCallbacks(), "Your password has to be changed")
	case identity.StandingGood:
		return a.done(p)
	}
	return a.told(errNobody) // a standing that is not known here
}

// change takes an old and a new password. The old one is proved again: between two requests anybody may
// have sat down.
func (a *attempt) change(id authID) error {
	ctx := a.r.Context()
	values, err := a.posted.fill(changeCallbacks())
	if err != nil {
		return err
	}
	if err := a.spendAuthID(id); err != nil {
		return err
	}
	env := a.env
	if env == nil {
		return errTimedOut
	}
	user, err := a.l.Users.ByID(ctx, env, id.Subject)
	if err != nil || user.Disabled {
		return a.told(gone(err))
	}
	again := func(why string) error {
		return a.ask(authID{Step: stepChange, Subject: user.ID}, changeCallbacks(), why)
	}
	if values[1] != values[2] {
		return again("The new passwords are not the same")
	}
	err = a.l.Users.ChangePassword(ctx, env, user, values[0], values[1], a.address())
	if weakPassword(err) {
		return again("The new password does not meet the requirements")
	}
	if err != nil {
		return a.told(nobody(err))
	}
	standing, err := a.l.Users.StandingOf(ctx, env, user)
	if err != nil {
		return oauth.CannotTell("find standing", err)
	}
	if standing != identity.StandingGood {
		return a.told(errNobody)
	}
	return a.done(&proven{env: env, user: user})
}

// done makes the session, or none where none was asked for.
func (a *attempt) done(p *proven) error {
	if a.noSession {
		a.l.SignedOn("ok")
		return a.success(a.realm, secret.Value{})
	}
	before, err := a.before(p)
	if err != nil {
		return err
	}
	b, err := a.signOn(p, before)
	if err != nil {
		return err
	}
	a.l.SignedOn("ok")
	text := a.l.ssoText(a.realm, b.Token())
	a.setCookie(text)
	return a.success(a.realm, secret.Of(text))
}

// before is the session that is to go on, or to end: that of sessionUpgradeSSOTokenId, which must be good, or the
// caller's own. One of another realm stays, unless it is in the cookie that is about to be overwritten.
func (a *attempt) before(p *proven) (*session.Browser, error) {
	if !a.upgrade.IsZero() {
		on, err := a.find(a.upgrade)
		if err != nil {
			return nil, err
		}
		if on == nil || on.env.ID != p.env.ID {
			return nil, errTimedOut
		}
		return on.browser, nil
	}
	on, err := a.signedOn()
	if isUnauthorized(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if on.env.ID == p.env.ID {
		return on.browser, nil
	}
	if on.inCookie {
		if _, err := a.l.Logout.End(a.r.Context(), on.env, on.session.ID, nil); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// success answers who has signed on; text is their SSO token.
func (a *attempt) success(r *realm, text secret.Value) error {
	var o object
	if a.noSession {
		o.set("message", "Authentication Successful")
	} else {
		o.set("tokenId", text.Reveal())
	}
	o.set("successUrl", a.l.successURL(r))
	o.set("realm", r.Path)
	return a.write(json.RawMessage(o.bytes()), a.version.String())
}

// ask answers with callbacks to be filled in.
func (a *attempt) ask(id authID, callbacks []callback, header string) error {
	id.Realm, id.Service, id.NoSession = a.realm.Path, a.service, a.noSession
	text, err := a.l.newAuthID(id)
	if err != nil {
		return err
	}
	if header == "" {
		header = "Sign In"
	}
	return a.write(struct {
		AuthID    string     `json:"authId"`
		Template  string     `json:"template"`
		Stage     string     `json:"stage"`
		Header    string     `json:"header"`
		Callbacks []callback `json:"callbacks"`
	}{text, "", stage, header, callbacks}, a.version.String())
}

// stage is what AM calls the one step of its default sign-on; old clients go by it.
const stage = "DataStore1"

// told counts a sign-on that failed.
func (a *attempt) told(err error) error {
	if errors.Is(err, errNobody) {
		a.l.SignedOn(oauth.CodeAccessDenied)
	}
	return err
}
