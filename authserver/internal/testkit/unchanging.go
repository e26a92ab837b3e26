package testkit

import (
	"context"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Unchanging is a directory for a token.Minter of tests that make tokens out of the
// blue: the clients that it was asked for stay as they are, there or not.
type Unchanging struct {
	store.Directory
	clients sync.Map // by environment and ID
}

// For is the client to mint for.
func (d *Unchanging) For(ctx context.Context, environment, id string) *store.Client {
	if c, err := d.Directory.ClientByID(ctx, environment, id); err == nil {
		return c
	}
	c, _ := d.clients.LoadOrStore([2]string{environment, id}, &store.Client{Environment: environment, ID: id})
	return c.(*store.Client)
}

// ClientByID implements store.Directory.
func (d *Unchanging) ClientByID(ctx context.Context, environment, id string) (*store.Client, error) {
	if c, ok := d.clients.Load([2]string{environment, id}); ok {
		return c.(*store.Client), nil
	}
	return d.Directory.ClientByID(ctx, environment, id)
}
