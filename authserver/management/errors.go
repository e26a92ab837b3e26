package management

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// realm of the Bearer challenges.
const realm = "management"

// forbidden is 403 (RFC 6750 §3.1): the caller has no permission. It does not say
// which, nor anything about what was asked for.
func forbidden() error {
	return forbiddenBecause("You do not have the permissions that are needed for this request")
}

// forbiddenBecause is forbidden to who may know why. Clients repeat requests that
// are refused with some of PingOne's own texts; these are none of them, since to
// repeat them does not help.
func forbiddenBecause(why string) error {
	return &oauth.Error{
		Code: oauth.CodeInsufficientScope, Status: http.StatusForbidden, PingOne: oauth.PingOneAccessFailed,
		Description: why,
		Details:     []oauth.Detail{{Code: "INSUFFICIENT_PERMISSIONS", Message: why}},
		Challenges: []oauth.Challenge{{Scheme: "Bearer", Params: []oauth.Param{
			{Name: "realm", Value: realm}, {Name: "error", Value: oauth.CodeInsufficientScope},
		}}},
	}
}

// badRequest is 400 INVALID_REQUEST: what was sent cannot be read.
func badRequest(format string, args ...any) error {
	e := oauth.InvalidRequest(format, args...)
	e.PingOne = oauth.PingOneInvalidRequest
	return e
}

// tooLarge is 413.
func tooLarge() error {
	return &oauth.Error{
		Code: oauth.CodeInvalidRequest, Status: http.StatusRequestEntityTooLarge, Reason: "too_large",
		PingOne: oauth.PingOneInvalidRequest, Description: "The body is too large",
	}
}

// unsupportedMediaType is 415.
func unsupportedMediaType() error {
	return &oauth.Error{
		Code: oauth.CodeInvalidRequest, Status: http.StatusUnsupportedMediaType, Reason: "content_type",
		PingOne: oauth.PingOneInvalidRequest, Description: "The media type of the body is not one that is taken here",
	}
}

// plain makes an answer of the errors of stores that mean one.
func plain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*oauth.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return web.NotFound().WithCause(err)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return oauth.TemporarilyUnavailable(err)
	}
	return err
}
