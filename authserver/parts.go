package authserver

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/management"
	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
	"github.com/caddy-gatehouse/gatehouse/authserver/ui"
	"github.com/caddy-gatehouse/gatehouse/authserver/webhook"
)

// parts are the rules of one configuration, put together from the bottom up.
// Each is made once and used by every endpoint that needs it.
type parts struct {
	declared  directory.Declaration
	directory *directory.Live // what is built in and stored too
	log       *slog.Logger
	watch     func(envs ...*store.Environment) // has their keys rotated
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

	possession    *endpoint.Possession
	certificates  bool // the host says where client certificates come from
	grants        []grant.Grant
	introspection *endpoint.Introspection

	uses     *directory.SecretUses
	writer   *directory.Writer
	webhooks *webhook.Webhooks
	api      *management.API
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

	certificate := c.ClientCertificate
	if certificate == nil {
		certificate = connectionCertificate
	}

	p := &parts{certificates: c.ClientCertificate != nil, declared: c.Directory, log: s.config.Log, watch: s.watch}
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
	documents := &registration.Documents{Cache: out.documents, Registrar: p.registrar, NoLimit: c.InsecureNoLimit}
	p.directory = &directory.Live{
		Declared: c.Directory, Store: st, Open: p.registrar.Open, Document: documents.Client, Sealer: s.sealer, Now: now,
	}
	p.uses = directory.NewSecretUses(st, now, s.config.Log)
	p.clients = &clientauth.Authenticator{
		Directory: p.directory, Spent: st, Keys: out.keys, Now: now, UsedPrevious: p.uses.Used, Certificate: certificate,
	}
	p.possession = &endpoint.Possession{
		Replays: s.serverReplays(), Nonces: s.Nonces, Certificate: certificate, Now: now,
		Address: c.Address, NoLimit: c.InsecureNoLimit,
	}

	p.scopes = &token.Scopes{Directory: p.directory}
	p.minter = &token.Minter{
		Keys: s.rings, Store: st, NewID: secret.NewID, NewSecret: secret.New, Now: now, Directory: p.directory, Set: s.revocations,
	}
	p.idTokens = &token.IDTokens{Keys: s.rings, Now: now, Directory: p.directory}
	p.codes = &token.Codes{Tickets: st, NewSecret: secret.New, Now: now}
	p.refresher = &token.Refresher{
		Store: st, Sealer: s.sealer, NewSecret: secret.New, Now: now, Replayed: observer.RefreshReplayed,
	}
	p.verifier = &token.Verifier{Keys: s.rings, Revocations: s.revocations, Cache: s.verified, Store: st, Now: now}
	p.revoker = &token.Revoker{
		Verifier: p.verifier, Refresh: p.refresher, Store: st, Set: s.revocations, Now: now, Revoked: observer.Revoked,
	}

	p.sessions = &session.Sessions{Store: st, NewID: secret.NewID, NewSecret: secret.New, Now: now, Address: c.Address}
	p.users = &identity.Users{
		Directory: p.directory, Store: st, Notifier: notifier, NewID: secret.NewID, Now: now,
		Checked: observer.PasswordChecked, Hashed: observer.PasswordHashed, NoLimit: c.InsecureNoLimit, Log: c.Log,
		Population: p.directory.PopulationOfNew,
	}
	p.ender = &logout.Ender{
		Directory: p.directory, Sessions: p.sessions, Store: st, Set: s.revocations, Keys: s.rings, Outbound: out.client,
		NewID: secret.NewID, Now: now, Log: s.config.Log, Revoked: observer.Revoked, Delivered: observer.LogoutDelivered,
	}
	p.reader = &authorize.Reader{
		Directory: p.directory, Tickets: st, Scopes: p.scopes, Keys: s.rings, Clients: out.keys, NewSecret: secret.New, Now: now,
	}
	p.issuer = &authorize.Issuer{
		Scopes: p.scopes, Codes: p.codes, Tokens: p.minter, IDTokens: p.idTokens, Sessions: p.sessions,
		NewID: secret.NewID, NewSecret: secret.New, Now: now, Issued: observer.TokenIssued,
	}
	p.flows = &flow.Engine{
		Flows: st, Consents: st, Directory: p.directory, Users: p.users, Sessions: p.sessions, Issuer: p.issuer, Logout: p.ender,
		NewID: secret.NewID, Now: now, SignedOn: observer.SignedOn, NoLimit: c.InsecureNoLimit,
	}
	p.pages = &ui.Pages{Flows: p.flows, Sessions: p.sessions}
	personal := grant.Personal{
		Scopes: p.scopes, Tokens: p.minter, IDTokens: p.idTokens, Refresh: p.refresher, Revoker: p.revoker,
		Users: p.users, Sessions: p.sessions, Consents: st,
	}
	p.grants = []grant.Grant{
		&grant.AuthorizationCode{Personal: personal, Codes: p.codes},
		&grant.RefreshToken{Personal: personal},
		&grant.ClientCredentials{Scopes: p.scopes, Tokens: p.minter},
		&grant.TokenExchange{
			Subjects: p.verifier, Scopes: p.scopes, Tokens: p.minter, Users: p.users, Sessions: p.sessions, Consents: st,
		},
	}
	p.introspection = &endpoint.Introspection{
		Clients: p.clients, Tokens: p.verifier, Refresh: p.refresher, Users: p.users, Sessions: p.sessions,
		Answers: p.idTokens,
	}
	p.manage(c, out)
	return p, nil
}

