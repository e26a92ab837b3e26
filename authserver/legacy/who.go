package legacy

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// client tells which application authenticates at an endpoint that reads a form. It is read before, since
// the body is gone afterwards, and believed only after the endpoint has authenticated the client: that takes no request
// whose client_id, Basic header and assertion name different ones.
func (c *call) client() (application func() string, err error) {
	body, err := c.keepBody()
	if err != nil {
		return nil, err
	}
	header := c.r.Header
	return func() string { return claimed(header, body) }, nil
}

// bearer tells whose access token UserInfo was asked with, once it has answered.
func (c *call) bearer() (application func() string, err error) {
	body, err := c.keepBody()
	if err != nil {
		return nil, err
	}
	return func() string {
		_, raw, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
		if raw = strings.TrimLeft(raw, " "); raw == "" {
			form, _ := url.ParseQuery(string(body)) // it was good a moment ago
			raw = form.Get("access_token")
		}
		active, err := c.l.Tokens.Verify(c.r.Context(), c.env, raw)
		if err != nil {
			return "" // it ended this very moment
		}
		return active.Client
	}, nil
}

// applicationNamed tells the application that the address names, as the endpoint of registered clients reads it.
func (c *call) applicationNamed() (application func() string, err error) {
	return func() string { return path.Base(c.r.URL.Path) }, nil
}

// keepBody reads the body of a form, and puts it back.
func (c *call) keepBody() ([]byte, error) {
	if c.r.Body == nil { // of a host that is no HTTP server
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(c.r.Body, web.MaxForm+1)) // a longer one is going to be refused
	if err != nil {
		return nil, oauth.InvalidRequest("The body could not be read").WithCause(err)
	}
	again := *c.r
	again.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), c.r.Body), c.r.Body}
	c.r = &again
	return body, nil
}

// claimed is the client that a request says it is of.
func claimed(header http.Header, body []byte) string {
	if id, _, ok := (&http.Request{Header: header}).BasicAuth(); ok {
		id, _ = url.QueryUnescape(id)
		return id
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	if id := form.Get("client_id"); id != "" {
		return id
	}
	jws, err := jose.Parse(form.Get("client_assertion"), jose.Limits{})
	if err != nil {
		return ""
	}
	claims, err := jws.Claims()
	if err != nil {
		return ""
	}
	return claims.Subject
}
