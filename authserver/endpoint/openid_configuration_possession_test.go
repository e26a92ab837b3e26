package endpoint_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestMetadataOfPossession: fapi2-security-profile-final-discovery-end-point-verification (conformance 11.1, rows 3 to 6). What needs
// certificates is announced where they can be presented, and nowhere else.
func TestMetadataOfPossession(t *testing.T) {
	all := map[string]string{
		"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo", "jwks_uri": "jwks",
		"end_session_endpoint": "signoff", "registration_endpoint": "register", "introspection_endpoint": "introspect",
		"revocation_endpoint": "revoke", "pushed_authorization_request_endpoint": "par", "check_session_iframe": "checksession",
	}
	const at = "https://mtls.example.com/e/as"
	plain := store.Environment{ID: "e", Issuer: "https://auth.example.com/e/as", SigningAlgorithm: "RS256"}
	aliased := plain
	aliased.MTLSURL, aliased.ClientCAs = at, []byte("some")
	withoutCA := plain
	withoutCA.MTLSURL = at
	domain := aliased
	domain.AllIssuers = []string{aliased.Issuer, "https://login.example.com/as"}
	tests := []struct {
		name         string
		env          *store.Environment
		certificates bool
		methods      []string // of mTLS
		bound        any
		aliases      any
	}{
		{"no certificates", &plain, false, nil, nil, nil},
		{"certificates at every issuer", &plain, true, []string{"self_signed_tls_client_auth"}, true, nil},
		{"elsewhere, without authorities", &withoutCA, false, []string{"self_signed_tls_client_auth"}, true, map[string]any{
			"token_endpoint": at + "/token", "userinfo_endpoint": at + "/userinfo", "introspection_endpoint": at + "/introspect",
			"revocation_endpoint": at + "/revoke", "pushed_authorization_request_endpoint": at + "/par",
		}},
		{"elsewhere, with authorities", &aliased, false, []string{"tls_client_auth", "self_signed_tls_client_auth"}, true, map[string]any{
			"token_endpoint": at + "/token", "userinfo_endpoint": at + "/userinfo", "introspection_endpoint": at + "/introspect",
			"revocation_endpoint": at + "/revoke", "pushed_authorization_request_endpoint": at + "/par",
		}},
		// There the endpoints speak with the first issuer.
		{"at a custom domain", domain.At(store.Domain{Issuer: "https://login.example.com/as"}), false,
			[]string{"tls_client_auth", "self_signed_tls_client_auth"}, true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &endpoint.OpenIDConfiguration{Endpoints: all, Certificates: tt.certificates}
			w := httptest.NewRecorder()
			if err := e.Serve(w, nil, tt.env); err != nil {
				t.Fatal(err)
			}
			doc := bodyOf(t, w)
			for _, name := range []string{"token_endpoint", "introspection_endpoint", "revocation_endpoint"} {
				var methods []string
				for _, m := range doc[name+"_auth_methods_supported"].([]any) {
					if strings.Contains(m.(string), "tls_client_auth") {
						methods = append(methods, m.(string))
					}
				}
				if !slices.Equal(methods, tt.methods) {
					t.Errorf("%s: methods of TLS = %q, want %q", name, methods, tt.methods)
				}
			}
			if got := doc["tls_client_certificate_bound_access_tokens"]; got != tt.bound {
				t.Errorf("tls_client_certificate_bound_access_tokens = %v, want %v", got, tt.bound)
			}
			if diff := cmp.Diff(tt.aliases, doc["mtls_endpoint_aliases"]); diff != "" {
				t.Errorf("mtls_endpoint_aliases (-want +got):\n%s", diff)
			}
			aliases, _ := doc["mtls_endpoint_aliases"].(map[string]any)
			for name := range aliases {
				if doc[name] == nil || !strings.HasSuffix(name, "_endpoint") || name == "authorization_endpoint" {
					t.Errorf("alias %s", name)
				}
			}
			var algorithms []string
			for _, a := range doc["dpop_signing_alg_values_supported"].([]any) {
				algorithms = append(algorithms, a.(string))
			}
			if !slices.Equal(algorithms, dpop.Algorithms()) {
				t.Errorf("dpop_signing_alg_values_supported = %q, want %q", algorithms, dpop.Algorithms())
			}
		})
	}
}
