package web

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Renderer makes the body of an error. id is the correlation id.
type Renderer func(e *oauth.Error, id string) []byte

// PingOne's generic sentences. Clients see one of them in front of the detail.
const (
	invalidData   = "The request could not be completed. One or more validation errors were in the request."
	requestFailed = "The request could not be completed. There was an issue processing the request."
	requestDenied = "Request denied"
)

// OAuth renders {"error","error_description"} (RFC 6749 §5.2) with PingOne's
// wording: "<generic message>: <detail> (Correlation ID: <uuid>)".
func OAuth(e *oauth.Error, id string) []byte {
	return marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{e.Code, Description(e, id)})
}

// Description is the error_description of e: PingOne's wording, in printable
// ASCII without quotes and backslashes (RFC 6749 §5.2).
func Description(e *oauth.Error, id string) string {
	text := requestFailed
	switch e.Code {
	case oauth.CodeInvalidClient:
		text = requestDenied
	case oauth.CodeInvalidRequest, oauth.CodeInvalidScope, oauth.CodeUnsupportedGrantType, oauth.CodeUnsupportedTokenType:
		text = invalidData
	}
	if e.Description != "" && e.Code != oauth.CodeServerError {
		text += ": " + e.Description
	}
	return Printable(text + " (Correlation ID: " + id + ")")
}

// Printable is text as an error_description may have it: printable ASCII without quotes and backslashes (RFC 6749 §5.2).
func Printable(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"':
			return '\''
		case c < ' ' || c > '~' || c == '\\':
			return ' '
		}
		return c
	}, text)
}

// PingOne renders the error body of the rest of PingOne's surface, whose id is
// the correlation id.
func PingOne(e *oauth.Error, id string) []byte {
	code, message := "INVALID_REQUEST", "The request could not be completed. The request was malformed or invalid."
	switch {
	case e.Status == http.StatusUnauthorized:
		code, message = oauth.PingOneInvalidToken, "The request could not be completed. You do not have access to this resource."
	case e.Status == http.StatusForbidden:
		code, message = oauth.PingOneAccessFailed, "The request could not be completed. You do not have access to this resource."
	case e.Status == http.StatusNotFound:
		code, message = "NOT_FOUND", "The request could not be completed. The requested resource was not found."
	case e.Status == http.StatusMethodNotAllowed:
		message = "The request could not be completed. The request method is not allowed."
	case e.Status == http.StatusTooManyRequests:
		code, message = oauth.PingOneRequestLimited, "The request could not be completed. There were too many requests."
	case e.Status == http.StatusServiceUnavailable:
		code, message = "REQUEST_FAILED", requestFailed
	case e.Status >= http.StatusInternalServerError:
		code, message = "UNEXPECTED_ERROR", "The request could not be completed. An unexpected error occurred."
	case len(e.Details) > 0:
		code, message = oauth.PingOneInvalidData, invalidData
	}
	if e.PingOne != "" {
		code = e.PingOne
	}
	if e.Message != "" {
		message = e.Message
	}
	details := make([]detail, len(e.Details))
	for i, d := range e.Details {
		details[i] = detail(d)
	}
	return marshal(struct {
		ID      string   `json:"id"`
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Details []detail `json:"details,omitempty"`
	}{id, code, message, details})
}

// detail is oauth.Detail on the wire.
type detail struct {
	Code    string         `json:"code"`
	Target  string         `json:"target,omitempty"`
	Message string         `json:"message"`
	Inner   map[string]any `json:"innerError,omitempty"`
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // structs of strings
	}
	return b
}
