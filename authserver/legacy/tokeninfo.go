package legacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// tokenInfo tells who holds an access token what it is good for (section 6). The token is all the authentication there
// is, so nothing is told that UserInfo would not tell the same caller.
//
// Diverges: AM takes a token of another realm, and one in the query; here the realm has to be the token's, and the query
// is an option.
func (c *call) tokenInfo() error {
	// parse
	raw, err := c.presentedToken()
	if err != nil {
		return err
	}

	// authenticate
	active, err := c.l.Tokens.Verify(c.r.Context(), c.env, raw)
	switch {
	case errors.Is(err, token.ErrInactive):
		return c.invalidToken(err)
	case err != nil:
		return err
	case !active.Bound.IsZero():
		return c.invalidToken(errors.New("bound to a key or certificate, which is not asked for here"))
	case c.l.elsewhere(c.realm, active.Issuer):
		return c.invalidToken(errors.New("the token is another realm's"))
	}

	// validate
	ctx := c.r.Context()
	client, user, absent, err := grant.Behind(ctx, c.env, c.l.Directory, c.l.Users, c.l.Sessions, active)
	switch {
	case err != nil:
		return err
	case client == nil:
		return c.invalidToken(errors.New(absent))
	}
	record, err := c.l.Records.ByID(ctx, c.env, active.ID(), active.ExpiresAt)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return c.invalidToken(errors.New("the token has no record"))
	case err != nil:
		return err
	}
	profile, err := c.profile(ctx, client, user, active)
	if err != nil {
		return err
	}

	// respond
	body, err := c.tokenInfoAnswer(raw, active, record, profile)
	if err != nil {
		return err
	}
	c.calledBy(client)
	c.writeJSON(http.StatusOK, body)
	return nil
}

// tokenInfoAnswer has AM's members: those that every token has, those of a JWT, and one for each scope.
func (c *call) tokenInfoAnswer(raw string, t *token.Active, record *token.Record, profile map[string]string) ([]byte, error) {
	var said map[string]json.RawMessage
	if err := json.Unmarshal(t.Introspection, &said); err != nil {
		return nil, fmt.Errorf("read the answer of introspection: %w", err)
	}
	scope := append([]string{}, strings.Fields(record.Scope)...) // [] and not null
	o := &object{}
	o.set("access_token", raw)
	o.set("grant_type", grantTypeOf(record))
	o.set("auth_level", 0)
	o.set("auditTrackingId", record.Handle())
	if record.Grant != "" {
		o.set("authGrantId", record.Grant)
	}
	o.set("scope", scope)
	o.set("realm", c.realm.Path)
	o.set("token_type", "Bearer")
	o.set("expires_in", secondsUntil(t.ExpiresAt, c.l.Now()))
	o.set("client_id", t.Client)
	o.copy("cnf", said)
	if record.Opaque == nil {
		subject := t.Client
		if t.Person != nil {
			subject = t.Person.Subject
		}
		o.set("tokenName", accessTokenName)
		o.set("cts", "OAUTH2_STATELESS_GRANT")
		o.copy("sub", said) // as the resource maps it
		o.set("sub", subject)
		o.set("subname", subject)
		for _, name := range [...]string{"iss", "aud", "auth_time", "exp", "iat", "jti"} {
			o.copy(name, said)
		}
		o.set("nbf", said["iat"])
	}
	for _, name := range fixedMembers { // whatever kind the token is
		o.reserve(name)
	}
	for _, name := range scope {
		o.set(name, profile[name])
	}
	return o.bytes(), nil
}

// fixedMembers are those that no scope gives: in AM a scope that is called so would put something else in their place.
var fixedMembers = []string{
	"access_token", "token_type", "expires_in", "scope", "client_id", "grant_type", "realm", "cnf", "auth_level", "auditTrackingId",
	"authGrantId", "sub", "subname", "cts", "iss", "tokenName", "aud", "nbf", "auth_time", "exp", "iat", "jti", "active", "act", "may_act",
}

// presentedToken is the token of a request: of the Authorization header, and, where that is an option, of the query. Any
// two are one too many.
func (c *call) presentedToken() (string, error) {
	inQuery, asked := "", 0
	for name, values := range c.values {
		if strings.EqualFold(name, "access_token") {
			inQuery, asked = values[0], asked+len(values)
		}
	}
	if asked > 0 && !c.l.Compat.QueryAccessToken {
		return "", c.misplaced("Access tokens are not accepted in the query string")
	}
	raw, err := endpoint.HeaderToken(c.r)
	if err != nil {
		return "", c.headerError(err)
	}
	switch {
	case asked > 1 || asked == 1 && raw != "":
		return "", c.misplaced("The access token must be sent once, in the header or in the query string")
	case raw == "" && inQuery == "":
		return "", c.challenged(http.StatusUnauthorized, "", "An access token is required")
	}
	return raw + inQuery, nil
}

// profile is what scopes give as members of their own name: the claim of that name, where UserInfo would tell it for
// this very token and it is text, and "" otherwise. Like UserInfo it takes the scope openid.
//
// Diverges: AM gives any attribute of the profile that a scope is called like.
func (c *call) profile(ctx context.Context, client *store.Client, user *store.User, active *token.Active) (map[string]string, error) {
	if user == nil || !slices.Contains(active.Person.Scope, oauth.ScopeOpenID) {
		return nil, nil
	}
	o, err := c.l.Directory.OpenID(ctx, c.env.ID)
	if err != nil {
		return nil, oauth.CannotTell("find the resource of OpenID Connect", err)
	}
	granted := *active.Person
	granted.UserInfo = nil // asked for by name, and not by a scope
	var claims map[string]any
	if err := json.Unmarshal(token.UserInfo(o, client, user, &granted), &claims); err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for name, v := range claims {
		if s, ok := v.(string); ok {
			texts[name] = s
		}
	}
	return texts, nil
}

// secondsUntil is expires_in.
func secondsUntil(end, now time.Time) int64 { return int64(end.Sub(now) / time.Second) }

// The errors of a bearer token (RFC 6750 §3), in AM's words.

func (c *call) invalidToken(cause error) error {
	return c.challenged(http.StatusUnauthorized, oauth.CodeInvalidToken,
		"The access token provided is expired, revoked, malformed, or invalid for other reasons.").WithCause(cause)
}

func (c *call) misplaced(text string) error {
	return c.challenged(http.StatusBadRequest, oauth.CodeInvalidRequest, text)
}

// headerError is the error of an Authorization header that could not be read.
func (c *call) headerError(err error) error {
	e := oauth.From(err)
	if e.Status == http.StatusUnauthorized {
		return c.challenged(e.Status, "", e.Description)
	}
	return c.challenged(e.Status, e.Code, e.Description)
}

// challenged is a refusal with its challenge. Without a code nothing was presented (RFC 6750 §3.1); the body says
// invalid_token all the same, as AM's does.
func (c *call) challenged(status int, code, text string) *oauth.Error {
	params := []oauth.Param{{Name: "realm", Value: c.realm.Path}}
	if code != "" {
		params = append(params, oauth.Param{Name: "error", Value: code}, oauth.Param{Name: "error_description", Value: text})
	} else {
		code = oauth.CodeInvalidToken
	}
	return &oauth.Error{
		Code: code, Status: status, Description: text, Challenges: []oauth.Challenge{{Scheme: "Bearer", Params: params}},
	}
}
