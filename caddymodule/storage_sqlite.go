package caddymodule

import (
	"log/slog"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
)

func init() {
	caddy.RegisterModule(SQLite{})
}

// SQLite keeps everything in one file: for one node, and the default.
type SQLite struct {
	// The database file; it may hold placeholders. Default: gatehouse.db in
	// Caddy's data directory.
	Path string `json:"path,omitempty"`

	path string // absolute
}

// CaddyModule returns the Caddy module information.
func (SQLite) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: storageNamespace + ".sqlite", New: func() caddy.Module { return new(SQLite) }}
}

// Provision settles where the file is.
func (s *SQLite) Provision(caddy.Context) (err error) {
	path := s.Path
	if path == "" {
		path = filepath.Join(caddy.AppDataDir(), "gatehouse.db")
	}
	if err := newExpander().one("storage sqlite: path", &path); err != nil {
		return err
	}
	s.path, err = filepath.Abs(path)
	return err
}

// Identity is the file's absolute path.
func (s *SQLite) Identity() string { return "sqlite:" + s.path }

// Open makes the store.
func (s *SQLite) Open(log *slog.Logger) (Backend, error) {
	return sqlite.New(sqlite.Config{Path: s.path, Log: log}), nil
}

// KeyFile is beside the database.
func (s *SQLite) KeyFile() string { return s.path + ".key" }

// UnmarshalCaddyfile reads what follows "storage". Syntax:
//
//	sqlite {
//	    path <file>
//	}
func (s *SQLite) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the backend's name
	if d.NextArg() {
		return d.Errf("storage sqlite: unexpected '%s'; options go into the block", d.Val())
	}
	return eachSubdirective(d, "storage sqlite", map[string]option{
		"path": once(oneString(d, &s.Path)),
	})
}

var (
	_ Storage               = (*SQLite)(nil)
	_ caddy.Provisioner     = (*SQLite)(nil)
	_ caddyfile.Unmarshaler = (*SQLite)(nil)
)
