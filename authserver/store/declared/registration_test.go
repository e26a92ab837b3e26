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

// TestStepUp: which scopes may be asked for beyond those that a client registered.
func TestStepUp(t *testing.T) {
	const id = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	for _, tt := range []struct {
		name string
		r    declared.Registration
		want string // in the error; "" for none
	}{
		{"of those that may be registered", declared.Registration{Mode: "open", Scopes: []string{"openid", "email"}, StepUp: []string{"email"}}, ""},
		{"of the default ones", declared.Registration{Mode: "open", StepUp: []string{"email"}}, ""},
		{"none", declared.Registration{Mode: "open"}, ""},
		{"not of others", declared.Registration{Mode: "open", Scopes: []string{"openid"}, StepUp: []string{"email"}}, `"email" is not among the scopes`},
		{"twice", declared.Registration{Mode: "open", StepUp: []string{"email", "email"}}, `has "email" twice`},
		{"where none may register", declared.Registration{Documents: true, StepUp: []string{"email"}}, "needs a mode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := declared.New(declared.Config{Environments: []declared.Environment{{
				Name: "demo", ID: id, Issuer: "https://auth.example.com/" + id + "/as", Registration: tt.r,
			}}})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), "client_registration: step_up") || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error = %v, want one about step_up that says %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			env, err := d.EnvironmentByID(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.r.StepUp, env.Registration.StepUp); diff != "" {
				t.Errorf("step_up (-want +got):\n%s", diff)
			}
		})
	}
}
