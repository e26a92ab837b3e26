package fetch

import (
	"encoding/json"
	"testing"
)

// Whatever a host answers: no panic, and what is accepted is the issuer's own and
// names only addresses that could have been configured.
func FuzzDiscovery(f *testing.F) {
	const issuer = "https://as.example.com/t"
	for _, seed := range []string{
		`{"issuer":"https://as.example.com/t","jwks_uri":"https://as.example.com/jwks"}`,
		`{"issuer":"https://as.example.com/t","jwks_uri":"http://as.example.com/jwks"}`,
		`{"issuer":"https://as.example.com/t/","jwks_uri":"https://as.example.com/jwks"}`,
		`{"issuer":"https://evil.example","issuer":"https://as.example.com/t"}`,
		`{"ISSUER":"https://as.example.com/t"}`, `{"issuer":null}`, `[]`, ``, `{"issuer":"https://as.example.com/t"}x`,
		`{"issuer":"https://as.example.com/t","introspection_endpoint":7}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMetadata(b, issuer, Options{})
		if err != nil {
			return
		}
		var members map[string]any
		if err := json.Unmarshal(b, &members); err != nil {
			t.Fatalf("accepted %q, which is not a JSON object", b)
		}
		if members["issuer"] != issuer {
			t.Fatalf("accepted the issuer %v", members["issuer"])
		}
		for _, u := range []string{m.JWKSURI, m.IntrospectionEndpoint, m.TokenEndpoint} {
			if u == "" {
				continue
			}
			if _, err := (Options{}).CheckURL(u); err != nil {
				t.Fatalf("accepted the address %q: %v", u, err)
			}
		}
	})
}
