package directory

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// What a client or a person holds beside access tokens is ended after the change
// was stored. A delivery of this kind is stored along with the change, and forgotten when that is done:
// so that it is done by somebody, also where this process ends in between.
const (
	pendingEnd = "end"
	// finishWithin is how long this process has for it; then any node may.
	finishWithin = time.Minute
	endsExpire   = 30 * 24 * time.Hour
	mostPending  = 100
)

// revoke adds the revocations of what the plan ends, and what is to be done
// after it was stored.
func (p *plan) revoke() (pending []store.Delivery) {
	second := p.now.Truncate(time.Second)
	all := map[End]bool{} // by End without All
	var order []End
	for _, e := range p.ends {
		key := End{Kind: e.Kind, Value: e.Value}
		if _, seen := all[key]; !seen {
			order = append(order, key)
		}
		all[key] = all[key] || e.All
	}
	for _, e := range order {
		p.write.Revocations = append(p.write.Revocations, store.Revocation{
			Environment: p.env.ID, Kind: e.Kind, Value: e.Value, At: second, ExpiresAt: second.Add(store.RevocationTTL),
		})
		if all[e] {
			pending = append(pending, store.Delivery{
				Environment: p.env.ID, ID: p.w.NewID(), Kind: pendingEnd, Target: string(e.Kind), Client: e.Value,
				NextAt: p.now.Add(finishWithin), ExpiresAt: p.now.Add(endsExpire),
			})
		}
	}
	p.write.Deliveries = append(p.write.Deliveries, pending...)
	return pending
}

// finish ends what clients and people hold. The change stands whether or not that
// succeeds; what does not is tried again by Purge.
func (w *Writer) finish(ctx context.Context, env *store.Environment, pending []store.Delivery) {
	if len(pending) == 0 {
		return
	}
	// Whoever asked for the change may go: it has been made.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	for _, d := range pending {
		if err := w.end(ctx, env, &d); err != nil {
			w.Log.LogAttrs(ctx, slog.LevelError, "what was to end is not ended yet", slog.String("environment", d.Environment),
				slog.String("kind", d.Target), slog.String("id", d.Client), slog.String("error", err.Error()))
		}
	}
}

func (w *Writer) end(ctx context.Context, env *store.Environment, d *store.Delivery) error {
	if err := w.Ended(ctx, env, End{Kind: store.RevocationKind(d.Target), Value: d.Client, All: true}); err != nil {
		return err
	}
	return w.Store.FinishDelivery(ctx, d.Environment, d.ID)
}

// endPending ends what other processes began to end, and did not.
func (w *Writer) endPending(ctx context.Context) error {
	var failed error
	for {
		now := w.Now().UTC()
		pending, err := w.Store.ClaimDeliveries(ctx, pendingEnd, now, now.Add(finishWithin), mostPending)
		if err != nil {
			return oauth.CannotTell("find what is to be ended", err)
		}
		for _, d := range pending {
			env, err := w.Live.EnvironmentByID(ctx, d.Environment)
			switch {
			case errors.Is(err, store.ErrNotFound):
				err = w.Store.FinishDelivery(ctx, d.Environment, d.ID)
			case err == nil:
				err = w.end(ctx, env, &d)
			}
			failed = errors.Join(failed, err) // it is due again when finishWithin has passed
		}
		if len(pending) < mostPending || failed != nil {
			return failed
		}
	}
}
