package endpoint_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	signedAnswer = "application/token-introspection+jwt"
	phantomJWT   = "application/jwt"
)

// introspect asks about a token and for an answer of some type; caller authenticates with its ID and "-secret".
func (g *tokenRig) introspect(caller, raw string, accept ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/introspect", strings.NewReader(url.Values{"token": {raw}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(caller, caller+"-secret")
	r.Header["Accept"] = accept
	return g.do(r)
}

func TestIntrospectionTypes(t *testing.T) {
	g := newTokenRig(t)
	got, _ := g.signIn(t, "web", "openid", "orders:read")
	tests := []struct {
		name   string
		accept []string
		want   string
	}{
		{"no header", nil, "application/json"},
		{"anything", []string{"*/*"}, "application/json"},
		{"JSON", []string{"application/json"}, "application/json"},
		{"a browser's", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, "application/json"},
		{"what nobody has", []string{"text/csv"}, "application/json"},
		{"malformed", []string{";;, /, application/jwt;q=x"}, "application/json"},
		{"signed", []string{signedAnswer}, signedAnswer},
		{"in capitals", []string{"Application/Token-Introspection+JWT"}, signedAnswer},
		{"signed, with anything for less", []string{signedAnswer + ", */*;q=0.1"}, signedAnswer},
		{"signed and anything", []string{"*/*, " + signedAnswer}, signedAnswer},
		{"signed for less than JSON", []string{signedAnswer + ";q=0.5, application/json"}, "application/json"},
		{"signed for less than anything", []string{signedAnswer + ";q=0.5, */*"}, "application/json"},
		{"signed not at all", []string{signedAnswer + ";q=0"}, "application/json"},
		{"two lines", []string{"application/json;q=0.5", signedAnswer}, signedAnswer},
		{"the first of two", []string{"application/json, " + signedAnswer}, "application/json"},
		{"a JWT", []string{phantomJWT}, phantomJWT},
		{"any of an application's", []string{"application/*"}, "application/json"},
		{"far back", []string{strings.Repeat("text/plain,", 40) + signedAnswer}, "application/json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := g.introspect("web", got.Access, tt.accept...)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != tt.want {
				t.Errorf("answer = %d %s, want 200 %s", w.Code, w.Header().Get("Content-Type"), tt.want)
			}
			if vary := strings.Join(w.Header().Values("Vary"), ","); !strings.Contains(vary, "Accept") {
				t.Errorf("Vary = %q, want Accept in it", vary)
			}
		})
	}
}

