package authorize

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// knownClient finds the client. Unknown and disabled are one answer. It is a
// parameter even beside a request object or a reference (RFC 9101 §5, RFC 9126 §4).
func knownClient(ctx context.Context, d *draft) error {
	id, err := d.form.Require("client_id")
	if err != nil {
		return err
	}
	c, err := d.Directory.ClientByID(ctx, d.env.ID, id)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && !c.Enabled:
		return oauth.InvalidRequest("The client_id is unknown")
	case err != nil:
		return unavailable(fmt.Errorf("find client: %w", err))
	}
	d.client = c
	return nil
}

// unavailable says that the server cannot do now what it was asked.
func unavailable(cause error) error {
	return oauth.TemporarilyUnavailable(cause)
}
