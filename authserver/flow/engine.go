package flow

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Engine runs flows. Safe for concurrent use.
type Engine struct {
	Flows     store.Flows
	Consents  store.Consents
	Directory store.Directory
	Users     *identity.Users
	Sessions  *session.Sessions
	Issuer    *authorize.Issuer
	Logout    *logout.Ender // tells the clients of a replaced session
	NewID     func() string
	Now       func() time.Time
	// SignedOn is told the outcome of each finished flow: "ok" or an OAuth error code. May be nil.
	SignedOn func(outcome string)
	// Burst is how many flows one address may begin at once; later ones come at
	// startRate. 0 means DefaultBurst. What needs nobody begins no flow.
	Burst int
	// NoLimit exempts addresses from that: those of a test environment. nil exempts none.
	NoLimit func(address string) bool

	once   sync.Once
	starts limit.Limiter // by client address
	steps  limit.Limiter // likewise
	turns  turns
}

const (
	// DefaultBurst and startRate, in flows a second, are enough for the people
	// behind one address of a large office. With the life of a flow they bound what
	// one address can have in the store to some 3000 flows, finished ones included.
	DefaultBurst = 1000
	startRate    = 2.0
	// stepsOfFlow is how many steps there may be for each flow that may be begun. Each
	// is written down twice, whatever comes of it.
	stepsOfFlow = 5
)

// Start begins a flow for a request. Where nothing is needed of the person it is
// Completed at once: nothing is stored then, and Answer must be called with this very Flow. Where
// something is and prompt=none forbids it, the error is login_required,
// interaction_required, consent_required or account_selection_required as *authorize.Failure. So is a
// fault of the store. The number of flows of one address is bounded: 429, which does not travel.
//
// The caller writes the browser's cookies.
func (e *Engine) Start(ctx context.Context, env *store.Environment, req *authorize.Request, client *store.Client, b *session.Browser) (*Flow, error) {
	return e.started(ctx, env, req, client, b, e.begin)
}

// Silent is Start for a place without pages: what needs the person begins no flow, though it counts as one. The
// Flow then says by its Status what is needed, and no more; it has no ID.
func (e *Engine) Silent(ctx context.Context, env *store.Environment, req *authorize.Request, client *store.Client, b *session.Browser) (*Flow, error) {
	return e.started(ctx, env, req, client, b, func(_ context.Context, s *step) (*Flow, error) {
		if err := e.limited(&e.starts, b.Address); err != nil {
			return nil, err
		}
		return &Flow{Status: s.state.Status, Request: req, Client: client}, nil
	})
}

// beginning is what becomes of a request that needs its person.
type beginning func(context.Context, *step) (*Flow, error)

func (e *Engine) started(ctx context.Context, env *store.Environment, req *authorize.Request, client *store.Client, b *session.Browser, begin beginning) (*Flow, error) {
	f, err := e.start(ctx, env, req, client, b, begin)
	if err == nil {
		return f, nil
	}
	if _, ok := errors.AsType[*authorize.Failure](err); ok || oauth.From(err).Status == http.StatusTooManyRequests {
		return nil, err
	}
	return nil, &authorize.Failure{Err: fault("begin flow", err), ReplyTo: &req.ReplyTo, Client: client}
}

func (e *Engine) start(ctx context.Context, env *store.Environment, req *authorize.Request, client *store.Client, b *session.Browser, begin beginning) (*Flow, error) {
	st := &state{Request: req, CreatedAt: e.Now().UTC()}
	st.remember(req.LoginHint)
	s := &step{Engine: e, env: env, browser: b, client: client, state: st}
	if err := s.next(ctx); err != nil {
		return nil, err
	}
	quiet := slices.Contains(req.Prompt, oauth.PromptNone)
	switch {
	case st.Status == Completed:
		e.finished(st)
		f, err := e.view(ctx, s, store.Flow{ID: e.NewID(), ExpiresAt: st.expires(e.Now())})
		if err == nil {
			f.silent = &silent{state: st}
		}
		return f, err
	case st.Status == Failed:
		e.finished(st)
		return nil, &authorize.Failure{Err: st.error(), ReplyTo: &req.ReplyTo, Client: client}
	case quiet:
		failure := silence(st.Status, req, client)
		e.tell(failure.Err.Code)
		return nil, failure
	}
	return begin(ctx, s)
}

// begin stores a new flow that waits for its person.
func (e *Engine) begin(ctx context.Context, s *step) (*Flow, error) {
	e.Sessions.Begin(s.browser)
	s.state.Binding = s.browser.Binding()
	data, err := s.state.encode()
	if err != nil {
		return nil, err
	}
	if len(data) > maxData {
		return nil, &authorize.Failure{
			Err:     oauth.InvalidRequest("The authorization request is too large"),
			ReplyTo: &s.state.Request.ReplyTo, Client: s.client,
		}
	}
	if err := e.limited(&e.starts, s.browser.Address); err != nil {
		return nil, err
	}
	record := store.Flow{Environment: s.env.ID, ID: e.NewID(), Version: 1, Data: data, ExpiresAt: s.state.expires(e.Now())}
	if err := e.Flows.PutFlow(ctx, record); err != nil {
		return nil, fault("begin flow", err)
	}
	return e.view(ctx, s, record)
}

