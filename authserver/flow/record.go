package flow

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// stepTime is how long one step may take before another caller may take it for
	// abandoned: its node may have died.
	stepTime = 30 * time.Second
	// waitTime is how long a caller waits for the one before it, and waitPause the
	// pause between two looks.
	waitTime  = 10 * time.Second
	waitPause = 20 * time.Millisecond
)

// load reads a flow that belongs to this browser. Whatever is wrong with it,
// the answer is that there is none.
func (e *Engine) load(ctx context.Context, env *store.Environment, id string, b *session.Browser) (*step, store.Flow, error) {
	none := store.Flow{}
	record, err := e.Flows.FlowByID(ctx, env.ID, id, e.Now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, none, web.NotFound()
	case err != nil:
		return nil, none, fault("find flow", err)
	}
	st, err := decode(record.Data)
	if err != nil {
		return nil, none, err
	}
	if !b.Holds(st.Binding) {
		return nil, none, web.NotFound()
	}
	client, err := e.Directory.ClientByID(ctx, env.ID, st.Request.Client)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, none, web.NotFound()
	case err != nil:
		return nil, none, fault("find the flow's client", err)
	case !client.Enabled:
		return nil, none, web.NotFound()
	}
	return &step{Engine: e, env: env, browser: b, client: client, state: st}, record, nil
}

// claim reads an unfinished flow and makes sure that nobody else takes a step
// until release.
func (e *Engine) claim(ctx context.Context, env *store.Environment, id string, b *session.Browser) (*step, store.Flow, error) {
	for started := time.Now(); ; { // real time: the wait is for another goroutine, not for a date
		s, record, err := e.load(ctx, env, id, b)
		if err != nil {
			return nil, store.Flow{}, err
		}
		if s.state.Status.Terminal() {
			return nil, store.Flow{}, notPossible("The flow is finished")
		}
		now := e.Now()
		if !now.Before(s.state.Busy) {
			s.state.Busy = now.Add(stepTime).UTC()
			err := e.replace(ctx, s.state, &record, now)
			if err == nil {
				return s, record, nil
			}
			if !errors.Is(err, store.ErrConflict) {
				return nil, store.Flow{}, err
			}
		}
		if time.Since(started) > waitTime {
			return nil, store.Flow{}, oauth.Unavailable(1, "Another step of the flow is being taken")
		}
		select {
		case <-ctx.Done():
			return nil, store.Flow{}, ctx.Err()
		case <-time.After(waitPause):
		}
	}
}

// release writes a claimed flow back. The step has happened, so it is written
// even if the caller has gone away meanwhile.
func (e *Engine) release(ctx context.Context, s *step, record *store.Flow) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
	defer cancel()
	s.state.Busy = time.Time{}
	err := e.replace(ctx, s.state, record, e.Now())
	if errors.Is(err, store.ErrConflict) {
		// The step took so long that somebody else took one.
		return oauth.Unavailable(1, "Another step of the flow is being taken").WithCause(err)
	}
	return err
}

// replace stores the state, prolonged, in place of the version that was read.
func (e *Engine) replace(ctx context.Context, st *state, record *store.Flow, now time.Time) error {
	data, err := st.encode()
	if err != nil {
		return err
	}
	record.Data, record.ExpiresAt = data, st.expires(now)
	switch err := e.Flows.ReplaceFlow(ctx, *record, now); {
	case err == nil:
		record.Version++
		return nil
	case errors.Is(err, store.ErrNotFound):
		return web.NotFound()
	default:
		return fault("keep flow", err)
	}
}
