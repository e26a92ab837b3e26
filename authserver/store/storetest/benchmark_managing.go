package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// benchUser is the n-th user, with the attributes that most have.
func benchUser(n int) store.User {
	name, family := fmt.Sprintf("user%07d", n), fmt.Sprintf("Family%d", n%5000)
	return store.User{
		Environment: env1, ID: uuid4(), Username: name, Population: "6a1c2e9d-9c1f-4f5e-8a44-6a1c2e9d7f10", Disabled: n%100 == 0,
		Claims: map[string]any{
			"email": name + "@example.com", "given_name": fmt.Sprintf("Given%d", n%1000), "family_name": family, "externalId": strconv.Itoa(n),
			"address": map[string]any{"locality": "Berlin", "country": "DE"}, "locale": "de-DE",
		},
		CreatedAt: Now, UpdatedAt: Now,
	}
}

func uuid4() string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", rand.Uint32(), rand.Uint32()>>16, rand.Uint32()>>20, rand.Uint32()>>20, rand.Uint64()>>16)
}

// benchUsers imports users in writes of 500 with an event each, as many as RowsEnv says, or 10,000.
func benchUsers(b *testing.B, s store.Store) (n int) {
	b.Helper()
	const chunk = 500
	if n, _ = strconv.Atoi(os.Getenv(RowsEnv)); n == 0 {
		n = 10_000
	}
	begin := time.Now()
	for from := 0; from < n; from += chunk {
		w := store.Write{Environment: env1}
		for i := from; i < min(from+chunk, n); i++ {
			u, e := benchUser(i), event(uuid7(time.Now()))
			e.Object = u.ID
			w.PutUsers, w.Events = append(w.PutUsers, u), append(w.Events, e)
		}
		if err := s.Apply(context.Background(), w); err != nil {
			b.Fatal(err)
		}
		if done := from + chunk; done%100_000 == 0 {
			b.Logf("%d users, %.0f/s", done, float64(done)/time.Since(begin).Seconds())
		}
	}
	b.Logf("%d users imported, %.0f/s", n, float64(n)/time.Since(begin).Seconds())
	return n
}

// BenchmarkScanUsers measures pages of 100 users among many (RowsEnv), from a
// random place on. open gives an empty store once.
func BenchmarkScanUsers(b *testing.B, open func(b *testing.B) store.Store) {
	s := open(b)
	if err := s.Ping(context.Background()); err != nil {
		b.Fatal(err)
	}
	n := benchUsers(b, s)
	for _, bb := range []struct {
		name string
		scan func() store.UserScan
	}{
		{"all", func() store.UserScan { return store.UserScan{After: store.UserMark{ID: uuid4()}} }},
		{"username", func() store.UserScan {
			return store.UserScan{Attribute: "username", Value: fmt.Sprintf("user%07d", rand.IntN(n))}
		}},
		{"prefix", func() store.UserScan {
			return store.UserScan{Attribute: "username", Value: fmt.Sprintf("user%04d", rand.IntN(max(n/1000, 1))), Prefix: true}
		}},
		{"family", func() store.UserScan {
			return store.UserScan{Attribute: "name.family", Value: fmt.Sprintf("family%d", rand.IntN(5000))}
		}},
		{"population", func() store.UserScan {
			return store.UserScan{Attribute: "population.id", Value: "6a1c2e9d-9c1f-4f5e-8a44-6a1c2e9d7f10", After: store.UserMark{ID: uuid4()}}
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			took := make([]time.Duration, 0, b.N)
			found := 0
			for b.Loop() {
				scan := bb.scan()
				scan.Environment, scan.Limit = env1, 100
				begin := time.Now()
				page, err := s.ScanUsers(context.Background(), scan)
				took = append(took, time.Since(begin))
				if err != nil {
					b.Fatal(err)
				}
				found += len(page)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(found)/float64(len(took)), "users/page")
		})
	}
}

// BenchmarkListObjects measures a page of 100 objects, a look for one by a key,
// and the version, among 10,000.
func BenchmarkListObjects(b *testing.B, open func(b *testing.B) store.Store) {
	s := open(b)
	if err := s.Ping(context.Background()); err != nil {
		b.Fatal(err)
	}
	const n = 10_000
	begin := time.Now()
	for from := 0; from < n; from += 100 {
		w := store.Write{Environment: env1}
		for i := range 100 {
			o := object(uuid4())
			o.Unique, o.Data = []string{fmt.Sprint("name ", from+i)}, make([]byte, 1000)
			w.Put = append(w.Put, o)
		}
		if err := s.Apply(context.Background(), w); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%d objects put, %.0f/s", n, n/time.Since(begin).Seconds())
	ctx := context.Background()
	f := store.ObjectFilter{Environment: env1, Kind: store.KindApplication}
	for _, bb := range []struct {
		name string
		one  func() error
	}{
		{"page", func() error { _, err := s.ListObjects(ctx, f, uuid4(), 100); return err }},
		{"key", func() error {
			_, err := s.ObjectsByKey(ctx, env1, f.Kind, fmt.Sprint("name ", rand.IntN(n)), 10)
			return err
		}},
		{"version", func() error { _, err := s.ObjectsVersion(ctx, env1); return err }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bb.one(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
