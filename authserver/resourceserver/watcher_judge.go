package resourceserver

import (
	"context"
	"time"
)

// check judges the tokens of exchanges, each once. Where somebody else has to be asked it does not wait.
func (w *watcher) check(refs []watchRef, now round) {
	var elsewhere map[*entry][]watchRef
	var bad map[*entry]outcome // of this process: few, even when many have the same
	ends := endings{w: w}
	defer ends.release()
	for _, ref := range refs {
		e := ref.entry
		if is := e.token.issuer; is.config.Local == nil {
			if why := is.checkTimes(e.token.Claims, now.clock); why == Expired { // nobody has to be asked, and many may expire at once
				w.settle(ref, e, outcome{why: why, issuer: is.index}, now, &ends)
				continue
			}
			if elsewhere == nil {
				elsewhere = make(map[*entry][]watchRef)
			}
			elsewhere[e] = append(elsewhere[e], ref)
			continue
		}
		o, known := bad[e]
		if !known {
			if e, o = w.judgeLocal(e, now); o.why != Allowed && o.why != Revoked {
				if bad == nil {
					bad = make(map[*entry]outcome)
				}
				bad[ref.entry] = o
			}
		}
		w.settle(ref, e, o, now, &ends)
	}
	for e := range elsewhere {
		if !e.checking.CompareAndSwap(false, true) { // it waits still, or is being asked about
			delete(elsewhere, e)
		}
	}
	if len(elsewhere) > 0 {
		w.wg.Go(func() { w.checkElsewhere(elsewhere, now) })
	}
}

// checkElsewhere judges tokens of issuers elsewhere, so many at a time, until all have had their turn: with many streams that takes longer than a round.
func (w *watcher) checkElsewhere(tokens map[*entry][]watchRef, now round) {
	for e, refs := range tokens {
		select {
		case w.checks <- struct{}{}:
		case <-w.ctx.Done():
			return
		}
		w.wg.Go(func() {
			defer func() {
				e.checking.Store(false)
				<-w.checks
			}()
			now := now
			now.clock = w.v.config.Now() // it may have waited
			w.judge(e, refs, now)
		})
	}
}

// judgeLocal finds out whether a token of this process is still good. Many may have to be judged at once, after a
// revocation of any of them, so that what is remembered for requests is left to requests.
func (w *watcher) judgeLocal(e *entry, now round) (*entry, outcome) {
	is := e.token.issuer
	epoch := is.config.Local.Epoch() // before Keys and Revoked, see Local
	switch {
	case e.dead.Load():
		if o := is.checkRevoked(e.token.Claims); o.why == Revoked {
			return e, o
		}
		return w.again(e, now)
	case !e.usable(now.clock.UnixNano()):
		return w.again(e, now)
	case e.epoch.Load() == epoch:
		return e, outcome{issuer: is.index}
	case !e.opaque:
		keys, err := is.config.Local.Keys(w.ctx, e.kid)
		if err != nil {
			return e, outcome{why: LocalUnavailable, issuer: is.index, cause: err}
		}
		if !keys.HasID(e.kid) {
			return w.again(e, now)
		}
	}
	o := is.checkRevoked(e.token.Claims)
	switch o.why {
	case Allowed:
		e.epoch.Store(epoch)
	case Revoked:
		e.dead.Store(true)
	}
	return e, o
}

// again judges a token as if it came with a request. What was found out then may be another entry.
func (w *watcher) again(e *entry, now round) (*entry, outcome) {
	if why := e.token.issuer.checkTimes(e.token.Claims, now.clock); why == Expired {
		return e, outcome{why: why, issuer: e.token.issuer.index}
	}
	t, o := w.v.again(w.ctx, e, now.clock)
	if t != nil {
		e = t.entry
	}
	return e, o
}

// judge finds out whether a token of an issuer elsewhere is still good.
func (w *watcher) judge(e *entry, refs []watchRef, now round) {
	e, o := w.again(e, now)
	ends := endings{w: w}
	defer ends.release()
	for _, ref := range refs {
		w.settle(ref, e, o, now, &ends)
	}
}

// settle has an exchange go on, by what was found out last, or end.
func (w *watcher) settle(ref watchRef, e *entry, o outcome, now round, ends *endings) {
	is := ref.entry.token.issuer
	switch {
	case w.ctx.Err() != nil: // close says what becomes of it
	case o.why == Allowed:
		if e != ref.entry || ref.x.unsure.Load() != 0 {
			w.continues(ref, e)
		}
	case o.why == NotYetValid: // a clock was set back
	case o.why == Expired:
		ends.add(ref, o.why, is.index, now.clock.Sub(ref.entry.token.Claims.Expiry.Add(is.config.ClockSkew)))
	case o.why.unavailable() && !ref.x.unsureFor(ref.turn, unsureGrace):
	case is.config.Local != nil:
		ends.add(ref, o.why, is.index, time.Since(now.sure))
	default:
		ends.add(ref, o.why, is.index, time.Since(now.last))
	}
}

// continues notes that the token of an exchange is good, by what was found out last.
func (w *watcher) continues(ref watchRef, e *entry) {
	s := w.shard(ref.x)
	s.mu.Lock()
	defer s.mu.Unlock()
	ref.x.mu.Lock()
	defer ref.x.mu.Unlock()
	// Its turn does not change before it has left the list, for which the shard's lock is needed. It may have left already.
	if ref.x.turn == ref.turn {
		ref.x.unsure.Store(0)
		ref.x.entry = e
	}
}

// origin is from where durations are counted.
var origin = time.Now().Add(-time.Second)

// unsureFor notes that nothing is known of the exchange's token, and reports whether that is so for longer than d.
func (x *Watched) unsureFor(turn uint64, d time.Duration) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.turn != turn {
		return false
	}
	since := time.Duration(x.unsure.Load())
	if since == 0 {
		since = time.Since(origin)
		x.unsure.Store(int64(since))
	}
	return time.Since(origin)-since > d
}

// unknown is the reason why nothing is known of a token whose verifier has gone.
func (e *entry) unknown() Reason {
	switch is := e.token.issuer; {
	case is.config.Local != nil:
		return LocalUnavailable
	case is.introspection != nil:
		return IntrospectionUnavailable
	}
	return KeysUnavailable
}

// again judges a token that was good once, without a request. What was found out is remembered for requests.
func (v *Verifier) again(ctx context.Context, e *entry, now time.Time) (*Token, outcome) {
	if e.usable(now.UnixNano()) {
		if t, o, settled := v.reuse(ctx, e.raw, e, now); settled {
			return t, o
		}
	}
	t, o, _ := v.look(ctx, e.raw, now)
	return t, o
}
