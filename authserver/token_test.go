package authserver_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/google/go-cmp/cmp"
)

func TestAccessTokenClaims(t *testing.T) {
	g := newRig(t, rigOptions{})
	tests := []struct {
		golden string
		c      credential
		fields []string
	}{
		{"token_custom.json", basicClient, nil},
		{"token_worker.json", basic("admin", "admin-secret"), nil},
		{"token_multiple.json", basic("multi", "multi-secret"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			raw := g.token(envA, tt.c, tt.fields...)
			c := claimsOf(t, raw)
			if len(c.ID) != 36 || c.ID[14] != '7' {
				t.Errorf("jti = %q, want a UUIDv7", c.ID)
			}
			var members map[string]any
			payload := payloadOf(t, raw)
			if err := json.Unmarshal(payload, &members); err != nil {
				t.Fatal(err)
			}
			members["jti"] = "drawn"
			got, err := json.MarshalIndent(members, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			testkit.Golden(t, tt.golden, append(got, '\n'))
		})
	}
}

func TestAccessTokenType(t *testing.T) {
	g := newRig(t, rigOptions{})
	typ := func(raw string) string {
		jws, err := jose.Parse(raw, jose.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return jws.Header.Type
	}
	if got := typ(g.token(envA, basicClient)); got != "at+jwt" {
		t.Errorf("default typ = %q, want at+jwt", got)
	}
	if got := typ(g.token(envB, basic("client_secret_basic", "basic-secret-b"))); got != "JWT" {
		t.Errorf("configured typ = %q, want JWT", got)
	}
}

// TestClientCredentials is the table of scopes and resources.
func TestClientCredentials(t *testing.T) {
	g := newRig(t, rigOptions{})
	const (
		nothing  = "At least one scope must be granted"
		multiple = "May not request scopes for multiple resources"
		api      = "https://api.pingone.com"
	)
	tests := []struct {
		name, client, scope string
		want                string // granted scope, or the detail of an invalid_scope
		aud                 []string
		ttl                 float64
	}{
		{"worker with roles, no scope", "admin", "", "", []string{api}, 3600},
		{"worker with roles, a custom scope", "admin", "orders:read", "orders:read", []string{orders}, 3600},
		{"worker with roles, openid", "admin", "openid", nothing, nil, 0},
		{"worker without roles, no scope", "worker", "", "orders:read orders:write", []string{orders}, 3600},
		{"worker without roles and grants", "bare", "", nothing, nil, 0},
		{"one resource, no scope", "client_secret_basic", "", "orders:read orders:write", []string{orders}, 3600},
		{"one resource, one scope", "client_secret_basic", "orders:write", "orders:write", []string{orders}, 3600},
		{"in the order of the request", "client_secret_basic", "orders:write orders:read", "orders:write orders:read", []string{orders}, 3600},
		{"a scope twice", "client_secret_basic", "orders:read orders:read", "orders:read", []string{orders}, 3600},
		{"ungranted scopes are dropped", "client_secret_post", "orders:read orders:write x", "orders:read", []string{orders}, 3600},
		{"only ungranted scopes", "client_secret_post", "orders:write", nothing, nil, 0},
		{"OIDC scopes are never granted", "client_secret_basic", "openid profile orders:read", "orders:read", []string{orders}, 3600},
		{"only OIDC scopes", "user-only", "openid", nothing, nil, 0},
		{"self-service scopes are never granted", "user-only", "p1:read:user", nothing, nil, 0},
		{"granted user scopes only, no scope", "user-only", "", nothing, nil, 0},
		{"another case is another scope", "client_secret_basic", "ORDERS:READ", nothing, nil, 0},
		{"several resources, no scope", "two", "", multiple, nil, 0},
		{"several resources, both named", "two", "orders:read billing:read", multiple, nil, 0},
		{"several resources, one named", "two", "billing:read", "billing:read", []string{billing}, 600},
		{"a name that two resources have", "twin", "shared", multiple, nil, 0},
		{"of these the other scope", "twin", "orders:read", "orders:read", []string{orders}, 3600},
		{"several resources allowed, no scope", "multi", "", "shared billing:read orders:read", []string{billing, orders}, 600},
		{"several resources allowed, both named", "multi", "orders:read billing:read", "orders:read billing:read", []string{billing, orders}, 600},
		{"several resources allowed, a shared name", "multi", "shared", "shared", []string{billing, orders}, 600},
		{"several resources allowed, one named", "multi", "orders:read", "orders:read", []string{orders}, 3600},
	}
	secrets := map[string]string{}
	for _, a := range declaredConfig(t).Environments[0].Applications {
		secrets[a.ClientID] = a.Secret
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := basic(tt.client, secrets[tt.client])
			if tt.client == "client_secret_post" {
				c = post(tt.client, secrets[tt.client])
			}
			a := g.form(envA, "token", c, "grant_type=client_credentials", "scope="+tt.scope)
			if tt.aud == nil {
				if got := a.outcome(); got != "400 invalid_scope" {
					t.Fatalf("outcome = %s, want 400 invalid_scope (%s)", got, a.body)
				}
				text, _ := a.member("error_description").(string)
				want := "The request could not be completed. One or more validation errors were in the request.: " + tt.want + " (Correlation ID: "
				if !strings.HasPrefix(text, want) {
					t.Errorf("error_description = %q, want %q…", text, want)
				}
				return
			}
			if a.status != 200 {
				t.Fatalf("outcome = %s %s", a.outcome(), a.body)
			}
			members := []string{"access_token", "token_type", "expires_in"}
			if tt.want != "" {
				members = append(members, "scope")
				if got := a.member("scope"); got != tt.want {
					t.Errorf("scope = %v, want %q", got, tt.want)
				}
			}
			if got := membersOf(t, a.body); !slices.Equal(got, members) {
				t.Errorf("members = %q, want exactly %q", got, members)
			}
			if a.member("token_type") != "Bearer" || a.member("expires_in") != tt.ttl {
				t.Errorf("token_type, expires_in = %v, %v, want Bearer, %v", a.member("token_type"), a.member("expires_in"), tt.ttl)
			}
			claims := claimsOf(t, a.member("access_token").(string))
			if diff := cmp.Diff(tt.aud, claims.Audience); diff != "" {
				t.Errorf("aud (-want +got):\n%s", diff)
			}
			if got := strings.Join(claims.Scope, " "); got != tt.want {
				t.Errorf("scope claim = %q, want %q", got, tt.want)
			}
			if got, want := claims.Expiry.Sub(claims.IssuedAt), time.Duration(tt.ttl)*time.Second; got != want {
				t.Errorf("exp-iat = %v, want %v", got, want)
			}
			if got := claims.Has("env") && claims.Has("org"); got != (tt.aud[0] == api) {
				t.Errorf("has env and org: %v", got)
			}
		})
	}
}

