package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var keyTests = []namedTest{
	{"an environment without keys has version 0", keysEmpty},
	{"a ring comes back as it was stored", keysRoundTrip},
	{"a stale version is ErrConflict and changes nothing", keysStale},
	{"of concurrent replacements exactly one succeeds", keysContention},
	{"a key of another environment is refused", keysForeign},
}

func key(id string) store.Key {
	return store.Key{Environment: env1, ID: id, Algorithm: "RS256", Slot: store.SlotCurrent, Sealed: []byte{0, 1, 255}, CreatedAt: Now, SignsFrom: Now}
}

func keysEmpty(t *testing.T, s store.Store) {
	keys, version, err := s.KeyRing(testContext(t), env1)
	if len(keys) != 0 || version != 0 || err != nil {
		t.Errorf("KeyRing = %v, %d, %v, want none, 0, nil", keys, version, err)
	}
}

func keysRoundTrip(t *testing.T, s store.Store) {
	ctx := testContext(t)
	next := key("next")
	next.Slot, next.SignsFrom = store.SlotNext, time.Time{}
	previous := key("previous")
	previous.Slot, previous.ExpiresAt = store.SlotPrevious, Now.Add(time.Hour)
	ofPolicy, stored := key("of a policy"), key("stored")
	ofPolicy.Slot, ofPolicy.Policy, ofPolicy.Data = store.SlotPublished, "policy", []byte(`{"name":"Signing"}`)
	stored.Slot, stored.Data = store.SlotStored, []byte{0, 255}
	rings := [][]store.Key{{key("one")}, {next, key("one"), previous}, nil, {key("two")}, {ofPolicy, key("two"), stored}}
	for i, want := range rings {
		if err := s.ReplaceKeyRing(ctx, env1, int64(i), want); err != nil {
			t.Fatalf("ReplaceKeyRing at version %d: %v", i, err)
		}
		got, version, err := s.KeyRing(ctx, env1)
		if err != nil || version != int64(i+1) {
			t.Fatalf("KeyRing: version = %d, error = %v, want %d, nil", version, err, i+1)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ring %d (-want +got):\n%s", i, diff)
		}
	}
	if _, version, _ := s.KeyRing(ctx, env2); version != 0 {
		t.Errorf("another environment's version = %d, want 0", version)
	}
}

func keysStale(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for _, version := range []int64{1, -1, 7} {
		if err := s.ReplaceKeyRing(ctx, env1, version, []store.Key{key("x")}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("replacing version %d of no ring = %v, want ErrConflict", version, err)
		}
	}
	if err := s.ReplaceKeyRing(ctx, env1, 0, []store.Key{key("one")}); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int64{0, 2} {
		if err := s.ReplaceKeyRing(ctx, env1, version, []store.Key{key("x")}); !errors.Is(err, store.ErrConflict) {
			t.Errorf("replacing version %d of ring 1 = %v, want ErrConflict", version, err)
		}
	}
	keys, version, err := s.KeyRing(ctx, env1)
	if err != nil || version != 1 || len(keys) != 1 || keys[0].ID != "one" {
		t.Errorf("KeyRing = %v, %d, %v, want the first ring", keys, version, err)
	}
}

func keysContention(t *testing.T, s store.Store) { replaceContention(t, s, s) }

// replaceContention lets replacements of each version race over two stores.
func replaceContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for version := range int64(5) {
		errs := race(20, func(i int) error {
			s := a
			if i%2 == 1 {
				s = b
			}
			return s.ReplaceKeyRing(ctx, env1, version, []store.Key{key(fmt.Sprint(i))})
		})
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Errorf("version %d: %d and %d both succeeded", version, winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, store.ErrConflict):
				t.Errorf("version %d: error = %v, want ErrConflict", version, err)
			}
		}
		keys, got, err := b.KeyRing(ctx, env1)
		if err != nil || got != version+1 || len(keys) != 1 || keys[0].ID != fmt.Sprint(winner) {
			t.Fatalf("KeyRing = %v, %d, %v, want version %d with the key of %d", keys, got, err, version+1, winner)
		}
	}
}

func keysForeign(t *testing.T, s store.Store) {
	if err := s.ReplaceKeyRing(testContext(t), env2, 0, []store.Key{key("one")}); err == nil {
		t.Error("a key of another environment is accepted, want an error")
	}
}
