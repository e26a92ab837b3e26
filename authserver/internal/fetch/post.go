package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
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
	// Judged again at each request: the address comes out of a client's metadata.
	if _, err := c.CheckURL(target); err != nil {
		return errors.New("the address is not one that may be contacted")
	}
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "Gatehouse")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
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
