package authserver_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// A custom domain is recognised in every spelling of its host that a client may
// send (RFC 9110 §4.2.3, §7.2), and no other host or port is taken for it.
func TestCustomDomainHost(t *testing.T) {
	config := declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: envA, Issuer: issuerA, Domains: []string{"login.example.com", "https://odd.example.com:8443", "http://localhost:8080"},
	}}}
	g := newRig(t, rigOptions{config: &config})
	tests := []struct {
		host, issuer string // "" is somebody else's
	}{
		{"login.example.com", "https://login.example.com/as"},
		{"LOGIN.Example.com", "https://login.example.com/as"},
		{"login.example.com:443", "https://login.example.com/as"},
		{"login.example.com.", "https://login.example.com/as"},
		{"login.example.com.:443", "https://login.example.com/as"},
		{"login.example.com:8443", ""},
		{"login.example.com..", ""},
		{"login.example.com:", "https://login.example.com/as"},
		{"odd.example.com:8443", "https://odd.example.com:8443/as"},
		{"odd.example.com", ""},
		{"odd.example.com:443", ""},
		{"localhost:8080", "http://localhost:8080/as"},
		{"localhost", ""},
		{"sub.login.example.com", ""},
		{"login.example.com@evil.example", ""},
		{"", ""},
		{".", ""},
		{":443", ""},
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/as/.well-known/openid-configuration", nil)
			r.Host = tt.host
			if got, want := g.server.Handles(r), tt.issuer != ""; got != want {
				t.Errorf("Handles = %v, want %v", got, want)
			}
			got, _ := g.do(r).member("issuer").(string)
			if got != tt.issuer {
				t.Errorf("issuer = %q, want %q", got, tt.issuer)
			}
		})
	}
}
