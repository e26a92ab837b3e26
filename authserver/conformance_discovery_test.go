package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestConformanceDiscovery is oidcc-discovery-endpoint-verification: section 6 of
// the conformance notes, by row.
func TestConformanceDiscovery(t *testing.T) {
	s := newServerOfPlans(t)
	got := s.get(issuerA + "/.well-known/openid-configuration")
	var doc map[string]any
	if err := json.Unmarshal([]byte(got.body), &doc); err != nil {
		t.Fatal(err)
	}
	list := func(name string) []string {
		var out []string
		values, _ := doc[name].([]any)
		for _, v := range values {
			text, _ := v.(string)
			out = append(out, text)
		}
		return out
	}
	t.Run("row_1", func(t *testing.T) { // the issuer
		u, err := url.Parse(doc["issuer"].(string))
		if err != nil || u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || doc["issuer"] != issuerA {
			t.Errorf("issuer = %v", doc["issuer"])
		}
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("status %d, Content-Type %q", got.status, got.header.Get("Content-Type"))
		}
	})
	t.Run("row_2", func(t *testing.T) { // types of the members
		for name, v := range doc {
			switch {
			case strings.HasSuffix(name, "_endpoint"), strings.HasSuffix(name, "_uri"), strings.HasSuffix(name, "_iframe"), name == "issuer":
				if text, _ := v.(string); !strings.HasPrefix(text, issuerA) {
					t.Errorf("%s = %v, want an address of the issuer's", name, v)
				}
			case strings.HasSuffix(name, "_supported") || strings.HasPrefix(name, "require_"):
				if _, ok := v.(bool); !ok && (len(list(name)) == 0 || slices.Contains(list(name), "")) {
					t.Errorf("%s = %v, want a boolean or a list of texts", name, v)
				}
			default:
				t.Errorf("%s is of no known kind", name)
			}
		}
	})
	t.Run("row_3", func(t *testing.T) { // what is required
		for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"} {
			if doc[name] == nil {
				t.Errorf("%s is missing", name)
			}
		}
		for name, want := range map[string]string{"id_token_signing_alg_values_supported": "RS256", "scopes_supported": "openid", "subject_types_supported": "public", "response_modes_supported": "form_post"} {
			if !slices.Contains(list(name), want) {
				t.Errorf("%s = %v, want %s in it", name, list(name), want)
			}
		}
	})
	t.Run("row_4", func(t *testing.T) { // of the dynamic plan
		var types []string
		for _, v := range list("response_types_supported") {
			parts := strings.Fields(v)
			slices.Sort(parts)
			types = append(types, strings.Join(parts, " "))
		}
		for _, want := range []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"} {
			if !slices.Contains(types, want) {
				t.Errorf("response_types_supported = %v, want %q among them", types, want)
			}
		}
		for _, want := range []string{"authorization_code", "implicit", "refresh_token"} {
			if !slices.Contains(list("grant_types_supported"), want) {
				t.Errorf("grant_types_supported = %v, want %s", list("grant_types_supported"), want)
			}
		}
		if doc["request_parameter_supported"] != true || doc["request_uri_parameter_supported"] != false || doc["claims_parameter_supported"] != true {
			t.Error("request_parameter_supported, request_uri_parameter_supported or claims_parameter_supported does not say what is true")
		}
		if doc["registration_endpoint"] != issuerA+"/register" || len(list("claims_supported")) < 20 {
			t.Errorf("registration_endpoint = %v, %d claims", doc["registration_endpoint"], len(list("claims_supported")))
		}
	})
	t.Run("row_5", func(t *testing.T) { // languages
		canonical := regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$`)
		for _, tag := range append(list("ui_locales_supported"), list("claims_locales_supported")...) {
			if !canonical.MatchString(tag) {
				t.Errorf("language %q is not in canonical spelling", tag)
			}
		}
		if len(list("code_challenge_methods_supported")) == 0 {
			t.Error("code_challenge_methods_supported is no list")
		}
	})
	t.Run("row_6", func(t *testing.T) { // names that nobody registered: PingOne's one, to be listed as allowed in a run
		registered := []string{
			"issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "registration_endpoint", "scopes_supported",
			"response_types_supported", "response_modes_supported", "grant_types_supported", "acr_values_supported", "subject_types_supported",
			"id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported", "request_object_signing_alg_values_supported",
			"token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported", "display_values_supported", "claim_types_supported",
			"claims_supported", "claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported", "ui_locales_supported",
			"revocation_endpoint", "revocation_endpoint_auth_methods_supported", "revocation_endpoint_auth_signing_alg_values_supported",
			"introspection_endpoint", "introspection_endpoint_auth_methods_supported", "introspection_endpoint_auth_signing_alg_values_supported",
			"code_challenge_methods_supported", "check_session_iframe", "end_session_endpoint", "pushed_authorization_request_endpoint",
			"require_pushed_authorization_requests", "authorization_response_iss_parameter_supported", "prompt_values_supported",
			"backchannel_logout_supported", "backchannel_logout_session_supported", "frontchannel_logout_supported", "frontchannel_logout_session_supported",
			"require_signed_request_object", "dpop_signing_alg_values_supported", "introspection_signing_alg_values_supported",
			"introspection_encryption_alg_values_supported", "introspection_encryption_enc_values_supported",
			"tls_client_certificate_bound_access_tokens", "mtls_endpoint_aliases",
		}
		for name := range doc {
			if !slices.Contains(registered, name) && name != "ping_end_idp_session_endpoint" {
				t.Errorf("%s is not a registered name", name)
			}
		}
	})
	t.Run("row_7", func(t *testing.T) { // left out, not empty
		for name, v := range doc {
			if values, ok := v.([]any); v == nil || v == "" || ok && len(values) == 0 {
				t.Errorf("%s is empty", name)
			}
		}
	})
}

// oidcc-server-rotate-keys: the next key signs under a new kid, which was
// published before, and the old one stays.
func TestConformanceKeyRotation(t *testing.T) {
	s := newServerOfPlans(t)
	p := s.plan(t, "code", "", true)
	first := p.begin(t).signOn()
	before := kids(t, s.get(issuerA+"/jwks").body)
	was := part(t, first.idToken, 0)["kid"].(string)
	s.clock.Advance(91 * 24 * time.Hour)
	second := p.begin(t).signOn()
	is := part(t, second.idToken, 0)["kid"].(string)
	after := kids(t, s.get(issuerA+"/jwks").body)
	if is == was || !slices.Contains(before, is) {
		t.Errorf("signed by %s, then by %s, want another one that was published before", was, is)
	}
	if !slices.Contains(after, was) || !slices.Contains(after, is) {
		t.Errorf("published %v, want both", after)
	}
}
