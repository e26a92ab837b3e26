package endpoint_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestIntrospectionEncrypted: of an encrypted token its resource learns all, its client what it knows anyway, and others nothing; UserInfo,
// revocation and the token endpoint take it like any other.
func TestIntrospectionEncrypted(t *testing.T) {
	g := newTokenRig(t)
	g.Encryption = testkit.EncryptionKey(t)
	from, err := store.ParseSource("secret of the resource")
	if err != nil {
		t.Fatal(err)
	}
	g.Attributes = []store.ResourceAttribute{{Claim: "note", From: from}}
	got, _ := g.signIn(t, "offline", "openid", "offline_access", "email", "orders:read")
	if !jose.LooksLikeJWE(got.Access) {
		t.Fatal("the token is not encrypted")
	}
	inside := g.verified(t, testkit.Decrypt(t, got.Access))
	if note, _ := inside.Text("note"); note != "secret of the resource" {
		t.Errorf("note = %q inside", note)
	}
	toClient := []string{"active", "aud", "client_id", "exp", "iat", "iss", "scope", "token_type"}
	toResource := append([]string{"acr", "amr", "auth_time", "grant_id", "jti", "note", "sid", "sub"}, toClient...)
	slices.Sort(toResource)
	for _, tt := range []struct {
		caller, token string
		want          []string
	}{
		{"orders", got.Access, toResource},
		{"offline", got.Access, toClient},
		{"web", got.Access, []string{"active"}},
		{"offline", testkit.Decrypt(t, got.Access), toResource}, // who has that can read it
	} {
		var names []string
		for name := range bodyOf(t, g.introspect(tt.caller, tt.token)) {
			names = append(names, name)
		}
		slices.Sort(names)
		if diff := cmp.Diff(tt.want, names); diff != "" {
			t.Errorf("members for %s (-want +got):\n%s", tt.caller, diff)
		}
	}
	if w := g.introspect("offline", got.Access, phantomJWT); w.Code != http.StatusOK || w.Body.String() != got.Access {
		t.Errorf("as a JWT: %d, want the token itself", w.Code)
	}
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+got.Access)
	if w := g.do(r); w.Code != http.StatusOK || bodyOf(t, w)["email"] != "alice@example.com" {
		t.Errorf("UserInfo: %d %s, want the address", w.Code, w.Body)
	}
	if w := g.form("/revoke", "web", "token="+got.Access); w.Code != http.StatusBadRequest || bodyOf(t, w)["error"] != oauth.CodeUnauthorizedClient {
		t.Errorf("revocation by another client: %d %s, want unauthorized_client", w.Code, w.Body)
	}
	if !g.Active(t, got.Access) {
		t.Fatal("it has ended")
	}
	if w := g.form("/revoke", "offline", "token="+got.Access); w.Code != http.StatusOK {
		t.Fatalf("revocation: %d %s", w.Code, w.Body)
	}
	for _, caller := range []string{"orders", "offline"} {
		if w := g.introspect(caller, got.Access); w.Body.String() != `{"active":false}` {
			t.Errorf("for %s after the revocation: %s", caller, w.Body)
		}
	}
	if w := g.do(r.Clone(t.Context())); w.Code != http.StatusUnauthorized {
		t.Errorf("UserInfo after the revocation: %d, want 401", w.Code)
	}
	fresh := bodyOf(t, g.form("/token", "offline", "grant_type=refresh_token", "refresh_token="+got.Refresh))
	if text, _ := fresh["access_token"].(string); !jose.LooksLikeJWE(text) || !g.Active(t, text) {
		t.Error("a refresh token brings no encrypted token that works")
	}
}

