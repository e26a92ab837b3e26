package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	userColumns = `id, username, disabled, verified, claims, created_at, updated_at, version, population, mfa_enabled, verify_status`

	insertUser = `INSERT INTO users (environment, id, version, username, disabled, verified, claims, created_at, updated_at,
	population, mfa_enabled, verify_status, terms_of)
VALUES ($1, $2, $3 + 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $3 + 1)
ON CONFLICT DO NOTHING`

	userByID   = `SELECT ` + userColumns + ` FROM users WHERE environment = $1 AND id = $2`
	userByName = `SELECT ` + userColumns + ` FROM users WHERE environment = $1 AND username = $2`

	// A username that is taken is refused by its index.
	replaceUser = `UPDATE users SET username = $4, disabled = $5, verified = $6, claims = $7, created_at = $8, updated_at = $9,
	population = $10, mfa_enabled = $11, verify_status = $12, version = version + 1, terms_of = version + 1
WHERE environment = $1 AND id = $2 AND version = $3
	AND username = $13 AND disabled = $14 AND population = $15 AND claims = $16`

	// unchangedUser is the condition that a user is the one whose terms are known:
	// another one may have come to have the same ID and version.
	unchangedUser = `environment = $1 AND id = $2 AND version = $3
	AND username = $4 AND disabled = $5 AND population = $6 AND claims = $7`

	// What belongs to a user goes with it.
	deleteUser             = `DELETE FROM users WHERE ` + unchangedUser
	deleteCredentialOfUser = `DELETE FROM credentials WHERE environment = $1 AND subject = $2`
	deleteConsentsOfUser   = `DELETE FROM consents WHERE environment = $1 AND subject = $2`
)

// PutUser implements store.Users.
func (db *DB) PutUser(ctx context.Context, u store.User) error {
	u.Version = 0
	if err := db.writeUser(ctx, u); err != nil {
		return named(err, "store user")
	}
	return nil
}

// ReplaceUser implements store.Users.
func (db *DB) ReplaceUser(ctx context.Context, u store.User) error {
	if u.Version == 0 {
		return store.ErrConflict
	}
	if err := db.writeUser(ctx, u); err != nil {
		return named(err, "replace user")
	}
	return nil
}

func (db *DB) writeUser(ctx context.Context, u store.User) error {
	var terms termChanges
	s, err := db.putUser(ctx, u, &terms)
	if err != nil {
		return err
	}
	return db.commit(ctx, &write{statements: append([]*Statement{s}, terms.statements()...), order: userOrder(u.Environment, u.Username)})
}

// DeleteUser implements store.Users. A user that is changed meanwhile goes too.
func (db *DB) DeleteUser(ctx context.Context, environment, id string) error {
	if _, err := db.user(ctx, userByID, environment, id); err != nil {
		return err
	}
	err := db.Apply(ctx, store.Write{Environment: environment, DeleteUsers: []store.UserVersion{{ID: id}}})
	if errors.Is(err, store.ErrConflict) {
		return store.ErrNotFound
	}
	return err
}

// putUser is what stores u, with a change of its terms: a new user where its version is 0,
// otherwise in place of that version. Where that cannot be done the batch is
// refused with what PutUser and ReplaceUser promise.
func (db *DB) putUser(ctx context.Context, u store.User, terms *termChanges) (*Statement, error) {
	claims, err := encodeUser(u)
	if err != nil {
		return nil, err
	}
	s := &Statement{Text: insertUser, Require: store.ErrExists, Args: []any{
		u.Environment, u.ID, u.Version, u.Username, flag(u.Disabled), flag(u.Verified), claims, micros(u.CreatedAt), micros(u.UpdatedAt),
		u.Population, flag(u.MFAEnabled), u.VerifyStatus,
	}}
	var before []store.Term
	if u.Version != 0 {
		old, err := db.storedUser(ctx, userByID, u.Environment, u.ID)
		switch {
		case errors.Is(err, store.ErrNotFound) || err == nil && old.Version != u.Version:
			return nil, store.ErrConflict
		case err != nil:
			return nil, err
		}
		before = indexTerms(old.User)
		s.Text, s.Require = replaceUser, store.ErrConflict
		s.Args = append(s.Args, old.Username, flag(old.Disabled), old.Population, old.claims)
	}
	terms.change(u.Environment, u.ID, before, indexTerms(u))
	return s, nil
}

// storedUser is a user with its claims as they are stored.
type storedUser struct {
	store.User
	claims string
}

// unchanged are the arguments of unchangedUser.
func (u *storedUser) unchanged() []any {
	return []any{u.Environment, u.ID, u.Version, u.Username, flag(u.Disabled), u.Population, u.claims}
}

// removeUser is what deletes u as it was read, and what belongs to it but objects.
func removeUser(u *storedUser, terms *termChanges) []*Statement {
	key := []any{u.Environment, u.ID}
	terms.change(u.Environment, u.ID, indexTerms(u.User), nil)
	return []*Statement{
		{Text: deleteCredentialOfUser, Args: key},
		{Text: deleteConsentsOfUser, Args: key},
		{Text: deleteUser, Args: u.unchanged(), Require: store.ErrConflict},
	}
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
	u, err := db.storedUser(ctx, query, environment, key)
	if err != nil {
		return store.User{}, err
	}
	return u.User, nil
}

func (db *DB) storedUser(ctx context.Context, query, environment, key string) (*storedUser, error) {
	if !identity(environment, key) {
		return nil, store.ErrNotFound
	}
	u := &storedUser{User: store.User{Environment: environment}}
	if err := db.query(ctx, query, []any{environment, key}, func(r Row) error { return scanUser(r, u) }); err != nil {
		return nil, fmt.Errorf("read user: %w", err)
	}
	if u.Version == 0 {
		return nil, store.ErrNotFound
	}
	return u, nil
}

// scanUser reads userColumns, behind others.
func scanUser(r Row, u *storedUser, before ...any) error {
	var disabled, verified, created, updated, mfa int64
	err := r.Scan(append(before, &u.ID, &u.Username, &disabled, &verified, &u.claims, &created, &updated, &u.Version,
		&u.Population, &mfa, &u.VerifyStatus)...)
	if err != nil {
		return err
	}
	u.Disabled, u.Verified, u.CreatedAt, u.UpdatedAt = disabled != 0, verified != 0, moment(created), moment(updated)
	u.MFAEnabled = mfa != 0
	return json.Unmarshal([]byte(u.claims), &u.Claims)
}

// encodeUser checks what is stored of u and returns its claims.
func encodeUser(u store.User) (claims string, err error) {
	if !identity(u.Environment, u.ID, u.Username, u.Population, u.VerifyStatus) || u.ID == "" {
		return "", errText("user")
	}
	b, err := json.Marshal(u.Claims)
	if err != nil {
		return "", fmt.Errorf("store: claims of a user: %w", err)
	}
	return string(b), nil
}

func userOrder(environment, username string) string { return "users " + environment + " " + username }

// named says what was attempted, unless err is one that callers act on alone.
func named(err error, what string) error {
	switch {
	case errors.Is(err, store.ErrExists):
		return store.ErrExists
	case errors.Is(err, store.ErrConflict):
		return store.ErrConflict
	}
	return fmt.Errorf("%s: %w", what, err)
}
