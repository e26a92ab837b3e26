package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/outbox"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/webhook"
)

const (
	demo    = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	other   = "6a0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a61"
	shopID  = "11111111-0000-4000-8000-000000000001"
	carolID = "66666666-0000-4000-8000-000000000001"
)

var (
	start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	actor = directory.Actor{Environment: demo, Client: "worker", ClientName: "A worker", User: carolID, UserName: "carol", Correlation: "corr-1"}
)

// receiver is somebody's server.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	header http.Header
	got    []message
}

type message struct {
	header http.Header
	body   string
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	v := &receiver{status: http.StatusNoContent}
	v.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.got = append(v.got, message{r.Header.Clone(), string(b)})
		maps.Copy(w.Header(), v.header)
		w.WriteHeader(v.status)
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *receiver) answer(status int, header http.Header) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status, v.header = status, header
}

func (v *receiver) messages() []message {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.got)
}

// actions are those of all messages, in the order of their activities.
func (v *receiver) actions(t testing.TB) (actions []string) {
	t.Helper()
	var all []webhook.Activity
	for _, m := range v.messages() {
		all = append(all, m.activity(t))
	}
	slices.SortFunc(all, func(a, b webhook.Activity) int { return strings.Compare(a.ID, b.ID) })
	for _, a := range all {
		actions = append(actions, a.Action.Type)
	}
	return actions
}

func (m message) activity(t testing.TB) (a webhook.Activity) {
	t.Helper()
	if err := json.Unmarshal([]byte(m.body), &a); err != nil {
		t.Fatalf("message: %v: %s", err, m.body)
	}
	return a
}

// verify is a receiver's check as Standard Webhooks says; it gives how many of the signatures are of secret.
func (m message) verify(t testing.TB, secret string) (good int) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		t.Fatalf("the secret has %d bytes, %v; want 24 to 64", len(key), err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(m.header.Get("webhook-id") + "." + m.header.Get("webhook-timestamp") + "." + m.body))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, s := range strings.Fields(m.header.Get("webhook-signature")) {
		if hmac.Equal([]byte(s), []byte(want)) {
			good++
		}
	}
	return good
}

// rig is webhooks on a store of their own.
type rig struct {
	*webhook.Webhooks
	t      testing.TB
	writer *directory.Writer
	env    *store.Environment
	clock  *testkit.Clock
	log    *testkit.Buffer

	mu        sync.Mutex
	delivered map[string]int
}

func newRig(t testing.TB, ca ...*receiver) *rig {
	t.Helper()
	o := fetch.Options{StrangerNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for _, v := range ca {
		o.CA = append(o.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw})...)
	}
	return newRigWith(t, o)
}

func newRigWith(t testing.TB, o fetch.Options) *rig {
	t.Helper()
	environment := func(id string) declared.Environment {
		return declared.Environment{Name: id[:4], ID: id, Issuer: "https://auth.example.com/" + id + "/as"}
	}
	d, err := declared.New(declared.Config{Environments: []declared.Environment{environment(demo), environment(other)}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := fetch.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	g := &rig{t: t, clock: testkit.NewClock(start), log: &testkit.Buffer{}, delivered: map[string]int{}}
	log := slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	st := testkit.Store(t)
	sealer := func(bool) (*secret.Sealer, error) { return secret.NewSealer(make([]byte, secret.KeySize)) }
	live := &directory.Live{
		Declared: d, Store: st, Sealer: sealer, Now: g.clock.Now,
		Open: func(store.RegisteredClient) (*store.Client, error) { return nil, errors.New("nobody registers here") },
	}
	g.Webhooks = &webhook.Webhooks{
		Live: live, Store: st, Outbound: out, NewID: secret.NewID, Now: g.clock.Now, Log: log,
		Delivered: func(outcome string) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.delivered[outcome]++
		},
	}
	g.writer = &directory.Writer{
		Live: live, Store: st, Sealer: sealer, NewID: secret.NewID, Now: g.clock.Now, Retention: time.Hour, Log: log,
		Deliveries: g.Deliveries, Ended: func(context.Context, *store.Environment, directory.End) error { return nil },
	}
	g.env = g.environment(demo)
	return g
}

func (g *rig) environment(id string) *store.Environment {
	g.t.Helper()
	env, err := g.Live.EnvironmentByID(g.t.Context(), id)
	if err != nil {
		g.t.Fatal(err)
	}
	return env
}

func (g *rig) outcomes() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.delivered)
}

