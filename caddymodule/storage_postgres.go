package caddymodule

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/postgres"
)

func init() {
	caddy.RegisterModule(Postgres{})
}

// Postgres keeps everything in a PostgreSQL database: for any number of nodes.
type Postgres struct {
	// The connection string, postgres://… or key=value; it may hold placeholders.
	DSN string `json:"dsn"`
	// The most connections to open. Default: 16.
	MaxConns int `json:"max_conns,omitempty"`

	dsn      string // without placeholders
	maxConns int
}

// CaddyModule returns the Caddy module information.
func (Postgres) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: storageNamespace + ".postgres", New: func() caddy.Module { return new(Postgres) }}
}

// Provision expands the connection string.
func (p *Postgres) Provision(caddy.Context) error {
	p.dsn = p.DSN
	if strings.TrimSpace(p.dsn) == "" {
		return errors.New("storage postgres: dsn is missing")
	}
	if p.MaxConns < 0 {
		return errors.New("storage postgres: max_conns is negative")
	}
	p.maxConns = p.MaxConns
	if p.maxConns == 0 {
		p.maxConns = 16
	}
	return newExpander().one("storage postgres: dsn", &p.dsn)
}

// Identity is derived from the connection string without showing it.
func (p *Postgres) Identity() string {
	return fmt.Sprintf("postgres:%x:%d", sha256.Sum256([]byte(p.dsn)), p.maxConns)
}

// Open makes the store.
func (p *Postgres) Open(log *slog.Logger) (Backend, error) {
	db, err := postgres.New(postgres.Config{DSN: p.dsn, MaxConns: p.maxConns, Log: log})
	if err != nil {
		return nil, fmt.Errorf("storage postgres: dsn: %w", err) // a nil *DB must not become a Backend
	}
	return db, nil
}

// KeyFile is nothing: nodes that share a database must share the key, so it is
// configured.
func (p *Postgres) KeyFile() string { return "" }

// UnmarshalCaddyfile reads what follows "storage". Syntax:
//
//	postgres {
//	    dsn       <connection string>
//	    max_conns <n>
//	}
func (p *Postgres) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the backend's name
	if d.NextArg() {
		return d.Errf("storage postgres: unexpected '%s'; options go into the block", d.Val())
	}
	err := eachSubdirective(d, "storage postgres", map[string]option{
		"dsn": once(oneString(d, &p.DSN)),
		"max_conns": once(func() error {
			var text string
			if err := oneString(d, &text)(); err != nil {
				return err
			}
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return d.Errf("option 'max_conns': '%s' is not a positive number", text)
			}
			p.MaxConns = n
			return nil
		}),
	})
	if err == nil && p.DSN == "" {
		err = d.Err("storage postgres: option 'dsn' is missing")
	}
	return err
}

var (
	_ Storage               = (*Postgres)(nil)
	_ caddy.Provisioner     = (*Postgres)(nil)
	_ caddyfile.Unmarshaler = (*Postgres)(nil)
)
