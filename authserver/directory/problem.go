package directory

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Problem is one thing that is wrong with a document.
type Problem = oauth.Detail

// Detail codes of PingOne's error bodies.
const (
	InvalidValue        = "INVALID_VALUE"
	RequiredValue       = "REQUIRED_VALUE"
	EmptyValue          = "EMPTY_VALUE"
	OutOfRange          = "OUT_OF_RANGE"
	SizeLimitExceeded   = "SIZE_LIMIT_EXCEEDED"
	UniquenessViolation = "UNIQUENESS_VIOLATION"
	ConstraintViolation = "CONSTRAINT_VIOLATION"
	InvalidParameter    = "INVALID_PARAMETER"
	InvalidFilter       = "INVALID_FILTER"
)

// Invalid is 400 INVALID_DATA with these details; nil where there are none.
func Invalid(problems ...Problem) error {
	if len(problems) == 0 {
		return nil
	}
	e := oauth.InvalidData(problems...)
	// Codes and targets are ours, so the log may have them; a message may quote what was sent.
	said := make([]string, len(problems))
	for i, p := range problems {
		said[i] = strings.TrimSpace(p.Code + " " + p.Target)
	}
	e.Description += ": " + strings.Join(said, ", ")
	return e
}

// Problemf makes a Problem. target is the member that is wrong, "" for none.
func Problemf(code, target, format string, args ...any) Problem {
	return Problem{Code: code, Target: target, Message: fmt.Sprintf(format, args...)}
}

// NotFound is 404: there is no such object.
func NotFound() error { return web.NotFound() }

// PreconditionFailed is 412: the object is not at the version that a change
// demands (RFC 9110 §13.1.1).
func PreconditionFailed() error {
	return &oauth.Error{
		Code: oauth.CodeInvalidRequest, Status: http.StatusPreconditionFailed, PingOne: oauth.PingOneInvalidRequest,
		Reason: "precondition", Description: "The object has been changed since it was read",
	}
}

// IsDeclared is 400: configuration declares the object, which is to be changed
// where that says.
func IsDeclared(where string) error {
	return Invalid(Problemf(ConstraintViolation, "id", "It is declared at %s, and can be changed only there", where))
}

// unique is 400: another object has that already.
func unique(target string) error {
	return Invalid(Problemf(UniquenessViolation, target, "is unique but a non-unique value is provided"))
}
