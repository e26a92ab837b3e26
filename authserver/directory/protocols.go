package directory

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// What documents come to for the protocols. The document gets all that belongs to
// its object; what is made of it is kept as long as nothing in the environment changes, and shared.
type (
	// clientDocument is an application.
	clientDocument interface {
		client(ctx context.Context, w *whole) (*store.Client, error)
	}
	// resourceDocument is a resource. One of OpenID Connect or of the PingOne API is store.ErrNotFound.
	resourceDocument interface {
		resource(ctx context.Context, w *whole) (*store.Resource, error)
	}
	// openIDFunc is what the two resources that every environment has come to, with what was changed of them.
	openIDFunc func(ctx context.Context, l *Live, env *store.Environment) (*store.OpenID, error)
)

// whole is an object with its children. Nothing of it may be changed.
type whole struct {
	live     *Live
	env      *store.Environment
	item     *Item
	children []*Item // by kind and ID
}

// of are the children of one kind, by ID.
func (w *whole) of(kind store.ObjectKind) []*Item {
	var list []*Item
	for _, c := range w.children {
		if c.Kind == kind {
			list = append(list, c)
		}
	}
	return list
}

// whole finds an object that is stored, with its children; store.ErrNotFound for
// what is given.
func (l *Live) whole(ctx context.Context, env *store.Environment, kind store.ObjectKind, id string) (*whole, error) {
	o, err := l.Store.ObjectByID(ctx, env.ID, kind, id)
	if err != nil {
		return nil, err
	}
	it, err := l.item(o)
	if err != nil {
		return nil, err
	}
	children, err := l.children(ctx, env.ID, id)
	if err != nil {
		return nil, err
	}
	return &whole{live: l, env: env, item: it, children: children}, nil
}
