package directory

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Record keeps a line of the audit log about something that is done elsewhere:
// Action, Kind, Object, Name, Parent, Before and After of e. It is called before
// that is done.
func (w *Writer) Record(ctx context.Context, a Actor, env *store.Environment, e store.Event) error {
	return again(ctx, func() error {
		p := w.plan(a, env)
		p.event(store.Event{
			Action: e.Action, Kind: e.Kind, Object: e.Object, Name: e.Name, Parent: e.Parent, Before: e.Before, After: e.After,
		})
		return p.commit(ctx)
	})
}
