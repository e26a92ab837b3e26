package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Create creates an object, and what is created along with it. What it says
// is changed by its Check. For an environment env is the one of whoever creates it.
func (w *Writer) Create(ctx context.Context, a Actor, env *store.Environment, n New) (*Item, error) {
	if n.Document == nil || env == nil {
		return nil, errors.New("directory: an object without a document, or of no environment, cannot be created")
	}
	if n.ID == "" {
		n.ID = w.NewID()
	}
	if n.Document.Kind() == store.KindEnvironment {
		return w.createEnvironment(ctx, a, env, n)
	}
	var created *Item
	err := again(ctx, func() error {
		p := w.plan(a, env)
		var err error
		if created, err = p.create(ctx, n, nil, nil); err != nil {
			return err
		}
		return p.commit(ctx)
	})
	if err != nil {
		return nil, err
	}
	if err := w.orphaned(ctx, a, env, created); err != nil {
		return nil, err
	}
	return created, nil
}

// create adds a new object and its companions. Of what is founded together with it the
// parent need not be looked for.
func (p *plan) create(ctx context.Context, n New, founder *Item, keep *store.Object) (*Item, error) {
	kind := n.Document.Kind()
	k, err := kindOf(kind)
	if err != nil {
		return nil, err
	}
	if !validID(n.ID) {
		return nil, Invalid(Problemf(InvalidValue, "id", "must be 1 to %d printable characters of ASCII", maxID))
	}
	g, err := p.w.Live.givensOf(ctx, p.env, kind)
	if err != nil {
		return nil, err
	}
	if given := g.byID[n.ID]; given != nil {
		return nil, unique("id")
	}
	if k.parents == nil {
		n.Parent = ""
	} else if founder == nil || founder.ID != n.Parent {
		stored, err := p.w.Live.parent(ctx, p.env, k, n.Parent)
		if err != nil {
			return nil, err
		}
		if err := p.w.Live.crowded(ctx, p.env.ID, n.Parent); err != nil {
			return nil, err
		}
		if stored != nil { // still, when this is stored
			p.write.Expect = append(p.write.Expect, *stored)
		}
	}
	o := store.Object{Environment: p.env.ID, Kind: kind, ID: n.ID, Parent: n.Parent, CreatedAt: p.now, UpdatedAt: p.now}
	if keep != nil {
		o.CreatedAt = keep.CreatedAt
	}
	c := p.checking(nil, &o)
	if err := n.Document.Check(ctx, c); err != nil {
		return nil, visible(err, "check what is created")
	}
	if err := p.names(ctx, c, n.Document); err != nil {
		return nil, err
	}
	it, err := p.put(ctx, o, nil, n.Document)
	if err != nil {
		return nil, err
	}
	if f, ok := n.Document.(Founding); ok && keep == nil {
		return it, p.found(ctx, it, f.Companions(c))
	}
	return it, nil
}

// maxID is in bytes, and less than what a store takes.
const maxID = 256

// validID reports whether something new may have an ID that somebody brings
// along. Most kinds are stricter.
func validID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}

// found adds what is created along with an object.
func (p *plan) found(ctx context.Context, founder *Item, companions []New) error {
	for _, n := range companions {
		if n.ID == "" {
			n.ID = p.w.NewID()
		}
		if n.Parent == "" {
			n.Parent = founder.ID
		}
		if _, err := p.create(ctx, n, founder, nil); err != nil {
			return fmt.Errorf("create a %s along with a %s: %w", n.Document.Kind(), founder.Kind, err)
		}
	}
	return nil
}

// orphaned deletes an object again whose user was deleted while it was created,
// too late to be deleted with them. Of objects the store itself sees to that.
func (w *Writer) orphaned(ctx context.Context, a Actor, env *store.Environment, it *Item) error {
	k, err := kindOf(it.Kind)
	if err != nil || !slices.Contains(k.parents, store.KindUser) {
		return err
	}
	if _, err := w.Live.parent(ctx, env, k, it.Parent); !notFound(err) {
		return nil // they are there, or that cannot be told: then the object is stored
	}
	if err := w.Delete(ctx, a, env, it.Kind, it.Parent, it.ID, Precondition{}); err != nil && !notFound(err) {
		return err
	}
	return NotFound()
}
