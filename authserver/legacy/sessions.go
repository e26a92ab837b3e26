package legacy

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
)

// sessionVersions are those of the resource. Up to 3.1 the token that an action is about is a parameter of
// the query, or in the path; from 4.0 on it is in the body, where no log sees it.
var sessionVersions = []version{{1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}, {3, 0}, {3, 1}, {4, 0}}

// inPathVersions are those that have the token in the path: all but the last.
var inPathVersions = sessionVersions[:len(sessionVersions)-1]

// sessionCall is one request to the sessions resource.
type sessionCall struct {
	*call
	version version
	body    map[string]json.RawMessage // nil for none
	inPath  secret.Value               // an SSO token in the path; zero for none
}

// sessionActions is the table of 3.4.
var sessionActions = map[string]func(*sessionCall) error{
	"getSessionInfo":                 func(s *sessionCall) error { return s.info(false) },
	"getSessionInfoAndResetIdleTime": func(s *sessionCall) error { return s.info(true) },
	"validate":                       (*sessionCall).validate,
	"refresh":                        (*sessionCall).refresh,
	"logout":                         (*sessionCall).logout,
	actionLogoutByHandle:             (*sessionCall).logoutByHandle,
}

const actionLogoutByHandle = "logoutByHandle"

// sessions is the resource of sessions: actions, and the administrators' list.
func (c *call) sessions() error {
	v, err := c.version(sessionVersions...)
	if err != nil {
		return err
	}
	s := &sessionCall{call: c, version: v}
	if c.r.Method != http.MethodPost {
		return s.list()
	}
	return s.act()
}

// sessionInPath is an action on the session whose SSO token is in the path: the oldest form, which agents know.
func (c *call) sessionInPath() error {
	v, err := c.version(inPathVersions...)
	if err != nil {
		return err
	}
	s := &sessionCall{call: c, version: v, inPath: secret.Of(c.param(0))}
	if c.query.action == actionLogoutByHandle {
		return noAction(c.query.action) // that names its sessions itself
	}
	return s.act()
}

// act runs the action that is asked for.
func (s *sessionCall) act() error {
	action, ok := sessionActions[s.query.action]
	switch {
	case s.query.action == "":
		return notImplemented()
	case !ok:
		return noAction(s.query.action)
	}
	body, err := s.readObject()
	if err != nil {
		return err
	}
	if body != nil && json.Unmarshal(body, &s.body) != nil {
		return crest(http.StatusBadRequest, "The body is not a JSON object")
	}
	return action(s)
}

var actionName = pattern.New(`^[A-Za-z]{1,64}$`)

// noAction is AM's answer to an action that there is not. It names it, if that is a word.
func noAction(name string) error {
	if !actionName.MatchString(name) {
		name = "that was asked for"
	}
	return crest(http.StatusNotImplemented, "Action "+name+" not implemented for this resource")
}

// tokenID is the session that an action is about, where it is named: ok is false where it is not, and the action is on the
// caller's own.
func (s *sessionCall) tokenID() (value secret.Value, ok bool, err error) {
	inQuery, err := s.one("tokenId")
	if err != nil {
		return secret.Value{}, false, err
	}
	text, inBody := "", s.body["tokenId"] != nil
	if inBody && json.Unmarshal(s.body["tokenId"], &text) != nil {
		return secret.Value{}, false, crest(http.StatusBadRequest, "tokenId is not a text")
	}
	switch _, sent := s.values["tokenId"]; {
	case sent && s.version.major >= 4:
		// To take it for nothing would have the action end the caller's own session.
		return secret.Value{}, false, crest(http.StatusBadRequest, "From version 4.0 on, tokenId is a member of the body")
	case sent && inBody, !s.inPath.IsZero() && (sent || inBody):
		return secret.Value{}, false, crest(http.StatusBadRequest, "tokenId is there more than once")
	case !s.inPath.IsZero():
		return s.inPath, true, nil
	case inQuery != "":
		return secret.Of(inQuery), true, nil
	}
	return secret.Of(text), text != "", nil
}

// about is whose session an action is about, and who called.
type about struct {
	*signedOn           // nil: the token is nobody's (any more), or of another realm
	caller    *signedOn // nil: who holds a token, and names it, needs no other one
	elsewhere bool      // it is of another realm than the path
}

// target finds what an action is about. 401 where no token is there at all, and where the caller's is not good
// although another one is named.
func (s *sessionCall) target() (about, error) {
	text, named, err := s.tokenID()
	if err != nil {
		return about{}, err
	}
	own := s.l.presented(s.r)
	if named && own.sent && own.text.Equal(text) {
		named = false
	}
	caller, err := s.signedOn()
	switch {
	case err == nil:
	case !isUnauthorized(err), own.sent && named, !own.sent && !named:
		return about{}, err
	}
	on := caller
	if named {
		if on, err = s.find(text); err != nil {
			return about{}, err
		}
	}
	a := about{signedOn: on, caller: caller}
	if on != nil && !s.here(on) {
		a.signedOn, a.elsewhere = nil, true
	}
	return a, nil
}

// here reports whether the path is that of somebody's realm: in another one they are nobody. The top realm's path
// is everybody's, as in AM.
func (s *sessionCall) here(on *signedOn) bool {
	return s.realm.Path == "/" || s.realm == on.realm || on.super
}

