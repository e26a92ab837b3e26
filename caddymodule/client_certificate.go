package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// ClientCertificate says where client certificates come from: from the TLS connection (whose server must ask for them: Caddy's tls
// option client_auth), and, where a header is given, from trusted proxies.
type ClientCertificate struct {
	// A request header in which a trusted proxy (Caddy's trusted_proxies) writes the certificate. It is believed of nobody else, and removed
	// from their requests; what a trusted proxy itself presents is not its client's. Default: the TLS connection alone.
	Header string `json:"header,omitempty"`
	// How it is written there: client_cert (RFC 9440, default), pem, or xfcc (Envoy).
	Format string `json:"format,omitempty"`
	// Refuse tokens that are not bound to a certificate.
	Required bool `json:"required,omitempty"`
}

// clientCertificates tells which certificate the client of a request presented.
type clientCertificates struct {
	header string // canonical; "" for none
	format mtls.Format
	strip  *resourceserver.HeaderStripper
}

// source makes c ready.
func (c *ClientCertificate) source() (*clientCertificates, error) {
	s := &clientCertificates{header: http.CanonicalHeaderKey(c.Header), format: mtls.Format(c.Format)}
	if c.Header == "" {
		if c.Format != "" {
			return nil, errors.New("format is for a header")
		}
		return s, nil
	}
	if !httpguts.ValidHeaderFieldName(c.Header) || slices.Contains(reservedHeaders, s.header) {
		return nil, fmt.Errorf("header: '%s' is no header that could carry a certificate", c.Header)
	}
	if s.format == "" {
		s.format = mtls.ClientCert
	}
	if !slices.Contains(mtls.Formats(), s.format) {
		return nil, fmt.Errorf("header: there is no format '%s'; there are: %s", c.Format, formatNames())
	}
	s.strip = resourceserver.NewHeaderStripper(s.header)
	return s, nil
}

func formatNames() string {
	var names []string
	for _, f := range mtls.Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// headers are those that certificates come in. A nil source has none.
func (s *clientCertificates) headers() []string {
	if s == nil || s.header == "" {
		return nil
	}
	return []string{s.header}
}

// said reports whether somebody says of r which certificate its client has.
func (s *clientCertificates) said(r *http.Request) bool {
	return s != nil && s.header != "" && r.Header[s.header] != nil
}

// of is what the client of r presented, nil for nothing. A trusted proxy's own certificate says nothing about its client.
func (s *clientCertificates) of(r *http.Request) (*mtls.Certificate, error) {
	if s.header == "" || !fromTrustedProxy(r) {
		return mtls.FromTLS(r.TLS), nil
	}
	return mtls.Parse(s.format, r.Header[s.header])
}

// cleanse removes the header from a request whose peer is not believed, in every spelling, so that nothing behind believes it
// either; from those of trusted proxies, the other spellings. A nil source removes nothing.
func (s *clientCertificates) cleanse(r *http.Request) {
	if s == nil || s.header == "" {
		return
	}
	if fromTrustedProxy(r) {
		s.stripTwins(r)
		return
	}
	s.strip.Strip(r)
}

// stripTwins removes what an upstream may take for the header, and leaves the header. A nil source removes nothing.
func (s *clientCertificates) stripTwins(r *http.Request) {
	if s == nil || s.header == "" {
		return
	}
	said := r.Header[s.header]
	s.strip.Strip(r)
	if said != nil {
		r.Header[s.header] = said
	}
}

// fromTrustedProxy reports whether the peer is among Caddy's trusted_proxies.
func fromTrustedProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}
