package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var deliveryTests = []namedTest{
	{"a delivery comes back as it was put, and is claimed until then", deliveryRoundTrip},
	{"what is due is claimed, the longest due first, up to a limit", deliveryDue},
	{"what waits of one kind is not in the way of another", deliveryKinds},
	{"a retry comes back at its time, a finished one never", deliveryRetry},
	{"of concurrent claims each delivery goes to one", func(t *testing.T, s store.Store) { deliveryContention(t, s, s) }},
	{"an ID already present is ErrExists", deliveryExists},
}

func delivery(id string) store.Delivery {
	return store.Delivery{
		Environment: env1, ID: id, Kind: "backchannel_logout", Target: "https://client.example.com/logout", Client: "client-1",
		Data: []byte("data " + id), NextAt: Now, ExpiresAt: Now.Add(time.Hour),
	}
}

func putDelivery(t *testing.T, s store.Store, deliveries ...store.Delivery) {
	t.Helper()
	for _, d := range deliveries {
		if err := s.PutDelivery(testContext(t), d); err != nil {
			t.Fatalf("PutDelivery(%s) = %v", d.ID, err)
		}
	}
}

func claim(t *testing.T, s store.Store, now, until time.Time, limit int) (claimed []store.Delivery, ids string) {
	t.Helper()
	claimed, err := s.ClaimDeliveries(testContext(t), "backchannel_logout", now, until, limit)
	if err != nil {
		t.Fatalf("ClaimDeliveries = %v", err)
	}
	var list []string
	for _, d := range claimed {
		list = append(list, d.ID)
	}
	slices.Sort(list) // they come in no order
	return claimed, fmt.Sprint(list)
}

func deliveryRoundTrip(t *testing.T, s store.Store) {
	full := delivery("a")
	full.Attempts, full.ExpiresAt = 3, Now.Add(1234567*time.Microsecond)
	bare := store.Delivery{Environment: env2, ID: "bare", Kind: full.Kind, ExpiresAt: Now.Add(time.Hour)}
	putDelivery(t, s, full, bare)
	until := Now.Add(time.Second)
	got, _ := claim(t, s, Now, until, 10)
	full.NextAt, bare.NextAt = until, until
	slices.SortFunc(got, func(a, b store.Delivery) int { return strings.Compare(a.ID, b.ID) })
	if diff := cmp.Diff([]store.Delivery{full, bare}, got); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
	for now, want := range map[time.Time]string{Now: "[]", until.Add(-time.Microsecond): "[]"} {
		if _, got := claim(t, s, now, now.Add(time.Second), 10); got != want {
			t.Errorf("claimed at %v: %s, want %s", now, got, want)
		}
	}
	if got, _ := claim(t, s, until, until.Add(time.Second), 10); len(got) != 2 {
		t.Errorf("claimed when the claim is over: %v, want both", got)
	}
	if _, err := s.ClaimDeliveries(testContext(t), "backchannel_logout", until, until, 10); err == nil {
		t.Error("ClaimDeliveries for no time = nil, want an error")
	}
}

func deliveryDue(t *testing.T, s store.Store) {
	add := func(id string, next, expires time.Duration) {
		d := delivery(id)
		d.NextAt, d.ExpiresAt = Now.Add(next), Now.Add(expires)
		putDelivery(t, s, d)
	}
	add("3", 0, time.Hour)
	add("1", -2*time.Second, time.Hour)
	add("4", time.Microsecond, time.Hour)
	add("2", -time.Second, time.Hour)
	add("over", -time.Second, 0)
	add("last", -3*time.Second, time.Microsecond)
	until := Now.Add(time.Minute)
	for _, st := range []struct {
		now   time.Time
		limit int
		want  string
	}{
		{Now, 0, "[]"},
		{Now, -1, "[]"},
		{Now, 2, "[1 last]"},
		{Now, 10, "[2 3]"},
		{Now, 10, "[]"},
		{Now.Add(time.Microsecond), 10, "[4]"},
		{until, 10, "[1 2 3 4]"},
	} {
		if _, got := claim(t, s, st.now, later(until, st.now.Add(time.Second)), st.limit); got != st.want {
			t.Errorf("claimed at %v, limit %d: %s, want %s", st.now.Sub(Now), st.limit, got, st.want)
		}
	}
}

func deliveryKinds(t *testing.T, s store.Store) {
	for i := range 20 { // due for longer
		d := delivery(fmt.Sprint("webhook", i))
		d.Kind, d.NextAt = "webhook", Now.Add(-time.Hour)
		putDelivery(t, s, d)
	}
	putDelivery(t, s, delivery("a"))
	if _, got := claim(t, s, Now, Now.Add(time.Minute), 5); got != "[a]" {
		t.Errorf("claimed of one kind: %s, want [a]", got)
	}
	for _, want := range []int{15, 5, 0} {
		list, err := s.ClaimDeliveries(testContext(t), "webhook", Now, Now.Add(time.Minute), 15)
		if len(list) != want || err != nil {
			t.Errorf("claimed of the other kind: %d, %v, want %d", len(list), err, want)
		}
	}
}

