package endpoint

import (
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Registration is the client registration endpoint (RFC 7591 §3) and the client
// configuration endpoint below it (RFC 7592 §2). Both are there where the
// environment lets clients register, and 404 elsewhere.
type Registration struct {
	Registrar *registration.Registrar
	// Limit is how often one address may try to register. The zero value is limit's default.
	Limit limit.Limiter
	// Address tells a request's client address, without port, as for session.Sessions. Default: who is connected.
	Address func(*http.Request) string
	// NoLimit exempts addresses from Limit. Default: nobody.
	NoLimit func(address string) bool
}

// Serve registers a client: POST of its metadata as JSON.
func (e *Registration) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	if env.Registration.Mode == store.RegistrationOff {
		return web.NotFound()
	}
	if err := e.allow(r); err != nil {
		return err
	}
	token, err := bearerToken(r)
	if err != nil {
		return err
	}
	metadata, err := readMetadata(r)
	if err != nil {
		return err
	}

	// authenticate, validate, act
	body, err := e.Registrar.Register(r.Context(), env, token, metadata)
	if err != nil {
		return err
	}

	// respond
	web.WriteJSON(w, http.StatusCreated, body)
	return nil
}

// ServeClient is the configuration endpoint of one client, whose id is the last
// segment of the path: GET reads it, PUT replaces it, DELETE ends it.
func (e *Registration) ServeClient(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	if env.Registration.Mode == store.RegistrationOff {
		return web.NotFound()
	}
	id := path.Base(r.URL.Path)
	token, err := bearerToken(r)
	if err != nil {
		return err
	}

	// authenticate, validate, act
	var body []byte
	switch r.Method {
	case http.MethodPut:
		var metadata []byte
		if metadata, err = readMetadata(r); err == nil {
			body, err = e.Registrar.Replace(r.Context(), env, token, id, metadata)
		}
	case http.MethodDelete:
		if err = e.Registrar.Delete(r.Context(), env, token, id); err == nil {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	default:
		body, err = e.Registrar.Read(r.Context(), env, token, id)
	}
	if err != nil {
		return err
	}

	// respond
	web.WriteJSON(w, http.StatusOK, body)
	return nil
}

// readMetadata gives the JSON text of a body, as it was sent. Only registration
// reads it: a decoder would hide members that occur twice.
func readMetadata(r *http.Request) ([]byte, error) {
	if web.MediaType(r) != "application/json" {
		return nil, &oauth.Error{
			Code: oauth.CodeInvalidClientMetadata, Status: http.StatusUnsupportedMediaType, Reason: "content_type",
			Description: "The body must be application/json",
		}
	}
	var text json.RawMessage
	if err := web.ReadJSON(r, &text); err != nil {
		if e := oauth.From(err); e.Status == http.StatusBadRequest {
			bad := *e
			bad.Code = oauth.CodeInvalidClientMetadata
			return nil, &bad
		}
		return nil, err
	}
	return text, nil
}

// bearerToken gives the token of the one Authorization header, "" where there is
// none; a query or a body never holds one here (RFC 6750 §2.1).
func bearerToken(r *http.Request) (string, error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, found := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	if len(values) > 1 || !found || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t,") {
		return "", oauth.InvalidRequest("The Authorization header is not one Bearer token")
	}
	return token, nil
}

// allow counts a registration of the client's address.
func (e *Registration) allow(r *http.Request) error {
	address := web.Address(e.Address, r)
	if e.NoLimit != nil && e.NoLimit(address) {
		return nil
	}
	if ok, wait := e.Limit.Allow(limit.Address(address)); !ok {
		return &oauth.Error{
			Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusTooManyRequests, Reason: "rate_limit",
			Description: "There were too many registrations", RetryAfter: int(wait / time.Second),
		}
	}
	return nil
}
