package resourceserver

import "time"

// endings are exchanges that are being ended, in two steps. Where there are thousands, the second one, in which their handlers wake up
// and clear away what they have, takes much longer than the first: no client should hear more until all of that is done.
type endings struct {
	w    *watcher
	list []ending
}

type ending struct {
	ref     watchRef
	why     Reason
	issuer  int
	lag     time.Duration
	reached bool
}

// add has nothing more be sent in an exchange.
func (e *endings) add(ref watchRef, why Reason, issuer int, lag time.Duration) {
	if ended, reached := ref.x.end(ref.turn, why); ended {
		e.list = append(e.list, ending{ref, why, issuer, lag, reached})
	}
}

// release lets the handlers of all go, and tells of them.
func (e *endings) release() {
	w := e.w
	for _, one := range e.list {
		if !one.ref.x.release(one.ref.turn) && !one.reached {
			w.warned.Do(func() {
				w.v.config.Log.Error("an exchange cannot be ended when its token ends: its ResponseWriter lets nobody set deadlines")
			})
		}
		if w.v.streams != nil {
			w.v.streams.StreamEnded(one.issuer, one.why, max(0, one.lag))
		}
	}
}
