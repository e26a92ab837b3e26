package web

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Handler answers one request, or returns why it does not; then it has written
// nothing.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Route says what happens around a Handler. It is read only and shared.
type Route struct {
	// Name is a short word of a closed set, for logs and metrics.
	Name string
	// Methods are the allowed ones; GET brings HEAD with it, and OPTIONS is
	// answered for them. nil leaves every method to the Handler.
	Methods []string
	// AnyOrigin lets scripts of every origin read the answers, always without
	// credentials: for endpoints that trust no cookie.
	AnyOrigin bool
	// CacheControl is for answers without error; "" means no-store. Errors are
	// never stored.
	CacheControl string
	// Preflight judges an Origin that wants to call with credentials, where the
	// endpoint trusts a cookie; nil means that none may. The answer itself is opened to a script by
	// AllowOrigin alone.
	Preflight func(origin string) bool
	// Render writes this route's errors. nil means OAuth.
	Render Renderer
	// RenderAll has Render write 404 and 405 too, which are PingOne's otherwise.
	RenderAll bool
	// ContentType is that of errors; "" means application/json.
	ContentType string
	// AllowHeaders are further request headers that scripts may send.
	AllowHeaders string
	// Headers are set on every answer, errors included. Names are canonical.
	Headers http.Header
}

// Host is what Handle needs of the server around it. It is safe for concurrent
// use when its fields are.
type Host struct {
	Log    *slog.Logger
	NewID  func() string // correlation ids: UUIDs
	Served func(route, outcome string, d time.Duration)
	Now    func() time.Time
}

// The request headers that PingOne lets scripts send, DPoP (RFC 9449 §4.1) and If-Match.
const allowedHeaders = "Accept, Accept-Language, Authorization, Content-Language, Content-Length, Content-Type, " +
	"Cookie, Correlation-Id, DPoP, If-Match, Origin, Origin-Cookies, Range, Referer, Referrer, X-Amz-Date, X-Amz-Security-Token, " +
	"X-Api-Key, X-Client-Version, X-Content-Type-Options"

// The response headers that scripts may read: a client that is one needs the challenge and the nonce (RFC 9449 §8).
const exposedHeaders = "Correlation-Id, DPoP-Nonce, WWW-Authenticate"

// Handle runs serve with everything that surrounds it. It alone renders errors
// and it alone logs them.
func Handle(h *Host, rt *Route, w http.ResponseWriter, r *http.Request, serve Handler) {
	start := h.Now()
	id := h.NewID()
	header := newHeaders(w.Header())
	header.set("Correlation-Id", id)
	header.set("X-Content-Type-Options", "nosniff")
	for name, values := range rt.Headers {
		w.Header()[name] = slices.Clip(values)
	}
	if rt.AnyOrigin {
		header.set("Access-Control-Allow-Origin", "*")
		header.set("Access-Control-Expose-Headers", exposedHeaders)
	}

	outcome := "ok"
	var err error
	switch {
	case allows(rt.Methods, r.Method):
		if rt.CacheControl != "" {
			header.set("Cache-Control", rt.CacheControl)
		} else {
			noStore(&header)
		}
		err = serve(w, r)
	case r.Method == http.MethodOptions:
		options(w.Header(), rt, r)
		w.WriteHeader(http.StatusNoContent)
	default:
		header.set("Allow", allow(rt.Methods))
		err = &oauth.Error{
			Code: oauth.CodeInvalidRequest, Status: http.StatusMethodNotAllowed, Reason: "method",
			Description: "The request method is not allowed",
		}
	}
	if err != nil {
		outcome = h.fail(rt, w, r, id, err)
	}
	h.Served(rt.Name, outcome, h.Now().Sub(start))
}

