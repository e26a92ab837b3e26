package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
)

// server asks one authorization server for tokens. Calls are bounded in number and time, and go on when the request that started
// them is gone. Safe for concurrent use.
type server struct {
	kind        string
	config      Config
	endpoint    func(ctx context.Context) (string, error)
	client      *fetch.Client
	discovery   *fetch.KeySource // nil where the endpoint is given
	calls       *fetch.Calls
	credentials fetch.Credentials
	complained  seldom
}

// newServer expects a config with defaults. option names the endpoint in messages, as it is in the metadata of issuers.
func newServer(kind, option, endpoint string, c Config) (_ *server, err error) {
	if err := c.check(option, endpoint); err != nil {
		return nil, err
	}
	s := &server{kind: kind, config: c, credentials: c.credentials()}
	s.client, err = fetch.NewClient(fetch.Options{
		CA: c.CA, Timeout: c.Timeout, MaxBody: maxAnswer, MaxConns: fetch.MaxCalls, InsecureLoopbackHTTP: c.InsecureLoopbackHTTP,
	})
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	if endpoint != "" {
		_, err = s.client.CheckURL(endpoint)
		if err != nil {
			err = fmt.Errorf("%s: %w", option, err)
		}
		s.endpoint = func(context.Context) (string, error) { return endpoint, nil }
	} else {
		s.discovery, err = fetch.NewKeySource(fetch.KeySourceConfig{Client: s.client, Issuer: c.Issuer, Now: c.Now, Log: c.Log})
	}
	if err != nil {
		s.client.Close()
		return nil, err
	}
	if s.discovery != nil {
		s.endpoint = s.discovery.TokenEndpoint
		if kind == KindPhantom {
			s.endpoint = s.discovery.IntrospectionEndpoint
		}
	}
	if c.InsecureLoopbackHTTP {
		c.Log.Warn("insecure_loopback_http: tokens for the upstream may be asked for over plain http on this machine", "server", s.name())
	}
	s.calls = fetch.NewCalls(c.Timeout, c.Now)
	return s, nil
}

func (s *server) close() {
	s.calls.Close()
	if s.discovery != nil {
		s.discovery.Close()
	}
	s.client.Close()
}

func (s *server) name() string {
	if s.config.Issuer != "" {
		return s.config.Issuer
	}
	return s.config.TokenEndpoint + s.config.IntrospectionEndpoint
}

// obtained is what a server answered: a token, or why there is none.
type obtained struct {
	token   string
	life    time.Duration // how long the token is used
	end     time.Time     // until when the answer is
	refused *Error
}

// post sends a form to the endpoint in turn and has judge read the answer, whatever its status. accept is the media type of a good answer, ""
// for JSON. The error is a 503, whatever happened.
func (s *server) post(accept string, form url.Values, judge func(a answer) (obtained, fetch.Health, error)) (got obtained, failure *Error) {
	result := s.calls.Do(func(ctx context.Context) (health fetch.Health, err error) {
		start := time.Now() // a duration, not a time of day
		got, health, err = s.exchange(ctx, accept, form, judge)
		outcome := OutcomeOK
		switch {
		case err != nil:
			outcome = OutcomeError
		case got.refused != nil:
			outcome = OutcomeRefused
		}
		if s.config.Observer != nil {
			s.config.Observer.Obtained(s.kind, outcome, time.Since(start))
		}
		return health, err
	})
	switch {
	case result.Err == nil:
		return got, nil
	case result.Opened:
		s.config.Log.Warn("an authorization server is left alone for a while", "kind", s.kind, "server", s.name(), "error", result.Err)
	default:
		s.complain(result.Err)
	}
	return obtained{}, unavailable(seconds(result.Wait), result.Err)
}

// answer is what came back, and when it was asked for.
type answer struct {
	status int
	header http.Header
	body   []byte
	asked  time.Time
}

func (s *server) exchange(ctx context.Context, accept string, form url.Values, judge func(a answer) (obtained, fetch.Health, error)) (obtained, fetch.Health, error) {
	endpoint, err := s.endpoint(ctx)
	if err != nil {
		return obtained{}, fetch.Unknown(), err // discovery has its own pace
	}
	auth, err := s.credentials.Authenticate(form)
	if err != nil {
		return obtained{}, fetch.Unknown(), err
	}
	a := answer{asked: s.config.Now()}
	if accept == "" {
		a.status, a.header, a.body, err = s.client.PostForm(ctx, endpoint, form, auth)
	} else {
		a.status, a.header, a.body, err = s.client.PostFormAs(ctx, endpoint, accept, form, auth)
	}
	if err != nil {
		return obtained{}, fetch.FailedHealth(err), err
	}
	return judge(a)
}

// complain logs a failure that somebody has to mend, not each of many.
func (s *server) complain(err error) {
	if errors.Is(err, fetch.ErrDown) || errors.Is(err, fetch.ErrClosed) || errors.Is(err, context.Canceled) || !s.complained.now() {
		return
	}
	s.config.Log.Warn("a token for the upstream cannot be obtained", "kind", s.kind, "server", s.name(), "error", err)
}

// complainEvery is how often one source writes to the log that it cannot obtain tokens.
const complainEvery = 10 * time.Second

// seldom says now and then that something may be done. Safe for concurrent use.
type seldom struct{ last atomic.Int64 } // Unix nanoseconds

func (s *seldom) now() bool {
	now, last := time.Now().UnixNano(), s.last.Load()
	return now-last >= int64(complainEvery) && s.last.CompareAndSwap(last, now)
}

// seconds rounds up to whole seconds.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
