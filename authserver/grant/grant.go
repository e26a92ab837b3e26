package grant

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Grant answers token requests of one grant_type. Implementations are safe for
// concurrent use.
type Grant interface {
	// Type is the grant_type that it answers.
	Type() string
	// Name is a short word for logs and metrics.
	Name() string
	// Token acts on one request of an authenticated client that may use this type.
	Token(ctx context.Context, r Request) (*Response, error)
}

// Request is a token request whose client is authenticated.
type Request struct {
	Environment *store.Environment
	Client      *store.Client
	Form        *web.Form
	// Proved is what the client has proved to possess with this request, and tokens are to be bound to.
	Proved token.Confirmation
}

// Response is a successful answer (RFC 6749 §5.1).
type Response struct {
	Access token.Minted
	Scope  []string // nil leaves the member out
	// IDToken and RefreshToken are "" where there is none.
	IDToken, RefreshToken string
	// IssuedType is issued_token_type (RFC 8693 §2.2.1); "" leaves it out.
	IssuedType string
	// Bound is what Access is bound to: its token_type.
	Bound token.Confirmation
}
