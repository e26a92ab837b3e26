package directory

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Update replaces an object by what edit makes of it. edit may be called more than
// once, and may change old.Document; an error of it is returned.
func (w *Writer) Update(ctx context.Context, a Actor, env *store.Environment, kind store.ObjectKind, parent, id string, p Precondition,
	edit func(old *Item) (Document, error),
) (*Item, error) {
	if kind == store.KindEnvironment {
		return w.updateEnvironment(ctx, a, id, p, edit)
	}
	if env == nil {
		return nil, fmt.Errorf("directory: no environment is given for a %s", kind)
	}
	var updated *Item
	err := again(ctx, func() error {
		change := w.plan(a, env)
		old, err := w.changing(ctx, env, kind, parent, id, p)
		if err != nil {
			return err
		}
		if updated, err = change.update(ctx, old, edit); err != nil {
			return err
		}
		return change.commit(ctx)
	})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

// changing finds an object that is going to be changed, and refuses that where it
// may not be.
func (w *Writer) changing(ctx context.Context, env *store.Environment, kind store.ObjectKind, parent, id string, p Precondition) (*Item, error) {
	old, err := w.Live.Item(ctx, env, kind, parent, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, NotFound()
	case err != nil:
		return nil, err
	case old.Declared != "":
		return nil, IsDeclared(old.Declared)
	case p.Version != 0 && p.Version != old.Version:
		return nil, PreconditionFailed()
	}
	return old, nil
}

// update adds that an object is replaced by what edit makes of it.
func (p *plan) update(ctx context.Context, old *Item, edit func(old *Item) (Document, error)) (*Item, error) {
	k, err := kindOf(old.Kind)
	if err != nil {
		return nil, err
	}
	switch {
	case old.Registered:
		return nil, Invalid(Problemf(ConstraintViolation, "id", "The client registered itself, and is changed through its registration"))
	case old.Builtin && !k.changeable:
		return nil, Invalid(Problemf(ConstraintViolation, "id", "It is built in and cannot be changed"))
	}
	draft, err := p.w.Live.copied(old)
	if err != nil {
		return nil, err
	}
	d, err := edit(draft)
	if err != nil {
		return nil, err
	}
	return p.replace(ctx, old, d)
}

// replace adds that an object says something else from now on.
func (p *plan) replace(ctx context.Context, old *Item, d Document) (*Item, error) {
	if d == nil || d.Kind() != old.Kind {
		return nil, fmt.Errorf("directory: %T cannot replace a %s", d, old.Kind)
	}
	o := old.Object
	o.UpdatedAt = p.now
	if o.CreatedAt.IsZero() { // built in, and changed for the first time
		o.CreatedAt = p.now
	}
	c := p.checking(old, &o)
	if err := d.Check(ctx, c); err != nil {
		return nil, visible(err, "check what is changed")
	}
	if err := p.end(ctx, c, old.Document, d); err != nil {
		return nil, err
	}
	if err := p.names(ctx, c, d); err != nil {
		return nil, err
	}
	return p.put(ctx, o, old, d)
}

// notFound reports whether err is NotFound.
func notFound(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.Status == http.StatusNotFound
}
