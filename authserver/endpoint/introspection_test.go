package endpoint_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestIntrospectionOfPeoplesTokens: what an application learns about its own
// tokens, what a resource learns, and what nobody does.
func TestIntrospectionOfPeoplesTokens(t *testing.T) { bothFormats(t, introspectionOfPeoplesTokens) }

func introspectionOfPeoplesTokens(t *testing.T, opaque bool) {
	g := newTokenRig(t)
	g.Env.OpaqueTokens = opaque
	s := g.SignOn(t)
	a := g.Authorize(t, "web", s, "openid", "orders:read")
	got := g.redeem(t, a)
	const inactive = `{"active":false}`

	t.Run("members", func(t *testing.T) {
		tests := []struct {
			name, raw, tokenType string
			want                 []string
		}{
			{"access token", got.Access, "Bearer", []string{
				"active", "scope", "client_id", "token_type", "iss", "sub", "aud", "iat", "exp", "jti", "auth_time", "acr", "amr", "sid", "grant_id",
			}},
			{"refresh token", got.Refresh, "refresh_token", []string{
				"active", "scope", "client_id", "token_type", "iss", "sub", "exp", "auth_time", "acr", "amr", "sid", "grant_id",
			}},
			{"ID token", got.ID, "id_token", []string{
				"active", "client_id", "token_type", "iss", "sub", "aud", "iat", "exp", "auth_time", "acr", "amr", "sid",
			}},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				for _, hint := range []string{"", "access_token", "refresh_token", "id_token", "nonsense"} {
					body := bodyOf(t, g.form("/introspect", "web", "token="+tt.raw, "token_type_hint="+hint))
					names := make([]string, 0, len(body))
					for name := range body {
						names = append(names, name)
					}
					slices.Sort(names)
					slices.Sort(tt.want)
					if diff := cmp.Diff(tt.want, names); diff != "" {
						t.Errorf("hint %q: members (-want +got):\n%s", hint, diff)
					}
					for name, want := range map[string]any{
						"active": true, "client_id": "web", "token_type": tt.tokenType, "sub": s.Subject, "sid": s.ID,
						"acr": "Single_Factor", "auth_time": float64(s.AuthTime.Unix()), "iss": g.Env.Issuer,
					} {
						if body[name] != want {
							t.Errorf("hint %q: %s = %v, want %v", hint, name, body[name], want)
						}
					}
				}
			})
		}
	})
	t.Run("callers", func(t *testing.T) {
		for _, tt := range []struct {
			name, caller, raw string
			active            bool
		}{
			{"access token, its resource", "orders", got.Access, true},
			{"access token, another client", "other", got.Access, false},
			{"refresh token, its resource", "orders", got.Refresh, false},
			{"refresh token, another client", "other", got.Refresh, false},
			{"ID token, its resource", "orders", got.ID, false},
			{"ID token, another client", "other", got.ID, false},
			{"garbage with dots", "web", "a.b.c", false},
			{"garbage", "web", "abc", false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w := g.form("/introspect", tt.caller, "token="+tt.raw)
				if active := bodyOf(t, w)["active"] == true; active != tt.active || !tt.active && w.Body.String() != inactive {
					t.Errorf("answer = %s, want active %v", w.Body, tt.active)
				}
			})
		}
	})
	t.Run("a public client and its tokens", func(t *testing.T) {
		mine, _ := g.signIn(t, "spa", "openid")
		for _, raw := range []string{mine.Access, mine.Refresh, mine.ID} {
			if bodyOf(t, g.form("/introspect", "spa", "token="+raw))["active"] != true {
				t.Error("not active")
			}
		}
	})

	ends := []struct {
		name string
		end  func(*testing.T, *tokenRig, string, *tokens)
		// what is active afterwards
		access, refresh, id bool
	}{
		{"exchanged", func(t *testing.T, g *tokenRig, _ string, r *tokens) {
			g.form("/token", "web", "grant_type=refresh_token", "refresh_token="+r.Refresh)
		}, true, false, true},
		{"an hour later", func(_ *testing.T, g *tokenRig, _ string, _ *tokens) { g.Clock.Advance(time.Hour) }, false, true, false},
		{"the session ends", func(t *testing.T, g *tokenRig, sid string, _ *tokens) {
			if _, err := g.Sessions.End(t.Context(), g.Env, sid, nil); err != nil {
				t.Fatal(err)
			}
		}, true, false, false}, // logout revokes the access tokens too
		{"the session is revoked", func(t *testing.T, g *tokenRig, sid string, _ *tokens) {
			now := g.Clock.Now()
			r := store.Revocation{Environment: g.Env.ID, Kind: store.RevokedSession, Value: sid, At: now, ExpiresAt: now.Add(time.Hour)}
			if err := g.Store.PutRevocation(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}, false, true, false},
		{"the user is disabled", func(_ *testing.T, g *tokenRig, _ string, _ *tokens) {
			u := testkit.Alice(g.Env.ID)
			u.Disabled = true
			g.People.Put(u)
		}, true, false, false},
	}
	st := testkit.Store(t)
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			g := tokenRigOn(t, st)
			g.Env.OpaqueTokens = opaque
			r, s := g.signIn(t, "web", "openid")
			tt.end(t, g, s.ID, &r)
			for _, is := range []struct {
				kind, raw string
				want      bool
			}{{"access token", r.Access, tt.access}, {"refresh token", r.Refresh, tt.refresh}, {"ID token", r.ID, tt.id}} {
				if got := bodyOf(t, g.form("/introspect", "web", "token="+is.raw))["active"] == true; got != is.want {
					t.Errorf("%s: active = %v, want %v", is.kind, got, is.want)
				}
			}
		})
	}
}

