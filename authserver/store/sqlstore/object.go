package sqlstore

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// maxKey is the length in bytes of the longest key of an object.
const maxKey = 2048

const (
	objectColumns = `environment, kind, id, parent, data, sealed, unique_keys, lookup_keys, created_at, updated_at, used_at, version`

	objectByID = `SELECT ` + objectColumns + ` FROM objects WHERE environment = $1 AND kind = $2 AND id = $3`

	listObjects = `SELECT ` + objectColumns + ` FROM objects WHERE environment = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4`

	// Of an environment the column environment is its ID.
	listEnvironments = `SELECT ` + objectColumns + ` FROM objects WHERE kind = $1 AND environment > $2 ORDER BY environment LIMIT $3`

	// The index holds parents that are not empty, which a planner believes only
	// if the text says so.
	listObjectsOf = `SELECT ` + objectColumns + ` FROM objects
WHERE parent = $5 AND parent <> '' AND environment = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4`

	childrenOf = `SELECT ` + objectColumns + ` FROM objects
WHERE parent = $2 AND parent <> '' AND environment = $1 ORDER BY kind, id LIMIT $3`

	touchObject = `UPDATE objects SET used_at = $4 WHERE environment = $1 AND kind = $2 AND id = $3`
)

// objectsByKey has the objects looked for one by one, in the order of the keys.
func objectsByKey(d Dialect) string {
	return `SELECT o.environment, o.kind, o.id, o.parent, o.data, o.sealed, o.unique_keys, o.lookup_keys,
	o.created_at, o.updated_at, o.used_at, o.version
FROM (SELECT environment, kind, id FROM object_keys WHERE hash = $3 AND kind = $2 AND environment = $1 ORDER BY id LIMIT $4) AS k
` + d.each("objects", "o", "o.kind = k.kind AND o.environment = k.environment AND o.id = k.id") + `
ORDER BY k.id`
}

// ObjectByID implements store.Objects.
func (db *DB) ObjectByID(ctx context.Context, environment string, kind store.ObjectKind, id string) (store.Object, error) {
	if !identity(environment, string(kind), id) {
		return store.Object{}, store.ErrNotFound
	}
	list, err := db.objects(ctx, objectByID, environment, string(kind), id)
	if err != nil {
		return store.Object{}, fmt.Errorf("read object: %w", err)
	}
	if len(list) == 0 {
		return store.Object{}, store.ErrNotFound
	}
	return list[0], nil
}

// ListObjects implements store.Objects.
func (db *DB) ListObjects(ctx context.Context, f store.ObjectFilter, after string, limit int) ([]store.Object, error) {
	if limit <= 0 || !identity(f.Environment, string(f.Kind), f.Parent, after) {
		return nil, nil
	}
	query, args := listObjects, []any{f.Environment, string(f.Kind), after, int64(limit)}
	switch {
	case f.Parent != "":
		query, args = listObjectsOf, append(args, f.Parent)
	case f.Environment == "" && f.Kind == store.KindEnvironment:
		query, args = listEnvironments, args[1:]
	}
	list, err := db.objects(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list objects: %w", err)
	}
	return list, nil
}

// ChildrenOf implements store.Objects.
func (db *DB) ChildrenOf(ctx context.Context, environment, parent string, limit int) ([]store.Object, error) {
	if limit <= 0 || parent == "" || !identity(environment, parent) {
		return nil, nil
	}
	list, err := db.objects(ctx, childrenOf, environment, parent, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list children: %w", err)
	}
	return list, nil
}

// ObjectsByKey implements store.Objects.
func (db *DB) ObjectsByKey(ctx context.Context, environment string, kind store.ObjectKind, key string, limit int) ([]store.Object, error) {
	if limit <= 0 || !identity(environment, string(kind)) {
		return nil, nil
	}
	list, err := db.objects(ctx, db.text.objectsByKey, environment, string(kind), keyHash(key), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("look for objects: %w", err)
	}
	return list, nil
}

// TouchObject implements store.Objects.
func (db *DB) TouchObject(ctx context.Context, environment string, kind store.ObjectKind, id string, at time.Time) error {
	if !identity(environment, string(kind), id) {
		return nil
	}
	s := &Statement{Text: touchObject, Args: []any{environment, string(kind), id, micros(at)}}
	// Behind every change of objects in its batch, whose locks it would else cross.
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: "objects touched " + environment + " " + string(kind) + " " + id}); err != nil {
		return fmt.Errorf("touch object: %w", err)
	}
	return nil
}

// objects reads the objects that a statement finds.
func (db *DB) objects(ctx context.Context, query string, args ...any) (list []store.Object, err error) {
	err = db.query(ctx, query, args, func(r Row) error {
		var o store.Object
		var kind, unique, lookups string
		var created, updated, used int64
		err := r.Scan(&o.Environment, &kind, &o.ID, &o.Parent, &o.Data, &o.Sealed, &unique, &lookups, &created, &updated, &used, &o.Version)
		if err != nil {
			return err
		}
		o.Kind, o.Data, o.Sealed = store.ObjectKind(kind), unblob(o.Data), unblob(o.Sealed)
		o.CreatedAt, o.UpdatedAt, o.UsedAt = moment(created), moment(updated), moment(used)
		if err := decodeStrings(unique, &o.Unique); err != nil {
			return err
		}
		if err := decodeStrings(lookups, &o.Lookups); err != nil {
			return err
		}
		list = append(list, o)
		return nil
	})
	return list, err
}

func keyHash(key string) []byte {
	h := sha256.Sum256([]byte(key))
	return h[:]
}
