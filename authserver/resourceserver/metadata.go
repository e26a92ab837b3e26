package resourceserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Metadata is the metadata document of a protected resource (RFC 9728 §2). Check it once before the rest is used.
type Metadata struct {
	Resource                                    string   // an https URL (http on a loopback host) without fragment
	AuthorizationServers                        []string // issuers
	Scopes                                      []string
	Name, Documentation, Policy, TermsOfService string
	// DPoPAlgorithms are what proofs may be signed with; nil where DPoP is not accepted. DPoPRequired and CertificateBound
	// say that tokens must be bound.
	DPoPAlgorithms                 []string
	DPoPRequired, CertificateBound bool
}

// wellKnown is where metadata is: between the host of a resource identifier and its path (RFC 9728 §3.1).
const wellKnown = "/.well-known/oauth-protected-resource"

// Check refuses a document that clients could not use. Errors name the option as the Caddyfile does.
func (m *Metadata) Check() error {
	if err := checkResource(m.Resource); err != nil {
		return fmt.Errorf("resource: %w", err)
	}
	for _, issuer := range m.AuthorizationServers {
		if issuer == "" {
			return errors.New("authorization servers: an issuer is empty")
		}
	}
	for _, s := range m.Scopes {
		if !oauth.ValidScopeToken(s) {
			return fmt.Errorf("scopes: %q is not a scope (RFC 6749 §3.3)", s)
		}
	}
	for _, page := range [...]struct{ name, url string }{
		{"documentation", m.Documentation}, {"policy", m.Policy}, {"terms_of_service", m.TermsOfService},
	} {
		if page.url == "" {
			continue
		}
		if u, err := url.Parse(page.url); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return fmt.Errorf("%s: %q is not the address of a page", page.name, page.url)
		}
	}
	if m.DPoPRequired && len(m.DPoPAlgorithms) == 0 {
		return errors.New("dpop: required, and no algorithm for proofs")
	}
	return nil
}

// checkResource judges a resource identifier (RFC 9728 §1.2), which clients compare byte for byte with the address that they used.
func checkResource(resource string) error {
	u, err := url.Parse(resource)
	switch {
	case err != nil || !u.IsAbs() || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("%q is not an absolute URL", resource)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return fmt.Errorf("%q must be https, or http on a loopback host", resource)
	case strings.Contains(resource, "#"):
		return fmt.Errorf("%q must not have a fragment", resource)
	case u.User != nil:
		return errors.New("it must not have user information")
	case strings.ContainsFunc(resource, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }):
		return fmt.Errorf("%q has characters that must be percent-encoded", resource)
	case strings.HasPrefix(u.EscapedPath(), wellKnown):
		return fmt.Errorf("%q is the place of metadata itself", resource)
	}
	return nil
}

// loopback reports whether a host is this machine by its name alone.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// parts cuts Resource before its path and before its query. A path that is only a slash is none (RFC 9728 §3.1).
func (m *Metadata) parts() (origin, path, query string) {
	rest := m.Resource
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		rest, query = rest[:i], rest[i:]
	}
	origin = rest
	if i := strings.Index(rest, "://"); i >= 0 {
		if j := strings.IndexByte(rest[i+3:], '/'); j >= 0 {
			origin, path = rest[:i+3+j], rest[i+3+j:]
		}
	}
	if path == "/" {
		path = ""
	}
	return origin, path, query
}

// URL is where the document is: the well-known place of Resource (RFC 9728 §3.1).
func (m *Metadata) URL() string {
	origin, path, query := m.parts()
	return origin + wellKnown + path + query
}

// Path is the path of URL as it is written there, compared byte for byte: what merely begins alike is another path.
func (m *Metadata) Path() string {
	_, path, _ := m.parts()
	return wellKnown + path
}

// JSON is the document. Its members are always in the same order.
func (m *Metadata) JSON() []byte {
	b, err := json.Marshal(struct {
		Resource         string   `json:"resource"`
		Servers          []string `json:"authorization_servers,omitempty"`
		Scopes           []string `json:"scopes_supported,omitempty"`
		BearerMethods    []string `json:"bearer_methods_supported"`
		Name             string   `json:"resource_name,omitempty"`
		Documentation    string   `json:"resource_documentation,omitempty"`
		Policy           string   `json:"resource_policy_uri,omitempty"`
		TermsOfService   string   `json:"resource_tos_uri,omitempty"`
		CertificateBound bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
		DPoPAlgorithms   []string `json:"dpop_signing_alg_values_supported,omitempty"`
		DPoPRequired     bool     `json:"dpop_bound_access_tokens_required,omitempty"`
	}{
		m.Resource, m.AuthorizationServers, m.Scopes, []string{"header"}, m.Name, m.Documentation, m.Policy, m.TermsOfService,
		m.CertificateBound, m.DPoPAlgorithms, m.DPoPRequired,
	})
	if err != nil { // strings and booleans: cannot fail
		return []byte("{}")
	}
	return b
}
