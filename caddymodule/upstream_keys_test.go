package caddymodule_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
	"github.com/caddyserver/certmagic"
)

// storageClock is a time of day that tests move.
type storageClock struct{ ns atomic.Int64 }

func (c *storageClock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *storageClock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// TestAssertionKeyRotation: a key that was made here signs for 90 days. The next one is published a day before it signs, and the old one for a
// while after, so that no assertion is ever signed with a key that upstreams cannot have seen.
func TestAssertionKeyRotation(t *testing.T) {
	clock := &storageClock{}
	clock.ns.Store(time.Now().UnixNano())
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	nodes := []caddymodule.AssertionKeys{caddymodule.NewAssertionKeys(storage, clock.now), caddymodule.NewAssertionKeys(storage, clock.now)}
	for _, n := range nodes {
		defer n.Close()
	}
	published := map[string]time.Time{} // when an id was first seen there
	var signers []string
	for hour := range 200 * 24 {
		for _, n := range nodes {
			if err := n.Settle(context.Background()); err != nil {
				t.Fatal(err)
			}
			key, err := n.Signing(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			text, err := n.Published(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			ids := idsOf(string(text))
			if len(ids) > 2 || !slices.Contains(ids, key.ID()) {
				t.Fatalf("hour %d: %v are published, and %s signs", hour, ids, key.ID())
			}
			for _, id := range ids {
				if _, ok := published[id]; !ok {
					published[id] = clock.now()
				}
			}
			if len(signers) > 0 && signers[len(signers)-1] == key.ID() {
				continue
			}
			if since := clock.now().Sub(published[key.ID()]); len(signers) > 0 && since < 22*time.Hour {
				t.Errorf("hour %d: a key signs that was published for %v, want a day", hour, since)
			}
			if slices.Contains(signers, key.ID()) {
				t.Errorf("hour %d: a key signs again", hour)
			}
			signers = append(signers, key.ID())
		}
		clock.advance(time.Hour)
	}
	if len(signers) != 3 {
		t.Errorf("%d keys signed in 200 days, want 3", len(signers))
	}
}

// idsOf are the key ids in the text of a JWK Set.
func idsOf(text string) (ids []string) {
	for _, rest := range strings.Split(text, `"kid":"`)[1:] {
		id, _, _ := strings.Cut(rest, `"`)
		ids = append(ids, id)
	}
	return ids
}

// TestAssertionKeyMadeOnce: of many nodes that start at once one makes the key.
func TestAssertionKeyMadeOnce(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	ids := make([]string, 3)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			n := caddymodule.NewAssertionKeys(storage, time.Now)
			defer n.Close()
			key, err := n.Signing(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = key.ID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("keys = %v, want one", ids)
		}
	}
}

// failing is a storage that can be made to fail.
type failing struct {
	certmagic.Storage
	down atomic.Bool
}

func (f *failing) Load(ctx context.Context, key string) ([]byte, error) {
	if f.down.Load() {
		return nil, errors.New("down")
	}
	return f.Storage.Load(ctx, key)
}

// TestAssertionKeyOutage: while the storage is down the keys that are known go on, and a key that cannot be read is not replaced.
func TestAssertionKeyOutage(t *testing.T) {
	clock := &storageClock{}
	clock.ns.Store(time.Now().UnixNano())
	storage := &failing{Storage: &certmagic.FileStorage{Path: t.TempDir()}}
	storage.down.Store(true)
	n := caddymodule.NewAssertionKeys(storage, clock.now)
	defer n.Close()
	if key, err := n.Signing(context.Background()); err == nil {
		t.Fatalf("a key was made although nobody knows whether there is one: %v", key)
	}
	storage.down.Store(false)
	if _, err := n.Signing(context.Background()); err == nil {
		t.Error("the storage is asked by each request")
	}
	clock.advance(time.Second)
	first, err := n.Signing(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	storage.down.Store(true)
	clock.advance(time.Hour)
	if err := n.Settle(context.Background()); err != nil {
		t.Fatal(err)
	}
	if again, err := n.Signing(context.Background()); err != nil || again.ID() != first.ID() {
		t.Errorf("during an outage: %v, %v; want the key that is known", again, err)
	}
	storage.down.Store(false)
	if err := storage.Store(context.Background(), "gatehouse/assertion/test.json", []byte(`{"keys":[]}`)); err != nil {
		t.Fatal(err)
	}
	other := caddymodule.NewAssertionKeys(storage, clock.now)
	defer other.Close()
	if key, err := other.Signing(context.Background()); err == nil {
		t.Errorf("what is not ours was replaced: %v", key)
	}
}
