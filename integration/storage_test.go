package integration_test

import (
	"fmt"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// backend is a storage that journeys run on.
type backend interface {
	name() string
	// caddyfile is the storage line of the gatehouse option.
	caddyfile(t testing.TB, n *node) string
}

// sqlite keeps the database below the node's directory.
type sqlite struct{}

func (sqlite) name() string { return "sqlite" }

func (sqlite) caddyfile(testing.TB, *node) string {
	return "storage sqlite {\n\t\t\tpath $DIR/data/gatehouse.db\n\t\t}"
}

// postgres makes a database for the node, or uses the one given.
type postgres struct{ dsn string }

func (postgres) name() string { return "postgres" }

func (p postgres) caddyfile(t testing.TB, _ *node) string {
	if p.dsn == "" {
		p.dsn = pgtest.Database(t)
	}
	return fmt.Sprintf("storage postgres {\n\t\t\tdsn %q\n\t\t}", p.dsn)
}

// onEach runs a journey on every backend.
func onEach(t *testing.T, journey func(t *testing.T, b backend)) {
	for _, b := range []backend{sqlite{}, postgres{}} {
		t.Run(b.name(), func(t *testing.T) { journey(t, b) })
	}
}
