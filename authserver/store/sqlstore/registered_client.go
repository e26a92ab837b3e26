package sqlstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// edit is drawn anew by every change of a client: the statements behind the
// change, in its transaction, know by it that the change was made, and was
// their own.
const (
	insertRegisteredClient = `INSERT INTO registered_clients (environment, id, client, enabled, sealed, metadata, access_token, created_at, edit, version)
VALUES ($1, $2, $4, $5, $6, $7, $8, $9, $10, $3 + 1)
ON CONFLICT DO NOTHING`

	registeredClientByID = `SELECT id, client, sealed, metadata, access_token, created_at, version FROM registered_clients
WHERE environment = $1 AND id = $2`

	listRegisteredClients = `SELECT id, client, sealed, metadata, access_token, created_at, version FROM registered_clients
WHERE environment = $1 AND id > $2 ORDER BY id LIMIT $3`

	replaceRegisteredClient = `UPDATE registered_clients SET client = $4, enabled = $5, sealed = $6, metadata = $7, access_token = $8,
	created_at = $9, edit = $10, version = version + 1
WHERE environment = $1 AND id = $2 AND version = $3`

	deleteRegisteredClient = `DELETE FROM registered_clients WHERE environment = $1 AND id = $2`

	// Addresses are kept as hashes: they may be longer than an index entry.
	insertPostLogoutURI = `INSERT INTO post_logout_uris (environment, uri, client_id)
SELECT environment, $4, id FROM registered_clients WHERE environment = $1 AND id = $2 AND edit = $3
ON CONFLICT DO NOTHING`

	clearPostLogoutURIs = `DELETE FROM post_logout_uris WHERE environment = $1 AND client_id = $2
	AND EXISTS (SELECT 1 FROM registered_clients WHERE environment = $1 AND id = $2 AND edit = $3)`

	deletePostLogoutURIs = `DELETE FROM post_logout_uris WHERE environment = $1 AND client_id = $2`

	postLogoutURI = `SELECT 1 FROM post_logout_uris u WHERE u.environment = $1 AND u.uri = $2
	AND (SELECT c.enabled FROM registered_clients c WHERE c.environment = $1 AND c.id = u.client_id) = 1 LIMIT 1`
)

// PutRegisteredClient implements store.RegisteredClients.
func (db *DB) PutRegisteredClient(ctx context.Context, c store.RegisteredClient) error {
	c.Version = 0
	stored, err := db.writeRegisteredClient(ctx, insertRegisteredClient, c)
	if err != nil {
		return fmt.Errorf("store registered client: %w", err)
	}
	if !stored {
		return store.ErrExists
	}
	return nil
}

// ReplaceRegisteredClient implements store.RegisteredClients.
func (db *DB) ReplaceRegisteredClient(ctx context.Context, c store.RegisteredClient) error {
	stored, err := db.writeRegisteredClient(ctx, replaceRegisteredClient, c)
	if err != nil {
		return fmt.Errorf("replace registered client: %w", err)
	}
	if !stored {
		return store.ErrConflict
	}
	return nil
}

// writeRegisteredClient runs the insert or the update with c, and says whether
// it changed something.
func (db *DB) writeRegisteredClient(ctx context.Context, statement string, c store.RegisteredClient) (stored bool, err error) {
	if !identity(c.Environment, c.ID) || c.ID == "" {
		return false, errText("registered client")
	}
	client, err := json.Marshal(c.Client)
	if err != nil {
		return false, err
	}
	edit := make([]byte, 16)
	rand.Read(edit)
	s := &Statement{Text: statement, Args: []any{
		c.Environment, c.ID, c.Version, string(client), flag(c.Client.Enabled), blob(c.Sealed), blob(c.Metadata), c.AccessToken[:],
		micros(c.CreatedAt), edit,
	}}
	key := []any{c.Environment, c.ID, edit}
	w := &write{
		statements: []*Statement{s, {Text: clearPostLogoutURIs, Args: key}},
		order:      clientOrder(c.Environment, c.ID),
	}
	for _, uri := range c.Client.PostLogoutRedirectURIs {
		w.statements = append(w.statements, &Statement{Text: insertPostLogoutURI, Args: append(key[:3:3], uriKey(uri))})
	}
	err = db.commit(ctx, w)
	return err == nil && s.Affected == 1, err
}

func clientOrder(environment, id string) string {
	return "registered_clients " + environment + " " + id
}

func uriKey(uri string) []byte {
	h := sha256.Sum256([]byte(uri))
	return h[:]
}

// RegisteredClientByID implements store.RegisteredClients.
func (db *DB) RegisteredClientByID(ctx context.Context, environment, id string) (store.RegisteredClient, error) {
	if !identity(environment, id) {
		return store.RegisteredClient{}, store.ErrNotFound
	}
	list, err := db.registeredClients(ctx, registeredClientByID, environment, id)
	switch {
	case err != nil:
		return store.RegisteredClient{}, fmt.Errorf("read registered client: %w", err)
	case len(list) == 0:
		return store.RegisteredClient{}, store.ErrNotFound
	}
	return list[0], nil
}

// ListRegisteredClients implements store.RegisteredClients.
func (db *DB) ListRegisteredClients(ctx context.Context, environment, after string, limit int) ([]store.RegisteredClient, error) {
	if limit <= 0 || !identity(environment, after) {
		return nil, nil
	}
	list, err := db.registeredClients(ctx, listRegisteredClients, environment, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list registered clients: %w", err)
	}
	return list, nil
}

// registeredClients reads those of an environment, the first of args.
func (db *DB) registeredClients(ctx context.Context, query, environment string, args ...any) (list []store.RegisteredClient, err error) {
	err = db.query(ctx, query, append([]any{environment}, args...), func(r Row) error {
		c := store.RegisteredClient{Environment: environment}
		var client string
		var token []byte
		var created int64
		if err := r.Scan(&c.ID, &client, &c.Sealed, &c.Metadata, &token, &created, &c.Version); err != nil {
			return err
		}
		c.Sealed, c.Metadata, c.CreatedAt = unblob(c.Sealed), unblob(c.Metadata), moment(created)
		if err := readHash(token, &c.AccessToken); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(client), &c.Client); err != nil {
			return err
		}
		list = append(list, c)
		return nil
	})
	return list, err
}

// DeleteRegisteredClient implements store.RegisteredClients.
func (db *DB) DeleteRegisteredClient(ctx context.Context, environment, id string) error {
	if !identity(environment, id) {
		return store.ErrNotFound
	}
	key := []any{environment, id}
	s := &Statement{Text: deleteRegisteredClient, Args: key}
	w := &write{statements: []*Statement{s, {Text: deletePostLogoutURIs, Args: key}}, order: clientOrder(environment, id)}
	if err := db.commit(ctx, w); err != nil {
		return fmt.Errorf("delete registered client: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrNotFound
	}
	return nil
}

// RegisteredPostLogoutRedirectURI implements store.RegisteredClients.
func (db *DB) RegisteredPostLogoutRedirectURI(ctx context.Context, environment, uri string) (found bool, err error) {
	if !identity(environment) {
		return false, nil
	}
	err = db.query(ctx, postLogoutURI, []any{environment, uriKey(uri)}, func(Row) error {
		found = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("look for post-logout redirect URI: %w", err)
	}
	return found, nil
}
