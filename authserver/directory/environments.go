package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// The register of stored environments is kept apart from all of them, below an
// ID that no environment has. Each has an entry there, from before it is created
// until nothing is left of it: so that no two have one name, and so that what is
// left of a deleted one is found, whenever the process that deleted it ended.
const (
	register  = "00000000-0000-0000-0000-000000000000"
	kindEntry = store.ObjectKind("registered_environment")

	// claimHolds is how long an entry holds its name for an environment that is not
	// there: it may be about to be created.
	claimHolds = time.Minute
	// purgeAfter is how long what a deleted environment left behind is kept: requests
	// that had begun are over, and gates have asked for its keys again.
	purgeAfter  = time.Hour
	purgeAtOnce = 1000
)

// nameKey is the unique key of an entry.
func nameKey(e *Environment) string {
	return "name " + e.Organization.ID + " " + store.FoldUsername(e.Name)
}

// claim gives an environment its name in the register, or says that another has it.
func (w *Writer) claim(ctx context.Context, id string, e *Environment) error {
	key := nameKey(e)
	for range 3 {
		entry, err := w.entry(ctx, id)
		if err != nil {
			return err
		}
		if len(entry.Unique) == 1 && entry.Unique[0] == key {
			return nil
		}
		entry.Unique = []string{key}
		switch err := w.putEntry(ctx, entry); {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrExists):
			return err
		}
		if err := w.contest(ctx, key, id); err != nil {
			return err
		}
	}
	return store.ErrConflict
}

// contest takes a name away from an environment that does not have it, or says
// that it has.
func (w *Writer) contest(ctx context.Context, key, id string) error {
	holders, err := w.Store.ObjectsByKey(ctx, register, kindEntry, key, 1)
	if err != nil {
		return oauth.CannotTell("find the name of an environment", err)
	}
	if len(holders) == 0 || holders[0].ID == id {
		return nil
	}
	holder := holders[0]
	e, err := w.Live.EnvironmentByID(ctx, holder.ID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && nameKey(describe(e)) != key:
		if w.Now().Sub(holder.UpdatedAt) < claimHolds {
			return unique("name")
		}
		holder.Unique = nil
		return w.putEntry(ctx, holder)
	case err != nil:
		return err
	}
	return unique("name")
}

// entry is what the register has of an environment, or a new one.
func (w *Writer) entry(ctx context.Context, id string) (store.Object, error) {
	o, err := w.Store.ObjectByID(ctx, register, kindEntry, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.Object{Environment: register, Kind: kindEntry, ID: id, Data: []byte("{}"), CreatedAt: w.Now().UTC()}, nil
	}
	if err != nil {
		return o, oauth.CannotTell("find the entry of an environment", err)
	}
	return o, nil
}

func (w *Writer) putEntry(ctx context.Context, entry store.Object) error {
	entry.UpdatedAt = w.Now().UTC()
	return w.applyEntry(ctx, store.Write{Environment: register, Put: []store.Object{entry}})
}

// applyEntry leaves store.ErrExists and store.ErrConflict as they are.
func (w *Writer) applyEntry(ctx context.Context, change store.Write) error {
	err := w.Store.Apply(ctx, change)
	if err == nil || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
		return err
	}
	return oauth.CannotTell("store the entry of an environment", err)
}

// createEnvironment creates one like env, which its creator is in.
func (w *Writer) createEnvironment(ctx context.Context, a Actor, env *store.Environment, n New) (*Item, error) {
	d, ok := n.Document.(*Environment)
	if !ok {
		return nil, fmt.Errorf("directory: %T is no environment", n.Document)
	}
	var created *Item
	err := again(ctx, func() error {
		if !secret.IsID(n.ID) || n.ID == register {
			return Invalid(Problemf(InvalidValue, "id", "must be a UUID in lower case"))
		}
		if _, err := w.Live.Declared.EnvironmentByID(ctx, n.ID); err == nil {
			return unique("id")
		}
		p := w.plan(a, env)
		o := store.Object{Environment: n.ID, Kind: store.KindEnvironment, ID: n.ID, CreatedAt: p.now, UpdatedAt: p.now}
		c := p.checking(nil, &o)
		if err := d.Check(ctx, c); err != nil {
			return visible(err, "check an environment")
		}
		e, err := d.environment(n.ID)
		if err != nil {
			return err
		}
		if err := w.claim(ctx, n.ID, d); err != nil {
			return err
		}
		p.env, p.write.Environment = e, n.ID
		if created, err = p.putEnvironment(o, nil, d); err != nil {
			return err
		}
		return p.commit(ctx)
	})
	if err != nil {
		return nil, err
	}
	return created, nil
}

