package registration

import (
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// possession reads what the client proves to possess (RFC 9449 §5.2, RFC 8705 §2.1.2, §3.4); its authentication and response types are read.
func (j *judged) possession(env *store.Environment) {
	j.tlsSubject(env)
	for _, at := range []struct {
		name string
		to   *bool
	}{
		{"dpop_bound_access_tokens", &j.client.DPoPBound},
		{"tls_client_certificate_bound_access_tokens", &j.client.CertificateBound},
	} {
		value, given := j.flag(at.name)
		if !given {
			continue
		}
		*at.to = value
		j.keep(at.name, value)
		if value && slices.Contains(j.client.ResponseTypes, oauth.ResponseToken) {
			j.fail(invalid("%s is not to be had with the response type token, which brings unbound tokens", at.name))
		}
	}
}

// tlsSubject reads whom the certificate of a tls_client_auth client names.
func (j *judged) tlsSubject(env *store.Environment) {
	given := false
	s := &j.client.TLSSubject
	for _, at := range []struct {
		name string
		to   *string
	}{
		{"tls_client_auth_subject_dn", &s.DN}, {"tls_client_auth_san_dns", &s.DNS}, {"tls_client_auth_san_uri", &s.URI},
		{"tls_client_auth_san_ip", &s.IP}, {"tls_client_auth_san_email", &s.Email},
	} {
		*at.to = j.text(at.name)
		given = given || *at.to != ""
		j.keep(at.name, *at.to)
	}
	switch {
	case j.client.AuthMethod != oauth.AuthTLSClient:
		if given { // it would look as if it meant something
			j.fail(invalid("a name of the certificate is for tls_client_auth alone"))
		}
	case len(env.ClientCAs) == 0:
		j.fail(invalid("tls_client_auth is not offered here"))
	default:
		if err := s.Check(); err != nil {
			j.fail(invalid("the name of the certificate: %v", err))
		}
	}
}
