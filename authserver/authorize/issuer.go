package authorize

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Issuer makes codes and tokens. Safe for concurrent use.
type Issuer struct {
	Scopes    *token.Scopes
	Codes     *token.Codes
	Tokens    *token.Minter
	IDTokens  *token.IDTokens
	Sessions  *session.Sessions
	NewID     func() string // grant_id
	NewSecret func() secret.Value
	Now       func() time.Time
	// Issued is told of tokens handed out in the front channel; nil tells nobody.
	Issued func(grant string)
}

// Issue answers req for the person of b.Session: code, access token, ID token,
// session_state, iss. The client joins the session first, so that whatever ends
// the session ends what is made here. Errors are *oauth.Error where the client
// may know: access_denied for a person or client that was disabled meanwhile, unauthorized_client for a client whose tokens are bound since,
// login_required for a session that ended, invalid_request for a person without a
// claim that a resource requires and for a code without the challenge that the client needs since, invalid_scope and invalid_target for a resource
// that is gone. Tokens have what is still granted to the client: whoever took
// a scope from it has ended the tokens that had it, and this one was not among them.
func (i *Issuer) Issue(ctx context.Context, env *store.Environment, req *Request, client *store.Client, user *store.User, b *session.Browser) (*Response, error) {
	switch {
	case b.Session == nil || b.Session.Subject != user.ID:
		return nil, oauth.AuthorizationError(oauth.CodeLoginRequired, "The session has ended")
	case req.Client != client.ID || req.HintSubject != "" && req.HintSubject != user.ID:
		return nil, errors.New("the answer is not for the client or the person that the request is about")
	case !req.About(client, user):
		return nil, oauth.AuthorizationError(oauth.CodeLoginRequired, "The person is not the requested one any more")
	case slices.Contains(req.Scope, oauth.ScopeOpenID) && token.SubjectFor(client, user) == "":
		return nil, oauth.InvalidRequest("The application requires the claim sub, which the person does not have")
	case user.Disabled || !client.Enabled:
		return nil, oauth.AuthorizationError(oauth.CodeAccessDenied, "The account or the application is disabled")
	case !mayBeBearers(req.ResponseType, client): // since the request was judged
		return nil, oauth.UnauthorizedClient("The response_type is not enabled for this client")
	}
	// Since then the client may have ceased to authenticate: without a challenge the code would be anybody's who finds it.
	if err := req.protected(env, client); err != nil {
		return nil, err
	}
	switch err := i.Sessions.Join(ctx, env, b, client.ID); {
	case errors.Is(err, store.ErrNotFound):
		return nil, oauth.AuthorizationError(oauth.CodeLoginRequired, "The session has ended")
	case err != nil:
		return nil, unavailable(fmt.Errorf("join the session: %w", err))
	}
	a := authorization(req, client, b.Session, i.NewID())
	if subject := token.SubjectFor(client, user); subject != user.ID {
		a.MappedSubject = subject
	}
	if oauth.TokenBearing(req.ResponseType) { // a code is judged when it is redeemed
		var err error
		if a, err = i.Scopes.Narrow(ctx, env, client, a, nil, nil); err != nil {
			return nil, err
		}
		if err := idTokenNeeds(req.ResponseType, a.Scope); err != nil {
			return nil, err
		}
	}
	r := &Response{ReplyTo: req.ReplyTo}
	made, err := i.make(ctx, env, req, client, user, a, r)
	if err != nil {
		return nil, err
	}
	r.finish(env)
	if state := i.sessionState(req, client, b); state != "" {
		r.add("session_state", state)
	}
	if made && i.Issued != nil {
		i.Issued(oauth.GrantImplicit)
	}
	return r, nil
}

// authorization is what the person grants: what a code stands for.
func authorization(req *Request, client *store.Client, s *session.Session, grant string) token.Authorization {
	a := token.Authorization{
		Grant: grant, Client: req.Client,
		On:    token.SignedOn{Subject: s.Subject, Session: s.ID, AuthTime: s.AuthTime, ACR: s.ACR, AMR: s.AMR},
		Scope: req.Scope, Audience: req.Audience, Resources: req.Resources, Named: req.Named, TTL: req.TTL, Claims: req.Claims, Nonce: req.Nonce,
		Challenge: req.Challenge, Method: req.Method, Bound: token.Confirmation{JKT: req.JKT},
		Authenticated: client.AuthMethod != oauth.AuthNone,
	}
	if req.RedirectSent {
		a.RedirectURI = req.ReplyTo.URI
	}
	return a
}

// make adds what the response type promises, in the order of its specifications,
// and reports whether a token is among it. An ID token comes last: it speaks of
// the others (OIDC Core §3.3.2.11).
func (i *Issuer) make(ctx context.Context, env *store.Environment, req *Request, client *store.Client, user *store.User, a token.Authorization, r *Response) (tokens bool, err error) {
	id := token.IDToken{Client: client, On: a.On, Nonce: req.Nonce, User: user, Scope: a.Scope, Asked: req.Claims.IDToken}
	if slices.Contains(req.ResponseType, oauth.ResponseCode) {
		code, err := i.Codes.Issue(ctx, env, a)
		if err != nil {
			return false, fmt.Errorf("issue code: %w", err)
		}
		id.Code = code.Reveal()
		r.add("code", id.Code)
	}
	if slices.Contains(req.ResponseType, oauth.ResponseToken) {
		wanted := a.Access(client, user)
		wanted.GrantType = oauth.GrantImplicit
		access, err := i.Tokens.Mint(ctx, env, wanted)
		if err != nil {
			return false, fmt.Errorf("issue access token: %w", err)
		}
		id.AccessToken, tokens = access.Raw, true
		r.add("access_token", access.Raw)
		r.add("token_type", "Bearer")
		r.add("expires_in", strconv.FormatInt(int64(access.TTL/time.Second), 10))
		if len(a.Scope) > 0 {
			r.add("scope", strings.Join(a.Scope, " "))
		}
	}
	if slices.Contains(req.ResponseType, oauth.ResponseIDToken) {
		// Who gets an access token, now or for the code, asks UserInfo for the
		// claims of the scopes (OIDC Core §5.4).
		id.ScopeClaims = len(req.ResponseType) == 1
		raw, err := i.IDTokens.Mint(ctx, env, id)
		if err != nil {
			return false, fmt.Errorf("issue ID token: %w", err)
		}
		tokens = true
		r.add("id_token", raw)
	}
	return tokens, nil
}

// sessionState is the session_state of the answer (OIDC Session Management §2),
// for clients that watch the session from a page of their own; "" for others.
func (i *Issuer) sessionState(req *Request, client *store.Client, b *session.Browser) string {
	origin := oauth.RedirectOrigin(req.ReplyTo.URI)
	if !client.SessionCheck || origin == "" || !slices.Contains(req.Scope, oauth.ScopeOpenID) {
		return ""
	}
	return b.State(client.ID, origin, i.NewSecret().Reveal())
}
