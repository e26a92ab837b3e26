package web

import (
	"encoding/json"
	"net/http"

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
	return marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{e.Code, text + " (Correlation ID: " + id + ")"})
}

// PingOne renders the error body of the rest of PingOne's surface, whose id is
// the correlation id.
func PingOne(e *oauth.Error, id string) []byte {
	code, message := "INVALID_REQUEST", "The request could not be completed. The request was malformed or invalid."
	switch {
	case e.Status == http.StatusNotFound:
		code, message = "NOT_FOUND", "The request could not be completed. The requested resource was not found."
	case e.Status == http.StatusMethodNotAllowed:
		message = "The request could not be completed. The request method is not allowed."
	case e.Status == http.StatusServiceUnavailable:
		code, message = "REQUEST_FAILED", requestFailed
	case e.Status >= http.StatusInternalServerError:
		code, message = "UNEXPECTED_ERROR", "The request could not be completed. An unexpected error occurred."
	}
	return marshal(struct {
		ID      string `json:"id"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}{id, code, message})
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // structs of strings
	}
	return b
}
