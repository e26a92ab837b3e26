package directory_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestEnded: what holds everything is ended with the change, or else later, by
// whatever node; the change stands.
func TestEnded(t *testing.T) {
	n := newNode(t)
	app := n.create(t, "", worker("Shop"))
	disable := func(old *directory.Item) (directory.Document, error) {
		d := old.Document.(*directory.Application)
		d.Enabled = false
		return d, nil
	}
	n.failEnds = errors.New("no")
	if _, err := n.Update(t.Context(), actor, n.env, store.KindApplication, "", app.ID, directory.Precondition{}, disable); err != nil {
		t.Fatalf("the change: %v, want that it stands", err)
	}
	if !n.revocations(t)["client "+app.ID] {
		t.Error("its access tokens have not ended with the change")
	}
	if !strings.Contains(n.log.String(), "not ended yet") {
		t.Error("the log does not say so")
	}
	n.failEnds = nil
	if err := n.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(n.ends()) != 0 {
		t.Errorf("ends = %v, want none while the process that made the change is at it", n.ends())
	}
	n.clock.Advance(2 * time.Minute)
	for range 2 {
		if err := n.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []directory.End{{Kind: store.RevokedClient, Value: app.ID, All: true}}
	if diff := cmp.Diff(want, n.ends()); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}

	other := n.create(t, "", worker("Batch"))
	if _, err := n.Update(t.Context(), actor, n.env, store.KindApplication, "", other.ID, directory.Precondition{}, disable); err != nil {
		t.Fatal(err)
	}
	n.clock.Advance(2 * time.Minute)
	if err := n.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want = append(want, directory.End{Kind: store.RevokedClient, Value: other.ID, All: true}); !cmp.Equal(want, n.ends()) {
		t.Errorf("ends = %v, want %v: once, where it went well", n.ends(), want)
	}
}
