package registration_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	badMetadata = "invalid_client_metadata"
	badRedirect = "invalid_redirect_uri"
)

// minimal is the least that a web client says, with members put in or taken out
// (null).
func minimal(members ...string) string {
	m := map[string]json.RawMessage{"redirect_uris": json.RawMessage(`["https://app.example.com/cb"]`)}
	for i := 0; i < len(members); i += 2 {
		m[members[i]] = json.RawMessage(members[i+1])
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestMetadataRules(t *testing.T) {
	jwks := string(testkit.JWKS(t, testkit.SigningKey(t, testkit.ECKey, "ES256", "k")))
	private := `{"keys":[` + testkit.ECKey + `]}`
	tests := []struct {
		name     string
		metadata string
		want     string // error code
	}{
		{"the least", minimal(), ""},
		{"not an object", `[]`, badMetadata},
		{"not JSON", `{"redirect_uris":`, badMetadata},
		{"text behind it", minimal() + "{}", badMetadata},
		{"a member twice", `{"redirect_uris":["https://app.example.com/cb"],"redirect_uris":["https://evil.example/cb"]}`, badMetadata},
		{"a member twice, one escaped", `{"redirect_uris":["https://app.example.com/cb"],"redirect\u005furis":["https://evil.example/cb"]}`, badMetadata},
		{"a member twice, further in", minimal("x", `{"a":1,"a":2}`), badMetadata}, // json.RawMessage keeps it
		{"too deep", minimal("x", strings.Repeat("[", 9)+strings.Repeat("]", 9)), badMetadata},
		{"deep enough", minimal("x", strings.Repeat("[", 7)+strings.Repeat("]", 7)), ""},
		{"64 KiB", minimal("x", `"`+strings.Repeat("x", 64<<10-len(minimal("x", `""`)))+`"`), ""},
		{"64 KiB and a byte", minimal("x", `"`+strings.Repeat("x", 64<<10-len(minimal("x", `""`))+1)+`"`), badMetadata},
		{"unknown members are ignored", minimal("unknown", `{"a":[1,2]}`, "software_statement", `"x.y.z"`), ""},
		{"null is as good as none", minimal("client_name", `null`, "grant_types", `null`), ""},

		{"no redirect_uris", `{}`, badRedirect},
		{"empty redirect_uris", minimal("redirect_uris", `[]`), badRedirect},
		{"redirect_uris is a string", minimal("redirect_uris", `"https://app.example.com/cb"`), badMetadata},
		{"oidcc-redirect-uri-regfrag", minimal("redirect_uris", `["https://app.example.com/cb#foobar"]`), badRedirect},
		{"empty fragment", minimal("redirect_uris", `["https://app.example.com/cb#"]`), badRedirect},
		{"the good ones do not save the bad one", minimal("redirect_uris", `["https://app.example.com/cb","http://app.example.com/cb"]`), badRedirect},
		{"with a query", minimal("redirect_uris", `["https://app.example.com/cb?a=b"]`), ""},
		{"case_120/javascript:", minimal("redirect_uris", `["javascript:alert(1)"]`, "application_type", `"native"`), badRedirect},
		{"case_120/javascript: with a host", minimal("redirect_uris", `["javascript://app.example.com/%0aalert(1)"]`), badRedirect},
		{"case_120/data:", minimal("redirect_uris", `["data:text/html,x"]`, "application_type", `"native"`), badRedirect},
		{"case_120/vbscript:", minimal("redirect_uris", `["vbscript:x"]`, "application_type", `"native"`), badRedirect},
		{"case_120/file:", minimal("redirect_uris", `["file:///etc/passwd"]`, "application_type", `"native"`), badRedirect},
		{"case_120/blob:", minimal("redirect_uris", `["blob:https://app.example.com/x"]`), badRedirect},
		{"case_120/upper-case scheme", minimal("redirect_uris", `["JavaScript:alert(1)"]`), badRedirect},
		{"relative", minimal("redirect_uris", `["/cb"]`), badRedirect},
		{"no scheme", minimal("redirect_uris", `["//app.example.com/cb"]`), badRedirect},
		{"user info", minimal("redirect_uris", `["https://good.example@app.example.com/cb"]`), badRedirect},
		{"backslash", minimal("redirect_uris", `["https://app.example.com\\@evil.example/cb"]`), badRedirect},
		{"control character", minimal("redirect_uris", `["https://app.example.com/\u0009cb"]`), badMetadata},
		{"http", minimal("redirect_uris", `["http://app.example.com/cb"]`), badRedirect},
		{"http on a loopback address", minimal("redirect_uris", `["http://127.0.0.1:8083/cb"]`), ""},
		{"http on localhost", minimal("redirect_uris", `["http://localhost:8083/cb"]`), ""},
		{"http on what begins like localhost", minimal("redirect_uris", `["http://localhost.evil.example/cb"]`), badRedirect},
		{"http for implicit", minimal("redirect_uris", `["http://127.0.0.1/cb"]`, "response_types", `["id_token"]`), badRedirect},
		{"a scheme of its own, web", minimal("redirect_uris", `["com.example.app:/cb"]`), badRedirect},
		{"a scheme of its own, native", minimal("redirect_uris", `["com.example.app:/cb"]`, "application_type", `"native"`), ""},
		{"a scheme without a dot", minimal("redirect_uris", `["myapp:/cb"]`, "application_type", `"native"`), badRedirect},
		{"too many", minimal("redirect_uris", list(51)), badMetadata},
		{"many", minimal("redirect_uris", list(50)), ""},
		{"too long", minimal("redirect_uris", `["https://app.example.com/`+strings.Repeat("x", 2048)+`"]`), badMetadata},
		{"unknown application_type", minimal("application_type", `"service"`), badMetadata},

		{"post_logout_redirect_uris", minimal("post_logout_redirect_uris", `["https://app.example.com/bye"]`), ""},
		{"post_logout_redirect_uris with javascript:", minimal("post_logout_redirect_uris", `["javascript:alert(1)"]`), badMetadata},
		{"post_logout_redirect_uris with a fragment", minimal("post_logout_redirect_uris", `["https://app.example.com/bye#x"]`), badMetadata},

		{"all response types", minimal("response_types", `["code","id_token","token id_token","code id_token","code token","token code id_token"]`,
			"grant_types", `["authorization_code","implicit","refresh_token"]`), ""},
		{"response type without its grant", minimal("response_types", `["code id_token"]`, "grant_types", `["authorization_code"]`), badMetadata},
		{"grant without its response type", minimal("response_types", `["code"]`, "grant_types", `["authorization_code","implicit"]`), badMetadata},
		{"implicit grant alone", minimal("grant_types", `["implicit"]`), badMetadata},
		{"implicit with its response type", minimal("grant_types", `["implicit"]`, "response_types", `["id_token"]`), ""},
		{"unknown response type", minimal("response_types", `["none"]`), badMetadata},
		{"a part twice", minimal("response_types", `["code code"]`), badMetadata},
		{"unknown grant type", minimal("grant_types", `["authorization_code","password"]`), badMetadata},
		{"refresh_token alone", minimal("grant_types", `["refresh_token"]`, "response_types", `[]`), badMetadata},
		{"no grant at all", minimal("grant_types", `[]`, "response_types", `[]`), badMetadata},
		{"client_credentials where everyone may register", minimal("grant_types", `["client_credentials"]`, "response_types", `[]`), badMetadata},

		{"client_secret_post", minimal("token_endpoint_auth_method", `"client_secret_post"`), ""},
		{"none", minimal("token_endpoint_auth_method", `"none"`), ""},
		{"tls_client_auth where there are no authorities",
			minimal("token_endpoint_auth_method", `"tls_client_auth"`, "tls_client_auth_san_dns", `"app.example.com"`), badMetadata},
		{"private_key_jwt without keys", minimal("token_endpoint_auth_method", `"private_key_jwt"`), badMetadata},
		{"private_key_jwt with jwks", minimal("token_endpoint_auth_method", `"private_key_jwt"`, "jwks", jwks), ""},
		{"oidcc-registration-jwks-uri", minimal("token_endpoint_auth_method", `"private_key_jwt"`, "jwks_uri", `"https://app.example.com/jwks"`), ""},
		{"jwks and jwks_uri", minimal("jwks", jwks, "jwks_uri", `"https://app.example.com/jwks"`), badMetadata},
		{"jwks with a private key", minimal("jwks", private), badMetadata},
		{"jwks with a shared secret", minimal("jwks", `{"keys":[{"kty":"oct","k":"AAAA"}]}`), badMetadata},
		{"jwks without keys", minimal("jwks", `{"keys":[]}`), badMetadata},
		{"jwks with nothing usable", minimal("jwks", `{"keys":[{"kty":"new"}]}`), badMetadata},
		{"jwks as a string", minimal("jwks", `"{}"`), badMetadata},

		{"subject_type public", minimal("subject_type", `"public"`), ""},
		{"oidcc-registration-sector-bad", minimal("subject_type", `"pairwise"`, "sector_identifier_uri", `"https://app.example.com/s"`), badMetadata},
		{"id_token_signed_response_alg of the environment", minimal("id_token_signed_response_alg", `"RS256"`), ""},
		{"id_token_signed_response_alg none", minimal("id_token_signed_response_alg", `"none"`), badMetadata},
		{"id_token_signed_response_alg that nobody signs with", minimal("id_token_signed_response_alg", `"ES256"`), badMetadata},
		{"oidcc-userinfo-rs256", minimal("userinfo_signed_response_alg", `"RS256"`), ""},
		{"userinfo_signed_response_alg none", minimal("userinfo_signed_response_alg", `"none"`), badMetadata},
		{"request_object_signing_alg", minimal("request_object_signing_alg", `"RS256"`), ""},
		{"request_object_signing_alg none", minimal("request_object_signing_alg", `"none"`), badMetadata},
		{"request_object_signing_alg with a secret", minimal("request_object_signing_alg", `"HS256"`), ""},
		{"request_object_signing_alg without one", minimal("request_object_signing_alg", `"HS256"`, "token_endpoint_auth_method", `"none"`), badMetadata},
		{"encrypted ID tokens", minimal("id_token_encrypted_response_alg", `"RSA-OAEP"`), badMetadata},
		{"dpop_bound_access_tokens", minimal("dpop_bound_access_tokens", `true`), ""},
		{"dpop_bound_access_tokens false", minimal("dpop_bound_access_tokens", `false`), ""},
		{"dpop_bound_access_tokens as a string", minimal("dpop_bound_access_tokens", `"true"`), badMetadata},
		{"dpop_bound_access_tokens with unbound ones", minimal("dpop_bound_access_tokens", `true`, "response_types", `["code token"]`), badMetadata},
		{"dpop_bound_access_tokens with ID tokens", minimal("dpop_bound_access_tokens", `true`, "response_types", `["code id_token"]`), ""},
		{"tls_client_certificate_bound_access_tokens", minimal("tls_client_certificate_bound_access_tokens", `true`), ""},
		{"tls_client_certificate_bound_access_tokens with unbound ones",
			minimal("tls_client_certificate_bound_access_tokens", `true`, "response_types", `["token id_token"]`), badMetadata},
		{"the name of a certificate without a use", minimal("tls_client_auth_san_dns", `"app.example.com"`), badMetadata},
		{"self_signed_tls_client_auth", minimal("token_endpoint_auth_method", `"self_signed_tls_client_auth"`, "jwks", jwks), ""},
		{"self_signed_tls_client_auth without keys", minimal("token_endpoint_auth_method", `"self_signed_tls_client_auth"`), badMetadata},

		{"client_name", minimal("client_name", `"Käse & Söhne"`), ""},
		{"client_name with markup is text", minimal("client_name", `"<script>"`), ""},
		{"client_name with a control character", minimal("client_name", `"a\u0000b"`), badMetadata},
		{"client_name that turns the direction", minimal("client_name", `"moc.elgoog\u202e"`), badMetadata},
		{"client_name too long", minimal("client_name", `"`+strings.Repeat("n", 257)+`"`), badMetadata},
		{"client_name is a number", minimal("client_name", `7`), badMetadata},
		{"contacts", minimal("contacts", `["a@example.com"]`), ""},
		{"contacts with a number", minimal("contacts", `[7]`), badMetadata},
		{"oidcc-3rdparty-init-login", minimal("initiate_login_uri", `"https://app.example.com/start"`), ""},
		{"oidcc-3rdparty-init-login-nohttps", minimal("initiate_login_uri", `"http://app.example.com/start"`), badMetadata},
		{"default_max_age", minimal("default_max_age", `3600`), ""},
		{"default_max_age zero", minimal("default_max_age", `0`), badMetadata},
		{"default_max_age negative", minimal("default_max_age", `-1`), badMetadata},
		{"default_max_age with a fraction", minimal("default_max_age", `1.5`), badMetadata},
		{"default_max_age too large", minimal("default_max_age", `99999999999999999999`), badMetadata},
		{"default_max_age as a string", minimal("default_max_age", `"3600"`), badMetadata},
		{"require_auth_time as a string", minimal("require_auth_time", `"true"`), badMetadata},

		{"backchannel_logout_uri", minimal("backchannel_logout_uri", `"https://app.example.com/bc"`, "backchannel_logout_session_required", `true`), ""},
		{"backchannel_logout_uri http", minimal("backchannel_logout_uri", `"http://app.example.com/bc"`), badMetadata},
		{"backchannel_logout_uri with a fragment", minimal("backchannel_logout_uri", `"https://app.example.com/bc#x"`), badMetadata},
		{"frontchannel_logout_uri at the same origin", minimal("frontchannel_logout_uri", `"https://app.example.com/fc?a=b"`), ""},
		{"frontchannel_logout_uri at another host", minimal("frontchannel_logout_uri", `"https://other.example.com/fc"`), badMetadata},
		{"frontchannel_logout_uri at another port", minimal("frontchannel_logout_uri", `"https://app.example.com:8443/fc"`), badMetadata},
		{"frontchannel_logout_uri at another scheme", minimal("frontchannel_logout_uri", `"http://app.example.com/fc"`), badMetadata},
		{"frontchannel_logout_uri javascript:", minimal("frontchannel_logout_uri", `"javascript:alert(1)"`), badMetadata},

		{"scope", minimal("scope", `"openid email"`), ""},
		{"case_120/scope beyond policy alone", minimal("scope", `"orders:read"`), badMetadata},
		{"scope malformed", minimal("scope", `"openid  email"`), badMetadata},
		{"scope as a list", minimal("scope", `["openid"]`), badMetadata},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			_, err := g.registrar.Register(t.Context(), environment(store.RegistrationOpen), "", []byte(tt.metadata))
			if got := code(err); got != tt.want {
				t.Errorf("error code = %q, want %q (%v)", got, tt.want, err)
			}
			if err != nil && len(g.store.clients) > 0 {
				t.Error("a refused client was stored")
			}
		})
	}
}

