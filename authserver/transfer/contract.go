package transfer

import (
	"context"
	"io"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Transfer moves environments. Safe for concurrent use.
type Transfer struct {
	Live   *directory.Live
	Writer *directory.Writer
	Users  *identity.Users
	Keys   *keys.Rings
	Store  store.Store
	Sealer func(create bool) (*secret.Sealer, error)
}

// ExportOptions: Secrets includes client secrets, keys and password hashes, sealed with the server's own key, so that
// only a server with the same one can read them. Declared includes what configuration declares. Users includes people.
type ExportOptions struct{ Secrets, Declared, Users bool }

// Export writes an environment as lines of JSON, in an order that depends on nothing but what is in it.
func (t *Transfer) Export(ctx context.Context, env *store.Environment, w io.Writer, o ExportOptions) error {
	panic("contract")
}

// ImportOptions: DryRun changes nothing and reports the difference; Prune deletes what the file does not have.
type ImportOptions struct{ DryRun, Prune bool }

// Progress is said now and then while an import runs.
type Progress struct {
	Line             int // of the file
	Created, Updated int
	Deleted, Same    int
}

// Difference is one object of a dry run.
type Difference struct{}

// Import reads what Export wrote into env. tell hears of progress and, in a dry run, of each difference.
func (t *Transfer) Import(ctx context.Context, a directory.Actor, env *store.Environment, r io.Reader, o ImportOptions, tell func(Progress, *Difference)) (Progress, error) {
	panic("contract")
}
