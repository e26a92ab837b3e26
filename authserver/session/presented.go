package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Presented is Read for a secret that did not come in the cookie ST: whoever asks
// has taken it from elsewhere in r, which gives no more than the client's address. One that
// stands for nothing gives a Browser without a session, which begins another one at SignOn. It does not count
// as use, and no cookie of r counts: neither do WriteCookies and Binding make sense of the result.
func (s *Sessions) Presented(r *http.Request, env *store.Environment, value secret.Value) (*Browser, error) {
	b := s.browser(r)
	b.token, b.presentedST, b.state, b.presentedState = secret.Value{}, false, "", false
	if !wellFormed(value.Reveal()) {
		return b, nil
	}
	now := s.Now()
	found, err := s.Store.SessionByToken(r.Context(), env.ID, value.Hash(), now)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return b, nil
	case err != nil:
		return nil, fmt.Errorf("find the session of a secret: %w", err)
	}
	rec, err := open(found)
	if err != nil {
		return nil, err
	}
	if !rec.over(env, now) {
		b.token = value
		b.attach(rec)
	}
	return b, nil
}

// Token is the secret that stands for b's session: after SignOn a new one. It is zero where there is none.
func (b *Browser) Token() secret.Value {
	if b.Session == nil {
		return secret.Value{}
	}
	return b.token
}

// Prolong counts a use as Read does: ActiveAt and the end move. It returns the session
// as it is then; one that has ended is store.ErrNotFound.
func (s *Sessions) Prolong(ctx context.Context, env *store.Environment, id string) (*Session, error) {
	now := s.Now()
	rec, err := s.byID(ctx, env, id, now)
	if err != nil {
		return nil, err
	}
	if rec, err = s.use(ctx, env, rec, now, true); err != nil {
		return nil, err
	}
	return rec.session(), nil
}

// Ends says when a session ends: if it is not used before, and however much it is used.
func Ends(env *store.Environment, s *Session) (unused, latest time.Time) {
	latest = end(env, s.AuthTime)
	if s.ExpiresAt.Before(latest) {
		return s.ExpiresAt, latest
	}
	return latest, latest
}

// Bounds are how long a session of an environment may be unused, and how long it may last.
func Bounds(env *store.Environment) (unused, lifetime time.Duration) {
	return idle(env), end(env, time.Time{}).Sub(time.Time{})
}