// own reports whether it is the caller's own session.
func (a about) own() bool {
	return a.signedOn != nil && (a.caller == nil || a.caller.session.ID == a.session.ID && a.caller.env.ID == a.env.ID)
}

// may refuses (403) who asks about another session and is no administrator.
func (a about) may() error {
	if a.caller == nil || a.caller.super || a.own() || a.signedOn == nil {
		return nil
	}
	return forbidden("session")
}

// allowed is target, and may.
func (s *sessionCall) allowed() (about, error) {
	a, err := s.target()
	if err == nil {
		err = a.may()
	}
	return a, err
}

func forbidden(reason string) error {
	e := crest(http.StatusForbidden, "Forbidden")
	e.Reason = reason
	return e
}

// moment is a time as AM writes it.
func moment(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// properties are what getSessionInfo and lists say of a session.
func properties(on *signedOn) map[string]any {
	unused, latest := session.Ends(on.env, on.session)
	return map[string]any{
		"username": on.user.ID, "universalId": universalID(on.user.ID, on.realm), "realm": on.realm.Path,
		"latestAccessTime": moment(on.session.ActiveAt), "maxIdleExpirationTime": moment(unused), "maxSessionExpirationTime": moment(latest),
	}
}

// info is getSessionInfo, which is no use of the session, or with reset getSessionInfoAndResetIdleTime, which is.
func (s *sessionCall) info(reset bool) error {
	a, err := s.allowed()
	if err != nil {
		return err
	}
	if a.signedOn == nil {
		if s.version.major < 3 {
			return s.answer(map[string]any{"valid": false}, s.version.String())
		}
		return unauthorized()
	}
	if reset {
		if err := s.prolong(a.signedOn); err != nil {
			return err
		}
	}
	object := properties(a.signedOn)
	object["properties"] = map[string]any{"AMCtxId": a.session.ID}
	return s.answer(object, s.version.String())
}

// prolong counts as use of a session.
func (s *sessionCall) prolong(on *signedOn) error {
	now, err := s.l.Sessions.Prolong(s.r.Context(), on.env, on.session.ID)
	if err != nil {
		return ended(err)
	}
	on.session = now
	return nil
}

// validate says whether a token is good, to whoever holds one that is. It counts as use, unless refresh=false.
func (s *sessionCall) validate() error {
	quiet := s.values.Get("refresh") == "false"
	a, err := s.target()
	if err != nil {
		return err
	}
	if a.signedOn != nil && !quiet {
		switch err := s.prolong(a.signedOn); {
		case isUnauthorized(err):
			a.signedOn = nil
		case err != nil:
			return err
		}
	}
	if a.signedOn == nil {
		return s.answer(map[string]any{"valid": false}, s.version.String())
	}
	object := map[string]any{"valid": true, "uid": a.user.ID, "realm": a.realm.Path}
	if s.version.major >= 3 {
		object["sessionUid"] = a.session.ID
	}
	return s.answer(object, s.version.String())
}

// refresh counts as use, and says how long a session was idle and how long it may be: idletime and maxtime, what is
// left of the whole, in seconds; the bounds in minutes.
func (s *sessionCall) refresh() error {
	a, err := s.allowed()
	if err != nil {
		return err
	}
	if a.signedOn == nil {
		return unauthorized()
	}
	idle := s.l.Now().Sub(a.session.ActiveAt)
	if err := s.prolong(a.signedOn); err != nil {
		return err
	}
	maxIdle, life := session.Bounds(a.env)
	_, latest := session.Ends(a.env, a.session)
	return s.answer(map[string]any{
		"uid": a.user.ID, "realm": a.realm.Path,
		"idletime": int(idle / time.Second), "maxidletime": int(maxIdle / time.Minute),
		"maxsessiontime": int(life / time.Minute), "maxtime": int(latest.Sub(s.l.Now()) / time.Second),
	}, s.version.String())
}

// logout ends a session, with its tokens. That it has ended already is no error.
func (s *sessionCall) logout() error {
	inCookie := s.l.presented(s.r).inCookie
	a, err := s.target()
	switch {
	case isUnauthorized(err) && !s.l.presented(s.r).sent:
		return s.noToken()
	case err != nil:
		return err
	case a.elsewhere:
		return unauthorized() // "has expired" would have somebody believe that the session is over
	}
	if err := a.may(); err != nil {
		return err
	}
	result := "Token has expired"
	if a.signedOn != nil {
		if _, err := s.l.Logout.End(s.r.Context(), a.env, a.session.ID, nil); err != nil {
			return err
		}
		result = "Successfully logged out"
	}
	if inCookie && (a.caller == nil || a.own()) {
		s.setCookie("")
	}
	return s.answer(map[string]any{"result": result}, s.version.String())
}

// noToken is the answer to a sign-off of nobody.
func (s *sessionCall) noToken() error {
	if s.version.major < 2 {
		return crest(http.StatusBadRequest, "iPlanetDirectoryCookie not set on request")
	}
	return accessDenied()
}

// ended is 401 for a session that has just ended.
func ended(err error) error {
	if isNotFound(err) {
		return unauthorized()
	}
	return oauth.CannotTell("use session", err)
}
