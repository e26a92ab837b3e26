package authserver

import (
	"context"
	"log/slog"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
	"github.com/caddy-gatehouse/gatehouse/authserver/ui"
)

// parts are the rules of one configuration, put together from the bottom up.
// Each is made once and used by every endpoint that needs it.
type parts struct {
	declared  store.Directory // as configured
	directory store.Directory // what is stored too
	log       *slog.Logger
	clients   *clientauth.Authenticator
	registrar *registration.Registrar

	scopes    *token.Scopes
	minter    *token.Minter
	idTokens  *token.IDTokens
	codes     *token.Codes
	refresher *token.Refresher
	verifier  *token.Verifier
	revoker   *token.Revoker

	users    *identity.Users
	sessions *session.Sessions
	ender    *logout.Ender
	reader   *authorize.Reader
	issuer   *authorize.Issuer
	flows    *flow.Engine
	pages    *ui.Pages
}

// assemble puts c together. Nothing is contacted.
func assemble(c *Config) (*parts, error) {
	s := c.State
	now, st, observer := s.config.Now, s.config.Store, s.config.Observer
	out, err := s.outbound(c.Outbound)
	if err != nil {
		return nil, err
	}
	notifier, err := c.Notifier.build(now)
	if err != nil {
		return nil, err
	}

	p := &parts{declared: c.Directory, log: s.config.Log}
	p.registrar = &registration.Registrar{
		Store: st, Sealer: s.sealer, NewID: secret.NewID, NewSecret: secret.New, Now: now, Outbound: out.client,
		Resource: func(_ context.Context, env *store.Environment, scope string) (string, bool) {
			id, ok := env.Registration.Resources[scope]
			return id, ok
		},
		End: func(ctx context.Context, env *store.Environment, client string) error {
			return p.ender.EndClient(ctx, env, client)
		},
	}
	p.directory = &directory{Directory: c.Directory, stored: st, registrar: p.registrar}
	p.clients = &clientauth.Authenticator{Directory: p.directory, Spent: st, Keys: out.keys, Now: now}

	p.scopes = &token.Scopes{Directory: p.directory}
	p.minter = &token.Minter{Keys: s.rings, Store: st, NewID: secret.NewID, Now: now, Directory: p.directory}
	p.idTokens = &token.IDTokens{Keys: s.rings, Now: now}
	p.codes = &token.Codes{Tickets: st, NewSecret: secret.New, Now: now}
	p.refresher = &token.Refresher{
		Store: st, Sealer: s.sealer, NewSecret: secret.New, Now: now, Replayed: observer.RefreshReplayed,
	}
	p.verifier = &token.Verifier{Keys: s.rings, Revocations: s.revocations, Cache: s.verified, Now: now}
	p.revoker = &token.Revoker{
		Verifier: p.verifier, Refresh: p.refresher, Store: st, Set: s.revocations, Now: now, Revoked: observer.Revoked,
	}

	p.sessions = &session.Sessions{Store: st, NewID: secret.NewID, NewSecret: secret.New, Now: now, Address: c.Address}
	p.users = &identity.Users{
		Directory: p.directory, Store: st, Notifier: notifier, NewID: secret.NewID, Now: now,
		Checked: observer.PasswordChecked, Hashed: observer.PasswordHashed, NoLimit: c.InsecureNoLimit, Log: c.Log,
	}
	p.ender = &logout.Ender{
		Directory: p.directory, Sessions: p.sessions, Store: st, Set: s.revocations, Keys: s.rings, Outbound: out.client,
		NewID: secret.NewID, Now: now, Log: s.config.Log, Revoked: observer.Revoked, Delivered: observer.LogoutDelivered,
	}
	p.reader = &authorize.Reader{
		Directory: p.directory, Tickets: st, Scopes: p.scopes, Keys: s.rings, Clients: out.keys, NewSecret: secret.New, Now: now,
	}
	p.issuer = &authorize.Issuer{
		Codes: p.codes, Tokens: p.minter, IDTokens: p.idTokens, Sessions: p.sessions,
		NewID: secret.NewID, NewSecret: secret.New, Now: now, Issued: observer.TokenIssued,
	}
	p.flows = &flow.Engine{
		Flows: st, Consents: st, Directory: p.directory, Users: p.users, Sessions: p.sessions, Issuer: p.issuer, Logout: p.ender,
		NewID: secret.NewID, Now: now, SignedOn: observer.SignedOn, NoLimit: c.InsecureNoLimit,
	}
	p.pages = &ui.Pages{Flows: p.flows, Sessions: p.sessions}
	return p, nil
}
