package integration_test

import (
	"testing"
)

// backend is a storage that journeys run on.
type backend interface {
	name() string
	// caddyfile is the storage line of the gatehouse option.
	caddyfile(t testing.TB, n *node) string
}

type sqlite struct{}

func (sqlite) name() string { return "sqlite" }

func (sqlite) caddyfile(_ testing.TB, _ *node) string {
	return "storage sqlite {\n\t\t\tpath $DIR/data/gatehouse.db\n\t\t}"
}

// onEach runs a journey on every backend.
func onEach(t *testing.T, journey func(t *testing.T, b backend)) {
	for _, b := range []backend{sqlite{}} {
		t.Run(b.name(), func(t *testing.T) { journey(t, b) })
	}
}
