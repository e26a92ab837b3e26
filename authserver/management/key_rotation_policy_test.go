package management_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

const (
	goodPolicy = `{"name":"Shops","algorithm":"RSA","dn":"CN=Shops, O=Example, C=GB","keyLength":2048,` +
		`"signatureAlgorithm":"SHA256withRSA","usageType":"SIGNING"}`

	policyApplication = `{"name":"Shop","enabled":true,"protocol":"OPENID_CONNECT","type":"WEB_APP","tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC",` +
		`"grantTypes":["AUTHORIZATION_CODE"],"responseTypes":["CODE"],"redirectUris":["https://shop.example.com/cb"]}`
)

func TestKeyRotationPolicyLife(t *testing.T) {
	k := newKit(t)
	a := k.as(root).post("/{env}/keyRotationPolicies", goodPolicy).is(http.StatusCreated)
	a.has(goodPolicy).has(`{"rotationPeriod":90,"validityPeriod":365,"rotatedAt":"2026-03-01T12:00:00.000Z"}`)
	id, current, next := a.text("id"), a.text("currentKeyId"), a.text("nextKeyId")
	if got := k.published(); !slices.Contains(got, current) || !slices.Contains(got, next) || len(got) != 4 {
		t.Errorf("published = %q, want %s and %s beside the environment's two", got, current, next)
	}
	path := "/{env}/keyRotationPolicies/" + id
	k.as(root).get(path).is(http.StatusOK).has(string(a.Body))
	if all := k.as(root).page("/{env}/keyRotationPolicies", "keyRotationPolicies", 200); len(all) != 2 || all[1]["id"] != id {
		t.Errorf("policies = %v, want the environment's own and the new one", all)
	}
	key := k.as(root).get("/{env}/keys/" + current).is(http.StatusOK)
	key.has(`{"subjectDN":"CN=Shops, O=Example, C=GB","issuerDN":"CN=Shops, O=Example, C=GB","algorithm":"RSA","keyLength":2048,"default":false,
		"signatureAlgorithm":"SHA256withRSA","usageType":"SIGNING","validityPeriod":365,"name":"Shops 2026-03-01T12:00:00Z"}`)
	if key.text("keyRotationPolicy.id") != id {
		t.Errorf("keyRotationPolicy = %v", key.at("keyRotationPolicy"))
	}
	k.as(root).put("/{env}/keys/"+current, `{"default":true,"usageType":"SIGNING"}`).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION", "default")
	k.as(root).del("/{env}/keys/"+current).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	k.as(root).del("/{env}/keys/"+next).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION")

	t.Run("another subject: another NEXT key at once", func(t *testing.T) {
		b := k.as(root).put(path, changed(t, goodPolicy, `{"dn":"CN=Other","rotationPeriod":30,"validityPeriod":31}`)).is(http.StatusOK)
		b.has(`{"dn":"CN=Other","rotationPeriod":30,"validityPeriod":31,"currentKeyId":"` + current + `"}`)
		if b.text("nextKeyId") == next || slices.Contains(k.published(), next) {
			t.Errorf("NEXT = %s, which is of the old subject", b.text("nextKeyId"))
		}
		next = b.text("nextKeyId")
	})
	app := k.as(root).post("/{env}/applications", changed(t, policyApplication, `{"signing":{"keyRotationPolicy":{"id":"`+id+`"}}}`)).is(http.StatusCreated).text("id")
	t.Run("its key signs for the application", func(t *testing.T) {
		raw := k.mintFor(app)
		if got := kidOf(t, raw); got != current {
			t.Errorf("signed by %s, want %s", got, current)
		}
		if _, err := k.API.Callers.Tokens.Verify(t.Context(), k.Env, raw); err != nil {
			t.Errorf("the token does not verify: %v", err)
		}
		k.Clock.Advance(30*24*time.Hour - time.Minute)
		raw = k.mintFor(app)
		k.Clock.Advance(time.Minute)
		if err := k.API.Keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := kidOf(t, k.mintFor(app)); got != next {
			t.Errorf("after a period it is signed by %s, want %s", got, next)
		}
		if _, err := k.API.Callers.Tokens.Verify(t.Context(), k.Env, raw); err != nil {
			t.Errorf("what the key before signed does not verify: %v", err)
		}
	})
	t.Run("it is not deleted while it is in use", func(t *testing.T) {
		k.as(root).del(path).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	})
	t.Run("deleted, its key stays for what it has signed", func(t *testing.T) {
		raw := k.mintFor(app)
		k.as(root).put("/{env}/applications/"+app, policyApplication).is(http.StatusOK)
		if got := kidOf(t, k.mintFor(app)); got != k.defaults()[0] {
			t.Errorf("without a policy it is signed by %s, want the environment's key", got)
		}
		k.as(root).del(path).is(http.StatusNoContent)
		k.as(root).get(path).refused(http.StatusNotFound, "NOT_FOUND")
		if _, err := k.API.Callers.Tokens.Verify(t.Context(), k.Env, raw); err != nil {
			t.Errorf("what the policy's key signed does not verify: %v", err)
		}
		k.as(root).get("/{env}/keys").is(http.StatusOK) // with the keys of a policy that is gone
		k.Clock.Advance(store.MaxAccessTokenTTL + time.Hour)
		if err := k.API.Keys.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := k.published(); slices.Contains(got, current) || slices.Contains(got, next) {
			t.Errorf("published = %q, want none of the policy's", got)
		}
	})
}

