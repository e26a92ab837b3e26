// Package registration lets clients register themselves (RFC 7591) and manage
// what they registered (RFC 7592).
//
// Start reading at Registrar.Register.
package registration

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Registrar registers clients. Safe for concurrent use.
type Registrar struct {
	Store     store.RegisteredClients
	Sealer    func(create bool) (*secret.Sealer, error)
	NewID     func() string
	NewSecret func() secret.Value
	Now       func() time.Time
}

// Open gives a stored client its secrets back, for a store.Directory.
func (r *Registrar) Open(c store.RegisteredClient) (*store.Client, error) { panic("contract") }

// Register judges a client's metadata (JSON) and stores it. authorization is the bearer token sent, "" for
// none. The answer is the JSON body of 201.
func (r *Registrar) Register(ctx context.Context, env *store.Environment, authorization string, metadata []byte) ([]byte, error) {
	panic("contract")
}

// Read, Replace and Delete act on a registered client by its registration access token.
func (r *Registrar) Read(ctx context.Context, env *store.Environment, authorization, id string) ([]byte, error) {
	panic("contract")
}
func (r *Registrar) Replace(ctx context.Context, env *store.Environment, authorization, id string, metadata []byte) ([]byte, error) {
	panic("contract")
}
func (r *Registrar) Delete(ctx context.Context, env *store.Environment, authorization, id string) error {
	panic("contract")
}
