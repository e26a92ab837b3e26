package directory_test

import (
	"errors"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestFirstPopulation(t *testing.T) {
	n := newNode(t)
	first := directory.FirstPopulation(demo)
	it, err := n.live.Item(t.Context(), n.env, store.KindPopulation, "", first)
	if err != nil || it.Document.Label() != "Default" || !it.Builtin {
		t.Fatalf("got %+v, %v, want the built-in Default", it, err)
	}
	if first == directory.FirstPopulation(other) {
		t.Error("two environments have the same first population")
	}
	for population, want := range map[string]string{"": first, first: first, "p": "p"} {
		if got := directory.PopulationOf(&store.User{Environment: demo, Population: population}); got != want {
			t.Errorf("population %q of a user is %s, want %s", population, got, want)
		}
	}
	for id, want := range map[string]string{first: "", "p": "p"} {
		if got := directory.StoredPopulation(demo, id); got != want {
			t.Errorf("%s is stored as %q, want %q", id, got, want)
		}
	}
}

// There is a default population whatever the first one says.
func TestDefaultPopulationIsAlwaysThere(t *testing.T) {
	n := newNode(t)
	first := directory.FirstPopulation(demo)
	say := func(id string) error {
		_, err := n.Update(t.Context(), actor, n.env, store.KindPopulation, "", first, directory.Precondition{}, func(old *directory.Item) (directory.Document, error) {
			p := *old.Document.(*directory.Population)
			p.DefaultPopulation = id
			return &p, nil
		})
		return err
	}
	want := func(id string) {
		t.Helper()
		if got, err := n.live.DefaultPopulation(t.Context(), n.env); err != nil || got != id {
			t.Errorf("default = %s, %v, want %s", got, err, id)
		}
	}
	want(first)
	it, err := n.Create(t.Context(), actor, n.env, directory.New{Document: &directory.Population{Name: "Staff"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := say(it.ID); err != nil {
		t.Fatal(err)
	}
	want(it.ID)
	if got, err := n.live.PopulationOfNew(t.Context(), n.env); err != nil || got != it.ID {
		t.Errorf("of new people: %q, %v, want %s", got, err, it.ID)
	}
	if err := n.Delete(t.Context(), actor, n.env, store.KindPopulation, "", it.ID, directory.Precondition{}); err == nil {
		t.Error("the default population was deleted")
	}
	if err := say("0e000000-0000-4000-8000-00000000000e"); err == nil {
		t.Error("a population that is not there became the default")
	}
	want(it.ID)
	if err := say(""); err != nil {
		t.Fatal(err)
	}
	want(first)
	if got, err := n.live.PopulationOfNew(t.Context(), n.env); err != nil || got != "" {
		t.Errorf("of new people: %q, %v, want the first one", got, err)
	}
	if err := n.Delete(t.Context(), actor, n.env, store.KindPopulation, "", it.ID, directory.Precondition{}); err != nil {
		t.Errorf("delete one that is not the default any more: %v", err)
	}
	if _, err := n.live.Item(t.Context(), n.env, store.KindPopulation, "", it.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted: %v, want ErrNotFound", err)
	}
}

// Only the first population says which one is the default.
func TestOtherPopulationsSayNoDefault(t *testing.T) {
	n := newNode(t)
	_, err := n.Create(t.Context(), actor, n.env, directory.New{Document: &directory.Population{Name: "Staff", DefaultPopulation: "x"}})
	if err == nil {
		t.Error("accepted, want it refused")
	}
}
