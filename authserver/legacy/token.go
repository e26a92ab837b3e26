package legacy

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// tokens are the endpoints /frrest/oauth2/token (section 5).
type tokens struct {
	// misses bounds how often one session, or at revokeTokens one address, may ask for what is not its own: 60 times at once and one a
	// second in the long run. Texts of tokens cannot be guessed; this is for those who have stolen some and want to know
	// whether they still work, and for handles. Administrators, who may see everything, are not counted.
	misses *limit.Limiter
}

const (
	missRate  = 1
	missBurst = 60
	// endTimeout bounds ending a token. It goes on when the client hangs up.
	endTimeout = 10 * time.Second
)

// methods of the endpoints below /frrest: those that AM has an answer for, if only that it does not do it.
var crestMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// tokenRoutes: frrest: oauth2/token, oauth2/token/{}.
func (l *Legacy) tokenRoutes() []route {
	t := &tokens{misses: &limit.Limiter{Rate: missRate, Burst: missBurst, Now: l.Now}}
	return []route{
		{name: "frrest_tokens", tree: treeFRRest, path: "oauth2/token", methods: crestMethods, cookies: true, serve: t.serveAll},
		{name: "frrest_token", tree: treeFRRest, path: "oauth2/token/{}", methods: crestMethods, cookies: true, serve: t.serveOne},
	}
}

// serveAll answers for the collection.
func (t *tokens) serveAll(c *call) error {
	switch c.r.Method {
	case http.MethodGet, http.MethodHead:
		return t.query(c)
	}
	return notImplemented()
}

// serveOne answers for one token.
func (t *tokens) serveOne(c *call) error {
	switch c.r.Method {
	case http.MethodGet, http.MethodHead:
		return t.read(c)
	case http.MethodDelete:
		return t.delete(c)
	case http.MethodPost:
		switch {
		case c.query.action == "revoke":
			return t.revoke(c)
		case c.query.action == "revokeTokens" && c.l.Compat.RevokeTokens:
			return t.revokeTokens(c)
		}
	}
	return notImplemented()
}

// The texts of what is not there, which differ by operation in AM.
const (
	noTokenRead   = "Could not find valid token with given ID"
	noTokenRevoke = "Token Not Found"
)

// read shows one token (5.2).
func (t *tokens) read(c *call) error {
	on, err := c.sso()
	if err != nil {
		return err
	}
	_, body, err := t.shown(c, on)
	if err != nil {
		return err
	}
	return c.answer(body, "")
}

// delete ends one token and nothing else (5.4): an access token's refresh token works on, and so do, other than
// after revocation by RFC 7009, the access tokens of a refresh token. It answers with what was ended.
func (t *tokens) delete(c *call) error {
	on, err := t.changing(c)
	if err != nil {
		return err
	}
	found, body, err := t.shown(c, on)
	if err != nil {
		return err
	}
	if err := c.end(found); err != nil {
		return err
	}
	c.logEnded("token deleted", on, found)
	return c.answer(body, "")
}

// shown is own, with the object that the token is shown as.
func (t *tokens) shown(c *call, on *signedOn) (*oauthToken, map[string]any, error) {
	f := c.lookup()
	found, err := t.own(c, on, f, noTokenRead)
	if err != nil {
		return nil, nil, err
	}
	body, err := f.body(found, on.super, c.param(0))
	return found, body, err
}

// revoke ends a token and its refresh token (5.4): the whole authorization that it came of.
func (t *tokens) revoke(c *call) error {
	on, err := t.changing(c)
	if err != nil {
		return err
	}
	found, err := t.own(c, on, c.lookup(), noTokenRevoke)
	if err != nil {
		return err
	}
	if err := c.endGrant(found); err != nil {
		return err
	}
	c.logEnded("token revoked with its authorization", on, found)
	return c.answer(map[string]any{}, "")
}

// revokeTokens is revoke for whoever has the token itself and knows the client's ID (5.4); no SSO token is looked at.
// A handle is not enough: it is no secret.
func (t *tokens) revokeTokens(c *call) error {
	sent, err := c.readObject()
	if err != nil {
		return err
	}
	var body struct {
		ClientID string `json:"client_id"`
	}
	if sent != nil && json.Unmarshal(sent, &body) != nil {
		return crest(http.StatusBadRequest, "client_id is not a text")
	}
	if body.ClientID == "" {
		return crest(http.StatusBadRequest, "Missing clientId")
	}
	homes, err := c.homes(nil)
	if err != nil {
		return err
	}
	found, err := c.lookup().among(homes, c.param(0))
	if err == nil && found.handle() == c.param(0) {
		err = store.ErrNotFound
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return t.miss(c, limit.Address(c.address()), crest(http.StatusNotFound, noTokenRevoke))
	case err != nil:
		return err
	case found.client.ID != body.ClientID:
		return t.miss(c, limit.Address(c.address()), crest(http.StatusForbidden, "Unauthorized"))
	}
	c.calledBy(found.client)
	if err := c.endGrant(found); err != nil {
		return err
	}
	c.logEnded("token revoked with its authorization", nil, found)
	return c.answer(map[string]any{}, "")
}

// changing is sso for what changes something: with the cookie it needs what /json needs (section 11).
func (t *tokens) changing(c *call) (*signedOn, error) {
	on, err := c.sso()
	if err != nil {
		return nil, err
	}
	return on, c.checkCSRF()
}

