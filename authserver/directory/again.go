package directory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Bounds of repeating a change that met others.
const (
	mostAttempts = 100
	longestPause = 64 * time.Millisecond
)

// again makes a change until it meets no other. So the last write wins; where
// there is a precondition, making it again finds that it does not hold any more.
func again(ctx context.Context, change func() error) error {
	pause := time.Millisecond
	for range mostAttempts {
		err := change()
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		// As many as meet here wait for different times, so that they do not meet again.
		timer := time.NewTimer(rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return oauth.CannotTell("change an object", context.Cause(ctx))
		case <-timer.C:
		}
		pause = min(2*pause, longestPause)
	}
	return oauth.CannotTell("change an object", fmt.Errorf("it was changed by others %d times meanwhile", mostAttempts))
}
