package integration_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// family is a refresh token and where it came from, as its client knows them.
type family struct {
	client   string
	access   string
	refresh  []string // all that were acknowledged, the newest last
	inFlight bool     // an exchange of the newest was never answered
}

func (f *family) newest() string { return f.refresh[len(f.refresh)-1] }

// TestKillRefreshing ends the process without warning while many clients refresh. A rotation
// that was acknowledged is neither lost nor undone: the newest token works, and the one before
// it is spent.
func TestKillRefreshing(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		r := startRace(t, b)
		a := newAgent(t, r.node)
		const clients = 16
		// More families than clients, so that some rest when the process dies.
		idle := make(chan *family, 3*clients)
		var all []*family
		for i := range cap(idle) {
			client := []string{"racer", "patient"}[i%2]
			got := r.issued(t, r.do(t, r.tokenRequest(r.node, client, r.code(t, a, client)...)))
			f := &family{client: client, access: got.access, refresh: []string{got.refresh}}
			all = append(all, f)
			idle <- f
		}

		var rotations atomic.Int64
		var mu sync.Mutex
		var strange []string
		storm(t, r.node, clients, func() bool { return rotations.Load() >= 200 }, func() bool {
			f := <-idle
			f.inFlight = true
			answered, err := r.try(r.refresh(r.node, f.client, f.newest()))
			if err != nil {
				return false
			}
			var body struct {
				Access  string `json:"access_token"`
				Refresh string `json:"refresh_token"`
			}
			if answered.status != http.StatusOK || json.Unmarshal([]byte(answered.body), &body) != nil {
				mu.Lock()
				defer mu.Unlock()
				strange = append(strange, answered.body)
				return false
			}
			r.secret("an access token", body.Access)
			r.secret("a refresh token", body.Refresh)
			f.access, f.refresh, f.inFlight = body.Access, append(f.refresh, body.Refresh), false
			rotations.Add(1)
			idle <- f
			return true
		})
		for _, body := range strange {
			t.Errorf("before the kill a refresh was answered %s", body)
		}
		if rotations.Load() < 50 {
			t.Fatalf("only %d rotations were acknowledged before the kill; the storm is too weak to show anything", rotations.Load())
		}
		r.run(t)

		rested := 0
		for _, f := range all {
			if got := r.call(t, "gate", "/", f.access); got.status != http.StatusOK {
				t.Errorf("%s: an acknowledged access token: %d %s, want 200", f.client, got.status, got.challenge())
			}
			var before string
			if len(f.refresh) > 1 {
				before = f.refresh[len(f.refresh)-2]
			}
			if f.client == "patient" {
				if before != "" {
					// The exchange is remembered, with its successor.
					if got := r.issued(t, r.do(t, r.refresh(r.node, f.client, before))); got.refresh != f.newest() {
						t.Errorf("%s: the token before the newest has another successor than was acknowledged", f.client)
					}
				}
				r.issued(t, r.do(t, r.refresh(r.node, f.client, f.newest())))
				continue
			}
			// Without a grace period an exchange whose answer was lost is a replay when it comes again.
			got := r.do(t, r.refresh(r.node, f.client, f.newest()))
			switch {
			case got.status == http.StatusOK:
				r.issued(t, got)
			case !f.inFlight || got.oauthError() != "invalid_grant":
				t.Errorf("%s: the newest acknowledged token (in flight: %v): %d %s, want new tokens", f.client, f.inFlight, got.status, got.body)
			}
			if !f.inFlight {
				rested++
			}
			if before != "" {
				if got := r.do(t, r.refresh(r.node, f.client, before)); got.oauthError() != "invalid_grant" {
					t.Errorf("%s: the token before the newest: %d %s, want invalid_grant", f.client, got.status, got.body)
				}
				r.dead(t, f.access)
			}
		}
		if rested == 0 {
			t.Error("no family without a grace period rested when the process died")
		}
		t.Logf("%s: %d rotations acknowledged in %d families; %d of those without a grace period rested at the kill", b.name(), rotations.Load(), len(all), rested)
	})
}
