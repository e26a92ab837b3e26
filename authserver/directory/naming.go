package directory

import (
	"context"
	"errors"
	"log/slog"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// No object names one that is gone, however many change things at the same time.
// What a document names must still be there when it is stored: the store sees to that. What came to name an
// object between the look at what names it and its deletion is found by a second look, after which
// nothing can come any more.

// names adds that what d names has to be there when it is stored. What configuration
// declares, what is built in, and what is stored along with it, is.
func (p *plan) names(ctx context.Context, c *Checking, d Document) error {
	n, ok := d.(Naming)
	if !ok {
		return nil
	}
	for _, v := range n.Names(c) {
		if v.ID == "" || p.puts(v) {
			continue
		}
		k, err := kindOf(v.Kind)
		if err != nil {
			return err
		}
		it, err := p.w.Live.find(ctx, p.env, k, v.Kind, v.ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return Invalid(Problemf(InvalidValue, string(v.Kind), "must be there"))
		case err != nil:
			return err
		case it.Declared == "" && !it.Builtin && !it.Registered:
			p.write.Expect = append(p.write.Expect, store.ObjectVersion{Kind: v.Kind, ID: v.ID})
		}
	}
	return nil
}

// puts reports whether the plan stores an object.
func (p *plan) puts(v store.ObjectVersion) bool {
	for _, o := range p.write.Put {
		if o.Kind == v.Kind && o.ID == v.ID {
			return true
		}
	}
	return false
}

// settle is the second look, after old was deleted, by p: what must not be without
// it has it back, what goes with it goes, and what named it names it no longer. The deletion was stored: where
// the look fails, that is for the log.
func (p *plan) settle(ctx context.Context, old *Item) error {
	ctx = context.WithoutCancel(ctx)
	c := p.checking(old, &old.Object)
	if h, ok := old.Document.(Holding); ok {
		err := h.Deletable(ctx, c)
		if e, refused := errors.AsType[*oauth.Error](err); refused && e.PingOne == oauth.PingOneInvalidData {
			return errors.Join(p.restore(ctx), err)
		}
		p.unsettled(ctx, old, err)
	}
	p.unsettled(ctx, old, again(ctx, func() error {
		rest := p.w.plan(p.actor, p.env)
		if err := rest.along(ctx, c, old); err != nil {
			return err
		}
		return rest.commit(ctx)
	}))
	return nil
}

// restore stores again what the plan has deleted. Tokens that have ended stay so.
func (p *plan) restore(ctx context.Context) error {
	back := p.w.plan(p.actor, p.env)
	for _, it := range p.gone {
		o := it.Object
		o.Version = 0
		back.write.Put = append(back.write.Put, o)
		back.event(store.Event{
			Action: kinds[it.Kind].label + ".CREATED", Kind: it.Kind, Object: it.ID, Name: it.Document.Label(), Parent: it.Parent, After: it.Data,
		})
	}
	return again(ctx, func() error { return back.commit(ctx) })
}

func (p *plan) unsettled(ctx context.Context, old *Item, err error) {
	if err == nil || notFound(err) {
		return
	}
	p.w.Log.LogAttrs(ctx, slog.LevelError, "what named a deleted object may still do so", slog.String("environment", p.env.ID),
		slog.String("kind", string(old.Kind)), slog.String("object", old.ID), slog.String("error", err.Error()))
}

// Names are the resource and its scopes.
func (g *Grant) Names(*Checking) []store.ObjectVersion {
	return append(references(store.KindScope, g.Scopes), store.ObjectVersion{Kind: store.KindResource, ID: g.Resource.ID})
}

// Names is the key rotation policy.
func (a *Application) Names(*Checking) []store.ObjectVersion {
	return []store.ObjectVersion{{Kind: store.KindKeyRotationPolicy, ID: a.keyRotationPolicy()}}
}

// Names are the scopes that give the claim.
func (m *ApplicationAttribute) Names(*Checking) []store.ObjectVersion {
	return identified(store.KindScope, m.OIDCScopes)
}

// Names are the claims that the scope gives.
func (d *Scope) Names(*Checking) []store.ObjectVersion {
	return identified(store.KindResourceAttribute, d.MappedClaims)
}

// Names is the default population.
func (p *Population) Names(*Checking) []store.ObjectVersion {
	return identified(store.KindPopulation, []string{p.DefaultPopulation})
}

// Names is what the role is on, where that is in the same environment.
func (a *RoleAssignment) Names(c *Checking) []store.ObjectVersion {
	if a.Scope.Environment == nil || a.Scope.Environment.ID != c.Environment.ID {
		return nil
	}
	if a.Scope.Type == ScopeApplication {
		return identified(store.KindApplication, []string{a.Scope.ID})
	}
	return identified(store.KindPopulation, []string{a.Scope.ID})
}

// Takes are the roles on the application, like those on a population: an ID that
// somebody brings along may come back.
func (a *Application) Takes(ctx context.Context, c *Checking) ([]store.ObjectVersion, error) {
	return rolesOn(ctx, c)
}

func identified(kind store.ObjectKind, ids []string) []store.ObjectVersion {
	list := make([]store.ObjectVersion, len(ids))
	for i, id := range ids {
		list[i] = store.ObjectVersion{Kind: kind, ID: id}
	}
	return list
}

func references(kind store.ObjectKind, to []Reference) []store.ObjectVersion {
	list := make([]store.ObjectVersion, len(to))
	for i, r := range to {
		list[i] = store.ObjectVersion{Kind: kind, ID: r.ID}
	}
	return list
}

// rolesOn are the stored role assignments of the environment that are on an object.
func rolesOn(ctx context.Context, c *Checking) ([]store.ObjectVersion, error) {
	roles, err := c.stored(ctx, store.KindRoleAssignment, "scope "+c.ID)
	if err != nil {
		return nil, err
	}
	gone := make([]store.ObjectVersion, len(roles))
	for i, it := range roles {
		gone[i] = store.ObjectVersion{Kind: it.Kind, ID: it.ID, Version: it.Version}
	}
	return gone, nil
}

var (
	_ Naming = (*Grant)(nil)
	_ Naming = (*Application)(nil)
	_ Naming = (*ApplicationAttribute)(nil)
	_ Naming = (*Scope)(nil)
	_ Naming = (*Population)(nil)
	_ Naming = (*RoleAssignment)(nil)
	_ Taking = (*Application)(nil)
)