func list(n int) string {
	uris := make([]string, n)
	for i := range uris {
		uris[i] = "https://app.example.com/cb/" + strings.Repeat("x", i+1)
	}
	b, _ := json.Marshal(uris)
	return string(b)
}

// Addresses that this server or a browser on its pages goes to by itself.
func TestAttack120AddressesOfStrangers(t *testing.T) {
	addresses := map[string]string{
		"loopback":                "https://127.0.0.1/x",
		"loopback, IPv6":          "https://[::1]/x",
		"localhost":               "https://localhost/x",
		"under localhost":         "https://a.localhost/x",
		"localhost with a dot":    "https://localhost./x",
		"link-local":              "https://169.254.169.254/latest/meta-data",
		"link-local, IPv6":        "https://[fe80::1]/x",
		"private 10":              "https://10.0.0.1/x",
		"private 172.16":          "https://172.16.0.1/x",
		"private 192.168":         "https://192.168.0.1/x",
		"private, IPv6":           "https://[fd00::1]/x",
		"carrier-grade NAT":       "https://100.64.0.1/x",
		"6to4":                    "https://[2002:7f00:1::]/x",
		"NAT64":                   "https://[64:ff9b::7f00:1]/x",
		"Teredo":                  "https://[2001:0:7f00:1::]/x",
		"IPv4-mapped":             "https://[::ffff:127.0.0.1]/x",
		"IPv4-compatible":         "https://[::127.0.0.1]/x",
		"unspecified":             "https://0.0.0.0/x",
		"unspecified, IPv6":       "https://[::]/x",
		"broadcast":               "https://255.255.255.255/x",
		"multicast":               "https://224.0.0.1/x",
		"decimal":                 "https://2130706433/x",
		"hexadecimal":             "https://0x7f000001/x",
		"octal":                   "https://0177.0.0.1/x",
		"short":                   "https://127.1/x",
		"http":                    "http://app.example.com/x",
		"javascript:":             "javascript:alert(1)",
		"data:":                   "data:text/html,x",
		"user info":               "https://a:b@app.example.com/x",
		"relative":                "/x",
		"no scheme":               "//app.example.com/x",
		"spaces":                  "https://app.example.com/a b",
		"what ends an attribute":  `https://app.example.com/"onload=x`,
		"upper-case scheme":       "HTTPS://app.example.com/x",
		"a name beyond ASCII":     "https://ex\u00e4mple.com/x",
		"a character of no width": "https://app.example.com/\u200bx",
	}
	for _, member := range []string{"jwks_uri", "logo_uri", "client_uri", "policy_uri", "tos_uri", "backchannel_logout_uri"} {
		g := newRig(t)
		for name, address := range addresses {
			t.Run(member+"/"+name, func(t *testing.T) {
				quoted, _ := json.Marshal(address)
				_, err := g.registrar.Register(t.Context(), environment(store.RegistrationOpen), "", []byte(minimal(member, string(quoted))))
				if got := code(err); got != badMetadata {
					t.Errorf("error code = %q, want %s", got, badMetadata)
				}
			})
		}
		t.Run(member+"/good", func(t *testing.T) {
			for _, address := range []string{"https://app.example.com/x?a=b%20c", "https://app.example.com:8443", "https://8.8.8.8/x", "https://[2606:4700::1111]/x"} {
				if got := g.register(environment(store.RegistrationOpen), minimal(member, `"`+address+`"`))[member]; got != address {
					t.Errorf("got %v, want %s echoed", got, address)
				}
			}
		})
	}
	t.Run("networks that the operator lists", func(t *testing.T) {
		g := newRig(t)
		outbound, err := fetch.NewClient(fetch.Options{
			InsecureLoopbackHTTP: true, StrangerNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer outbound.Close()
		g.registrar.Outbound = outbound
		g.register(environment(store.RegistrationOpen), minimal("backchannel_logout_uri", `"http://localhost:8083/bc"`, "jwks_uri", `"https://127.0.0.1:8443/jwks"`))
		_, err = g.registrar.Register(t.Context(), environment(store.RegistrationOpen), "", []byte(minimal("jwks_uri", `"https://10.0.0.1/jwks"`)))
		if got := code(err); got != badMetadata {
			t.Errorf("an address outside: error code = %q, want %s", got, badMetadata)
		}
	})
}

// What a document becomes.
func TestRegisteredClient(t *testing.T) {
	g := newRig(t)
	full := `{
		"redirect_uris":["https://app.example.com/cb"],"post_logout_redirect_uris":["https://app.example.com/bye"],
		"response_types":["id_token code","code"],"grant_types":["authorization_code","implicit","refresh_token"],
		"application_type":"web","client_name":"Shop","contacts":["a@example.com"],
		"logo_uri":"https://app.example.com/logo.png","client_uri":"https://app.example.com/","policy_uri":"https://app.example.com/policy","tos_uri":"https://app.example.com/tos",
		"token_endpoint_auth_method":"client_secret_post","jwks_uri":"https://app.example.com/jwks",
		"scope":"openid email orders:read secret","subject_type":"public","id_token_signed_response_alg":"RS256",
		"userinfo_signed_response_alg":"RS256","request_object_signing_alg":"PS256","require_signed_request_object":true,
		"require_pushed_authorization_requests":true,"default_max_age":600,"require_auth_time":true,
		"initiate_login_uri":"https://app.example.com/start","backchannel_logout_uri":"https://app.example.com/bc","backchannel_logout_session_required":true,
		"frontchannel_logout_uri":"https://app.example.com/fc","frontchannel_logout_session_required":true,
		"client_id":"mine","client_secret":"mine","registration_access_token":"mine","unknown":{"a":1},"software_id":"s"
	}`
	env := environment(store.RegistrationOpen)
	env.Registration.Scopes = append(env.Registration.Scopes, "orders:read", "lost")
	got := g.register(env, full)
	id, _ := got["client_id"].(string)
	secretText, _ := got["client_secret"].(string)

	t.Run("the answer", func(t *testing.T) {
		var want map[string]any
		if err := json.Unmarshal([]byte(full), &want); err != nil {
			t.Fatal(err)
		}
		delete(want, "unknown")
		delete(want, "software_id")
		want["response_types"] = []any{"code id_token", "code"}
		want["scope"] = "openid email orders:read"
		want["client_id"], want["client_secret"], want["registration_access_token"] = id, secretText, got["registration_access_token"]
		want["client_id_issued_at"] = float64(1772366400)
		want["client_secret_expires_at"] = float64(0)
		want["registration_client_uri"] = issuer + "/register/" + id
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		if len(id) != 36 || len(secretText) < 64 || strings.Trim(secretText, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") != "" {
			t.Errorf("client_id %q and a secret of %d characters, want a UUID and 64 unreserved ones", id, len(secretText))
		}
	})
	t.Run("the client", func(t *testing.T) {
		want := &store.Client{
			Environment: envID, ID: id, Name: "Shop", Type: store.WebApp, Enabled: true, Registered: true,
			GrantTypes: []string{"authorization_code", "implicit", "refresh_token"}, ResponseTypes: []string{"code", "id_token"},
			AuthMethod: "client_secret_post", Secrets: []store.ClientSecret{{Value: []byte(secretText)}}, JWKSURI: "https://app.example.com/jwks",
			RedirectURIs: []string{"https://app.example.com/cb"}, PostLogoutRedirectURIs: []string{"https://app.example.com/bye"},
			PARRequired: true, SignedRequestObject: true, RequestObjectAlgorithm: "PS256", UserInfoSigned: true,
			Consent: store.ConsentOnce, SessionCheck: true,
			BackchannelLogoutURI: "https://app.example.com/bc", FrontchannelLogoutURI: "https://app.example.com/fc", FrontchannelLogoutSession: true,
			InitiateLoginURI: "https://app.example.com/start", LogoURI: "https://app.example.com/logo.png",
			PolicyURI: "https://app.example.com/policy", TOSURI: "https://app.example.com/tos", ClientURI: "https://app.example.com/",
			DefaultMaxAge: 10 * time.Minute,
			Grants:        map[string][]string{store.ResourceOpenID: {"openid", "email"}, "orders": {"orders:read"}},
		}
		if diff := cmp.Diff(want, g.client(id)); diff != "" {
			t.Errorf("client (-want +got):\n%s", diff)
		}
	})
	t.Run("no secret rests in the clear", func(t *testing.T) {
		c := g.store.clients[id]
		text, _ := json.Marshal(c)
		for _, s := range []string{secretText, got["registration_access_token"].(string)} {
			if strings.Contains(string(text), s) || strings.Contains(string(c.Metadata), s) || strings.Contains(string(c.Sealed), s) {
				t.Error("the record has a secret in it")
			}
		}
	})
	t.Run("sealed for this client alone", func(t *testing.T) {
		moved := g.store.clients[id]
		moved.ID = "another"
		if _, err := g.registrar.Open(moved); err == nil {
			t.Error("another client opened it")
		}
	})
}

func TestDefaults(t *testing.T) {
	g := newRig(t)
	tests := []struct {
		name, metadata string
		check          func(c *store.Client, answer map[string]any) bool
	}{
		{"a confidential web client with the code", minimal(), func(c *store.Client, a map[string]any) bool {
			return c.Type == store.WebApp && c.AuthMethod == "client_secret_basic" && len(c.Secrets) == 1 && cmp.Equal(c.GrantTypes, []string{"authorization_code"}) &&
				cmp.Equal(c.ResponseTypes, []string{"code"}) && a["application_type"] == "web" && a["token_endpoint_auth_method"] == "client_secret_basic"
		}},
		{"every scope that is allowed", minimal(), func(c *store.Client, a map[string]any) bool {
			return a["scope"] == "openid profile email address phone offline_access" && len(c.Grants[store.ResourceOpenID]) == 6
		}},
		{"a public client has no secret, and must use PKCE", minimal("token_endpoint_auth_method", `"none"`), func(c *store.Client, a map[string]any) bool {
			_, sent := a["client_secret"]
			_, expires := a["client_secret_expires_at"]
			return c.PKCE == store.PKCES256Required && len(c.Secrets) == 0 && !sent && !expires && c.Type == store.SinglePageApp
		}},
		{"nobody has looked at it: people are asked", minimal(), func(c *store.Client, _ map[string]any) bool { return c.Consent == store.ConsentOnce }},
		{"its addresses are a stranger's", minimal(), func(c *store.Client, _ map[string]any) bool { return c.Registered }},
		{"no wildcards", minimal("redirect_uris", `["https://app.example.com/*"]`), func(c *store.Client, _ map[string]any) bool { return !c.WildcardRedirectURIs }},
		{"the name is the id", minimal(), func(c *store.Client, a map[string]any) bool {
			return c.Name == a["client_id"] && a["client_name"] == nil
		}},
		{"grants follow from response types", minimal("response_types", `["code id_token"]`), func(c *store.Client, a map[string]any) bool {
			return cmp.Equal(c.GrantTypes, []string{"authorization_code", "implicit"})
		}},
		{"native", minimal("application_type", `"native"`, "token_endpoint_auth_method", `"none"`), func(c *store.Client, _ map[string]any) bool { return c.Type == store.NativeApp }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := g.register(environment(store.RegistrationOpen), tt.metadata)
			if c := g.client(answer["client_id"].(string)); !tt.check(c, answer) {
				t.Errorf("got %+v\n%v", c, answer)
			}
		})
	}
}

func TestStrictProfileKnowsTheCodeAlone(t *testing.T) {
	g, env := newRig(t), environment(store.RegistrationOpen)
	env.Strict = true
	g.register(env, minimal())
	_, err := g.registrar.Register(t.Context(), env, "", []byte(minimal("response_types", `["code id_token"]`)))
	if got := code(err); got != badMetadata {
		t.Errorf("error code = %q, want %s", got, badMetadata)
	}
}

func TestCertificateNames(t *testing.T) {
	const method = `"tls_client_auth"`
	tests := []struct {
		name     string
		metadata string
		want     string // error code
	}{
		{"DNS name", minimal("token_endpoint_auth_method", method, "tls_client_auth_san_dns", `"app.example.com"`), ""},
		{"distinguished name", minimal("token_endpoint_auth_method", method, "tls_client_auth_subject_dn", `"CN=app,O=Example"`), ""},
		{"URI", minimal("token_endpoint_auth_method", method, "tls_client_auth_san_uri", `"spiffe://example.com/app"`), ""},
		{"IP address", minimal("token_endpoint_auth_method", method, "tls_client_auth_san_ip", `"2001:db8::1"`), ""},
		{"e-mail address", minimal("token_endpoint_auth_method", method, "tls_client_auth_san_email", `"app@example.com"`), ""},
		{"none", minimal("token_endpoint_auth_method", method), badMetadata},
		{"two (RFC 8705 §2.1.2)", minimal("token_endpoint_auth_method", method, "tls_client_auth_san_dns", `"app.example.com"`,
			"tls_client_auth_subject_dn", `"CN=app"`), badMetadata},
		{"no distinguished name", minimal("token_endpoint_auth_method", method, "tls_client_auth_subject_dn", `"app"`), badMetadata},
		{"no IP address", minimal("token_endpoint_auth_method", method, "tls_client_auth_san_ip", `"app.example.com"`), badMetadata},
		{"not a string", minimal("token_endpoint_auth_method", method, "tls_client_auth_san_dns", `["app.example.com"]`), badMetadata},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			env := environment(store.RegistrationOpen)
			env.ClientCAs = []byte("any")
			_, err := g.registrar.Register(t.Context(), env, "", []byte(tt.metadata))
			if got := code(err); got != tt.want {
				t.Errorf("error code = %q, want %q (%v)", got, tt.want, err)
			}
		})
	}
}
