package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// purgeChunk is how many rows one step looks at, and deletes at most: few enough
// that what waits behind it for its commit does not notice.
const purgeChunk = 500

// No index begins with the environment, and none shall for the rare case that one goes: the
// tables are walked from end to end by their keys instead, a chunk at a time.
// What is kept against replay and of revoked tokens is not among them: it goes
// when it expires, in case somebody makes the environment anew before.
var purgedTables = []struct{ name, key string }{
	{"registered_clients", "id"},
	{"post_logout_uris", "uri"},
	{"credentials", "subject"},
	{"consents", "subject"},
	{"sessions", "id"},
	{"families", "id"},
	{"refresh_tokens", "hash"},
	{"tickets", "hash"},
	{"flows", "id"},
	{"deliveries", "id"},
	{"events", "id"},
	{"access_tokens", "id"},
}

const (
	purgeKeyRing = `DELETE FROM key_rings WHERE environment = $1`

	nextUsers  = `SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2`
	usersAmong = `SELECT ` + userColumns + ` FROM users WHERE id > $2 AND id <= $3 AND environment = $1`

	nextKind = `SELECT kind FROM objects WHERE kind > $1 ORDER BY kind LIMIT 1`
)

// purgeText walks over one table: next reads the keys behind $1, remove deletes
// those of an environment behind $2 up to $3.
type purgeText struct {
	table, next, remove string
	first               any // before every key
}

func newPurgeTexts() []purgeText {
	var all []purgeText
	for _, t := range purgedTables {
		p := purgeText{
			table:  t.name,
			next:   "SELECT " + t.key + " FROM " + t.name + " WHERE " + t.key + " > $1 ORDER BY " + t.key + " LIMIT $2",
			remove: "DELETE FROM " + t.name + " WHERE " + t.key + " > $2 AND " + t.key + " <= $3 AND environment = $1",
			first:  "",
		}
		if t.key == "hash" || t.key == "uri" {
			p.first = []byte{}
		}
		all = append(all, p)
	}
	return all
}

// purges are where the walks over the tables are, by environment, so that a call goes on where the
// one before has ended. A walk that is forgotten begins anew.
type purges struct {
	mu    sync.Mutex
	walks map[string]*walk
}

// walk is one walk over all tables: at a step, behind a key.
type walk struct {
	mu    sync.Mutex
	step  int
	after any  // nil before the first
	dirty bool // something was found since the first step
}

func (p *purges) walk(environment string) *walk {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.walks == nil {
		p.walks = make(map[string]*walk)
	}
	w := p.walks[environment]
	if w == nil {
		w = &walk{}
		p.walks[environment] = w
	}
	return w
}

func (p *purges) forget(environment string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.walks, environment)
}

// PurgeEnvironment implements store.Objects. It is done when a walk over all
// tables has found nothing.
func (db *DB) PurgeEnvironment(ctx context.Context, environment string, limit int) (deleted int, err error) {
	if !identity(environment) {
		return 0, nil
	}
	if err := db.indexed(ctx); err != nil {
		return 0, fmt.Errorf("purge environment: %w", err)
	}
	w := db.purges.walk(environment)
	w.mu.Lock()
	defer w.mu.Unlock()
	for deleted < limit {
		if w.step == 3+len(db.text.purge) {
			again := w.dirty
			w.step, w.after, w.dirty = 0, nil, false
			if !again {
				db.purges.forget(environment)
				return deleted, nil
			}
		}
		n, err := db.purgeStep(ctx, environment, w)
		if err != nil {
			return deleted, fmt.Errorf("purge environment: %w", err)
		}
		deleted += n
		w.dirty = w.dirty || n > 0
	}
	return deleted, nil
}

