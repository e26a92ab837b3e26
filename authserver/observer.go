package authserver

import "time"

// Observer is told what the server does, in closed sets of words: never a
// client, a user or a path. Calls are concurrent and must not block.
type Observer interface {
	// Served: one answered request. endpoint is the route's name, outcome "ok" or
	// an OAuth error code.
	Served(endpoint, outcome string, d time.Duration)
	// TokenIssued: grant is the grant type's short name.
	TokenIssued(grant string)
	// Revoked: kind as store.RevocationKind.
	Revoked(kind string)
	// Swept: rows deleted by the janitor.
	Swept(n int)
	// PasswordChecked: outcome "ok", "invalid", "locked", "limited" or "disabled".
	PasswordChecked(outcome string)
	// PasswordHashed: the time that one password hash took.
	PasswordHashed(d time.Duration)
	// SignedOn: one finished sign-on; outcome "ok" or an OAuth error code.
	SignedOn(outcome string)
	// RefreshReplayed: a refresh token was used twice, and its family ended.
	RefreshReplayed()
	// LogoutDelivered: one attempt to tell a client of an ended session; outcome
	// "ok", "retry" or "given_up".
	LogoutDelivered(outcome string)
	// WebhookDelivered: one attempt to tell a subscriber of a change; outcome as above.
	WebhookDelivered(outcome string)
	// LegacyCalled: one request that a legacy endpoint has served, and the application that called or whose token it was
	// about: a client_id of ours, or "". It is the one call that names a client, so that owners find who has to move on.
	LegacyCalled(endpoint, application string)
	// KeyRotated: outcome "created", "rotated", "retired", "error".
	KeyRotated(outcome string)
}

type nobody struct{}

func (nobody) Served(string, string, time.Duration) {}
func (nobody) TokenIssued(string)                   {}
func (nobody) Revoked(string)                       {}
func (nobody) Swept(int)                            {}
func (nobody) PasswordChecked(string)               {}
func (nobody) PasswordHashed(time.Duration)         {}
func (nobody) SignedOn(string)                      {}
func (nobody) RefreshReplayed()                     {}
func (nobody) LogoutDelivered(string)               {}
func (nobody) WebhookDelivered(string)              {}
func (nobody) LegacyCalled(string, string)          {}
func (nobody) KeyRotated(string)                    {}
