package legacy

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// contentType is that of every answer, errors included.
const contentType = "application/json;charset=UTF-8"

// crest is an error of the CREST dialect. message is for the client and never
// holds a credential.
func crest(status int, message string) *oauth.Error {
	code := oauth.CodeInvalidRequest
	switch {
	case status == http.StatusUnauthorized:
		code = oauth.CodeInvalidToken
	case status == http.StatusForbidden:
		code = oauth.CodeAccessDenied
	case status == http.StatusNotFound:
		code = codeNotFound
	case status == http.StatusServiceUnavailable:
		code = oauth.CodeTemporarilyUnavailable
	case status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		code = oauth.CodeServerError
	}
	return &oauth.Error{Code: code, Status: status, Description: message, Message: message}
}

// renderCREST writes {"code","reason","message"}. Errors that were not made for this dialect say what their status does.
func renderCREST(e *oauth.Error, _ string) []byte {
	message := e.Message
	if message == "" {
		message = http.StatusText(e.Status)
	}
	return mustMarshal(struct {
		Code    int    `json:"code"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}{e.Status, http.StatusText(e.Status), message})
}

// renderOAuth writes {"error_description","error"}, in AM's order. A description is printable ASCII without quotes and
// backslashes (RFC 6749 §5.2).
func renderOAuth(e *oauth.Error, _ string) []byte {
	return mustMarshal(struct {
		Description string `json:"error_description"`
		Error       string `json:"error"`
	}{web.Printable(e.Description), e.Code})
}

func notFound(d dialect) error {
	if d == dialectOAuth {
		return &oauth.Error{Code: codeNotFound, Status: http.StatusNotFound, Description: "The resource was not found", Reason: "not_found"}
	}
	e := crest(http.StatusNotFound, "Not Found")
	e.Reason = "not_found"
	return e
}

// notImplemented is CREST's answer to what a resource cannot do.
func notImplemented() error {
	return crest(http.StatusNotImplemented, "Operation is not supported.")
}

func mustMarshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	return b
}

// writeJSON writes a body that is JSON already.
func (c *call) writeJSON(status int, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // a client that went away is nobody's failure
}
