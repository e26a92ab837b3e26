package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

// Config says where the database is.
type Config struct {
	// Path of the database file. Beside it SQLite keeps <path>-wal and
	// <path>-shm, and this package <path>.lock.
	Path string
	Log  *slog.Logger // default: discard
}

// DB is a store.Store on one SQLite file.
type DB struct{ *sqlstore.DB }

var _ store.Store = (*DB)(nil)

// New makes a DB. It does not touch the disk: Start begins to open the file, in
// the background, and calls wait for it for at most five seconds. A file that
// cannot be opened is tried again and named in the log.
func New(c Config) *DB {
	return &DB{sqlstore.New(sqlstore.Config{
		Name:    "sqlite " + c.Path,
		Open:    func(ctx context.Context) (sqlstore.Backend, error) { return open(ctx, c) },
		Dialect: dialect,
		Log:     c.Log,
	})}
}

var dialect = sqlstore.Dialect{Writers: 1, ExpiringTokens: "access_tokens"}

// open prepares the file and opens it. Errors name the file.
func open(ctx context.Context, c Config) (_ *backend, err error) {
	if c.Path == "" {
		return nil, errors.New("sqlite: no path is configured")
	}
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, fmt.Errorf("sqlite %s: %w", c.Path, err)
	}
	if err := createFile(path, c.Log); err != nil {
		return nil, fmt.Errorf("sqlite: the database must be a file that this process can write: %w", err)
	}
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("sqlite %s: %w", path, err)
	}
	b, err := openBackend(ctx, path)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("sqlite %s: %w", path, err)
	}
	b.unlock = unlock
	return b, nil
}

// createFile makes the folder and an empty file if they are missing, readable
// by their owner alone; SQLite gives its side files the mode of the main one. A
// file that exists is not opened: closing it would drop the locks that SQLite
// may hold on it in this process.
func createFile(path string, log *slog.Logger) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a folder", path)
	}
	if info.Mode().Perm()&0o077 != 0 && log != nil {
		log.Warn("the database can be read by other users of this machine", "path", path, "mode", info.Mode().Perm().String())
	}
	return nil
}
