package clientauth

import (
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// presented is what a request says about its caller. Nothing of it is verified.
type presented struct {
	method string // oauth.Auth…
	id     string
	secret string
	jws    *jose.JWS    // assertions only
	claims *jose.Claims // assertions only
	raw    string       // the assertion
	header bool         // an Authorization header was sent
}

// read takes the credentials out of a request: exactly one method, and every
// client_id in agreement.
func read(r *http.Request, form *web.Form) (*presented, error) {
	headers := r.Header["Authorization"]
	clientSecret, assertion, kind := form.Get("client_secret"), form.Get("client_assertion"), form.Get("client_assertion_type")
	methods := len(headers)
	if clientSecret != "" {
		methods++
	}
	if assertion != "" || kind != "" {
		methods++
	}
	if methods > 1 {
		return nil, oauth.InvalidRequest("More than one client authentication method was used")
	}

	p := &presented{header: len(headers) == 1}
	var err error
	switch {
	case p.header:
		err = p.readBasic(headers[0])
	case clientSecret != "":
		err = p.readPost(form)
	case assertion != "" || kind != "":
		err = p.readAssertion(assertion, kind)
	default:
		err = p.readNone(form)
	}
	if err != nil {
		if _, ok := errors.AsType[*oauth.Error](err); ok {
			return nil, err
		}
		return nil, p.denied(err)
	}
	if id := form.Get("client_id"); id != "" && id != p.id {
		return nil, p.denied(errors.New("client_id differs from the one that authenticates"))
	}
	return p, nil
}

// denied is the one answer to every failed authentication. Its text is
// PingOne's, whatever the reason.
func (p *presented) denied(cause error) *oauth.Error {
	e := oauth.InvalidClient("Unsupported authentication method").WithCause(cause)
	if p.header {
		e.Challenges = []oauth.Challenge{{Scheme: "Basic", Params: []oauth.Param{{Name: "realm", Value: "oauth"}}}}
	}
	return e
}
