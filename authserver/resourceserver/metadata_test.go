package resourceserver_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

func wantMistake(t *testing.T, err error, option string) {
	t.Helper()
	switch {
	case option == "" && err != nil:
		t.Errorf("error = %v, want none", err)
	case option != "" && (err == nil || !strings.Contains(err.Error(), option)):
		t.Errorf("error = %v, want one about %s", err, option)
	}
}

// Where the document is (RFC 9728 §3.1), and what it looks like (§3.2).
func TestRFC9728Metadata(t *testing.T) {
	for resource, want := range map[string][2]string{
		"https://resource.example.com":            {"https://resource.example.com/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource"},
		"https://resource.example.com/":           {"https://resource.example.com/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource"},
		"https://resource.example.com/resource1":  {"https://resource.example.com/.well-known/oauth-protected-resource/resource1", "/.well-known/oauth-protected-resource/resource1"},
		"https://resource.example.com/a/b/":       {"https://resource.example.com/.well-known/oauth-protected-resource/a/b/", "/.well-known/oauth-protected-resource/a/b/"},
		"https://resource.example.com:8443/mcp":   {"https://resource.example.com:8443/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource/mcp"},
		"https://resource.example.com/a%2Fb":      {"https://resource.example.com/.well-known/oauth-protected-resource/a%2Fb", "/.well-known/oauth-protected-resource/a%2Fb"},
		"https://resource.example.com/r?tenant=1": {"https://resource.example.com/.well-known/oauth-protected-resource/r?tenant=1", "/.well-known/oauth-protected-resource/r"},
		"https://resource.example.com?tenant=1":   {"https://resource.example.com/.well-known/oauth-protected-resource?tenant=1", "/.well-known/oauth-protected-resource"},
		"https://resource.example.com/?tenant=/x": {"https://resource.example.com/.well-known/oauth-protected-resource?tenant=/x", "/.well-known/oauth-protected-resource"},
		"http://localhost:8081":                   {"http://localhost:8081/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource"},
		"http://[::1]:8081/x":                     {"http://[::1]:8081/.well-known/oauth-protected-resource/x", "/.well-known/oauth-protected-resource/x"},
	} {
		m := &resourceserver.Metadata{Resource: resource}
		if err := m.Check(); err != nil {
			t.Errorf("%s: Check: %v", resource, err)
		}
		if diff := cmp.Diff(want, [2]string{m.URL(), m.Path()}); diff != "" {
			t.Errorf("%s: URL and path (-want +got):\n%s", resource, diff)
		}
		if u, err := url.Parse(m.URL()); err != nil || u.EscapedPath() != m.Path() {
			t.Errorf("%s: the path of %s is not %s", resource, m.URL(), m.Path())
		}
	}
	t.Run("document", func(t *testing.T) {
		full := &resourceserver.Metadata{
			Resource: "https://resource.example.com", AuthorizationServers: []string{"https://as1.example.com", "https://as2.example.net"},
			Scopes: []string{"profile", "email", "phone"}, Name: "Orders", Documentation: "https://resource.example.com/resource_documentation.html",
			Policy: "https://resource.example.com/policy", TermsOfService: "https://resource.example.com/tos",
			DPoPAlgorithms: []string{"ES256"}, DPoPRequired: true, CertificateBound: true,
		}
		const want = `{"resource":"https://resource.example.com","authorization_servers":["https://as1.example.com","https://as2.example.net"],` +
			`"scopes_supported":["profile","email","phone"],"bearer_methods_supported":["header"],"resource_name":"Orders",` +
			`"resource_documentation":"https://resource.example.com/resource_documentation.html","resource_policy_uri":"https://resource.example.com/policy",` +
			`"resource_tos_uri":"https://resource.example.com/tos","tls_client_certificate_bound_access_tokens":true,` +
			`"dpop_signing_alg_values_supported":["ES256"],"dpop_bound_access_tokens_required":true}`
		if got := string(full.JSON()); got != want {
			t.Errorf("document = %s\nwant %s", got, want)
		}
		small := &resourceserver.Metadata{Resource: "https://resource.example.com"}
		if got, want := string(small.JSON()), `{"resource":"https://resource.example.com","bearer_methods_supported":["header"]}`; got != want {
			t.Errorf("document = %s, want %s", got, want)
		}
		if err := full.Check(); err != nil {
			t.Errorf("Check: %v", err)
		}
	})
	t.Run("challenge (§5.1)", func(t *testing.T) {
		g := newGate(t, newClock(), fixed(rsaKey()))
		_, err := g.Authorize(bearer(""), &resourceserver.Policy{Metadata: "https://resource.example.com/.well-known/oauth-protected-resource"})
		want := []string{`Bearer error="invalid_request", error_description="The request must carry exactly one well-formed access token.", ` +
			`resource_metadata="https://resource.example.com/.well-known/oauth-protected-resource"`}
		if diff := cmp.Diff(want, challengesOf(err)); diff != "" {
			t.Errorf("challenges (-want +got):\n%s", diff)
		}
	})
}

