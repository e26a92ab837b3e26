package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// The first statement of every change of objects: its lock has those of one environment follow each other,
	// so that each sees what the one before has done.
	countChange = `INSERT INTO object_versions (environment, version) VALUES ($1, 1)
ON CONFLICT (environment) DO UPDATE SET version = object_versions.version + 1`

	// The same where something has the parent $2.
	countChangeOf = `INSERT INTO object_versions (environment, version)
SELECT $1, 1 WHERE EXISTS (SELECT 1 FROM objects WHERE parent = $2 AND parent <> '' AND environment = $1)
ON CONFLICT (environment) DO UPDATE SET version = object_versions.version + 1`

	expectObject = `UPDATE objects SET version = version WHERE environment = $1 AND kind = $2 AND id = $3 AND ($4 = 0 OR version = $4)`

	insertObject = `INSERT INTO objects (environment, kind, id, version, parent, data, sealed, unique_keys, lookup_keys, created_at, updated_at)
VALUES ($1, $2, $3, $4 + 1, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT DO NOTHING`

	replaceObject = `UPDATE objects SET version = version + 1, parent = $5, data = $6, sealed = $7, unique_keys = $8, lookup_keys = $9,
	created_at = $10, updated_at = $11
WHERE environment = $1 AND kind = $2 AND id = $3 AND version = $4`

	deleteObject = `DELETE FROM objects WHERE environment = $1 AND kind = $2 AND id = $3 AND ($4 = 0 OR version = $4)`

	insertObjectKey = `INSERT INTO object_keys (environment, kind, id, hash, sole) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`

	deleteObjectKeys = `DELETE FROM object_keys WHERE environment = $1 AND kind = $2 AND id = $3`
)

// below is what goes with the object $2 of the kind $3: those with that parent,
// theirs, and so on. An object whose ID is its parent's has none: what has that
// parent is its sibling.
func (d Dialect) below() string {
	return `WITH RECURSIVE below (kind, id) AS (
	SELECT kind, id FROM objects WHERE parent = $2 AND parent <> '' AND environment = $1
		AND NOT EXISTS (SELECT 1 FROM objects WHERE environment = $1 AND kind = $3 AND id = $2 AND parent = $2)
	UNION
	SELECT o.kind, o.id FROM below AS b ` + d.each("objects", "o", "o.parent = b.id AND o.parent <> '' AND o.environment = $1") + `
)
`
}

// applyTexts delete what goes with an object or a user.
type applyTexts struct{ keysBelow, objectsBelow string }

func newApplyTexts(d Dialect) applyTexts {
	remove := func(table, key string) string {
		columns, row := "x."+strings.ReplaceAll(key, ", ", ", x."), "("+key+")"
		if d.RowID != "" {
			columns, row = "x."+d.RowID, d.RowID
		}
		return d.below() + "DELETE FROM " + table + " WHERE " + d.among(row, "SELECT "+columns+" FROM below AS b "+
			d.each(table, "x", "x.id = b.id AND x.kind = b.kind AND x.environment = $1 AND NOT (x.kind = $3 AND x.id = $2)"))
	}
	return applyTexts{
		keysBelow:    remove("object_keys", "hash, kind, environment, id"),
		objectsBelow: remove("objects", "kind, environment, id"),
	}
}

// applyAttempts bounds how often a write is prepared anew because a user that it
// deletes at whatever version was changed meanwhile.
const applyAttempts = 10

// Apply implements store.Objects.
func (db *DB) Apply(ctx context.Context, w store.Write) error {
	for attempt := 1; ; attempt++ {
		err := db.apply(ctx, w)
		again := attempt < applyAttempts && errors.Is(err, store.ErrConflict) &&
			slices.ContainsFunc(w.DeleteUsers, func(v store.UserVersion) bool { return v.Version == 0 })
		if err == nil || !again {
			return err
		}
	}
}

