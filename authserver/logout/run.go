package logout

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/outbox"
)

// queued is the queue of logout tokens.
func (e *Ender) queued() *outbox.Outbox {
	e.once.Do(func() {
		e.outbox = &outbox.Outbox{
			Kind: kindBackchannel, Store: e.Store, Send: e.send, Now: e.Now, Log: e.Log, Delivered: e.Delivered,
			What: "back-channel logout",
		}
	})
	return e.outbox
}

// Run delivers what is queued, until ctx ends: fresh ones at once, those that
// failed with growing pauses (1 s to 5 min, give or take a quarter), given up after an hour. It returns
// when every attempt under way has ended.
func (e *Ender) Run(ctx context.Context) { e.queued().Run(ctx) }

// DeliverDue attempts what is due now, once, and says how much that was.
func (e *Ender) DeliverDue(ctx context.Context) int { return e.queued().DeliverDue(ctx) }
