package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var ticketTests = []namedTest{
	{"a ticket comes back as it was put", ticketRoundTrip},
	{"a ticket is found by all of its identity, until it expires", ticketLookup},
	{"a spent ticket comes back with ErrSpent, until KeptUntil", ticketSpent},
	{"an expired ticket is not spent", ticketExpired},
	{"a hash already present is ErrExists", ticketExists},
	{"of 50 concurrent redemptions exactly one succeeds", func(t *testing.T, s store.Store) { ticketContention(t, s, s) }},
	{"data of 1 MiB and text of any kind", ticketLimits},
}

// ticket is a code that lives for a minute, and is remembered for ten.
func ticket(name string) store.Ticket {
	return store.Ticket{
		Environment: env1, Kind: store.TicketCode, Hash: hash(name), Client: "client-1", Grant: "grant-" + name, Data: []byte(name),
		ExpiresAt: Now.Add(time.Minute), KeptUntil: Now.Add(10 * time.Minute),
	}
}

func putTicket(t *testing.T, s store.Store, tickets ...store.Ticket) {
	t.Helper()
	for _, k := range tickets {
		if err := s.PutTicket(testContext(t), k); err != nil {
			t.Fatalf("PutTicket(%s) = %v", k.Data, err)
		}
	}
}

func ticketRoundTrip(t *testing.T, s store.Store) {
	ctx := testContext(t)
	full := ticket("full")
	full.Data = []byte{0, 1, 255, '\''}
	full.ExpiresAt, full.KeptUntil = Now.Add(1234567*time.Microsecond), Now.Add(7654321*time.Microsecond)
	bare := store.Ticket{Environment: env1, Kind: store.TicketPAR, Hash: hash("bare"), ExpiresAt: Now.Add(time.Second), KeptUntil: Now.Add(time.Second)}
	putTicket(t, s, full, bare)
	for _, want := range []store.Ticket{full, bare} {
		for range 2 { // looking spends nothing
			got, err := s.TicketByHash(ctx, env1, want.Kind, want.Hash, Now)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("TicketByHash: %v (-want +got):\n%s", err, diff)
			}
		}
		got, err := s.TakeTicket(ctx, env1, want.Kind, want.Hash, Now)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("TakeTicket: %v (-want +got):\n%s", err, diff)
		}
	}
	short := ticket("short")
	short.KeptUntil = time.Time{}
	putTicket(t, s, short)
	if got, err := s.TicketByHash(ctx, env1, short.Kind, short.Hash, Now); err != nil || !got.KeptUntil.Equal(short.ExpiresAt) {
		t.Errorf("KeptUntil that was not set = %v, %v, want ExpiresAt", got.KeptUntil, err)
	}
}

