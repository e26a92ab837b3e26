package clientauth

import (
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// readPost reads client_secret_post (RFC 6749 §2.3.1).
func (p *presented) readPost(form *web.Form) error {
	p.method, p.id, p.secret = oauth.AuthClientSecretPost, form.Get("client_id"), form.Get("client_secret")
	if p.id == "" {
		return errors.New("client_secret without client_id")
	}
	return nil
}
