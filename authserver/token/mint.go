package token

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Access is what an access token is to say.
type Access struct {
	Client   string
	Subject  string    // "" for client credentials
	Session  string    // "" for client credentials
	Grant    string    // id of the authorization; "" for client credentials
	AuthTime time.Time // of the sign-on; zero for client credentials
	ACR      string
	AMR      []string
	Scope    []string // granted scopes, in order
	Audience []string
	TTL      time.Duration
	// GrantType, RedirectURI, Nonce and Claims are for the record: see Details.
	GrantType, RedirectURI, Nonce, Claims string
	// For is the client, as it was when all this was decided.
	For *store.Client
	// Asked are the claims that the claims parameter asked for UserInfo, which then gives
	// those that For may have beyond those of Scope.
	Asked map[string]oauth.ClaimRequest
	// IncludeX5T adds x5t to the header (store.Client.IncludeX5T).
	IncludeX5T bool
	// KeyRotationPolicy is the ID of the policy whose key signs (store.Client.KeyRotationPolicy);
	// "" is the environment's own key.
	KeyRotationPolicy string
	// Resources are the IDs of custom resources of Audience, whose mapped claims the
	// token has, or to whose key it is encrypted; see Granted.Resources.
	Resources []string
	// Bound is what the token is bound to.
	Bound Confirmation
	// NotAfter, where not zero, is when the token expires at the latest; Act is its act claim, nil for none; Origins are the
	// tokens that were exchanged for it. See Subject.
	NotAfter time.Time
	Act      *Actor
	Origins  []Origin
	// User is the person of Subject, for these claims; nil for client credentials.
	User *store.User
}

// Minted is a token that may be handed out.
type Minted struct {
	Raw string
	ID  string
	TTL time.Duration
}

// Minter makes access tokens. Safe for concurrent use.
type Minter struct {
	Keys  *keys.Rings
	Store store.AccessTokens
	NewID func() string // jti: UUIDv7, so that records are stored in order
	// NewSecret draws the secrets of opaque tokens.
	NewSecret func() secret.Value
	Now       func() time.Time
	// Directory finds the resources whose mapped claims a token has, what claims are, and whether the client is
	// still as it was.
	Directory store.Directory
	// Set has what was revoked in this very second; see notBefore. nil is for tests.
	Set *Revocations
}

// Mint makes a token, a JWT or an opaque one as its client wants, and stores its
// record; only then it returns. When keys, those of its policy included, or store cannot be had, or the client was changed meanwhile, it is temporarily_unavailable; where a
// resource requires a mapped claim that has no value it is invalid_request, and where one whose tokens are encrypted would share it
// with another it is invalid_target.
func (m *Minter) Mint(ctx context.Context, env *store.Environment, a Access) (Minted, error) {
	more, err := m.mapped(ctx, env, &a)
	if err != nil {
		return Minted{}, err
	}
	if len(a.Asked) > 0 && a.User != nil && a.For != nil {
		o, err := openID(ctx, m.Directory, env)
		if err != nil {
			return Minted{}, err
		}
		more.userInfo = beyondScope(o, a.User, a.For, a.Scope, a.Asked)
	}
	var signer *jose.SigningKey // nil for an opaque token
	if !opaque(env, a.For) {
		if signer, err = m.Keys.SignerFor(ctx, env, a.KeyRotationPolicy); err != nil {
			return Minted{}, unavailable(err)
		}
	}
	if err := m.notBefore(ctx, env, &a); err != nil {
		return Minted{}, err
	}
	now := m.Now().UTC().Truncate(time.Second)
	if a.TTL, err = a.life(now); err != nil {
		return Minted{}, err
	}
	record := store.AccessToken{
		Environment: env.ID, ID: m.NewID(), Client: a.Client, Subject: a.Subject, Session: a.Session, Grant: a.Grant,
		Scope: join(a.Scope), Audience: a.Audience, IssuedAt: now, ExpiresAt: now.Add(a.TTL),
	}
	raw, err := m.write(env, signer, &record, &a, claims(env, &record, &a, more), more.encryption)
	if err != nil {
		return Minted{}, err
	}
	if err := m.Store.PutAccessToken(ctx, record); err != nil {
		return Minted{}, unavailable(fmt.Errorf("store access token: %w", err))
	}
	if err := m.asDecided(ctx, env, &a); err != nil {
		return Minted{}, err
	}
	return Minted{Raw: raw, ID: record.ID, TTL: a.TTL}, nil
}

