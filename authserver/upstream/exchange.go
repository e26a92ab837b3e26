package upstream

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/cache"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// refusedFor is how long it is remembered that a client's token will not do, so that a client that goes on trying does not have the
// authorization server asked each time.
const refusedFor = 10 * time.Second

// perToken is a Source that obtains a token for each of the clients' ones, remembers it, and has requests with one token wait for one
// answer.
type perToken struct {
	now     func() time.Time
	timeout time.Duration          // of one exchange
	tokens  *cache.Cache[obtained] // by the client's token, in full
	flights singleflight.Group     // the same
	ask     func(ctx context.Context, raw string, t *resourceserver.Token) (obtained, *Error)
	done    func()
}

func newPerToken(c *Config) *perToken {
	return &perToken{now: c.Now, timeout: c.Timeout, tokens: cache.New[obtained](cache.Config{MaxBytes: c.CacheBytes}), done: func() {}}
}

// Token implements Source.
func (p *perToken) Token(ctx context.Context, raw string, t *resourceserver.Token) (string, error) {
	if t == nil {
		return "", nil
	}
	if known, ok := p.tokens.Get(raw, p.now()); ok {
		return known.result()
	}
	select {
	case r := <-p.flights.DoChan(raw, func() (any, error) { return p.flight(ctx, raw, t), nil }):
		return r.Val.(obtained).result()
	case <-ctx.Done():
		return "", unavailable(0, ctx.Err())
	}
}

// flight asks and remembers. It goes on when the request that started it is gone, since others may wait for it.
func (p *perToken) flight(ctx context.Context, raw string, t *resourceserver.Token) obtained {
	if known, ok := p.tokens.Get(raw, p.now()); ok { // of a flight that ended between the look and this one
		return known
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*p.timeout)
	defer cancel()
	got, failure := p.ask(ctx, raw, t)
	if failure != nil {
		return obtained{refused: failure} // for those who wait, and not remembered
	}
	now := p.now()
	if got.refused != nil {
		got.end = now.Add(refusedFor)
	}
	// Never past the client's token, though that is verified each time anyway.
	if end := t.Expiry(); !end.IsZero() && end.Before(got.end) {
		got.end = end
	}
	p.tokens.Put(raw, got, len(got.token)+64, now, got.end)
	return got
}

func (o obtained) result() (string, error) {
	if o.refused != nil {
		return "", o.refused
	}
	return o.token, nil
}

// Close implements Source.
func (p *perToken) Close() {
	p.done()
	p.tokens.Close()
}

// NewExchange obtains tokens by exchanging the client's (RFC 8693). It contacts nobody yet.
func NewExchange(c Config) (Source, error) {
	c = c.withDefaults()
	s, err := newServer(KindExchange, "token_endpoint", c.TokenEndpoint, c)
	if err != nil {
		return nil, err
	}
	p := newPerToken(&c)
	p.done = s.close
	p.ask = func(_ context.Context, raw string, _ *resourceserver.Token) (obtained, *Error) {
		form := url.Values{
			"grant_type":           {oauth.GrantTokenExchange},
			"subject_token":        {raw},
			"subject_token_type":   {oauth.TokenTypeAccessToken},
			"requested_token_type": {oauth.TokenTypeAccessToken},
		}
		c.target(form)
		return s.post("", form, s.judgeExchange)
	}
	return p, nil
}

// target adds what the token is for (RFC 8693 §2.1, RFC 8707 §2).
func (c *Config) target(form url.Values) {
	for name, values := range map[string][]string{"audience": c.Audience, "resource": c.Resource} {
		if len(values) > 0 {
			form[name] = values
		}
	}
	if len(c.Scope) > 0 {
		form.Set("scope", strings.Join(c.Scope, " "))
	}
}

// judgeExchange reads the answer to an exchange. An error answer speaks about the client's token where it is one of those that
// RFC 8693 §2.2.2 has for that: invalid_request (invalid_grant at servers that treat it like other grants) for a token that is not good,
// invalid_target for one that is not enough. All others are the gate's own affair.
func (s *server) judgeExchange(a answer) (obtained, fetch.Health, error) {
	if succeeded(a) {
		got, err := parseToken(a, true)
		if err != nil {
			return obtained{}, fetch.Unknown(), fmt.Errorf("answer to an exchange: %w", err)
		}
		return got, fetch.Up(), nil
	}
	health, err := s.failed(a)
	if a.status == http.StatusBadRequest || a.status == http.StatusForbidden {
		switch errorCode(a) {
		case oauth.CodeInvalidRequest, oauth.CodeInvalidGrant:
			return obtained{refused: notAccepted(err)}, fetch.Up(), nil
		case oauth.CodeInvalidTarget, oauth.CodeInvalidScope, oauth.CodeAccessDenied:
			return obtained{refused: notPermitted(err)}, fetch.Up(), nil
		}
	}
	return obtained{}, health, err
}
