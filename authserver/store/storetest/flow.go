package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var flowTests = []namedTest{
	{"a flow comes back as it was put, with version 1", flowRoundTrip},
	{"a flow is found by environment and ID, until it expires", flowLookup},
	{"a replacement needs the version that is stored", flowReplace},
	{"of concurrent replacements exactly one succeeds", func(t *testing.T, s store.Store) { flowContention(t, s, s) }},
	{"deleting what is not there is no error", flowDelete},
	{"data of 64 KiB", flowLimits},
}

func flow(id string) store.Flow {
	return store.Flow{Environment: env1, ID: id, Data: []byte(id), ExpiresAt: Now.Add(15 * time.Minute)}
}

func putFlow(t *testing.T, s store.Store, flows ...store.Flow) {
	t.Helper()
	for _, f := range flows {
		if err := s.PutFlow(testContext(t), f); err != nil {
			t.Fatalf("PutFlow(%s) = %v", f.ID, err)
		}
	}
}

func flowRoundTrip(t *testing.T, s store.Store) {
	ctx := testContext(t)
	f := flow("a")
	f.Version = 99 // is not the caller's to choose
	putFlow(t, s, f)
	f.Version = 1
	got, err := s.FlowByID(ctx, env1, "a", Now)
	if diff := cmp.Diff(f, got); diff != "" || err != nil {
		t.Errorf("FlowByID: %v (-want +got):\n%s", err, diff)
	}
	again := flow("a")
	again.Data = []byte("other")
	if err := s.PutFlow(ctx, again); !errors.Is(err, store.ErrExists) {
		t.Errorf("PutFlow again = %v, want ErrExists", err)
	}
	again.Environment = env2
	putFlow(t, s, again)
	if got, err := s.FlowByID(ctx, env1, "a", Now); err != nil || string(got.Data) != "a" {
		t.Errorf("FlowByID = %q, %v, want the first", got.Data, err)
	}
}

func flowLookup(t *testing.T, s store.Store) {
	f := flow("a")
	putFlow(t, s, f)
	for _, tt := range []struct {
		name, environment, id string
		now                   time.Time
		want                  error
	}{
		{"its identity", env1, "a", Now, nil},
		{"another environment", env2, "a", Now, store.ErrNotFound},
		{"another ID", env1, "b", Now, store.ErrNotFound},
		{"an ID that cannot be", env1, "\xff", Now, store.ErrNotFound},
		{"in its last microsecond", env1, "a", f.ExpiresAt.Add(-time.Microsecond), nil},
		{"when it expires", env1, "a", f.ExpiresAt, store.ErrNotFound},
	} {
		if _, err := s.FlowByID(testContext(t), tt.environment, tt.id, tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: FlowByID = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func flowReplace(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putFlow(t, s, flow("a"), flow("gone"))
	if err := s.DeleteFlow(ctx, env1, "gone"); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name, environment, id string
		version               int64
		now                   time.Time
		want                  error
	}{
		{"a version to come", env1, "a", 2, Now, store.ErrConflict},
		{"no version", env1, "a", 0, Now, store.ErrConflict},
		{"another environment", env2, "a", 1, Now, store.ErrNotFound},
		{"when it expires", env1, "a", 1, Now.Add(15 * time.Minute), store.ErrNotFound},
		{"one that is gone", env1, "gone", 1, Now, store.ErrNotFound},
		{"its version", env1, "a", 1, Now, nil},
		{"its version of before", env1, "a", 1, Now, store.ErrConflict},
		{"its version of now", env1, "a", 2, Now, nil},
	}
	stored := flow("a")
	stored.Version = 1
	for i, st := range steps {
		f := store.Flow{Environment: st.environment, ID: st.id, Version: st.version, Data: fmt.Append(nil, i), ExpiresAt: Now.Add(15*time.Minute + time.Duration(i))}
		f.ExpiresAt = f.ExpiresAt.Truncate(time.Microsecond)
		if err := s.ReplaceFlow(ctx, f, st.now); !errors.Is(err, st.want) {
			t.Errorf("%s: ReplaceFlow = %v, want %v", st.name, err, st.want)
		}
		if st.want == nil {
			stored = f
			stored.Version++
		}
		got, err := s.FlowByID(ctx, env1, "a", Now)
		if diff := cmp.Diff(stored, got); diff != "" || err != nil {
			t.Errorf("after %s: %v (-want +got):\n%s", st.name, err, diff)
		}
	}
	if _, err := s.FlowByID(ctx, env1, "gone", Now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a flow that was deleted: FlowByID = %v, want ErrNotFound", err)
	}
}

func flowContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	putFlow(t, a, flow("a"))
	for version := int64(1); version <= 3; version++ {
		errs := race(50, func(i int) error {
			f := flow("a")
			f.Version, f.Data = version, fmt.Append(nil, i)
			return either(a, b, i).ReplaceFlow(ctx, f, Now)
		})
		winner := oneWinner(t, "ReplaceFlow", errs, store.ErrConflict)
		// At once, on either node.
		for _, s := range []store.Store{a, b} {
			got, err := s.FlowByID(ctx, env1, "a", Now)
			if err != nil || got.Version != version+1 || string(got.Data) != fmt.Sprint(winner) {
				t.Errorf("FlowByID = %q version %d, %v, want %d version %d", got.Data, got.Version, err, winner, version+1)
			}
		}
	}
}

func flowDelete(t *testing.T, s store.Store) {
	ctx := testContext(t)
	other := flow("a")
	other.Environment = env2
	putFlow(t, s, flow("a"), other)
	for range 2 {
		if err := s.DeleteFlow(ctx, env1, "a"); err != nil {
			t.Errorf("DeleteFlow = %v, want nil", err)
		}
	}
	if err := s.DeleteFlow(ctx, env1, "\xff"); err != nil {
		t.Errorf("DeleteFlow of what cannot be = %v, want nil", err)
	}
	if _, err := s.FlowByID(ctx, env1, "a", Now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("FlowByID = %v, want ErrNotFound", err)
	}
	if _, err := s.FlowByID(ctx, env2, "a", Now); err != nil {
		t.Errorf("FlowByID in the other environment = %v, want nil", err)
	}
}

func flowLimits(t *testing.T, s store.Store) {
	ctx := testContext(t)
	f := flow("a")
	f.Data = bytes.Repeat([]byte{0xff}, 64<<10)
	putFlow(t, s, f)
	f.Version = 1
	if err := s.ReplaceFlow(ctx, f, Now); err != nil {
		t.Errorf("ReplaceFlow with 64 KiB = %v, want nil", err)
	}
	f.Version, f.Data = 2, append(f.Data, 0)
	if err := s.ReplaceFlow(ctx, f, Now); err == nil {
		t.Error("ReplaceFlow with a byte more = nil, want an error")
	}
	f.ID = "b"
	if err := s.PutFlow(ctx, f); err == nil {
		t.Error("PutFlow with a byte more = nil, want an error")
	}
	f.Data, f.ID = nil, "a\x00"
	if err := s.PutFlow(ctx, f); err == nil {
		t.Error("PutFlow with NUL in the ID = nil, want an error")
	}
}
