package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Resolver finds out who calls. Safe for concurrent use.
type Resolver struct {
	Live   *directory.Live
	Tokens *token.Verifier
}

// pageOfAssignments is how many role assignments are read at a time.
const pageOfAssignments = 200

// Caller reads an Authorization header's value; "" is none. A token must be good
// now, of this server, for the environment's APIAudience; its client, and the
// user whom it speaks for, must be there and enabled. Roles are read at the time
// of the call: those of the client where it acts for itself, those of the user
// where a worker acts for one. An error is 401, or says that it cannot be told now.
func (r *Resolver) Caller(ctx context.Context, authorization string) (*Caller, error) {
	raw, err := bearer(authorization)
	if err != nil {
		return nil, err
	}
	env, err := r.environment(ctx, raw)
	if err != nil {
		return nil, err
	}
	active, err := r.Tokens.Verify(ctx, env, raw)
	switch {
	case errors.Is(err, token.ErrInactive):
		return nil, invalidToken(err)
	case err != nil:
		return nil, err
	case !slices.Contains(active.Audience, env.APIAudience):
		return nil, invalidToken(errors.New("for another audience"))
	case !active.Bound.IsZero():
		return nil, invalidToken(errors.New("bound to a key or certificate, which is not asked for here"))
	}
	c := &Caller{Environment: env}
	if c.Client, err = r.Live.ClientByID(ctx, env.ID, active.Client); err != nil {
		return nil, gone("client", err)
	}
	if !c.Client.Enabled {
		return nil, invalidToken(errors.New("the client is disabled"))
	}
	if active.Personal {
		return c, r.forUser(ctx, c, active.Person)
	}
	if c.Client.Type == store.Worker {
		c.grants, err = r.grants(ctx, env, directory.HolderApplication, c.Client.ID)
	}
	return c, err
}

// forUser fills in what the caller has by the user's roles and scopes.
func (r *Resolver) forUser(ctx context.Context, c *Caller, p *token.Person) (err error) {
	if c.User, err = r.Live.UserByID(ctx, c.Environment.ID, p.Subject); err != nil {
		return gone("user", err)
	}
	if c.User.Disabled {
		return invalidToken(errors.New("the user is disabled"))
	}
	o := &store.OpenID{}
	if slices.ContainsFunc(p.Scope, func(s string) bool { return ofAttributes(s) != "" }) {
		if o, err = r.Live.OpenID(ctx, c.Environment.ID); err != nil {
			return oauth.CannotTell("find what scopes give", err)
		}
	}
	c.allow(p.Scope, o)
	if c.Client.Type == store.Worker {
		c.grants, err = r.grants(ctx, c.Environment, directory.HolderUser, c.User.ID)
	}
	return err
}

// environment finds whose token raw says it is; Verify then finds out whether it
// is. What is no token at all is of none.
func (r *Resolver) environment(ctx context.Context, raw string) (*store.Environment, error) {
	if token.IsOpaque(raw) {
		return r.environmentOfOpaque(ctx, raw)
	}
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		return nil, invalidToken(err)
	}
	claims, err := jws.Claims()
	if err != nil {
		return nil, invalidToken(err)
	}
	// Most issuers say which environment they are.
	if rest, ok := strings.CutSuffix(claims.Issuer, "/as"); ok {
		env, err := r.Live.EnvironmentByID(ctx, rest[strings.LastIndexByte(rest, '/')+1:])
		switch {
		case err == nil && slices.Contains(env.Issuers(), claims.Issuer):
			return env, nil
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, oauth.CannotTell("find environment", err)
		}
	}
	all, err := r.Live.Environments(ctx)
	if err != nil {
		return nil, oauth.CannotTell("list environments", err)
	}
	for _, env := range all {
		if slices.Contains(env.Issuers(), claims.Issuer) {
			return env, nil
		}
	}
	return nil, invalidToken(errors.New("of another issuer"))
}

func (r *Resolver) environmentOfOpaque(ctx context.Context, raw string) (*store.Environment, error) {
	id, err := r.Tokens.EnvironmentOf(ctx, raw)
	switch {
	case errors.Is(err, token.ErrInactive):
		return nil, invalidToken(err)
	case err != nil:
		return nil, err
	}
	env, err := r.Live.EnvironmentByID(ctx, id)
	if err != nil {
		return nil, gone("environment", err)
	}
	return env, nil
}

// grants are what the role assignments of an application or user come to.
func (r *Resolver) grants(ctx context.Context, env *store.Environment, holder, id string) ([]grant, error) {
	var all []grant
	err := r.assignments(ctx, env, holder, id, func(a *directory.RoleAssignment) {
		if p := permissions(a.Role.ID); len(p) > 0 {
			all = append(all, grant{assignment: a, permissions: p})
		}
	})
	return all, err
}

// assignments goes over the role assignments of an application or user.
func (r *Resolver) assignments(ctx context.Context, env *store.Environment, holder, id string, each func(*directory.RoleAssignment)) error {
	if id == "" {
		return errors.New("access: nobody's role assignments were asked for") // a list without parent is everybody's
	}
	for after := ""; ; {
		items, next, err := r.Live.Items(ctx, env, store.KindRoleAssignment, id, after, pageOfAssignments)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return oauth.CannotTell("list role assignments", err)
		}
		for _, it := range items {
			if a, ok := it.Document.(*directory.RoleAssignment); ok && a.Holder == holder {
				each(a)
			}
		}
		if after = next; next == "" {
			return nil
		}
	}
}

// Outranks reports whether the caller has every role that an application or user
// of env has (holder: see directory.RoleAssignment), at the same or a broader
// scope. Who does not must not get at what they sign on with: with another's
// password or secret one has their roles.
func (r *Resolver) Outranks(ctx context.Context, c *Caller, env *store.Environment, holder, id string) (bool, error) {
	outranks := true
	err := r.assignments(ctx, env, holder, id, func(a *directory.RoleAssignment) {
		if len(permissions(a.Role.ID)) > 0 && !c.MayGive(a) {
			outranks = false
		}
	})
	return outranks, err
}

// bearer takes the token out of the header (RFC 6750 §2.1).
func bearer(authorization string) (string, error) {
	if authorization == "" {
		return "", unauthorized("", "An access token is required")
	}
	scheme, raw, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", unauthorized("", "The scheme Bearer is required")
	}
	return strings.TrimLeft(raw, " "), nil
}

// gone is 401 where whom a token is about is not there any more.
func gone(who string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return invalidToken(fmt.Errorf("the %s is gone", who))
	}
	return oauth.CannotTell("find "+who, err)
}

// invalidToken tells the client nothing of why (RFC 6750 §3.1); the log has the cause.
func invalidToken(cause error) error {
	return unauthorized(oauth.CodeInvalidToken, "The access token is invalid or expired").WithCause(cause)
}

// unauthorized is 401 with its challenge. Without a code, for who presented
// nothing, the challenge says what is needed and no more (RFC 6750 §3.1).
func unauthorized(code, text string) *oauth.Error {
	challenge := oauth.Challenge{Scheme: "Bearer", Params: []oauth.Param{{Name: "realm", Value: "management"}}}
	if code != "" {
		challenge.Params = append(challenge.Params,
			oauth.Param{Name: "error", Value: code}, oauth.Param{Name: "error_description", Value: text})
	}
	return &oauth.Error{
		Code: oauth.CodeInvalidToken, Status: http.StatusUnauthorized, Description: text,
		PingOne: oauth.PingOneAccessFailed, Details: []oauth.Detail{{Code: oauth.PingOneInvalidToken, Message: text}},
		Challenges: []oauth.Challenge{challenge},
	}
}
