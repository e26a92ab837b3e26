package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// sweepChunk is how many rows one statement deletes: few enough that a token
// waiting behind it for its commit does not notice.
const sweepChunk = 200

// sweepText deletes at most $2 rows that expired before $1 from one table.
type sweepText struct {
	table string
	text  string
	time  func(time.Time) int64 // how the table counts
}

// newSweepTexts makes one for each table. The condition on the outside looks again at a
// row that was prolonged between the picking and the deleting.
func newSweepTexts(d Dialect) []sweepText {
	table := func(name, key, expires string, t func(time.Time) int64) sweepText {
		return sweepText{table: name, time: t, text: "DELETE FROM " + name + " WHERE " +
			d.pick(name, key, expires+" < $1", expires, "$2") + " AND " + expires + " < $1"}
	}
	unix := time.Time.Unix
	return []sweepText{
		table(d.ExpiringTokens, "environment, id", "expires_at", unix),
		table("revocations", "environment, kind, value", "expires_at", unix),
		table("spent", "environment, hash", "expires_at", unix),
		table("tickets", "environment, kind, hash", "kept_until", micros),
		table("flows", "environment, id", "expires_at", micros),
		table("sessions", "environment, id", "expires_at", micros),
		table("families", "environment, id", "kept_until", micros),
		table("refresh_tokens", "environment, hash", "expires_at", micros),
		table("deliveries", "environment, id", "expires_at", micros),
		table("events", "environment, id", "expires_at", micros),
	}
}

// Sweep implements store.Janitor. The deletions take their turn in the writers'
// queue. It makes the terms of users, too, that a node of an earlier release has stored meanwhile.
func (db *DB) Sweep(ctx context.Context, now time.Time, limit int) (deleted int, err error) {
	backend, err := db.ready(ctx)
	if err != nil {
		return 0, err
	}
	if p, ok := backend.(Partitioned); ok {
		if deleted, err = p.SweepPartitions(ctx, now); err != nil {
			return deleted, fmt.Errorf("sweep: %w", err)
		}
	}
	if err := db.fillOnce(ctx); err != nil {
		return deleted, fmt.Errorf("sweep: %w", err)
	}
	for _, sweep := range db.text.sweep {
		for deleted < limit {
			n := min(sweepChunk, limit-deleted)
			s := &Statement{Text: sweep.text, Args: []any{sweep.time(now), int64(n)}}
			if err := db.commit(ctx, &write{statements: []*Statement{s}, order: "sweep"}); err != nil {
				return deleted, fmt.Errorf("sweep: %w", err)
			}
			deleted += int(s.Affected)
			if s.Affected < int64(n) {
				break
			}
		}
	}
	return deleted, nil
}
