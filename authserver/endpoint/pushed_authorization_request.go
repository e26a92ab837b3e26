package endpoint

import (
	"net/http"
	"strconv"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// PushedAuthorizationRequest is the pushed authorization request endpoint (RFC 9126).
type PushedAuthorizationRequest struct {
	Clients *clientauth.Authenticator
	Reader  *authorize.Reader
}

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

	// validate and act
	uri, life, err := e.Reader.Push(r.Context(), env, client, form)
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
