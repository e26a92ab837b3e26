package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	credentialColumns = `password, overrides, must_change, changed_at, failures, last_failure, locked_until,
	code_purpose, code, code_expires, code_tries, locked, locked_at`

	credentialOf = `SELECT subject, version, ` + credentialColumns + ` FROM credentials WHERE environment = $1 AND subject = $2`

	insertCredential = `INSERT INTO credentials (environment, subject, version, ` + credentialColumns + `)
VALUES ($1, $2, $3 + 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT DO NOTHING`

	replaceCredential = `UPDATE credentials SET version = version + 1, password = $4, overrides = $5, must_change = $6, changed_at = $7,
	failures = $8, last_failure = $9, locked_until = $10, code_purpose = $11, code = $12, code_expires = $13, code_tries = $14,
	locked = $15, locked_at = $16
WHERE environment = $1 AND subject = $2 AND version = $3`
)

// credentialsOf find as many as each says.
var credentialsOf = []struct {
	subjects int
	text     string
}{
	{100, credentialsOfText(100)}, {10, credentialsOfText(10)},
}

func credentialsOfText(subjects int) string {
	list := make([]string, subjects)
	for i := range list {
		list[i] = fmt.Sprint("$", i+2)
	}
	return "SELECT subject, version, " + credentialColumns + " FROM credentials WHERE environment = $1 AND subject IN (" + strings.Join(list, ", ") + ")"
}

// CredentialOf implements store.Credentials.
func (db *DB) CredentialOf(ctx context.Context, environment, subject string) (c store.Credential, err error) {
	if !identity(environment, subject) {
		return store.Credential{}, store.ErrNotFound
	}
	err = db.query(ctx, credentialOf, []any{environment, subject}, func(r Row) (err error) {
		c, err = scanCredential(r, environment)
		return err
	})
	if err != nil {
		return store.Credential{}, fmt.Errorf("read credential: %w", err)
	}
	if c.Version == 0 {
		return store.Credential{}, store.ErrNotFound
	}
	return c, nil
}

// CredentialsOf implements store.Credentials.
func (db *DB) CredentialsOf(ctx context.Context, environment string, subjects []string) (map[string]store.Credential, error) {
	if !identity(environment) {
		return nil, nil
	}
	found := make(map[string]store.Credential)
	left := slices.DeleteFunc(slices.Clone(subjects), func(s string) bool { return !identity(s) })
	for len(left) > 0 {
		find := credentialsOf[0]
		for _, smaller := range credentialsOf[1:] {
			if len(left) <= smaller.subjects {
				find = smaller
			}
		}
		some := left[:min(find.subjects, len(left))]
		left = left[len(some):]
		args := make([]any, 0, find.subjects+1)
		args = append(args, environment)
		for i := range find.subjects {
			args = append(args, some[min(i, len(some)-1)]) // the last one fills what is left
		}
		err := db.query(ctx, find.text, args, func(r Row) error {
			c, err := scanCredential(r, environment)
			found[c.Subject] = c
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read credentials: %w", err)
		}
	}
	return found, nil
}

// scanCredential reads a subject, a version and credentialColumns.
func scanCredential(r Row, environment string) (store.Credential, error) {
	c := store.Credential{Environment: environment}
	var overrides, code []byte
	var mustChange, changed, failed, until, expires, locked, lockedAt int64
	err := r.Scan(&c.Subject, &c.Version, &c.Password, &overrides, &mustChange, &changed, &c.Failures, &failed, &until,
		&c.CodePurpose, &code, &expires, &c.CodeTries, &locked, &lockedAt)
	if err != nil {
		return c, err
	}
	c.MustChange, c.ChangedAt, c.LastFailure = mustChange != 0, moment(changed), moment(failed)
	c.LockedUntil, c.CodeExpires = moment(until), moment(expires)
	c.Locked, c.LockedAt = locked != 0, moment(lockedAt)
	if err := readHash(overrides, &c.Overrides); err != nil {
		return c, err
	}
	return c, readHash(code, &c.Code)
}

// PutCredential implements store.Credentials.
func (db *DB) PutCredential(ctx context.Context, c store.Credential) error {
	s, err := putCredential(c)
	if err != nil {
		return err
	}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: credentialOrder(c.Environment, c.Subject)}); err != nil {
		return fmt.Errorf("store credential: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrConflict
	}
	return nil
}

// putCredential changes no row where the version is another.
func putCredential(c store.Credential) (*Statement, error) {
	if !identity(c.Environment, c.Subject) || !text(c.Password, c.CodePurpose) {
		return nil, errText("credential")
	}
	s := &Statement{Text: replaceCredential, Args: []any{
		c.Environment, c.Subject, c.Version, c.Password, c.Overrides[:], flag(c.MustChange), micros(c.ChangedAt),
		int64(c.Failures), micros(c.LastFailure), micros(c.LockedUntil),
		c.CodePurpose, c.Code[:], micros(c.CodeExpires), int64(c.CodeTries), flag(c.Locked), micros(c.LockedAt),
	}}
	if c.Version == 0 {
		s.Text = insertCredential
	}
	return s, nil
}

func credentialOrder(environment, subject string) string {
	return "credentials " + environment + " " + subject
}
