package resourceserver

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
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

	credentials fetch.Credentials
	calls       *fetch.Calls
	flights     singleflight.Group // by token
}

func newIntrospector(is *issuer, c *Config) *introspector {
	return &introspector{
		issuer: is, config: is.config.Introspection, observer: c.Observer, log: c.Log, now: c.Now,
		credentials: is.config.Introspection.credentials(is.config.Issuer, c.Now),
		calls:       fetch.NewCalls(is.config.Timeout, c.Now),
	}
}

func (in *introspector) close() { in.calls.Close() }

// verdict is what one call found out.
type verdict struct {
	entry   *entry
	outcome outcome
}

// introspect asks the issuer about a token, or joins a request that does. jwt is the entry of a
// token whose signature was verified, else nil. says is to what a JWT itself says that it is bound. known is an earlier result, which serves while
// the issuer cannot be asked, within its bound. Results are remembered.
func (v *Verifier) introspect(ctx context.Context, is *issuer, raw string, jwt *entry, says Confirmation, known *entry, now time.Time) (*entry, outcome) {
	in := is.introspection
	var found verdict
	select {
	case r := <-in.flights.DoChan(raw, func() (any, error) { return v.ask(is, raw, jwt, says, now), nil }):
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
func (v *Verifier) ask(is *issuer, raw string, jwt *entry, says Confirmation, now time.Time) verdict {
	in := is.introspection
	a, wait, err := in.call(raw)
	if err != nil {
		return verdict{outcome: outcome{
			why: IntrospectionUnavailable, issuer: is.index, retryAfter: seconds(wait), cause: err,
		}}
	}
	e, why := in.judge(a, jwt, says, now)
	o := outcome{why: why, issuer: is.index}
	if why == Allowed {
		v.remember(raw, e, now)
	} else {
		v.rememberRefusal(raw, o, now)
	}
	return verdict{entry: e, outcome: o}
}

// judge turns an answer into a result as of asked, the time before the call.
func (in *introspector) judge(a answer, jwt *entry, says Confirmation, asked time.Time) (*entry, Reason) {
	if !a.active {
		return nil, Inactive
	}
	bound, why := in.issuer.checkAnswer(a.claims, jwt, says, in.now())
	if why != Allowed {
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
	e.token.bound = bound
	e.believeFor(ttl, in.config.StaleOnError)
	return e, Allowed
}

// call asks the endpoint, in turn. An error says nothing about the token; wait,
// where positive, is when to come back.
func (in *introspector) call(raw string) (a answer, wait time.Duration, err error) {
	result := in.calls.Do(func(ctx context.Context) (health fetch.Health, err error) {
		start := time.Now() // a duration, not a time of day
		a, health, err = in.exchange(ctx, raw)
		if in.observer != nil {
			outcome := "inactive"
			switch {
			case err != nil:
				outcome = "error"
			case a.active:
				outcome = "active"
			}
			in.observer.Introspected(in.issuer.index, outcome, time.Since(start))
		}
		return health, err
	})
	if result.Opened {
		in.log.Warn("an introspection endpoint is left alone for a while", "issuer", in.issuer.config.Issuer, "error", result.Err)
	}
	return a, result.Wait, result.Err
}

// exchange is one HTTP exchange, and what it means for others.
func (in *introspector) exchange(ctx context.Context, raw string) (a answer, h fetch.Health, err error) {
	endpoint := in.config.Endpoint
	if endpoint == "" {
		if endpoint, err = in.issuer.discovery.IntrospectionEndpoint(ctx); err != nil {
			return answer{}, fetch.Unknown(), err // its source has its own pace
		}
	}
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
	auth, err := in.credentials.Authenticate(form)
	if err != nil {
		return answer{}, fetch.Unknown(), err
	}
	status, header, body, err := in.post(ctx, endpoint, form, auth)
	if err != nil {
		return answer{}, fetch.FailedHealth(err), err
	}
	if status != http.StatusOK {
		return answer{}, fetch.StatusHealth(status, header, in.now()), fmt.Errorf("the introspection endpoint answered with status %d", status)
	}
	if in.config.Signed {
		a, err = in.issuer.parseSignedAnswer(ctx, body, in.now())
	} else {
		a, err = parseAnswer(body)
	}
	if err != nil {
		return answer{}, fetch.Unknown(), fmt.Errorf("introspection answer: %w", err)
	}
	return a, fetch.Up(), nil
}

// post asks for the kind of answer that is wanted, and takes no other.
func (in *introspector) post(ctx context.Context, endpoint string, form url.Values, auth func(*http.Request)) (int, http.Header, []byte, error) {
	if in.config.Signed {
		return in.issuer.client.PostFormAs(ctx, endpoint, "application/"+signedAnswerType, form, auth)
	}
	return in.issuer.client.PostForm(ctx, endpoint, form, auth)
}

// seconds rounds up to whole seconds.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
