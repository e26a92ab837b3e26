package declared

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TLSSubject is whom the certificate of an application must name: exactly one member is given (RFC 8705 §2.1.2).
type TLSSubject struct {
	// DN is a distinguished name as RFC 4514 writes it: "CN=batch,O=Example,C=DE".
	DN string `json:"dn,omitempty"`
	// DNS, URI, IP and Email are alternative names.
	DNS   string `json:"dns,omitempty"`
	URI   string `json:"uri,omitempty"`
	IP    string `json:"ip,omitempty"`
	Email string `json:"email,omitempty"`
}

// setPossession reads what an environment says of keys and certificates of clients.
func setPossession(e *store.Environment, c *Environment) error {
	if c.MTLSURL != "" {
		err := checkIssuer(c.MTLSURL, "/"+e.ID+"/as")
		if err == nil && !strings.HasPrefix(c.MTLSURL, "https:") {
			err = fmt.Errorf("%q is not https: without TLS there are no client certificates", c.MTLSURL)
		}
		if err != nil {
			return fmt.Errorf("mtls_url %w", err)
		}
	}
	e.MTLSURL, e.DPoPNonces = c.MTLSURL, c.DPoPNonces
	if c.ClientCAFile == "" {
		return nil
	}
	text, err := readAuthorities(c.ClientCAFile)
	if err != nil {
		return fmt.Errorf("client_ca_file: %w", err)
	}
	e.ClientCAs = text
	return nil
}

func readAuthorities(file string) ([]byte, error) {
	text, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return text, checkAuthorities(text)
}

// checkAuthorities wants PEM certificates, each of which can be read, and nothing else.
func checkAuthorities(text []byte) error {
	rest, n := text, 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("there is a %s in it, which is no certificate", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("certificate %d cannot be read: %w", n+1, err)
		}
		if c.BasicConstraintsValid && !c.IsCA {
			return fmt.Errorf("certificate %d (%s) is not that of an authority", n+1, c.Subject)
		}
		n++
	}
	if n == 0 {
		return errors.New("there is no PEM certificate in it")
	}
	return nil
}

// setBinding reads what an application proves to possess; its authentication and its response types are settled.
func setBinding(c *store.Client, a *Application, env *store.Environment) error {
	if a.TLSSubject != nil {
		c.TLSSubject = mtls.Subject(*a.TLSSubject)
		if c.AuthMethod != oauth.AuthTLSClient {
			return fmt.Errorf("tls_subject is of no use with auth_method %s", c.AuthMethod)
		}
		if err := c.TLSSubject.Check(); err != nil {
			return fmt.Errorf("tls_subject: %w", err)
		}
	}
	if c.AuthMethod == oauth.AuthTLSClient {
		switch {
		case a.TLSSubject == nil:
			return errors.New("tls_subject is missing, which auth_method tls_client_auth needs")
		case len(env.ClientCAs) == 0:
			return errors.New("auth_method tls_client_auth needs client_ca_file, of the environment or of all of them, which is missing")
		}
	}
	c.DPoPBound, c.CertificateBound = a.DPoPBound, a.CertificateBound
	if (c.DPoPBound || c.CertificateBound) && slices.Contains(c.ResponseTypes, oauth.ResponseToken) {
		return errors.New("dpop_bound and certificate_bound are not to be had with the response type token, which brings unbound tokens")
	}
	return nil
}

// setExchangeBound resolves the resources whose bound tokens an application exchanges; its grants and its authentication are settled.
func (e *environment) setExchangeBound(c *store.Client, names []string) error {
	switch {
	case len(names) == 0:
		return nil
	case !slices.Contains(c.GrantTypes, oauth.GrantTokenExchange):
		return errors.New("exchange_bound is of no use without grant token_exchange")
	case c.AuthMethod == oauth.AuthNone:
		return errors.New("exchange_bound is refused with auth_method none: whoever has found a bound token could exchange it")
	}
	for _, name := range names {
		audience := ""
		for _, r := range e.resources {
			if r.Name == name {
				audience = r.Audience
			}
		}
		switch {
		case audience == "":
			return fmt.Errorf("exchange_bound: there is no resource %q", name)
		case slices.Contains(c.ExchangesBound, audience):
			return fmt.Errorf("exchange_bound: resource %s is listed twice", name)
		}
		c.ExchangesBound = append(c.ExchangesBound, audience)
	}
	return nil
}
