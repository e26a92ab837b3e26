package store

import (
	"context"
	"time"
)

// Family is one authorization that refresh tokens prolong: all tokens that were
// rotated from each other.
type Family struct {
	Environment string
	ID          string // the grant_id of its access tokens
	Client      string
	Subject     string
	Session     string
	Data        []byte // package token's: scope, claims asked for, auth_time…
	CreatedAt   time.Time
	// ExpiresAt is the rolling end: nothing of the family works from then on. The
	// zero time is no end: the family goes when its last token has expired.
	ExpiresAt time.Time
	// Ended: replayed, revoked, or its consent withdrawn.
	Ended bool
	// TokenExpiresAt is when its newest token expires. Only ListFamilies says it.
	TokenExpiresAt time.Time
}

// RefreshToken is one member of a family.
type RefreshToken struct {
	Hash      Hash
	ExpiresAt time.Time
	// Sealed is the token itself, encrypted by package token, so that a repeated
	// exchange within the grace period gets the same successor on any node.
	Sealed []byte
	// FamilyData, of one that another token is exchanged for, is the Data of its family from then on; nil leaves that as it is. It is
	// never read back.
	FamilyData []byte
}

// RefreshTokens keeps refresh tokens. Every member of a family is remembered
// until it expires, so that a replay is recognised. Whether the caller is the
// family's client is not checked.
type RefreshTokens interface {
	// PutFamily begins a family with its first token, durably. An ID or hash
	// already present in the environment is ErrExists, and nothing is stored.
	PutFamily(ctx context.Context, f Family, first RefreshToken) error

	// FamilyByToken finds the family of a token, whether or not the token has been exchanged; spent says
	// whether it has. Unknown, or token or family expired at now, is ErrNotFound. An ended family is
	// returned with Ended set, and no error.
	FamilyByToken(ctx context.Context, environment string, hash Hash, now time.Time) (f Family, t RefreshToken, spent bool, err error)

	// RotateRefreshToken exchanges the token with this hash for next, durably. Of any
	// number of concurrent calls with one hash, on any node, exactly one stores its next, FamilyData included; a
	// call that comes while the exchange is younger than grace gets the stored successor instead of its
	// own, even if that has been exchanged since. Outside of grace (always, where it is 0) it is
	// ErrSpent, and with protect the family is
	// ended by the first such call. The returned token is the successor. Unknown, expired or
	// ended is ErrNotFound.
	//
	// ended reports whether this very call ended the family.
	RotateRefreshToken(ctx context.Context, environment string, hash Hash, next RefreshToken, grace time.Duration, protect bool, now time.Time) (successor RefreshToken, ended bool, err error)

	// EndFamilies ends the families that f selects and returns those that this
	// very call ended, in no order; expired ones may be among them. When it
	// returns nil all that f selects have ended, and no exchange of theirs that
	// begins later succeeds. Many are ended some at a time: with an error come
	// those that were ended before it.
	EndFamilies(ctx context.Context, f FamilyFilter) ([]Family, error)

	// ListFamilies lists the families that f selects and that have neither ended
	// nor expired at now, by ID, at most limit, starting behind the ID after ("" starts at the first). One whose newest
	// token has expired is not among them.
	ListFamilies(ctx context.Context, f FamilyFilter, after string, limit int, now time.Time) ([]Family, error)
}

// FamilyFilter selects families of one environment: those that agree with every
// field that is set. At least one must be; otherwise it is an error.
type FamilyFilter struct {
	Environment, ID, Client, Subject, Session string
}
