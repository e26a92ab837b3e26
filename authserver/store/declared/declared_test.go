package declared_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

const id = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"

// good is a configuration that is accepted. Tests change one thing in it.
func good() declared.Config {
	return declared.Config{Environments: []declared.Environment{{
		Name: "demo", ID: id, Issuer: "https://auth.example.com/" + id + "/as",
		Users: []declared.User{{Username: "alice", Password: "alice-demo-pass", Claims: map[string]any{"email": "a@example.com"}}},
		Resources: []declared.Resource{
			{Name: "orders", Audience: "https://orders.example.com", Scopes: []string{"read", "orders:write"}, Secret: "orders-secret"},
			{Name: "billing", Scopes: []string{"read"}},
		},
		Applications: []declared.Application{
			{ClientID: "batch", Type: "worker", Secret: "batch-secret", Allow: []string{"orders:write", "billing/read"}, Roles: []string{"Environment Admin"}},
			{ClientID: "web", Type: "web_app", Secret: "web-secret", RedirectURIs: []string{"https://app.example.com/cb"}, Allow: []string{"openid", "offline_access"}},
		},
	}}}
}

func TestDefaults(t *testing.T) {
	d, err := declared.New(good())
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	env, err := d.EnvironmentByID(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	want := &store.Environment{
		ID: id, Name: "demo", Organization: id, Issuer: "https://auth.example.com/" + id + "/as",
		APIAudience: "https://api.pingone.com", SigningAlgorithm: "RS256",
		KeyRotation: 90 * 24 * time.Hour, KeyOverlap: 24 * time.Hour, AccessTokenType: "at+jwt",
		SignOn: store.SignOn{
			SessionIdle: 30 * 24 * time.Hour, SessionLifetime: 180 * 24 * time.Hour, PasswordMinLength: 8,
			LockoutAttempts: 5, LockoutDuration: 15 * time.Minute, Argon2Memory: 19456, Argon2Passes: 2, Argon2Lanes: 1,
		},
		Branding:     store.Branding{Name: "demo", Language: "en"},
		Registration: store.Registration{Scopes: []string{"openid", "profile", "email", "address", "phone", "offline_access"}},
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	billing, err := d.ResourceByID(ctx, id, "billing")
	if err != nil || billing.Audience != "billing" || billing.AccessTokenTTL != time.Hour || billing.IntrospectionAuth != oauth.AuthClientSecretBasic || billing.Secret != nil {
		t.Errorf("resource = %+v, %v", billing, err)
	}
	batch, err := d.ClientByID(ctx, id, "batch")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]string{"orders": {"orders:write"}, "billing": {"read"}}, batch.Grants); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	if batch.AuthMethod != oauth.AuthClientSecretBasic || !batch.Enabled || !cmp.Equal(batch.GrantTypes, []string{oauth.GrantClientCredentials}) {
		t.Errorf("client = %+v", batch)
	}
	web, err := d.ClientByID(ctx, id, "web")
	if err != nil || !cmp.Equal(web.Grants, map[string][]string{store.ResourceOpenID: {"openid", "offline_access"}}) ||
		!cmp.Equal(web.GrantTypes, []string{oauth.GrantAuthorizationCode}) {
		t.Errorf("client = %+v, %v", web, err)
	}
	alice, err := d.UserByName(ctx, id, "alice")
	if err != nil || len(alice.ID) != 36 || alice.Password != "alice-demo-pass" {
		t.Errorf("user = %+v, %v", alice, err)
	}
	again, err := declared.New(good())
	if err != nil {
		t.Fatal(err)
	}
	if same, _ := again.UserByName(ctx, id, "alice"); same.ID != alice.ID {
		t.Error("a user's derived id changes with each load")
	}
}

func TestNotFound(t *testing.T) {
	d, err := declared.New(good())
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, env := range []string{id, "other"} {
		_, err1 := d.ClientByID(ctx, env, "nobody")
		_, err2 := d.ResourceByID(ctx, env, "nothing")
		_, err3 := d.UserByName(ctx, env, "Alice")
		for _, err := range []error{err1, err2, err3} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("in %s: %v", env, err)
			}
		}
	}
	if _, err := d.EnvironmentByID(ctx, strings.ToUpper(id)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("upper-case id: %v", err)
	}
}

