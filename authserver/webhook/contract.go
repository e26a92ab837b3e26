package webhook

import (
	"context"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Webhooks tell others what was changed. Safe for concurrent use. Every field is
// required.
type Webhooks struct {
	Live     *directory.Live
	Store    store.Deliveries
	Outbound *fetch.Client
	NewID    func() string
	Now      func() time.Time
	Log      *slog.Logger
	// Delivered is told "ok", "retry" or "given_up".
	Delivered func(outcome string)
}

// Deliveries are the messages that an event comes to: one for each enabled
// subscription of the environment that wants its action. See directory.Writer.
func (h *Webhooks) Deliveries(ctx context.Context, env *store.Environment, e *store.Event) ([]store.Delivery, error) {
	panic("contract")
}

// Run sends what is queued until ctx ends.
func (h *Webhooks) Run(ctx context.Context) { panic("contract") }
