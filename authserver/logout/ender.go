package logout

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/outbox"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

const (
	// endTimeout bounds the ending of one session. It goes on when the browser
	// that asked for it goes away, so that nothing is left half ended.
	endTimeout = 10 * time.Second
)

// Ender ends sessions. Safe for concurrent use. Every field is required.
type Ender struct {
	Directory store.Directory
	Sessions  *session.Sessions
	Store     interface {
		store.Revocations
		store.RefreshTokens
		store.Deliveries
	}
	Set      *token.Revocations
	Keys     *keys.Rings
	Outbound *fetch.Client
	NewID    func() string
	Now      func() time.Time
	Log      *slog.Logger
	// Revoked is told the kind of each revocation; Delivered "ok", "retry" or "given_up".
	Revoked   func(kind string)
	Delivered func(outcome string)

	once   sync.Once
	outbox *outbox.Outbox // see queued
}

// End ends the session with this sid: its access tokens are revoked, its
// refresh-token families ended, back-channel logout queued and tried at once. It returns the front-channel
// addresses to load, iss and sid added where the client wants them. Ended already is no error, and has no
// addresses: of any number of concurrent calls one tells the clients. b, where given, forgets its cookie.
//
// An error is temporarily_unavailable; then the session may still be there, and
// the same call can be made again.
func (e *Ender) End(ctx context.Context, env *store.Environment, sid string, b *session.Browser) (frontchannel []string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()

	// The session goes last. If this process dies or the store fails before, the
	// session is still there to be ended; the other way round its tokens would
	// live on with nothing left that names them.
	s, err := e.Sessions.ByID(ctx, env, sid)
	if errors.Is(err, store.ErrNotFound) {
		// Idle or ended: whatever still hangs on the sid goes all the same.
		if b != nil {
			if _, err := e.Sessions.End(ctx, env, sid, b); err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, oauth.CannotTell("end session", err)
			}
		}
		return nil, e.kill(ctx, env, store.RevokedSession, sid, store.RevocationTTL)
	}
	if err != nil {
		return nil, oauth.CannotTell("read session", err)
	}
	if err := e.kill(ctx, env, store.RevokedSession, sid, 0); err != nil {
		return nil, err
	}
	queued, err := e.queue(ctx, env, s, nil)
	if err != nil {
		return nil, err
	}
	ended, err := e.Sessions.End(ctx, env, sid, b)
	switch {
	case errors.Is(err, store.ErrNotFound):
		e.forget(ctx, queued) // another call tells the clients
		return nil, nil
	case err != nil:
		return nil, oauth.CannotTell("end session", err)
	}
	// Again, for what was made since, while the session still was there, and for what
	// requests under way still make: the sid does not come back.
	if err := e.kill(ctx, env, store.RevokedSession, sid, store.RevocationTTL); err != nil {
		return nil, err
	}
	// Who joined meanwhile is told too.
	if queued, err = e.queue(ctx, env, ended, queued); err != nil {
		return nil, err
	}
	e.queued().HandOver(queued)
	e.Revoked(string(store.RevokedSession))
	return e.frontchannel(ctx, env, ended)
}

// EndReplaced does the same for a session that session.SignOn has already ended.
func (e *Ender) EndReplaced(ctx context.Context, env *store.Environment, s *session.Session) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := e.kill(ctx, env, store.RevokedSession, s.ID, store.RevocationTTL); err != nil {
		return err
	}
	queued, err := e.queue(ctx, env, s, nil)
	if err != nil {
		return err
	}
	e.queued().HandOver(queued)
	e.Revoked(string(store.RevokedSession))
	return nil
}

// EndPerson ends everything that a person holds: their sessions, of which the
// clients are told, their refresh-token families, and the access tokens that were
// issued until now. It is for somebody who is disabled.
func (e *Ender) EndPerson(ctx context.Context, env *store.Environment, subject string) error {
	// The tokens first: they are what works without anybody asking about the person.
	if err := e.kill(ctx, env, store.RevokedSubject, subject, 0); err != nil {
		return err
	}
	for {
		sessions, err := e.Sessions.List(ctx, env, subject)
		if err != nil {
			return oauth.CannotTell("list sessions", err)
		}
		if len(sessions) == 0 {
			e.Revoked(string(store.RevokedSubject))
			return nil
		}
		for _, s := range sessions { // at most as many as are listed at a time
			if _, err := e.End(ctx, env, s.ID, nil); err != nil {
				return err
			}
		}
	}
}

// EndClient ends everything that a client holds: its access tokens and its
// refresh-token families, of every person. It is for a client that goes (RFC 7592 §2.3).
func (e *Ender) EndClient(ctx context.Context, env *store.Environment, client string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := e.kill(ctx, env, store.RevokedClient, client, 0); err != nil {
		return err
	}
	e.Revoked(string(store.RevokedClient))
	return nil
}

// kill revokes the access tokens, those included that are issued within ahead, and ends the
// refresh-token families of a session, a client or a person. When it returns nil that is durable, and every
// check in this process sees it.
func (e *Ender) kill(ctx context.Context, env *store.Environment, kind store.RevocationKind, value string, ahead time.Duration) error {
	now := e.Now().UTC().Truncate(time.Second)
	r := store.Revocation{Environment: env.ID, Kind: kind, Value: value, At: now.Add(ahead), ExpiresAt: now.Add(store.RevocationTTL)}
	if err := e.Store.PutRevocation(ctx, r); err != nil {
		return oauth.CannotTell("store revocation", err)
	}
	e.Set.Add(r) // the store has told the set already; this makes sure of it
	f := store.FamilyFilter{Environment: env.ID}
	switch kind {
	case store.RevokedClient:
		f.Client = value
	case store.RevokedSubject:
		f.Subject = value
	default:
		f.Session = value
	}
	if _, err := e.Store.EndFamilies(ctx, f); err != nil {
		return oauth.CannotTell("end refresh tokens", err)
	}
	return nil
}
