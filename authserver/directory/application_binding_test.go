package directory_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// withAuthority gives the environment an authority for client certificates.
func withAuthority(t *testing.T) func(*declared.Environment) {
	t.Helper()
	der, err := testkit.SigningKey(t, testkit.ECKey, "ES256", "ca").Certificate(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(e *declared.Environment) { e.ClientCAFile = name }
}

// TestApplicationBinding: what binds an application's tokens is what its client has, and outlives updates by who does not know of it.
func TestApplicationBinding(t *testing.T) {
	k := newAppKit(t, withAuthority(t))
	it := k.application(webApp())
	for member := range appMembers(t, it) {
		if member == "dpopBoundAccessTokens" || member == "tlsClientCertificateBoundAccessTokens" || member == "tlsClientAuthSubject" {
			t.Errorf("%s is shown of an application that does not have it", member)
		}
	}
	type binding struct {
		DPoP, Certificate bool
		Method            string
		Subject           mtls.Subject
	}
	subject := map[string]any{"dns": "shop.example.com"}
	for _, tt := range []struct {
		name, body string
		want       binding
	}{
		{"dpop", webApp("dpopBoundAccessTokens", true), binding{DPoP: true, Method: "client_secret_basic"}},
		{"nothing said", webApp(), binding{DPoP: true, Method: "client_secret_basic"}},
		{"null says nothing", webApp("dpopBoundAccessTokens", nil), binding{DPoP: true, Method: "client_secret_basic"}},
		{"certificate too", webApp("tlsClientCertificateBoundAccessTokens", true), binding{DPoP: true, Certificate: true, Method: "client_secret_basic"}},
		{"taken back", webApp("dpopBoundAccessTokens", false), binding{Certificate: true, Method: "client_secret_basic"}},
		{"by certificate", webApp("tokenEndpointAuthMethod", "TLS_CLIENT_AUTH", "tlsClientAuthSubject", subject),
			binding{Certificate: true, Method: "tls_client_auth", Subject: mtls.Subject{DNS: "shop.example.com"}}},
		{"whose subject stays", webApp("tokenEndpointAuthMethod", "TLS_CLIENT_AUTH"),
			binding{Certificate: true, Method: "tls_client_auth", Subject: mtls.Subject{DNS: "shop.example.com"}}},
		{"and goes with the method", webApp(), binding{Certificate: true, Method: "client_secret_basic"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := k.replace(it, new(directory.Application), tt.body); err != nil {
				t.Fatal(err)
			}
			c := k.client(it.ID)
			if diff := cmp.Diff(tt.want, binding{c.DPoPBound, c.CertificateBound, c.AuthMethod, c.TLSSubject}); diff != "" {
				t.Errorf("client (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApplicationBindingRefused(t *testing.T) {
	const jwks = `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	subject := map[string]any{"dns": "shop.example.com"}
	authority := withAuthority(t)
	for _, tt := range []struct {
		name, body string
		without    bool // authorities
		good       bool
	}{
		{"TLS_CLIENT_AUTH", webApp("tokenEndpointAuthMethod", "TLS_CLIENT_AUTH", "tlsClientAuthSubject", subject), false, true},
		{"TLS_CLIENT_AUTH without authorities", webApp("tokenEndpointAuthMethod", "TLS_CLIENT_AUTH", "tlsClientAuthSubject", subject), true, false},
		{"TLS_CLIENT_AUTH without a subject", webApp("tokenEndpointAuthMethod", "TLS_CLIENT_AUTH"), false, false},
		{"two names", webApp("tokenEndpointAuthMethod", "TLS_CLIENT_AUTH", "tlsClientAuthSubject", map[string]any{"dns": "a.example.com", "ip": "192.0.2.1"}), false, false},
		{"no name", webApp("tokenEndpointAuthMethod", "TLS_CLIENT_AUTH", "tlsClientAuthSubject", map[string]any{}), false, false},
		{"a subject of no use", webApp("tlsClientAuthSubject", subject), false, false},
		{"SELF_SIGNED_TLS_CLIENT_AUTH", webApp("tokenEndpointAuthMethod", "SELF_SIGNED_TLS_CLIENT_AUTH", "jwks", jwks), true, true},
		{"SELF_SIGNED_TLS_CLIENT_AUTH without keys", webApp("tokenEndpointAuthMethod", "SELF_SIGNED_TLS_CLIENT_AUTH"), true, false},
		{"bound, with unbound tokens", webApp("dpopBoundAccessTokens", true, "grantTypes", []string{"IMPLICIT"}, "responseTypes", []string{"TOKEN"}), true, false},
		{"bound, with ID tokens", webApp("dpopBoundAccessTokens", true, "grantTypes", []string{"IMPLICIT"}, "responseTypes", []string{"ID_TOKEN"}), true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var change []func(*declared.Environment)
			if !tt.without {
				change = append(change, authority)
			}
			k := newAppKit(t, change...)
			if _, err := k.create("", new(directory.Application), tt.body); (err == nil) != tt.good {
				t.Errorf("error = %v, want good = %v", err, tt.good)
			}
		})
	}
}

// TestDeclaredBinding: the API shows what binds the tokens of a declared application.
func TestDeclaredBinding(t *testing.T) {
	k := newAppKit(t, withAuthority(t), func(e *declared.Environment) {
		a := &e.Applications[0]
		a.Secret, a.AuthMethod, a.TLSSubject = "", "tls_client_auth", &declared.TLSSubject{DN: "CN=shop"}
		a.DPoPBound, a.CertificateBound = true, true
	})
	it, err := k.live.Item(t.Context(), k.env, store.KindApplication, "", "demo-web")
	if err != nil {
		t.Fatal(err)
	}
	shown := appMembers(t, it)
	got := []any{shown["tokenEndpointAuthMethod"], shown["dpopBoundAccessTokens"], shown["tlsClientCertificateBoundAccessTokens"], shown["tlsClientAuthSubject"]}
	if diff := cmp.Diff([]any{"TLS_CLIENT_AUTH", true, true, map[string]any{"dn": "CN=shop"}}, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}
