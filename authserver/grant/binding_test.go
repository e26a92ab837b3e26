package grant_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestAttack112BoundFamilies: on every node, and for the whole life of the family, what a public client's refresh tokens are bound to is asked for; a code that is
// bound to a key is spent by that key alone.
func TestAttack112BoundFamilies(t *testing.T) {
	const key, other = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	onEachStore(t, func(t *testing.T, nodes []*rig) {
		for _, n := range nodes {
			n.Clients["web"].AuthMethod = oauth.AuthNone
		}
		g := nodes[0]
		auth := g.Authorize(t, "web", g.SignOn(t), "openid")
		auth.Bound = token.Confirmation{JKT: key}
		code := g.Code(t, auth)
		redeem := func(n *rig, proved token.Confirmation) (string, string) {
			r := n.request("web", "code="+code)
			r.Proved = proved
			got, refused := answer(n.code.Token(t.Context(), r))
			if got == nil {
				return "", refused
			}
			if got.Bound != proved {
				t.Errorf("the token is bound to %+v, want %+v", got.Bound, proved)
			}
			return got.RefreshToken, ""
		}
		for _, n := range nodes {
			for _, proved := range []token.Confirmation{{}, {JKT: other}, {X5T: key}} {
				if _, got := redeem(n, proved); got != "invalid_grant" {
					t.Errorf("code with %+v: %q, want invalid_grant", proved, got)
				}
			}
		}
		raw, refused := redeem(nodes[1], token.Confirmation{JKT: key})
		if refused != "" {
			t.Fatalf("code with its key: %s", refused)
		}
		for i := range 3 {
			n := nodes[i%2]
			renew := func(proved token.Confirmation) (string, string) {
				r := n.request("web", "refresh_token="+raw)
				r.Proved = proved
				got, refused := answer(n.refresh.Token(t.Context(), r))
				if got == nil {
					return "", refused
				}
				return got.RefreshToken, ""
			}
			for _, proved := range []token.Confirmation{{}, {JKT: other}, {X5T: key}} {
				if _, got := renew(proved); got != "invalid_grant" {
					t.Errorf("exchange %d with %+v: %q, want invalid_grant", i, proved, got)
				}
			}
			if raw, refused = renew(token.Confirmation{JKT: key, X5T: other}); refused != "" {
				t.Fatalf("exchange %d with its key: %s", i, refused)
			}
		}
	})
}

// TestPropertyAbsentProofNeverPasses: of whatever a code is bound to, whoever redeems it with less or with something else
// gets nothing, and the attempt does not spend it.
func TestPropertyAbsentProofNeverPasses(t *testing.T) {
	g := newRig(t)
	session := g.SignOn(t)
	value := rapid.SampledFrom([]string{"", "a", "b"})
	rapid.Check(t, func(r *rapid.T) {
		auth := g.Authorize(t, "web", session, "openid")
		auth.Bound = token.Confirmation{JKT: value.Draw(r, "jkt"), X5T: value.Draw(r, "x5t")}
		code := g.Code(t, auth)
		proved := token.Confirmation{JKT: value.Draw(r, "key"), X5T: value.Draw(r, "certificate")}
		request := g.request("web", "code="+code)
		request.Proved = proved
		met := (auth.Bound.JKT == "" || auth.Bound.JKT == proved.JKT) && (auth.Bound.X5T == "" || auth.Bound.X5T == proved.X5T)
		got, refused := answer(g.code.Token(t.Context(), request))
		switch {
		case met && refused != "":
			r.Fatalf("%+v with %+v: %s, want tokens", auth.Bound, proved, refused)
		case met:
			return
		case got != nil || refused != "invalid_grant":
			r.Fatalf("%+v with %+v: %q, want invalid_grant", auth.Bound, proved, refused)
		}
		request.Proved = auth.Bound
		if _, refused := answer(g.code.Token(t.Context(), request)); refused != "" {
			r.Fatalf("%+v with all of it, afterwards: %s, want tokens", auth.Bound, refused)
		}
	})
}

// TestAuthenticationStays: what was granted to a client that authenticates is worth nothing to who merely names it, once it is registered as public; by
// which method it authenticates is its own business.
func TestAuthenticationStays(t *testing.T) {
	for _, tt := range []struct {
		name          string
		authenticated bool
		method        string // of the client by now
		want          string // error code
	}{
		{"authenticated, and does", true, oauth.AuthClientSecretBasic, ""},
		{"in another way", true, oauth.AuthPrivateKeyJWT, ""},
		{"not any more", true, oauth.AuthNone, oauth.CodeInvalidGrant},
		{"never did", false, oauth.AuthNone, ""},
		{"did not, and does", false, oauth.AuthClientSecretBasic, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			web := g.Clients["web"]
			a := g.Authorize(t, "web", g.SignOn(t), "openid")
			a.Authenticated = tt.authenticated
			first, code := g.redeem(t, "web", g.Code(t, a))
			if code != "" {
				t.Fatalf("at first: %s", code)
			}
			another := g.Code(t, a)
			was := web.AuthMethod
			web.AuthMethod = tt.method
			if _, code := g.redeem(t, "web", another); code != tt.want {
				t.Errorf("a code: %q, want %q", code, tt.want)
			}
			if _, code := g.renew(t, "web", first.RefreshToken); code != tt.want {
				t.Errorf("a refresh token: %q, want %q", code, tt.want)
			}
			if web.AuthMethod = was; tt.want == "" {
				return
			}
			// The attempt has cost the client nothing.
			if _, code := g.renew(t, "web", first.RefreshToken); code != "" {
				t.Errorf("the refresh token with authentication again: %s", code)
			}
		})
	}
}
