package directory

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// StoredEnvironment reads one environment that the management API made, or
// store.ErrNotFound where there is none or it is deleted. It is for those who outlive a Live; requests use that.
// What a configuration says of all environments is not in it.
func StoredEnvironment(ctx context.Context, s store.Objects, id string) (*store.Environment, error) {
	o, err := s.ObjectByID(ctx, id, store.KindEnvironment, id)
	if err != nil {
		return nil, err
	}
	var d Environment
	if err := json.Unmarshal(o.Data, &d); err != nil {
		return nil, fmt.Errorf("read environment %s: %w", id, err)
	}
	if d.Status == environmentDeleted {
		return nil, store.ErrNotFound
	}
	return d.environment(id)
}
