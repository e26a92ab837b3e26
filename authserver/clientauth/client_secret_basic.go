package clientauth

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// maxBasic bounds the header before anything in it is decoded.
const maxBasic = 8 << 10

var errBasic = errors.New("the Authorization header is not well-formed basic authentication")

// readBasic reads client_secret_basic (RFC 6749 §2.3.1).
func (p *presented) readBasic(header string) error {
	id, clientSecret, ok := parseBasic(header)
	if !ok {
		return errBasic
	}
	p.method, p.id, p.secret = oauth.AuthClientSecretBasic, id, clientSecret
	return nil
}

// parseBasic splits a Basic header into id and secret. Both are form-encoded
// inside of base64, unlike in RFC 7617; a client that leaves this out is found
// out only if its id or secret has one of the characters that matter.
func parseBasic(header string) (id, clientSecret string, ok bool) {
	if len(header) > maxBasic {
		return "", "", false
	}
	scheme, rest, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimLeft(rest, " "))
	if err != nil || strings.ContainsAny(rest, "\r\n") {
		return "", "", false
	}
	id, clientSecret, ok = strings.Cut(string(raw), ":")
	if !ok {
		return "", "", false
	}
	if id, err = url.QueryUnescape(id); err != nil || id == "" {
		return "", "", false
	}
	if clientSecret, err = url.QueryUnescape(clientSecret); err != nil {
		return "", "", false
	}
	return id, clientSecret, true
}