// TestErrors: every mistake is refused with a text that names object and option.
func TestErrors(t *testing.T) {
	type environment = declared.Environment
	app := func(change func(*declared.Application)) func(*environment) {
		return func(e *environment) { change(&e.Applications[0]) }
	}
	res := func(change func(*declared.Resource)) func(*environment) {
		return func(e *environment) { change(&e.Resources[0]) }
	}
	issuer := func(s string) func(*environment) { return func(e *environment) { e.Issuer = s } }
	issuers := func(list ...string) func(*environment) { return func(e *environment) { e.Issuers = list } }
	keyFiles := encryptionKeyFiles(t)
	const (
		anApp = `environment demo: application "batch": `
		aRes  = `environment demo: resource "orders": `
	)
	tests := []struct {
		name   string
		change func(*environment)
		want   string // beginning of the error; "" is accepted
	}{
		{"as it is", func(*environment) {}, ""},
		{"two users", func(e *environment) { e.Users = append(e.Users, declared.User{Username: "Alicia"}) }, ""},
		{"one user in two spellings", func(e *environment) { e.Users = append(e.Users, declared.User{Username: "ALICE"}) }, `environment demo: user "ALICE": username is declared twice, in two spellings`},
		{"a domain", func(e *environment) { e.Domains = []string{"login.example.com"} }, ""},
		{"the issuer's host as a domain", func(e *environment) { e.Domains = []string{"auth.example.com"} }, `environment demo: domain auth.example.com is the host of the issuer of environment demo`},
		{"the issuer's host as a domain, with a port", func(e *environment) { e.Domains = []string{"auth.example.com:8443"} }, `environment demo: domain auth.example.com:8443 is the host of the issuer of environment demo`},
		{"loopback issuer", issuer("http://localhost:8080/" + id + "/as"), ""},
		{"loopback address", issuer("http://127.0.0.1:8080/" + id + "/as"), ""},
		{"issuer below a path", issuer("https://auth.example.com/tenants/" + id + "/as"), ""},
		{"issuer missing", issuer(""), "environment demo: issuer is missing"},
		{"issuer over http", issuer("http://auth.example.com/" + id + "/as"), "environment demo: issuer "},
		{"issuer that looks like a loopback", issuer("http://localhost.example.com/" + id + "/as"), "environment demo: issuer "},
		{"issuer with query", issuer("https://auth.example.com/" + id + "/as?x"), "environment demo: issuer "},
		{"issuer with fragment", issuer("https://auth.example.com/" + id + "/as#"), "environment demo: issuer "},
		{"issuer with slash", issuer("https://auth.example.com/" + id + "/as/"), "environment demo: issuer "},
		{"issuer with user", issuer("https://u@auth.example.com/" + id + "/as"), "environment demo: issuer "},
		{"issuer of another environment", issuer("https://auth.example.com/5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a61/as"), "environment demo: issuer "},
		{"issuer that is relative", issuer("/" + id + "/as"), "environment demo: issuer "},
		{"issuer written oddly", issuer("HTTPS://auth.example.com/" + id + "/as"), "environment demo: issuer "},
		{"no name", func(e *environment) { e.Name = "" }, "environment #1: name "},
		{"id in upper case", func(e *environment) { e.ID = strings.ToUpper(id) }, "environment demo: id "},
		{"organization", func(e *environment) { e.Organization = "acme" }, "environment demo: organization "},
		{"algorithm", func(e *environment) { e.SigningAlgorithm = "HS256" }, "environment demo: signing_algorithm "},
		{"typ", func(e *environment) { e.AccessTokenType = "jwt" }, "environment demo: access_token_type "},
		{"opaque tokens", func(e *environment) { e.AccessTokenFormat = "opaque" }, ""},
		{"JWTs", func(e *environment) { e.AccessTokenFormat = "jwt" }, ""},
		{"format", func(e *environment) { e.AccessTokenFormat = "JWT" }, `environment demo: access_token_format "JWT" is neither jwt nor opaque`},
		{"another issuer", issuers("https://am.example.com/am/oauth2/realms/root/realms/alpha"), ""},
		{"several", issuers("https://am.example.com/am/oauth2", "http://localhost:8080/am/oauth2", "https://am.example.com"), ""},
		{"another over http", issuers("http://am.example.com/am/oauth2"), `environment demo: issuers: "http://am.example.com/am/oauth2" is neither `},
		{"another that is relative", issuers("/am/oauth2"), "environment demo: issuers: "},
		{"another that is empty", issuers(""), "environment demo: issuers: is missing"},
		{"another with query", issuers("https://am.example.com/am/oauth2?realm=alpha"), "environment demo: issuers: "},
		{"another with fragment", issuers("https://am.example.com/am/oauth2#"), "environment demo: issuers: "},
		{"another with slash", issuers("https://am.example.com/am/oauth2/"), "environment demo: issuers: "},
		{"another with user", issuers("https://u@am.example.com/am/oauth2"), "environment demo: issuers: "},
		{"another twice", issuers("https://am.example.com/am/oauth2", "https://am.example.com/am/oauth2"), `environment demo: issuers: "https://am.example.com/am/oauth2" is the environment's already`},
		{"its own as another", issuers("https://auth.example.com/" + id + "/as"), `environment demo: issuers: "https://auth.example.com/` + id + `/as" is the environment's already`},
		{"that of its domain as another", func(e *environment) {
			e.Domains, e.Issuers = []string{"login.example.com"}, []string{"https://login.example.com/as"}
		}, `environment demo: issuers: "https://login.example.com/as" is the environment's already`},
		{"that of an environment yet to be made", issuers("https://auth.example.com/5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a61/as"), `environment demo: issuers: `},
		{"almost that", issuers("https://auth.example.com/5f0c9f3a/as"), ""},
		{"compat", func(e *environment) { e.Compat = []string{"everything"} }, "environment demo: compat "},
		{"rotation too quick", func(e *environment) { e.KeyRotation = declared.Duration(time.Hour) }, "environment demo: key_rotation "},
		{"overlap too short", func(e *environment) { e.KeyOverlap = declared.Duration(time.Minute) }, "environment demo: key_overlap "},
		{"overlap too long", func(e *environment) { e.KeyOverlap = declared.Duration(46 * 24 * time.Hour) }, "environment demo: key_overlap "},

		{"resource without name", res(func(r *declared.Resource) { r.Name = "" }), `environment demo: resource "": name `},
		{"resource twice", res(func(r *declared.Resource) { r.Name = "billing" }), `environment demo: resource "billing": name `},
		{"resource id twice", res(func(r *declared.Resource) { r.ID = "billing" }), `environment demo: resource "billing": id `},
		{"audience twice", res(func(r *declared.Resource) { r.Audience = "billing" }), `environment demo: resource "billing": audience `},
		{"the management API's audience", res(func(r *declared.Resource) { r.Audience = "https://api.pingone.com" }), aRes + "audience "},
		{"reserved id", res(func(r *declared.Resource) { r.ID = "openid" }), aRes + "id "},
		{"ttl of 5 minutes", res(func(r *declared.Resource) { r.AccessTokenTTL = declared.Duration(5 * time.Minute) }), ""},
		{"ttl a second less", res(func(r *declared.Resource) { r.AccessTokenTTL = declared.Duration(5*time.Minute - time.Second) }), aRes + "access_token_ttl "},
		{"ttl of 30 days", res(func(r *declared.Resource) { r.AccessTokenTTL = declared.Duration(720 * time.Hour) }), ""},
		{"ttl a second more", res(func(r *declared.Resource) { r.AccessTokenTTL = declared.Duration(720*time.Hour + time.Second) }), aRes + "access_token_ttl "},
		{"ttl of half a second", res(func(r *declared.Resource) { r.AccessTokenTTL = declared.Duration(time.Hour + time.Millisecond) }), aRes + "access_token_ttl "},
		{"short resource secret", res(func(r *declared.Resource) { r.Secret = "1234567" }), aRes + "secret "},
		{"introspection method", res(func(r *declared.Resource) { r.IntrospectionAuth = "private_key_jwt" }), aRes + "introspection_auth "},
		{"secret without use", res(func(r *declared.Resource) { r.IntrospectionAuth = "none" }), aRes + "secret "},
		{"scope with a space", res(func(r *declared.Resource) { r.Scopes = append(r.Scopes, "a b") }), aRes + "scope "},
		{"scope twice", res(func(r *declared.Resource) { r.Scopes = append(r.Scopes, "read") }), aRes + "scope "},
		{"OIDC scope", res(func(r *declared.Resource) { r.Scopes = append(r.Scopes, "openid") }), aRes + "scope "},

		{"client without id", app(func(a *declared.Application) { a.ClientID = "" }), `environment demo: application "": client_id `},
		{"client twice", app(func(a *declared.Application) { a.ClientID = "web" }), `environment demo: application "web": client_id `},
		{"client with a resource's id", app(func(a *declared.Application) { a.ClientID = "orders" }), `environment demo: application "orders": client_id `},
		{"no type", app(func(a *declared.Application) { a.Type = "" }), anApp + "type "},
		{"unknown type", app(func(a *declared.Application) { a.Type = "robot" }), anApp + "type "},
		{"no secret", app(func(a *declared.Application) { a.Secret = "" }), anApp + "secret "},
		{"secret of 8", app(func(a *declared.Application) { a.Secret = "12345678" }), ""},
		{"secret of 7", app(func(a *declared.Application) { a.Secret = "1234567" }), anApp + "secret "},
		{"HMAC secret of 32", app(func(a *declared.Application) {
			a.AuthMethod, a.Secret = "client_secret_jwt", strings.Repeat("x", 32)
		}), ""},
		{"HMAC secret of 31", app(func(a *declared.Application) {
			a.AuthMethod, a.Secret = "client_secret_jwt", strings.Repeat("x", 31)
		}), anApp + "secret "},
		{"previous secret of 7", app(func(a *declared.Application) {
			a.PreviousSecrets = []declared.PreviousSecret{{Secret: "1234567", Until: time.Now()}}
		}), anApp + "secret "},
		{"previous secret without end", app(func(a *declared.Application) {
			a.PreviousSecrets = []declared.PreviousSecret{{Secret: "12345678"}}
		}), anApp + "previous_secret "},
		{"method", app(func(a *declared.Application) { a.AuthMethod = "basic" }), anApp + "auth_method "},
		{"public worker", app(func(a *declared.Application) { a.AuthMethod, a.Secret = "none", "" }), anApp + "auth_method none "},
		{"public service", app(func(a *declared.Application) {
			a.Type, a.AuthMethod, a.Secret, a.Roles = "service", "none", "", nil
		}), anApp + "auth_method none "},
		{"public client with a secret", app(func(a *declared.Application) { a.Type, a.Roles = "native_app", nil }), anApp + "secret "},
		{"public client with client credentials", app(func(a *declared.Application) {
			a.Type, a.Secret, a.Roles, a.Grants = "native_app", "", nil, []string{"client_credentials"}
		}), anApp + "auth_method none "},
		{"keys missing", app(func(a *declared.Application) { a.AuthMethod = "private_key_jwt" }), anApp + "jwks"},
		{"keys over https", app(func(a *declared.Application) {
			a.AuthMethod, a.JWKSURI = "private_key_jwt", "https://client.example.com/jwks"
		}), ""},
		{"keys over http", app(func(a *declared.Application) {
			a.AuthMethod, a.JWKSURI = "private_key_jwt", "http://client.example.com/jwks"
		}), anApp + "jwks_uri "},
		{"keys twice", app(func(a *declared.Application) {
			a.JWKS, a.JWKSURI = json.RawMessage(`{"keys":[{}]}`), "https://client.example.com/jwks"
		}), anApp + "more than one of jwks"},
		{"keys as text", app(func(a *declared.Application) { a.JWKS = json.RawMessage(`"{\"keys\":[{\"kty\":\"EC\"}]}"`) }), ""},
		{"keys without keys", app(func(a *declared.Application) { a.JWKS = json.RawMessage(`{}`) }), anApp + "jwks "},
		{"private keys", app(func(a *declared.Application) { a.JWKS = json.RawMessage(`{"keys":[{"d":"x"}]}`) }), anApp + "jwks: key 1 "},
		{"key file missing", app(func(a *declared.Application) { a.JWKSFile = "/nowhere/jwks.json" }), anApp + "jwks_file: "},
		{"grant", app(func(a *declared.Application) { a.Grants = []string{"password"} }), anApp + "grant "},
		{"unknown scope", app(func(a *declared.Application) { a.Allow = []string{"nothing"} }), anApp + "allow: no resource "},
		{"ambiguous scope", app(func(a *declared.Application) { a.Allow = []string{"read"} }), anApp + "allow: several resources "},
		{"opaque tokens of a client", app(func(a *declared.Application) { a.AccessTokenFormat = "opaque" }), ""},
		{"format of a client's tokens", app(func(a *declared.Application) { a.AccessTokenFormat = "OPAQUE" }), anApp + `access_token_format "OPAQUE" is neither jwt nor opaque`},
		{"roles of a service", app(func(a *declared.Application) { a.Type = "service" }), anApp + "role "},
		{"redirect to a script", app(func(a *declared.Application) { a.RedirectURIs = []string{"javascript:alert(1)"} }), anApp + "redirect_uri "},
		{"redirect with fragment", app(func(a *declared.Application) { a.RedirectURIs = []string{"https://a.example.com/#x"} }), anApp + "redirect_uri "},
		{"redirect over http", app(func(a *declared.Application) { a.RedirectURIs = []string{"http://a.example.com/"} }), anApp + "redirect_uri "},
		{"redirect to a loopback", app(func(a *declared.Application) { a.RedirectURIs = []string{"http://127.0.0.1/cb"} }), ""},
		{"redirect to an app", app(func(a *declared.Application) { a.RedirectURIs = []string{"com.example.app:/cb"} }), ""},

		{"encryption key", res(func(r *declared.Resource) { r.EncryptionKeyFile = keyFiles["public"] }), ""},
		{"encryption key and enc", res(func(r *declared.Resource) {
			r.EncryptionKeyFile, r.ContentEncryption = keyFiles["public"], "A128CBC-HS256"
		}), ""},
		{"unknown enc", res(func(r *declared.Resource) {
			r.EncryptionKeyFile, r.ContentEncryption = keyFiles["public"], "A128CBC"
		}), aRes + "encryption_key: " + keyFiles["public"] + `: no content encryption "A128CBC"`},
		{"enc without a key", res(func(r *declared.Resource) { r.ContentEncryption = "A256GCM" }), aRes + "encryption_key: content_encryption "},
		{"encryption key missing", res(func(r *declared.Resource) { r.EncryptionKeyFile = "/nowhere/key.pem" }), aRes + "encryption_key: "},
		{"private key to encrypt with", res(func(r *declared.Resource) { r.EncryptionKeyFile = keyFiles["private"] }), aRes + "encryption_key: " + keyFiles["private"] + ": this is a private key"},
		{"weak key to encrypt with", res(func(r *declared.Resource) { r.EncryptionKeyFile = keyFiles["weak"] }), aRes + "encryption_key: " + keyFiles["weak"] + ": the RSA modulus is shorter"},
		{"empty key to encrypt with", res(func(r *declared.Resource) { r.EncryptionKeyFile = keyFiles["empty"] }), aRes + "encryption_key: " + keyFiles["empty"] + ": no public key found"},

		{"user without name", func(e *environment) { e.Users[0].Username = "" }, `environment demo: user "": username `},
		{"user twice", func(e *environment) { e.Users = append(e.Users, e.Users[0]) }, `environment demo: user "alice": username `},
		{"user id", func(e *environment) { e.Users[0].ID = "alice" }, `environment demo: user "alice": id `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good()
			tt.change(&c.Environments[0])
			_, err := declared.New(c)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)):
				t.Errorf("error = %v, want %q…", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "batch-secret") || strings.Contains(err.Error(), "orders-secret")) {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
	t.Run("two environments", func(t *testing.T) {
		c := good()
		c.Environments = append(c.Environments, c.Environments[0])
		if _, err := declared.New(c); err == nil {
			t.Error("an environment was accepted twice")
		}
	})
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, []byte(`{"keys":[{"kty":"EC"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := good()
	c.Environments[0].Applications[0].AuthMethod = "private_key_jwt"
	c.Environments[0].Applications[0].JWKSFile = path
	d, err := declared.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if client, _ := d.ClientByID(t.Context(), id, "batch"); string(client.JWKS) != `{"keys":[{"kty":"EC"}]}` {
		t.Errorf("keys = %s", client.JWKS)
	}
}

func TestJSON(t *testing.T) {
	var c declared.Config
	if err := json.Unmarshal([]byte(`{"environments":[{"name":"demo","id":"`+id+`","issuer":"https://a.example.com/`+id+`/as",
		"key_rotation":"90d","key_overlap":86400000000000,"resources":[{"name":"r","access_token_ttl":"1h30m"}]}]}`), &c); err != nil {
		t.Fatal(err)
	}
	e := c.Environments[0]
	if time.Duration(e.KeyRotation) != 90*24*time.Hour || time.Duration(e.KeyOverlap) != 24*time.Hour || time.Duration(e.Resources[0].AccessTokenTTL) != 90*time.Minute {
		t.Errorf("durations = %v, %v, %v", e.KeyRotation, e.KeyOverlap, e.Resources[0].AccessTokenTTL)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again declared.Config
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, again); diff != "" {
		t.Errorf("after a round trip (-want +got):\n%s", diff)
	}
}

func TestExpand(t *testing.T) {
	c := good()
	c.Environments[0].Applications[0].Secret = "{env.BATCH}"
	c.Environments[0].Applications[0].PreviousSecrets = []declared.PreviousSecret{{Secret: "{env.OLD}", Until: time.Now()}}
	out, err := c.Expand(func(s string) (string, error) {
		return strings.ReplaceAll(s, "{env.BATCH}", "from-the-environment"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Environments[0].Applications[0].Secret; got != "from-the-environment" {
		t.Errorf("secret = %q", got)
	}
	if got := c.Environments[0].Applications[0].Secret; got != "{env.BATCH}" {
		t.Errorf("the original was changed to %q", got)
	}
	_, err = c.Expand(func(s string) (string, error) {
		if s == "{env.OLD}" {
			return "", errors.New("not set")
		}
		return s, nil
	})
	if want := "environment demo: application batch: previous_secret: not set"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}

// encryptionKeyFiles are files of keys, good and bad, to encrypt with.
func encryptionKeyFiles(t *testing.T) map[string]string {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	write := func(name, kind string, der []byte, err error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), name+".pem")
		if err == nil {
			err = os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		files[name] = path
	}
	public, err := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	write("public", "PUBLIC KEY", public, err)
	private, err := x509.MarshalPKCS8PrivateKey(ec)
	write("private", "PRIVATE KEY", private, err)
	small, err := x509.MarshalPKIXPublicKey(&weak.PublicKey)
	write("weak", "PUBLIC KEY", small, err)
	write("empty", "NOTHING", nil, nil)
	return files
}

// TestEncryptionKeyFile: the key is in the resource, and in no other.
func TestEncryptionKeyFile(t *testing.T) {
	c := good()
	c.Environments[0].Resources[0].EncryptionKeyFile = encryptionKeyFiles(t)["public"]
	d, err := declared.New(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"orders": true, "billing": false} {
		r, err := d.ResourceByID(t.Context(), id, name)
		if err != nil || (r.Encryption != nil) != want {
			t.Errorf("%s has a key: %v, %v, want %v", name, r != nil && r.Encryption != nil, err, want)
		}
	}
}