// metadata is the metadata document's model, whose Endpoints are still to be named.
func (p *parts) metadata() *endpoint.OpenIDConfiguration {
	m := &endpoint.OpenIDConfiguration{
		Endpoints: map[string]string{}, Certificates: p.certificates, Keys: p.verifier.Keys, Directory: p.directory, Now: p.verifier.Now,
	}
	for _, g := range p.grants {
		m.GrantTypes = append(m.GrantTypes, g.Type())
	}
	return m
}

// manage puts together what changes things.
func (p *parts) manage(c *Config, out *outbound) {
	s := c.State
	now, st := s.config.Now, s.config.Store
	p.webhooks = &webhook.Webhooks{
		Live: p.directory, Store: st, Outbound: out.client, NewID: secret.NewID, Now: now, Log: s.config.Log,
		URL: c.APIURL, Delivered: s.config.Observer.WebhookDelivered,
	}
	p.writer = &directory.Writer{
		Live: p.directory, Store: st, Sealer: s.sealer, NewID: secret.NewID, Now: now, Log: s.config.Log,
		Deliveries: p.webhooks.Deliveries, Ended: p.ended, Retention: c.AuditRetention,
	}
	p.api = &management.API{
		Live: p.directory, Writer: p.writer, Users: p.users, Sessions: p.sessions, Logout: p.ender, Revoker: p.revoker,
		Callers: &access.Resolver{Live: p.directory, Tokens: p.verifier}, Keys: s.rings, Webhooks: p.webhooks,
		Transfer: &transfer.Transfer{
			Live: p.directory, Writer: p.writer, Users: p.users, Keys: s.rings, Store: st, Sealer: s.sealer,
		},
		Store: st, URL: c.APIURL, NewID: secret.NewID, Now: now, Address: c.Address,
	}
}

// ended ends what a client or a person holds who is gone.
func (p *parts) ended(ctx context.Context, env *store.Environment, e directory.End) error {
	switch e.Kind {
	case store.RevokedClient:
		return p.ender.EndClient(ctx, env, e.Value)
	case store.RevokedSubject:
		return p.ender.EndPerson(ctx, env, e.Value)
	}
	return fmt.Errorf("authserver: nothing ends all of a %s", e.Kind)
}