// apply tries once.
func (db *DB) apply(ctx context.Context, w store.Write) error {
	if !identity(w.Environment) {
		return errText("write")
	}
	p := &applying{db: db, w: w}
	for _, part := range []func(context.Context) error{p.objects, p.users, p.credentials, p.records, p.revocations} {
		if err := part(ctx); err != nil {
			return named(err, "apply")
		}
	}
	if len(p.statements) == 0 {
		return nil
	}
	delivered := newReceipt()
	committed := func() {
		delivered.open.Add(int64(len(p.merged))) // each publish signs for one
		for _, merged := range p.merged {
			db.hub.publish(merged(), delivered)
		}
		delivered.sign()
	}
	if err := db.commit(ctx, &write{statements: p.statements, committed: committed, order: p.order}); err != nil {
		return named(err, "apply")
	}
	return delivered.wait(ctx)
}

// applying makes the statements of one write.
type applying struct {
	db         *DB
	w          store.Write
	statements []*Statement
	merged     []func() store.Revocation
	order      string // of the first lock that is taken
}

func (p *applying) add(require error, text string, args ...any) {
	p.statements = append(p.statements, &Statement{Text: text, Args: args, Require: require})
}

// own checks that a part of the write belongs to its environment.
func (p *applying) own(environment, what string) error {
	if environment != p.w.Environment {
		return fmt.Errorf("store: the %s of a write belongs to another environment", what)
	}
	return nil
}

// objects deletes first, so that what goes can make room for what comes.
func (p *applying) objects(context.Context) error {
	w := p.w
	if len(w.Put)+len(w.Delete)+len(w.Expect) > 0 {
		p.order = "objects " + w.Environment
	}
	if len(w.Put)+len(w.Delete) > 0 {
		p.add(nil, countChange, w.Environment)
	}
	for _, v := range w.Expect {
		if !identity(string(v.Kind), v.ID) {
			return store.ErrConflict
		}
		p.add(store.ErrConflict, expectObject, w.Environment, string(v.Kind), v.ID, v.Version)
	}
	for _, v := range w.Delete {
		if !identity(string(v.Kind), v.ID) {
			return store.ErrConflict
		}
		p.deleteObject(v)
	}
	var keys []*Statement
	for _, o := range w.Put {
		if err := p.own(o.Environment, "object"); err != nil {
			return err
		}
		more, err := p.putObject(o)
		if err != nil {
			return err
		}
		keys = append(keys, more...)
	}
	p.statements = append(p.statements, keys...)
	if slices.ContainsFunc(w.Put, func(o store.Object) bool { return o.Kind == store.KindEnvironment }) ||
		slices.ContainsFunc(w.Delete, func(v store.ObjectVersion) bool { return v.Kind == store.KindEnvironment }) {
		p.add(nil, countChange, "")
	}
	return nil
}

func (p *applying) deleteObject(v store.ObjectVersion) {
	environment, kind := p.w.Environment, string(v.Kind)
	p.deleteBelow(v.ID, v.Kind)
	p.add(nil, deleteObjectKeys, environment, kind, v.ID)
	p.add(store.ErrConflict, deleteObject, environment, kind, v.ID, v.Version)
}

func (p *applying) deleteBelow(id string, kind store.ObjectKind) {
	p.add(nil, p.db.text.apply.keysBelow, p.w.Environment, id, string(kind))
	p.add(nil, p.db.text.apply.objectsBelow, p.w.Environment, id, string(kind))
}

// putObject adds what stores o, and returns what stores its keys: that comes when
// every other object of the write has given up its own.
func (p *applying) putObject(o store.Object) (keys []*Statement, err error) {
	if !identity(string(o.Kind), o.ID, o.Parent) || o.ID == "" || !validKeys(o.Unique) || !validKeys(o.Lookups) {
		return nil, errText("object")
	}
	if o.Kind == store.KindEnvironment && o.ID != o.Environment {
		return nil, errors.New("store: an environment is an object of its own")
	}
	unique, err := encodeStrings(o.Unique)
	if err != nil {
		return nil, err
	}
	lookups, err := encodeStrings(o.Lookups)
	if err != nil {
		return nil, err
	}
	statement, require := insertObject, store.ErrExists
	if o.Version != 0 {
		statement, require = replaceObject, store.ErrConflict
	}
	p.add(require, statement, o.Environment, string(o.Kind), o.ID, o.Version, o.Parent, blob(o.Data), blob(o.Sealed), unique, lookups,
		micros(o.CreatedAt), micros(o.UpdatedAt))
	if o.Version != 0 {
		p.add(nil, deleteObjectKeys, o.Environment, string(o.Kind), o.ID)
	}
	seen := make(map[string]bool, len(o.Unique)+len(o.Lookups))
	for i, key := range slices.Concat(o.Unique, o.Lookups) {
		if seen[key] {
			continue
		}
		seen[key] = true
		keys = append(keys, &Statement{Text: insertObjectKey, Require: store.ErrExists, Args: []any{
			o.Environment, string(o.Kind), o.ID, keyHash(key), flag(i < len(o.Unique)),
		}})
	}
	return keys, nil
}

