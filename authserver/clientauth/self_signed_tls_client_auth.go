package clientauth

import (
	"fmt"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// checkSelfSignedTLS lets in whose certificate is for one of the client's registered keys (RFC 8705 §2.2). What else is in the certificate
// vouches for nothing: the client has made it itself.
func (a *Authenticator) checkSelfSignedTLS(r *http.Request, reg registration) error {
	if why := reg.usable(oauth.AuthSelfSignedTLS); why != "" {
		return reg.refuse(why)
	}
	certificate, err := a.certificate(r)
	if err != nil {
		return reg.refuse(err.Error())
	}
	key, err := a.Keys.Certified(r.Context(), reg.client, certificate.Leaf)
	switch {
	case err != nil:
		return unavailable(fmt.Errorf("key set of client %q: %w", reg.client.ID, err))
	case key == nil:
		return reg.refuse("its certificate is for none of its keys")
	}
	return nil
}
