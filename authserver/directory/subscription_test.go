package directory_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func subscription() *directory.Subscription {
	yes := true
	return &directory.Subscription{
		Name: "Hook", Enabled: &yes, VerifyTLSCertificates: &yes,
		HTTPEndpoint: &directory.SubscriptionEndpoint{
			URL: "https://hook.example.com/x", Headers: map[string]string{"Authorization": "Basic c2VjcmV0", "X-Key": "k e y"},
		},
		Filter: &directory.SubscriptionFilter{IncludedActionTypes: []string{"*"}},
	}
}

// What is secret of a subscription is neither in its JSON, nor in the audit log, nor in what it prints.
func TestSubscriptionKeepsItsSecrets(t *testing.T) {
	n := newNode(t)
	it := n.create(t, "", subscription())
	kept, err := n.store.ObjectByID(t.Context(), demo, store.KindSubscription, it.ID)
	if err != nil {
		t.Fatal(err)
	}
	read, err := n.live.Item(t.Context(), n.env, store.KindSubscription, "", it.ID)
	if err != nil {
		t.Fatal(err)
	}
	s := read.Document.(*directory.Subscription)
	if diff := cmp.Diff(map[string]string{"Authorization": "Basic c2VjcmV0", "X-Key": "k e y"}, s.Header()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	secrets := s.Secrets(start)
	if len(secrets) != 1 || !strings.HasPrefix(secrets[0].Value, "whsec_") {
		t.Fatalf("%d secrets, want one", len(secrets))
	}
	shown, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]string{
		"JSON": string(shown), "store": string(kept.Data), "sealed part": string(kept.Sealed), "log": n.log.String(), "print": fmt.Sprintf("%v %+v %#v %s", s, s, s, s),
	}
	for _, e := range n.events(t, demo) {
		places["event "+e.Action] = string(e.Before) + string(e.After)
	}
	for place, text := range places {
		for _, hidden := range []string{"c2VjcmV0", "k e y", secrets[0].Value} {
			if strings.Contains(text, hidden) {
				t.Errorf("%s has %q: %s", place, hidden, text)
			}
		}
	}
	if want := `"headers":{"Authorization":"[redacted]","X-Key":"[redacted]"}`; !strings.Contains(string(shown), want) {
		t.Errorf("JSON = %s, want %s", shown, want)
	}
}

func TestSubscriptionRotation(t *testing.T) {
	n := newNode(t)
	it := n.create(t, "", subscription())
	rotate := func(keep *time.Time) []directory.SubscriptionSecret {
		t.Helper()
		it, err := n.Update(t.Context(), actor, n.env, store.KindSubscription, "", it.ID, directory.Precondition{},
			func(old *directory.Item) (directory.Document, error) {
				return old.Document.(*directory.Subscription).Rotated(n.clock.Now(), keep)
			})
		if err != nil {
			t.Fatal(err)
		}
		return it.Document.(*directory.Subscription).Secrets(n.clock.Now())
	}
	first := it.Document.(*directory.Subscription).Secrets(start)
	until := start.Add(time.Hour)
	second := rotate(&until)
	if len(second) != 2 || second[1].Value != first[0].Value || !second[1].Expires.Equal(until) || second[0].Value == first[0].Value {
		t.Errorf("secrets = %v, want a new one and the first until %v", second, until)
	}
	third := rotate(&until)
	if len(third) != 2 || third[1].Value != second[0].Value {
		t.Error("of two rotations the secret before the last one does not sign, or the first one still does")
	}
	n.clock.Advance(time.Hour)
	got, err := n.live.Item(t.Context(), n.env, store.KindSubscription, "", it.ID)
	if err != nil {
		t.Fatal(err)
	}
	if left := got.Document.(*directory.Subscription).Secrets(n.clock.Now()); len(left) != 1 {
		t.Errorf("%d secrets sign after the previous one's time, want 1", len(left))
	}
	var actions []string
	for _, e := range n.events(t, demo) {
		actions = append(actions, e.Action)
	}
	if diff := cmp.Diff([]string{"SUBSCRIPTION.CREATED", "SUBSCRIPTION.SECRET_ROTATED", "SUBSCRIPTION.SECRET_ROTATED"}, actions); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	for name, keep := range map[string]time.Duration{"59 s": 59 * time.Second, "31 days": 31 * 24 * time.Hour, "past": -time.Hour} {
		at := n.clock.Now().Add(keep)
		if _, err := got.Document.(*directory.Subscription).Rotated(n.clock.Now(), &at); problem(err) != "Bad Request OUT_OF_RANGE previous.expiresAt" {
			t.Errorf("%s: %s, want it refused", name, problem(err))
		}
	}
}

// What every environment has keeps its meaning when what refers to it moves.
func TestMoved(t *testing.T) {
	n := newNode(t)
	to, err := n.live.EnvironmentByID(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	ids := directory.Moved(&store.Environment{ID: demo, Organization: n.env.Organization}, to)
	for _, kind := range []store.ObjectKind{store.KindPopulation, store.KindResource, store.KindScope, store.KindResourceAttribute, store.KindKeyRotationPolicy} {
		for _, it := range n.list(t, kind, "", 100) {
			if !it.Builtin {
				continue
			}
			moved, err := n.live.Item(t.Context(), to, kind, ids[it.Parent], ids[it.ID])
			if err != nil || moved.Document.Label() != it.Document.Label() {
				t.Errorf("%s %s is %v there, %v", kind, it.Document.Label(), moved, err)
			}
		}
	}
	if ids[demo] != other || ids[directory.FirstPopulation(demo)] != directory.FirstPopulation(other) {
		t.Error("the environment or its first population are not moved")
	}
	if len(directory.Moved(n.env, n.env)) != 0 {
		t.Error("IDs change on the way to the same environment")
	}
}