func deliveryRetry(t *testing.T, s store.Store) {
	ctx := testContext(t)
	elsewhere := delivery("retry")
	elsewhere.Environment, elsewhere.NextAt = env2, Now.Add(30*time.Minute)
	putDelivery(t, s, delivery("retry"), delivery("finish"), elsewhere)
	claimed, _ := claim(t, s, Now, Now.Add(time.Minute), 10)
	for _, d := range claimed {
		var err error
		if d.ID == "finish" {
			err = s.FinishDelivery(ctx, d.Environment, d.ID)
		} else {
			// Nothing else of it can be changed.
			d.Attempts, d.NextAt, d.Target, d.ExpiresAt = 1, Now.Add(5*time.Second), "https://attacker.example.com", Now.Add(100*time.Hour)
			err = s.RetryDelivery(ctx, d)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, got := claim(t, s, Now.Add(5*time.Second-1), Now.Add(time.Minute), 10); got != "[]" {
		t.Errorf("claimed before its time: %s, want none", got)
	}
	got, _ := claim(t, s, Now.Add(5*time.Second), Now.Add(time.Minute), 10)
	want := delivery("retry")
	want.Attempts, want.NextAt = 1, Now.Add(time.Minute)
	if diff := cmp.Diff([]store.Delivery{want}, got); diff != "" {
		t.Errorf("claimed at its time (-want +got):\n%s", diff)
	}
	for _, id := range []string{"finish", "unknown", "\xff"} {
		gone := delivery(id)
		if err := s.RetryDelivery(ctx, gone); err != nil {
			t.Errorf("RetryDelivery of %q = %v, want nil", id, err)
		}
		if err := s.FinishDelivery(ctx, env1, id); err != nil {
			t.Errorf("FinishDelivery of %q = %v, want nil", id, err)
		}
	}
	got, _ = claim(t, s, Now.Add(30*time.Minute), Now.Add(40*time.Minute), 10)
	if len(got) != 2 { // "retry", twice
		t.Errorf("claimed at last: %v, want the one here and the one elsewhere", got)
	}
}

// deliveryContention claims many deliveries by callers who ask for some at a
// time.
func deliveryContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	const n = 300
	for _, err := range race(n, func(i int) error {
		d := delivery(fmt.Sprint(i))
		d.NextAt = Now.Add(-time.Duration(i%7) * time.Second)
		return either(a, b, i).PutDelivery(ctx, d)
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	claims := make(chan string, 10*n)
	for _, err := range race(50, func(i int) error {
		s := either(a, b, i)
		for {
			list, err := s.ClaimDeliveries(ctx, "backchannel_logout", Now, Now.Add(time.Minute), 1+i%9)
			if len(list) > 1+i%9 {
				t.Errorf("%d are claimed, want at most %d", len(list), 1+i%9)
			}
			for _, d := range list {
				claims <- d.ID
			}
			if err != nil || len(list) == 0 {
				return err
			}
		}
	}) {
		if err != nil {
			t.Errorf("ClaimDeliveries = %v", err)
		}
	}
	close(claims)
	times := make(map[string]int)
	for id := range claims {
		times[id]++
		if times[id] > 1 {
			t.Errorf("delivery %s is claimed %d times", id, times[id])
		}
	}
	if len(times) != n {
		t.Errorf("%d deliveries are claimed, want %d", len(times), n)
	}
}

func deliveryExists(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putDelivery(t, s, delivery("a"))
	again := delivery("a")
	again.Target = "https://attacker.example.com"
	if err := s.PutDelivery(ctx, again); !errors.Is(err, store.ErrExists) {
		t.Errorf("PutDelivery again = %v, want ErrExists", err)
	}
	again.Environment = env2
	putDelivery(t, s, again)
	for name, change := range map[string]func(*store.Delivery){
		"NUL in the target":        func(d *store.Delivery) { d.Target = "\x00" },
		"513 bytes of ID":          func(d *store.Delivery) { d.ID = strings.Repeat("i", 513) },
		"a kind that is not UTF-8": func(d *store.Delivery) { d.Kind = "\xff" },
	} {
		bad := delivery("bad")
		change(&bad)
		if err := s.PutDelivery(ctx, bad); err == nil || errors.Is(err, store.ErrExists) {
			t.Errorf("PutDelivery with %s = %v, want an error", name, err)
		}
	}
}
