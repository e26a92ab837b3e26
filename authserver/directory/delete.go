package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Delete deletes an object and what belongs to it.
func (w *Writer) Delete(ctx context.Context, a Actor, env *store.Environment, kind store.ObjectKind, parent, id string, p Precondition) error {
	if kind == store.KindEnvironment {
		return w.deleteEnvironment(ctx, a, id, p)
	}
	if env == nil {
		return fmt.Errorf("directory: no environment is given for a %s", kind)
	}
	return again(ctx, func() error {
		old, err := w.changing(ctx, env, kind, parent, id, p)
		if err != nil {
			return err
		}
		if old.Registered {
			return w.deleteRegistered(ctx, a, env, old)
		}
		change := w.plan(a, env)
		if err := change.remove(ctx, old); err != nil {
			return err
		}
		return change.commit(ctx)
	})
}

// remove adds that an object is deleted, with all that goes with it.
func (p *plan) remove(ctx context.Context, old *Item) error {
	c := p.checking(old, &old.Object)
	if h, ok := old.Document.(Holding); ok {
		if err := h.Deletable(ctx, c); err != nil {
			return visible(err, "tell whether it can be deleted")
		}
	}
	if old.Builtin {
		return Invalid(Problemf(ConstraintViolation, "id", "It is built in and cannot be deleted"))
	}
	if err := p.drop(ctx, old); err != nil {
		return err
	}
	p.removed = append(p.removed, old)
	return p.along(ctx, c, old)
}

// along adds what becomes of those that have to do with an object that goes.
func (p *plan) along(ctx context.Context, c *Checking, old *Item) error {
	if t, ok := old.Document.(Taking); ok {
		taken, err := t.Takes(ctx, c)
		if err != nil {
			return visible(err, "tell what goes with it")
		}
		for _, v := range taken {
			if err := p.take(ctx, v); err != nil {
				return err
			}
		}
	}
	return p.leave(ctx, c, old)
}

// drop adds that an object and its children are deleted.
func (p *plan) drop(ctx context.Context, old *Item) error {
	if p.going(old) {
		return nil
	}
	if !p.first("id "+string(old.Kind)+" "+old.ID, "") {
		return unique("id") // a batch that stores it, too
	}
	p.write.Delete = append(p.write.Delete, store.ObjectVersion{Kind: old.Kind, ID: old.ID, Version: old.Version})
	return p.goes(ctx, old)
}

// goes adds what is to be said of an object that goes, and of its children.
func (p *plan) goes(ctx context.Context, old *Item) error {
	items := []*Item{old}
	if old.ID != old.Parent { // then what has that parent is its sibling
		children, err := p.w.Live.descendants(ctx, p.env.ID, old.ID)
		if err != nil {
			return oauth.CannotTell("find what goes with it", err)
		}
		items = append(items, slices.DeleteFunc(children, p.going)...)
	}
	return p.farewell(ctx, items)
}

// farewell adds what is to be said of objects that go.
func (p *plan) farewell(ctx context.Context, items []*Item) error {
	p.gone = append(p.gone, items...)
	for _, it := range items {
		if err := p.end(ctx, p.checking(it, &it.Object), it.Document, nil); err != nil {
			return err
		}
		p.event(store.Event{
			Action: kinds[it.Kind].label + ".DELETED", Kind: it.Kind, Object: it.ID, Name: it.Document.Label(), Parent: it.Parent, Before: it.Data,
		})
	}
	return nil
}

// take adds that an object goes along with another, unless it does so as its child.
func (p *plan) take(ctx context.Context, v store.ObjectVersion) error {
	o, err := p.w.Store.ObjectByID(ctx, p.env.ID, v.Kind, v.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return cannotTell("find", v.Kind, err)
	case v.Version != 0 && v.Version != o.Version:
		return store.ErrConflict
	}
	it, err := p.w.Live.item(o)
	if err != nil {
		return cannotTell("read", v.Kind, err)
	}
	if p.going(it) {
		return nil
	}
	return p.drop(ctx, it)
}

// going reports whether the plan deletes an object, as another's child perhaps.
func (p *plan) going(it *Item) bool {
	return slices.ContainsFunc(p.gone, func(g *Item) bool { return g.Kind == it.Kind && g.ID == it.ID })
}

// leave adds what those say from now on that named an object and stay.
func (p *plan) leave(ctx context.Context, c *Checking, old *Item) error {
	l, ok := old.Document.(Leaving)
	if !ok {
		return nil
	}
	replaced, err := l.Leaves(ctx, c)
	if err != nil {
		return visible(err, "tell what names it")
	}
	for _, r := range replaced {
		if p.going(r.Item) {
			continue
		}
		if _, err := p.replace(ctx, r.Item, r.Document); err != nil {
			return err
		}
	}
	return nil
}

// deleteRegistered deletes a client that registered itself, and what it holds:
// before it goes, and again for what it obtained meanwhile.
func (w *Writer) deleteRegistered(ctx context.Context, a Actor, env *store.Environment, old *Item) error {
	p := w.plan(a, env)
	p.ends = []End{{Kind: store.RevokedClient, Value: old.ID, All: true}}
	children, err := w.Live.children(ctx, env.ID, old.ID)
	if err != nil {
		return oauth.CannotTell("find what goes with it", err)
	}
	p.event(store.Event{
		Action: kinds[old.Kind].label + ".DELETED", Kind: old.Kind, Object: old.ID, Name: old.Document.Label(), Before: old.Data,
	})
	for _, it := range children {
		if err := p.drop(ctx, it); err != nil {
			return err
		}
	}
	if err := p.commit(ctx); err != nil {
		return err
	}
	if err := w.Store.DeleteRegisteredClient(ctx, env.ID, old.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return oauth.CannotTell("delete client", err)
	}
	// Without a line of its own: it is what the one before says.
	p = w.plan(a, env)
	p.ends = []End{{Kind: store.RevokedClient, Value: old.ID, All: true}}
	return p.commit(ctx)
}
