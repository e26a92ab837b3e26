package grant

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TokenExchange is the grant of clients that have somebody's token and need another one for what is behind them (RFC 8693).
//
// The new token is for one custom resource. It neither outlives nor outranks the subject token (token.Scopes.ForExchange), speaks for the
// same person, and has the same session and authorization, so that what ends those ends it too; so does what ends the
// subject token itself or its application (token.Origin). Who acts is said where an actor token was shown, and kept where it
// was said before. What a token is bound to has to be proved, except by the gate of its resource, which has verified that (store.Client.ExchangesBound): the new
// token is bound to what that client proves itself, and is not for that resource.
type TokenExchange struct {
	Subjects Subjects
	Scopes   *token.Scopes
	Tokens   *token.Minter
	Users    Users
	Sessions Sessions
	Consents Consents
}

// Subjects reads the tokens that are exchanged (token.Verifier).
type Subjects interface {
	Subject(ctx context.Context, env *store.Environment, raw string, idToken bool) (*token.Subject, error)
}

var _ Grant = (*TokenExchange)(nil)

// Type is the grant type of RFC 8693 §2.1.
func (g *TokenExchange) Type() string { return oauth.GrantTokenExchange }

// Name is token_exchange.
func (g *TokenExchange) Name() string { return "token_exchange" }

// party is a token that takes part, and who is behind it.
type party struct {
	*token.Subject
	client *store.Client
	user   *store.User // nil of a client's own token
}

// Token exchanges one. What is wrong with a token that was shown is invalid_request (RFC 8693 §2.2.2), with one
// text: the log has the cause.
func (g *TokenExchange) Token(ctx context.Context, r Request) (*Response, error) {
	if r.Client.AuthMethod == oauth.AuthNone {
		return nil, oauth.UnauthorizedClient("The grant type needs a client that authenticates")
	}
	if requested := r.Form.Get("requested_token_type"); requested != "" && requested != oauth.TokenTypeAccessToken {
		return nil, oauth.InvalidRequest("The requested_token_type is not supported")
	}
	resources, err := oauth.ParseResources(r.Form.All("resource"))
	if err != nil {
		return nil, err
	}
	if resources, err = withAudiences(resources, r.Form.All("audience")); err != nil {
		return nil, err
	}
	requested, err := oauth.ParseScope(r.Form.Get("scope"))
	if err != nil {
		return nil, err
	}
	subject, err := g.party(ctx, r, "subject_token")
	if err != nil {
		return nil, err
	}
	actor, err := g.actor(ctx, r, subject)
	if err != nil {
		return nil, err
	}
	if err := g.fits(ctx, r, subject); err != nil {
		return nil, err
	}
	clients, err := g.clients(ctx, r, subject)
	if err != nil {
		return nil, err
	}
	granted, err := g.Scopes.ForExchange(ctx, r.Environment, token.Exchange{
		Client: r.Client, Scope: requested, Resources: resources, Subject: subject.Subject, Clients: clients,
	})
	if err != nil {
		return nil, err
	}
	clients[r.Client.ID] = r.Client
	if err := g.agreed(ctx, r, subject, clients, granted); err != nil {
		return nil, err
	}
	minted, err := g.Tokens.Mint(ctx, r.Environment, access(r, subject, actor, granted))
	switch {
	case errors.Is(err, token.ErrInactive):
		return nil, unacceptable("subject_token", err.Error())
	case err != nil:
		return nil, err
	}
	// Again: whoever ends a session, a grant or a client, or withdraws a consent, has either seen the new token or is seen here.
	if _, err := g.party(ctx, r, "subject_token"); err != nil {
		return nil, err
	}
	if actor != nil {
		if _, err := g.party(ctx, r, "actor_token"); err != nil {
			return nil, err
		}
	}
	if err := g.agreed(ctx, r, subject, clients, granted); err != nil {
		return nil, err
	}
	return &Response{Access: minted, Scope: granted.Scope, Bound: r.Proved, IssuedType: oauth.TokenTypeAccessToken}, nil
}

// withAudiences adds the values of audience, which here are audiences of resources as well (RFC 8693 §2.1).
func withAudiences(resources, audiences []string) ([]string, error) {
	for _, name := range audiences {
		if len(name) > oauth.MaxResource {
			return nil, oauth.InvalidTarget("The audience is too long")
		}
		if !slices.Contains(resources, name) {
			resources = append(resources, name)
		}
	}
	if len(resources) > oauth.MaxResources {
		return nil, oauth.InvalidTarget("Too many resources are named")
	}
	return resources, nil
}

// unacceptable is the one answer to a token that is no good for an exchange.
func unacceptable(name, cause string) error {
	return oauth.InvalidRequest("The %s is not acceptable", name).WithCause(errors.New(cause))
}

