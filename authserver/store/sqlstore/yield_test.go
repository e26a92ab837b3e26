package sqlstore

import (
	"testing"
	"time"
)

// TestNetworkTurn: yielding returns, again and again and after the end. Without
// a pipe nothing happens.
func TestNetworkTurn(t *testing.T) {
	turn := newNetworkTurn()
	if turn == nil {
		t.Fatal("no pipe")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			turn.yield()
		}
		turn.close()
		turn.yield()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("a turn never came")
	}
	var none *networkTurn
	none.yield()
	none.close()
}
