package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Sessions reads and changes sessions. Safe for concurrent use.
type Sessions struct {
	Store     store.Sessions
	NewID     func() string       // sid
	NewSecret func() secret.Value // cookie values: 43 characters of base64url, as secret.New draws them
	Now       func() time.Time
	// Address tells a request's client address, without port. Default: who is connected; no header
	// is believed. A host behind trusted proxies knows better.
	Address func(*http.Request) string
}

// attempts bounds how often a change is tried again after somebody else was
// quicker.
const attempts = 20

// Read finds out who sent r. A cookie that stands for nothing is as good as
// none; an error means the store cannot be asked. Reading counts as use of the session.
func (s *Sessions) Read(r *http.Request, env *store.Environment) (*Browser, error) {
	b := s.browser(r)
	if b.token.IsZero() {
		return b, nil
	}
	now := s.Now()
	found, err := s.Store.SessionByToken(r.Context(), env.ID, b.token.Hash(), now)
	if errors.Is(err, store.ErrNotFound) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the session of a cookie: %w", err)
	}
	rec, err := open(found)
	if err != nil {
		return nil, err
	}
	if rec.over(env, now) {
		return b, nil
	}
	if rec, err = s.use(r.Context(), env, rec, now, true); err != nil {
		return b, nil // it has just ended
	}
	b.attach(rec)
	return b, nil
}

// use records that rec is used at now, unless that was recorded a moment ago. With prolong its
// end moves too. The one error is store.ErrNotFound: it has just ended. That the
// use could not be written, or that somebody else wrote meanwhile, harms nobody.
func (s *Sessions) use(ctx context.Context, env *store.Environment, rec *record, now time.Time, prolong bool) (*record, error) {
	next := *rec
	next.ActiveAt = now
	if prolong {
		next.ExpiresAt = expiry(env, rec.authTime(), now)
	}
	if now.Sub(rec.ActiveAt) < step(env) && next.ExpiresAt.Sub(rec.ExpiresAt) < step(env) {
		return rec, nil
	}
	switch err := s.Store.ReplaceSession(ctx, next.sealed()); {
	case err == nil:
		next.Version++
		return &next, nil
	case errors.Is(err, store.ErrNotFound):
		return nil, store.ErrNotFound
	}
	return rec, nil
}

// SignOn makes b signed on: a new session, or, where the same person proved
// themselves again, the old one with a new auth_time. The cookie changes either way. Another person's
// session in the same browser is ended (returned as replaced, for logout to tell its clients).
// After an error b is what it was.
func (s *Sessions) SignOn(ctx context.Context, env *store.Environment, b *Browser, on SignOn) (replaced *Session, err error) {
	now, value := s.Now(), s.NewSecret()
	if b.Session != nil && b.Session.Subject == on.Subject {
		rec, err := s.change(ctx, env, b.Session.ID, now, func(rec *record) bool {
			rec.sign(env, b, on, value, now)
			return true
		})
		if err == nil {
			b.become(rec, value)
			return nil, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("sign on again: %w", err)
		}
		// It ended a moment ago: what comes now is a session of its own.
	}
	rec := &record{Session: store.Session{
		Environment: env.ID, ID: s.NewID(), Subject: on.Subject, CreatedAt: now, Version: 1,
	}}
	if b.rec != nil {
		rec.Lineage = b.rec.Lineage
	}
	rec.sign(env, b, on, value, now)
	if err := s.Store.PutSession(ctx, rec.sealed()); err != nil {
		return nil, fmt.Errorf("sign on: %w", err)
	}
	if b.Session != nil && b.Session.Subject != on.Subject {
		replaced, err = s.End(ctx, env, b.Session.ID, nil)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			// Two people in one browser would be worse than none.
			_, _ = s.Store.EndSession(context.WithoutCancel(ctx), env.ID, rec.ID)
			return nil, fmt.Errorf("sign on in place of another person: %w", err)
		}
	}
	b.become(rec, value)
	return replaced, nil
}

