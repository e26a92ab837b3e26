package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var eventTests = []namedTest{
	{"an event comes back as it was kept, until it expires", eventRoundTrip},
	{"events are listed newest first, by every filter, in pages", eventList},
	{"what cannot be stored is refused", eventRefused},
}

func event(id string) store.Event {
	return store.Event{
		Environment: env1, ID: id, At: Now, Action: "APPLICATION.UPDATED",
		Client: "client-1", ClientName: "Terraform", User: "alice", UserName: "Alice", ActorEnvironment: env2,
		Kind: store.KindApplication, Object: "app-1", Name: "Shop", Parent: "parent",
		Before: []byte(`{"a":1}`), After: []byte(`{"a":2}`), Correlation: "correlation", ExpiresAt: Now.Add(time.Hour),
	}
}

func eventRoundTrip(t *testing.T, s store.Store) {
	ctx := testContext(t)
	bare := store.Event{Environment: env1, ID: "bare", ExpiresAt: Now.Add(time.Microsecond)}
	for _, want := range []store.Event{event("a"), bare} {
		apply(t, s, store.Write{Events: []store.Event{want}})
		got, err := s.EventByID(ctx, env1, want.ID, Now)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("EventByID: %v (-want +got):\n%s", err, diff)
		}
		if _, err := s.EventByID(ctx, env1, want.ID, want.ExpiresAt); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("EventByID at its end = %v, want ErrNotFound", err)
		}
		if _, err := s.EventByID(ctx, env2, want.ID, Now); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("EventByID elsewhere = %v, want ErrNotFound", err)
		}
	}
	for _, id := range []string{"unknown", "\xff"} {
		if _, err := s.EventByID(ctx, env1, id, Now); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("EventByID(%q) = %v, want ErrNotFound", id, err)
		}
	}
	if err := s.Apply(ctx, store.Write{Environment: env1, Events: []store.Event{event("a")}}); !errors.Is(err, store.ErrExists) {
		t.Errorf("Apply of the event again = %v, want ErrExists", err)
	}
}

func eventList(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for i := range 10 {
		e := event(fmt.Sprint(i))
		e.At = Now.Add(time.Duration(i) * time.Minute)
		e.Object, e.Client, e.User = fmt.Sprint("object-", i%2), fmt.Sprint("client-", i%3), fmt.Sprint("user-", i%5)
		if i == 7 {
			e.Action = "USER.CREATED"
		}
		if i == 9 {
			e.ExpiresAt = Now
		}
		apply(t, s, store.Write{Events: []store.Event{e}})
	}
	elsewhere := event("5x")
	elsewhere.Environment = env2
	apply(t, s, store.Write{Environment: env2, Events: []store.Event{elsewhere}})
	for _, tt := range []struct {
		name  string
		f     store.EventFilter
		after string
		limit int
		want  string
	}{
		{"all that have not expired", store.EventFilter{}, "", 100, "876543210"},
		{"the first page", store.EventFilter{}, "", 3, "876"},
		{"behind one", store.EventFilter{}, "6", 3, "543"},
		{"behind what is not there", store.EventFilter{}, "6x", 3, "654"},
		{"behind the last", store.EventFilter{}, "0", 3, ""},
		{"none", store.EventFilter{}, "", 0, ""},
		{"an object", store.EventFilter{Object: "object-1"}, "", 100, "7531"},
		{"an object, behind one", store.EventFilter{Object: "object-1"}, "5", 1, "3"},
		{"an action", store.EventFilter{Action: "USER.CREATED"}, "", 100, "7"},
		{"a client", store.EventFilter{Client: "client-2"}, "", 100, "852"},
		{"a user", store.EventFilter{User: "user-3"}, "", 100, "83"},
		{"all of these", store.EventFilter{Object: "object-0", Client: "client-2", User: "user-3", Action: "APPLICATION.UPDATED"}, "", 100, "8"},
		{"since", store.EventFilter{Since: Now.Add(6 * time.Minute)}, "", 100, "876"},
		{"until", store.EventFilter{Until: Now.Add(2 * time.Minute)}, "", 100, "10"},
		{"between, of an object", store.EventFilter{Object: "object-1", Since: Now.Add(time.Minute), Until: Now.Add(5 * time.Minute)}, "", 100, "31"},
		{"nobody's", store.EventFilter{User: "nobody"}, "", 100, ""},
		{"not text", store.EventFilter{User: "\xff"}, "", 100, ""},
	} {
		tt.f.Environment = env1
		list, err := s.ListEvents(ctx, tt.f, tt.after, tt.limit, Now)
		got := ""
		for _, e := range list {
			got += e.ID
		}
		if got != tt.want || err != nil {
			t.Errorf("%s: ListEvents = %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func eventRefused(t *testing.T, s store.Store) {
	for name, change := range map[string]func(*store.Event){
		"no ID":                   func(e *store.Event) { e.ID = "" },
		"NUL in a name":           func(e *store.Event) { e.UserName = "\x00" },
		"513 bytes of object":     func(e *store.Event) { e.Object = strings.Repeat("o", 513) },
		"an action not in UTF-8":  func(e *store.Event) { e.Action = "\xff" },
		"NUL in the correlation":  func(e *store.Event) { e.Correlation = "\x00" },
		"a client of 513 bytes":   func(e *store.Event) { e.Client = strings.Repeat("c", 513) },
		"a parent that no one is": func(e *store.Event) { e.Parent = "\x00" },
	} {
		e := event("bad")
		change(&e)
		err := s.Apply(testContext(t), store.Write{Environment: env1, Put: []store.Object{object("a")}, Events: []store.Event{e}})
		if err == nil || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
			t.Errorf("Apply with %s = %v, want an error of its own", name, err)
		}
		wantObject(t, s, env1, store.KindApplication, "a", nil)
	}
}
