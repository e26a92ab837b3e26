package authorize_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// FuzzRequest: an authorization request never panics; what is accepted goes to
// the registered address alone, and so does what is refused; and what is accepted
// when it is pushed is accepted when it is used.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		form().Encode(), form("response_type", "id_token token", "response_mode", "form_post").Encode(), form("request", "x").Encode(), form("request_uri", "urn:ietf:params:oauth:request_uri:x").Encode(),
		form("redirect_uri", "https://evil.example.com/").Encode(), form("state", "\xff").Encode(), form("claims", `{"userinfo":{"name":null}}`, "max_age", "5", "prompt", "login").Encode(),
		form("code_challenge", challenge, "code_challenge_method", "S256", "display", "wap", "ui_locales", "de en").Encode(), "client_id=app", "", "&&=", form("redirect_uri", "", "scope", "orders:read").Encode(),
	} {
		f.Add(seed)
	}
	base := newKit(f)
	f.Fuzz(func(t *testing.T, body string) {
		k := *base
		k.TB = t
		r := httptest.NewRequest(http.MethodPost, "https://auth.example.com/par", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		form, err := web.ReadForm(r)
		if err != nil {
			return
		}
		req, failure := k.readForm(form)
		if failure != nil {
			if to := failure.ReplyTo; to != nil && to.URI != callback && to.Mode != oauth.ModePingFlow {
				t.Fatalf("the error travels to %q", to.URI)
			}
			if failure.Err.Status >= 500 {
				t.Fatalf("failure = %v", failure)
			}
		} else {
			if req.ReplyTo.URI != callback && (req.ReplyTo.URI != "" || req.ReplyTo.Mode != oauth.ModePingFlow) {
				t.Fatalf("the answer goes to %q", req.ReplyTo.URI)
			}
			if !slices.Contains([]string{"query", "fragment", "form_post", "pi.flow"}, req.ReplyTo.Mode) || oauth.TokenBearing(req.ResponseType) && req.ReplyTo.Mode == "query" {
				t.Fatalf("%v goes by %q", req.ResponseType, req.ReplyTo.Mode)
			}
			if got := form.Get("state"); form.Get("request") == "" && req.ReplyTo.State != got {
				t.Fatalf("state = %q, want %q", req.ReplyTo.State, got)
			}
		}
		if form.Has("request_uri") || form.Get("client_id") != "app" {
			return
		}
		uri, _, err := k.reader.Push(t.Context(), k.env, k.client, form, "")
		if (err == nil) != (failure == nil) {
			t.Fatalf("pushed: %v, at the front: %v", err, failure)
		}
		if err != nil {
			return
		}
		again, failure := k.readForm(web.NewForm([2]string{"client_id", "app"}, [2]string{"request_uri", uri}))
		if failure != nil {
			t.Fatalf("good when pushed, and when used: %v", failure)
		}
		if again.ReplyTo != req.ReplyTo || again.Nonce != req.Nonce || again.Challenge != req.Challenge || !slices.Equal(again.Scope, req.Scope) || !slices.Equal(again.ResponseType, req.ResponseType) {
			t.Fatalf("pushed, it is %+v, at the front %+v", again, req)
		}
	})
}

// FuzzRequestObject: what is in an object, signed or not, never panics, never
// sends anything elsewhere, and unsigned counts only where that is allowed.
func FuzzRequestObject(f *testing.F) {
	f.Add(string(object(nil)), false)
	f.Add(string(object(map[string]any{"claims": map[string]any{"userinfo": nil}, "max_age": 5})), true)
	f.Add(string(object(map[string]any{"redirect_uri": "https://evil.example.com/"})), true)
	f.Add(`{"iss":"app","aud":["`+issuer+`"],"exp":1}`, false)
	f.Add(`{"iss":"app","aud":"`+issuer+`","redirect_uri":7,"state":null,"nonce":{},"request":""}`, false)
	f.Add(`{}`, true)
	base := newKit(f)
	f.Fuzz(func(t *testing.T, claims string, none bool) {
		k := *base
		k.TB = t
		raw := unsigned([]byte(claims))
		if !none {
			var err error
			if raw, err = jose.SignSecret(jose.HS256, []byte(aSecret), "", []byte(claims)); err != nil {
				return
			}
		}
		for _, allowed := range []bool{false, true} {
			k.client.UnsignedRequestObject = allowed
			req, failure := k.read("request", raw)
			if failure == nil && none && !allowed {
				t.Fatal("an unsigned object is accepted, want it refused")
			}
			if failure == nil && req.ReplyTo.URI != callback && req.ReplyTo.Mode != oauth.ModePingFlow {
				t.Fatalf("the answer goes to %q", req.ReplyTo.URI)
			}
			if failure != nil && failure.ReplyTo != nil && failure.ReplyTo.URI != callback && failure.ReplyTo.Mode != oauth.ModePingFlow {
				t.Fatalf("the error travels to %q", failure.ReplyTo.URI)
			}
			if failure != nil && failure.Err.Status >= 500 {
				t.Fatalf("failure = %v", failure)
			}
		}
	})
}
