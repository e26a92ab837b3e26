package directory_test

import (
	"fmt"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
)

// TestKeptIsBounded, whatever is looked up, in however many environments.
func TestKeptIsBounded(t *testing.T) {
	l := new(directory.Live)
	for i := range 2 * directory.MaxRooms {
		if _, rooms, _ := directory.Keep(l, fmt.Sprint("env-", i), 1, "a", i); rooms > directory.MaxRooms {
			t.Fatalf("%d rooms, want at most %d", rooms, directory.MaxRooms)
		}
	}
	most := 0
	for i := range 6 {
		for j := range directory.MaxAll / 3 {
			_, _, values := directory.Keep(l, fmt.Sprint("big-", i), 1, fmt.Sprint(j), j)
			most = max(most, values)
		}
	}
	if most > directory.MaxAll || most < directory.MaxAll/4 {
		t.Errorf("at most %d values at a time, want up to %d", most, directory.MaxAll)
	}
}

// TestKeptPerVersion: the first value of a version is everybody's, and that of
// another version is nobody's.
func TestKeptPerVersion(t *testing.T) {
	l := new(directory.Live)
	for _, tt := range []struct {
		version     int64
		value, want string
	}{
		{1, "first", "first"}, {1, "second", "first"}, {2, "third", "third"}, {2, "fourth", "third"}, {1, "late", "late"}, {2, "fifth", "fifth"},
	} {
		if got, _, _ := directory.Keep(l, "env", tt.version, "key", tt.value); got != tt.want {
			t.Errorf("version %d, %s: got %v, want %v", tt.version, tt.value, got, tt.want)
		}
	}
}
