package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// maxFlowData is the largest Flow.Data.
const maxFlowData = 64 << 10

const (
	insertFlow = `INSERT INTO flows (environment, id, version, data, expires_at) VALUES ($1, $2, 1, $3, $4)
ON CONFLICT DO NOTHING`

	flowByID = `SELECT version, data, expires_at FROM flows WHERE environment = $1 AND id = $2`

	replaceFlow = `UPDATE flows SET version = version + 1, data = $4, expires_at = $5
WHERE environment = $1 AND id = $2 AND version = $3 AND expires_at > $6`

	deleteFlow = `DELETE FROM flows WHERE environment = $1 AND id = $2`
)

// PutFlow implements store.Flows.
func (db *DB) PutFlow(ctx context.Context, f store.Flow) error {
	if err := checkFlow(f); err != nil {
		return err
	}
	s := &Statement{Text: insertFlow, Args: []any{f.Environment, f.ID, blob(f.Data), micros(f.ExpiresAt)}}
	if err := db.commit(ctx, &write{statements: []*Statement{s}}); err != nil {
		return fmt.Errorf("store flow: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrExists
	}
	return nil
}

// FlowByID implements store.Flows.
func (db *DB) FlowByID(ctx context.Context, environment, id string, now time.Time) (store.Flow, error) {
	if !identity(environment, id) {
		return store.Flow{}, store.ErrNotFound
	}
	f := store.Flow{Environment: environment, ID: id}
	var expires int64
	err := db.query(ctx, flowByID, []any{environment, id}, func(r Row) error {
		return r.Scan(&f.Version, &f.Data, &expires)
	})
	if err != nil {
		return store.Flow{}, fmt.Errorf("read flow: %w", err)
	}
	if expires <= micros(now) {
		return store.Flow{}, store.ErrNotFound
	}
	f.Data, f.ExpiresAt = unblob(f.Data), moment(expires)
	return f, nil
}

// ReplaceFlow implements store.Flows.
func (db *DB) ReplaceFlow(ctx context.Context, f store.Flow, now time.Time) error {
	if err := checkFlow(f); err != nil {
		return err
	}
	s := &Statement{Text: replaceFlow, Args: []any{
		f.Environment, f.ID, f.Version, blob(f.Data), micros(f.ExpiresAt), micros(now),
	}}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: "flows " + f.Environment + " " + f.ID}); err != nil {
		return fmt.Errorf("replace flow: %w", err)
	}
	if s.Affected == 1 {
		return nil
	}
	_, err := db.FlowByID(ctx, f.Environment, f.ID, now)
	if err == nil {
		return store.ErrConflict
	}
	return err
}

// DeleteFlow implements store.Flows.
func (db *DB) DeleteFlow(ctx context.Context, environment, id string) error {
	if !identity(environment, id) {
		return nil
	}
	s := &Statement{Text: deleteFlow, Args: []any{environment, id}}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: "flows " + environment + " " + id}); err != nil {
		return fmt.Errorf("delete flow: %w", err)
	}
	return nil
}

func checkFlow(f store.Flow) error {
	if !identity(f.Environment, f.ID) {
		return errText("flow")
	}
	if len(f.Data) > maxFlowData {
		return fmt.Errorf("store: a flow has %d bytes, more than %d", len(f.Data), maxFlowData)
	}
	return nil
}
