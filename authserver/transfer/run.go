package transfer

import (
	"context"
	"errors"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// run goes through the file once: dry without writing anything.
func (im *importer) run(ctx context.Context, dry bool, tell func(Progress, *Difference)) error {
	im.dry, im.tell, im.progress, im.told, im.batch, im.late, im.moving, im.ring = dry, tell, Progress{}, 0, nil, nil, nil, nil
	im.making, im.claimed, im.populations = map[[16]byte]struct{}{}, map[[16]byte]struct{}{}, map[string]bool{}
	var left []doomed
	if im.o.Prune {
		var err error
		if left, err = im.prune(ctx); err != nil {
			return err
		}
	}
	if err := im.spool.rewind(); err != nil {
		return &Error{Err: oauth.CannotTell("read the file again", err)}
	}
	in, level := newLines(im.spool.file), 0
	for {
		line, ok, err := in.next()
		n := in.n + 1 // behind the first line
		if err != nil {
			return im.failed(n, nil, oauth.CannotTell("read the file again", err))
		}
		if !ok {
			break
		}
		var o object
		if err := known(line, &o); err != nil {
			return im.failed(n, nil, err)
		}
		if at := levelOf(o.Kind); at != level {
			if err := im.finish(ctx); err != nil {
				return err
			}
			level = at
		}
		o.ID, o.Parent = im.moved(o.ID), im.moved(o.Parent)
		if namesItsLike(&o) {
			im.late = append(im.late, numbered{n, o})
			continue
		}
		if err := im.line(ctx, n, &o); err != nil {
			return err
		}
	}
	if err := im.finish(ctx); err != nil {
		return err
	}
	if err := im.pruneLeft(ctx, left); err != nil {
		return err
	}
	im.tell(im.progress, nil)
	return nil
}

// line finds out what is to be done about a line, and does it with those around it.
func (im *importer) line(ctx context.Context, n int, o *object) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var c *change
	var err error
	switch o.Kind {
	case store.KindUser:
		c, err = im.user(ctx, o)
	case store.KindKey:
		c, err = im.key(ctx, o)
	default:
		c, err = im.object(ctx, o)
	}
	if err == nil && c != nil {
		err = im.claim(c)
	}
	if err != nil {
		return im.failed(n, o, err)
	}
	im.progress.Line = n
	if c == nil {
		im.progress.Same++
		if n-im.told >= tellEvery {
			im.told = n
			im.tell(im.progress, nil)
		}
		return nil
	}
	c.line, c.difference.Line = n, n
	if im.dry {
		im.count(c)
		if c.difference.Action == actionCreate {
			im.making[sum("", o.ID)] = struct{}{}
		}
		d := c.difference
		im.tell(im.progress, &d)
		return nil
	}
	if c.key != nil {
		im.moving = append(im.moving, c) // a ring is changed as a whole
		return nil
	}
	im.batch = append(im.batch, c)
	if len(im.batch) >= batchSize {
		return im.flush(ctx)
	}
	return nil
}

// claim refuses what another object of the file has: a store would refuse both.
func (im *importer) claim(c *change) error {
	var keys []string
	switch {
	case c.User != nil:
		keys = []string{"username " + c.User.Username}
	default:
		if k, ok := c.Document.(directory.Keyed); ok {
			keys, _ = k.Keys()
		}
	}
	for _, key := range keys {
		s := sum("unique "+c.Kind, key)
		if _, taken := im.claimed[s]; taken {
			word, _, _ := strings.Cut(key, " ")
			return directory.Invalid(directory.Problemf(directory.UniquenessViolation, word, "is unique, and another line of the file has it"))
		}
		im.claimed[s] = struct{}{}
	}
	return nil
}

func (im *importer) count(c *change) {
	switch c.difference.Action {
	case actionCreate:
		im.progress.Created++
	case actionUpdate:
		im.progress.Updated++
	case actionDelete:
		im.progress.Deleted++
	}
}

// finish does what is left of a level.
func (im *importer) finish(ctx context.Context) error {
	if err := im.flush(ctx); err != nil {
		return err
	}
	late := im.late
	im.late = nil
	for i := range late {
		if err := im.line(ctx, late[i].line, &late[i].object); err != nil {
			return err
		}
	}
	if err := im.flush(ctx); err != nil {
		return err
	}
	return im.adopt(ctx)
}

// flush does what has been collected.
func (im *importer) flush(ctx context.Context) error {
	batch := im.batch
	im.batch = nil
	if len(batch) == 0 {
		return nil
	}
	if err := im.write(ctx, batch); err != nil {
		return err
	}
	var after []*change
	for _, c := range batch {
		after = append(after, c.after...)
	}
	for len(after) > 0 {
		n := min(batchSize, len(after))
		if err := im.write(ctx, after[:n]); err != nil {
			return err
		}
		after = after[n:]
	}
	for _, c := range batch {
		im.count(c)
		if c.difference.Note != "" {
			note := Difference{
				Line: c.line, Action: actionNote, Kind: c.Kind, ID: c.ID, Parent: c.Parent, Name: c.difference.Name, Note: c.difference.Note,
			}
			im.tell(im.progress, &note)
		}
	}
	im.told = im.progress.Line
	im.tell(im.progress, nil)
	return nil
}

// write makes changes in one transaction. Where that is refused they are made one by one, which tells the one that is to blame.
func (im *importer) write(ctx context.Context, changes []*change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := im.commit(ctx, changes)
	switch {
	case err == nil:
		return nil
	case len(changes) == 1, errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return im.blamed(err, changes[0])
	}
	for _, c := range changes {
		if err := im.commit(ctx, []*change{c}); err != nil {
			return im.blamed(err, c)
		}
	}
	return nil
}

func (im *importer) blamed(err error, c *change) error {
	if err == nil {
		return nil
	}
	return &Error{Line: c.line, Kind: c.Kind, ID: c.ID, Err: err}
}

func (im *importer) commit(ctx context.Context, changes []*change) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTimeout)
	defer cancel()
	all := make([]directory.Change, len(changes))
	for i, c := range changes {
		all[i] = c.Change
	}
	return im.Writer.Batch(ctx, im.actor, im.env, all)
}

// refused reports whether an error is about what was to be written, and not about who writes.
func refused(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.Status < 500
}
