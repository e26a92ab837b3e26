package web

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// MediaType is the type of the body in lower case, without parameters; "" where
// there is none or it is malformed, encoded or repeated.
func MediaType(r *http.Request) string {
	if r.Header.Get("Content-Encoding") != "" || len(r.Header["Content-Type"]) != 1 {
		return ""
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return strings.ToLower(kind)
}

// ReadJSON reads a body that is one JSON object into v, up to MaxForm bytes.
// The caller has checked the media type. An empty body is {}. Unknown members are ignored.
func ReadJSON(r *http.Request, v any) error {
	body, err := readAll(r.Body, nil)
	if err != nil {
		return err
	}
	if body = bytes.TrimSpace(body); len(body) == 0 {
		body = []byte("{}")
	}
	if body[0] != '{' {
		return malformedJSON()
	}
	if err := json.Unmarshal(body, v); err != nil {
		return malformedJSON()
	}
	return nil
}

// malformedJSON says nothing of the body: a decoder's own words may quote it.
func malformedJSON() error {
	e := oauth.InvalidRequest("The body is not the JSON object that is expected")
	e.PingOne = oauth.PingOneInvalidRequest
	return e
}