// own finds the token of the path, if the caller may have it: 404 where there is none, in words that the operation
// has, and 401 where it is another's.
func (t *tokens) own(c *call, on *signedOn, f *lookup, missing string) (*oauthToken, error) {
	homes, err := c.everywhere(on)
	if err != nil {
		return nil, err
	}
	found, err := f.among(homes, c.param(0))
	if errors.Is(err, store.ErrNotFound) {
		e := crest(http.StatusNotFound, missing)
		e.Reason = "no_token"
		if on.super {
			return nil, e
		}
		return nil, t.miss(c, key(on.env.ID, on.session.ID), e)
	}
	if err != nil {
		return nil, err
	}
	if !on.may(found, c.l.Compat) {
		e := crest(http.StatusUnauthorized, "Unauthorized")
		e.Reason = "another_persons"
		return nil, t.miss(c, key(on.env.ID, on.session.ID), e)
	}
	c.calledBy(found.client)
	return found, nil
}

// may reports whether somebody may see and end a token. What belongs to no person is the administrators' alone.
//
// Diverges: in AM everybody who has signed on may read and delete tokens of client credentials.
func (on *signedOn) may(t *oauthToken, compat Compat) bool {
	switch {
	case on.super:
		return true
	case t.realm != on.realm:
		return false
	case t.subject() == "":
		return compat.ClientCredentialsTokens
	}
	return t.subject() == on.user.ID
}

// miss is err, or 429 for who has had too many of them.
func (t *tokens) miss(c *call, who string, err error) error {
	if c.l.NoLimit != nil && c.l.NoLimit(c.address()) {
		return err
	}
	ok, after := t.misses.Allow(who)
	if ok {
		return err
	}
	e := crest(http.StatusTooManyRequests, "Too many requests for tokens that cannot be had")
	e.Code, e.Reason, e.RetryAfter = "too_many_requests", "misses", int(after/time.Second)
	return e
}

// homes are the environments whose tokens somebody may see: those of a person's realm, or for an administrator (or
// where nobody asks in person) of every realm. realm in the query leaves that one.
func (c *call) homes(on *signedOn) ([]home, error) {
	asked := c.values.Get("realm") != ""
	if on != nil && !on.super {
		if asked && c.realm != on.realm {
			return nil, nil
		}
		return []home{{realm: on.realm, env: on.env}}, nil
	}
	if asked {
		if c.env == nil {
			return nil, nil
		}
		return []home{{realm: c.realm, env: c.env}}, nil
	}
	var all []home
	seen := map[string]bool{}
	for _, r := range c.l.Realms {
		realm := c.l.byPath(r.Path)
		if seen[r.Environment] {
			continue // see home.whole
		}
		seen[r.Environment] = true
		env, err := c.environment(realm)
		if err != nil {
			return nil, err
		}
		if env != nil {
			all = append(all, home{realm, env, true})
		}
	}
	return all, nil
}

// everywhere are the environments in which a token is looked for that somebody names: those of all realms, or of the one in the
// query, since another realm's token is another person's (5.1), and is refused as such. The person's own
// realm comes first.
func (c *call) everywhere(on *signedOn) ([]home, error) {
	all, err := c.homes(nil)
	if err != nil || on.super {
		return all, err
	}
	own, err := c.homes(on)
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if len(own) == 0 || h.env.ID != on.env.ID || c.l.shared(h.env.ID) {
			own = append(own, h)
		}
	}
	return own, nil
}

// shared reports whether several realms are one environment.
func (l *Legacy) shared(environment string) bool {
	n := 0
	for _, r := range l.Realms {
		if r.Environment == environment {
			n++
		}
	}
	return n > 1
}

// among finds a token in one of several homes.
func (f *lookup) among(homes []home, text string) (*oauthToken, error) {
	for _, h := range homes {
		if t, err := f.token(h, text); !errors.Is(err, store.ErrNotFound) {
			return t, err
		}
	}
	return nil, store.ErrNotFound
}

// end ends one token; when it returns nil that is durable, and every check sees it.
func (c *call) end(t *oauthToken) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), endTimeout)
	defer cancel()
	if t.record != nil {
		return c.l.Revoker.End(ctx, t.env, t.record)
	}
	if err := c.l.Refresh.End(ctx, t.env, t.held.Authorization); err != nil {
		return err
	}
	c.l.Revoker.Revoked(refreshTokenName)
	return nil
}

// endGrant ends all that came of a token's authorization.
func (c *call) endGrant(t *oauthToken) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), endTimeout)
	defer cancel()
	if t.record != nil {
		return c.l.Revoker.EndGrantOf(ctx, t.env, t.record)
	}
	a := t.held.Authorization
	a.TTL = store.MaxAccessTokenTTL
	return c.l.Revoker.EndGrant(ctx, t.env, a)
}

// logEnded writes the one line about a token that somebody has ended; on is nil where whoever has it did. The handle
// stands for it.
func (c *call) logEnded(what string, on *signedOn, t *oauthToken) {
	c.l.Log.LogAttrs(c.r.Context(), slog.LevelInfo, what,
		slog.String("by", on.who()), slog.String("realm", t.realm.Path), slog.String("kind", t.name()),
		slog.String("client", t.client.ID), slog.String("subject", t.subject()), slog.String("token", t.handle()))
}

// who is what the log calls a caller.
func (on *signedOn) who() string {
	if on == nil {
		return "bearer"
	}
	return universalID(on.user.ID, on.realm)
}
