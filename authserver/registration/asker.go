package registration

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
)

// asker is whom a document is fetched for.
type asker struct {
	address string // as limit.Address has it
	limited bool   // to its part of what may be fetched
	renewal bool   // nobody in particular: the document is a client's, and too old
}

var renewal = asker{renewal: true}

type addressKey struct{}

// WithAddress tells Documents, for one request, which address it came from, without port. It is asked for when a document has to be fetched. Requests
// of which nothing is told share one part.
func WithAddress(ctx context.Context, address func() string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// asker is whom the request is from.
func (d *Documents) asker(ctx context.Context) asker {
	address := ""
	if told, ok := ctx.Value(addressKey{}).(func() string); ok {
		address = told()
	}
	return asker{address: limit.Address(address), limited: d.NoLimit == nil || !d.NoLimit(address)}
}
