package keys

import (
	"context"
	"crypto"
	"crypto/x509"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ReadImported opens a file.
func ReadImported(i Imported, now time.Time) (crypto.Signer, []*x509.Certificate, error) {
	return i.read(now)
}

// Alone runs work.
func Alone(ctx context.Context, r *Rings, env *store.Environment, do func() error) error {
	return r.alone(ctx, env, do)
}
