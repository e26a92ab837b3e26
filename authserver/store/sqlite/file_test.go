package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
)

func TestNothingBeforeStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "gatehouse.db")
	db := sqlite.New(sqlite.Config{Path: path})
	defer db.Close()
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("New has made %s", filepath.Dir(path))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := db.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ping before Start = %v, want context.DeadlineExceeded", err)
	}
}

func TestFileModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "gate house?.db") // a name that a URI would cut
	db := open(t, path)
	if err := db.ReplaceKeyRing(t.Context(), "env", 0, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		filepath.Dir(dir): 0o700, dir: 0o700,
		path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s = %v, want %v", name, got, want)
		}
	}
}

// Each path that does not work is refused with a reason that names it, and the
// one beside it works.
func TestPaths(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, dir string) (path string)
		want    string // in the log, beside the path; empty means that it works
	}{
		{"a new folder", func(t *testing.T, dir string) string { return filepath.Join(dir, "x", "g.db") }, ""},
		{"a folder that is a file", func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, "x"), "")
			return filepath.Join(dir, "x", "g.db")
		}, "not a directory"},
		{"an empty file", func(t *testing.T, dir string) string { return write(t, filepath.Join(dir, "g.db"), "") }, ""},
		{"a file that is a folder", func(t *testing.T, dir string) string { return dir }, "is a folder"},
		{"a file that is no database", func(t *testing.T, dir string) string {
			return write(t, filepath.Join(dir, "g.db"), strings.Repeat("not a database ", 100))
		}, "not a database"},
		{"a file in a folder that cannot be written", func(t *testing.T, dir string) string { return "/proc/gatehouse/g.db" }, "no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.prepare(t, t.TempDir())
			wait := 20 * time.Second
			if tt.want != "" {
				wait = 500 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			var log testkit.Buffer
			db := sqlite.New(sqlite.Config{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
			db.Start()
			defer db.Close()
			err := db.Ping(ctx)
			if tt.want == "" {
				if err != nil {
					t.Errorf("Ping = %v, want nil; log:\n%s", err, log.String())
				}
				return
			}
			if err == nil {
				t.Error("Ping = nil, want an error")
			}
			log.Says(t, tt.want)
			log.Says(t, path)
			if n := strings.Count(log.String(), "not available"); n != 1 {
				t.Errorf("the log says so %d times, want once", n)
			}
		})
	}
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An error that lasts is answered with ErrUnavailable and its reason after the
// bounded wait.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	db := sqlite.New(sqlite.Config{Path: "/proc/gatehouse/g.db"})
	db.Start()
	defer db.Close()
	begin := time.Now()
	err := db.Ping(t.Context())
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "/proc/gatehouse") {
		t.Errorf("Ping = %v, want ErrUnavailable naming the path", err)
	}
	if took := time.Since(begin); took < 4*time.Second || took > 10*time.Second {
		t.Errorf("Ping took %v, want 5s", took)
	}
}

func TestSecondProcessWaits(t *testing.T) {
	path := newPath(t)
	first := sqlite.New(sqlite.Config{Path: path})
	first.Start()
	if err := first.ReplaceKeyRing(t.Context(), "env", 0, nil); err != nil {
		t.Fatal(err)
	}
	var log testkit.Buffer
	second := sqlite.New(sqlite.Config{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	second.Start()
	defer second.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := second.Ping(ctx); err == nil {
		t.Error("a second handle opens the file in use, want an error")
	}
	log.Says(t, "in use by another process")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, version, err := second.KeyRing(t.Context(), "env"); version != 1 || err != nil {
		t.Errorf("KeyRing after the first has closed = %d, %v, want 1, nil", version, err)
	}
	log.Says(t, "database is available")
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	path := newPath(t)
	if err := sqlite.MigrateTo(t.Context(), path, 1); err != nil {
		t.Fatal(err)
	}
	newer := func(version int) {
		db, err := sql.Open("sqlite", "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, 1)", version); err != nil {
			t.Fatal(err)
		}
	}
	newer(1000)
	var log testkit.Buffer
	db := sqlite.New(sqlite.Config{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
	db.Start()
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := db.Ping(ctx); err == nil {
		t.Error("a database of version 1000 is opened, want an error")
	}
	log.Says(t, "version 1000 by a newer program")
}
