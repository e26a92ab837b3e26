package flow

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// silent is a flow that needed nobody. It lives in one request.
type silent struct {
	state *state
	taken atomic.Bool
}

// Answer gives the response of a Completed or Failed flow, once: a second time is 400
// INVALID_REQUEST and nothing new is made. The browser must have the session that the flow led to.
// correlation is the correlation id.
//
// What may have changed since is judged again: the person, the client,
// whether the client may have this kind of answer, and, where tokens are in it, whether the person still agrees.
func (e *Engine) Answer(ctx context.Context, env *store.Environment, f *Flow, b *session.Browser, correlation string) (*authorize.Response, error) {
	s, err := e.take(ctx, env, f, b)
	if err != nil {
		return nil, err
	}
	f.Answered = true
	env = s.state.Request.At(env)
	reply := s.state.Request.ReplyTo
	if s.state.Status == Failed {
		return authorize.Refuse(env, reply, s.state.error(), correlation), nil
	}
	if refused := s.enabled(); refused != nil {
		return authorize.Refuse(env, reply, refused, correlation), nil
	}
	user, err := s.person(ctx)
	if err != nil {
		return nil, err
	}
	if user == nil {
		return authorize.Refuse(env, reply, denied(), correlation), nil
	}
	switch admitted, err := store.Admits(ctx, e.Directory, s.client, user); {
	case err != nil:
		return nil, fault("find out whom the application admits", err)
	case !admitted:
		return authorize.Refuse(env, reply, notAdmitted(), correlation), nil
	}
	response, err := e.Issuer.Issue(ctx, env, s.state.Request, s.client, user, b)
	if refused, ok := errors.AsType[*oauth.Error](err); ok {
		switch refused.Code {
		case oauth.CodeAccessDenied, oauth.CodeLoginRequired, // the person or the session ended this very moment
			oauth.CodeInvalidRequest,                        // a resource requires what the person does not have, or the client a challenge
			oauth.CodeInvalidScope, oauth.CodeInvalidTarget, // a resource is gone
			oauth.CodeUnauthorizedClient: // a token would have to be bound by now
			return authorize.Refuse(env, reply, refused, correlation), nil
		}
	}
	if err != nil || !oauth.TokenBearing(s.state.Request.ResponseType) { // a code is judged when it is redeemed
		return response, err
	}
	// Last: whoever withdraws the consent has either seen what was made or is seen here. What was made is nobody's then.
	switch consents, err := s.consents(ctx); {
	case err != nil:
		return nil, err
	case !consents:
		return authorize.Refuse(env, reply, denied(), correlation), nil
	}
	return response, nil
}

// consents reports whether the person still agrees to the scopes, where the client is one that people are asked about.
func (s *step) consents(ctx context.Context) (bool, error) {
	if s.client.Consent == store.ConsentNever {
		return true, nil
	}
	record, err := s.Consents.ConsentTo(ctx, s.env.ID, s.state.Subject, s.client.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fault("find consent", err)
	}
	request := s.state.Request
	return record.Covers(s.client.Agreements(request.Scope, request.Resources)), nil
}

// take marks a flow as answered: of any number of concurrent calls one succeeds.
func (e *Engine) take(ctx context.Context, env *store.Environment, f *Flow, b *session.Browser) (*step, error) {
	if f.silent != nil {
		s := &step{Engine: e, env: env, browser: b, client: f.Client, state: f.silent.state}
		if err := s.answerable(); err != nil {
			return nil, err
		}
		if f.silent.taken.Swap(true) {
			return nil, answered()
		}
		return s, nil
	}
	for range tries {
		s, record, err := e.load(ctx, env, f.ID, b)
		if err != nil {
			return nil, err
		}
		if err := s.answerable(); err != nil {
			return nil, err
		}
		s.state.Answered = true
		switch err := e.replace(ctx, s.state, &record, e.Now()); {
		case err == nil:
			return s, nil
		case !errors.Is(err, store.ErrConflict): // a conflict is somebody else's answer: look again
			return nil, fault("answer flow", err)
		}
	}
	return nil, oauth.Unavailable(1, "The flow changes too often")
}

// tries bounds how often a changed flow is read again. Two are enough: only an answer changes
// a finished one.
const tries = 5

// answerable judges whether the flow can be answered to this browser.
func (s *step) answerable() error {
	st := s.state
	switch {
	case !st.Status.Terminal():
		return notPossible("The flow is not finished")
	case st.Answered:
		return answered()
	case st.Status == Completed && (s.browser.Session == nil || s.browser.Session.ID != st.Session || s.browser.Session.Subject != st.Subject):
		return notPossible("The session that the flow led to has ended")
	}
	return s.reachable()
}

func answered() *oauth.Error { return notPossible("The flow has been answered") }

// enabled judges whether the client may still have this kind of answer: what was
// switched off while the person signed on stays off.
func (s *step) enabled() *oauth.Error {
	types := s.state.Request.ResponseType
	if s.env.Strict && oauth.TokenBearing(types) {
		return oauth.UnsupportedResponseType("The response_type is not supported")
	}
	for _, part := range types {
		grant := oauth.GrantImplicit
		if part == oauth.ResponseCode {
			grant = oauth.GrantAuthorizationCode
		}
		if !slices.Contains(s.client.ResponseTypes, part) || !slices.Contains(s.client.GrantTypes, grant) {
			return oauth.UnauthorizedClient("The response_type is not enabled for this client")
		}
	}
	return nil
}

// reachable judges whether the answer may still go where the request wanted it:
// nothing travels to an address that the client has given up.
func (s *step) reachable() error {
	uri := s.state.Request.ReplyTo.URI
	if uri == "" { // pi.flow: to the caller
		return nil
	}
	rules := oauth.RedirectRules{Wildcard: s.client.WildcardRedirectURIs && !s.env.Strict, Localhost: !s.env.Strict}
	for _, registered := range s.client.RedirectURIs {
		if oauth.MatchRedirectURI(registered, uri, rules) {
			return nil
		}
	}
	return notPossible("Redirect URI mismatch")
}
