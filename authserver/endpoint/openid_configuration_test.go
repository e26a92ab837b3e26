package endpoint_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestMetadata: oidcc-discovery-endpoint-verification (conformance 6), per
// environment.
func TestMetadata(t *testing.T) {
	all := map[string]string{
		"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo", "jwks_uri": "jwks",
		"end_session_endpoint": "signoff", "registration_endpoint": "register", "introspection_endpoint": "introspect",
	}
	grants := []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
	base := store.Environment{ID: "e", Issuer: "https://auth.example.com/e/as", SigningAlgorithm: "RS256"}
	with := func(change func(*store.Environment)) *store.Environment {
		env := base
		change(&env)
		return &env
	}
	tests := []struct {
		name      string
		env       *store.Environment
		endpoints map[string]string
		want      map[string]any // nil is absent
	}{
		{"usual", &base, all, map[string]any{
			"issuer": base.Issuer, "token_endpoint": base.Issuer + "/token", "registration_endpoint": nil,
			"response_types_supported": []any{
				"code", "id_token", "token id_token", "code id_token", "code token", "code token id_token", "token",
			},
			"grant_types_supported":            []any{"authorization_code", "refresh_token", "implicit"},
			"code_challenge_methods_supported": []any{"plain", "S256"}, "claims_parameter_supported": true,
			"request_uri_parameter_supported": false, "authorization_response_iss_parameter_supported": true,
			"acr_values_supported": []any{"Single_Factor"}, "ui_locales_supported": []any{"en", "de"},
			"id_token_signing_alg_values_supported": []any{"RS256"}, "userinfo_signing_alg_values_supported": []any{"RS256"},
			"backchannel_logout_supported": true, "frontchannel_logout_session_supported": true,
		}},
		{"strict is OAuth 2.1", with(func(e *store.Environment) { e.Strict = true }), all, map[string]any{
			"response_types_supported": []any{"code"}, "grant_types_supported": []any{"authorization_code", "refresh_token"},
			"code_challenge_methods_supported": []any{"S256"},
		}},
		{"registration with a token", with(func(e *store.Environment) { e.Registration.Mode = store.RegistrationToken }), all, map[string]any{
			"registration_endpoint": base.Issuer + "/register",
		}},
		{"open registration", with(func(e *store.Environment) { e.Registration.Mode = store.RegistrationOpen }), all, map[string]any{
			"registration_endpoint": base.Issuer + "/register",
		}},
		{"a custom domain", base.At(store.Domain{Issuer: "https://login.example.com/as"}), all, map[string]any{
			"issuer": "https://login.example.com/as", "jwks_uri": "https://login.example.com/as/jwks",
		}},
		{"without people", &base, map[string]string{"token_endpoint": "token"}, map[string]any{
			"response_types_supported": []any{}, "authorization_endpoint": nil, "claims_supported": nil, "scopes_supported": nil,
			"backchannel_logout_supported": nil, "userinfo_signing_alg_values_supported": nil, "claims_parameter_supported": nil,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &endpoint.OpenIDConfiguration{Endpoints: tt.endpoints, GrantTypes: grants}
			w := httptest.NewRecorder()
			if err := e.Serve(w, nil, tt.env); err != nil {
				t.Fatal(err)
			}
			doc := bodyOf(t, w)
			for name, want := range tt.want {
				if diff := cmp.Diff(want, doc[name]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			for name, v := range doc {
				switch v := v.(type) {
				case nil:
					t.Errorf("%s is null", name)
				case string:
					if v == "" {
						t.Errorf("%s is empty", name)
					}
				case []any:
					// Required even where there is nothing to ask for.
					if len(v) == 0 && name != "response_types_supported" {
						t.Errorf("%s is empty", name)
					}
				}
				if strings.HasSuffix(name, "_endpoint") && !strings.HasPrefix(v.(string), tt.env.Issuer+"/") {
					t.Errorf("%s = %v, want it below the issuer", name, v)
				}
			}
			if algs, ok := doc["request_object_signing_alg_values_supported"].([]any); ok && slices.Contains(algs, any("none")) {
				t.Error("unsigned request objects are announced")
			}
		})
	}
	t.Run("what an environment has added is announced, a minute later at most", func(t *testing.T) {
		clock := testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		d := &openIDs{openID: &store.OpenID{}}
		e := &endpoint.OpenIDConfiguration{Endpoints: all, GrantTypes: grants, Directory: d, Now: clock.Now}
		has := func(scope, claim string) bool {
			t.Helper()
			w := httptest.NewRecorder()
			if err := e.Serve(w, httptest.NewRequest("GET", "/", nil), &base); err != nil {
				t.Fatal(err)
			}
			doc := bodyOf(t, w)
			scopes, _ := doc["scopes_supported"].([]any)
			claims, _ := doc["claims_supported"].([]any)
			return slices.Contains(scopes, any(scope)) && slices.Contains(claims, any(claim))
		}
		if !has("phone", "email") || has("hr", "team") {
			t.Error("the standard is not as it is")
		}
		claim := store.OpenIDClaim{From: store.Source{Text: "x"}}
		d.openID = &store.OpenID{
			Scopes: map[string][]string{"hr": {"team"}, "profile": {"name"}},
			Claims: map[string]store.OpenIDClaim{"team": claim, "name": claim, "address.region": claim},
		}
		clock.Advance(59 * time.Second)
		if has("hr", "team") || d.asked != 1 {
			t.Errorf("asked %d times within a minute, want once", d.asked)
		}
		clock.Advance(time.Second)
		if !has("hr", "team") || has("hr", "address.region") {
			t.Error("what was added is not announced")
		}
		d.fault = store.ErrUnavailable
		clock.Advance(time.Minute)
		if !has("hr", "team") || d.asked != 3 {
			t.Errorf("forgotten while it cannot be had (asked %d times)", d.asked)
		}
	})
	t.Run("each issuer is rendered once, and again when the environment changes", func(t *testing.T) {
		e := &endpoint.OpenIDConfiguration{Endpoints: all, GrantTypes: grants}
		serve := func(env *store.Environment) string {
			w := httptest.NewRecorder()
			if err := e.Serve(w, nil, env); err != nil {
				t.Fatal(err)
			}
			return w.Body.String()
		}
		domain := base.At(store.Domain{Issuer: "https://login.example.com/as"})
		first := serve(&base)
		if serve(domain) == first || serve(&base) != first {
			t.Error("two issuers of one environment are mixed up")
		}
		if changed := serve(with(func(e *store.Environment) { e.Strict = true })); changed == first || !json.Valid([]byte(changed)) {
			t.Error("the change is not seen")
		}
	})
}

// openIDs is what an environment has made of scopes and claims.
type openIDs struct {
	openID *store.OpenID
	fault  error
	asked  int
}

func (d *openIDs) OpenID(context.Context, string) (*store.OpenID, error) {
	d.asked++
	return d.openID, d.fault
}
