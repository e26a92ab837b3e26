package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Now is the time of the tests; the store has no clock of its own.
var Now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	env1 = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	env2 = "9e1b7c44-0d2f-4b8e-8f5a-1c3d5e7f9a0b"
)

// Run runs every test of the contract. open gives an empty store, ready or
// getting ready; it is called concurrently.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, g := range []struct {
		name  string
		tests []namedTest
	}{
		{"AccessTokens", accessTokenTests},
		{"Revocations", revocationTests},
		{"Keys", keyTests},
		{"Spent", spentTests},
		{"Tickets", ticketTests},
		{"Flows", flowTests},
		{"Sessions", sessionTests},
		{"RefreshTokens", refreshTokenTests},
		{"Consents", consentTests},
		{"Users", userTests},
		{"Credentials", credentialTests},
		{"RegisteredClients", registeredClientTests},
		{"Deliveries", deliveryTests},
		{"Objects", objectTests},
		{"Apply", applyTests},
		{"UserScans", scanTests},
		{"Events", eventTests},
		{"Purge", purgeTests},
		{"Janitor", janitorTests},
		{"Store", generalTests},
	} {
		t.Run(g.name, func(t *testing.T) {
			for _, tt := range g.tests {
				t.Run(tt.name, func(t *testing.T) {
					t.Parallel()
					tt.run(t, open(t))
				})
			}
		})
	}
}

// RunShared runs the tests of what two nodes promise each other. open gives two
// stores on one empty database.
func RunShared(t *testing.T, open func(t *testing.T) (a, b store.Store)) {
	for _, tt := range sharedTests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := open(t)
			tt.run(t, a, b)
		})
	}
}

type namedTest struct {
	name string
	run  func(*testing.T, store.Store)
}

// ctx is a context that ends long before the test binary's own limit.
func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// race calls f from n goroutines at once and returns their results.
func race(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// either is a for even i and b for odd ones.
func either(a, b store.Store, i int) store.Store {
	if i%2 == 0 {
		return a
	}
	return b
}

// oneWinner checks that exactly one call succeeded and that all others failed
// with lost, and returns the number of the winner.
func oneWinner(t *testing.T, what string, errs []error, lost error) int {
	t.Helper()
	var won []int
	for i, err := range errs {
		switch {
		case err == nil:
			won = append(won, i)
		case !errors.Is(err, lost):
			t.Errorf("%s = %v, want %v", what, err, lost)
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d calls of %s succeeded, want 1", len(won), what)
	}
	return won[0]
}

// token is a valid record with the n-th ID, living for an hour from Now.
func token(n int) store.AccessToken {
	return store.AccessToken{
		Environment: env1,
		ID:          fmt.Sprintf("0193-%08d", n),
		Client:      "client-1",
		Scope:       "orders:read orders:write",
		Audience:    []string{"https://orders.example.com"},
		IssuedAt:    Now,
		ExpiresAt:   Now.Add(time.Hour),
	}
}

// put stores the tokens and fails the test where that fails.
func put(t testing.TB, s store.Store, tokens ...store.AccessToken) {
	t.Helper()
	ctx := testContext(t)
	for i, err := range race(len(tokens), func(i int) error { return s.PutAccessToken(ctx, tokens[i]) }) {
		if err != nil {
			t.Fatalf("PutAccessToken(%s) = %v", tokens[i].ID, err)
		}
	}
}