func ptr[T any](v T) *T { return &v }

// subscribe makes a subscription and gives its ID.
func (g *rig) subscribe(env *store.Environment, url string, edit func(*directory.Subscription)) string {
	g.t.Helper()
	s := &directory.Subscription{
		Name: "Hook", Enabled: ptr(true), VerifyTLSCertificates: ptr(true), HTTPEndpoint: &directory.SubscriptionEndpoint{URL: url},
		Filter: &directory.SubscriptionFilter{IncludedActionTypes: []string{"POPULATION.*", "APPLICATION.CREATED"}},
	}
	if edit != nil {
		edit(s)
	}
	it, err := g.writer.Create(g.t.Context(), actor, env, directory.New{Document: s})
	if err != nil {
		g.t.Fatal(err)
	}
	return it.ID
}

func (g *rig) change(id string, edit func(*directory.Subscription) (*directory.Subscription, error)) {
	g.t.Helper()
	_, err := g.writer.Update(g.t.Context(), actor, g.env, store.KindSubscription, "", id, directory.Precondition{},
		func(old *directory.Item) (directory.Document, error) {
			return edit(old.Document.(*directory.Subscription))
		})
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *rig) secrets(id string) []directory.SubscriptionSecret {
	g.t.Helper()
	it, err := g.Live.Item(g.t.Context(), g.env, store.KindSubscription, "", id)
	if err != nil {
		g.t.Fatal(err)
	}
	return it.Document.(*directory.Subscription).Secrets(g.clock.Now())
}

// population makes one, of which a subscription hears.
func (g *rig) population(name string) string {
	g.t.Helper()
	it, err := g.writer.Create(g.t.Context(), actor, g.env, directory.New{Document: &directory.Population{Name: name}})
	if err != nil {
		g.t.Fatal(err)
	}
	return it.ID
}

func TestMessage(t *testing.T) {
	v := newReceiver(t)
	g := newRig(t, v)
	id := g.subscribe(g.env, v.URL+"/hook", func(s *directory.Subscription) {
		s.HTTPEndpoint.Headers = map[string]string{"Authorization": "Basic c2VjcmV0"}
	})
	population := g.population("Partners")
	if n := g.DeliverDue(t.Context()); n != 1 {
		t.Fatalf("%d deliveries, want 1", n)
	}
	got := v.messages()
	if len(got) != 1 {
		t.Fatalf("%d messages, want 1: %s", len(got), g.log)
	}
	m := got[0]
	if m.verify(t, g.secrets(id)[0].Value) != 1 {
		t.Error("the signature is not good")
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Basic c2VjcmV0", "User-Agent": "Gatehouse", "webhook-timestamp": "1777896000",
	} {
		if m.header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, m.header.Get(name), want)
		}
	}
	if !secret.IsID(m.header.Get("webhook-id")) {
		t.Errorf("webhook-id = %q", m.header.Get("webhook-id"))
	}
	a := m.activity(t)
	events, err := g.Live.Store.(store.Events).ListEvents(t.Context(), store.EventFilter{Environment: demo, Object: population}, "", 1, g.clock.Now())
	if err != nil || len(events) != 1 {
		t.Fatalf("events = %v, %v", events, err)
	}
	if diff := cmp.Diff(webhook.NewActivity("https://auth.example.com", &events[0]), a); diff != "" {
		t.Errorf("message and audit log (-log +message):\n%s", diff)
	}
	const base = "https://auth.example.com/v1/environments/" + demo
	want := webhook.Activity{
		ID: events[0].ID, RecordedAt: "2026-05-04T12:00:00.000Z", CreatedAt: "2026-05-04T12:00:00.000Z", CorrelationID: "corr-1",
		Action: webhook.ActivityAction{Type: "POPULATION.CREATED", Description: "Population Created"},
		Actors: webhook.ActivityActors{
			Client: &webhook.ActivityResource{Type: "CLIENT", ID: "worker", Name: "A worker", Environment: webhook.ActivityReference{ID: demo}, HREF: base + "/applications/worker"},
			User:   &webhook.ActivityResource{Type: "USER", ID: carolID, Name: "carol", Environment: webhook.ActivityReference{ID: demo}, HREF: base + "/users/" + carolID},
		},
		Resources: []webhook.ActivityResource{{
			Type: "POPULATION", ID: population, Name: "Partners", Environment: webhook.ActivityReference{ID: demo}, HREF: base + "/populations/" + population,
		}},
		Result:  webhook.ActivityResult{Status: "SUCCESS", Description: "Population Created Partners"},
		Changes: &webhook.ActivityChanges{After: a.Changes.After},
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(a.Changes.After), `"name":"Partners"`) {
		t.Errorf("changes.after = %s", a.Changes.After)
	}
	if diff := cmp.Diff(map[string]int{"ok": 1}, g.outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if g.DeliverDue(t.Context()) != 0 {
		t.Error("it was sent twice")
	}
	for _, hidden := range []string{"c2VjcmV0", "whsec_"} {
		if strings.Contains(g.log.String(), hidden) || strings.Contains(m.body, hidden) {
			t.Errorf("log or message have %s", hidden)
		}
	}
}