func validKeys(keys []string) bool {
	return text(keys...) && !slices.ContainsFunc(keys, func(k string) bool { return len(k) > maxKey })
}

// users deletes first, as objects does, and writes in the order of usernames, as
// others do who write several.
func (p *applying) users(ctx context.Context) error {
	var terms termChanges
	for _, v := range p.w.DeleteUsers {
		u, err := p.db.storedUser(ctx, userByID, p.w.Environment, v.ID)
		switch {
		case errors.Is(err, store.ErrNotFound) || err == nil && v.Version != 0 && v.Version != u.Version:
			return store.ErrConflict
		case err != nil:
			return err
		}
		if p.order == "" {
			p.order = credentialOrder(u.Environment, u.ID)
		}
		p.add(nil, countChangeOf, u.Environment, u.ID)
		p.deleteBelow(u.ID, store.KindUser)
		p.statements = append(p.statements, removeUser(u, &terms)...)
	}
	put := slices.Clone(p.w.PutUsers)
	slices.SortStableFunc(put, func(a, b store.User) int { return cmp.Compare(a.Username, b.Username) })
	for _, u := range put {
		if err := p.own(u.Environment, "user"); err != nil {
			return err
		}
		if p.order == "" {
			p.order = userOrder(u.Environment, u.Username)
		}
		s, err := p.db.putUser(ctx, u, &terms)
		if err != nil {
			return err
		}
		p.statements = append(p.statements, s)
	}
	p.statements = append(p.statements, terms.statements()...)
	return nil
}

func (p *applying) credentials(context.Context) error {
	for _, c := range p.w.PutCredentials {
		if err := p.own(c.Environment, "credential"); err != nil {
			return err
		}
		s, err := putCredential(c)
		if err != nil {
			return err
		}
		s.Require = store.ErrConflict
		p.statements = append(p.statements, s)
		if p.order == "" {
			p.order = credentialOrder(c.Environment, c.Subject)
		}
	}
	return nil
}

// records adds events and deliveries, which nobody else changes.
func (p *applying) records(context.Context) error {
	for _, e := range p.w.Events {
		if err := p.own(e.Environment, "event"); err != nil {
			return err
		}
		s, err := putEvent(e)
		if err != nil {
			return err
		}
		s.Require = store.ErrExists
		p.statements = append(p.statements, s)
	}
	for _, d := range p.w.Deliveries {
		if err := p.own(d.Environment, "delivery"); err != nil {
			return err
		}
		s, err := putDelivery(d)
		if err != nil {
			return err
		}
		s.Require = store.ErrExists
		p.statements = append(p.statements, s)
	}
	return nil
}

// revocations come last: their locks are held for the shortest time.
func (p *applying) revocations(context.Context) error {
	list := slices.Clone(p.w.Revocations)
	slices.SortStableFunc(list, func(a, b store.Revocation) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
	})
	for _, r := range list {
		if err := p.own(r.Environment, "revocation"); err != nil {
			return err
		}
		statements, merged, err := p.db.putRevocation(r)
		if err != nil {
			return err
		}
		p.statements, p.merged = append(p.statements, statements...), append(p.merged, merged)
		if p.order == "" {
			p.order = strings.Join([]string{"revocations", r.Environment, string(r.Kind), r.Value}, " ")
		}
	}
	return nil
}
