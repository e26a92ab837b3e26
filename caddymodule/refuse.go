package caddymodule

import (
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// refuse answers a request that is not let through. Where the site has error
// routes for it, they do that: the challenge is set, and the error returned as
// Caddy wants it. Otherwise the answer is written here, since Caddy would send
// no body.
func (b *BearerAuth) refuse(w http.ResponseWriter, r *http.Request, err error) error {
	refused := explain(err)
	logDecision(r, refused)
	if c := b.log.Check(zap.DebugLevel, "request refused"); c != nil {
		c.Write(zap.String("reason", refused.failure.Reason), zap.Int("status", refused.failure.Status), zap.Error(err))
	}
	if srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && srv.Errors != nil {
		handlerErr := caddyhttp.Error(refused.failure.Status, publicError{err, refused.failure})
		if takesOver(srv.Errors, r, handlerErr) {
			resourceserver.SetRefusalHeaders(w.Header(), err)
			dropCredentials(r.Header)
			return handlerErr
		}
	}
	resourceserver.WriteRefusal(w, err)
	return nil
}

// invalidRequest is the refusal of a request that is no good whatever its token (RFC 6750 §3.1).
func invalidRequest(description string) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidRequest, Description: description,
		Status: http.StatusBadRequest, Reason: resourceserver.InvalidRequest.String(),
		Challenges: []oauth.Challenge{{Scheme: "Bearer", Params: []oauth.Param{{Name: "error", Value: oauth.CodeInvalidRequest}}}},
	}
}

// explain is what a refusal says about itself.
func explain(err error) *refusedLog {
	if refusal, ok := errors.AsType[*resourceserver.Refusal](err); ok {
		return &refusedLog{failure: &refusal.Failure, token: refusal.Token}
	}
	failure := *oauth.From(err)
	if failure.Reason == "" {
		failure.Reason = failure.Code
	}
	return &refusedLog{failure: &failure}
}

// publicError is a refusal whose text may be shown to the client: error routes
// have it as a placeholder. The cause is for Unwrap alone.
type publicError struct {
	refusal error
	failure *oauth.Error
}

func (e publicError) Error() string { return e.failure.WithCause(nil).Error() }

func (e publicError) Unwrap() error { return e.refusal }

// takesOver reports whether error routes would handle err for r. Sites that
// share a server share its error routes too, told apart by matchers, so their
// existence says nothing yet; and Caddy answers with an empty body when none of
// them matches.
func takesOver(config *caddyhttp.HTTPErrorConfig, r *http.Request, err caddyhttp.HandlerError) bool {
	r = config.WithError(r, err) // a copy
	// Caddy runs error routes on the original request line.
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		r.Method, r.RequestURI, r.RemoteAddr = original.Method, original.RequestURI, original.RemoteAddr
		r.URL = original.URL
	}
	return reachesHandler(config.Routes, r)
}

// reachesHandler reports whether a handler other than a subroute would run.
func reachesHandler(routes caddyhttp.RouteList, r *http.Request) bool {
	for _, route := range routes {
		if matches, err := route.MatcherSets.AnyMatchWithError(r); err != nil || !matches {
			continue
		}
		for _, handler := range route.Handlers {
			sub, ok := handler.(*caddyhttp.Subroute)
			if !ok || reachesHandler(sub.Routes, r) {
				return true
			}
		}
		if route.Terminal {
			return false
		}
	}
	return false
}

// dropCredentials removes what proves who the client is. The site's error routes
// come next, with the headers as they are left, and may ask a backend that the
// credentials are not meant for.
func dropCredentials(h http.Header) {
	delete(h, "Authorization")
	delete(h, "Dpop")
	delete(h, "Cookie")
}
