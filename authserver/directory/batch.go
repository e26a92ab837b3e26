package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Batch makes many changes in one transaction and writes one line of the audit log for each. Each is checked
// against what was stored before: what one of them refers to must be there already. Built-in and declared
// objects are refused like everywhere. What Create creates along with an object has to be among the changes.
// An environment is replaced by Update. Who makes many batches is told by NotFound that the environment is gone:
// nobody deletes what comes later than what is left of it.
func (w *Writer) Batch(ctx context.Context, a Actor, env *store.Environment, changes []Change) error {
	switch _, err := w.Live.EnvironmentByID(ctx, env.ID); {
	case errors.Is(err, store.ErrNotFound):
		return NotFound()
	case err != nil:
		return err
	}
	return again(ctx, func() error {
		p := w.plan(a, env)
		for i := range changes {
			if err := p.change(ctx, &changes[i]); err != nil {
				return err
			}
		}
		return p.commit(ctx)
	})
}

func (p *plan) change(ctx context.Context, c *Change) error {
	if c.User != nil || c.Kind == store.KindUser {
		return p.changeUser(ctx, c)
	}
	if c.Kind == "" && c.Document != nil {
		c.Kind = c.Document.Kind()
	}
	if c.Kind == store.KindEnvironment {
		return errors.New("directory: an environment is no part of a batch")
	}
	if c.Document != nil && c.Document.Kind() != c.Kind {
		return fmt.Errorf("directory: %T is no %s", c.Document, c.Kind)
	}
	old, err := p.w.changing(ctx, p.env, c.Kind, c.Parent, c.ID, Precondition{})
	switch {
	case notFound(err) && c.Document == nil:
		return nil
	case notFound(err):
		keep := &store.Object{CreatedAt: c.CreatedAt}
		if c.CreatedAt.IsZero() {
			keep.CreatedAt = p.now
		}
		_, err := p.create(ctx, New{ID: c.ID, Parent: c.Parent, Document: c.Document}, nil, keep)
		return err
	case err != nil:
		return err
	case c.Document == nil:
		return p.remove(ctx, old)
	}
	was := *old
	if !c.CreatedAt.IsZero() {
		was.CreatedAt = c.CreatedAt
	}
	_, err = p.update(ctx, &was, func(*Item) (Document, error) { return c.Document, nil })
	return err
}

func (p *plan) changeUser(ctx context.Context, c *Change) error {
	id := c.ID
	if c.User != nil && c.User.ID != "" {
		id = c.User.ID
	}
	old, cred, err := p.w.changingUser(ctx, p.env, id, Precondition{})
	switch {
	case notFound(err) && c.User == nil:
		return nil
	case notFound(err):
		u := *c.User
		u.ID = id
		if !c.CreatedAt.IsZero() {
			u.CreatedAt = c.CreatedAt
		}
		return p.createUser(ctx, &u, c.Credential, p.w.notDeclared) // of thousands, each question counts
	case err != nil:
		return err
	case c.User == nil:
		return p.removeUser(ctx, old, cred)
	}
	_, err = p.updateUser(ctx, old, cred, func(change *UserChange) error {
		u := *c.User
		u.Environment, u.ID, u.Declared, u.Password, u.Version = old.Environment, old.ID, old.Declared, old.Password, old.Version
		u.CreatedAt, u.UpdatedAt = old.CreatedAt, old.UpdatedAt
		if !c.CreatedAt.IsZero() {
			u.CreatedAt = c.CreatedAt
		}
		change.User = &u
		if c.Credential != nil {
			replaced := *c.Credential
			replaced.Environment, replaced.Subject, replaced.Version = cred.Environment, cred.Subject, cred.Version
			change.Credential = &replaced
		}
		return nil
	})
	return err
}