// TestIntrospectionAnswerEncrypted: a signed answer is encrypted to the resource that asks and has a key (RFC 9701 §5), whatever it says; to others,
// and as JSON, none is.
func TestIntrospectionAnswerEncrypted(t *testing.T) {
	bothFormats(t, func(t *testing.T, opaque bool) {
		g := newTokenRig(t)
		g.Env.OpaqueTokens = opaque
		g.Encryption = testkit.EncryptionKey(t)
		got, _ := g.signIn(t, "web", "openid", "orders:read")
		for name, token := range map[string]string{"good": got.Access, "no token": "x.y.z"} {
			plain := g.introspect("orders", token)
			if plain.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s: the plain answer is %s", name, plain.Header().Get("Content-Type"))
			}
			w := g.introspect("orders", token, signedAnswer)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != signedAnswer || !jose.LooksLikeJWE(w.Body.String()) {
				t.Fatalf("%s: %d %s, want an encrypted answer", name, w.Code, w.Header().Get("Content-Type"))
			}
			inside := testkit.Decrypt(t, w.Body.String())
			if typ := headOf(t, inside).Type; typ != "token-introspection+jwt" {
				t.Errorf("%s: typ inside = %q", name, typ)
			}
			c := g.verified(t, inside)
			if said, _ := c.Raw("token_introspection"); string(said) != plain.Body.String() || len(c.Audience) != 1 || c.Audience[0] != "orders" {
				t.Errorf("%s: for %q: %s, want %s", name, c.Audience, said, plain.Body)
			}
			if g.Active(t, w.Body.String()) || g.Active(t, inside) {
				t.Errorf("%s: the answer is taken for a token", name)
			}
		}
		if w := g.introspect("web", got.Access, signedAnswer); jose.LooksLikeJWE(w.Body.String()) {
			t.Error("the client's answer is encrypted, though it has no key")
		}
		g.Encryption = nil
		if w := g.introspect("orders", got.Access, signedAnswer); jose.LooksLikeJWE(w.Body.String()) {
			t.Error("the answer is encrypted without a key")
		}
	})
}

// TestEncryptedApart: the token endpoint refuses a token for two resources of which one wants it encrypted. A code that was granted for both is not
// spent by that, and good for each of them (RFC 8707 §2.2).
func TestEncryptedApart(t *testing.T) {
	g := newTokenRig(t)
	g.Encryption = testkit.EncryptionKey(t)
	g.Resources = map[string]*store.Resource{"billing": {
		Environment: g.Env.ID, ID: "billing", Name: "billing", Audience: "https://billing.example.com", Scopes: []string{"bills:read"},
	}}
	client := g.Clients["web"]
	client.MultipleResources, client.Grants["billing"] = true, []string{"bills:read"}
	client.GrantTypes = append(client.GrantTypes, oauth.GrantClientCredentials)
	w := g.form("/token", "web", "grant_type=client_credentials")
	if w.Code != http.StatusBadRequest || bodyOf(t, w)["error"] != oauth.CodeInvalidTarget {
		t.Errorf("for both: %d %s, want invalid_target", w.Code, w.Body)
	}
	for resource, encrypted := range map[string]bool{testkit.Audience: true, "https://billing.example.com": false} {
		body := bodyOf(t, g.form("/token", "web", "grant_type=client_credentials", "resource="+resource))
		if text, _ := body["access_token"].(string); jose.LooksLikeJWE(text) != encrypted || !g.Active(t, text) {
			t.Errorf("for %s: encrypted = %v, want %v, and active: %v", resource, jose.LooksLikeJWE(text), encrypted, g.Active(t, text))
		}
	}
	code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "orders:read", "bills:read"))
	w = g.form("/token", "web", "grant_type=authorization_code", "code="+code)
	if w.Code != http.StatusBadRequest || bodyOf(t, w)["error"] != oauth.CodeInvalidTarget {
		t.Errorf("a code for both: %d %s, want invalid_target", w.Code, w.Body)
	}
	body := bodyOf(t, g.form("/token", "web", "grant_type=authorization_code", "code="+code, "resource="+testkit.Audience))
	if text, _ := body["access_token"].(string); !jose.LooksLikeJWE(text) || !g.Active(t, text) {
		t.Errorf("the code for one: %v, want an encrypted token that works", body["error"])
	}
}
