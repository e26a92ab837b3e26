package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Bounds of what people call things and say of them, in characters.
const (
	maxName        = 256
	maxDescription = 1024
)

// maxAudience is in bytes: what a store.Revocation can name.
const maxAudience = 512

// maxUses is how many objects can name a resource, scope or claim that is deleted:
// they change with it, in one transaction.
const maxUses = 10_000

// resource is the document of a resource that something belongs to, or NotFound.
// What configuration declares takes nothing from elsewhere.
func (c *Checking) resource(ctx context.Context, id string) (*Resource, error) {
	it, err := c.Live.Item(ctx, c.Environment, store.KindResource, "", id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, NotFound()
	case err != nil:
		return nil, oauth.CannotTell("find resource", err)
	case it.Declared != "":
		return nil, IsDeclared(it.Declared)
	}
	d, ok := it.Document.(*Resource)
	if !ok {
		return nil, fmt.Errorf("resource %s is a %T", id, it.Document)
	}
	return d, nil
}

// stored are the objects that have a key and are not declared.
func (c *Checking) stored(ctx context.Context, kind store.ObjectKind, key string) ([]*Item, error) {
	all, err := c.Live.ItemsByKey(ctx, c.Environment, kind, key, maxUses+1)
	if err != nil {
		return nil, oauth.CannotTell("find what uses it", err)
	}
	if len(all) > maxUses {
		return nil, Invalid(Problemf(ConstraintViolation, "id", "is in use more than %d times; end some of these uses first", maxUses))
	}
	var stored []*Item
	for _, it := range all {
		if it.Declared == "" {
			stored = append(stored, it)
		}
	}
	return stored, nil
}
