package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var generalTests = []namedTest{
	{"a store that works answers Ping", func(t *testing.T, s store.Store) {
		if err := s.Ping(testContext(t)); err != nil {
			t.Errorf("Ping = %v, want nil", err)
		}
	}},
	{"every method honours its context", contextEnded},
	{"a write whose context ends while others go on does not fail them", contextOfOne},
	{"after Close everything is ErrUnavailable", closed},
}

// calls is each method with arguments that would succeed on an empty store, by
// name.
func calls(s store.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"PutAccessToken": func(ctx context.Context) error { return s.PutAccessToken(ctx, token(1)) },
		"AccessTokenByID": func(ctx context.Context) error {
			_, err := s.AccessTokenByID(ctx, env1, "x", Now.Add(time.Hour), Now)
			return err
		},
		"ListAccessTokens": func(ctx context.Context) error {
			_, err := s.ListAccessTokens(ctx, store.AccessTokenFilter{Environment: env1, Client: "x"}, "", 1, Now)
			return err
		},
		"PutRevocation": func(ctx context.Context) error { return s.PutRevocation(ctx, revocation("x")) },
		"WatchRevocations": func(ctx context.Context) error {
			return s.WatchRevocations(ctx, Now, store.RevocationWatcher{Deliver: func(store.Revocation) {}})
		},
		"KeyRing":        func(ctx context.Context) error { _, _, err := s.KeyRing(ctx, env1); return err },
		"ReplaceKeyRing": func(ctx context.Context) error { return s.ReplaceKeyRing(ctx, env1, 0, nil) },
		"Spend":          func(ctx context.Context) error { return s.Spend(ctx, env1, hash("x"), Now.Add(time.Hour), Now) },
		"Sweep":          func(ctx context.Context) error { _, err := s.Sweep(ctx, Now, 1); return err },
		"Ping":           s.Ping,
	}
}

func contextEnded(t *testing.T, s store.Store) {
	if err := s.Ping(testContext(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, call := range calls(s) {
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v, want context.Canceled", name, err)
		}
	}
}

func contextOfOne(t *testing.T, s store.Store) {
	ctx := testContext(t)
	short, cancel := context.WithCancel(ctx)
	for i, err := range race(64, func(i int) error {
		switch {
		case i == 0:
			cancel()
			return nil
		case i%4 == 0:
			err := s.PutAccessToken(short, token(i))
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
		return s.PutAccessToken(ctx, token(i))
	}) {
		if err != nil {
			t.Errorf("PutAccessToken %d = %v", i, err)
		}
	}
}

func closed(t *testing.T, s store.Store) {
	c, ok := s.(interface{ Close() error })
	if !ok {
		t.Skip("this store has no Close")
	}
	ctx := testContext(t)
	if err := s.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	watch := make(chan error, 1)
	go func() { watch <- calls(s)["WatchRevocations"](ctx) }()
	// What is queued when Close comes is either stored or refused, and answered.
	storm := make(chan []error, 1)
	go func() { storm <- race(64, func(i int) error { return s.PutAccessToken(ctx, token(i)) }) }()
	if err := c.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	for i, err := range <-storm {
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("PutAccessToken %d during Close = %v, want nil or ErrUnavailable", i, err)
		}
	}
	if err := <-watch; !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("WatchRevocations during Close = %v, want ErrUnavailable", err)
	}
	for name, call := range calls(s) {
		if err := call(ctx); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s after Close = %v, want ErrUnavailable", name, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Errorf("the second Close = %v, want nil", err)
	}
}
