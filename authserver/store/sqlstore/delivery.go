package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	deliveryColumns = `environment, id, kind, target, client_id, data, attempts, next_at, expires_at`

	insertDelivery = `INSERT INTO deliveries (` + deliveryColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING`

	retryDelivery = `UPDATE deliveries SET attempts = $3, next_at = $4 WHERE environment = $1 AND id = $2`

	finishDelivery = `DELETE FROM deliveries WHERE environment = $1 AND id = $2`
)

// claimDeliveries picks and moves in one statement.
func claimDeliveries(d Dialect) string {
	return `UPDATE deliveries SET next_at = $2
WHERE ` + d.pick("deliveries", "environment, id", "kind = $4 AND next_at <= $1 AND expires_at > $1", "next_at", "$3") + ` AND next_at <= $1
RETURNING ` + deliveryColumns
}

// PutDelivery implements store.Deliveries.
func (db *DB) PutDelivery(ctx context.Context, d store.Delivery) error {
	s, err := putDelivery(d)
	if err != nil {
		return err
	}
	if err := db.commit(ctx, &write{statements: []*Statement{s}}); err != nil {
		return fmt.Errorf("store delivery: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrExists
	}
	return nil
}

// putDelivery changes no row where there is one with the ID.
func putDelivery(d store.Delivery) (*Statement, error) {
	if !identity(d.Environment, d.ID, d.Kind, d.Client) || !text(d.Target) {
		return nil, errText("delivery")
	}
	return &Statement{Text: insertDelivery, Args: []any{
		d.Environment, d.ID, d.Kind, d.Target, d.Client, blob(d.Data), int64(d.Attempts), micros(d.NextAt), micros(d.ExpiresAt),
	}}, nil
}

// ClaimDeliveries implements store.Deliveries.
func (db *DB) ClaimDeliveries(ctx context.Context, kind string, now, until time.Time, limit int) ([]store.Delivery, error) {
	if limit <= 0 {
		return nil, nil
	}
	if micros(until) <= micros(now) {
		return nil, fmt.Errorf("store: deliveries are claimed until a time that is not behind now")
	}
	var claimed []store.Delivery
	s := &Statement{
		Text: db.text.claimDeliveries,
		Args: []any{micros(now), micros(until), int64(limit), kind},
		Row: func(r Row) error {
			var d store.Delivery
			var next, expires int64
			err := r.Scan(&d.Environment, &d.ID, &d.Kind, &d.Target, &d.Client, &d.Data, &d.Attempts, &next, &expires)
			d.Data, d.NextAt, d.ExpiresAt = unblob(d.Data), moment(next), moment(expires)
			claimed = append(claimed, d)
			return err
		},
	}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: "deliveries"}); err != nil {
		return nil, fmt.Errorf("claim deliveries: %w", err)
	}
	// As in EndFamilies.
	return slices.Clip(claimed[len(claimed)-int(s.Affected):]), nil
}

// RetryDelivery implements store.Deliveries.
func (db *DB) RetryDelivery(ctx context.Context, d store.Delivery) error {
	if !identity(d.Environment, d.ID) {
		return nil
	}
	s := &Statement{Text: retryDelivery, Args: []any{d.Environment, d.ID, int64(d.Attempts), micros(d.NextAt)}}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: deliveryOrder(d.Environment, d.ID)}); err != nil {
		return fmt.Errorf("retry delivery: %w", err)
	}
	return nil
}

// FinishDelivery implements store.Deliveries.
func (db *DB) FinishDelivery(ctx context.Context, environment, id string) error {
	if !identity(environment, id) {
		return nil
	}
	s := &Statement{Text: finishDelivery, Args: []any{environment, id}}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: deliveryOrder(environment, id)}); err != nil {
		return fmt.Errorf("finish delivery: %w", err)
	}
	return nil
}

func deliveryOrder(environment, id string) string { return "deliveries " + environment + " " + id }
