package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// readyWait bounds how long a call waits for a database that is not open yet.
	readyWait = 5 * time.Second
	// First and longest pause between attempts to open the database or its feed.
	minBackoff, maxBackoff = 100 * time.Millisecond, 5 * time.Second
)

var (
	errClosed   = errors.New("the database is closed")
	errNotReady = errors.New("the database is not open yet")
	// Only after the upgrade of a database with many users.
	errNotIndexed = errors.New("the index of users is being made")
)

// Config is what a DB is made of.
type Config struct {
	// Name says in logs and errors which database this is. It must not contain
	// credentials.
	Name string
	// Open opens and migrates the database. It is called again after an error,
	// until Close.
	Open    func(ctx context.Context) (Backend, error)
	Dialect Dialect
	Log     *slog.Logger // default: discard
}

// DB is a store.Store over a Backend that is opened in the background.
type DB struct {
	config   Config
	text     texts
	hub      hub
	purges   purges
	versions versions
	queue    chan *write

	ctx    context.Context // of the background work, ended by Close
	cancel context.CancelFunc
	start  sync.Once
	close  sync.Once

	backend atomic.Pointer[Backend]
	opened  chan struct{} // closed once backend is set
	stopped chan struct{} // closed once every writer has ended
	filled  chan struct{} // closed once every user can be found by their terms

	mu       sync.Mutex
	started  bool
	closed   bool
	lastErr  error // why the database is not open
	writers  sync.WaitGroup
	opening  sync.WaitGroup
	filling  sync.WaitGroup
	closeErr error
}

var _ store.Store = (*DB)(nil)

// New makes a DB. It touches neither disk nor network: Start does.
func New(c Config) *DB {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &DB{
		config:  c,
		text:    newTexts(c.Dialect),
		queue:   make(chan *write, 2*maxBatch),
		ctx:     ctx,
		cancel:  cancel,
		opened:  make(chan struct{}),
		stopped: make(chan struct{}),
		filled:  make(chan struct{}),
		lastErr: errNotReady,
	}
}

// Start begins to open and migrate the database, and returns at once. While that
// fails it is tried again; the log hears of the first failure, of each new reason
// and of the success. It does nothing the second time, or after Close.
func (db *DB) Start() {
	db.start.Do(func() {
		db.mu.Lock()
		defer db.mu.Unlock()
		if db.closed {
			return
		}
		db.started = true
		db.opening.Add(1)
		go db.open()
	})
}

// open tries until the database is open, then starts the writers.
func (db *DB) open() {
	defer db.opening.Done()
	logged := ""
	for pause := minBackoff; ; pause = min(2*pause, maxBackoff) {
		backend, err := db.config.Open(db.ctx)
		if err == nil {
			if logged != "" {
				db.config.Log.Info("database is available", "database", db.config.Name)
			}
			for range max(1, db.config.Dialect.Writers) {
				db.writers.Add(1)
				go db.writer(backend)
			}
			db.backend.Store(&backend)
			close(db.opened)
			db.filling.Add(1)
			go db.fill()
			return
		}
		if db.ctx.Err() != nil {
			return
		}
		db.mu.Lock()
		db.lastErr = err
		db.mu.Unlock()
		if reason := err.Error(); reason != logged {
			logged = reason
			db.config.Log.Error("database is not available, trying again", "database", db.config.Name, "error", err)
		}
		if !sleep(db.ctx, pause) {
			return
		}
	}
}

// ready returns the backend, waiting for it if necessary, but not longer than
// readyWait.
func (db *DB) ready(ctx context.Context) (Backend, error) {
	if b := db.backend.Load(); b != nil {
		if db.ctx.Err() != nil {
			return nil, unavailable(errClosed)
		}
		return *b, ctx.Err()
	}
	timer := time.NewTimer(readyWait)
	defer timer.Stop()
	select {
	case <-db.opened:
		return *db.backend.Load(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-db.ctx.Done():
		return nil, unavailable(errClosed)
	case <-timer.C:
		db.mu.Lock()
		defer db.mu.Unlock()
		return nil, unavailable(db.lastErr)
	}
}

// query reads with the backend once it is there.
func (db *DB) query(ctx context.Context, text string, args []any, row func(Row) error) error {
	backend, err := db.ready(ctx)
	if err != nil {
		return err
	}
	return backend.Query(ctx, text, args, row)
}

// Ping reports whether the database answers: nil, or store.ErrUnavailable. It
// waits for a database that is being opened like any other call.
func (db *DB) Ping(ctx context.Context) error {
	backend, err := db.ready(ctx)
	if err != nil {
		return err
	}
	return backend.Ping(ctx)
}

// Close commits what is queued, refuses what comes later with
// store.ErrUnavailable, and closes the database.
func (db *DB) Close() error {
	db.close.Do(func() {
		db.mu.Lock()
		db.closed = true
		db.mu.Unlock()
		db.cancel()
		db.opening.Wait()
		db.filling.Wait()
		db.versions.close()
		db.writers.Wait()
		close(db.stopped)
		if b := db.backend.Load(); b != nil {
			db.closeErr = (*b).Close()
		}
	})
	return db.closeErr
}

// unavailable marks err as store.ErrUnavailable, once.
func unavailable(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// sleep pauses for d and reports whether ctx is still going.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