// putEnvironment is put, without keys: names are in the register.
func (p *plan) putEnvironment(o store.Object, old *Item, d *Environment) (*Item, error) {
	if err := fill(&o, d, nil); err != nil {
		return nil, err
	}
	p.write.Put = append(p.write.Put, o)
	e := store.Event{Action: "ENVIRONMENT.CREATED", Kind: o.Kind, Object: o.ID, Name: d.Name, After: o.Data}
	if old != nil {
		e.Action, e.Before = "ENVIRONMENT.UPDATED", old.Data
	}
	p.event(e)
	it := &Item{Object: o, Document: d}
	it.Version++
	return it, nil
}

func (w *Writer) updateEnvironment(ctx context.Context, a Actor, id string, pre Precondition, edit func(old *Item) (Document, error)) (*Item, error) {
	var updated *Item
	err := again(ctx, func() error {
		old, env, err := w.changingEnvironment(ctx, id, pre)
		if err != nil {
			return err
		}
		draft, err := w.Live.copied(old)
		if err != nil {
			return err
		}
		edited, err := edit(draft)
		if err != nil {
			return err
		}
		d, ok := edited.(*Environment)
		if !ok {
			return fmt.Errorf("directory: %T cannot replace an environment", edited)
		}
		p := w.plan(a, env)
		o := old.Object
		o.UpdatedAt = p.now
		if err := d.Check(ctx, p.checking(old, &o)); err != nil {
			return visible(err, "check an environment")
		}
		if err := w.claim(ctx, id, d); err != nil {
			return err
		}
		if updated, err = p.putEnvironment(o, old, d); err != nil {
			return err
		}
		return p.commit(ctx)
	})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

func (w *Writer) changingEnvironment(ctx context.Context, id string, pre Precondition) (*Item, *store.Environment, error) {
	old, err := w.changing(ctx, nil, store.KindEnvironment, "", id, pre)
	if err != nil {
		return nil, nil, err
	}
	env, err := old.Document.(*Environment).environment(id)
	return old, env, err
}

// deleteEnvironment makes that nobody finds it any more, at once and on every
// node. What is in it is deleted by Purge. The line of the audit log is in the environment of whoever
// deletes it: its own log goes with it.
func (w *Writer) deleteEnvironment(ctx context.Context, a Actor, id string, pre Precondition) error {
	recorded := false
	return again(ctx, func() error {
		old, env, err := w.changingEnvironment(ctx, id, pre)
		if err != nil {
			return err
		}
		p := w.plan(a, env)
		if p.ends, err = w.audiences(ctx, p); err != nil {
			return err
		}
		if !recorded {
			if err := w.recordDeleted(ctx, a, env, old); err != nil {
				return err
			}
			recorded = true
		}
		d := *old.Document.(*Environment)
		d.Status, d.SoftDeletedAt = environmentDeleted, &p.now
		o := old.Object
		o.UpdatedAt = p.now
		if err := fill(&o, &d, nil); err != nil {
			return err
		}
		p.write.Put = append(p.write.Put, o)
		if err := p.commit(ctx); err != nil {
			return err
		}
		w.free(ctx, id)
		return nil
	})
}

// audiences end the access tokens of an environment that is deleted: each is for
// one of its resources, or for the API.
func (w *Writer) audiences(ctx context.Context, p *plan) ([]End, error) {
	ends := []End{{Kind: store.RevokedAudience, Value: p.env.APIAudience}}
	for after := ""; ; {
		items, next, err := w.Live.Items(ctx, p.env, store.KindResource, "", after, environmentsPage)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			e, ok := it.Document.(Ending)
			if !ok {
				continue
			}
			of, err := e.Ends(ctx, p.checking(it, &it.Object), it.Document, nil)
			if err != nil {
				return nil, visible(err, "tell what a change ends")
			}
			ends = append(ends, of...)
		}
		if after = next; after == "" {
			return ends, nil
		}
	}
}

