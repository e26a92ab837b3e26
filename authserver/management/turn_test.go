package management_test

import (
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/management"
)

// Passwords of one environment are set and checked a few at a time: those of others do not wait for them.
func TestPasswordsInTurn(t *testing.T) {
	k := newKit(t, quick)
	user := k.imported("carol", goodPassword)
	check := func() *answer {
		return k.as(root).post(users+"/"+user+"/password", map[string]any{"password": goodPassword}, "Content-Type", "application/vnd.pingidentity.password.check+json")
	}
	check().is(200)
	person := func(name string) map[string]any {
		return map[string]any{"username": name, "email": name + "@example.com", "password": map[string]any{"value": goodPassword}}
	}
	const atOnce, waiting = 4, 256
	release := management.TakeTurns(k.API, home, atOnce)
	var running sync.WaitGroup
	var late *answer
	running.Go(func() { late = check() })
	select {
	case <-management.TurnsWaiting(k.API, home, atOnce+1):
	case <-time.After(10 * time.Second):
		t.Fatal("the check did not wait for its turn")
	}
	more := management.TakeTurns(k.API, home, -(waiting - 1))
	if a := check(); a.Status != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d, want 503", a.Status)
	}
	k.as(root).post(users, person("dave"), "Content-Type", importType).is(503)
	k.as(root).post(users, `{"username":"erin","email":"erin@example.com"}`).is(201) // no password, no hash
	k.as(foreign).post("/environments/"+stranger+"/users", person("dave"), "Content-Type", importType).is(201)
	more()
	release()
	running.Wait()
	late.is(200)
	check().is(200)
}
