package directory

import (
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TLSSubject is whom an application's certificate names (RFC 8705 §2.1.2): exactly one member is there.
type TLSSubject struct {
	DN    string `json:"dn,omitzero"`
	DNS   string `json:"dns,omitzero"`
	URI   string `json:"uri,omitzero"`
	IP    string `json:"ip,omitzero"`
	Email string `json:"email,omitzero"`
}

// tlsSubject is the subject as it is compared; zero for none.
func (a *Application) tlsSubject() mtls.Subject {
	if a.TLSClientAuthSubject == nil {
		return mtls.Subject{}
	}
	return mtls.Subject(*a.TLSClientAuthSubject)
}

// keepBinding keeps what binds an application's tokens where an update says nothing of it: a client that knows PingOne's members
// alone reads, changes and writes back, and must not make bearer tokens of bound ones.
func (a *Application) keepBinding(old *Application) {
	if old == nil {
		return
	}
	if a.DPoPBoundAccessTokens == nil {
		a.DPoPBoundAccessTokens = old.DPoPBoundAccessTokens
	}
	if a.TLSClientCertificateBoundAccessTokens == nil {
		a.TLSClientCertificateBoundAccessTokens = old.TLSClientCertificateBoundAccessTokens
	}
	if a.TLSClientAuthSubject == nil && a.TokenEndpointAuthMethod == authTLSClient {
		a.TLSClientAuthSubject = old.TLSClientAuthSubject
	}
}

// checkBinding judges the methods of TLS and what binds tokens.
func (a *Application) checkBinding(j *judge, env *store.Environment) {
	switch method, subject := a.TokenEndpointAuthMethod, a.TLSClientAuthSubject; {
	case method == authTLSClient && len(env.ClientCAs) == 0:
		j.add(InvalidValue, "tokenEndpointAuthMethod", "must not be %s in an environment without authorities for client certificates", authTLSClient)
	case method == authTLSClient && subject == nil:
		j.add(RequiredValue, "tlsClientAuthSubject", "must not be empty where tokenEndpointAuthMethod is %s", authTLSClient)
	case method != authTLSClient && subject != nil:
		j.add(InvalidValue, "tlsClientAuthSubject", "must not be given where tokenEndpointAuthMethod is not %s", authTLSClient)
	case subject != nil:
		if err := a.tlsSubject().Check(); err != nil {
			j.add(InvalidValue, "tlsClientAuthSubject", "must be one name of a certificate: %v", err)
		}
	}
	unbound := slices.Contains(a.effectiveResponseTypes(), oauth.ResponseToken)
	for _, flag := range []struct {
		name string
		on   *bool
	}{
		{"dpopBoundAccessTokens", a.DPoPBoundAccessTokens},
		{"tlsClientCertificateBoundAccessTokens", a.TLSClientCertificateBoundAccessTokens},
	} {
		if truth(flag.on) && unbound {
			j.add(InvalidValue, flag.name, "must not be true where responseTypes has %s, which brings unbound tokens", responseToken)
		}
	}
}

// fillBinding says what binds the tokens of a client that was declared or registered.
func (a *Application) fillBinding(c *store.Client) {
	if c.DPoPBound {
		a.DPoPBoundAccessTokens = &c.DPoPBound
	}
	if c.CertificateBound {
		a.TLSClientCertificateBoundAccessTokens = &c.CertificateBound
	}
	if c.TLSSubject != (mtls.Subject{}) {
		s := TLSSubject(c.TLSSubject)
		a.TLSClientAuthSubject = &s
	}
}