// fail writes err and logs it. It returns the outcome for the metrics.
func (h *Host) fail(rt *Route, w http.ResponseWriter, r *http.Request, id string, err error) string {
	e := oauth.From(err)
	if shown, ok := errors.AsType[*Presented](err); ok {
		shown.Write(w, e, id)
		return h.log(rt, r, id, e)
	}
	render := rt.Render
	if !rt.RenderAll && (e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusNotFound) {
		render = PingOne // about the address, not about the protocol behind it
	} else if render == nil {
		render = OAuth
	}
	header := w.Header()
	errorHeaders := newHeaders(header)
	noStore(&errorHeaders)
	for _, c := range e.Challenges {
		header.Add("WWW-Authenticate", c.String())
	}
	if e.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	writeBody(w, e.Status, cmp.Or(rt.ContentType, jsonType), render(e, id))
	return h.log(rt, r, id, e)
}

// log writes the one line about a refused request and returns its outcome.
func (h *Host) log(rt *Route, r *http.Request, id string, e *oauth.Error) string {
	level := slog.LevelInfo
	if e.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		level = slog.LevelError
	}
	if h.Log.Enabled(r.Context(), level) {
		attrs := []slog.Attr{
			slog.String("endpoint", rt.Name), slog.String("error", e.Code), slog.Int("status", e.Status),
			slog.String("description", e.Description), slog.String("correlation_id", id),
		}
		if e.Reason != "" {
			attrs = append(attrs, slog.String("reason", e.Reason))
		}
		if e.Cause != nil {
			attrs = append(attrs, slog.String("cause", e.Cause.Error()))
		}
		h.Log.LogAttrs(r.Context(), level, "request refused", attrs...)
	}
	return e.Code
}

// NotFound is the answer to a path that belongs to the server and names nothing.
func NotFound() *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidRequest, Status: http.StatusNotFound, Reason: "not_found",
		Description: "The requested resource was not found",
	}
}

func allows(methods []string, method string) bool {
	return methods == nil || slices.Contains(methods, method) || method == http.MethodHead && slices.Contains(methods, http.MethodGet)
}

func allow(methods []string) string {
	all := slices.Clone(methods)
	if slices.Contains(all, http.MethodGet) {
		all = append(all, http.MethodHead)
	}
	return strings.Join(append(all, http.MethodOptions), ", ")
}

// options answers a plain OPTIONS (RFC 9110 §9.3.7) and, where scripts may come
// from anywhere, a preflight.
func options(header http.Header, rt *Route, r *http.Request) {
	header.Set("Allow", allow(rt.Methods))
	origin := r.Header.Get("Origin")
	if origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return
	}
	trusted := rt.Preflight != nil && rt.Preflight(origin)
	if trusted {
		AllowOrigin(header, origin)
	}
	if rt.AnyOrigin || trusted {
		header.Set("Access-Control-Allow-Methods", allow(rt.Methods))
		header.Set("Access-Control-Allow-Headers", allowedHeaders)
		if rt.AllowHeaders != "" {
			header.Add("Access-Control-Allow-Headers", rt.AllowHeaders)
		}
		header.Set("Access-Control-Max-Age", "3600")
	}
}

func noStore(header *headers) {
	header.set("Cache-Control", "no-cache, no-store")
	header.set("Pragma", "no-cache")
}

// headers sets response headers with one allocation for all their values and
// without looking for the canonical spelling of names that have it already.
type headers struct {
	header http.Header
	values []string
}

func newHeaders(h http.Header) headers { return headers{h, make([]string, 0, 6)} }

func (h *headers) set(canonical, value string) {
	n := len(h.values)
	h.values = append(h.values, value)
	h.header[canonical] = h.values[n : n+1 : n+1]
}

// WriteJSON writes a body that is already JSON.
func WriteJSON(w http.ResponseWriter, status int, body []byte) { writeBody(w, status, jsonType, body) }

// WriteBody answers with a body of another type.
func WriteBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	writeBody(w, status, contentType, body)
}

const jsonType = "application/json"

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	header := newHeaders(w.Header())
	header.set("Content-Type", contentType)
	header.set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is nobody's failure
}
