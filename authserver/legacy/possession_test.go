package legacy_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// withService declares a service whose tokens are bound.
func withService(c *declared.Config) {
	for i := range c.Environments {
		c.Environments[i].Applications = append(c.Environments[i].Applications, declared.Application{
			ClientID: "service", Type: "service", Secret: "service-secret", AuthMethod: "client_secret_post", Allow: []string{"orders:read"}, DPoPBound: true,
		})
	}
}

// TestAttack130LegacyPaths: a binding is not lost on the old paths: tokens are bound there too, by proofs for the realm's own addresses,
// and one that is bound opens nothing as a bearer's.
func TestAttack130LegacyPaths(t *testing.T) {
	k := newKit(t, options{Declared: withService})
	h := testkit.NewHolder(t, k.Clock.Now)
	endpoint := issuer("alpha") + "/access_token"
	ask := func(proof string) *answer {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"service"}, "client_secret": {"service-secret"}}
		var header []string
		if proof != "" {
			header = []string{"DPoP", proof}
		}
		return k.form(below("alpha", "access_token"), form, header...)
	}
	ask("").refusedOAuth(http.StatusBadRequest, "invalid_dpop_proof")
	ask(h.Proof(http.MethodPost, strings.Replace(endpoint, "alpha", "bravo", 1))).refusedOAuth(http.StatusBadRequest, "invalid_dpop_proof")
	got := ask(h.Proof(http.MethodPost, endpoint))
	if got.Status != http.StatusOK || got.object()["token_type"] != "DPoP" {
		t.Fatalf("answer %d %s, want 200 and DPoP", got.Status, got.Body)
	}
	raw, _ := got.object()["access_token"].(string)

	t.Run("tokeninfo", func(t *testing.T) {
		for _, scheme := range []string{"Bearer", "DPoP"} {
			a := k.get(below("alpha", "tokeninfo"), "Authorization", scheme+" "+raw, "DPoP", h.Proof(http.MethodGet, issuer("alpha")+"/tokeninfo", "ath", testkit.ATH(raw)))
			if a.Status != http.StatusUnauthorized {
				t.Errorf("%s: %d, want 401", scheme, a.Status)
			}
		}
	})
	t.Run("introspection", func(t *testing.T) {
		a := k.form(below("alpha", "introspect"), url.Values{"token": {raw}, "client_id": {"service"}, "client_secret": {"service-secret"}})
		cnf, _ := a.object()["cnf"].(map[string]any)
		if a.object()["token_type"] != "DPoP" || cnf["jkt"] != h.Thumbprint {
			t.Errorf("answer %s, want DPoP and cnf", a.Body)
		}
	})
}
