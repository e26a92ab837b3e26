package token

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Granted is what a request for scopes comes to.
type Granted struct {
	Scope    []string // in the order asked
	Audience []string
	TTL      time.Duration // of access tokens
}

// Scopes decides who gets which scopes: PingOne's rules on resources and their
// mixing, in one place for people and for machines.
type Scopes struct{ Directory store.Directory }

// ForUser grants to a client acting for a person: scopes that are not granted to
// the client are dropped, "At least one scope must be granted" when none is left, OIDC scopes mix
// with one other resource. OIDC scopes alone are for UserInfo: the audience is the environment's APIAudience.
func (s *Scopes) ForUser(ctx context.Context, env *store.Environment, c *store.Client, requested []string) (Granted, error) {
	panic("contract")
}

// ForClient grants to a client acting for itself (client credentials).
func (s *Scopes) ForClient(ctx context.Context, env *store.Environment, c *store.Client, requested []string) (Granted, error) {
	panic("contract")
}

// SignedOn is what tokens say about how a person signed on.
type SignedOn struct {
	Subject  string    `json:"sub"`
	Session  string    `json:"sid"`
	AuthTime time.Time `json:"auth_time"` // whole seconds
	ACR      string    `json:"acr"`
	AMR      []string  `json:"amr"`
}

// Authorization is what a person granted to a client: what a code stands for,
// and what a refresh token prolongs. It is kept as JSON.
type Authorization struct {
	Grant       string              `json:"grant_id"`
	Client      string              `json:"client_id"`
	On          SignedOn            `json:"on"`
	Scope       []string            `json:"scope,omitempty"`
	Audience    []string            `json:"audience,omitempty"`
	TTL         time.Duration       `json:"ttl,omitempty"`
	Claims      oauth.ClaimsRequest `json:"claims"`
	Nonce       string              `json:"nonce,omitempty"`
	RedirectURI string              `json:"redirect_uri,omitempty"` // "" where the request had none
	Challenge   string              `json:"code_challenge,omitempty"`
	Method      string              `json:"code_challenge_method,omitempty"`
}

// Codes are authorization codes (RFC 6749 §4.1.2). Safe for concurrent use.
type Codes struct {
	Tickets   store.Tickets
	NewSecret func() secret.Value
	Now       func() time.Time
}

// Issue makes a code for a.
func (c *Codes) Issue(ctx context.Context, env *store.Environment, a Authorization) (secret.Value, error) {
	panic("contract")
}

// Look reads what a code stands for without spending it; store.ErrSpent comes
// with the authorization that it began.
func (c *Codes) Look(ctx context.Context, env *store.Environment, code secret.Value) (Authorization, error) {
	panic("contract")
}

// Take spends the code: exactly one call succeeds.
func (c *Codes) Take(ctx context.Context, env *store.Environment, code secret.Value) (Authorization, error) {
	panic("contract")
}

// IDTokens makes ID tokens (OIDC Core §2). Safe for concurrent use.
type IDTokens struct {
	Keys *keys.Rings
	Now  func() time.Time
}

// IDToken is what one is to say.
type IDToken struct {
	Client      *store.Client
	On          SignedOn
	Nonce       string
	AccessToken string         // for at_hash; "" for none
	Code        string         // for c_hash; "" for none
	State       string         // for s_hash; "" for none
	Claims      map[string]any // about the person, see Claims
}

// Mint signs one.
func (t *IDTokens) Mint(ctx context.Context, env *store.Environment, id IDToken) (string, error) {
	panic("contract")
}

// Claims about a person that the granted scopes (where withScopes) and the single
// requested ones give. Claims without a value are left out; so are malformed ones.
func Claims(user *store.User, scope []string, withScopes bool, asked map[string]oauth.ClaimRequest) map[string]any {
	panic("contract")
}

// Refresher makes, exchanges and ends refresh tokens (RFC 6749 §6, RFC 9700
// §4.14). Safe for concurrent use.
type Refresher struct {
	Store  store.RefreshTokens
	Sealer func(create bool) (*secret.Sealer, error)
	// NewSecret draws tokens.
	NewSecret func() secret.Value
	Now       func() time.Time
	// Replayed is told when a replay ended a family.
	Replayed func()
}

// Begin starts a family for a and returns its first token.
func (r *Refresher) Begin(ctx context.Context, env *store.Environment, client *store.Client, a Authorization) (secret.Value, error) {
	panic("contract")
}

// Look finds the authorization of a refresh token of any client, spent or not.
// store.ErrNotFound: unknown, expired or ended.
func (r *Refresher) Look(ctx context.Context, env *store.Environment, raw secret.Value) (Authorization, error) {
	panic("contract")
}

// Exchange rotates raw. store.ErrSpent: a replay, which has ended the family unless the client has no
// protection; then the grant is to be revoked.
func (r *Refresher) Exchange(ctx context.Context, env *store.Environment, client *store.Client, raw secret.Value) (secret.Value, error) {
	panic("contract")
}