// sign writes a sign-on into rec.
func (r *record) sign(env *store.Environment, b *Browser, on SignOn, value secret.Value, now time.Time) {
	r.remember(r.Token) // another tab's, perhaps
	r.remember(b.Binding())
	r.Token = value.Hash()
	r.AuthTime = now.Unix()
	r.ACR, r.AMR = on.ACR, slices.Clone(on.AMR)
	r.Address, r.UserAgent = b.Address, b.UserAgent
	r.ActiveAt = now
	r.ExpiresAt = expiry(env, r.authTime(), now)
}

// change applies edit to the session as it is now and stores it, again when
// somebody else was quicker. edit returns false where nothing is to change.
// store.ErrNotFound: there is none, or it has ended.
func (s *Sessions) change(ctx context.Context, env *store.Environment, id string, now time.Time, edit func(*record) bool) (*record, error) {
	for range attempts {
		rec, err := s.byID(ctx, env, id, now)
		if err != nil {
			return nil, err
		}
		if !edit(rec) {
			return rec, nil
		}
		switch err := s.Store.ReplaceSession(ctx, rec.sealed()); {
		case err == nil:
			rec.Version++
			return rec, nil
		case !errors.Is(err, store.ErrConflict):
			return nil, err
		}
	}
	return nil, store.ErrConflict
}

func (s *Sessions) byID(ctx context.Context, env *store.Environment, id string, now time.Time) (*record, error) {
	found, err := s.Store.SessionByID(ctx, env.ID, id, now)
	if err != nil {
		return nil, err
	}
	rec, err := open(found)
	if err != nil {
		return nil, err
	}
	if rec.over(env, now) {
		return nil, store.ErrNotFound
	}
	return rec, nil
}

// Join notes that a client took part in the session of b, at env's issuer. Without a session it
// is store.ErrNotFound.
func (s *Sessions) Join(ctx context.Context, env *store.Environment, b *Browser, client string) error {
	if b.Session == nil {
		return store.ErrNotFound
	}
	if known := (&data{Clients: b.Session.Clients, Issuers: b.Session.Issuers}); known.joined(env, client) {
		return nil
	}
	rec, err := s.change(ctx, env, b.Session.ID, s.Now(), func(rec *record) bool {
		if rec.joined(env, client) {
			return false
		}
		rec.join(env, client)
		return true
	})
	if err != nil {
		return fmt.Errorf("join a session: %w", err)
	}
	// The cookie is not the business of this change: another tab may have got a new one.
	b.Session = rec.session()
	return nil
}

// ByID finds a session by its sid, or store.ErrNotFound.
func (s *Sessions) ByID(ctx context.Context, env *store.Environment, id string) (*Session, error) {
	rec, err := s.byID(ctx, env, id, s.Now())
	if err != nil {
		return nil, err
	}
	return rec.session(), nil
}

// Touch counts a use without a browser (a refresh): ActiveAt moves, the end does not. A
// session that has ended is store.ErrNotFound.
func (s *Sessions) Touch(ctx context.Context, env *store.Environment, id string) error {
	now := s.Now()
	rec, err := s.byID(ctx, env, id, now)
	if err != nil {
		return err
	}
	_, err = s.use(ctx, env, rec, now, false)
	return err
}

// listed bounds List.
const listed = 1000

// List lists a person's sessions, newest first, at most 1000.
func (s *Sessions) List(ctx context.Context, env *store.Environment, subject string) ([]*Session, error) {
	now := s.Now()
	found, err := s.Store.ListSessions(ctx, env.ID, subject, listed, now)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list := make([]*Session, 0, len(found))
	for _, f := range found {
		rec, err := open(f)
		if err != nil {
			return nil, err
		}
		if !rec.over(env, now) {
			list = append(list, rec.session())
		}
	}
	return list, nil
}

// End ends a session: of concurrent calls one gets it, the others store.ErrNotFound. What
// hangs on it is logout's business. b, where given, forgets its cookie if it stood for this session.
func (s *Sessions) End(ctx context.Context, env *store.Environment, id string, b *Browser) (*Session, error) {
	found, err := s.Store.EndSession(ctx, env.ID, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("end a session: %w", err)
	}
	if b != nil && b.Session != nil && b.Session.ID == id {
		b.forget()
	}
	if err != nil {
		return nil, store.ErrNotFound
	}
	rec, err := open(found)
	if err != nil {
		return nil, err
	}
	return rec.session(), nil
}