// limited counts a flow that an address begins, or a step that it takes.
func (e *Engine) limited(l *limit.Limiter, address string) error {
	e.once.Do(func() {
		burst := cmp.Or(e.Burst, DefaultBurst)
		e.starts.Burst, e.starts.Rate, e.starts.Now = burst, startRate, e.Now
		e.steps.Burst, e.steps.Rate, e.steps.Now = stepsOfFlow*burst, stepsOfFlow*startRate, e.Now
	})
	if e.NoLimit != nil && e.NoLimit(address) {
		return nil
	}
	if ok, after := l.Allow(limit.Address(address)); !ok {
		return tooMany(after)
	}
	return nil
}

// Read finds a flow of this browser. Unknown, expired, or another browser's: 404 NOT_FOUND. Reading
// prolongs it, unless it is finished.
func (e *Engine) Read(ctx context.Context, env *store.Environment, id string, b *session.Browser) (*Flow, error) {
	s, record, err := e.load(ctx, env, id, b)
	if err != nil {
		return nil, err
	}
	now := e.Now()
	// A write for each look would be wasteful; whoever is taking a step prolongs it anyway.
	if end := s.state.expires(now); !s.state.Status.Terminal() && !now.Before(s.state.Busy) && end.Sub(record.ExpiresAt) > prolongAfter {
		longer := record
		longer.ExpiresAt = end
		switch err := e.Flows.ReplaceFlow(ctx, longer, now); {
		case err == nil:
			record.ExpiresAt = end
		case errors.Is(err, store.ErrConflict): // somebody else has just prolonged it
		case errors.Is(err, store.ErrNotFound):
			return nil, web.NotFound()
		default:
			return nil, fault("prolong flow", err)
		}
	}
	return e.view(ctx, s, record)
}

// prolongAfter is how much longer a flow must get for a look at it to be
// written down.
const prolongAfter = 30 * time.Second

// Act takes one step. An action that is not possible now is 400
// INVALID_REQUEST; what identity refuses comes back as it is, and the flow stays where it was. Of two
// steps at once one happens and the other is judged after it; of very many at once some are 503.
// The number of steps of one address is bounded: 429.
//
// The caller writes the browser's cookies.
func (e *Engine) Act(ctx context.Context, env *store.Environment, id string, b *session.Browser, do Action, in Input) (*Flow, error) {
	if err := e.limited(&e.steps, b.Address); err != nil {
		return nil, err
	}
	done, err := e.turns.take(ctx, env.ID+" "+id)
	if err != nil {
		return nil, err
	}
	defer done()
	s, record, err := e.claim(ctx, env, id, b)
	if err != nil {
		return nil, err
	}
	s.in = in
	row := e.find(env, s.state.Status, do)
	if row == nil {
		err = notPossible("The action is not possible in the state of the flow")
	} else if err = s.attempt(ctx, row); err == nil && b.Session != nil {
		// From now on the flow is the session's: whoever knows an older cookie, because
		// they planted it, does not follow.
		s.state.Binding = b.Binding()
	}
	if release := e.release(ctx, s, &record); release != nil && err == nil {
		err = release
	}
	if err != nil {
		return nil, err
	}
	if s.state.Status.Terminal() {
		e.finished(s.state)
	}
	return e.view(ctx, s, record)
}

// attempt takes a step on a copy of the state, and keeps of a failed one only
// the name that was typed.
func (s *step) attempt(ctx context.Context, row *row) error {
	before := *s.state
	err := row.take(s, ctx)
	if err != nil {
		before.Username = s.state.Username
		*s.state = before
	}
	return err
}

// finished tells the outcome of a flow that has just become terminal.
func (e *Engine) finished(st *state) {
	if st.Status == Failed {
		e.tell(st.Error.Code)
		return
	}
	e.tell("ok")
}

func (e *Engine) tell(outcome string) {
	if e.SignedOn != nil {
		e.SignedOn(outcome)
	}
}

// view makes the Flow of a state.
func (e *Engine) view(ctx context.Context, s *step, record store.Flow) (*Flow, error) {
	st := s.state
	f := &Flow{
		ID: record.ID, Status: st.Status, Actions: e.possible(s.env, st.Status), Request: st.Request, Client: s.client,
		Username: st.Username, Session: st.Session, Err: st.error(),
		Answered: st.Answered, CreatedAt: st.CreatedAt, ExpiresAt: record.ExpiresAt,
	}
	var err error
	if f.Consent, err = s.asked(ctx); err != nil {
		return nil, err
	}
	if f.Session == "" && st.Subject != "" && s.browser.Session != nil && s.browser.Session.Subject == st.Subject {
		f.Session = s.browser.Session.ID
	}
	if st.Subject == "" {
		return f, nil
	}
	user, err := e.Users.ByID(ctx, s.env, st.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound): // gone meanwhile; every step will say so
	case err != nil:
		return nil, fault("find the flow's person", err)
	default:
		f.User = user
		if st.Status == PasswordRequired {
			f.Username = user.Username
		}
	}
	return f, nil
}
