package transfer

import (
	"context"
	"errors"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// doomed is an object that the file does not have, and that could not be deleted before the file was read into the
// environment.
type doomed struct {
	kind       store.ObjectKind
	id, parent string
	name       string
	// reset is what it says again, where it is built in and so cannot go; changes are what is different then.
	reset   directory.Document
	changes []MemberChange
}

// prune deletes what the file does not have, children before parents, and makes what is built in as it was: before anything is written, since a name may be free
// only then. What is refused is given back, to be tried again behind all else: a population that still has
// people, for instance.
func (im *importer) prune(ctx context.Context) (left []doomed, err error) {
	for _, l := range slices.Backward(levels) {
		switch {
		case l.kind == store.KindUser && im.header.Users:
			err = im.pruneUsers(ctx)
		case l.kind == store.KindUser:
		case l.kind == store.KindSecret, l.kind == store.KindKey:
			// Secrets go with their application or resource, keys when their time has come. Neither are in every file.
		default:
			var more []doomed
			more, err = im.pruneObjects(ctx, l.kind)
			left = append(left, more...)
		}
		if err != nil {
			return nil, err
		}
	}
	return left, nil
}

func (im *importer) pruneObjects(ctx context.Context, kind store.ObjectKind) (left []doomed, err error) {
	for after := ""; ; {
		items, next, err := im.Live.Items(ctx, im.env, kind, "", after, pageSize)
		if err != nil {
			return nil, &Error{Err: err}
		}
		for _, it := range items {
			if it.Declared != "" || it.Registered || it.Builtin && it.Version == 0 || im.inFile(kind, im.original(it.ID)) {
				continue
			}
			if core(it.Document) && !it.Builtin {
				continue // it goes with its parent, and not before
			}
			d := doomed{kind: kind, id: it.ID, parent: it.Parent, name: it.Document.Label()}
			if it.Builtin {
				if d.reset, d.changes, err = im.asBuiltin(ctx, im.env, it); err != nil {
					return nil, &Error{Err: err}
				}
				if d.changes == nil {
					continue
				}
			}
			switch err := im.delete(ctx, d); {
			case err == nil:
			case refused(err):
				left = append(left, d)
			default:
				return nil, im.failed(0, &object{Kind: kind, ID: it.ID}, err)
			}
		}
		if after = next; next == "" {
			return left, nil
		}
	}
}

// pruneLeft deletes what could not be deleted before.
func (im *importer) pruneLeft(ctx context.Context, left []doomed) error {
	for _, d := range left {
		if im.dry {
			im.deleted(d) // as far as can be told before
			continue
		}
		if err := im.delete(ctx, d); err != nil {
			return im.failed(0, &object{Kind: d.kind, ID: d.id}, err)
		}
	}
	return nil
}

// delete deletes one object. One that is gone already went with another.
func (im *importer) delete(ctx context.Context, d doomed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !im.dry {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTimeout)
		defer cancel()
		var err error
		switch {
		case d.kind == store.KindUser:
			err = im.Writer.DeleteUser(ctx, im.actor, im.env, d.id, directory.Precondition{})
		case d.reset != nil:
			_, err = im.Writer.Update(ctx, im.actor, im.env, d.kind, d.parent, d.id, directory.Precondition{},
				func(*directory.Item) (directory.Document, error) { return d.reset, nil })
		default:
			err = im.Writer.Delete(ctx, im.actor, im.env, d.kind, d.parent, d.id, directory.Precondition{})
		}
		if e, ok := errors.AsType[*oauth.Error](err); ok && e.Status == 404 || errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	im.deleted(d)
	return nil
}

func (im *importer) deleted(d doomed) {
	said := &Difference{Action: actionDelete, Kind: d.kind, ID: d.id, Parent: d.parent, Name: d.name, Changes: d.changes}
	if d.reset != nil {
		said.Action = actionUpdate
		im.progress.Updated++
	} else {
		im.progress.Deleted++
	}
	switch {
	case im.dry:
		im.tell(im.progress, said)
	case im.progress.Deleted%100 == 0:
		im.tell(im.progress, nil)
	}
}

func (im *importer) pruneUsers(ctx context.Context) error {
	s := store.UserScan{Environment: im.env.ID, Limit: pageSize}
	for {
		page, err := im.Live.ScanUsers(ctx, s)
		if err != nil {
			return &Error{Err: err}
		}
		for i := range page {
			u := &page[i]
			s.After = u.Mark
			if u.Declared || im.inFile(store.KindUser, u.ID) {
				continue
			}
			if err := im.delete(ctx, doomed{kind: store.KindUser, id: u.ID, name: u.Username}); err != nil {
				return im.failed(0, &object{Kind: store.KindUser, ID: u.ID}, err)
			}
		}
		if len(page) < s.Limit {
			return nil
		}
	}
}