// purgeStep deletes what there is in one chunk of one table, and moves w on.
func (db *DB) purgeStep(ctx context.Context, environment string, w *walk) (deleted int, err error) {
	switch w.step {
	case 0:
		w.step++
		return db.purge(ctx, &Statement{Text: purgeKeyRing, Args: []any{environment}})
	case 1:
		return db.purgeObjects(ctx, environment, w)
	case 2:
		return db.purgeUsers(ctx, environment, w)
	}
	t := db.text.purge[w.step-3]
	from, to, err := db.nextChunk(ctx, t.next, t.first, w)
	if err != nil || to == nil {
		return 0, err
	}
	return db.purge(ctx, &Statement{Text: t.remove, Args: []any{environment, from, to}})
}

// nextChunk reads the ends of the next chunk of a table and moves w behind it.
// It is the last one where to is nil.
func (db *DB) nextChunk(ctx context.Context, query string, first any, w *walk) (from, to any, err error) {
	if from = w.after; from == nil {
		from = first
	}
	scan := func(r Row) error {
		var key string
		err := r.Scan(&key)
		to = key
		return err
	}
	if _, binary := first.([]byte); binary {
		scan = func(r Row) error {
			var key []byte
			err := r.Scan(&key)
			to = key
			return err
		}
	}
	if err := db.query(ctx, query, []any{from, int64(purgeChunk)}, scan); err != nil {
		return nil, nil, err
	}
	if w.after = to; to == nil {
		w.step++
	}
	return from, to, nil
}

// purgeUsers deletes users, and by each its terms, and what belongs to it.
func (db *DB) purgeUsers(ctx context.Context, environment string, w *walk) (deleted int, err error) {
	from, to, err := db.nextChunk(ctx, nextUsers, "", w)
	if err != nil || to == nil {
		return 0, err
	}
	var statements []*Statement
	var terms termChanges
	err = db.query(ctx, usersAmong, []any{environment, from, to}, func(r Row) error {
		u := storedUser{User: store.User{Environment: environment}}
		if err := scanUser(r, &u); err != nil {
			return err
		}
		deleted++
		statements = append(statements, removeUser(&u, &terms)...)
		return nil
	})
	if err != nil || deleted == 0 {
		return 0, err
	}
	if _, err := db.purge(ctx, append(statements, terms.statements()...)...); errors.Is(err, store.ErrConflict) {
		w.dirty = true // somebody changed one of them: the next walk has it
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	return deleted, nil
}

// purgeObjects deletes some objects of the first kind that has any, and their keys.
func (db *DB) purgeObjects(ctx context.Context, environment string, w *walk) (deleted int, err error) {
	kind, _ := w.after.(string)
	for {
		if kind != "" {
			list, err := db.ListObjects(ctx, store.ObjectFilter{Environment: environment, Kind: store.ObjectKind(kind)}, "", purgeChunk/5)
			if err != nil {
				return 0, err
			}
			if len(list) > 0 {
				return len(list), db.removeObjects(ctx, environment, list)
			}
		}
		next := ""
		if err := db.query(ctx, nextKind, []any{kind}, func(r Row) error { return r.Scan(&next) }); err != nil {
			return 0, err
		}
		if next == "" {
			w.step, w.after = w.step+1, nil
			return 0, nil
		}
		kind, w.after = next, next
	}
}

func (db *DB) removeObjects(ctx context.Context, environment string, list []store.Object) error {
	statements := []*Statement{{Text: countChange, Args: []any{environment}}}
	for _, o := range list {
		statements = append(statements,
			&Statement{Text: deleteObjectKeys, Args: []any{environment, string(o.Kind), o.ID}},
			&Statement{Text: deleteObject, Args: []any{environment, string(o.Kind), o.ID, int64(0)}})
	}
	return db.commit(ctx, &write{statements: statements, order: "objects " + environment})
}

// purge commits and returns how many rows the last statement deleted.
func (db *DB) purge(ctx context.Context, statements ...*Statement) (int, error) {
	err := db.commit(ctx, &write{statements: statements, order: "purge"})
	return int(statements[len(statements)-1].Affected), err
}
