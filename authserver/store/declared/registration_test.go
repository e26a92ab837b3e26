package declared_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestDocuments: which clients may be the URL of their metadata.
func TestDocuments(t *testing.T) {
	const id = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	of := func(r declared.Registration) (*store.Environment, error) {
		d, err := declared.New(declared.Config{Environments: []declared.Environment{{
			Name: "demo", ID: id, Issuer: "https://auth.example.com/" + id + "/as", Registration: r, Compat: []string{"token_exchange_scopes"},
		}}})
		if err != nil {
			return nil, err
		}
		return d.EnvironmentByID(t.Context(), id)
	}
	for name, hosts := range map[string][]string{
		"any host": nil, "one": {"app.example.com"}, "with a port": {"app.example.com", "dev.example.com:8443"}, "an address": {"127.0.0.1:9", "[::1]:9"},
	} {
		t.Run(name, func(t *testing.T) {
			env, err := of(declared.Registration{Documents: true, DocumentHosts: hosts})
			if err != nil {
				t.Fatal(err)
			}
			r := env.Registration
			if !r.Documents || r.Mode != store.RegistrationOff || len(r.Scopes) == 0 || !env.Compat.TokenExchangeScopes {
				t.Errorf("registration = %+v, compat = %+v", r, env.Compat)
			}
			if diff := cmp.Diff(hosts, r.DocumentHosts); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
		})
	}
	for name, host := range map[string]string{
		"a URL": "https://app.example.com", "a path": "app.example.com/c", "capitals": "App.example.com", "nothing": "", "a port alone": ":8443",
		"user information": "a@app.example.com", "a blank": "app example.com", "beyond ASCII": "ex\u00e4mple.com", "a query": "app.example.com?x",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := of(declared.Registration{Documents: true, DocumentHosts: []string{host}}); err == nil || !strings.Contains(err.Error(), "documents: ") {
				t.Errorf("error = %v, want one about documents", err)
			}
		})
	}
	t.Run("hosts without documents", func(t *testing.T) {
		if _, err := of(declared.Registration{Mode: "open", DocumentHosts: []string{"app.example.com"}}); err == nil {
			t.Error("accepted")
		}
	})
}
