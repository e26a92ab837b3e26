package sqlstore

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// maxBatch bounds how many writes share a transaction, and so how long the
// first of them waits for the last.
const maxBatch = 256

// maxStatements bounds how many statements do, but for one write that has more:
// an import's are thousands.
const maxStatements = 4096

// write is one caller's change on its way through the queue.
type write struct {
	ctx        context.Context
	statements []*Statement
	// committed runs after the commit and before the caller hears of it, in the
	// writer's goroutine and even if the caller has gone. It must not block.
	committed func()
	done      chan error // holds one
	// order is not empty where the write may meet the same row as another
	// transaction. Those of a batch are run in this order, the others before
	// them, so that two batches side by side do not wait for each other in a
	// circle.
	order string
}

// commit queues w and waits until it is durable. Nobody waits
// for company: a writer that is idle commits a lone write at once, and whatever
// arrives while it does shares the next transaction.
//
// If ctx ends first its error is returned, and the write may still happen.
func (db *DB) commit(ctx context.Context, w *write) error {
	if _, err := db.ready(ctx); err != nil {
		return err
	}
	w.ctx, w.done = ctx, make(chan error, 1)
	select {
	case db.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.ctx.Done():
		return unavailable(errClosed)
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-db.stopped:
	}
	// The last writer may have answered while it ended, or never have seen w.
	select {
	case err := <-w.done:
		return err
	default:
		return unavailable(errClosed)
	}
}

// writer commits what is queued until Close, and then what is still there.
func (db *DB) writer(backend Backend) {
	defer db.writers.Done()
	batch := make([]*write, 0, maxBatch)
	turn := newNetworkTurn()
	defer turn.close()
	for {
		var first *write
		select {
		case first = <-db.queue:
		case <-db.ctx.Done():
			select {
			case first = <-db.queue:
			default:
				return
			}
		}
		// A commit wakes all its callers at once, and the scheduler would run this
		// goroutine as soon as the first of them is back: let the others queue up
		// behind it, and with them those whose next request has arrived and been
		// read by nobody yet. On one core under load this doubles the rows of a
		// commit. Where nothing else is to be done it costs next to nothing.
		turn.yield()
		runtime.Gosched()
		batch = db.collect(append(batch[:0], first))
		db.commitBatch(backend, batch)
		clear(batch)
	}
}

// collect adds to batch what is queued, without waiting. What nobody waits for
// any more is left out.
func (db *DB) collect(batch []*write) []*write {
	if abandoned(batch[0]) {
		batch = batch[:0]
	}
	statements := 0
	for _, w := range batch {
		statements += len(w.statements)
	}
	for len(batch) < maxBatch && statements < maxStatements {
		select {
		case w := <-db.queue:
			if !abandoned(w) {
				batch = append(batch, w)
				statements += len(w.statements)
			}
		default:
			return batch
		}
	}
	return batch
}

func abandoned(w *write) bool {
	err := w.ctx.Err()
	if err != nil {
		w.done <- err
	}
	return err != nil
}

// commitBatch commits the batch and answers its callers. If the database refuses
// the batch, each write is tried by itself, so that a bad one fails alone; where
// it says which one it refuses, those before and behind stay together.
func (db *DB) commitBatch(backend Backend, batch []*write) {
	if len(batch) == 0 {
		return
	}
	slices.SortStableFunc(batch, func(a, b *write) int { return strings.Compare(a.order, b.order) })
	statements := make([]*Statement, 0, 2*len(batch))
	for _, w := range batch {
		statements = append(statements, w.statements...)
	}
	// The callers' contexts do not reach here: one that ends must not take the
	// others' transaction with it. Backends bound how long a commit may take.
	err := backend.Commit(context.Background(), statements)
	db.versions.forget(statements)
	if err != nil && len(batch) > 1 && !errors.Is(err, store.ErrUnavailable) {
		if i := refused(err, batch); i >= 0 {
			db.commitBatch(backend, batch[:i])
			db.commitBatch(backend, batch[i:i+1])
			db.commitBatch(backend, batch[i+1:])
			return
		}
		for i := range batch {
			db.commitBatch(backend, batch[i:i+1])
		}
		return
	}
	for _, w := range batch {
		if err == nil && w.committed != nil {
			w.committed()
		}
		w.done <- err
	}
}

// refused is the number of the write to whose statement err objects, or -1.
func refused(err error, batch []*write) int {
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		return -1
	}
	return slices.IndexFunc(batch, func(w *write) bool { return slices.Contains(w.statements, r.Statement) })
}