// mintFor makes a token as the token endpoint does for an application.
func (k *kit) mintFor(application string) string {
	k.t.Helper()
	c, err := k.API.Live.ClientByID(k.t.Context(), home, application)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.mint(k.Env, token.Access{Client: c.ID, KeyRotationPolicy: c.KeyRotationPolicy})
}

func TestKeyRotationPolicyIsRefused(t *testing.T) {
	k := newKit(t)
	id := k.as(root).post("/{env}/keyRotationPolicies", goodPolicy).is(http.StatusCreated).text("id")
	fine := changed(t, goodPolicy, `{"name":"Another"}`)
	tests := []struct{ name, changes, code, target string }{
		{"no name", `{"name":null}`, "REQUIRED_VALUE", "name"},
		{"blank name", `{"name":"  "}`, "EMPTY_VALUE", "name"},
		{"long name", `{"name":"` + strings.Repeat("n", 257) + `"}`, "SIZE_LIMIT_EXCEEDED", "name"},
		{"name of another", `{"name":"Shops"}`, "UNIQUENESS_VIOLATION", "name"},
		{"name of the environment's own", `{"name":"Default"}`, "UNIQUENESS_VIOLATION", "name"},
		{"no algorithm", `{"algorithm":null}`, "REQUIRED_VALUE", "algorithm"},
		{"EC", `{"algorithm":"EC"}`, "INVALID_VALUE", "algorithm"},
		{"no subject", `{"dn":null}`, "REQUIRED_VALUE", "dn"},
		{"subject that is none", `{"dn":"Shops"}`, "INVALID_VALUE", "dn"},
		{"no length", `{"keyLength":null}`, "REQUIRED_VALUE", "keyLength"},
		{"1024 bits", `{"keyLength":1024}`, "INVALID_VALUE", "keyLength"},
		{"2047 bits", `{"keyLength":2047}`, "INVALID_VALUE", "keyLength"},
		{"no signature algorithm", `{"signatureAlgorithm":null}`, "REQUIRED_VALUE", "signatureAlgorithm"},
		{"another signature algorithm", `{"signatureAlgorithm":"SHA512withRSA"}`, "INVALID_VALUE", "signatureAlgorithm"},
		{"no use", `{"usageType":null}`, "REQUIRED_VALUE", "usageType"},
		{"another use", `{"usageType":"ENCRYPTION"}`, "INVALID_VALUE", "usageType"},
		{"29 days", `{"rotationPeriod":29}`, "OUT_OF_RANGE", "rotationPeriod"},
		{"as long as the certificate", `{"rotationPeriod":365}`, "OUT_OF_RANGE", "rotationPeriod"},
		{"validity of 30 days", `{"rotationPeriod":30,"validityPeriod":30}`, "OUT_OF_RANGE", "validityPeriod"},
		{"validity of more than a hundred years", `{"validityPeriod":36501}`, "OUT_OF_RANGE", "validityPeriod"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k.as(root).post("/{env}/keyRotationPolicies", changed(t, fine, tt.changes)).refused(http.StatusBadRequest, "INVALID_DATA", tt.code, tt.target)
			if tt.changes != `{"name":"Shops"}` {
				k.as(root).put("/{env}/keyRotationPolicies/"+id, changed(t, fine, tt.changes)).refused(http.StatusBadRequest, "INVALID_DATA", tt.code, tt.target)
			}
		})
	}
	for _, good := range []string{`{"rotationPeriod":30}`, `{"rotationPeriod":364}`, `{"rotationPeriod":30,"validityPeriod":31}`, `{"validityPeriod":36500}`} {
		t.Run(good, func(t *testing.T) {
			k.as(root).put("/{env}/keyRotationPolicies/"+id, changed(t, fine, good)).is(http.StatusOK).has(good)
		})
	}
	t.Run("at most five", func(t *testing.T) {
		for n := 3; n <= directory.MaxKeyRotationPolicies; n++ {
			k.as(root).post("/{env}/keyRotationPolicies", changed(t, goodPolicy, fmt.Sprintf(`{"name":"Number %d"}`, n))).is(http.StatusCreated)
		}
		k.as(root).post("/{env}/keyRotationPolicies", changed(t, goodPolicy, `{"name":"Number 6"}`)).refused(http.StatusBadRequest, "INVALID_DATA", "CONSTRAINT_VIOLATION")
		k.as(root).put("/{env}/keyRotationPolicies/"+id, changed(t, goodPolicy, `{"name":"Renamed"}`)).is(http.StatusOK)
	})
}