func TestFailingReceiver(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		header  http.Header
		retried bool
	}{
		{"200", http.StatusOK, nil, false},
		{"202", http.StatusAccepted, nil, false},
		{"400", http.StatusBadRequest, nil, true},
		{"401", http.StatusUnauthorized, nil, true},
		{"410 is for good", http.StatusGone, nil, false},
		{"429", http.StatusTooManyRequests, nil, true},
		{"500", http.StatusInternalServerError, nil, true},
		{"redirect", http.StatusFound, http.Header{"Location": {"/elsewhere"}}, true},
		{"307", http.StatusTemporaryRedirect, http.Header{"Location": {"/elsewhere"}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newReceiver(t)
			g := newRig(t, v)
			id := g.subscribe(g.env, v.URL, nil)
			g.population("Partners")
			v.answer(tt.status, tt.header)
			g.DeliverDue(t.Context())
			v.answer(http.StatusNoContent, nil)
			g.clock.Advance(time.Hour)
			g.DeliverDue(t.Context())
			got := v.messages()
			if want := map[bool]int{true: 2, false: 1}[tt.retried]; len(got) != want {
				t.Fatalf("%d requests, want %d", len(got), want)
			}
			if !tt.retried {
				return
			}
			// The same message at another time: known by its ID, and not replayed by somebody else.
			a, b := got[0], got[1]
			if a.body != b.body || a.header.Get("webhook-id") != b.header.Get("webhook-id") {
				t.Error("the second attempt is another message")
			}
			if a.header.Get("webhook-timestamp") == b.header.Get("webhook-timestamp") || b.verify(t, g.secrets(id)[0].Value) != 1 {
				t.Error("the second attempt is not signed with its own time")
			}
			if diff := cmp.Diff(map[string]int{"retry": 1, "ok": 1}, g.outcomes()); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGivenUpAfterADay(t *testing.T) {
	v := newReceiver(t)
	v.answer(http.StatusServiceUnavailable, nil)
	g := newRig(t, v)
	g.subscribe(g.env, v.URL, nil)
	g.population("Partners")
	for step := time.Minute; g.outcomes()["given_up"] == 0 && g.clock.Now().Sub(start) < 24*time.Hour; g.clock.Advance(step) {
		if g.clock.Now().Sub(start) > 21*time.Hour {
			step = outbox.Lease / 2 // the last attempt is due no later than that before the end
		}
		g.DeliverDue(t.Context())
	}
	took := g.clock.Now().Sub(start)
	if g.outcomes()["given_up"] != 1 || took < 22*time.Hour || took > 24*time.Hour {
		t.Errorf("outcomes = %v after %v, want it given up within the last hours of a day", g.outcomes(), took)
	}
	if n := len(v.messages()); n < 20 || n > 60 {
		t.Errorf("%d attempts, want a few dozen", n)
	}
	if g.clock.Advance(24 * time.Hour); g.DeliverDue(t.Context()) != 0 {
		t.Error("tried again after it was given up")
	}
}

func TestRotation(t *testing.T) {
	v := newReceiver(t)
	g := newRig(t, v)
	id := g.subscribe(g.env, v.URL, nil)
	old := g.secrets(id)[0].Value
	until := g.clock.Now().Add(time.Hour)
	g.change(id, func(s *directory.Subscription) (*directory.Subscription, error) {
		return s.Rotated(g.clock.Now(), &until)
	})
	g.population("one")
	g.DeliverDue(t.Context())
	m := v.messages()[0]
	current := g.secrets(id)[0].Value
	if current == old || m.verify(t, current) != 1 || m.verify(t, old) != 1 {
		t.Error("while both are good the message is not signed with both")
	}
	g.clock.Advance(time.Hour)
	g.population("two")
	g.DeliverDue(t.Context())
	m = v.messages()[1]
	if m.verify(t, current) != 1 || m.verify(t, old) != 0 {
		t.Error("the previous secret signs after its time")
	}
	g.change(id, func(s *directory.Subscription) (*directory.Subscription, error) { return s.Rotated(g.clock.Now(), nil) })
	g.population("three")
	g.DeliverDue(t.Context())
	m = v.messages()[2]
	if m.verify(t, current) != 0 || m.verify(t, g.secrets(id)[0].Value) != 1 {
		t.Error("without a time for the previous secret it signs on")
	}
}

// What has been queued is for whoever is subscribed when it is sent.
func TestSubscriptionThatChangesMeanwhile(t *testing.T) {
	tests := []struct {
		name   string
		change func(g *rig, id, elsewhere string)
		want   [2]int // messages at the first and at another address
	}{
		{"unchanged", func(*rig, string, string) {}, [2]int{1, 0}},
		{"disabled", func(g *rig, id, _ string) {
			g.change(id, func(s *directory.Subscription) (*directory.Subscription, error) {
				s.Enabled = ptr(false)
				return s, nil
			})
		}, [2]int{0, 0}},
		{"deleted", func(g *rig, id, _ string) {
			if err := g.writer.Delete(g.t.Context(), actor, g.env, store.KindSubscription, "", id, directory.Precondition{}); err != nil {
				g.t.Fatal(err)
			}
		}, [2]int{0, 0}},
		{"moved", func(g *rig, id, elsewhere string) {
			g.change(id, func(s *directory.Subscription) (*directory.Subscription, error) {
				s.HTTPEndpoint.URL = elsewhere
				return s, nil
			})
		}, [2]int{0, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, w := newReceiver(t), newReceiver(t)
			g := newRig(t, v, w)
			id := g.subscribe(g.env, v.URL, nil)
			g.population("Partners")
			tt.change(g, id, w.URL)
			g.DeliverDue(t.Context())
			if got := [2]int{len(v.messages()), len(w.messages())}; got != tt.want {
				t.Errorf("messages = %v, want %v", got, tt.want)
			}
			g.clock.Advance(time.Hour)
			if n := g.DeliverDue(t.Context()); n != 0 {
				t.Errorf("%d deliveries are left, want 0", n)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	tests := []struct {
		name   string
		filter directory.SubscriptionFilter
		want   []string
	}{
		{"one action", directory.SubscriptionFilter{IncludedActionTypes: []string{"POPULATION.UPDATED"}}, []string{"POPULATION.UPDATED"}},
		{"all of a kind", directory.SubscriptionFilter{IncludedActionTypes: []string{"POPULATION.*"}}, []string{"POPULATION.CREATED", "POPULATION.UPDATED"}},
		{"all", directory.SubscriptionFilter{IncludedActionTypes: []string{"*"}}, []string{
			"SUBSCRIPTION.CREATED", "POPULATION.CREATED", "POPULATION.UPDATED", "APPLICATION.CREATED", "SECRET.CREATED", "APPLICATION_ATTRIBUTE.CREATED",
			"USER.CREATED", "USER.UPDATED",
		}},
		{"nothing that happens", directory.SubscriptionFilter{IncludedActionTypes: []string{"RESOURCE.*"}}, nil},
		{"half a word", directory.SubscriptionFilter{IncludedActionTypes: []string{"POP.*"}}, nil},
		{"an application", directory.SubscriptionFilter{
			IncludedActionTypes: []string{"*"}, IncludedApplications: []directory.Reference{{ID: shopID}},
		}, []string{"APPLICATION.CREATED", "SECRET.CREATED", "APPLICATION_ATTRIBUTE.CREATED"}},
		{"another application", directory.SubscriptionFilter{
			IncludedActionTypes: []string{"*"}, IncludedApplications: []directory.Reference{{ID: carolID}},
		}, nil},
		{"the first population", directory.SubscriptionFilter{
			IncludedActionTypes: []string{"*"}, IncludedPopulations: []directory.Reference{{ID: directory.FirstPopulation(demo)}},
		}, []string{"USER.CREATED", "USER.UPDATED"}},
		{"another population", directory.SubscriptionFilter{
			IncludedActionTypes: []string{"*"}, IncludedPopulations: []directory.Reference{{ID: shopID}},
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newReceiver(t)
			g := newRig(t, v)
			g.subscribe(g.env, v.URL, func(s *directory.Subscription) { s.Filter = &tt.filter })
			g.subscribe(g.environment(other), v.URL, func(s *directory.Subscription) { s.Filter.IncludedActionTypes = []string{"*"} })
			id := g.population("Partners")
			_, err := g.writer.Update(t.Context(), actor, g.env, store.KindPopulation, "", id, directory.Precondition{}, func(old *directory.Item) (directory.Document, error) {
				old.Document.(*directory.Population).Name = "Friends"
				return old.Document, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = g.writer.Create(t.Context(), actor, g.env, directory.New{ID: shopID, Document: &directory.Application{
				Name: "Shop", Enabled: true, Protocol: "OPENID_CONNECT", Type: "WORKER", TokenEndpointAuthMethod: "CLIENT_SECRET_BASIC", GrantTypes: []string{"CLIENT_CREDENTIALS"},
			}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := g.writer.CreateUser(t.Context(), actor, g.env, store.User{ID: carolID, Username: "carol"}, nil); err != nil {
				t.Fatal(err)
			}
			// Into another population: both hear of it.
			if _, err := g.writer.UpdateUser(t.Context(), actor, g.env, carolID, directory.Precondition{}, func(c *directory.UserChange) error {
				c.User.Population = id
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for g.DeliverDue(t.Context()) > 0 {
			}
			got := slices.DeleteFunc(v.actions(t), func(a string) bool { return a == "SUBSCRIPTION.CREATED" })
			want := slices.DeleteFunc(slices.Clone(tt.want), func(a string) bool { return a == "SUBSCRIPTION.CREATED" })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
		})
	}
}

// case 119: whoever may subscribe is not whoever runs the server.
func TestAddressesOnThisMachineAreNotContacted(t *testing.T) {
	v := newReceiver(t)
	o := fetch.Options{CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate().Raw})}
	g := newRigWith(t, o)
	g.subscribe(g.env, v.URL, nil)
	g.population("Partners")
	g.DeliverDue(t.Context())
	if n := len(v.messages()); n != 0 {
		t.Errorf("%d requests to a loopback address, want 0", n)
	}
	if diff := cmp.Diff(map[string]int{"retry": 1}, g.outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// A change is told at once, by the process that made it.
func TestRunSendsAtOnce(t *testing.T) {
	v := newReceiver(t)
	g := newRig(t, v)
	g.subscribe(g.env, v.URL, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { g.Run(ctx); close(done) }()
	told := func(n int) {
		t.Helper()
		for until := time.Now().Add(time.Minute); len(v.messages()) < n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%d messages after a minute, want %d", len(v.messages()), n)
			}
		}
	}
	for i := range 20 {
		g.population("p" + string(rune('a'+i)))
	}
	told(20)
	// In whatever order they came: by their IDs they are in the order of the changes.
	var names []string
	all := v.messages()
	slices.SortFunc(all, func(a, b message) int { return strings.Compare(a.activity(t).ID, b.activity(t).ID) })
	for _, m := range all {
		names = append(names, m.activity(t).Resources[0].Name)
	}
	if !slices.IsSorted(names) {
		t.Errorf("by their IDs the messages are %v, want them in the order of the changes", names)
	}
	// By itself it looks again more than three seconds after it has found something. Others are at work on the machine, a while at most.
	g.population("found")
	told(21)
	took := time.Minute
	for try := 0; try < 10 && took > 2*time.Second; try++ {
		begin := time.Now()
		g.population("told " + string(rune('a'+try)))
		told(22 + try)
		took = time.Since(begin)
	}
	if took > 2*time.Second {
		t.Errorf("each time a change was told seconds later, %v at last, want at once", took)
	}
	cancel()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("Run goes on after its context ended")
	}
}
