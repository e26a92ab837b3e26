package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// spend changes a row exactly when the hash was not spent: there was none, or
// one that had expired.
const spend = `INSERT INTO spent (environment, hash, expires_at) VALUES ($1, $2, $3)
ON CONFLICT (environment, hash) DO UPDATE SET expires_at = excluded.expires_at WHERE spent.expires_at <= $4`

// Spend implements store.Spent.
func (db *DB) Spend(ctx context.Context, environment string, hash store.Hash, expires, now time.Time) error {
	if !identity(environment) {
		return errText("spent value")
	}
	s := &Statement{Text: spend, Args: []any{environment, hash[:], expires.Unix(), now.Unix()}}
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: "spent " + environment + " " + string(hash[:])}); err != nil {
		return fmt.Errorf("spend: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrSpent
	}
	return nil
}
