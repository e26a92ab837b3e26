package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// ResourceMetadata is what the metadata of the protected resource says beyond what is configured elsewhere (RFC 9728 §2).
type ResourceMetadata struct {
	// The resource identifier, a URL. Default: the gate's url.
	Resource string `json:"resource,omitempty"`
	// For people.
	Name           string `json:"name,omitempty"`
	Documentation  string `json:"documentation,omitempty"`
	Policy         string `json:"policy,omitempty"`
	TermsOfService string `json:"terms_of_service,omitempty"`
	// Scopes that clients may ask for. Default: those of the requirements, rules and tools.
	Scopes []string `json:"scopes,omitempty"`
}

// publicMetadata is a metadata document made ready. Safe for concurrent use.
type publicMetadata struct {
	url     string // where clients find it
	path    string // of url, as it is written there
	decoded string // path, as requests have it
	body    []byte
}

// provisionMetadata makes the document ready; nil where there is none.
func (b *BearerAuth) provisionMetadata(possession *resourceserver.Possession) error {
	if b.ResourceMetadata == nil {
		return nil
	}
	written := *b.ResourceMetadata
	if written.Resource == "" {
		written.Resource = b.URL
	}
	if written.Resource == "" {
		return errors.New("resource_metadata: needs the url of the gate, or a resource of its own")
	}
	expand := newExpander()
	for _, one := range []struct {
		name  string
		value *string
	}{
		{"resource", &written.Resource}, {"name", &written.Name}, {"documentation", &written.Documentation},
		{"policy", &written.Policy}, {"terms_of_service", &written.TermsOfService},
	} {
		if err := expand.one(one.name, one.value); err != nil {
			return fmt.Errorf("resource_metadata: %w", err)
		}
	}
	if len(written.Scopes) == 0 {
		written.Scopes = b.scopes()
	}
	document := &resourceserver.Metadata{
		Resource: written.Resource, AuthorizationServers: b.verifier.issuers, Scopes: written.Scopes,
		Name: written.Name, Documentation: written.Documentation, Policy: written.Policy, TermsOfService: written.TermsOfService,
		DPoPRequired:     b.DPoP != nil && b.DPoP.Required || b.Bound == string(resourceserver.BoundDPoP),
		CertificateBound: b.ClientCertificate != nil && b.ClientCertificate.Required || b.Bound == string(resourceserver.BoundMTLS),
	}
	if possession != nil && possession.DPoP != nil {
		if document.DPoPAlgorithms = possession.DPoP.Algorithms; len(document.DPoPAlgorithms) == 0 {
			document.DPoPAlgorithms = dpop.Algorithms()
		}
	}
	if err := document.Check(); err != nil {
		return fmt.Errorf("resource_metadata: %w", err)
	}
	decoded, err := url.PathUnescape(document.Path())
	if err != nil {
		return fmt.Errorf("resource_metadata: resource: %w", err)
	}
	b.metadata = &publicMetadata{url: document.URL(), path: document.Path(), decoded: decoded, body: document.JSON()}
	return nil
}

// scopes are all that some request may need, each once, in the order of the configuration.
func (b *BearerAuth) scopes() []string {
	all := slices.Concat(b.Scope, b.AnyScope)
	for _, r := range b.Rules {
		all = slices.Concat(all, r.Scope, r.AnyScope)
	}
	if b.MCP != nil {
		for _, byName := range []map[string][]string{b.MCP.Methods, b.MCP.Tools} {
			all = append(all, named(byName)...)
		}
	}
	var once []string
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

// named are the scopes of all names, sorted.
func named(byName map[string][]string) []string {
	var all []string
	for _, scopes := range byName {
		all = append(all, scopes...)
	}
	slices.Sort(all)
	return all
}

// asked reports whether r is for the document. What is spelt otherwise, or only begins alike, is a path like any other.
func (m *publicMetadata) asked(r *http.Request) bool {
	return m != nil && r.URL.Path == m.decoded && r.URL.EscapedPath() == m.path
}

// serve answers with the document: anybody may read it, scripts of other origins included.
func (m *publicMetadata) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	default:
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(m.body)))
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(m.body) // the client has gone away
	}
	return nil
}

// parseResourceMetadata reads the block. Syntax:
//
//	resource_metadata {
//	    resource <url>
//	    name <text>
//	    documentation <url>
//	    policy <url>
//	    terms_of_service <url>
//	    scopes <scope...>
//	}
func (b *BearerAuth) parseResourceMetadata(d *caddyfile.Dispenser) func() error {
	return func() error {
		if d.NextArg() {
			return d.Errf("resource_metadata takes no argument, but has '%s'", d.Val())
		}
		m := new(ResourceMetadata)
		b.ResourceMetadata = m
		return eachSubdirective(d, "resource_metadata", map[string]option{
			"resource":         once(oneString(d, &m.Resource)),
			"name":             once(oneString(d, &m.Name)),
			"documentation":    once(oneString(d, &m.Documentation)),
			"policy":           once(oneString(d, &m.Policy)),
			"terms_of_service": once(oneString(d, &m.TermsOfService)),
			"scopes":           once(someStrings(d, &m.Scopes)),
		})
	}
}
