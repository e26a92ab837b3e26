package clientauth

import (
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// readNone reads the client_id of a public client (RFC 6749 §3.2.1).
func (p *presented) readNone(form *web.Form) error {
	p.method, p.id = oauth.AuthNone, form.Get("client_id")
	if p.id == "" {
		return errors.New("no client authentication")
	}
	return nil
}

// checkNone lets in who is registered as public: nothing is proved.
func checkNone(reg registration) error {
	if why := reg.usable(oauth.AuthNone); why != "" {
		return reg.refuse(why)
	}
	return nil
}
