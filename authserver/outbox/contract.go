package outbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Outbox delivers one kind of deliveries. Safe for concurrent use.
type Outbox struct {
	Kind  string
	Store store.Deliveries
	// Send makes one attempt. An error that wraps ErrGiveUp is not tried again.
	Send func(ctx context.Context, d *store.Delivery) error
	Now  func() time.Time
	Log  *slog.Logger
	// Delivered is told "ok", "retry" or "given_up".
	Delivered func(outcome string)
}

// HandOver gives what was queued just now to Run, which attempts it at once.
func (o *Outbox) HandOver(queued []store.Delivery) { panic("contract") }

// Run delivers what is queued until ctx ends.
func (o *Outbox) Run(ctx context.Context) { panic("contract") }
