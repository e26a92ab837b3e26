package caddymodule

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

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

// provisionMetadata makes the document ready.
func (b *BearerAuth) provisionMetadata() error { return nil }

func (b *BearerAuth) parseResourceMetadata(d *caddyfile.Dispenser) func() error {
	return func() error { return d.Err("resource_metadata: contract") }
}