// TestAttack88SignedIntrospection: what nobody may know about others' tokens is in no signed answer and in no phantom either.
func TestAttack88SignedIntrospection(t *testing.T) {
	bothFormats(t, func(t *testing.T, opaque bool) {
		g := newTokenRig(t)
		g.Env.OpaqueTokens = opaque
		got, _ := g.signIn(t, "web", "openid", "orders:read")
		ended, _ := g.signIn(t, "web", "openid", "orders:read")
		if w := g.form("/revoke", "web", "token="+ended.Access); w.Code != http.StatusOK {
			t.Fatalf("revocation: %d %s", w.Code, w.Body)
		}
		for _, tt := range []struct {
			name, caller, token string
			active              bool
			jwt                 bool // there is a JWT of it
		}{
			{"its client", "web", got.Access, true, true},
			{"its resource", "orders", got.Access, true, true},
			{"another client", "other", got.Access, false, false},
			{"a revoked one", "web", ended.Access, false, false},
			{"a revoked one, for the resource", "orders", ended.Access, false, false},
			{"rubbish", "web", "x.y.z", false, false},
			{"a refresh token", "web", got.Refresh, true, false},
			{"a refresh token, for the resource", "orders", got.Refresh, false, false},
			{"an ID token", "web", got.ID, true, false},
			{"another client's ID token", "other", got.ID, false, false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				plain := g.introspect(tt.caller, tt.token)
				w := g.introspect(tt.caller, tt.token, signedAnswer)
				if w.Code != http.StatusOK || w.Header().Get("Content-Type") != signedAnswer {
					t.Fatalf("signed answer: %d %s", w.Code, w.Header().Get("Content-Type"))
				}
				c := g.verified(t, w.Body.String())
				if typ := headOf(t, w.Body.String()).Type; typ != "token-introspection+jwt" {
					t.Errorf("typ = %q, want token-introspection+jwt", typ)
				}
				if diff := cmp.Diff([]string{"iss", "aud", "iat", "token_introspection"}, c.Names()); diff != "" {
					t.Errorf("members (-want +got):\n%s", diff)
				}
				if c.Issuer != g.Env.Issuer || len(c.Audience) != 1 || c.Audience[0] != tt.caller || c.IssuedAt.Unix() != g.Clock.Now().Unix() {
					t.Errorf("iss, aud, iat = %q, %q, %v", c.Issuer, c.Audience, c.IssuedAt)
				}
				inside, _ := c.Raw("token_introspection")
				if string(inside) != plain.Body.String() {
					t.Errorf("token_introspection = %s, want %s", inside, plain.Body)
				}
				var verdict map[string]any
				if err := json.Unmarshal(inside, &verdict); err != nil || verdict["active"] != tt.active || !tt.active && len(verdict) != 1 {
					t.Errorf("token_introspection = %s, want active %t, and nothing else where it is not", inside, tt.active)
				}

				w = g.introspect(tt.caller, tt.token, phantomJWT)
				if !tt.jwt {
					if w.Code != http.StatusNoContent || w.Body.Len() != 0 {
						t.Fatalf("JWT of it: %d %q, want 204 and nothing", w.Code, w.Body)
					}
					return
				}
				if w.Code != http.StatusOK || w.Header().Get("Content-Type") != phantomJWT {
					t.Fatalf("JWT of it: %d %s", w.Code, w.Header().Get("Content-Type"))
				}
				jwt := g.verified(t, w.Body.String())
				said := bodyOf(t, plain)
				if jwt.ID != said["jti"] || float64(jwt.Expiry.Unix()) != said["exp"] || strings.Join(jwt.Scope, " ") != said["scope"] {
					t.Errorf("jti, exp, scope = %q, %d, %q, want those of %s", jwt.ID, jwt.Expiry.Unix(), jwt.Scope, plain.Body)
				}
				if !opaque && w.Body.String() != tt.token {
					t.Error("a JWT became another one")
				}
				if typ := headOf(t, w.Body.String()).Type; typ != oauth.TypeAccessToken {
					t.Errorf("typ = %q, want %s", typ, oauth.TypeAccessToken)
				}
			})
		}
		t.Run("nobody in particular", func(t *testing.T) {
			for _, accept := range []string{signedAnswer, phantomJWT} {
				r := httptest.NewRequest(http.MethodPost, "/introspect", strings.NewReader("token="+url.QueryEscape(got.Access)))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Accept", accept)
				if w := g.do(r); w.Code != http.StatusUnauthorized || w.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%s: %d %s, want 401 in JSON", accept, w.Code, w.Header().Get("Content-Type"))
				}
			}
		})
		t.Run("who only says who they are", func(t *testing.T) {
			// RFC 9701 §5: nothing is signed for a caller that proves nothing. What it may know as JSON is PingOne's rule.
			public := newTokenRig(t)
			public.Env.OpaqueTokens = opaque
			public.Clients["web"].AuthMethod = oauth.AuthNone
			public.Resources = map[string]*store.Resource{"open": {
				Environment: public.Env.ID, ID: "open", Audience: "https://open.example.com", IntrospectionAuth: oauth.AuthNone,
			}}
			for _, caller := range []string{"web", "open"} {
				for accept, want := range map[string]int{"": http.StatusOK, "application/json": http.StatusOK, signedAnswer: http.StatusBadRequest} {
					r := httptest.NewRequest(http.MethodPost, "/introspect", strings.NewReader("client_id="+caller+"&token="+url.QueryEscape(got.Access)))
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					r.Header.Set("Accept", accept)
					w := public.do(r)
					if w.Code != want || w.Header().Get("Content-Type") != "application/json" {
						t.Fatalf("%s, Accept %q: %d %s, want %d in JSON", caller, accept, w.Code, w.Header().Get("Content-Type"), want)
					}
					if want != http.StatusOK && bodyOf(t, w)["error"] != oauth.CodeInvalidRequest {
						t.Errorf("%s, Accept %q: %s, want invalid_request", caller, accept, w.Body)
					}
				}
			}
		})
		t.Run("an answer is no token", func(t *testing.T) {
			answer := g.introspect("web", got.Access, signedAnswer).Body.String()
			if g.Active(t, answer) {
				t.Error("a signed answer is taken for the token that it is about")
			}
			if w := g.introspect("web", answer); w.Body.String() != `{"active":false}` {
				t.Errorf("introspection of an answer = %s", w.Body)
			}
		})
	})
}

// TestPhantomEnds: what ends an opaque token ends its JWT.
func TestPhantomEnds(t *testing.T) {
	g := newTokenRig(t)
	g.Env.OpaqueTokens = true
	got, _ := g.signIn(t, "web", "orders:read")
	jwt := g.introspect("orders", got.Access, phantomJWT).Body.String()
	if !g.Active(t, jwt) {
		t.Fatal("the JWT does not work")
	}
	if w := g.form("/revoke", "web", "token="+got.Access); w.Code != http.StatusOK {
		t.Fatalf("revocation: %d %s", w.Code, w.Body)
	}
	if g.Active(t, jwt) {
		t.Error("the JWT of a revoked token works")
	}
}

// TestIntrospectionSigningKeyIsTheClients: a client's answers are signed like its tokens.
func TestIntrospectionSigningKeyIsTheClients(t *testing.T) {
	g := newTokenRig(t)
	got, _ := g.signIn(t, "web", "orders:read")
	client := *g.Clients["web"]
	client.KeyRotationPolicy = "no such policy"
	g.Clients["web"] = &client
	if w := g.introspect("web", got.Access, signedAnswer); w.Code != http.StatusServiceUnavailable {
		t.Errorf("with a key that cannot be had: %d, want 503", w.Code)
	}
}

func headOf(t testing.TB, raw string) jose.Header {
	t.Helper()
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Header
}
