package legacy_test

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestEncrypted: AM's endpoints know a token that is encrypted to its resource. Its application is not told whom it speaks for; who may see
// every token is, and so is the resource.
func TestEncrypted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders.jwk")
	if err := os.WriteFile(path, []byte(testkit.EncryptionJWK), 0o600); err != nil {
		t.Fatal(err)
	}
	k := newKit(t, options{Declared: func(c *declared.Config) {
		observers(c)
		for i := range c.Environments {
			c.Environments[i].Resources[0].EncryptionKeyFile = path
		}
	}})
	g := k.personalAt(at(k.Alpha), "alice", "web", everyScope, func(a *token.Access, _ *token.Authorization) { a.Resources = []string{"orders"} })
	if !jose.LooksLikeJWE(g.Access) {
		t.Fatal("the token is not encrypted")
	}
	for caller, told := range map[string]bool{"web": false, "realm": true, "orders": true} {
		a := k.ask("alpha", caller, g.Access).is(200).object()
		if a["active"] != true || a["client_id"] != "web" {
			t.Errorf("%s: %v, want an active token of web", caller, a)
		}
		for _, name := range []string{"sub", "subname", "user_id", "username", "jti", "authGrantId"} {
			if _, ok := a[name]; ok != told {
				t.Errorf("%s: %s is there: %v, want %v", caller, name, ok, told)
			}
		}
	}
	k.get(below("alpha", "tokeninfo"), bearing(g.Access)...).is(200)
	k.form(below("alpha", "token/revoke"), url.Values{"token": {g.Access}}, app("web")...).is(200)
	for _, caller := range []string{"web", "realm", "orders"} {
		if a := k.ask("alpha", caller, g.Access); a.member("active") != false {
			t.Errorf("%s: active after the revocation", caller)
		}
	}
}