// TestOwnRotationIsAPolicyToo: shown as it is configured, and not to be changed.
func TestOwnRotationIsAPolicyToo(t *testing.T) {
	k := newKit(t)
	a := k.as(root).get("/{env}/keyRotationPolicies").is(http.StatusOK)
	const at = "_embedded.keyRotationPolicies.0."
	for member, want := range map[string]any{
		"name": "Default", "algorithm": "EC", "keyLength": 256.0, "signatureAlgorithm": "SHA256withECDSA", "usageType": "SIGNING",
		"rotationPeriod": 90.0, "id": directory.FirstKeyRotationPolicy(home), "currentKeyId": k.defaults()[0],
	} {
		if got := a.at(at + member); got != want {
			t.Errorf("%s = %v, want %v", member, got, want)
		}
	}
	path := "/{env}/keyRotationPolicies/" + a.text(at+"id")
	k.as(root).get(path).is(http.StatusOK)
	if got := k.as(root).put(path, goodPolicy); got.Status != http.StatusBadRequest {
		t.Errorf("changed: %d %s", got.Status, got.Body)
	}
	if got := k.as(root).del(path); got.Status != http.StatusBadRequest {
		t.Errorf("deleted: %d %s", got.Status, got.Body)
	}
	t.Run("an application may name it", func(t *testing.T) {
		app := k.as(root).post("/{env}/applications", changed(t, policyApplication, `{"signing":{"keyRotationPolicy":{"id":"`+a.text(at+"id")+`"}}}`)).is(http.StatusCreated).text("id")
		if got := kidOf(t, k.mintFor(app)); got != k.defaults()[0] {
			t.Errorf("signed by %s, want the environment's key", got)
		}
	})
	t.Run("and none that is not there", func(t *testing.T) {
		k.as(root).post("/{env}/applications", changed(t, policyApplication, `{"name":"Lost","signing":{"keyRotationPolicy":{"id":"`+nothing+`"}}}`)).
			refused(http.StatusBadRequest, "INVALID_DATA", "INVALID_VALUE")
	})
}
