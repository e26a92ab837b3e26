package legacy

import (
	"context"
	"errors"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// lookup finds tokens, and remembers for one request what several of them have in common.
type lookup struct {
	c       *call
	people  *people
	clients map[string]*store.Client // by environment and ID; nil: gone
	refresh map[string]*token.Held   // by environment and family; nil: none that works
	whole   map[string]bool          // by environment and person: refresh has all of theirs
}

func (c *call) lookup() *lookup {
	return &lookup{
		c: c, people: newPeople(c), clients: map[string]*store.Client{}, refresh: map[string]*token.Held{}, whole: map[string]bool{},
	}
}

// maxText bounds what is looked for: the longest token that is read.
const maxText = 16 << 10

// token finds the token that a text stands for in one home: a JWT, an opaque access token, a refresh token or the
// handle of any of them. store.ErrNotFound: there is none that works, as introspection would say.
func (f *lookup) token(h home, text string) (*oauthToken, error) {
	ctx, l := f.c.r.Context(), f.c.l
	if text == "" || len(text) > maxText {
		return nil, store.ErrNotFound
	}
	if id, expires, ok := token.ParseHandle(text); ok {
		record, err := l.Records.ByID(ctx, h.env, id, expires)
		if err != nil {
			return nil, cannotTell("find access token", err)
		}
		return f.access(h, record)
	}
	if strings.Contains(text, ".") || token.IsOpaque(text) {
		active, err := l.Tokens.Verify(ctx, h.env, text)
		if errors.Is(err, token.ErrInactive) {
			return nil, store.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		record, err := l.Records.ByID(ctx, h.env, active.ID(), active.ExpiresAt)
		if err != nil {
			return nil, cannotTell("find access token", err)
		}
		return f.access(h, record)
	}
	held, err := l.Refresh.Find(ctx, h.env, secret.Of(text))
	if err == nil {
		return f.family(h, &held)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	found, err := f.byHandle(h, text)
	if err != nil {
		return nil, err
	}
	return f.family(h, found)
}

// cannotTell lets a caller act on store.ErrNotFound, and makes one answer of every other failure.
func cannotTell(what string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrNotFound
	}
	if _, ok := errors.AsType[*oauth.Error](err); ok {
		return err
	}
	return oauth.CannotTell(what, err)
}

// byHandle finds the newest token of a family.
func (f *lookup) byHandle(h home, family string) (*token.Held, error) {
	list, err := f.c.l.Store.ListFamilies(f.c.r.Context(), store.FamilyFilter{Environment: h.env.ID, ID: family}, "", 1, f.c.l.Now())
	switch {
	case err != nil:
		return nil, oauth.CannotTell("find refresh token", err)
	case len(list) == 0:
		return nil, store.ErrNotFound
	}
	held, err := token.FamilyHeld(list[0])
	if err != nil {
		return nil, err
	}
	return &held, nil
}

// access is the token of a record, unless its client is gone.
func (f *lookup) access(h home, record *token.Record) (*oauthToken, error) {
	h, ok := f.c.l.seat(h, record.Issuer)
	if !ok {
		return nil, store.ErrNotFound
	}
	client, err := f.client(h, record.Client)
	if err != nil {
		return nil, err
	}
	return &oauthToken{home: h, record: record, client: client}, nil
}

// family is a refresh token, unless it does not work any more.
func (f *lookup) family(h home, held *token.Held) (*oauthToken, error) {
	a := &held.Authorization
	h, ok := f.c.l.seat(h, a.Issuer)
	if !ok || held.Spent || held.Ended {
		return nil, store.ErrNotFound
	}
	user, _, err := grant.Present(f.c.r.Context(), h.env, f.people.users(), f.people.sessions(), a.On.Subject, a.On.Session)
	if err != nil {
		return nil, err
	}
	if user == nil {
		return nil, store.ErrNotFound
	}
	client, err := f.client(h, a.Client)
	if err != nil {
		return nil, err
	}
	return &oauthToken{home: h, held: held, client: client}, nil
}

// client finds a token's client: store.ErrNotFound where it is gone.
func (f *lookup) client(h home, id string) (*store.Client, error) {
	client, err := remembered(f.clients, key(h.env.ID, id), func() (*store.Client, error) {
		return f.c.l.Directory.ClientByID(f.c.r.Context(), h.env.ID, id)
	})
	if err != nil {
		return nil, cannotTell("find client", err)
	}
	return client, nil
}

// refreshOf is the refresh token that an access token was issued with, or nil.
func (f *lookup) refreshOf(ctx context.Context, t *oauthToken) (*token.Held, error) {
	if t.record == nil {
		return t.held, nil
	}
	if t.record.Grant == "" || t.record.Subject == "" {
		return nil, nil
	}
	if err := f.preload(ctx, t.home, t.record.Subject); err != nil {
		return nil, err
	}
	k := key(t.env.ID, t.record.Grant)
	held, known := f.refresh[k]
	if known || f.whole[key(t.env.ID, t.record.Subject)] {
		return held, nil
	}
	held, err := f.byHandle(t.home, t.record.Grant)
	if err == nil {
		held, err = f.working(t.home, held)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	f.refresh[k] = held
	return held, nil
}

// maxPreload is how many refresh tokens of one person are read at once.
const maxPreload = 1000

// preload reads a person's refresh tokens: almost everybody's are few.
func (f *lookup) preload(ctx context.Context, h home, subject string) error {
	k := key(h.env.ID, subject)
	if _, known := f.whole[k]; known {
		return nil
	}
	list, err := f.c.l.Store.ListFamilies(ctx, store.FamilyFilter{Environment: h.env.ID, Subject: subject}, "", maxPreload, f.c.l.Now())
	if err != nil {
		return oauth.CannotTell("list refresh tokens", err)
	}
	if len(list) > 1 {
		if err := f.people.preload(ctx, h.env, subject); err != nil {
			return err
		}
	}
	for _, family := range list {
		held, err := token.FamilyHeld(family)
		if err != nil {
			return err
		}
		if f.refresh[key(h.env.ID, family.ID)], err = f.working(h, &held); err != nil {
			return err
		}
	}
	f.whole[k] = len(list) < maxPreload
	return nil
}

// working is held, or nil where it does not work.
func (f *lookup) working(h home, held *token.Held) (*token.Held, error) {
	switch _, err := f.family(h, held); {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return held, nil
}

// key joins what no name contains NUL of.
func key(parts ...string) string { return strings.Join(parts, "\x00") }
