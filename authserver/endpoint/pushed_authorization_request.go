package endpoint

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// PushedAuthorizationRequest is the pushed authorization request endpoint (RFC 9126).
type PushedAuthorizationRequest struct {
	Clients *clientauth.Authenticator
	Reader  *authorize.Reader
	// Address is the client's address without a port. Default: that of the connection.
	Address func(*http.Request) string
	// NoLimit exempts addresses from the limit on public clients. Default: nobody.
	NoLimit func(address string) bool
	// Possession judges a DPoP proof that is sent along, which binds the code.
	Possession *Possession

	once   sync.Once
	pushes *limit.Limiter // of public clients, by address
}

// What one address may push in the name of clients that have no secret: anybody
// can, and each push takes room in the store until it expires.
const (
	pushesPerSecond = 10
	pushesAtOnce    = 200
)

// Serve keeps one authorization request for the browser to name.
func (e *PushedAuthorizationRequest) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	form, err := web.ReadForm(r)
	if err != nil {
		return err
	}

	// authenticate the client
	client, err := e.Clients.Client(r, form, env, "par")
	if err != nil {
		return err
	}

	// validate
	if client.AuthMethod == oauth.AuthNone {
		if err := e.allow(r); err != nil {
			return err
		}
	}

	jkt, err := e.Possession.Key(w, r, env, client, "par")
	if err != nil {
		return err
	}

	// act, having validated the request as the authorization endpoint does
	uri, life, err := e.Reader.Push(r.Context(), env, client, form, jkt)
	if err != nil {
		return err
	}

	// respond: a URN and base64url, neither of which needs escaping (RFC 9126 §2.2)
	body := append(make([]byte, 0, 160), `{"request_uri":"`...)
	body = append(body, uri...)
	body = append(body, `","expires_in":`...)
	body = strconv.AppendInt(body, int64(life/time.Second), 10)
	web.WriteJSON(w, http.StatusCreated, append(body, '}'))
	return nil
}

// allow counts a push of a public client, or refuses it (RFC 9126 §2.3, 429).
func (e *PushedAuthorizationRequest) allow(r *http.Request) error {
	e.once.Do(func() {
		e.pushes = &limit.Limiter{Rate: pushesPerSecond, Burst: pushesAtOnce, Now: e.Reader.Now}
	})
	address := web.Address(e.Address, r)
	if e.NoLimit != nil && e.NoLimit(address) {
		return nil
	}
	ok, retryAfter := e.pushes.Allow(limit.Address(address))
	if ok {
		return nil
	}
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusTooManyRequests, Reason: "push_limit",
		RetryAfter: max(1, int(retryAfter/time.Second)), Description: "Too many requests were pushed",
	}
}
