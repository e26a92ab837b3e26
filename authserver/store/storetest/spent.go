package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var spentTests = []namedTest{
	{"what is spent is ErrSpent until it expires", spentTwice},
	{"of concurrent calls exactly one succeeds", func(t *testing.T, s store.Store) { spendContention(t, s, s) }},
}

func hash(s string) store.Hash { return sha256.Sum256([]byte(s)) }

func spentTwice(t *testing.T, s store.Store) {
	expires := Now.Add(time.Minute)
	steps := []struct {
		name         string
		environment  string
		hash         store.Hash
		expires, now time.Time
		want         error
	}{
		{"first", env1, hash("a"), expires, Now, nil},
		{"again", env1, hash("a"), expires, Now, store.ErrSpent},
		{"again with a later expiry", env1, hash("a"), expires.Add(time.Hour), Now, store.ErrSpent},
		{"in its last second", env1, hash("a"), expires, expires.Add(-time.Second), store.ErrSpent},
		{"another hash", env1, hash("b"), expires, Now, nil},
		{"another environment", env2, hash("a"), expires, Now, nil},
		{"a hash of zeros", env1, store.Hash{}, expires, Now, nil},
		{"a hash of zeros again", env1, store.Hash{}, expires, Now, store.ErrSpent},
		// What has expired may be forgotten, or not yet: both are allowed, and once
		// it was accepted anew it is spent anew.
		{"when it expires", env1, hash("a"), expires.Add(time.Hour), expires, nil},
		{"again after that", env1, hash("a"), expires.Add(time.Hour), expires, store.ErrSpent},
	}
	for _, st := range steps {
		if err := s.Spend(testContext(t), st.environment, st.hash, st.expires, st.now); !errors.Is(err, st.want) {
			t.Errorf("%s: Spend = %v, want %v", st.name, err, st.want)
		}
	}
}

// spendContention races for hashes over two stores, new ones and expired ones.
func spendContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for round, now := range []time.Time{Now, Now.Add(time.Hour)} {
		for n := range 3 {
			h := hash(fmt.Sprint(n))
			won := 0
			for _, err := range race(50, func(i int) error {
				s := a
				if i%2 == 1 {
					s = b
				}
				return s.Spend(ctx, env1, h, now.Add(time.Minute), now)
			}) {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, store.ErrSpent):
					t.Errorf("Spend = %v, want ErrSpent", err)
				}
			}
			if won != 1 {
				t.Errorf("round %d: %d calls succeeded, want 1", round, won)
			}
		}
	}
}
