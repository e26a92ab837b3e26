package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// sweepChunk is how many rows one statement deletes: few enough that a token
// waiting behind it for its commit does not notice.
const sweepChunk = 200

// sweepTexts delete at most $2 rows that expired before $1, from one table each.
// The condition on the outside looks again at a row that was prolonged between
// the picking and the deleting.
type sweepTexts []string

func newSweepTexts(d Dialect) sweepTexts {
	table := func(name, key string) string {
		return "DELETE FROM " + name + " WHERE (" + key + ") IN (SELECT " + key + " FROM " + name +
			" WHERE expires_at < $1 ORDER BY expires_at LIMIT $2" + d.SkipLocked + ") AND expires_at < $1"
	}
	return sweepTexts{
		table(d.ExpiringTokens, "environment, id"),
		table("revocations", "environment, kind, value"),
		table("spent", "environment, hash"),
	}
}

// Sweep implements store.Janitor. The deletions take their turn in the writers'
// queue.
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
	for _, text := range db.text {
		for deleted < limit {
			n := min(sweepChunk, limit-deleted)
			s := &Statement{Text: text, Args: []any{now.Unix(), int64(n)}}
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
