package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// maxChildren is how many objects can belong to one: all of them are read together
// with it. Who creates some at the same time may get a few more.
const (
	maxChildren  = 5_000
	mostChildren = 2 * maxChildren
)

// children are the stored objects that belong to one, by kind and ID.
func (l *Live) children(ctx context.Context, environment, parent string) ([]*Item, error) {
	objects, err := l.Store.ChildrenOf(ctx, environment, parent, mostChildren)
	if err != nil {
		return nil, fmt.Errorf("list what belongs to %s: %w", parent, err)
	}
	if len(objects) == mostChildren {
		return nil, fmt.Errorf("%d objects or more belong to %s", mostChildren, parent)
	}
	children := make([]*Item, len(objects))
	for i, o := range objects {
		if children[i], err = l.item(o); err != nil {
			return nil, err
		}
	}
	return children, nil
}

// crowded refuses a parent that has as many children as there can be.
func (l *Live) crowded(ctx context.Context, environment, parent string) error {
	children, err := l.Store.ChildrenOf(ctx, environment, parent, maxChildren)
	switch {
	case err != nil:
		return oauth.CannotTell("list what belongs to an object", err)
	case len(children) == maxChildren:
		return Invalid(Problemf(ConstraintViolation, "id", "There can be no more than %d objects that belong to one", maxChildren))
	}
	return nil
}

// descendants are the children, their children, and so on.
func (l *Live) descendants(ctx context.Context, environment, parent string) ([]*Item, error) {
	const deepest = 4 // the kinds nest less
	var all []*Item
	level := []string{parent}
	for range deepest {
		var next []string
		for _, id := range level {
			children, err := l.children(ctx, environment, id)
			if err != nil {
				return nil, err
			}
			for _, it := range children {
				if it.ID != id { // a secret has the ID of what it belongs to
					next = append(next, it.ID)
				}
			}
			all = append(all, children...)
		}
		level = next
	}
	return all, nil
}

// parent finds what an object of kind k is going to belong to: stored is that
// object where it is one that can be deleted meanwhile. Configuration alone gives children
// to what it declares, unless the kind is loose.
func (l *Live) parent(ctx context.Context, env *store.Environment, k *kind, id string) (stored *store.ObjectVersion, err error) {
	for _, kind := range k.parents {
		if kind == store.KindUser {
			u, err := l.UserByID(ctx, env.ID, id)
			switch {
			case errors.Is(err, store.ErrNotFound):
				continue
			case err != nil:
				return nil, cannotTell("find", kind, err)
			case u.Declared && !k.loose:
				return nil, IsDeclared(l.Declared.DeclaredAt(env.ID, kind, id))
			}
			return nil, nil
		}
		of, err := kindOf(kind)
		if err != nil {
			continue
		}
		it, err := l.find(ctx, env, of, kind, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue
		case err != nil:
			return nil, err
		case it.Declared != "" && !k.loose:
			return nil, IsDeclared(it.Declared)
		case it.Declared != "" || it.Registered || it.Version == 0:
			return nil, nil
		}
		return &store.ObjectVersion{Kind: kind, ID: id}, nil
	}
	return nil, NotFound()
}
