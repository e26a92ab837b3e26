package resourceserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	maxCalls  = 64   // concurrent calls of one issuer's endpoint
	maxQueued = 1024 // tokens that wait for one of those calls
)

// introspector asks one issuer about tokens (RFC 7662). Concurrent requests with
// the same token share one call; calls are bounded in number and time, and
// go on when the request that started them is gone. Safe for concurrent use.
type introspector struct {
	issuer   *issuer
	config   Introspection
	observer Observer
	log      *slog.Logger
	now      func() time.Time

	flights singleflight.Group // by token
	slots   chan struct{}
	queued  atomic.Int64
	breaker breaker

	ctx    context.Context // the lifetime of calls, ended by close
	cancel context.CancelFunc
	mu     sync.Mutex // orders close and calls that begin
	closed bool
	wg     sync.WaitGroup
}

func newIntrospector(is *issuer, c *Config) *introspector {
	in := &introspector{
		issuer: is, config: is.config.Introspection, observer: c.Observer, log: c.Log, now: c.Now,
		slots: make(chan struct{}, maxCalls),
	}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in
}

func (in *introspector) close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	in.cancel()
	in.wg.Wait()
}

// begin counts a call in; the caller ends it with wg.Done.
func (in *introspector) begin() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.closed {
		in.wg.Add(1)
	}
	return !in.closed
}

// verdict is what one call found out.
type verdict struct {
	entry   *entry
	outcome outcome
}

// introspect asks the issuer about a token, or joins a request that does. jwt is the entry of a
// token whose signature was verified, else nil. known is an earlier result, which serves while
// the issuer cannot be asked, within its bound. Results are remembered.
func (v *Verifier) introspect(ctx context.Context, is *issuer, raw string, jwt, known *entry, now time.Time) (*entry, outcome) {
	in := is.introspection
	var found verdict
	select {
	case r := <-in.flights.DoChan(raw, func() (any, error) { return v.ask(is, raw, jwt, now), nil }):
		found = r.Val.(verdict)
	case <-ctx.Done():
		found.outcome = outcome{why: IntrospectionUnavailable, issuer: is.index, cause: ctx.Err()}
	}
	if found.outcome.why == IntrospectionUnavailable && known.servesStale(now.UnixNano()) {
		return known, outcome{issuer: is.index}
	}
	return found.entry, found.outcome
}

// ask makes one call and remembers what it found out.
func (v *Verifier) ask(is *issuer, raw string, jwt *entry, now time.Time) verdict {
	in := is.introspection
	a, wait, err := in.call(raw)
	if err != nil {
		return verdict{outcome: outcome{
			why: IntrospectionUnavailable, issuer: is.index, retryAfter: seconds(wait), cause: err,
		}}
	}
	e, why := in.judge(a, jwt, now)
	o := outcome{why: why, issuer: is.index}
	if why == Allowed {
		v.remember(raw, e, now)
	} else {
		v.rememberRefusal(raw, o, now)
	}
	return verdict{entry: e, outcome: o}
}

// judge turns an answer into a result as of asked, the time before the call.
func (in *introspector) judge(a answer, jwt *entry, asked time.Time) (*entry, Reason) {
	if !a.active {
		return nil, Inactive
	}
	if why := in.issuer.checkAnswer(a.claims, jwt != nil, in.now()); why != Allowed {
		return nil, why
	}
	ttl := in.config.TTL
	e := jwt
	if in.issuer.config.Mode == ModeBoth {
		ttl = in.issuer.config.RecheckEvery
	}
	if e == nil {
		e = newEntry(Token{Claims: a.claims, issuer: in.issuer}, asked)
		e.opaque = true
	} else {
		if exp := a.claims.Expiry; !exp.IsZero() {
			e.end = min(e.end, nanos(exp.Add(in.issuer.config.ClockSkew)))
		}
	}
	e.believeFor(ttl, in.config.StaleOnError)
	return e, Allowed
}

var (
	errBusy   = errors.New("too many introspection calls are waiting")
	errClosed = errors.New("the verifier is closed")
	errDown   = errors.New("the introspection endpoint failed a moment ago")
)

// call asks the endpoint, in turn. An error says nothing about the token; wait,
// where positive, is when to come back.
func (in *introspector) call(raw string) (a answer, wait time.Duration, err error) {
	if !in.begin() {
		return answer{}, 0, errClosed
	}
	defer in.wg.Done()
	ctx, cancel := context.WithTimeout(in.ctx, 2*in.issuer.config.Timeout)
	defer cancel()
	if err := in.enter(ctx); err != nil {
		return answer{}, 0, err
	}
	defer func() { <-in.slots }()
	if wait, ok := in.breaker.allow(in.now()); !ok {
		return answer{}, wait, errDown
	}
	start := time.Now() // a duration, not a time of day
	a, wait, err = in.exchange(ctx, raw)
	if in.observer != nil {
		result := "inactive"
		switch {
		case err != nil:
			result = "error"
		case a.active:
			result = "active"
		}
		in.observer.Introspected(in.issuer.index, result, time.Since(start))
	}
	return a, wait, err
}

// enter takes one of the call slots, waiting for it within ctx.
func (in *introspector) enter(ctx context.Context) error {
	select {
	case in.slots <- struct{}{}:
		return nil
	default:
	}
	defer in.queued.Add(-1)
	if in.queued.Add(1) > maxQueued {
		return errBusy
	}
	select {
	case in.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errBusy, ctx.Err())
	}
}

// exchange is one HTTP exchange; it tells the breaker what it means for others.
func (in *introspector) exchange(ctx context.Context, raw string) (a answer, wait time.Duration, err error) {
	endpoint := in.config.Endpoint
	if endpoint == "" {
		if endpoint, err = in.issuer.discovery.IntrospectionEndpoint(ctx); err != nil {
			in.breaker.abstain() // its source has its own pace
			return answer{}, 0, err
		}
	}
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
	auth, err := in.authenticate(form)
	if err != nil {
		in.breaker.abstain()
		return answer{}, 0, err
	}
	status, header, body, err := in.issuer.client.PostForm(ctx, endpoint, form, auth)
	if err != nil {
		// What failed before an answer came is not the token's doing.
		if _, transport := errors.AsType[*url.Error](err); transport || errors.Is(err, context.DeadlineExceeded) {
			in.fail(err, 0)
		} else {
			in.breaker.abstain()
		}
		return answer{}, 0, err
	}
	if status != http.StatusOK {
		err := fmt.Errorf("the introspection endpoint answered with status %d", status)
		switch status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadGateway, http.StatusGatewayTimeout:
			in.fail(err, 0)
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			wait = pause(header, in.now())
			in.fail(err, wait)
		default: // 400 and 500 may be an answer to this one token
			in.breaker.abstain()
		}
		return answer{}, wait, err
	}
	if a, err = parseAnswer(body); err != nil {
		in.breaker.abstain()
		return answer{}, 0, fmt.Errorf("introspection answer: %w", err)
	}
	in.breaker.succeed()
	return a, 0, nil
}

func (in *introspector) fail(err error, pause time.Duration) {
	if in.breaker.fail(in.now(), pause) {
		in.log.Warn("an introspection endpoint is left alone for a while", "issuer", in.issuer.config.Issuer, "error", err)
	}
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

// seconds rounds up to whole seconds.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
