package upstream

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Source obtains tokens. Safe for concurrent use.
type Source interface {
	// Token gives the token to send on for a client's raw token, which was verified just now, and what it says. raw is "" and t nil for an
	// anonymous request, for which there may be nothing to send: "". Errors are *Error.
	Token(ctx context.Context, raw string, t *resourceserver.Token) (string, error)
	// Close ends background work. Calls that are still running end with 503.
	Close()
}

// Error is why there is no token. The client's must not go on in its place.
type Error struct {
	// Why is resourceserver.UpstreamUnavailable where a token cannot be had now, UpstreamRefused where the client's is not accepted for a good
	// one (any more), UpstreamForbidden where it is, and not for what is behind the gate.
	Why        resourceserver.Reason
	RetryAfter int   // whole seconds; 0 where nobody knows
	Cause      error // for the log, without secrets
}

// Error describes the failure for the log.
func (e *Error) Error() string { return e.Why.String() + ": " + e.Cause.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

func unavailable(retryAfter int, cause error) *Error {
	return &Error{Why: resourceserver.UpstreamUnavailable, RetryAfter: retryAfter, Cause: cause}
}

func notAccepted(cause error) *Error {
	return &Error{Why: resourceserver.UpstreamRefused, Cause: cause}
}

func notPermitted(cause error) *Error {
	return &Error{Why: resourceserver.UpstreamForbidden, Cause: cause}
}
