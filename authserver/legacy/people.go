package legacy

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// people remembers for one request the people and sessions that many tokens name, so that the rule
// about them (grant.Present) is asked for each token and the store is not.
type people struct {
	c      *call
	byID   map[string]*store.User      // by environment and ID; nil: gone
	bySID  map[string]*session.Session // by environment and sid; nil: ended
	loaded map[string]bool             // by environment and person: theirs were read
}

func newPeople(c *call) *people {
	return &people{c: c, byID: map[string]*store.User{}, bySID: map[string]*session.Session{}, loaded: map[string]bool{}}
}

// rememberedUsers and rememberedSessions are grant.Users and grant.Sessions.
type (
	rememberedUsers    struct{ *people }
	rememberedSessions struct{ *people }
)

func (p *people) users() rememberedUsers       { return rememberedUsers{p} }
func (p *people) sessions() rememberedSessions { return rememberedSessions{p} }

// ByID finds a user, or store.ErrNotFound.
func (p rememberedUsers) ByID(ctx context.Context, env *store.Environment, id string) (*store.User, error) {
	return remembered(p.byID, key(env.ID, id), func() (*store.User, error) { return p.c.l.Users.ByID(ctx, env, id) })
}

// ByID finds a session that lives, or store.ErrNotFound.
func (p rememberedSessions) ByID(ctx context.Context, env *store.Environment, id string) (*session.Session, error) {
	return remembered(p.bySID, key(env.ID, id), func() (*session.Session, error) { return p.c.l.Sessions.ByID(ctx, env, id) })
}

// Touch counts a use.
func (p rememberedSessions) Touch(ctx context.Context, env *store.Environment, id string) error {
	return p.c.l.Sessions.Touch(ctx, env, id)
}

// remembered asks once. nil stands for what is not there.
func remembered[T any](known map[string]*T, k string, find func() (*T, error)) (*T, error) {
	found, ok := known[k]
	if !ok {
		var err error
		if found, err = find(); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		} else if err != nil {
			found = nil
		}
		known[k] = found
	}
	if found == nil {
		return nil, store.ErrNotFound
	}
	return found, nil
}

// preload reads the sessions of a person who has several tokens, all at once.
func (p *people) preload(ctx context.Context, env *store.Environment, subject string) error {
	k := key(env.ID, subject)
	if p.loaded[k] {
		return nil
	}
	p.loaded[k] = true
	list, err := p.c.l.Sessions.List(ctx, env, subject)
	if err != nil {
		return oauth.CannotTell("list sessions", err)
	}
	for _, s := range list {
		p.bySID[key(env.ID, s.ID)] = s
	}
	return nil
}
