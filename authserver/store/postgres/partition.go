package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	day = 24 * time.Hour

	// partitionsAhead covers the longest life of a token, 30 days, from any time of
	// today, and two days in which nobody sweeps.
	partitionsAhead = 33

	partitionPrefix  = "access_tokens_"
	partitionDate    = "20060102"
	defaultPartition = partitionPrefix + "default"

	// partitionLock is the advisory lock of the node that changes partitions:
	// "gatehouse" as a number.
	partitionLock = 0x67617465686f7573

	// SQLSTATE after lock_timeout, and of a row that its partition, or a unique
	// index, does not admit.
	lockNotAvailable, checkViolation, uniqueViolation = "55P03", "23514", "23505"
)

// Changing partitions needs short exclusive locks. While such a lock is waited
// for, writers queue behind it: so it is not waited for long, and tried again
// at the next sweep.
const bounded = `SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '5s'`

// SweepPartitions implements sqlstore.Partitioned.
func (b *backend) SweepPartitions(ctx context.Context, now time.Time) (deleted int, err error) {
	if err := b.makePartitions(ctx, now); err != nil {
		return 0, err
	}
	days, err := b.partitions(ctx)
	if err != nil {
		return 0, err
	}
	for _, start := range slices.SortedFunc(maps.Keys(days), time.Time.Compare) {
		if start.Add(day).After(now) {
			break // the last second of a day expires when the next begins
		}
		n, busy, err := b.dropPartition(ctx, start)
		deleted += n
		if err != nil || busy {
			return deleted, err
		}
	}
	return deleted, nil
}

// partitions are the days that have one, by their first second.
func (b *backend) partitions(ctx context.Context) (map[time.Time]bool, error) {
	rows, err := b.pool.Query(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'access_tokens'::regclass`)
	if err != nil {
		return nil, failure(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, failure(err)
	}
	days := make(map[time.Time]bool)
	for _, name := range names {
		// The default partition, and whatever an administrator has added, have
		// no date.
		if start, err := time.Parse(partitionDate, strings.TrimPrefix(name, partitionPrefix)); err == nil {
			days[start] = true
		}
	}
	return days, nil
}

func partitionName(start time.Time) string {
	return pgx.Identifier{partitionPrefix + start.UTC().Format(partitionDate)}.Sanitize()
}

// makePartitions makes those of the day of now and the days ahead that are
// missing. Another node that is at it is left to it. Usually one is missing;
// many are made a few at a time, so that locks are short, but the first ones of
// a new database, which nobody writes to yet, all at once.
func (b *backend) makePartitions(ctx context.Context, now time.Time) error {
	days, err := b.partitions(ctx)
	if err != nil {
		return err
	}
	var missing []time.Time
	first := now.UTC().Truncate(day)
	for i := range partitionsAhead {
		if start := first.Add(time.Duration(i) * day); !days[start] {
			missing = append(missing, start)
		}
	}
	at := 4
	if len(days) == 0 {
		at = len(missing)
	}
	for some := range slices.Chunk(missing, at) {
		busy, err := b.alone(ctx, func(tx pgx.Tx) error {
			for _, start := range some {
				if err := makePartition(ctx, tx, start); err != nil {
					return fmt.Errorf("%s: %w", start.Format(time.DateOnly), err)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("make partition: %w", err)
		}
		if busy {
			return nil
		}
	}
	return nil
}

// makePartition makes the partition of the day that begins at start, unless
// there is one, or the default partition holds tokens of that day already: then
// they, and those to come, stay there. It is made apart and then attached,
// which lets writers to other partitions go on.
func makePartition(ctx context.Context, tx pgx.Tx, start time.Time) error {
	name, from, to := partitionName(start), start.Unix(), start.Add(day).Unix()
	var taken bool
	err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL
OR EXISTS (SELECT FROM `+defaultPartition+` WHERE expires_at >= $2 AND expires_at < $3)`, name, from, to).Scan(&taken)
	if err != nil || taken {
		return err
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE %[1]s (LIKE access_tokens INCLUDING DEFAULTS);
ALTER TABLE access_tokens ATTACH PARTITION %[1]s FOR VALUES FROM (%[2]d) TO (%[3]d)`, name, from, to), pgx.QueryExecModeSimpleProtocol)
	return err
}

// dropPartition drops the partition of the day that begins at start and says
// how many tokens it held, as far as the server's statistics know. busy is as
// in alone.
func (b *backend) dropPartition(ctx context.Context, start time.Time) (deleted int, busy bool, err error) {
	name := partitionName(start)
	busy, err = b.alone(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT (CASE WHEN reltuples > 0 THEN reltuples ELSE pg_stat_get_live_tuples(oid) END)::bigint
FROM pg_class WHERE oid = to_regclass($1)`, name).Scan(&deleted)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // another node was faster
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DROP TABLE "+name)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("drop partition of %s: %w", start.Format(time.DateOnly), err)
	}
	if busy {
		return 0, true, nil
	}
	return deleted, false, nil
}

// alone runs f in a transaction with short timeouts, as the only node that
// does. busy says that this was not possible now: another node is at it, or
// writers are in the way.
func (b *backend) alone(ctx context.Context, f func(pgx.Tx) error) (busy bool, err error) {
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(partitionLock)).Scan(&mine); err != nil {
			return err
		}
		if !mine {
			busy = true
			return nil
		}
		if _, err := tx.Exec(ctx, bounded, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		return f(tx)
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case lockNotAvailable,
			"40P01",        // deadlock: this side gave way
			checkViolation, // a token of that day came to the default partition meanwhile
			"42P07":        // the table was made meanwhile
			b.log.Debug("partition left for the next sweep", "reason", e.Message)
			return true, nil
		}
	}
	if err != nil && ctx.Err() != nil {
		return false, ctx.Err()
	}
	return busy, failure(err)
}
