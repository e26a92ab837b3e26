package keys_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestWorkOfOneEnvironment: as many keys as somebody asks for do not keep another environment waiting
// for ever, and what panics ends nothing but itself.
func TestWorkOfOneEnvironment(t *testing.T) {
	r := keys.New(keys.Config{})
	one, other := &store.Environment{ID: "one"}, &store.Environment{ID: "other"}
	const most = 16
	hold, began := make(chan struct{}), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		_ = keys.Alone(t.Context(), r, one, func() error { close(began); <-hold; return nil })
	})
	<-began
	// Whoever gives up gives back their place.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 * most {
		if err := keys.Alone(gone, r, one, func() error { return nil }); !errors.Is(err, context.Canceled) {
			t.Fatalf("with a context that has ended: %v", err)
		}
	}
	waiting, give := context.WithCancel(t.Context())
	results := make(chan error, 2*most)
	for range 2 * most {
		running.Go(func() { results <- keys.Alone(waiting, r, one, func() error { return nil }) })
	}
	for range most + 1 { // beside the one that is being done there is room for 15
		if err := <-results; oauth.From(err).Status != 503 || oauth.From(err).RetryAfter == 0 {
			t.Fatalf("one too many: %v, want 503", err)
		}
	}
	done := make(chan error, 1)
	running.Go(func() { done <- keys.Alone(t.Context(), r, other, func() error { panic("oops") }) })
	close(hold)
	if err := <-done; err == nil || oauth.From(err).Status != 500 {
		t.Errorf("what panics: %v, want an error of the server", err)
	}
	give()
	running.Wait()
	if err := keys.Alone(t.Context(), r, one, func() error { return nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