// TestRevocationOfPeoplesTokens: RFC 7009 §2.1, and what goes with a refresh token.
func TestRevocationOfPeoplesTokens(t *testing.T) { bothFormats(t, revocationOfPeoplesTokens) }

func revocationOfPeoplesTokens(t *testing.T, opaque bool) {
	active := func(g *tokenRig, raw string) bool {
		return bodyOf(t, g.form("/introspect", "web", "token="+raw))["active"] == true
	}
	tests := []struct {
		name        string
		caller      string
		scope       []string
		revoke      func(tokens) string
		status      int
		code        string
		access, ref bool // active afterwards
	}{
		{"access token", "web", []string{"openid", "orders:read"}, func(r tokens) string { return r.Access }, 200, "", false, true},
		{"access token for UserInfo", "web", []string{"openid", "email"}, func(r tokens) string { return r.Access }, 200, "", false, true},
		{"refresh token", "web", []string{"openid", "orders:read"}, func(r tokens) string { return r.Refresh }, 200, "", false, false},
		{"refresh token for UserInfo", "web", []string{"openid"}, func(r tokens) string { return r.Refresh }, 200, "", false, false},
		{"another client's access token", "other", []string{"openid"}, func(r tokens) string { return r.Access }, 400, "unauthorized_client", true, true},
		{"another client's refresh token", "other", []string{"openid"}, func(r tokens) string { return r.Refresh }, 400, "unauthorized_client", true, true},
		{"ID token", "web", []string{"openid"}, func(r tokens) string { return r.ID }, 200, "", true, true},
		{"unknown", "web", []string{"openid"}, func(tokens) string { return "unknown" }, 200, "", true, true},
		{"for the PingOne API", "web", []string{"openid", "p1:read:user"}, func(r tokens) string { return r.Access }, 400, "unsupported_token_type", true, true},
		{"refresh token for the PingOne API", "web", []string{"openid", "p1:read:user"}, func(r tokens) string { return r.Refresh }, 200, "", false, false},
	}
	st := testkit.Store(t)
	for _, tt := range tests {
		for _, hint := range []string{"", "access_token", "refresh_token"} {
			t.Run(tt.name+"/"+hint, func(t *testing.T) {
				g := tokenRigOn(t, st)
				g.Env.OpaqueTokens = opaque
				g.Clients["web"].Grants[store.ResourcePingOne] = []string{"p1:read:user"}
				r, _ := g.signIn(t, "web", tt.scope...)
				bystander, _ := g.signIn(t, "web", "openid")
				w := g.form("/revoke", tt.caller, "token="+tt.revoke(r), "token_type_hint="+hint)
				if w.Code != tt.status || tt.code != "" && bodyOf(t, w)["error"] != tt.code || tt.code == "" && w.Body.Len() > 0 {
					t.Errorf("answer = %d %s, want %d %s", w.Code, w.Body, tt.status, tt.code)
				}
				if got := active(g, r.Access); got != tt.access {
					t.Errorf("access token active = %v, want %v", got, tt.access)
				}
				if got := active(g, r.Refresh); got != tt.ref {
					t.Errorf("refresh token active = %v, want %v", got, tt.ref)
				}
				if !active(g, bystander.Access) || !active(g, bystander.Refresh) {
					t.Error("tokens of another authorization ended too")
				}
			})
		}
	}
	t.Run("an exchanged refresh token ends its family", func(t *testing.T) {
		g := newTokenRig(t)
		first, _ := g.signIn(t, "web", "openid")
		second, _ := bodyOf(t, g.form("/token", "web", "grant_type=refresh_token", "refresh_token="+first.Refresh))["refresh_token"].(string)
		for range 2 { // to say it again is no error
			if w := g.form("/revoke", "web", "token="+first.Refresh); w.Code != 200 {
				t.Errorf("answer = %d %s", w.Code, w.Body)
			}
		}
		if active(g, second) || active(g, first.Access) {
			t.Error("something of the grant works")
		}
	})
	t.Run("a public client ends its own", func(t *testing.T) {
		g := newTokenRig(t)
		r, _ := g.signIn(t, "spa", "openid")
		if w := g.form("/revoke", "spa", "token="+r.Refresh); w.Code != 200 {
			t.Errorf("answer = %d %s", w.Code, w.Body)
		}
		if got := g.form("/token", "spa", "grant_type=refresh_token", "refresh_token="+r.Refresh); bodyOf(t, got)["error"] != "invalid_grant" {
			t.Errorf("refresh = %d %s, want invalid_grant", got.Code, got.Body)
		}
	})
}
