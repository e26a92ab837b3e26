package integration_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"testing"
)

// TestManageRaces is what happens when many change one object at once, on one node and on two.
func TestManageRaces(t *testing.T) {
	races := func(t *testing.T, r *raceNodes) {
		c := map[*node]*console{}
		for _, n := range r.all {
			c[n] = openConsole(t, n)
		}
		r.replace(t, c)
		r.replaceKnown(t, c)
		r.create(t, c)
	}
	t.Run("sqlite", func(t *testing.T) {
		n := start(t, config{storage: sqlite{}, env: sdkEnv, info: true})
		races(t, &raceNodes{node: n, all: []*node{n}})
	})
	t.Run("two processes", func(t *testing.T) {
		a, b := twins(t, config{env: sdkEnv, info: true})
		races(t, &raceNodes{node: a, all: []*node{a, b}})
	})
}

// replace: each of many changes of one object at once is made, one after the other.
func (r *raceNodes) replace(t *testing.T, c map[*node]*console) {
	first := c[r.node]
	id := first.create(t, "/applications", aService("contended"))
	i := 0
	bodies := make(chan object, contenders)
	for ; i < contenders; i++ {
		bodies <- first.with(aService("contended"), "description", fmt.Sprint("state ", i))
	}
	answers := r.contend(t, func(n *node) *http.Request { return c[n].request(http.MethodPut, "/applications/"+id, <-bodies) })
	for _, a := range answers {
		if a.status != http.StatusOK {
			t.Fatalf("without If-Match: %d %s, want 200 for everybody", a.status, a.body)
		}
	}
	// Each event begins with what the one before it has left, and the last one is what there is.
	events := r.told(t, first, id)
	if len(events) != 1+contenders {
		t.Fatalf("%d events, want the creation and %d changes", len(events), contenders)
	}
	for i := 1; i < len(events); i++ {
		if before, after := mustJSON(t, events[i]["before"]), mustJSON(t, events[i-1]["after"]); string(before) != string(after) {
			t.Fatalf("event %d is a change of %s, and the one before it left %s", i, before, after)
		}
	}
	last, _ := events[contenders]["after"].(object)
	for _, n := range r.all {
		if got := c[n].get(t, "/applications/"+id)["description"]; got != last["description"] {
			t.Errorf("in the end it is %v, want the last change %v", got, last["description"])
		}
	}
	seen := map[any]bool{}
	for _, e := range events[1:] {
		seen[e["after"].(object)["description"]] = true
	}
	if len(seen) != contenders {
		t.Errorf("%d of %d states were ever there", len(seen), contenders)
	}
}

// replaceKnown: of many who demand the version that they know one is served.
func (r *raceNodes) replaceKnown(t *testing.T, c map[*node]*console) {
	first := c[r.node]
	id := first.create(t, "/applications", aService("known"))
	tag := first.want(t, http.StatusOK, http.MethodGet, "/applications/"+id, nil).header.Get("ETag")
	if tag == "" {
		t.Fatal("there is no ETag")
	}
	names := make(chan string, contenders)
	for i := range contenders {
		names <- fmt.Sprint("state ", i)
	}
	counts := map[int]int{}
	winner := ""
	for _, a := range r.contend(t, func(n *node) *http.Request {
		return c[n].request(http.MethodPut, "/applications/"+id, first.with(aService("known"), "description", <-names), "If-Match", tag)
	}) {
		if counts[a.status]++; a.status == http.StatusOK {
			winner, _ = a.object(t)["description"].(string)
		}
	}
	if want := map[int]int{http.StatusOK: 1, http.StatusPreconditionFailed: contenders - 1}; !maps.Equal(counts, want) {
		t.Errorf("with If-Match: %v, want %v", counts, want)
	}
	if got := first.get(t, "/applications/"+id)["description"]; got != winner {
		t.Errorf("it is %v, want what the one who was told so wrote, %v", got, winner)
	}
	if events := r.told(t, first, id); len(events) != 2 {
		t.Errorf("%d events, want the creation and one change", len(events))
	}
}

// create: of many who want one name one gets it.
func (r *raceNodes) create(t *testing.T, c map[*node]*console) {
	first := c[r.node]
	for _, tt := range []struct {
		path string
		body object
	}{
		{"/applications", aService("coveted")},
		{"/resources", object{"name": "coveted", "audience": "https://coveted.example.com"}},
		{"/populations", object{"name": "coveted"}},
		{"/users", object{"username": "coveted", "email": "coveted@example.com"}},
		{"/v1/environments", anEnvironment("coveted")},
	} {
		counts := map[int]int{}
		id := ""
		for _, a := range r.contend(t, func(n *node) *http.Request { return c[n].request(http.MethodPost, tt.path, tt.body) }) {
			counts[a.status]++
			switch code, details := a.pingOneError(); {
			case a.status == http.StatusCreated:
				id, _ = a.object(t)["id"].(string)
			case code != "INVALID_DATA" || len(details) < 20 || details[:20] != "UNIQUENESS_VIOLATION":
				t.Errorf("POST %s: %d %s, want UNIQUENESS_VIOLATION", tt.path, a.status, a.body)
			}
		}
		if want := map[int]int{http.StatusCreated: 1, http.StatusBadRequest: contenders - 1}; !maps.Equal(counts, want) {
			t.Errorf("POST %s: %v, want %v", tt.path, counts, want)
		}
		if tt.path != "/v1/environments" { // which has a log of its own
			if events := r.told(t, first, id); len(events) != 1 {
				t.Errorf("POST %s: %d events about what was created, want 1", tt.path, len(events))
			}
		}
	}
}

// told is what the audit log has about an object, the oldest first: in the API, and as lines of the nodes' logs.
func (r *raceNodes) told(t *testing.T, c *console, id string) (changes []map[string]any) {
	t.Helper()
	lines := map[string]map[string]any{}
	for _, n := range r.all {
		maps.Copy(lines, n.auditLines())
	}
	all := c.list(t, "/activities?filter="+url.QueryEscape(`resources.id eq "`+id+`"`), "activities")
	for i := len(all) - 1; i >= 0; i-- {
		if all[i]["resources"].([]any)[0].(object)["type"] == "SECRET" {
			continue // which has the ID of whose it is
		}
		event := all[i]["id"].(string)
		if line := lines[event]; line == nil || line["action"] != all[i]["action"].(object)["type"] || line["object"] != id {
			t.Errorf("the line about %s is %v", event, line)
		}
		change, _ := all[i]["changes"].(object)
		changes = append(changes, change)
	}
	about := 0
	for _, line := range lines {
		if line["object"] == id && line["kind"] != "secret" {
			about++
		}
	}
	if about != len(changes) {
		t.Errorf("%d lines about %s in the logs, and %d events", about, id, len(changes))
	}
	return changes
}
