package upstream

import (
	"context"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Source obtains tokens. Safe for concurrent use.
type Source interface {
	// Token gives the token to send on for a client's raw token, which was verified just now, and what it says. raw is "" and t nil for an
	// anonymous request, for which there may be nothing to send: "". Errors are *oauth.Error whose Reason is that of a
	// resourceserver.Reason: 503 where a token cannot be had now, 401 (invalid_token) or 403 where the client's is not good enough for it.
	Token(ctx context.Context, raw string, t *resourceserver.Token) (string, error)
	// Close ends background work. Calls that are still running end with 503.
	Close()
}

// unavailable is the 503. cause is for the log; retryAfter, in seconds, may be 0.
func unavailable(retryAfter int, cause error) *oauth.Error {
	if retryAfter <= 0 {
		retryAfter = 5
	}
	e := oauth.Unavailable(retryAfter, "The request cannot be passed on now.").WithCause(cause)
	e.Reason = resourceserver.UpstreamUnavailable.String()
	return e
}

// notAccepted is the 401: the authorization server does not take the client's token for a good one (any more).
func notAccepted(cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidToken, Description: "The access token is not valid.", Status: http.StatusUnauthorized,
		Reason: resourceserver.UpstreamRefused.String(), Cause: cause,
	}
}

// notPermitted is the 403: the client's token is good, but not for what is behind the gate.
func notPermitted(cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInsufficientScope, Description: "The access token does not permit this request.", Status: http.StatusForbidden,
		Reason: resourceserver.UpstreamForbidden.String(), Cause: cause,
	}
}
