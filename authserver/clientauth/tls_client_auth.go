package clientauth

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// checkTLSClient lets in whose certificate is of one of the environment's authorities and names the registered subject (RFC 8705 §2.1).
// Whatever the listener has checked of it is checked again: its authorities may be others.
func (a *Authenticator) checkTLSClient(r *http.Request, env *store.Environment, reg registration) error {
	if why := reg.usable(oauth.AuthTLSClient); why != "" {
		return reg.refuse(why)
	}
	certificate, err := a.certificate(r)
	if err != nil {
		return reg.refuse(err.Error())
	}
	roots := a.roots(env)
	if roots == nil {
		return reg.refuse("the environment has no authorities for client certificates")
	}
	if err := certificate.Verify(roots, a.Now()); err != nil {
		return reg.refuse("its certificate: " + err.Error())
	}
	if !reg.client.TLSSubject.Matches(certificate.Leaf) {
		return reg.refuse("its certificate names another subject")
	}
	return nil
}

// certificate is what the client presented; none is an error.
func (a *Authenticator) certificate(r *http.Request) (*mtls.Certificate, error) {
	if a.Certificate == nil {
		return nil, errors.New("nothing here reads client certificates")
	}
	certificate, err := a.Certificate(r)
	switch {
	case err != nil:
		return nil, err
	case certificate == nil || certificate.Leaf == nil:
		return nil, errors.New("it presented no certificate")
	}
	return certificate, nil
}

// authorities are those of an environment, parsed.
type authorities struct {
	text  []byte
	roots *x509.CertPool // nil where there is none in text
}

// roots are the environment's authorities for client certificates, nil where it has none.
func (a *Authenticator) roots(env *store.Environment) *x509.CertPool {
	if len(env.ClientCAs) == 0 {
		return nil
	}
	if v, ok := a.authorities.Load(env.ID); ok {
		if known := v.(*authorities); bytes.Equal(known.text, env.ClientCAs) {
			return known.roots
		}
	}
	parsed := &authorities{text: env.ClientCAs, roots: x509.NewCertPool()}
	if !parsed.roots.AppendCertsFromPEM(env.ClientCAs) {
		parsed.roots = nil
	}
	a.authorities.Store(env.ID, parsed)
	return parsed.roots
}
