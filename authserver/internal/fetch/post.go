package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// notifyTimeout bounds a whole notification, from dialling to its answer.
	notifyTimeout = 10 * time.Second
	// maxDrained is how much of an answer is read so that the connection can be
	// used again.
	maxDrained = 4 << 10
)

// Notify posts a form to somebody whose answer matters by its status alone:
// every 2xx is nil, anything else, a redirect included, a *StatusError. The body
// of the answer is thrown away. The request must bear being repeated.
//
// An error does not name the URL, which may hold a secret of its owner.
func (c *Client) Notify(ctx context.Context, target string, form url.Values) error {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return c.Send(ctx, target, header, []byte(form.Encode()))
}

// Send posts a body of any kind, under the rules of Notify. header has its
// Content-Type, and must not have what frames a message.
func (c *Client) Send(ctx context.Context, target string, header http.Header, body []byte) error {
	// Judged again at each request: the address comes out of a client's metadata.
	if _, err := c.CheckURL(target); err != nil {
		return errors.New("the address is not one that may be contacted")
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address is not one that a request can be made of")
	}
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Header.Set("User-Agent", "Gatehouse")
	r.Header["Idempotency-Key"] = nil // for http.Transport alone; not sent
	resp, err := c.http.Do(r)
	if err != nil {
		if named, ok := errors.AsType[*url.Error](err); ok {
			return named.Err
		}
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrained) // what is longer costs the connection, nothing else
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &StatusError{Status: resp.StatusCode}
	}
	return nil
}