func TestGrantTypes(t *testing.T) {
	g := newRig(t, rigOptions{})
	tests := []struct {
		name   string
		c      credential
		fields []string
		want   string
	}{
		{"enabled", basicClient, []string{"grant_type=client_credentials"}, "200"},
		{"not enabled", basic("web", "web-secret"), []string{"grant_type=client_credentials"}, "400 unauthorized_client"},
		{"not enabled for a public client", public("none"), []string{"grant_type=client_credentials"}, "400 unauthorized_client"},
		{"password is not offered", basicClient, []string{"grant_type=password", "username=a"}, "400 unsupported_grant_type"},
		{"unknown", basicClient, []string{"grant_type=x"}, "400 unsupported_grant_type"},
		{"another case", basicClient, []string{"grant_type=Client_Credentials"}, "400 unsupported_grant_type"},
		{"missing", basicClient, nil, "400 invalid_request"},
		{"scope with a quote", basicClient, []string{"grant_type=client_credentials", `scope=orders:read "`}, "400 invalid_scope"},
		{"authentication comes first", anonymous, []string{"grant_type=x"}, "401 invalid_client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.form(envA, "token", tt.c, tt.fields...).outcome(); got != tt.want {
				t.Errorf("outcome = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestRecordBeforeToken: a token is in the store before anybody holds it.
func TestRecordBeforeToken(t *testing.T) {
	db := testkit.Store(t)
	broken := &faulty{Store: db}
	g := newRig(t, rigOptions{store: broken})
	c := claimsOf(t, g.token(envA, basicClient))
	rec, err := db.AccessTokenByID(t.Context(), envA, c.ID, c.Expiry, noon)
	if err != nil {
		t.Fatalf("record: %v", err)
	}
	if rec.Client != "client_secret_basic" || rec.Scope != "orders:read orders:write" || !rec.ExpiresAt.Equal(c.Expiry) ||
		!rec.IssuedAt.Equal(c.IssuedAt) || !slices.Equal(rec.Audience, []string{orders}) {
		t.Errorf("record = %+v", rec)
	}

	broken.fail.Store(true)
	a := g.form(envA, "token", basicClient, "grant_type=client_credentials")
	if got := a.outcome(); got != "503 temporarily_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("with a broken store: %s, Retry-After %q", got, a.header.Get("Retry-After"))
	}
	if strings.Contains(a.body, "access_token") {
		t.Error("a token was handed out without its record")
	}
}
