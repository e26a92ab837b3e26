package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	insertAccessToken = `INSERT INTO access_tokens (environment, id, client_id, subject, session, scope, audience, issued_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING`

	// Apart from the former, which most tokens need and which is the hot path.
	insertGrantedToken = `INSERT INTO access_tokens (environment, id, client_id, subject, session, scope, audience, issued_at, expires_at, grant_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING`

	// Of people, and opaque ones.
	insertTokenWithData = `INSERT INTO access_tokens (environment, id, client_id, subject, session, scope, audience, issued_at, expires_at, grant_id, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT DO NOTHING`

	accessTokenColumns = `SELECT id, client_id, subject, session, grant_id, scope, audience, issued_at, expires_at, data FROM access_tokens
`
	// expires_at is in the text so that PostgreSQL looks into one partition.
	accessTokenByID = accessTokenColumns + `WHERE environment = $1 AND id = $2 AND expires_at = $3`

	accessTokenEnvironment = `SELECT environment FROM access_tokens WHERE id = $1 AND expires_at = $2 LIMIT 1`

	accessTokensByClient = accessTokenColumns + `WHERE environment = $1 AND client_id = $2 AND id > $3 AND expires_at > $4
ORDER BY id LIMIT $5`

	// The index holds subjects that are not empty, which a planner believes only
	// if the text says so.
	accessTokensBySubject = accessTokenColumns + `WHERE environment = $1 AND subject = $2 AND subject <> '' AND id > $3 AND expires_at > $4
ORDER BY id LIMIT $5`

	accessTokensByBoth = accessTokenColumns + `WHERE environment = $1 AND subject = $2 AND subject <> '' AND id > $3 AND expires_at > $4 AND client_id = $6
ORDER BY id LIMIT $5`
)

// PutAccessToken implements store.AccessTokens.
func (db *DB) PutAccessToken(ctx context.Context, t store.AccessToken) error {
	if !identity(t.Environment, t.ID, t.Client, t.Subject, t.Session, t.Grant) || !text(t.Scope) || !text(t.Audience...) {
		return errText("access token")
	}
	if len(t.Data) > store.MaxAccessTokenData {
		return fmt.Errorf("store: %d bytes of data of an access token are too many, at most %d", len(t.Data), store.MaxAccessTokenData)
	}
	audience, err := encodeStrings(t.Audience)
	if err != nil {
		return fmt.Errorf("store access token: %w", err)
	}
	s := &Statement{Text: insertAccessToken, Args: []any{
		t.Environment, t.ID, t.Client, t.Subject, t.Session, t.Scope, audience, t.IssuedAt.Unix(), t.ExpiresAt.Unix(),
	}}
	switch {
	case len(t.Data) > 0:
		s.Text, s.Args = insertTokenWithData, append(s.Args, t.Grant, t.Data)
	case t.Grant != "":
		s.Text, s.Args = insertGrantedToken, append(s.Args, t.Grant)
	}
	if err := db.commit(ctx, &write{statements: []*Statement{s}}); err != nil {
		return fmt.Errorf("store access token: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrExists
	}
	return nil
}

// AccessTokenByID implements store.AccessTokens.
func (db *DB) AccessTokenByID(ctx context.Context, environment, id string, expires, now time.Time) (store.AccessToken, error) {
	if !identity(environment, id) || expires.Unix() <= now.Unix() {
		return store.AccessToken{}, store.ErrNotFound
	}
	tokens, err := db.accessTokens(ctx, environment, accessTokenByID, environment, id, expires.Unix())
	if err != nil {
		return store.AccessToken{}, fmt.Errorf("read access token: %w", err)
	}
	if len(tokens) == 0 {
		return store.AccessToken{}, store.ErrNotFound
	}
	return tokens[0], nil
}

// AccessTokenEnvironment implements store.AccessTokens.
func (db *DB) AccessTokenEnvironment(ctx context.Context, id string, expires, now time.Time) (environment string, err error) {
	if !identity(id) || expires.Unix() <= now.Unix() {
		return "", store.ErrNotFound
	}
	found := false
	err = db.query(ctx, accessTokenEnvironment, []any{id, expires.Unix()}, func(r Row) error {
		found = true
		return r.Scan(&environment)
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("find the environment of an access token: %w", err)
	case !found:
		return "", store.ErrNotFound
	}
	return environment, nil
}

// ListAccessTokens implements store.AccessTokens.
func (db *DB) ListAccessTokens(ctx context.Context, f store.AccessTokenFilter, after string, limit int, now time.Time) ([]store.AccessToken, error) {
	if f.Client == "" && f.Subject == "" {
		return nil, errors.New("store: listing access tokens needs a client or a subject")
	}
	if limit <= 0 || !identity(f.Environment, f.Client, f.Subject, after) {
		return nil, nil
	}
	query, args := accessTokensByClient, []any{f.Environment, f.Client, after, now.Unix(), int64(limit)}
	if f.Subject != "" {
		query, args[1] = accessTokensBySubject, f.Subject
		if f.Client != "" {
			query, args = accessTokensByBoth, append(args, f.Client)
		}
	}
	tokens, err := db.accessTokens(ctx, f.Environment, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list access tokens: %w", err)
	}
	return tokens, nil
}

func (db *DB) accessTokens(ctx context.Context, environment, query string, args ...any) ([]store.AccessToken, error) {
	var tokens []store.AccessToken
	err := db.query(ctx, query, args, func(r Row) error {
		t := store.AccessToken{Environment: environment}
		var audience string
		var issued, expires int64
		if err := r.Scan(&t.ID, &t.Client, &t.Subject, &t.Session, &t.Grant, &t.Scope, &audience, &issued, &expires, &t.Data); err != nil {
			return err
		}
		if err := decodeStrings(audience, &t.Audience); err != nil {
			return err
		}
		t.IssuedAt, t.ExpiresAt, t.Data = seconds(issued), seconds(expires), unblob(t.Data)
		tokens = append(tokens, t)
		return nil
	})
	return tokens, err
}

// seconds is a time column as a time.
func seconds(s int64) time.Time { return time.Unix(s, 0).UTC() }