func (w *Writer) recordDeleted(ctx context.Context, a Actor, env *store.Environment, old *Item) error {
	in := env
	if a.Environment != "" && a.Environment != env.ID {
		actors, err := w.Live.EnvironmentByID(ctx, a.Environment)
		switch {
		case err == nil:
			in = actors
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	return w.Record(ctx, a, in, store.Event{
		Action: "ENVIRONMENT.DELETED", Kind: store.KindEnvironment, Object: old.ID, Name: old.Document.Label(), Before: old.Data,
	})
}

// free lets another environment have the name of a deleted one. Where that fails
// the next one who wants it will see that it is free.
func (w *Writer) free(ctx context.Context, id string) {
	entry, err := w.entry(ctx, id)
	if err == nil && (entry.Version == 0 || len(entry.Unique) > 0) {
		entry.Unique = nil
		err = w.putEntry(ctx, entry)
	}
	if err != nil {
		w.Log.LogAttrs(ctx, slog.LevelWarn, "the name of a deleted environment is not free yet",
			slog.String("environment", id), slog.String("error", err.Error()))
	}
}

// Purge does what changes have left to do, on whatever node they were made:
// it ends what is still to be ended, and deletes what deleted environments have left behind. It is to be
// called now and then, on every server; calls at the same time do no harm.
func (w *Writer) Purge(ctx context.Context) error {
	err := w.endPending(ctx)
	for after := ""; ; {
		entries, listErr := w.Store.ListObjects(ctx, store.ObjectFilter{Environment: register, Kind: kindEntry}, after, environmentsPage)
		if listErr != nil {
			return errors.Join(err, oauth.CannotTell("list the register of environments", listErr))
		}
		for _, entry := range entries {
			after = entry.ID
			err = errors.Join(err, w.purge(ctx, entry))
		}
		if len(entries) < environmentsPage {
			return err
		}
	}
}

// purge deletes what is left of an environment, and then its entry, unless the
// environment is there or has been until just now.
func (w *Writer) purge(ctx context.Context, entry store.Object) error {
	if _, err := w.Live.Declared.EnvironmentByID(ctx, entry.ID); err == nil {
		return nil // declared since under the ID that it had
	}
	since := entry.UpdatedAt
	o, err := w.Store.ObjectByID(ctx, entry.ID, store.KindEnvironment, entry.ID)
	switch {
	case errors.Is(err, store.ErrNotFound): // never created, or all but purged
	case err != nil:
		return oauth.CannotTell("find environment", err)
	default:
		var d Environment
		if err := json.Unmarshal(o.Data, &d); err != nil {
			return fmt.Errorf("read environment %s: %w", o.ID, err)
		}
		if d.Status != environmentDeleted {
			return nil
		}
		since = o.UpdatedAt
	}
	if w.Now().Sub(since) < purgeAfter {
		return nil
	}
	for {
		deleted, err := w.Store.PurgeEnvironment(ctx, entry.ID, purgeAtOnce)
		if err != nil {
			return oauth.CannotTell("purge environment", err)
		}
		if deleted == 0 {
			break
		}
	}
	w.Live.leave(entry.ID)
	if err := w.rolesOn(ctx, entry.ID); err != nil {
		return err
	}
	err = w.applyEntry(ctx, store.Write{
		Environment: register, Delete: []store.ObjectVersion{{Kind: kindEntry, ID: entry.ID, Version: entry.Version}},
	})
	if errors.Is(err, store.ErrConflict) {
		return nil // another node was first, or somebody has claimed a name for the ID
	}
	return err
}

// rolesOn takes away the roles that anybody has on an environment that is gone.
func (w *Writer) rolesOn(ctx context.Context, id string) error {
	all, err := w.Live.Environments(ctx)
	if err != nil {
		return err
	}
	for _, env := range all {
		roles, err := w.Live.ItemsByKey(ctx, env, store.KindRoleAssignment, "scope "+id, maxUses)
		if err != nil {
			return err
		}
		for _, it := range roles {
			if it.Declared != "" {
				continue
			}
			if err := w.Delete(ctx, Actor{}, env, it.Kind, it.Parent, it.ID, Precondition{}); err != nil && !notFound(err) {
				return err
			}
		}
	}
	return nil
}
