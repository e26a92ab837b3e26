package keys

import (
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// retention is how long a key stays published after it signed for the last
	// time: the longest life of an access token, and a little for clocks and for
	// nodes that hear of the rotation late.
	retention = store.MaxAccessTokenTTL + lateness
	lateness  = 10 * time.Minute

	// settle is how long a NEXT key is left alone after it was drawn. Nodes whose
	// configurations name different algorithms (a rolling update) would otherwise
	// replace each other's NEXT key for as long as both run.
	settle = 10 * time.Minute
)

// Outcomes of an update, as told to Config.Rotated.
const (
	outcomeCreated = "created"
	outcomeRotated = "rotated"
	outcomeRetired = "retired"
	outcomeError   = "error"
)

// plan says what the ring of env is to become at now, and why. draw makes a new
// key for a slot. No outcomes mean no change. The order is CURRENT, NEXT, then
// PREVIOUS with the youngest first, which is the order of publication.
func plan(env *store.Environment, ring []store.Key, now time.Time, draw func(store.KeySlot) (store.Key, error)) (
	out []store.Key, outcomes []string, err error,
) {
	current, next, previous, retired := sortRing(ring, now)
	if retired {
		outcomes = append(outcomes, outcomeRetired)
	}
	if current == nil {
		k, err := draw(store.SlotCurrent)
		if err != nil {
			return nil, nil, err
		}
		k.SignsFrom = now
		current = &k
		outcomes = append(outcomes, outcomeCreated)
	}
	if next == nil || next.Algorithm != env.SigningAlgorithm && now.Sub(next.CreatedAt) >= settle {
		k, err := draw(store.SlotNext)
		if err != nil {
			return nil, nil, err
		}
		k.SignsFrom = due(env, current, &k)
		next = &k
		if len(outcomes) == 0 || outcomes[len(outcomes)-1] != outcomeCreated {
			outcomes = append(outcomes, outcomeCreated)
		}
	} else if !due(env, current, next).After(now) {
		demoted, promoted := *current, *next
		demoted.Slot, demoted.ExpiresAt = store.SlotPrevious, now.Add(retention)
		promoted.Slot, promoted.SignsFrom = store.SlotCurrent, now
		k, err := draw(store.SlotNext)
		if err != nil {
			return nil, nil, err
		}
		k.SignsFrom = due(env, &promoted, &k)
		current, next, previous = &promoted, &k, append([]store.Key{demoted}, previous...)
		outcomes = append(outcomes, outcomeRotated)
	}
	return append([]store.Key{*current, *next}, previous...), outcomes, nil
}

// due is when next may take over from current: after its overlap, and not before
// current has had its time, unless current has the wrong algorithm. A NEXT key of
// the wrong algorithm is promoted as well when its time has come: better a
// rotation with the old algorithm than none.
func due(env *store.Environment, current, next *store.Key) time.Time {
	published := next.CreatedAt.Add(env.KeyOverlap)
	if current.Algorithm != env.SigningAlgorithm && next.Algorithm == env.SigningAlgorithm {
		return published
	}
	if end := current.SignsFrom.Add(env.KeyRotation); end.After(published) {
		return end
	}
	return published
}

// sortRing takes a ring apart, without the keys that may go at now.
func sortRing(ring []store.Key, now time.Time) (current, next *store.Key, previous []store.Key, retired bool) {
	for i := range ring {
		k := &ring[i]
		switch k.Slot {
		case store.SlotCurrent:
			current = k
		case store.SlotNext:
			next = k
		default:
			if !k.ExpiresAt.After(now) {
				retired = true
				continue
			}
			previous = append(previous, *k)
		}
	}
	slices.SortStableFunc(previous, func(a, b store.Key) int { return b.ExpiresAt.Compare(a.ExpiresAt) })
	return current, next, previous, retired
}
