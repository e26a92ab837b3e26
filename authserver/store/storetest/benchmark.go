package storetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// RowsEnv preloads the benchmarks with that many live tokens.
const RowsEnv = "GATEHOUSE_BENCH_ROWS"

const benchCallers = 64

// benchToken makes the record of a new token as the token endpoint would: an ID
// that grows with time, one of a hundred clients, and a subject for half of them.
func benchToken(now time.Time) store.AccessToken {
	t := store.AccessToken{
		Environment: env1,
		ID:          uuid7(now),
		Client:      fmt.Sprintf("0b7d3c52-9c1f-4f5e-8a44-6a1c2e9d7f%02d", rand.IntN(100)),
		Scope:       "orders:read orders:write",
		Audience:    []string{"https://orders.example.com"},
		IssuedAt:    now,
		ExpiresAt:   now.Add(time.Hour),
	}
	if rand.IntN(2) == 0 {
		t.Subject = fmt.Sprintf("6a1c2e9d-9c1f-4f5e-8a44-%012d", rand.IntN(100_000))
	}
	return t
}

// uuid7 is a UUID of version 7 (RFC 9562 §5.7).
func uuid7(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMilli())<<16|rand.Uint64()&0x0fff|0x7000)
	binary.BigEndian.PutUint64(b[8:], rand.Uint64()&(1<<62-1)|1<<63)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// crowd lets benchCallers goroutines put n tokens and returns the last of them.
func crowd(b *testing.B, s store.Store, n int64) store.AccessToken {
	b.Helper()
	var next atomic.Int64
	var last atomic.Pointer[store.AccessToken]
	var wg sync.WaitGroup
	for range benchCallers {
		wg.Go(func() {
			for next.Add(1) <= n {
				t := benchToken(time.Now())
				if err := s.PutAccessToken(context.Background(), t); err != nil {
					b.Errorf("PutAccessToken = %v", err)
					return
				}
				last.Store(&t)
			}
		})
	}
	wg.Wait()
	if t := last.Load(); t != nil {
		return *t
	}
	return store.AccessToken{}
}

// preload puts the number of tokens that RowsEnv asks for.
func preload(b *testing.B, s store.Store) {
	b.Helper()
	if err := s.Ping(context.Background()); err != nil {
		b.Fatal(err)
	}
	rows, _ := strconv.ParseInt(os.Getenv(RowsEnv), 10, 64)
	crowd(b, s, rows)
}

// BenchmarkPutAccessToken measures durable puts by 64 concurrent callers. open
// gives an empty store once.
func BenchmarkPutAccessToken(b *testing.B, open func(b *testing.B) store.Store) {
	s := open(b)
	preload(b, s)
	b.Run("callers=64", func(b *testing.B) {
		b.ReportAllocs()
		crowd(b, s, int64(b.N))
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
	})
	b.Run("callers=64,sweeping", func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		var sweeper sync.WaitGroup
		sweeper.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.Sweep(ctx, time.Now(), 1000); err != nil && ctx.Err() == nil {
					b.Errorf("Sweep = %v", err)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		crowd(b, s, int64(b.N))
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		cancel()
		sweeper.Wait()
	})
	b.Run("callers=1", func(b *testing.B) {
		for b.Loop() {
			if err := s.PutAccessToken(context.Background(), benchToken(time.Now())); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
	})
}

// BenchmarkAccessTokenByID measures looking for one token.
func BenchmarkAccessTokenByID(b *testing.B, open func(b *testing.B) store.Store) {
	s := open(b)
	preload(b, s)
	t := crowd(b, s, benchCallers)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.AccessTokenByID(context.Background(), env1, t.ID, t.ExpiresAt, t.IssuedAt); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignIn measures what a sign-on with a code and a refresh token asks
// of a store, and then exchanges, by 64 concurrent callers.
func BenchmarkSignIn(b *testing.B, open func(b *testing.B) store.Store) {
	s := open(b)
	preload(b, s)
	run := func(b *testing.B, one func(n int64) error) {
		b.Helper()
		b.ReportAllocs()
		var next atomic.Int64
		var wg sync.WaitGroup
		for range benchCallers {
			wg.Go(func() {
				for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
					if err := one(n); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "per-s")
	}
	b.Run("callers=64", func(b *testing.B) { run(b, func(int64) error { return benchSignIn(s) }) })

	b.Run("refresh,callers=64", func(b *testing.B) {
		ctx := context.Background()
		last := make(chan string, benchCallers) // a token of each family
		for range benchCallers {
			id := uuid7(time.Now())
			if err := s.PutFamily(ctx, family(id), refresh(id, Now)); err != nil {
				b.Fatal(err)
			}
			last <- id
		}
		b.ResetTimer()
		run(b, func(int64) error {
			token, next := <-last, uuid7(time.Now())
			defer func() { last <- next }()
			if _, _, _, err := s.FamilyByToken(ctx, env1, refresh(token, Now).Hash, Now); err != nil {
				return err
			}
			if _, _, err := s.RotateRefreshToken(ctx, env1, refresh(token, Now).Hash, refresh(next, Now), 0, true, Now); err != nil {
				return err
			}
			t := benchToken(Now)
			t.Grant = token
			return s.PutAccessToken(ctx, t)
		})
	})
}

// benchSignIn is one sign-on, with data of a usual size.
func benchSignIn(s store.Store) error {
	ctx, now := context.Background(), time.Now()
	id, data := uuid7(now), make([]byte, 1000)
	f, x, k, fam, t := flow(id), session(id), ticket(id), family(id), benchToken(now)
	f.Data, f.Version, x.Data, k.Data, fam.Data, t.Grant = data, 1, data[:300], data[:600], data[:300], id
	for _, err := range []error{
		s.PutFlow(ctx, f),
		func() error { _, err := s.FlowByID(ctx, env1, id, Now); return err }(),
		s.PutSession(ctx, x),
		s.ReplaceFlow(ctx, f, Now),
		s.PutTicket(ctx, k),
		s.DeleteFlow(ctx, env1, id),
		func() error { _, err := s.TakeTicket(ctx, env1, k.Kind, k.Hash, Now); return err }(),
		s.PutFamily(ctx, fam, refresh(id, Now)),
		s.PutAccessToken(ctx, t),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}
