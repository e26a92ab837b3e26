package upstream

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// retryEvery is how often a token that is still good is tried to be replaced, at most.
const retryEvery = time.Second

// ownToken is a Source that has one token, the gate's. Where that is near its end the next one is asked for while it still serves.
type ownToken struct {
	server  *server
	now     func() time.Time
	held    atomic.Pointer[held]
	tried   atomic.Int64 // Unix nanoseconds of the last attempt to replace a good token
	flights singleflight.Group
}

// held is a token and its times. It is never changed.
type held struct {
	token   string
	asked   time.Time
	refresh time.Time // from here on the next one is asked for
	end     time.Time
}

// usable reports whether the token is good at now: by the monotonic clock, where there is one, and by the other, so that a machine
// that slept notices. A clock that was set back lengthens no life.
func (h *held) usable(now time.Time) bool {
	return h != nil && now.Before(h.end) && now.Round(0).Before(h.end.Round(0)) && !now.Round(0).Before(h.asked.Round(0).Add(-time.Minute))
}

// NewClientCredentials obtains the gate's own token, whoever asks (RFC 6749 §4.4). It contacts nobody yet.
func NewClientCredentials(c Config) (Source, error) {
	c = c.withDefaults()
	s, err := newServer(KindClientCredentials, "token_endpoint", c.TokenEndpoint, c)
	if err != nil {
		return nil, err
	}
	return &ownToken{server: s, now: c.Now}, nil
}

// Token implements Source.
func (o *ownToken) Token(ctx context.Context, _ string, _ *resourceserver.Token) (string, error) {
	now := o.now()
	h := o.held.Load()
	if h.usable(now) {
		if !now.Before(h.refresh) && o.mayTry(now) {
			o.flights.DoChan("", o.replace) // nobody waits for it
		}
		return h.token, nil
	}
	select {
	case r := <-o.flights.DoChan("", o.replace):
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", unavailable(0, ctx.Err())
	}
}

// mayTry lets one of those who find the token near its end have it replaced, now and then.
func (o *ownToken) mayTry(now time.Time) bool {
	last := o.tried.Load()
	n := now.UnixNano()
	return (n-last >= int64(retryEvery) || n < last) && o.tried.CompareAndSwap(last, n)
}

// replace asks for the next token.
func (o *ownToken) replace() (any, error) {
	if h, now := o.held.Load(), o.now(); h.usable(now) && now.Before(h.refresh) {
		return h.token, nil // of a flight that ended just before
	}
	form := url.Values{"grant_type": {oauth.GrantClientCredentials}}
	o.server.config.target(form)
	got, failure := o.server.post("", form, o.server.judgeClientCredentials)
	if failure != nil {
		return nil, failure
	}
	asked := got.end.Add(-got.life)
	o.held.Store(&held{token: got.token, asked: asked, refresh: asked.Add(got.life * 4 / 5), end: got.end})
	return got.token, nil
}

// judgeClientCredentials reads the answer. Whatever is wrong with it is wrong for everybody.
func (s *server) judgeClientCredentials(a answer) (obtained, fetch.Health, error) {
	if !succeeded(a) {
		health, err := s.failed(a)
		return obtained{}, health.OrDown(), err
	}
	got, err := parseToken(a, false)
	if err != nil {
		return obtained{}, fetch.Down(0), fmt.Errorf("answer to client credentials: %w", err)
	}
	return got, fetch.Up(), nil
}

// Close implements Source.
func (o *ownToken) Close() { o.server.close() }
