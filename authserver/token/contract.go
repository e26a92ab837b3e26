package token

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ---- opaque access tokens ----
//
// An opaque access token is base64url (70 characters, no dot) of: exp in seconds since 1970 (4 bytes, big endian), the
// jti (16 bytes of its UUID), and a secret (32 bytes). exp and jti find the record without another index; the record's
// Details hold the SHA-256 of the whole text and the claims set that a JWT would have had. Verifier, Revoker,
// introspection, UserInfo and gates treat both kinds alike.

// IsOpaque reports whether raw has the form of an opaque access token. Refresh tokens have another length.
func IsOpaque(raw string) bool { panic("contract") }

// Details are what the record of an access token keeps beside its columns (store.AccessToken.Data, as JSON). A JWT of
// client credentials has none: that is the hot path.
type Details struct {
	// GrantType is the grant_type that made it (oauth.Grant…), or "implicit"; "" stands for client_credentials.
	GrantType   string   `json:"grant_type,omitempty"`
	RedirectURI string   `json:"redirect_uri,omitempty"`
	Nonce       string   `json:"nonce,omitempty"`
	AuthTime    int64    `json:"auth_time,omitempty"` // seconds since 1970
	ACR         string   `json:"acr,omitempty"`
	AMR         []string `json:"amr,omitempty"`
	// Claims is the claims parameter of the authorization request, as JSON; "" for none.
	Claims string `json:"claims,omitempty"`
	// Opaque is nil for a JWT.
	Opaque *OpaqueDetails `json:"opaque,omitempty"`
}

// OpaqueDetails are those of an opaque token alone.
type OpaqueDetails struct {
	Hash   store.Hash `json:"hash"`   // SHA-256 of the token
	Claims []byte     `json:"claims"` // what a JWT would have said
}

// Record is the record of an access token that works.
type Record struct {
	store.AccessToken
	Details
}

// Handle names the record without being a credential: "<jti>-<exp>", exp in seconds. ParseHandle reads one.
func (r *Record) Handle() string { panic("contract") }

// ParseHandle reads what Handle has written; ok is false for anything else.
func ParseHandle(text string) (id string, expires time.Time, ok bool) { panic("contract") }

// Records finds the records of access tokens that work now: neither expired nor revoked. Safe for concurrent use.
type Records struct {
	Store store.AccessTokens
	Set   *Revocations
	Now   func() time.Time
}

// ByID finds one, or store.ErrNotFound; temporarily_unavailable where it cannot be told.
func (r *Records) ByID(ctx context.Context, env *store.Environment, id string, expires time.Time) (*Record, error) {
	panic("contract")
}

// List lists those that f selects behind the ID after, oldest first, at most limit. next is "" at the end, and
// otherwise the ID to go on after; a page may be shorter than limit, or empty, and still have a next one, since no call looks at more
// than a few thousand.
func (r *Records) List(ctx context.Context, f store.AccessTokenFilter, after string, limit int) (page []*Record, next string, err error) {
	panic("contract")
}

// End ends one access token for whoever may: its person, or an administrator. Other than Revoke it does not ask for the client,
// and knows no token that cannot be revoked.
func (v *Revoker) End(ctx context.Context, env *store.Environment, r *Record) error {
	panic("contract")
}

// EndGrantOf ends the whole authorization that a record came of, refresh tokens included; of a record without one, the token.
func (v *Revoker) EndGrantOf(ctx context.Context, env *store.Environment, r *Record) error {
	panic("contract")
}

// Opaque gives the claims of an opaque token of the environment, for a gate in the same process
// (resourceserver.Local): nil, nil for what is none of ours. Whether it has expired or was revoked is not looked at here.
func (l *Local) Opaque(ctx context.Context, raw string) (*jose.Claims, error) { panic("contract") }

// Held of a family, for lists: FamilyHeld decodes what store.ListFamilies gives.
func FamilyHeld(f store.Family) (Held, error) { panic("contract") }
