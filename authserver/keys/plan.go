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
	// replace each other's NEXT key for as long as both run. What a policy says is the
	// same on every node.
	settle = 10 * time.Minute
)

// Outcomes of an update, as told to Config.Rotated.
const (
	outcomeCreated = "created"
	outcomeRotated = "rotated"
	outcomeRetired = "retired"
	outcomeError   = "error"
)

// draw makes a new key for a slot of a rotation, to sign from a time on.
type draw func(r *rotation, at store.KeySlot, signsFrom time.Time) (store.Key, error)

// plan says what a ring is to become at now, and why. No outcomes mean no change.
// Each rotation is planned by itself: all comes first the environment's own, in the order CURRENT, NEXT,
// then PREVIOUS with the youngest first; then each policy's; then the keys of policies that are gone, which only
// verify; then the keys that no rotation moves. That is the order of publication.
func plan(all []rotation, ring []store.Key, now time.Time, draw draw) (out []store.Key, outcomes []string, err error) {
	rows, rest := map[string][]store.Key{}, []store.Key(nil)
	for _, k := range ring {
		if k.Slot == store.SlotPublished || k.Slot == store.SlotStored {
			rest = append(rest, k)
		} else {
			rows[k.Policy] = append(rows[k.Policy], k)
		}
	}
	for i := range all {
		row, freed, more, err := planRow(&all[i], rows[all[i].policy], now, draw)
		if err != nil {
			return nil, nil, err
		}
		out, outcomes, rest = append(out, row...), append(outcomes, more...), append(rest, freed...)
		delete(rows, all[i].policy)
	}
	var orphans []store.Key
	for _, row := range rows {
		left, changed := orphaned(row, now)
		orphans = append(orphans, left...)
		if changed {
			outcomes = append(outcomes, outcomeRetired)
		}
	}
	slices.SortFunc(orphans, youngestFirst)
	return slices.Concat(out, orphans, rest), outcomes, nil
}

// planRow plans one rotation. freed are keys made by hand that no longer verify
// anything on behalf of the rotation.
func planRow(r *rotation, ring []store.Key, now time.Time, draw draw) (row, freed []store.Key, outcomes []string, err error) {
	current, next, previous, freed, retired := sortRow(ring, now)
	if retired {
		outcomes = append(outcomes, outcomeRetired)
	}
	if current == nil {
		k, err := draw(r, store.SlotCurrent, now)
		if err != nil {
			return nil, nil, nil, err
		}
		current = &k
		outcomes = append(outcomes, outcomeCreated)
	}
	if next == nil || r.outgrown(next, now) {
		k, err := draw(r, store.SlotNext, r.due(current, r.fresh(now)))
		if err != nil {
			return nil, nil, nil, err
		}
		next = &k
		if len(outcomes) == 0 || outcomes[len(outcomes)-1] != outcomeCreated {
			outcomes = append(outcomes, outcomeCreated)
		}
	} else if !r.due(current, next).After(now) {
		rotated, err := rotate(r, current, next, now, draw)
		if err != nil {
			return nil, nil, nil, err
		}
		current, next, previous = &rotated[0], &rotated[1], append(rotated[2:], previous...)
		outcomes = append(outcomes, outcomeRotated)
	}
	return append([]store.Key{*current, *next}, previous...), freed, outcomes, nil
}

// rotate promotes next: the answer is CURRENT, a new NEXT, PREVIOUS.
func rotate(r *rotation, current, next *store.Key, now time.Time, draw draw) ([]store.Key, error) {
	promoted := *next
	promoted.Slot, promoted.SignsFrom = store.SlotCurrent, now
	k, err := draw(r, store.SlotNext, r.due(&promoted, r.fresh(now)))
	if err != nil {
		return nil, err
	}
	return []store.Key{promoted, k, demoted(*current, now)}, nil
}

// demoted is a key that has signed until now.
func demoted(k store.Key, now time.Time) store.Key {
	k.Slot, k.ExpiresAt = store.SlotPrevious, now.Add(retention)
	return k
}

// fresh is a NEXT key as far as due asks.
func (r *rotation) fresh(now time.Time) *store.Key {
	return &store.Key{Algorithm: r.algorithm, CreatedAt: now}
}

// outgrown reports whether a NEXT key is not what the rotation asks for now.
func (r *rotation) outgrown(next *store.Key, now time.Time) bool {
	if r.policy == "" {
		return next.Algorithm != r.algorithm && now.Sub(next.CreatedAt) >= settle
	}
	d, err := describe(next)
	return err != nil || d.DN != r.dn || d.Length != r.length
}

// due is when next may take over from current: after its overlap, and not before
// current has had its time, unless current has the wrong algorithm. A NEXT key of
// the wrong algorithm is promoted as well when its time has come: better a
// rotation with the old algorithm than none.
func (r *rotation) due(current, next *store.Key) time.Time {
	published := next.CreatedAt.Add(r.overlap)
	if current.Algorithm != r.algorithm && next.Algorithm == r.algorithm {
		return published
	}
	if end := r.end(current); end.After(published) {
		return end
	}
	return published
}

// end is when a CURRENT key has had its time: after the period, or, for one that
// somebody made and chose, with its certificate.
func (r *rotation) end(current *store.Key) time.Time {
	if d, err := describe(current); err == nil && d.byHand() {
		if cert, err := d.certificate(); err == nil && cert != nil {
			return cert.NotAfter
		}
	}
	return current.SignsFrom.Add(r.period)
}

// sortRow takes the keys of one rotation apart, without those that may go at now. What
// somebody made is not ours to throw away: it goes back to where it was.
func sortRow(row []store.Key, now time.Time) (current, next *store.Key, previous, freed []store.Key, retired bool) {
	for i := range row {
		k := &row[i]
		switch {
		case k.Slot == store.SlotCurrent:
			current = k
		case k.Slot == store.SlotNext:
			next = k
		case k.ExpiresAt.After(now):
			previous = append(previous, *k)
		default:
			retired = true
			if d, err := describe(k); err == nil && d.byHand() {
				back := *k
				back.Slot, back.SignsFrom, back.ExpiresAt = store.SlotPublished, time.Time{}, time.Time{}
				freed = append(freed, back)
			}
		}
	}
	slices.SortStableFunc(previous, youngestFirst)
	return current, next, previous, freed, retired
}

// orphaned is what stays of the keys of a policy that is gone: those that signed,
// until that has expired.
func orphaned(row []store.Key, now time.Time) (left []store.Key, changed bool) {
	for _, k := range row {
		switch {
		case k.Slot == store.SlotCurrent:
			left, changed = append(left, demoted(k, now)), true
		case k.Slot == store.SlotPrevious && k.ExpiresAt.After(now):
			left = append(left, k)
		default:
			changed = true
		}
	}
	return left, changed
}

func youngestFirst(a, b store.Key) int { return b.ExpiresAt.Compare(a.ExpiresAt) }
