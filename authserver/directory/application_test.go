package directory_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// webApp is a good application; further members replace its own, and "-" takes one away.
func webApp(further ...any) string {
	v := map[string]any{
		"name": "Shop", "enabled": true, "protocol": "OPENID_CONNECT", "type": "WEB_APP",
		"tokenEndpointAuthMethod": "CLIENT_SECRET_BASIC", "grantTypes": []string{"AUTHORIZATION_CODE", "REFRESH_TOKEN"},
		"responseTypes": []string{"CODE"}, "redirectUris": []string{"https://shop.example.com/cb"},
	}
	for i := 0; i < len(further); i += 2 {
		name := further[i].(string)
		if v[name] = further[i+1]; further[i+1] == "-" {
			delete(v, name)
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func workerApp(further ...any) string {
	return webApp(append([]any{
		"name", "Batch", "type", "WORKER", "grantTypes", []string{"CLIENT_CREDENTIALS"}, "responseTypes", "-", "redirectUris", "-",
	}, further...)...)
}

type (
	texts      = []string
	jsonObject = map[string]any
)

const publicJWKS = `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`

func TestApplicationMembers(t *testing.T) {
	member := func(name string, good, bad any, problem string) struct {
		name      string
		good, bad string
		want      string
	} {
		return struct {
			name      string
			good, bad string
			want      string
		}{fmt.Sprintf("%s %v", name, bad), webApp(name, good), webApp(name, bad), problem + " " + name}
	}
	tests := []struct {
		name      string
		good, bad string
		want      string
	}{
		member("name", "Shop 2", "", "REQUIRED_VALUE"),
		member("name", "Shop", " ", "EMPTY_VALUE"),
		member("name", strings.Repeat("ä", 256), strings.Repeat("ä", 257), "SIZE_LIMIT_EXCEEDED"),
		member("name", "Shop", "Sh\nop", "INVALID_VALUE"),
		member("description", "two\nlines", strings.Repeat("x", 2000), "SIZE_LIMIT_EXCEEDED"),
		member("protocol", "OPENID_CONNECT", "SAML", "INVALID_VALUE"),
		member("protocol", "OPENID_CONNECT", "WS_FED", "INVALID_VALUE"),
		member("protocol", "OPENID_CONNECT", "EXTERNAL_LINK", "INVALID_VALUE"),
		member("protocol", "OPENID_CONNECT", "-", "REQUIRED_VALUE"),
		member("type", "NATIVE_APP", "-", "REQUIRED_VALUE"),
		member("type", "CUSTOM_APP", "PING_ONE_PORTAL", "INVALID_VALUE"),
		member("type", "SINGLE_PAGE_APP", "web_app", "INVALID_VALUE"),
		member("tokenEndpointAuthMethod", "CLIENT_SECRET_POST", "-", "REQUIRED_VALUE"),
		member("tokenEndpointAuthMethod", "NONE", "client_secret_basic", "INVALID_VALUE"),
		member("grantTypes", texts{"AUTHORIZATION_CODE", "IMPLICIT", "REFRESH_TOKEN", "CLIENT_CREDENTIALS", "DEVICE_CODE", "TOKEN_EXCHANGE", "CIBA"},
			texts{"AUTHORIZATION_CODE", "PASSWORD"}, "INVALID_VALUE"),
		member("grantTypes", texts{"AUTHORIZATION_CODE"}, texts{"AUTHORIZATION_CODE", "AUTHORIZATION_CODE"}, "INVALID_VALUE"),
		member("responseTypes", texts{"CODE"}, texts{"CODE", "TOKEN"}, "INVALID_VALUE"),
		member("responseTypes", texts{}, texts{"ID_TOKEN"}, "INVALID_VALUE"),
		member("responseTypes", texts{"CODE"}, texts{"DEVICE"}, "INVALID_VALUE"),
		member("redirectUris", texts{"com.example.app:/cb", "http://localhost:3000/cb", "http://127.0.0.1/cb"}, texts{"http://shop.example.com/cb"}, "INVALID_VALUE"),
		member("redirectUris", texts{"https://shop.example.com/cb?a=b"}, texts{"https://shop.example.com/cb#f"}, "INVALID_VALUE"),
		member("redirectUris", texts{"https://shop.example.com"}, texts{"/cb"}, "INVALID_VALUE"),
		member("redirectUris", texts{"https://shop.example.com/cb"}, texts{"javascript:alert(1)"}, "INVALID_VALUE"),
		member("redirectUris", texts{"https://shop.example.com/cb"}, texts{"https://shop.example.com/*"}, "INVALID_VALUE"),
		member("postLogoutRedirectUris", texts{"https://shop.example.com/bye"}, texts{"//shop.example.com/bye"}, "INVALID_VALUE"),
		member("pkceEnforcement", "S256_REQUIRED", "S512_REQUIRED", "INVALID_VALUE"),
		member("pkceEnforcement", "REQUIRED", "", "REQUIRED_VALUE"),
		member("parRequirement", "REQUIRED", "S256_REQUIRED", "INVALID_VALUE"),
		member("parTimeout", 1, 0, "OUT_OF_RANGE"),
		member("parTimeout", 600, 601, "OUT_OF_RANGE"),
		member("refreshTokenDuration", 60, 59, "OUT_OF_RANGE"),
		member("refreshTokenDuration", 2147483647, 2147483648, "OUT_OF_RANGE"),
		member("refreshTokenRollingDuration", 15552000, 2147483648, "OUT_OF_RANGE"),
		member("refreshTokenRollingDuration", 60, 59, "OUT_OF_RANGE"),
		member("refreshTokenRollingGracePeriodDuration", 0, -1, "OUT_OF_RANGE"),
		member("refreshTokenRollingGracePeriodDuration", 86400, 86401, "OUT_OF_RANGE"),
		member("refreshTokenType", "JSON_WEB_TOKEN", "JWT", "INVALID_VALUE"),
		member("refreshTokenType", "OPAQUE_TOKEN", "", "REQUIRED_VALUE"),
		member("accessTokenFormat", "OPAQUE", "opaque", "INVALID_VALUE"),
		member("accessTokenFormat", "JWT", "OPAQUE_TOKEN", "INVALID_VALUE"),
		member("accessTokenFormat", "-", "", "REQUIRED_VALUE"),
		member("jwks", publicJWKS, "{}", "INVALID_VALUE"),
		member("jwks", publicJWKS, `{"keys":[]}`, "INVALID_VALUE"),
		member("jwks", publicJWKS, "not JSON", "INVALID_VALUE"),
		member("jwks", publicJWKS, strings.Replace(publicJWKS, `"kty"`, `"d":"AA","kty"`, 1), "INVALID_VALUE"),
		member("jwksUrl", "https://shop.example.com/jwks", "http://shop.example.com/jwks", "INVALID_VALUE"),
		member("jwksUrl", "https://shop.example.com/jwks", "https://a:b@shop.example.com/jwks", "INVALID_VALUE"),
		member("deviceTimeout", 3600, 3601, "OUT_OF_RANGE"),
		member("deviceTimeout", 1, 0, "OUT_OF_RANGE"),
		member("devicePollingInterval", 60, 61, "OUT_OF_RANGE"),
		member("devicePathId", strings.Repeat("a", 50), strings.Repeat("a", 51), "INVALID_VALUE"),
		member("devicePathId", "tv_1-2", "tv/1", "INVALID_VALUE"),
		member("deviceCustomVerificationUri", "https://shop.example.com/device", "shop.example.com", "INVALID_VALUE"),
		member("initiateLoginUri", "http://localhost/login", "http://shop.example.com/login", "INVALID_VALUE"),
		member("targetLinkUri", "com.example.app://home", "home", "INVALID_VALUE"),
		member("homePageUrl", "https://shop.example.com", "ftp://shop.example.com", "INVALID_VALUE"),
		member("loginPageUrl", "http://127.0.0.1:3000/login", "javascript:alert(1)", "INVALID_VALUE"),
		member("tags", texts{}, texts{"PING_FED_CONNECTION_INTEGRATION"}, "INVALID_VALUE"),
		member("tags", texts{}, texts{"OTHER"}, "INVALID_VALUE"),
		member("mobile", jsonObject{"bundleId": "com.example"}, texts{"x"}, "INVALID_VALUE"),
		member("template", "x", 1, "INVALID_VALUE"),
		{
			"two wildcards", webApp("allowWildcardInRedirectUris", true, "redirectUris", texts{"https://shop.example.com/*/cb"}),
			webApp("allowWildcardInRedirectUris", true, "redirectUris", texts{"https://shop.example.com/*/*"}), "INVALID_VALUE redirectUris",
		},
		{
			"a wildcard in the host", webApp("allowWildcardInRedirectUris", true, "redirectUris", texts{"https://shop.example.com/cb?next=*"}),
			webApp("allowWildcardInRedirectUris", true, "redirectUris", texts{"https://*.example.com/cb"}), "INVALID_VALUE redirectUris",
		},
		{
			"a wildcard of a public application", webApp("allowWildcardInRedirectUris", true, "tokenEndpointAuthMethod", "NONE"),
			webApp("allowWildcardInRedirectUris", true, "tokenEndpointAuthMethod", "NONE", "redirectUris", texts{"https://shop.example.com/*"}), "INVALID_VALUE redirectUris",
		},
		{
			"a public application with client credentials", webApp("tokenEndpointAuthMethod", "NONE"),
			webApp("tokenEndpointAuthMethod", "NONE", "grantTypes", texts{"AUTHORIZATION_CODE", "CLIENT_CREDENTIALS"}), "INVALID_VALUE tokenEndpointAuthMethod",
		},
		{"a public worker", workerApp(), workerApp("tokenEndpointAuthMethod", "NONE", "grantTypes", texts{}), "INVALID_VALUE tokenEndpointAuthMethod"},
		{
			"a public service", workerApp("type", "SERVICE"), workerApp("type", "SERVICE", "tokenEndpointAuthMethod", "NONE", "grantTypes", texts{}),
			"INVALID_VALUE tokenEndpointAuthMethod",
		},
		{"a worker's response type", workerApp("responseTypes", texts{"TOKEN"}), workerApp("responseTypes", texts{"ID_TOKEN"}), "INVALID_VALUE responseTypes"},
		{"tags of a worker", workerApp("tags", texts{"PING_FED_CONNECTION_INTEGRATION"}), workerApp("tags", texts{"X"}), "INVALID_VALUE tags"},
		{
			"rolling shorter than one token", webApp("refreshTokenDuration", 100, "refreshTokenRollingDuration", 100),
			webApp("refreshTokenDuration", 101, "refreshTokenRollingDuration", 100), "OUT_OF_RANGE refreshTokenRollingDuration",
		},
		{
			"keys in two places", webApp("jwks", publicJWKS), webApp("jwks", publicJWKS, "jwksUrl", "https://shop.example.com/jwks"), "INVALID_VALUE jwksUrl",
		},
		{
			"no keys for private_key_jwt", webApp("tokenEndpointAuthMethod", "PRIVATE_KEY_JWT", "jwks", publicJWKS),
			webApp("tokenEndpointAuthMethod", "PRIVATE_KEY_JWT"), "REQUIRED_VALUE jwks",
		},
		{
			"unsigned and signed request objects", webApp("supportUnsignedRequestObject", true),
			webApp("supportUnsignedRequestObject", true, "requireSignedRequestObject", true), "INVALID_VALUE requireSignedRequestObject",
		},
		{
			"an unknown key rotation policy", webApp(), webApp("signing", jsonObject{"keyRotationPolicy": jsonObject{"id": "00000000-0000-4000-8000-000000000000"}}),
			"INVALID_VALUE signing.keyRotationPolicy.id",
		},
		{"signing without a policy", webApp(), webApp("signing", jsonObject{}), "REQUIRED_VALUE signing.keyRotationPolicy.id"},
		{
			"origins without a place for them", webApp("corsSettings", jsonObject{"behavior": "ALLOW_NO_ORIGINS"}),
			webApp("corsSettings", jsonObject{"behavior": "ALLOW_NO_ORIGINS", "origins": texts{"https://a.example.com"}}), "INVALID_VALUE corsSettings.origins",
		},
		{
			"no origins", webApp("corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": texts{"a.example.com:8443"}}),
			webApp("corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS"}), "REQUIRED_VALUE corsSettings.origins",
		},
		{
			"an origin with a path", webApp("corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": texts{"https://*.example.com"}}),
			webApp("corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": texts{"https://a.example.com/x"}}), "INVALID_VALUE corsSettings.origins",
		},
		{
			"an origin of everybody", webApp("corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": texts{"http://192.0.2.1:80", "localhost"}}),
			webApp("corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": texts{"https://*.com"}}), "INVALID_VALUE corsSettings.origins",
		},
		{
			"too many origins", webApp("corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": strings.Split(strings.Repeat("a.example ", 39)+"b.example", " ")}),
			webApp("corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": strings.Split(strings.Repeat("a.example ", 40)+"b.example", " ")}),
			"SIZE_LIMIT_EXCEEDED corsSettings.origins",
		},
		{"no behaviour", webApp(), webApp("corsSettings", jsonObject{}), "REQUIRED_VALUE corsSettings.behavior"},
		{"kerberos without a key", webApp("kerberos", jsonObject{"key": jsonObject{"id": "k"}}), webApp("kerberos", jsonObject{}), "REQUIRED_VALUE kerberos.key.id"},
		{
			"access for a role", webApp("accessControl", jsonObject{"role": jsonObject{"type": "ADMIN_USERS_ONLY"}}),
			webApp("accessControl", jsonObject{"role": jsonObject{"type": "EVERYBODY"}}), "INVALID_VALUE accessControl.role.type",
		},
		{
			"access for groups", webApp("accessControl", jsonObject{"group": jsonObject{"type": "ANY_GROUP", "groups": []jsonObject{{"id": "g"}}}}),
			webApp("accessControl", jsonObject{"group": jsonObject{"type": "ANY_GROUP", "groups": texts{}}}), "REQUIRED_VALUE accessControl.group.groups",
		},
		{"an icon", webApp("icon", jsonObject{"id": "i", "href": "https://shop.example.com/i.png"}), webApp("icon", jsonObject{"href": "data:x"}), "INVALID_VALUE icon.href"},
		{"an imported id", webApp("clientId", "imported-1"), webApp("clientId", "short"), "INVALID_VALUE clientId"},
		{"an imported id with a slash", webApp("clientId", "imported-1"), webApp("clientId", "imported/1"), "INVALID_VALUE clientId"},
		{"a resource's id", webApp("clientId", "orders-2"), webApp("clientId", appUser), "UNIQUENESS_VIOLATION clientId"},
		{"a declared application's id", webApp("clientId", "demo-web2"), webApp("clientId", "demo-web"), "UNIQUENESS_VIOLATION id"},
		{"an imported secret", webApp("clientSecret", "12345678"), webApp("clientSecret", "1234567"), "OUT_OF_RANGE clientSecret"},
		{"an imported secret in other letters", webApp("clientSecret", "12345678"), webApp("clientSecret", "pässword"), "INVALID_VALUE clientSecret"},
		{
			"an imported secret that signs", webApp("tokenEndpointAuthMethod", "CLIENT_SECRET_JWT", "clientSecret", strings.Repeat("x", 32)),
			webApp("tokenEndpointAuthMethod", "CLIENT_SECRET_JWT", "clientSecret", strings.Repeat("x", 31)), "OUT_OF_RANGE clientSecret",
		},
		{"a declared application's name", webApp(), webApp("name", "demo-web"), "UNIQUENESS_VIOLATION name"},
	}
	k := newAppKit(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := k.create("", new(directory.Application), tt.bad); appProblem(err) != tt.want {
				t.Errorf("%s: got %q, want %q (%v)", tt.bad, appProblem(err), tt.want, err)
			}
			it, err := k.create("", new(directory.Application), tt.good)
			if err != nil {
				t.Fatalf("%s: got %q, want none", tt.good, appProblem(err))
			}
			if err := k.remove(it); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What clients compare: every member that was sent comes back, and those defaults
// alone are there that PingOne shows.
func TestApplicationAnswer(t *testing.T) {
	defaults := jsonObject{
		"allowWildcardInRedirectUris": false, "requestScopesForMultipleResourcesEnabled": false, "supportUnsignedRequestObject": false,
		"requireSignedRequestObject": false, "idpSignoff": false, "opSessionCheckEnabled": false, "includeX5t": false, "hiddenFromAppPortal": false,
		"additionalRefreshTokenReplayProtectionEnabled": true, "pkceEnforcement": "OPTIONAL", "parRequirement": "OPTIONAL", "parTimeout": 60.0,
		"deviceTimeout": 600.0, "devicePollingInterval": 5.0, "refreshTokenDuration": 2592000.0,
	}
	tests := []struct {
		name, sent string
		more       jsonObject // beside what was sent and the defaults
	}{
		{"least", webApp("grantTypes", "-", "responseTypes", "-", "redirectUris", "-"), nil},
		{"enabled left out", webApp("enabled", "-"), jsonObject{"enabled": false}},
		{"null is absent", webApp("tags", nil, "refreshTokenType", nil, "mobile", nil, "kerberos", nil), nil},
		{"empty lists stay", webApp("tags", texts{}, "postLogoutRedirectUris", texts{}, "responseTypes", texts{}), nil},
		{
			"everything", webApp(
				"description", "", "refreshTokenDuration", 100, "refreshTokenRollingDuration", 200, "refreshTokenRollingGracePeriodDuration", 0,
				"refreshTokenType", "JSON_WEB_TOKEN", "additionalRefreshTokenReplayProtectionEnabled", false, "jwks", publicJWKS,
				"devicePathId", "tv", "initiateLoginUri", "https://a.example/1", "targetLinkUri", "https://a.example/2", "homePageUrl", "https://a.example/3",
				"loginPageUrl", "https://a.example/4", "kerberos", jsonObject{"key": jsonObject{"id": "k"}}, "mobile", jsonObject{"bundleId": "b", "n": 1.5},
				"accessControl", jsonObject{}, "icon", jsonObject{"id": "i", "href": "https://a.example/i"}, "template", jsonObject{"name": "x"},
				"corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": texts{"https://a.example"}}, "assignActorRoles", false,
			), nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := newAppKit(t)
			it := k.application(tt.sent)
			want := maps.Clone(defaults)
			var sent jsonObject
			if err := json.Unmarshal([]byte(tt.sent), &sent); err != nil {
				t.Fatal(err)
			}
			maps.Copy(want, sent)
			maps.Copy(want, tt.more)
			for name, value := range want {
				if value == nil {
					delete(want, name)
				}
			}
			if diff := cmp.Diff(want, appMembers(t, it)); diff != "" {
				t.Errorf("created (-want +got):\n%s", diff)
			}
			again, err := k.live.Item(t.Context(), k.env, store.KindApplication, "", it.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, appMembers(t, again)); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApplicationShowsNoCredentials(t *testing.T) {
	k := newAppKit(t)
	it := k.application(webApp("clientId", "imported-1", "clientSecret", "very-secret-1", "mobile", jsonObject{
		"integrityDetection": jsonObject{"mode": "ENABLED", "googlePlay": jsonObject{
			"decryptionKey": "very-secret-2", "verificationKey": "very-secret-3", "serviceAccountCredentials": "very-secret-4", "verificationType": "INTERNAL",
		}},
	}))
	events, err := k.store.ListEvents(t.Context(), store.EventFilter{Environment: appEnv}, "", 10, k.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(appMembers(t, it)), string(it.Data), fmt.Sprintf("%+v %#v", it.Document, it.Document), fmt.Sprintf("%s", events)} {
		if strings.Contains(text, "very-secret") {
			t.Errorf("a credential shows in %s", text)
		}
	}
	if !strings.Contains(string(it.Data), "verificationType") {
		t.Errorf("got %s, want the other settings kept", it.Data)
	}
	if got := string(k.client("imported-1").Secrets[0].Value); got != "very-secret-1" {
		t.Errorf("secret = %q, want the imported one", got)
	}
}

func TestApplicationBecomesClient(t *testing.T) {
	k := newAppKit(t)
	it := k.application(webApp(
		"grantTypes", texts{"AUTHORIZATION_CODE", "IMPLICIT", "REFRESH_TOKEN"}, "responseTypes", "-",
		"allowWildcardInRedirectUris", true, "redirectUris", texts{"https://shop.example.com/*"}, "postLogoutRedirectUris", texts{"https://shop.example.com/bye"},
		"pkceEnforcement", "S256_REQUIRED", "parRequirement", "REQUIRED", "parTimeout", 30, "refreshTokenDuration", 100,
		"refreshTokenRollingDuration", 200, "refreshTokenRollingGracePeriodDuration", 10, "additionalRefreshTokenReplayProtectionEnabled", false,
		"requestScopesForMultipleResourcesEnabled", true, "jwks", publicJWKS, "requireSignedRequestObject", true, "idpSignoff", true,
		"opSessionCheckEnabled", true, "includeX5t", true, "initiateLoginUri", "https://shop.example.com/start", "loginPageUrl", "https://shop.example.com/login",
		"homePageUrl", "https://shop.example.com/", "icon", jsonObject{"href": "https://shop.example.com/i.png"},
		"corsSettings", jsonObject{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": texts{"https://a.example.com", "b.example.com", "localhost:3000", "https://*.c.example.com"}},
		"accessControl", jsonObject{"role": jsonObject{"type": "ADMIN_USERS_ONLY"}},
	))
	secrets := k.client(it.ID).Secrets
	if len(secrets) != 1 || len(secrets[0].Value) < 64 || !secrets[0].Expires.IsZero() {
		t.Errorf("secrets = %d, want one of 64 characters that never ends", len(secrets))
	}
	want := &store.Client{
		Environment: appEnv, ID: it.ID, Name: "Shop", Type: store.WebApp, Enabled: true, Managed: true,
		GrantTypes: texts{oauth.GrantAuthorizationCode, oauth.GrantImplicit, oauth.GrantRefreshToken}, AuthMethod: oauth.AuthClientSecretBasic,
		Secrets: secrets, JWKS: []byte(publicJWKS), RedirectURIs: texts{"https://shop.example.com/*"}, WildcardRedirectURIs: true,
		PostLogoutRedirectURIs: texts{"https://shop.example.com/bye"}, ResponseTypes: texts{"code", "token", "id_token"}, PKCE: store.PKCES256Required,
		RefreshTokenTTL: 100 * time.Second, RefreshTokenRolling: 200 * time.Second, RefreshTokenGrace: 10 * time.Second, NoReplayProtection: true,
		PARRequired: true, PARTimeout: 30 * time.Second, SignedRequestObject: true, IDPSignoff: true, SessionCheck: true, IncludeX5T: true,
		CORS:         texts{"https://a.example.com", "https://b.example.com", "https://localhost:3000", "http://localhost:3000", "https://*.c.example.com"},
		LoginPageURL: "https://shop.example.com/login", InitiateLoginURI: "https://shop.example.com/start", LogoURI: "https://shop.example.com/i.png",
		ClientURI: "https://shop.example.com/", MultipleResources: true, AdministratorsOnly: true,
	}
	if diff := cmp.Diff(want, k.client(it.ID)); diff != "" {
		t.Errorf("client (-want +got):\n%s", diff)
	}
	for origin, want := range map[string]bool{
		"https://a.example.com": true, "https://x.c.example.com": true, "https://c.example.com": false, "http://localhost:3000": true, "http://b.example.com": false,
	} {
		if got, err := k.live.TrustedOrigin(t.Context(), appEnv, origin); got != want || err != nil {
			t.Errorf("TrustedOrigin(%s) = %v, %v, want %v", origin, got, err, want)
		}
	}
	if got, err := k.live.PostLogoutRedirectURI(t.Context(), appEnv, "https://shop.example.com/bye"); !got || err != nil {
		t.Errorf("PostLogoutRedirectURI = %v, %v, want true", got, err)
	}
}

func TestResponseTypesThatNoGrantTypeGivesHaveNoEffect(t *testing.T) {
	k := newAppKit(t)
	it := k.application(workerApp("responseTypes", texts{"TOKEN"}))
	if got := k.client(it.ID).ResponseTypes; len(got) != 0 {
		t.Errorf("response types = %v, want none", got)
	}
}

func TestPublicApplicationHasNoSecretUntilItNeedsOne(t *testing.T) {
	k := newAppKit(t)
	it := k.application(webApp("tokenEndpointAuthMethod", "NONE"))
	if got := k.client(it.ID).Secrets; len(got) != 0 {
		t.Errorf("secrets = %d, want none", len(got))
	}
	if _, err := k.replace(it, new(directory.Application), webApp()); err != nil {
		t.Fatal(err)
	}
	if got := k.client(it.ID).Secrets; len(got) != 1 {
		t.Errorf("secrets = %d, want 1", len(got))
	}
}

func TestApplicationReplacement(t *testing.T) {
	k := newAppKit(t)
	it := k.application(webApp("refreshTokenDuration", 100, "refreshTokenRollingDuration", 200, "description", "x", "clientId", "imported-1"))
	refusals := []struct{ name, sent, want string }{
		{"another type", webApp("type", "NATIVE_APP"), "INVALID_VALUE type"},
		{"another protocol", webApp("protocol", "SAML"), "INVALID_VALUE protocol"},
		{"too long for what stays", webApp("refreshTokenDuration", 201), "OUT_OF_RANGE refreshTokenRollingDuration"},
	}
	for _, tt := range refusals {
		if _, err := k.replace(it, new(directory.Application), tt.sent); appProblem(err) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, appProblem(err), tt.want)
		}
	}
	got, err := k.replace(it, new(directory.Application), webApp("clientId", "imported-2", "clientSecret", "another secret"))
	if err != nil {
		t.Fatal(err)
	}
	d := appMembers(t, got)
	if d["description"] != nil || d["refreshTokenDuration"] != 100.0 || d["refreshTokenRollingDuration"] != 200.0 || got.ID != "imported-1" {
		t.Errorf("got %s %v, want the description gone and the durations and the ID kept", got.ID, d)
	}
}

func TestWildcardMessage(t *testing.T) {
	k := newAppKit(t)
	_, err := k.create("", new(directory.Application), webApp("redirectUris", texts{"https://shop.example.com/*"}))
	e := oauth.From(err)
	const want = "Wildcards are not allowed in redirect URIs."
	if !strings.HasPrefix(e.Message, want) || !strings.HasPrefix(e.Details[0].Message, want) || e.Status != 400 {
		t.Errorf("got %d %q %q, want 400 and both beginning with %q", e.Status, e.Message, e.Details[0].Message, want)
	}
}

func TestStrictProfile(t *testing.T) {
	strict := func(e *declared.Environment) { e.SecurityProfile = "strict" }
	k := newAppKit(t, strict)
	for name, value := range map[string]any{
		"allowWildcardInRedirectUris": true, "supportUnsignedRequestObject": true, "additionalRefreshTokenReplayProtectionEnabled": false,
	} {
		if _, err := k.create("", new(directory.Application), webApp(name, value)); appProblem(err) != "INVALID_VALUE "+name {
			t.Errorf("%s: got %q, want INVALID_VALUE", name, appProblem(err))
		}
	}
	k.application(webApp())
}

func TestNamesAreUnique(t *testing.T) {
	k := newAppKit(t)
	first := k.application(webApp("devicePathId", "tv"))
	if _, err := k.create("", new(directory.Application), webApp()); appProblem(err) != "UNIQUENESS_VIOLATION name" {
		t.Errorf("second name: got %q, want UNIQUENESS_VIOLATION name", appProblem(err))
	}
	if _, err := k.create("", new(directory.Application), webApp("name", "Other", "devicePathId", "tv")); appProblem(err) != "UNIQUENESS_VIOLATION devicePathId" {
		t.Errorf("second devicePathId: got %q, want UNIQUENESS_VIOLATION devicePathId", appProblem(err))
	}
	if _, err := k.replace(first, new(directory.Application), webApp("devicePathId", "tv")); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := k.remove(first); err != nil {
		t.Fatal(err)
	}
	k.application(webApp("devicePathId", "tv"))
}

func TestApplicationEnds(t *testing.T) {
	k := newAppKit(t)
	it := k.application(webApp())
	all := []directory.End{{Kind: store.RevokedClient, Value: it.ID, All: true}}
	steps := []struct {
		name string
		do   func() error
		want []directory.End
	}{
		{"a change", func() error {
			_, err := k.replace(it, new(directory.Application), webApp("description", "x"))
			return err
		}, nil},
		{"disabled", func() error {
			_, err := k.replace(it, new(directory.Application), webApp("enabled", false))
			return err
		}, all},
		{"still disabled", func() error {
			_, err := k.replace(it, new(directory.Application), webApp("enabled", false))
			return err
		}, nil},
		{"enabled", func() error { _, err := k.replace(it, new(directory.Application), webApp()); return err }, nil},
		{"deleted", func() error { return k.remove(it) }, all},
	}
	for _, s := range steps {
		k.ended = nil
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		k.mu.Lock()
		if diff := cmp.Diff(s.want, k.ended); diff != "" {
			t.Errorf("%s ended (-want +got):\n%s", s.name, diff)
		}
		k.mu.Unlock()
	}
	for _, kind := range []store.ObjectKind{store.KindSecret, store.KindApplicationAttribute} {
		if got := k.children(kind, it.ID); len(got) != 0 {
			t.Errorf("%d of kind %s are left", len(got), kind)
		}
	}
}

func TestDeclaredApplication(t *testing.T) {
	k := newAppKit(t)
	it, err := k.live.Item(t.Context(), k.env, store.KindApplication, "", "demo-web")
	if err != nil {
		t.Fatal(err)
	}
	d := appMembers(t, it)
	for name, want := range (jsonObject{
		"name": "demo-web", "type": "WEB_APP", "protocol": "OPENID_CONNECT", "tokenEndpointAuthMethod": "CLIENT_SECRET_BASIC", "enabled": true,
		"pkceEnforcement": "OPTIONAL", "refreshTokenDuration": 2592000.0,
	}) {
		if d[name] != want {
			t.Errorf("%s = %v, want %v", name, d[name], want)
		}
	}
	if _, err := k.replace(it, new(directory.Application), webApp()); !strings.Contains(fmt.Sprint(oauth.From(err).Details), "Caddyfile:12") {
		t.Errorf("change: got %v, want one that says where it is declared", err)
	}
	if err := k.remove(it); appProblem(err) != "CONSTRAINT_VIOLATION id" {
		t.Errorf("delete: got %q, want CONSTRAINT_VIOLATION", appProblem(err))
	}
	var names []string
	for _, m := range k.children(store.KindApplicationAttribute, "demo-web") {
		names = append(names, m.Document.Label()+"="+m.Document.(*directory.ApplicationAttribute).Value)
	}
	if got := strings.Join(names, " "); !strings.Contains(got, "sub=${user.id}") || !strings.Contains(got, "tier=gold") {
		t.Errorf("mappings = %s, want sub and tier", got)
	}
	granted := map[string]string{}
	for _, g := range k.children(store.KindGrant, "demo-web") {
		grant := g.Document.(*directory.Grant)
		for _, s := range grant.Scopes {
			scope, err := k.live.Item(t.Context(), k.env, store.KindScope, grant.Resource.ID, s.ID)
			if err != nil {
				t.Fatalf("scope %s of resource %s: %v", s.ID, grant.Resource.ID, err)
			}
			granted[scope.Document.Label()] = grant.Resource.ID
		}
	}
	if diff := cmp.Diff(map[string]string{"openid": directory.OpenIDResource(appEnv), "orders:read": "orders"}, granted); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	if _, err := k.create("demo-web", new(directory.ApplicationAttribute), `{"name":"x","value":"y","required":false}`); appProblem(err) != "CONSTRAINT_VIOLATION id" {
		t.Errorf("a mapping of it: got %q, want CONSTRAINT_VIOLATION", appProblem(err))
	}
}

func TestRegisteredApplication(t *testing.T) {
	k := newAppKit(t)
	const id = "0b7d3c52-9c1f-4f5e-8a44-6a1c2e9d7f11"
	err := k.store.PutRegisteredClient(t.Context(), store.RegisteredClient{
		Environment: appEnv, ID: id, CreatedAt: k.clock.Now(), Metadata: []byte("{}"), Sealed: []byte("x"),
		Client: store.Client{
			Name: "Theirs", Type: store.WebApp, Enabled: true, AuthMethod: oauth.AuthClientSecretBasic, Grants: map[string][]string{store.ResourceOpenID: {"openid"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	it, err := k.live.Item(t.Context(), k.env, store.KindApplication, "", id)
	if err != nil {
		t.Fatal(err)
	}
	if !it.Registered || it.Document.Label() != "Theirs" {
		t.Errorf("got %+v, want the registered client", it)
	}
	grant := fmt.Sprintf(`{"resource":{"id":"orders"},"scopes":[{"id":%q}]}`, k.scope("orders", "orders:read"))
	for name, err := range map[string]error{
		"a grant":    failure(k.create(id, new(directory.Grant), grant)),
		"a mapping":  failure(k.create(id, new(directory.ApplicationAttribute), `{"name":"x","value":"y"}`)),
		"a secret":   failure(k.writer.Create(t.Context(), directory.Actor{}, k.env, directory.New{ID: id, Parent: id, Document: directory.NewSecret("")})),
		"a new text": failure(k.replace(it, new(directory.Application), webApp())),
	} {
		if appProblem(err) != "CONSTRAINT_VIOLATION id" {
			t.Errorf("%s: got %q, want CONSTRAINT_VIOLATION", name, appProblem(err))
		}
	}
}

func failure[A any](_ A, err error) error { return err }