// life is how long a token of now lives.
func (a *Access) life(now time.Time) (time.Duration, error) {
	if a.NotAfter.IsZero() {
		return a.TTL, nil
	}
	left := a.NotAfter.Sub(now).Truncate(time.Second)
	if left <= 0 {
		return 0, inactive("expired")
	}
	return min(a.TTL, left), nil
}

// opaque reports whether the access tokens of a client are.
func opaque(env *store.Environment, client *store.Client) bool {
	if client == nil || client.AccessTokenFormat == store.FormatDefault {
		return env.OpaqueTokens
	}
	return client.AccessTokenFormat == store.FormatOpaque
}

// write makes the text of a token that says claims, and completes its record. A JWT is encrypted to the key to, unless that is nil.
func (m *Minter) write(env *store.Environment, signer *jose.SigningKey, t *store.AccessToken, a *Access, claims []byte, to *jose.EncryptionKey) (string, error) {
	if signer == nil {
		return m.writeOpaque(env, t, a, claims)
	}
	raw, err := signAs(signer, a.IncludeX5T, env.AccessTokenType, claims)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	if to != nil {
		return encrypted(env, t, a, claims, raw, signer.ID(), to)
	}
	if t.Subject != "" || t.Session != "" || a.GrantType != "" || env.OtherIssuer() != "" || !a.Bound.IsZero() {
		t.Data, err = details(env, a, nil).encode()
	}
	return raw, err
}

func (m *Minter) writeOpaque(env *store.Environment, t *store.AccessToken, a *Access, claims []byte) (string, error) {
	if len(claims) > maxOpaqueClaims {
		return "", fmt.Errorf("%d bytes of claims are too many for an access token, at most %d", len(claims), maxOpaqueClaims)
	}
	raw, err := newOpaque(t.ID, t.ExpiresAt, m.NewSecret())
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(raw))
	t.Data, err = details(env, a, &OpaqueDetails{Hash: hash[:], Claims: claims}).encode()
	return raw, err
}

// maxOpaqueClaims is how long claims may be that are read again (jose.Limits).
const maxOpaqueClaims = 16384

// claims encodes the claims set in a fixed order. env and org are there only for
// the PingOne API. grant_id and userinfo_claims are ours: by the first a
// revocation reaches everything that came of one authorization, wherever it is
// checked; the second names what UserInfo gives beyond the scopes. unmapped_sub is ours as well,
// and there only beside a sub that a resource maps: whom a token speaks for is
// never read from what is mapped. It is the user's ID, or "" for a client's own.
//
// Diverges: RFC 9068 §2.2 requires sub; client-credentials tokens have none, as in
// PingOne, because a client is not a user.
func claims(env *store.Environment, t *store.AccessToken, a *Access, more mappedClaims) []byte {
	b := make([]byte, 0, 512)
	b = append(b, '{')
	b = member(b, "client_id", t.Client)
	b = member(b, "iss", env.Issuer)
	b = member(b, "jti", t.ID)
	b = seconds(b, "iat", t.IssuedAt)
	b = seconds(b, "exp", t.ExpiresAt)
	b = array(b, "aud", t.Audience)
	if t.Scope != "" {
		b = member(b, "scope", t.Scope)
	}
	switch {
	case more.subject != "" && more.subject != t.Subject:
		b = member(b, "sub", more.subject)
		b = member(b, claimSubject, t.Subject)
	case t.Subject != "":
		b = member(b, "sub", t.Subject)
	}
	if t.Session != "" {
		b = member(b, "sid", t.Session)
	}
	b = signedOn(b, a.AuthTime, a.ACR, a.AMR)
	if t.Grant != "" {
		b = member(b, claimGrant, t.Grant)
	}
	if !a.Bound.IsZero() {
		b = confirmation(b, a.Bound)
	}
	b = exchanged(b, a)
	if len(more.userInfo) > 0 {
		b = array(b, claimUserInfo, more.userInfo)
	}
	if slices.Contains(t.Audience, env.APIAudience) {
		b = member(b, "env", env.ID)
		b = member(b, "org", env.Organization)
	}
	for _, c := range more.others {
		b = append(b, ',')
		b = append(text(b, c.name), ':')
		b = append(b, c.value...)
	}
	return append(b, '}')
}

// Claims of access tokens that are ours alone.
const (
	claimGrant    = "grant_id"
	claimUserInfo = "userinfo_claims"
	claimSubject  = "unmapped_sub"
)

// unavailable says that the server cannot do now what it was asked.
func unavailable(cause error) error {
	return oauth.TemporarilyUnavailable(cause)
}