func ticketLookup(t *testing.T, s store.Store) {
	ctx := testContext(t)
	k := ticket("a")
	putTicket(t, s, k)
	tests := []struct {
		name        string
		environment string
		kind        store.TicketKind
		hash        store.Hash
		now         time.Time
		want        error
	}{
		{"another environment", env2, k.Kind, k.Hash, Now, store.ErrNotFound},
		{"another kind", env1, store.TicketPAR, k.Hash, Now, store.ErrNotFound},
		{"another hash", env1, k.Kind, hash("b"), Now, store.ErrNotFound},
		{"an environment that cannot be", env1 + "\x00", k.Kind, k.Hash, Now, store.ErrNotFound},
		{"when it expires", env1, k.Kind, k.Hash, k.ExpiresAt, store.ErrNotFound},
		{"long after", env1, k.Kind, k.Hash, k.KeptUntil.Add(time.Hour), store.ErrNotFound},
		{"in its last microsecond", env1, k.Kind, k.Hash, k.ExpiresAt.Add(-time.Microsecond), nil},
	}
	for _, tt := range tests {
		if _, err := s.TicketByHash(ctx, tt.environment, tt.kind, tt.hash, tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: TicketByHash = %v, want %v", tt.name, err, tt.want)
		}
		// The one that succeeds is the last, and the others have not spent it.
		if _, err := s.TakeTicket(ctx, tt.environment, tt.kind, tt.hash, tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: TakeTicket = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func ticketSpent(t *testing.T, s store.Store) {
	ctx := testContext(t)
	k := ticket("a")
	putTicket(t, s, k, ticket("mate"))
	if _, err := s.TakeTicket(ctx, env1, k.Kind, k.Hash, Now); err != nil {
		t.Fatal(err)
	}
	for name, st := range map[string]struct {
		now  time.Time
		want error
	}{
		"at once":                       {Now, store.ErrSpent},
		"when it would have expired":    {k.ExpiresAt, store.ErrSpent},
		"in the last moment of memory":  {k.KeptUntil.Add(-time.Microsecond), store.ErrSpent},
		"when it is remembered no more": {k.KeptUntil, store.ErrNotFound},
	} {
		for act, f := range map[string]func() (store.Ticket, error){
			"TicketByHash": func() (store.Ticket, error) { return s.TicketByHash(ctx, env1, k.Kind, k.Hash, st.now) },
			"TakeTicket":   func() (store.Ticket, error) { return s.TakeTicket(ctx, env1, k.Kind, k.Hash, st.now) },
		} {
			got, err := f()
			if !errors.Is(err, st.want) {
				t.Errorf("%s %s = %v, want %v", act, name, err, st.want)
			}
			want := k
			if !errors.Is(st.want, store.ErrSpent) {
				want = store.Ticket{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", act, name, diff)
			}
		}
	}
	if _, err := s.TakeTicket(ctx, env1, k.Kind, ticket("mate").Hash, Now); err != nil {
		t.Errorf("TakeTicket of another one = %v, want nil", err)
	}
}

func ticketExpired(t *testing.T, s store.Store) {
	ctx := testContext(t)
	k := ticket("a")
	putTicket(t, s, k)
	if _, err := s.TakeTicket(ctx, env1, k.Kind, k.Hash, k.ExpiresAt); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("TakeTicket when it has expired = %v, want ErrNotFound", err)
	}
	// A node whose clock is behind finds it unspent.
	if _, err := s.TakeTicket(ctx, env1, k.Kind, k.Hash, Now); err != nil {
		t.Errorf("TakeTicket by an earlier clock = %v, want nil", err)
	}
}

func ticketExists(t *testing.T, s store.Store) {
	ctx := testContext(t)
	k := ticket("a")
	putTicket(t, s, k)
	again := k
	again.Client = "client-2"
	if err := s.PutTicket(ctx, again); !errors.Is(err, store.ErrExists) {
		t.Errorf("PutTicket again = %v, want ErrExists", err)
	}
	if got, err := s.TakeTicket(ctx, env1, k.Kind, k.Hash, Now); err != nil || got.Client != "client-1" {
		t.Errorf("TakeTicket = client %q, %v, want client-1", got.Client, err)
	}
	if err := s.PutTicket(ctx, again); !errors.Is(err, store.ErrExists) {
		t.Errorf("PutTicket of a spent one = %v, want ErrExists", err)
	}
	kind, environment := k, k
	kind.Kind, environment.Environment = store.TicketPAR, env2
	putTicket(t, s, kind, environment)
}

// ticketContention redeems tickets 50 times at once over two stores.
func ticketContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for n := range 5 {
		want := ticket(fmt.Sprint(n))
		putTicket(t, a, want)
		errs := race(50, func(i int) error {
			got, err := either(a, b, i).TakeTicket(ctx, env1, want.Kind, want.Hash, Now)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("redemption %d (-want +got):\n%s", i, diff)
			}
			return err
		})
		oneWinner(t, "TakeTicket", errs, store.ErrSpent)
	}
}

func ticketLimits(t *testing.T, s store.Store) {
	ctx := testContext(t)
	tests := []struct {
		name   string
		change func(*store.Ticket)
		ok     bool
	}{
		{"1 MiB of data", func(k *store.Ticket) { k.Data = bytes.Repeat([]byte{0xff}, 1<<20) }, true},
		{"a byte more", func(k *store.Ticket) { k.Data = make([]byte, 1<<20+1) }, false},
		{"512 bytes of client_id", func(k *store.Ticket) { k.Client = strings.Repeat("c", 512) }, true},
		{"513 bytes of client_id", func(k *store.Ticket) { k.Client = strings.Repeat("c", 513) }, false},
		{"NUL in the grant", func(k *store.Ticket) { k.Grant = "a\x00" }, false},
		{"a kind that is not UTF-8", func(k *store.Ticket) { k.Kind = "\xff" }, false},
	}
	for _, tt := range tests {
		k := ticket(tt.name)
		tt.change(&k)
		err := s.PutTicket(ctx, k)
		if ok := err == nil; ok != tt.ok || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: PutTicket = %v, want success %v", tt.name, err, tt.ok)
		}
		got, err := s.TakeTicket(ctx, env1, k.Kind, k.Hash, Now)
		if tt.ok && (err != nil || !bytes.Equal(got.Data, k.Data)) {
			t.Errorf("%s: TakeTicket = %d bytes, %v, want %d", tt.name, len(got.Data), err, len(k.Data))
		}
		if !tt.ok && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: TakeTicket = %v, want ErrNotFound", tt.name, err)
		}
	}
}
