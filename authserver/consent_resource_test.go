package authserver_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestAttack104ConsentIsForOneResource: two resources have a scope of the same name. Who agreed to the one is asked about the other (RFC 8707 §3), and sees of
// which they are asked.
func TestAttack104ConsentIsForOneResource(t *testing.T) {
	const billing = "https://billing.example.com"
	g := newRig(t, rigOptions{config: &declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: envA, Issuer: issuerA, SigningAlgorithm: "ES256",
		Users: []declared.User{{Username: "alice", Password: "alice-demo-pass"}},
		Resources: []declared.Resource{
			{Name: "orders", Audience: orders, Scopes: []string{"read"}},
			{Name: "billing", Audience: billing, Scopes: []string{"read"}},
		},
		Applications: []declared.Application{{
			ClientID: "app", Type: "web_app", Secret: "a-secret-of-the-app", RedirectURIs: []string{appCallback},
			SignIn: declared.SignIn{Consent: "once"},
			Grants: []string{"authorization_code", "refresh_token"}, MultipleResources: true,
			Allow: []string{"openid", "orders/read", "billing/read"},
		}},
	}}}})
	request := func(prompt string, resources ...string) string {
		q := url.Values{
			"client_id": {"app"}, "response_type": {"code"}, "scope": {"openid read"}, "redirect_uri": {appCallback}, "state": {"st"},
			"code_challenge": {proofChallenge}, "code_challenge_method": {"S256"}, "resource": resources,
		}
		if prompt != "" {
			q.Set("prompt", prompt)
		}
		return issuerA + "/authorize?" + q.Encode()
	}
	a := newAgent(t, g)
	if back := a.signOn(request("", orders)); back.Get("code") == "" {
		t.Fatalf("orders: %v, want a code", back)
	}
	// silently is what comes back without a page.
	silently := func(resources ...string) string {
		to, err := url.Parse(a.open(request("none", resources...)).header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if to.Query().Get("code") != "" {
			return "code"
		}
		return to.Query().Get("error")
	}
	for _, tt := range []struct {
		name      string
		resources []string
		want      string
	}{
		{"that was agreed to", []string{orders}, "code"},
		{"a scope of the same name of another resource", []string{billing}, oauth.CodeConsentRequired},
		{"both", []string{orders, billing}, oauth.CodeConsentRequired},
		{"both, since none is named", nil, oauth.CodeConsentRequired},
	} {
		if got := silently(tt.resources...); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	page := a.open(request("", billing))
	if page.status != http.StatusOK || !strings.Contains(page.body, `id="allow"`) || !strings.Contains(page.body, `<p class="hint">billing</p>`) || strings.Contains(page.body, `<p class="hint">orders</p>`) {
		t.Fatalf("the page does not say of which resource: %d %s", page.status, page.body)
	}
	a.press(page, "deny")
	if got := silently(billing); got != oauth.CodeConsentRequired {
		t.Errorf("denied: %s, want %s", got, oauth.CodeConsentRequired)
	}
	back := a.signOn(request("", billing))
	for _, resources := range [][]string{{orders}, {billing}, {orders, billing}, nil} {
		if got := silently(resources...); got != "code" {
			t.Errorf("both were agreed to: %q brings %s, want a code", resources, got)
		}
	}
	// What is redeemed and refreshed is covered, too.
	app := basic("app", "a-secret-of-the-app")
	got := g.form(envA, "token", app, "grant_type=authorization_code", "code="+back.Get("code"), "redirect_uri="+appCallback, "code_verifier="+proofVerifier)
	if got.status != http.StatusOK {
		t.Fatalf("redeemed: %s", got.outcome())
	}
	if c := claimsOf(t, text(got, "access_token")); len(c.Audience) != 1 || c.Audience[0] != billing {
		t.Errorf("audience %q, want %q", c.Audience, billing)
	}
	if got := g.form(envA, "token", app, "grant_type=refresh_token", "refresh_token="+text(got, "refresh_token")); got.status != http.StatusOK {
		t.Errorf("refreshed: %s %s", got.outcome(), got.body)
	}
}
