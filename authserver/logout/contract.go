// Package logout ends sessions and everything that hangs on them, and tells the
// clients: by back-channel logout tokens, queued and retried, and by the list of
// addresses that a page loads for front-channel logout.
//
// OIDC RP-Initiated Logout, Back-Channel Logout, Front-Channel Logout. Start reading at Ender.End.
package logout

import (
	"context"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Ender ends sessions. Safe for concurrent use.
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
}

// End ends the session with this sid: its access tokens are revoked, its
// refresh-token families ended, back-channel logout queued and tried at once. It returns the front-channel
// addresses to load, iss and sid added where the client wants them. Ended already is no error.
func (e *Ender) End(ctx context.Context, env *store.Environment, sid string, b *session.Browser) (frontchannel []string, err error) {
	panic("contract")
}

// EndReplaced does the same for a session that session.SignOn has already ended.
func (e *Ender) EndReplaced(ctx context.Context, env *store.Environment, s *session.Session) error {
	panic("contract")
}

// Run delivers what is queued, until ctx ends: due ones in a loop, with growing
// pauses after failures (1 s to 5 min), given up after an hour.
func (e *Ender) Run(ctx context.Context) { panic("contract") }