// party reads and judges the token in the parameter of this name, whose type is in the one with _type behind it.
func (g *TokenExchange) party(ctx context.Context, r Request, name string) (*party, error) {
	raw, err := credential(r, name)
	if err != nil {
		return nil, err
	}
	kind, err := r.Form.Require(name + "_type")
	if err != nil {
		return nil, err
	}
	if kind != oauth.TokenTypeAccessToken && kind != oauth.TokenTypeIDToken {
		return nil, oauth.InvalidRequest("The %s_type is not supported", name)
	}
	s, err := g.Subjects.Subject(ctx, r.Environment, raw.Reveal(), kind == oauth.TokenTypeIDToken)
	switch {
	case errors.Is(err, token.ErrInactive):
		return nil, unacceptable(name, err.Error())
	case err != nil:
		return nil, err
	case s.Bound.MetBy(r.Proved):
	case name == "subject_token" && verifiedBy(r.Client, s):
		s.Unproved = true
	default:
		return nil, unacceptable(name, "it is bound to a key or certificate that was not proved")
	}
	p := &party{Subject: s}
	var absent string
	p.client, p.user, absent, err = behind(ctx, r.Environment, g.Scopes.Directory, g.Users, g.Sessions, s.Client, s.Personal(), s.User, s.Session)
	switch {
	case err != nil:
		return nil, err
	case p.client == nil:
		return nil, unacceptable(name, absent)
	case kind == oauth.TokenTypeIDToken && s.Client != r.Client.ID && !r.Environment.Compat.TokenExchangeScopes:
		// It says who signed on to that client, and nothing to others.
		return nil, unacceptable(name, "the ID token is another client's")
	}
	return p, nil
}

// verifiedBy reports whether the client is the gate of a resource that a token is for, and so has verified that whoever called
// it with the token possesses what that is bound to. The proof was made for the gate, where it counts once; there is none for an exchange.
func verifiedBy(client *store.Client, s *token.Subject) bool {
	return slices.ContainsFunc(client.ExchangesBound, func(audience string) bool { return slices.Contains(s.Audience, audience) })
}

// actor is the party that acts, nil where none is named.
func (g *TokenExchange) actor(ctx context.Context, r Request, subject *party) (*party, error) {
	if !r.Form.Has("actor_token") && !r.Form.Has("actor_token_type") {
		return nil, nil
	}
	if subject.Actor.Actors() >= token.MaxExchanges {
		return nil, unacceptable("subject_token", "it names too many actors already")
	}
	p, err := g.party(ctx, r, "actor_token")
	if err == nil && len(subject.Chain())+len(p.Chain()) > token.MaxOrigins {
		return nil, unacceptable("actor_token", "the tokens were exchanged for too many others already")
	}
	return p, err
}

// fits refuses what the client may not do with a subject, whatever it asks for.
func (g *TokenExchange) fits(ctx context.Context, r Request, subject *party) error {
	if len(subject.Exchanged()) >= token.MaxExchanges {
		return unacceptable("subject_token", "too many tokens were exchanged for it already")
	}
	if subject.user == nil {
		return nil
	}
	switch admitted, err := store.Admits(ctx, g.Scopes.Directory, r.Client, subject.user); {
	case err != nil:
		return oauth.CannotTell("find out whom the application admits", err)
	case !admitted:
		return unacceptable("subject_token", "the application does not admit the user")
	}
	return nil
}

// clients are those of the subject and of what it was exchanged for, by their ID. One that is gone is missing: it brings nothing.
func (g *TokenExchange) clients(ctx context.Context, r Request, subject *party) (map[string]*store.Client, error) {
	all := map[string]*store.Client{subject.client.ID: subject.client}
	for _, o := range subject.Exchanged() {
		if all[o.Client] != nil {
			continue
		}
		switch c, err := g.Scopes.Directory.ClientByID(ctx, r.Environment.ID, o.Client); {
		case err == nil:
			all[o.Client] = c
		case !errors.Is(err, store.ErrNotFound):
			return nil, oauth.CannotTell("find client", err)
		}
	}
	return all, nil
}

// agreed refuses scopes that the person has not agreed to, for each of the clients that is one that people are asked about.
func (g *TokenExchange) agreed(ctx context.Context, r Request, subject *party, clients map[string]*store.Client, granted token.Granted) error {
	if subject.user == nil {
		return nil
	}
	for _, client := range clients {
		if client.Consent == store.ConsentNever {
			continue
		}
		record, err := g.Consents.ConsentTo(ctx, r.Environment.ID, subject.User, client.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return oauth.CannotTell("find consent", err)
		}
		if err != nil || !record.Covers(client.Agreements(granted.Scope, granted.Resources)) {
			return oauth.InvalidScope("The person has not agreed to the scope")
		}
	}
	return nil
}

// access is the new token.
func access(r Request, subject, actor *party, granted token.Granted) token.Access {
	a := token.Access{
		Client: r.Client.ID, For: r.Client, Subject: subject.User, Session: subject.Session, Grant: subject.Grant, User: subject.user,
		AuthTime: subject.AuthTime, ACR: subject.ACR, AMR: subject.AMR,
		Scope: granted.Scope, Audience: granted.Audience, Resources: granted.Resources, TTL: granted.TTL,
		GrantType: oauth.GrantTokenExchange, IncludeX5T: r.Client.IncludeX5T, KeyRotationPolicy: r.Client.KeyRotationPolicy,
		Bound: r.Proved, NotAfter: subject.ExpiresAt, Act: subject.Actor, Origins: subject.Chain(),
	}
	if actor != nil {
		a.Act = &token.Actor{Subject: actor.User, Client: actor.Client, Before: subject.Actor}
		if actor.User == "" {
			a.Act.Subject = actor.Client
		}
		a.NotAfter = earlier(a.NotAfter, actor.ExpiresAt)
		a.Origins = append(a.Origins, actor.ActorChain()...)
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
