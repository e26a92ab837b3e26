package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxCalls is how many calls of one endpoint are under way at once.
	MaxCalls  = 64
	maxQueued = 1024 // calls that wait for one of those to end
)

// Why a call was not made. Nothing was asked of the endpoint then.
var (
	ErrBusy   = errors.New("too many calls are waiting")
	ErrClosed = errors.New("closed")
	ErrDown   = errors.New("the endpoint failed a moment ago")
)

// Calls bounds the calls to one endpoint: in number, in time, and while it is down. A call goes on when the request that started
// it is gone, since others may wait for it. Safe for concurrent use.
type Calls struct {
	timeout time.Duration
	now     func() time.Time
	slots   chan struct{}
	queued  atomic.Int64
	breaker breaker

	ctx    context.Context // the lifetime of calls, ended by Close
	cancel context.CancelFunc
	mu     sync.Mutex // orders Close and calls that begin
	closed bool
	wg     sync.WaitGroup
}

// NewCalls makes one for exchanges of at most timeout each.
func NewCalls(timeout time.Duration, now func() time.Time) *Calls {
	c := &Calls{timeout: timeout, now: now, slots: make(chan struct{}, MaxCalls)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Close ends the calls that are under way and waits for them; none begins after it.
func (c *Calls) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
}

// Health is what a call says about the endpoint as such.
type Health struct {
	state health
	pause time.Duration
}

type health uint8

const (
	unknown health = iota
	up
	down
)

// Up says that the endpoint did what it is for.
func Up() Health { return Health{state: up} }

// Unknown says that what happened may be the doing of what was asked about, which must not cut off everybody else.
func Unknown() Health { return Health{} }

// Down says that the endpoint failed whatever it was asked; pause, where positive, is how long it wants to be left alone.
func Down(pause time.Duration) Health { return Health{state: down, pause: pause} }

// OrDown is h, or Down where h knows nothing: for endpoints that are asked one thing only.
func (h Health) OrDown() Health {
	if h.state == unknown {
		return Down(0)
	}
	return h
}

// Result is what became of a call.
type Result struct {
	// Err is nil where the call was made and succeeded: ErrBusy, ErrClosed and ErrDown where it was not made.
	Err error
	// Wait, where positive, is when to come back.
	Wait time.Duration
	// Opened: with this call the endpoint is left alone for a while, which is worth a line in the log.
	Opened bool
}

// Do makes one call, in turn. ctx, which call gets, ends with Close, and after a wait and an exchange of the longest kind.
func (c *Calls) Do(call func(ctx context.Context) (Health, error)) Result {
	if !c.begin() {
		return Result{Err: ErrClosed}
	}
	defer c.wg.Done()
	ctx, cancel := context.WithTimeout(c.ctx, 2*c.timeout)
	defer cancel()
	if err := c.enter(ctx); err != nil {
		return Result{Err: err}
	}
	defer func() { <-c.slots }()
	if wait, ok := c.breaker.allow(c.now()); !ok {
		return Result{Err: ErrDown, Wait: wait}
	}
	judged := false
	defer func() {
		if !judged { // call panicked: the next one may try
			c.breaker.abstain()
		}
	}()
	h, err := call(ctx)
	judged = true
	switch h.state {
	case up:
		c.breaker.succeed()
	case down:
		return Result{Err: err, Wait: h.pause, Opened: c.breaker.fail(c.now(), h.pause)}
	default:
		c.breaker.abstain()
	}
	return Result{Err: err, Wait: h.pause}
}

// begin counts a call in; the caller ends it with wg.Done.
func (c *Calls) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.wg.Add(1)
	}
	return !c.closed
}

// enter takes one of the call slots, waiting for it within ctx.
func (c *Calls) enter(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
		return nil
	default:
	}
	defer c.queued.Add(-1)
	if c.queued.Add(1) > maxQueued {
		return ErrBusy
	}
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
}

// FailedHealth says what an error of Client means for others: what failed before an answer came is nobody's doing but the endpoint's.
func FailedHealth(err error) Health {
	if _, transport := errors.AsType[*url.Error](err); transport || errors.Is(err, context.DeadlineExceeded) {
		return Down(0)
	}
	return Unknown()
}

// StatusHealth says the same of an answer that is no success. 400 and 500 may be an answer to what was asked about.
func StatusHealth(status int, h http.Header, now time.Time) Health {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadGateway, http.StatusGatewayTimeout:
		return Down(0)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return Down(pause(h, now))
	}
	return Unknown()
}

// pause reads Retry-After (RFC 9110 §10.2.3), bounded to 1 to 30 seconds. 0 when it is absent.
func pause(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	var d time.Duration
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	} else {
		return 0
	}
	return min(max(d, time.Second), longBreak)
}