func TestMetadataMistakes(t *testing.T) {
	good := resourceserver.Metadata{Resource: "https://r.example/x"}
	for name, tt := range map[string]struct {
		edit func(m *resourceserver.Metadata)
		want string
	}{
		"nearest good":              {func(m *resourceserver.Metadata) {}, ""},
		"http on a loopback host":   {func(m *resourceserver.Metadata) { m.Resource = "http://127.0.0.1:1/x" }, ""},
		"no resource":               {func(m *resourceserver.Metadata) { m.Resource = "" }, "resource"},
		"http":                      {func(m *resourceserver.Metadata) { m.Resource = "http://r.example" }, "https"},
		"look-alike loopback":       {func(m *resourceserver.Metadata) { m.Resource = "http://localhost.evil.example" }, "https"},
		"path alone":                {func(m *resourceserver.Metadata) { m.Resource = "/x" }, "absolute"},
		"opaque":                    {func(m *resourceserver.Metadata) { m.Resource = "urn:x" }, "absolute"},
		"fragment":                  {func(m *resourceserver.Metadata) { m.Resource += "#x" }, "fragment"},
		"empty fragment":            {func(m *resourceserver.Metadata) { m.Resource += "#" }, "fragment"},
		"user information":          {func(m *resourceserver.Metadata) { m.Resource = "https://a:b@r.example" }, "user information"},
		"quote":                     {func(m *resourceserver.Metadata) { m.Resource += `"` }, "percent-encoded"},
		"line":                      {func(m *resourceserver.Metadata) { m.Resource += "\n" }, "resource"},
		"its own place":             {func(m *resourceserver.Metadata) { m.Resource = good.URL() }, "metadata itself"},
		"empty issuer":              {func(m *resourceserver.Metadata) { m.AuthorizationServers = []string{""} }, "authorization servers"},
		"scope":                     {func(m *resourceserver.Metadata) { m.Scopes = []string{"a b"} }, "scopes"},
		"documentation":             {func(m *resourceserver.Metadata) { m.Documentation = "javascript:x" }, "documentation"},
		"policy":                    {func(m *resourceserver.Metadata) { m.Policy = "x" }, "policy"},
		"terms of service":          {func(m *resourceserver.Metadata) { m.TermsOfService = "//x" }, "terms_of_service"},
		"dpop without an algorithm": {func(m *resourceserver.Metadata) { m.DPoPRequired = true }, "dpop"},
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			tt.edit(&m)
			wantMistake(t, m.Check(), tt.want)
		})
	}
}

// Whatever the resource is: what passes Check has a place that can be written into a challenge, and a document that says the same.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{"https://r.example", "https://r.example/a?b", "http://localhost/x/", "https://r.example#", "https://[::1]", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, resource string) {
		m := &resourceserver.Metadata{Resource: resource}
		if m.Check() != nil {
			return
		}
		if strings.ContainsAny(m.URL(), "\"\\ \r\n") || !strings.Contains(m.URL(), m.Path()) {
			t.Errorf("address of %q = %q, path %q", resource, m.URL(), m.Path())
		}
		var document struct{ Resource string }
		if err := json.Unmarshal(m.JSON(), &document); err != nil || document.Resource != resource {
			t.Errorf("document of %q = %s, %v", resource, m.JSON(), err)
		}
	})
}
