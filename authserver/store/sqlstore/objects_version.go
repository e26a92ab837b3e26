package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	objectsVersion = `SELECT version FROM object_versions WHERE environment = $1`

	// maxVersions bounds how many environments' versions are known.
	maxVersions = 1024
	// versionTimeout bounds a read on behalf of several callers.
	versionTimeout = 10 * time.Second
)

// versions answers ObjectsVersion, which every request asks for that meets what
// the management API made.
//
// A database that one process alone changes is asked only once after each change.
// One that several nodes share has to be asked each time; but callers that arrive
// while a read is under way share the next one. They cannot have the result
// of that read: it may have begun before a change that they already know of.
type versions struct {
	mu sync.Mutex
	// known are those of a database that nobody else changes; changes counts when they were forgotten, as
	// what was read before that is not to be kept.
	known   map[string]int64
	changes int64

	next   map[string]*versionRead // by environment: what is going to be read
	closed bool
	reads  sync.WaitGroup
}

// versionRead is one read for all that wait for it. version and err are set when done is closed.
type versionRead struct {
	done    chan struct{}
	version int64
	err     error
}

// ObjectsVersion implements store.Objects.
func (db *DB) ObjectsVersion(ctx context.Context, environment string) (version int64, err error) {
	if !identity(environment) {
		return 0, nil
	}
	backend, err := db.ready(ctx)
	if err == nil {
		if _, shared := backend.(Feed); shared {
			version, err = db.sharedVersion(ctx, environment)
		} else {
			version, err = db.knownVersion(ctx, environment)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("read version of objects: %w", err)
	}
	return version, nil
}

func (db *DB) readVersion(ctx context.Context, environment string) (version int64, err error) {
	err = db.query(ctx, objectsVersion, []any{environment}, func(r Row) error { return r.Scan(&version) })
	return version, err
}

// knownVersion asks the database where the version is not known.
func (db *DB) knownVersion(ctx context.Context, environment string) (int64, error) {
	v := &db.versions
	v.mu.Lock()
	version, ok := v.known[environment]
	changes := v.changes
	v.mu.Unlock()
	if ok {
		return version, nil
	}
	version, err := db.readVersion(ctx, environment)
	if err != nil {
		return 0, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.changes == changes {
		if v.known == nil || len(v.known) >= maxVersions {
			v.known = make(map[string]int64)
		}
		v.known[environment] = version
	}
	return version, nil
}

// forget is told of every batch that was committed, or may have been, before its callers are.
func (v *versions) forget(batch []*Statement) {
	if !slices.ContainsFunc(batch, func(s *Statement) bool { return s.Text == countChange || s.Text == countChangeOf }) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changes++
	clear(v.known)
}

// sharedVersion waits for a read that begins from now on.
func (db *DB) sharedVersion(ctx context.Context, environment string) (int64, error) {
	v := &db.versions
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return 0, unavailable(errClosed)
	}
	if v.next == nil {
		v.next = make(map[string]*versionRead)
	}
	r, reading := v.next[environment]
	if r == nil {
		r = &versionRead{done: make(chan struct{})}
		v.next[environment] = r
		if !reading {
			v.reads.Add(1)
			go db.readVersions(environment)
		}
	}
	v.mu.Unlock()
	select {
	case <-r.done:
		return r.version, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// readVersions reads one after the other as long as somebody waits. While it does,
// next has an entry for the environment: nil where nobody waits.
func (db *DB) readVersions(environment string) {
	v := &db.versions
	defer v.reads.Done()
	for {
		v.mu.Lock()
		r := v.next[environment]
		if r == nil {
			delete(v.next, environment)
			v.mu.Unlock()
			return
		}
		v.next[environment] = nil
		v.mu.Unlock()
		ctx, cancel := context.WithTimeout(db.ctx, versionTimeout)
		r.version, r.err = db.readVersion(ctx, environment)
		cancel()
		if errors.Is(r.err, context.Canceled) || errors.Is(r.err, context.DeadlineExceeded) {
			r.err = unavailable(r.err) // the callers' own contexts are another matter
		}
		close(r.done)
	}
}

// close lets nobody wait any more, and waits for what is under way.
func (v *versions) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.reads.Wait()
}
