package keys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var day0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func key(id, alg string, slot store.KeySlot, created time.Time) store.Key {
	return store.Key{ID: id, Algorithm: alg, Slot: slot, CreatedAt: created, SignsFrom: created}
}

func drawnKey(id string, r *rotation, slot store.KeySlot, now, signsFrom time.Time) store.Key {
	k := key(id, r.algorithm, slot, now)
	k.SignsFrom, k.Policy = signsFrom, r.policy
	if r.policy != "" {
		k.Data = (&description{DN: r.dn, Length: r.length}).encode()
	}
	return k
}

func TestPlan(t *testing.T) {
	env := func(alg string) *store.Environment {
		return &store.Environment{ID: "e", SigningAlgorithm: alg, KeyRotation: 90 * day, KeyOverlap: day}
	}
	previous := func(id string, until time.Time) store.Key {
		k := key(id, "RS256", store.SlotPrevious, day0.Add(-200*day))
		k.ExpiresAt = until
		return k
	}
	c, n := key("c", "RS256", store.SlotCurrent, day0), key("n", "RS256", store.SlotNext, day0)
	youngNext := key("n", "RS256", store.SlotNext, day0.Add(89*day+12*time.Hour))
	esNext := key("n", "ES256", store.SlotNext, day0.Add(10*day))
	tests := []struct {
		name string
		env  *store.Environment
		ring []store.Key
		now  time.Time
		want string // slots as id:alg
		why  string
	}{
		{"first use", env("RS256"), nil, day0, "d1:RS256 d2:RS256", "created"},
		{"nothing to do", env("RS256"), []store.Key{c, n}, day0.Add(89 * day), "c:RS256 n:RS256", ""},
		{"order of the store does not matter", env("RS256"), []store.Key{n, c}, day0, "c:RS256 n:RS256", ""},
		{"a second before", env("RS256"), []store.Key{c, n}, day0.Add(90*day - time.Second), "c:RS256 n:RS256", ""},
		{"rotation", env("RS256"), []store.Key{c, n}, day0.Add(90 * day), "n:RS256 d1:RS256 c:RS256", "rotated"},
		{"late rotation", env("RS256"), []store.Key{c, n}, day0.Add(900 * day), "n:RS256 d1:RS256 c:RS256", "rotated"},
		{"not before the overlap", env("RS256"), []store.Key{c, youngNext}, day0.Add(90 * day), "c:RS256 n:RS256", ""},
		{"after the overlap", env("RS256"), []store.Key{c, youngNext}, day0.Add(90*day + 12*time.Hour), "n:RS256 d1:RS256 c:RS256", "rotated"},
		{"previous kept", env("RS256"), []store.Key{c, n, previous("p", day0.Add(time.Second))}, day0, "c:RS256 n:RS256 p:RS256", ""},
		{"previous gone", env("RS256"), []store.Key{c, n, previous("p", day0)}, day0, "c:RS256 n:RS256", "retired"},
		{
			"several previous, youngest first", env("RS256"),
			[]store.Key{previous("p1", day0.Add(day)), c, previous("p2", day0.Add(2*day)), n}, day0, "c:RS256 n:RS256 p2:RS256 p1:RS256", "",
		},
		{"next missing", env("RS256"), []store.Key{c}, day0, "c:RS256 d1:RS256", "created"},
		{"new algorithm: next is drawn anew", env("ES256"), []store.Key{c, n}, day0.Add(10 * day), "c:RS256 d1:ES256", "created"},
		{"new algorithm: not a young next", env("ES256"), []store.Key{c, n}, day0.Add(9 * time.Minute), "c:RS256 n:RS256", ""},
		{"new algorithm: within the overlap", env("ES256"), []store.Key{c, esNext}, day0.Add(11*day - time.Second), "c:RS256 n:ES256", ""},
		{"new algorithm: after the overlap", env("ES256"), []store.Key{c, esNext}, day0.Add(11 * day), "n:ES256 d1:ES256 c:RS256", "rotated"},
		{"the old algorithm again", env("RS256"), []store.Key{c, esNext}, day0.Add(11 * day), "c:RS256 d1:RS256", "created"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			drawn := 0
			got, outcomes, err := plan(rotations(tt.env, nil), tt.ring, tt.now, func(r *rotation, at store.KeySlot, from time.Time) (store.Key, error) {
				drawn++
				return drawnKey(fmt.Sprint("d", drawn), r, at, tt.now, from), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			var text []string
			for i, k := range got {
				text = append(text, k.ID+":"+k.Algorithm)
				want := store.SlotPrevious
				if i < 2 {
					want = []store.KeySlot{store.SlotCurrent, store.SlotNext}[i]
				}
				if k.Slot != want {
					t.Errorf("%s is %s, want %s", k.ID, k.Slot, want)
				}
				if k.Slot == store.SlotPrevious && k.ExpiresAt.IsZero() {
					t.Errorf("%s has no end", k.ID)
				}
			}
			if s := strings.Join(text, " "); s != tt.want {
				t.Errorf("ring = %s, want %s", s, tt.want)
			}
			if s := strings.Join(outcomes, " "); s != tt.why {
				t.Errorf("outcomes = %q, want %q", s, tt.why)
			}
			// What was planned once needs no plan again.
			if _, again, _ := plan(rotations(tt.env, nil), got, tt.now, func(*rotation, store.KeySlot, time.Time) (store.Key, error) {
				return store.Key{}, errors.New("drawn twice")
			}); len(again) > 0 {
				t.Errorf("planned again: %q", again)
			}
		})
	}
}

// TestEveryKeyIsKnownBeforeItSigns walks through years of minutes-late updates
// and changes of the algorithm.
func TestEveryKeyIsKnownBeforeItSigns(t *testing.T) {
	env := &store.Environment{ID: "e", SigningAlgorithm: "RS256", KeyRotation: 90 * day, KeyOverlap: day}
	var ring []store.Key
	published, lastSigned := map[string]time.Time{}, map[string]time.Time{}
	drawn := 0
	for now := day0; now.Before(day0.Add(1500 * day)); now = now.Add(7 * time.Hour) {
		if h := int(now.Sub(day0)/day) % 400; h > 200 {
			env.SigningAlgorithm = "ES256"
		} else {
			env.SigningAlgorithm = "RS256"
		}
		next, _, err := plan(rotations(env, nil), ring, now, func(r *rotation, at store.KeySlot, from time.Time) (store.Key, error) {
			drawn++
			return drawnKey(fmt.Sprint(drawn), r, at, now, from), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range next {
			if _, ok := published[k.ID]; !ok {
				published[k.ID] = now
			}
		}
		current := next[0].ID
		if _, ok := lastSigned[current]; !ok && len(lastSigned) > 0 && now.Sub(published[current]) < env.KeyOverlap {
			t.Fatalf("key %s signs at %v, %v after it was published", current, now, now.Sub(published[current]))
		}
		lastSigned[current] = now
		for _, k := range ring {
			gone := !slices.ContainsFunc(next, func(n store.Key) bool { return n.ID == k.ID })
			if signed, ok := lastSigned[k.ID]; ok && gone && now.Sub(signed) < store.MaxAccessTokenTTL {
				t.Fatalf("key %s went at %v, %v after it last signed", k.ID, now, now.Sub(signed))
			}
		}
		ring = next
	}
	if len(lastSigned) < 16 {
		t.Errorf("only %d keys ever signed", len(lastSigned))
	}
}
