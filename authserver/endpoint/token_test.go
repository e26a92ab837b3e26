package endpoint_test

import (
	"net/http/httptest"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// TestTokenResponse: conformance 2.13, and a name for each row of its section 3
// that is about the token endpoint.
func TestTokenResponse(t *testing.T) {
	t.Run("oidcc-server", func(t *testing.T) {
		g := newTokenRig(t)
		w := g.form("/token", "web", "grant_type=authorization_code", "code="+g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid", "orders:read")))
		body := bodyOf(t, w)
		if w.Code != 200 || body["token_type"] != "Bearer" || body["expires_in"] != 600.0 || body["scope"] != "openid orders:read" {
			t.Errorf("answer = %d %v", w.Code, body)
		}
		for _, name := range []string{"access_token", "id_token", "refresh_token"} {
			if s, _ := body[name].(string); s == "" {
				t.Errorf("%s is missing", name)
			}
		}
		if len(body) != 6 {
			t.Errorf("members = %v, want six", body)
		}
		expectUncached(t, w)
	})
	t.Run("oidcc-ensure-request-without-nonce-succeeds-for-code-flow", func(t *testing.T) {
		g := newTokenRig(t)
		got, _ := g.signIn(t, "web", "openid")
		if g.verified(t, got.ID).Has("nonce") {
			t.Error("the ID token has a nonce that nobody sent")
		}
	})
	t.Run("oidcc-codereuse-30seconds", func(t *testing.T) {
		g := newTokenRig(t)
		code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid"))
		first := bodyOf(t, g.form("/token", "web", "grant_type=authorization_code", "code="+code))
		w := g.form("/token", "web", "grant_type=authorization_code", "code="+code)
		if w.Code != 400 || bodyOf(t, w)["error"] != "invalid_grant" {
			t.Errorf("second use = %d %s, want 400 invalid_grant", w.Code, w.Body)
		}
		expectUncached(t, w)
		if w := g.do(ask("GET", "/userinfo", "Bearer "+first["access_token"].(string), "")); w.Code != 401 {
			t.Errorf("UserInfo with the first access token = %d, want 401", w.Code)
		}
	})
	t.Run("oidcc-refresh-token", func(t *testing.T) {
		g := newTokenRig(t)
		got, s := g.signIn(t, "offline", "openid", "offline_access")
		w := g.form("/token", "other", "grant_type=refresh_token", "refresh_token="+got.Refresh)
		if w.Code != 400 || bodyOf(t, w)["error"] != "invalid_grant" {
			t.Errorf("another client = %d %s, want 400 invalid_grant", w.Code, w.Body)
		}
		w = g.form("/token", "offline", "grant_type=refresh_token", "refresh_token="+got.Refresh, "scope=openid offline_access")
		body := bodyOf(t, w)
		if w.Code != 200 || body["access_token"] == got.Access || body["refresh_token"] == got.Refresh || body["id_token"] == nil {
			t.Errorf("answer = %d %v", w.Code, body)
		}
		expectUncached(t, w)
		if w := g.do(ask("GET", "/userinfo", "Bearer "+body["access_token"].(string), "")); bodyOf(t, w)["sub"] != s.Subject {
			t.Errorf("UserInfo with the new token = %d %s", w.Code, w.Body)
		}
	})
	t.Run("grant types that the client does not have", func(t *testing.T) {
		g := newTokenRig(t)
		g.Clients["web"].GrantTypes = []string{oauth.GrantAuthorizationCode}
		for grant, want := range map[string]string{
			"refresh_token": "unauthorized_client", "client_credentials": "unauthorized_client", "password": "unsupported_grant_type",
		} {
			if w := g.form("/token", "web", "grant_type="+grant, "refresh_token=x"); w.Code != 400 || bodyOf(t, w)["error"] != want {
				t.Errorf("%s = %d %s, want %s", grant, w.Code, w.Body, want)
			}
		}
	})
	t.Run("a confidential client without its secret", func(t *testing.T) {
		g := newTokenRig(t)
		code := g.Code(t, g.Authorize(t, "web", g.SignOn(t), "openid"))
		if w := g.form("/token", "", "client_id=web", "grant_type=authorization_code", "code="+code); w.Code != 401 || bodyOf(t, w)["error"] != "invalid_client" {
			t.Errorf("answer = %d %s, want 401 invalid_client", w.Code, w.Body)
		}
		if w := g.form("/token", "web", "grant_type=authorization_code", "code="+code); w.Code != 200 {
			t.Errorf("with it = %d %s", w.Code, w.Body)
		}
	})
}

func expectUncached(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if cc, p := w.Header().Get("Cache-Control"), w.Header().Get("Pragma"); cc != "no-cache, no-store" || p != "no-cache" {
		t.Errorf("Cache-Control = %q, Pragma = %q", cc, p)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type = %q", ct)
	}
}
