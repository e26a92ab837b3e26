package caddymodule

import (
	"log/slog"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// storageNamespace is where storage backends register as Caddy modules.
const storageNamespace = "gatehouse.storage"

// knownBackends lists the registered backends, for messages.
func knownBackends() string {
	var names []string
	for _, m := range caddy.GetModules(storageNamespace) {
		names = append(names, m.ID.Name())
	}
	return strings.Join(names, ", ")
}

// Storage is what a module in the namespace gatehouse.storage offers.
type Storage interface {
	// Identity is the same for two configurations exactly if they mean the same
	// database with the same settings. It is used once Provision is done.
	Identity() string
	// Open makes the store. It touches neither disk nor network: Backend.Start
	// begins to. The log outlives the configuration.
	Open(log *slog.Logger) (Backend, error)
	// KeyFile is where a missing secrets_key is created; empty means that one must
	// be configured.
	KeyFile() string
}

// Backend is a store that is opened in the background and closed at the end.
type Backend interface {
	store.Store
	// Start begins to open the database and returns at once. Idempotent.
	Start()
	Close() error
}
