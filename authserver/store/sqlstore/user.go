package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	userColumns = `id, username, disabled, verified, claims, created_at, updated_at, version`

	insertUser = `INSERT INTO users (environment, ` + userColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
ON CONFLICT DO NOTHING`

	userByID   = `SELECT ` + userColumns + ` FROM users WHERE environment = $1 AND id = $2`
	userByName = `SELECT ` + userColumns + ` FROM users WHERE environment = $1 AND username = $2`

	// The username is looked for before the index refuses it, which would take
	// the whole batch back.
	replaceUser = `UPDATE users SET username = $4, disabled = $5, verified = $6, claims = $7, created_at = $8, updated_at = $9,
	version = version + 1
WHERE environment = $1 AND id = $2 AND version = $3
	AND NOT EXISTS (SELECT 1 FROM users o WHERE o.environment = $1 AND o.username = $4 AND o.id <> $2)`

	// What belongs to a user goes with it. A declared user has a credential and
	// consents too, which stay: there is no row of such a user.
	deleteCredentialOfUser = `DELETE FROM credentials WHERE environment = $1 AND subject = $2
	AND EXISTS (SELECT 1 FROM users WHERE environment = $1 AND id = $2)`
	deleteConsentsOfUser = `DELETE FROM consents WHERE environment = $1 AND subject = $2
	AND EXISTS (SELECT 1 FROM users WHERE environment = $1 AND id = $2)`
	deleteUser = `DELETE FROM users WHERE environment = $1 AND id = $2`
)

// PutUser implements store.Users.
func (db *DB) PutUser(ctx context.Context, u store.User) error {
	claims, err := encodeUser(u)
	if err != nil {
		return err
	}
	s := &Statement{Text: insertUser, Args: []any{
		u.Environment, u.ID, u.Username, flag(u.Disabled), flag(u.Verified), claims, micros(u.CreatedAt), micros(u.UpdatedAt),
	}}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: userOrder(u.Environment, u.Username)}); err != nil {
		return fmt.Errorf("store user: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrExists
	}
	return nil
}

// StoredUserByID implements store.Users.
func (db *DB) StoredUserByID(ctx context.Context, environment, id string) (store.User, error) {
	return db.user(ctx, userByID, environment, id)
}

// StoredUserByName implements store.Users.
func (db *DB) StoredUserByName(ctx context.Context, environment, username string) (store.User, error) {
	return db.user(ctx, userByName, environment, username)
}

// user reads the user that a statement finds.
func (db *DB) user(ctx context.Context, query, environment, key string) (store.User, error) {
	if !identity(environment, key) {
		return store.User{}, store.ErrNotFound
	}
	u := store.User{Environment: environment}
	err := db.query(ctx, query, []any{environment, key}, func(r Row) error {
		var disabled, verified, created, updated int64
		var claims string
		if err := r.Scan(&u.ID, &u.Username, &disabled, &verified, &claims, &created, &updated, &u.Version); err != nil {
			return err
		}
		u.Disabled, u.Verified, u.CreatedAt, u.UpdatedAt = disabled != 0, verified != 0, moment(created), moment(updated)
		return json.Unmarshal([]byte(claims), &u.Claims)
	})
	if err != nil {
		return store.User{}, fmt.Errorf("read user: %w", err)
	}
	if u.Version == 0 {
		return store.User{}, store.ErrNotFound
	}
	return u, nil
}

// ReplaceUser implements store.Users.
func (db *DB) ReplaceUser(ctx context.Context, u store.User) error {
	claims, err := encodeUser(u)
	if err != nil {
		return err
	}
	s := &Statement{Text: replaceUser, Args: []any{
		u.Environment, u.ID, u.Version, u.Username, flag(u.Disabled), flag(u.Verified), claims, micros(u.CreatedAt), micros(u.UpdatedAt),
	}}
	err = db.commit(ctx, &write{statements: []*Statement{s}, order: userOrder(u.Environment, u.Username)})
	if errors.Is(err, store.ErrExists) {
		return store.ErrExists // taken since it was looked for
	}
	if err != nil {
		return fmt.Errorf("replace user: %w", err)
	}
	if s.Affected == 1 {
		return nil
	}
	// Another version comes first: to whoever has to read again, a name that is
	// taken is no news.
	stored, err := db.user(ctx, userByID, u.Environment, u.ID)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && stored.Version != u.Version:
		return store.ErrConflict
	case err != nil:
		return fmt.Errorf("replace user: %w", err)
	}
	return store.ErrExists
}

// DeleteUser implements store.Users.
func (db *DB) DeleteUser(ctx context.Context, environment, id string) error {
	if !identity(environment, id) {
		return store.ErrNotFound
	}
	key := []any{environment, id}
	s := &Statement{Text: deleteUser, Args: key}
	w := &write{
		statements: []*Statement{{Text: deleteCredentialOfUser, Args: key}, {Text: deleteConsentsOfUser, Args: key}, s},
		order:      credentialOrder(environment, id), // the first lock that it takes
	}
	if err := db.commit(ctx, w); err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrNotFound
	}
	return nil
}

// encodeUser checks what is stored of u and returns its claims.
func encodeUser(u store.User) (claims string, err error) {
	if !identity(u.Environment, u.ID, u.Username) || u.ID == "" {
		return "", errText("user")
	}
	b, err := json.Marshal(u.Claims)
	if err != nil {
		return "", fmt.Errorf("store: claims of a user: %w", err)
	}
	return string(b), nil
}

func userOrder(environment, username string) string { return "users " + environment + " " + username }
