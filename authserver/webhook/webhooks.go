package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/outbox"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// kindWebhook is the Kind of messages in the delivery queue.
	kindWebhook = "webhook"
	// giveUpAfter is how long a message is tried, and retryMax the longest pause in between.
	giveUpAfter = 24 * time.Hour
	retryMax    = time.Hour
)

// Webhooks tell others what was changed. Safe for concurrent use. Fields are
// required where they name no default.
type Webhooks struct {
	Live     *directory.Live
	Store    store.Deliveries
	Outbound *fetch.Client
	// URL is where clients reach /v1, for links: "https://api.example.com". "" is the origin of the
	// environment's issuer.
	URL   string
	NewID func() string
	Now   func() time.Time
	Log   *slog.Logger
	// Delivered is told "ok", "retry" or "given_up".
	Delivered func(outcome string)

	once   sync.Once
	outbox *outbox.Outbox // see queue
	known  sync.Map       // environment id → *subscriptions
}

func (h *Webhooks) queue() *outbox.Outbox {
	h.once.Do(func() {
		h.outbox = &outbox.Outbox{
			Kind: kindWebhook, Store: h.Store, Send: h.send, Now: h.Now, Log: h.Log, Delivered: h.Delivered,
			What: "webhook", Receiver: "subscription", RetryMax: retryMax,
		}
	})
	return h.outbox
}

// Deliveries are the messages that an event comes to: one for each enabled
// subscription of the environment that wants its action. They are for directory.Writer to queue along with
// the event; Run sends them at once.
func (h *Webhooks) Deliveries(ctx context.Context, env *store.Environment, e *store.Event) ([]store.Delivery, error) {
	subscribed, err := h.subscriptions(ctx, env)
	if err != nil || len(subscribed) == 0 {
		return nil, err
	}
	var queued []store.Delivery
	var message []byte
	now := h.Now().UTC()
	for i := range subscribed {
		s := &subscribed[i]
		wants, err := h.wants(ctx, s, e)
		if err != nil {
			return nil, err
		}
		if !wants {
			continue
		}
		if message == nil {
			if message, err = json.Marshal(NewActivity(h.Base(env), e)); err != nil {
				return nil, fmt.Errorf("encode activity: %w", err)
			}
		}
		queued = append(queued, store.Delivery{
			Environment: env.ID, ID: h.NewID(), Kind: kindWebhook, Target: s.url, Client: s.id, Data: message,
			NextAt: now, ExpiresAt: now.Add(giveUpAfter),
		})
	}
	if len(queued) > 0 {
		h.queue().Expect()
	}
	return queued, nil
}

// Base is the address in front of /v1 in an environment's links.
func (h *Webhooks) Base(env *store.Environment) string {
	if h.URL != "" {
		return strings.TrimSuffix(h.URL, "/")
	}
	return strings.TrimSuffix(strings.TrimSuffix(env.Issuer, "/as"), "/"+env.ID)
}

// Run sends what is queued until ctx ends: at once, after failures with growing pauses (1 s to 1 h, give or
// take a quarter), given up after a day.
func (h *Webhooks) Run(ctx context.Context) { h.queue().Run(ctx) }

// DeliverDue attempts what is due now, once, and says how much that was.
func (h *Webhooks) DeliverDue(ctx context.Context) int { return h.queue().DeliverDue(ctx) }

// send posts one message to where its subscription points now. nil also where nobody wants it any more.
func (h *Webhooks) send(ctx context.Context, d *store.Delivery) error {
	env, err := h.Live.EnvironmentByID(ctx, d.Environment)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find environment: %w", err)
	}
	it, err := h.Live.Item(ctx, env, store.KindSubscription, "", d.Client)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find subscription: %w", err)
	}
	s, ok := it.Document.(*directory.Subscription)
	if !ok || !s.IsEnabled() || s.HTTPEndpoint == nil {
		return nil
	}
	now := h.Now().UTC()
	signature, err := sign(s.Secrets(now), d.ID, now, d.Data)
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for name, value := range s.Header() {
		header.Set(name, value)
	}
	header.Set(headerID, d.ID)
	header.Set(headerTimestamp, strconv.FormatInt(now.Unix(), 10))
	header.Set(headerSignature, signature)
	// Whoever may subscribe is not whoever runs this server: the address is a stranger's.
	err = h.Outbound.Strangers().Send(ctx, s.HTTPEndpoint.URL, header, d.Data)
	if status, ok := errors.AsType[*fetch.StatusError](err); ok && status.Status == http.StatusGone {
		return fmt.Errorf("%w: %w", outbox.ErrGiveUp, err)
	}
	return err
}
