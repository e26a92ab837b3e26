package fetch

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Client makes every outbound request: https only (see InsecureLoopbackHTTP), no redirect
// followed, no proxy taken from the environment, no cookie, bounded size and time, pooled
// connections. It is safe for concurrent use.
type Client struct {
	options Options
	http    *http.Client
	secure  *http.Transport
	plain   *http.Transport // http to loopback addresses

	strangers *Client // see Strangers; itself where it is that one
	stranger  bool
}

// StatusError is an answer with another status than 200.
type StatusError struct{ Status int }

// Error names the status.
func (e *StatusError) Error() string { return fmt.Sprintf("answered with status %d", e.Status) }

// NewClient makes a client; it opens no connection. Unreadable CA text is an error.
func NewClient(o Options) (*Client, error) {
	if o.Timeout < 0 || o.MaxBody < 0 || o.MaxConns < 0 {
		return nil, errors.New("timeout, body limit and connection limit must not be negative")
	}
	roots, err := o.roots()
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	transport := func(control func(string, string, syscall.RawConn) error) *http.Transport {
		return &http.Transport{
			Proxy:                  nil, // HTTP_PROXY of the environment is not trusted with tokens
			DialContext:            (&net.Dialer{Timeout: o.Timeout, KeepAlive: 30 * time.Second, Control: control}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    o.MaxConns,
			MaxConnsPerHost:        o.MaxConns,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	c := &Client{options: o, secure: transport(nil), plain: transport(loopbackOnly)}
	c.strangers = &Client{
		options: o, stranger: true, secure: transport(o.dialStranger),
		plain: transport(func(network, address string, raw syscall.RawConn) error {
			return errors.Join(loopbackOnly(network, address, raw), o.dialStranger(network, address, raw))
		}),
	}
	c.strangers.strangers = c.strangers
	for _, one := range []*Client{c, c.strangers} {
		one.http = &http.Client{
			Transport: one,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse // seen as a status that is not 200
			},
		}
	}
	return c, nil
}

// RoundTrip sends r over the transport that its scheme allows.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return c.secure.RoundTrip(r)
	}
	return c.plain.RoundTrip(r)
}

// loopbackOnly refuses to connect a plain-text request to anything but this
// machine, whatever a name resolved to.
func loopbackOnly(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !ap.Addr().Unmap().IsLoopback() {
		return errors.New("plain http is possible to loopback addresses only")
	}
	return nil
}

// CheckURL is Options.CheckURL with the client's options, and for a client from
// Strangers a look at the host.
func (c *Client) CheckURL(raw string) (*url.URL, error) {
	u, err := c.options.CheckURL(raw)
	if err == nil && c.stranger {
		err = c.options.checkStrangerHost(u)
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// GetJSON gets a document. Any status but 200 (a *StatusError), a redirect included, a
// body over the limit, or a content type that is not JSON is an error.
func (c *Client) GetJSON(ctx context.Context, url string) ([]byte, http.Header, error) {
	status, header, body, err := c.do(ctx, http.MethodGet, url, "", nil, nil)
	if err != nil {
		return nil, nil, err
	}
	if status != http.StatusOK {
		return nil, nil, fmt.Errorf("get %s: %w", url, &StatusError{Status: status})
	}
	return body, header, nil
}

// PostForm posts a form and returns status and bounded body. auth, where not
// nil, may set headers (basic authentication). A redirect is an error, and so is a
// successful answer that is not JSON; other statuses are the caller's to judge. The request must bear
// being repeated: it is sent once more when the connection turns out to be closed, but not to a stranger's
// address, unless the connection was a pooled one.
func (c *Client) PostForm(ctx context.Context, url string, form url.Values, auth func(*http.Request)) (status int, header http.Header, body []byte, err error) {
	return c.do(ctx, http.MethodPost, url, "", strings.NewReader(form.Encode()), auth)
}

// PostFormAs is PostForm for an answer that is not JSON: accept is the media type that it is to have, without parameters.
func (c *Client) PostFormAs(ctx context.Context, url, accept string, form url.Values, auth func(*http.Request)) (status int, header http.Header, body []byte, err error) {
	return c.do(ctx, http.MethodPost, url, accept, strings.NewReader(form.Encode()), auth)
}

// do makes one exchange. accept is the media type of a successful answer; "" means JSON.
func (c *Client) do(ctx context.Context, method, url, accept string, form io.Reader, auth func(*http.Request)) (int, http.Header, []byte, error) {
	// Judged again at each request: some addresses come out of metadata.
	if _, err := c.CheckURL(url); err != nil {
		return 0, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel() // the body has been read by then, so a slow drip ends here as well
	r, err := http.NewRequestWithContext(ctx, method, url, form)
	if err != nil {
		return 0, nil, nil, err
	}
	r.Header.Set("Accept", cmp.Or(accept, "application/json, application/jwk-set+json"))
	r.Header.Set("User-Agent", "Gatehouse")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header["Idempotency-Key"] = nil // for http.Transport alone; not sent
	}
	if auth != nil {
		auth(r)
	}
	resp, err := c.send(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return 0, nil, nil, fmt.Errorf("%s %s: %w: redirects are not followed", method, url, &StatusError{Status: resp.StatusCode})
	}
	if resp.StatusCode < 300 && !hasType(resp, accept) {
		return 0, nil, nil, fmt.Errorf("%s %s: the answer is not %s", method, url, cmp.Or(accept, "JSON"))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.options.MaxBody+1))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("%s %s: read answer: %w", method, url, err)
	}
	if int64(len(body)) > c.options.MaxBody {
		return 0, nil, nil, fmt.Errorf("%s %s: the answer is larger than %d bytes", method, url, c.options.MaxBody)
	}
	return resp.StatusCode, resp.Header, body, nil
}

// send makes the exchange, once more where the connection ended before any of the answer came. http.Transport does that itself only
// where the connection was used before. A new one may end in the same way: a server that replaces its configuration closes what its old
// listener had not accepted, or had not read of, while the new one is listening already (Caddy does). That is no outage.
// Whoever hangs up on purpose is asked twice at most, and an address that a stranger named only once.
func (c *Client) send(r *http.Request) (*http.Response, error) {
	var connected, answered atomic.Bool // the transport's goroutines tell
	trace := &httptrace.ClientTrace{
		GotConn:              func(httptrace.GotConnInfo) { connected.Store(true) },
		GotFirstResponseByte: func() { answered.Store(true) },
	}
	resp, err := c.http.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	// What is reset by the other end may be so before this end knows that it is connected.
	ended := (connected.Load() || errors.Is(err, syscall.ECONNRESET)) && !answered.Load()
	if err == nil || !ended || c.stranger || r.Context().Err() != nil {
		return resp, err
	}
	if r.GetBody != nil {
		if r.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return c.http.Do(r)
}

// hasType reports whether an answer is of the media type accept, or JSON where that is "". One without content need not be.
func hasType(resp *http.Response, accept string) bool {
	if accept == "" {
		return isJSON(resp.Header.Get("Content-Type"))
	}
	if resp.StatusCode == http.StatusNoContent {
		return true
	}
	t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && t == accept
}

// isJSON reports whether a Content-Type is application/json or has the +json
// suffix (RFC 6839 §3.1), such as application/jwk-set+json.
func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	return t == "application/json" || strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json")
}

// Close closes idle connections.
func (c *Client) Close() {
	for _, one := range []*Client{c, c.strangers} {
		one.secure.CloseIdleConnections()
		one.plain.CloseIdleConnections()
	}
}
