package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Registered error codes.
const (
	CodeInvalidRequest       = "invalid_request"        // RFC 6749 §5.2, RFC 6750 §3.1
	CodeInvalidClient        = "invalid_client"         // RFC 6749 §5.2
	CodeInvalidGrant         = "invalid_grant"          // RFC 6749 §5.2
	CodeUnauthorizedClient   = "unauthorized_client"    // RFC 6749 §5.2
	CodeUnsupportedGrantType = "unsupported_grant_type" // RFC 6749 §5.2
	CodeInvalidScope         = "invalid_scope"          // RFC 6749 §5.2
	CodeUnsupportedTokenType = "unsupported_token_type" // RFC 7009 §2.2.1
	CodeInvalidToken         = "invalid_token"          // RFC 6750 §3.1
	CodeInsufficientScope    = "insufficient_scope"     // RFC 6750 §3.1
	CodeInvalidDPoPProof     = "invalid_dpop_proof"     // RFC 9449 §5, §7.1
	CodeUseDPoPNonce         = "use_dpop_nonce"         // RFC 9449 §8, §9
	CodeInvalidTarget        = "invalid_target"         // RFC 8707 §2, RFC 8693 §2.2.2
	// CodeInsufficientUserAuthentication: the person must sign on anew, or better (RFC 9470 §3).
	CodeInsufficientUserAuthentication = "insufficient_user_authentication"
	CodeServerError                    = "server_error"            // RFC 6749 §4.1.2.1
	CodeTemporarilyUnavailable         = "temporarily_unavailable" // RFC 6749 §4.1.2.1
)

// Error is a failure the client is allowed to see (RFC 6749 §5.2, RFC 6750 §3).
// Cause is for the log alone and is never written to a response.
type Error struct {
	Code        string      // registered error code; empty only for a challenge without error (RFC 6750 §3.1)
	Description string      // one sentence for the client's developer; never holds a credential
	Status      int         // HTTP status of a direct response, never 0
	Challenges  []Challenge // WWW-Authenticate values, strongest first
	RetryAfter  int         // whole seconds for Retry-After; 0 leaves the header out
	Reason      string      // short closed-set word for metrics and logs; empty where Code says enough
	PingOne     string      // code of PingOne's error body; "" derives it from Status
	Message     string      // message of PingOne's error body; "" derives it from Status
	Details     []Detail    // of PingOne's error body
	Cause       error
}

// Error describes the failure for the log, cause included.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Code == "" {
		b.WriteString(http.StatusText(e.Status))
	} else {
		b.WriteString(e.Code)
	}
	if e.Description != "" {
		b.WriteString(": ")
		b.WriteString(e.Description)
	}
	if e.Cause != nil {
		b.WriteString(": ")
		b.WriteString(e.Cause.Error())
	}
	return b.String()
}

// Unwrap gives the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// WithCause returns a copy of e whose cause is err.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.Cause = err
	return &c
}

func newError(status int, code, format string, args []any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...), Status: status}
}

// InvalidRequest reports a missing, repeated or malformed parameter.
func InvalidRequest(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, CodeInvalidRequest, format, args)
}

// InvalidClient reports failed client authentication (RFC 6749 §5.2). The
// caller adds a challenge when the client used the Authorization header.
func InvalidClient(format string, args ...any) *Error {
	return newError(http.StatusUnauthorized, CodeInvalidClient, format, args)
}

// InvalidGrant reports a code, refresh token or assertion that cannot be
// redeemed by this client.
func InvalidGrant(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, CodeInvalidGrant, format, args)
}

// UnauthorizedClient reports a grant type that this client may not use.
func UnauthorizedClient(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, CodeUnauthorizedClient, format, args)
}

// UnsupportedGrantType reports a grant type that this server does not offer.
func UnsupportedGrantType(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, CodeUnsupportedGrantType, format, args)
}

// InvalidScope reports a scope that is unknown, malformed or not granted.
func InvalidScope(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, CodeInvalidScope, format, args)
}

// UnsupportedTokenType reports a token that cannot be revoked (RFC 7009 §2.2.1).
func UnsupportedTokenType(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, CodeUnsupportedTokenType, format, args)
}

// TemporarilyUnavailable reports that the server cannot do now what it was
// asked, or cannot tell whether a request is good. cause is for the log.
func TemporarilyUnavailable(cause error) *Error {
	return Unavailable(1, "The service is temporarily unavailable").WithCause(cause)
}

// CannotTell is TemporarilyUnavailable that names what was attempted.
func CannotTell(what string, cause error) *Error {
	return TemporarilyUnavailable(fmt.Errorf("%s: %w", what, cause))
}

// Unavailable reports that the server cannot decide now; retryAfter is in whole
// seconds. It says nothing about the credential that was presented.
func Unavailable(retryAfter int, format string, args ...any) *Error {
	e := newError(http.StatusServiceUnavailable, CodeTemporarilyUnavailable, format, args)
	e.RetryAfter = retryAfter
	return e
}

// From returns the *Error in err's chain. Any other error becomes server_error,
// which tells the client nothing and keeps err as the Cause.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{
		Code: CodeServerError, Description: "The request could not be completed.",
		Status: http.StatusInternalServerError, Cause: err,
	}
}
