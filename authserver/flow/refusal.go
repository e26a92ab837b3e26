package flow

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// notPossible refuses an action, or an answer, that the flow's state does not
// allow.
func notPossible(description string) *oauth.Error {
	e := oauth.InvalidRequest("%s", description)
	e.PingOne, e.Reason = oauth.PingOneInvalidRequest, "flow_state"
	return e
}

// missing refuses an action that lacks a member.
func missing(target string) *oauth.Error {
	return oauth.InvalidData(oauth.Detail{Code: "REQUIRED_VALUE", Target: target, Message: "The value is required"})
}

// require gives the error for the first of name, value, name, value… without a
// value, or nil.
func require(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return missing(pairs[i])
		}
	}
	return nil
}

func denied() *oauth.Error {
	return oauth.AuthorizationError(oauth.CodeAccessDenied, "The person or the server denied the request")
}

func tooMany(after time.Duration) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusTooManyRequests, Reason: "rate_limited",
		RetryAfter: max(1, int(after/time.Second)), PingOne: oauth.PingOneRequestLimited,
		Description: "There were too many requests",
	}
}

// fault is what the client may know of something that went wrong here: that it
// may try again. What is an *oauth.Error already says so itself.
func fault(what string, err error) *oauth.Error {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return e
	}
	return oauth.CannotTell(what, err)
}

// unwanted is the answer where the request names a person and another one, or
// nobody, is signed on (OIDC Core §3.1.2.1, id_token_hint).
func unwanted() *oauth.Error {
	return oauth.AuthorizationError(oauth.CodeLoginRequired, "Another person than the requested one is signed on")
}

// notAdmitted is the answer where the client is for other people than the one who is
// signed on.
func notAdmitted() *oauth.Error {
	return oauth.AuthorizationError(oauth.CodeAccessDenied, "The application does not admit the person who is signed on")
}

func unmet() *oauth.Error {
	return oauth.AuthorizationError(oauth.CodeUnmetAuthentication, "The requested level of authentication is not available")
}

// silence is the answer to prompt=none where the person would have to do
// something (OIDC Core §3.1.2.6). The words are PingOne's: its JavaScript SDK
// goes on to a page where it finds them, and gives up where not.
func silence(status Status, req *authorize.Request, client *store.Client) *authorize.Failure {
	var e *oauth.Error
	switch status {
	case UsernamePasswordRequired, PasswordRequired:
		e = oauth.AuthorizationError(oauth.CodeLoginRequired, "User authentication is required")
		e.Details = []oauth.Detail{{Code: "LOGIN_REQUIRED", Message: "User authentication is required"}}
	case AccountSelectionRequired:
		e = oauth.AuthorizationError(oauth.CodeAccountSelection, "The person has to select an account")
	case ConsentRequired:
		e = oauth.AuthorizationError(oauth.CodeConsentRequired, "The request requires consent.")
	default:
		e = oauth.AuthorizationError(oauth.CodeInteractionRequired, "The request requires some interaction that is not allowed.")
	}
	return &authorize.Failure{Err: e, ReplyTo: &req.ReplyTo, Client: client}
}
