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
	// KeyRotated: outcome "created", "rotated", "retired", "error".
	KeyRotated(outcome string)
}

type nobody struct{}

func (nobody) Served(string, string, time.Duration) {}
func (nobody) TokenIssued(string)                   {}
func (nobody) Revoked(string)                       {}
func (nobody) Swept(int)                            {}
func (nobody) KeyRotated(string)                    {}
