package management

import (
	"bytes"
	"io"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

const (
	// turnsAtOnce is how many requests of one environment compute hashes of passwords at the same time, and
	// turnsWaiting how many more wait for that: administrators do not keep people of other environments from signing on, who
	// wait for the same processors.
	turnsAtOnce  = 4
	turnsWaiting = 256
)

// turns are given to requests that compute hashes of passwords, by environment. Safe for concurrent use.
type turns struct {
	mu sync.Mutex
	of map[string]*turnsOf
}

type turnsOf struct {
	busy  chan struct{}
	users int // under way and waiting
}

// turn waits for a turn of the environment; done gives it back.
func (c *call) turn() (done func(), err error) {
	t, env := &c.api.turns, c.env.ID
	t.mu.Lock()
	of := t.of[env]
	if of == nil {
		of = &turnsOf{busy: make(chan struct{}, turnsAtOnce)}
		if t.of == nil {
			t.of = map[string]*turnsOf{}
		}
		t.of[env] = of
	}
	if of.users >= turnsAtOnce+turnsWaiting {
		t.mu.Unlock()
		return nil, oauth.Unavailable(1, "Too many passwords of the environment are being set or checked")
	}
	of.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if of.users--; of.users == 0 {
			delete(t.of, env)
		}
	}
	select {
	case of.busy <- struct{}{}:
		return func() { <-of.busy; leave() }, nil
	case <-c.r.Context().Done():
		leave()
		return nil, c.r.Context().Err()
	}
}

// inTurn is serve when its turn has come. The body is there by then: nobody keeps others waiting by sending it slowly.
func inTurn(serve func(*call) error) func(*call) error {
	return func(c *call) error {
		body, err := readAll(c.r.Body)
		if err != nil {
			return err
		}
		c.r.Body = io.NopCloser(bytes.NewReader(body))
		done, err := c.turn()
		if err != nil {
			return err
		}
		defer done()
		return serve(c)
	}
}
