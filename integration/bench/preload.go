package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
)

// preload puts n live tokens into a new database, through the store itself, so
// that they are exactly what the server would have written.
func preload(path string, n int) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	db := sqlite.New(sqlite.Config{Path: path})
	db.Start()
	defer func() { err = errors.Join(err, db.Close()) }()

	// Enough callers to fill each commit.
	const workers = 1024
	var (
		wait sync.WaitGroup
		errs = make([]error, workers)
		now  = time.Now().UTC().Truncate(time.Second)
	)
	for w := range workers {
		wait.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = db.PutAccessToken(context.Background(), liveToken(i, now))
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// liveToken is the record of the i-th token: issued in the last hours, some for
// users, none of them near its end.
func liveToken(i int, now time.Time) store.AccessToken {
	issued := now.Add(-time.Hour).Add(time.Duration(i) * time.Millisecond)
	ms := uint64(issued.UnixMilli())
	t := store.AccessToken{
		Environment: rsaEnvironment,
		// Like the server's own: time first, then what tells two apart.
		ID:        fmt.Sprintf("%08x-%04x-7000-8000-%012x", ms>>16, ms&0xffff, i),
		Client:    workerID,
		Scope:     tokenScope,
		Audience:  []string{audience},
		IssuedAt:  issued.Truncate(time.Second),
		ExpiresAt: now.Add(24 * time.Hour).Add(time.Duration(i%3600) * time.Second),
	}
	if i%2 == 0 {
		t.Client, t.Subject, t.Session = fmt.Sprintf("app-%d", i%50), fmt.Sprintf("user-%d", i%100_000), fmt.Sprintf("session-%d", i/2)
	}
	return t
}
