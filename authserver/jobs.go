package authserver

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	refreshEvery = 30 * time.Second
	sweepEvery   = time.Minute
	sweepBatch   = 500
	sweepPause   = 20 * time.Millisecond // lets writers in between batches

	lastMessages = 5 * time.Second // for what is queued when a server closes

	feedRetryMin = 100 * time.Millisecond
	feedRetryMax = 5 * time.Second
)

// feed keeps the revocation set up to date until ctx ends.
func (s *State) feed(ctx context.Context) {
	retry := feedRetryMin
	for ctx.Err() == nil {
		start := s.config.Now()
		err := s.config.Store.WatchRevocations(ctx, start, s.watcher())
		s.revocations.Alive(false)
		if ctx.Err() != nil {
			return
		}
		s.config.Log.LogAttrs(ctx, slog.LevelError, "revocation feed interrupted", slog.Any("error", err))
		if s.config.Now().Sub(start) > feedRetryMax {
			retry = feedRetryMin // it had worked
		}
		pause(ctx, retry)
		retry = min(2*retry, feedRetryMax)
	}
}

// rotate keeps key rings up to date: soon after an environment is configured,
// and then often enough to see other nodes' rotations long before they matter.
func (s *State) rotate(ctx context.Context) {
	for ctx.Err() == nil {
		_ = s.rings.Refresh(ctx) // it has logged its failures
		timer := time.NewTimer(jitter(refreshEvery))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.newEnvs:
		}
		timer.Stop()
	}
}

// sweep deletes what has expired: in small batches for as long as there is more.
func (s *State) sweep(ctx context.Context) {
	for pause(ctx, jitter(sweepEvery)) {
		s.sweepOnce(ctx)
	}
}

func (s *State) sweepOnce(ctx context.Context) {
	now := s.config.Now()
	s.revocations.Prune(now)
	for _, o := range s.allOutbounds() {
		o.keys.Prune(now)
	}
	for total := 0; ; {
		n, err := s.config.Store.Sweep(ctx, now, sweepBatch)
		total += n
		if n > 0 {
			s.config.Observer.Swept(n)
		}
		if err != nil && ctx.Err() == nil {
			s.config.Log.LogAttrs(ctx, slog.LevelError, "expired records cannot be deleted", slog.String("error", err.Error()))
		}
		if err != nil || n < sweepBatch || !pause(ctx, sweepPause) {
			if total > 0 {
				s.config.Log.LogAttrs(ctx, slog.LevelDebug, "expired records deleted", slog.Int("records", total))
			}
			return
		}
	}
}

// jitter is d give or take a quarter, so that nodes do not act in step.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2)
}

// pause waits for d and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
