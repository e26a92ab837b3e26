package grant_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
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

// TestAttack112BoundLater: a public client that begins to prove a key with a refresh token that was anybody's gets one that is bound to it (RFC 9449 §5), on
// every node; what it had before is a replay as ever, whoever brings it, and with whatever key.
func TestAttack112BoundLater(t *testing.T) {
	const key, other = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	none, own, foreign := token.Confirmation{}, token.Confirmation{JKT: key}, token.Confirmation{JKT: other}
	onEachStore(t, func(t *testing.T, nodes []*rig) {
		renew := func(n int, raw string, proved token.Confirmation) (*grant.Response, string) {
			r := nodes[n].request("web", "refresh_token="+raw)
			r.Proved = proved
			return answer(nodes[n].refresh.Token(t.Context(), r))
		}
		begin := func(t *testing.T, grace time.Duration) string {
			t.Helper()
			for _, n := range nodes {
				n.Clients["web"].AuthMethod, n.Clients["web"].RefreshTokenGrace = oauth.AuthNone, grace
			}
			return nodes[0].signIn(t, "web", "openid").RefreshToken
		}
		must := func(t *testing.T, n int, raw string, proved token.Confirmation) *grant.Response {
			t.Helper()
			got, refused := renew(n, raw, proved)
			if refused != "" {
				t.Fatalf("refresh with %+v: %s, want tokens", proved, refused)
			}
			return got
		}
		never := func(t *testing.T, raw string, proved token.Confirmation) {
			t.Helper()
			for n := range nodes {
				if _, refused := renew(n, raw, proved); refused != oauth.CodeInvalidGrant {
					t.Errorf("refresh on node %d with %+v: %q, want invalid_grant", n, proved, refused)
				}
			}
		}
		t.Run("bound from then on", func(t *testing.T) {
			raw := must(t, 1, must(t, 0, begin(t, 0), none).RefreshToken, own).RefreshToken
			for i := range 3 {
				never(t, raw, none)
				never(t, raw, foreign)
				got := must(t, i%2, raw, own)
				if got.Bound != own {
					t.Errorf("the token is bound to %+v, want %+v", got.Bound, own)
				}
				raw = got.RefreshToken
			}
		})
		for name, proved := range map[string]token.Confirmation{"nothing": none, "another key": foreign, "the key": own} {
			t.Run("what was before, with "+name, func(t *testing.T) {
				before := begin(t, 0)
				got := must(t, 0, before, own)
				never(t, before, proved)
				never(t, got.RefreshToken, own)
				if nodes[0].Active(t, got.Access.Raw) { // it was replayed there first
					t.Error("the access token works after a replay")
				}
			})
		}
		t.Run("repeated within the grace period", func(t *testing.T) {
			before := begin(t, time.Minute)
			next := must(t, 0, before, own).RefreshToken
			if again := must(t, 1, before, own).RefreshToken; again != next {
				t.Error("the repetition has another successor")
			}
			never(t, before, none)
			never(t, before, foreign)
			if got := must(t, 1, next, own); got.Bound != own {
				t.Errorf("the token is bound to %+v, want %+v", got.Bound, own)
			}
		})
		t.Run("a client that authenticates", func(t *testing.T) {
			raw := begin(t, 0)
			for _, n := range nodes {
				n.Clients["web"].AuthMethod = oauth.AuthClientSecretBasic
			}
			for _, proved := range []token.Confirmation{own, foreign, none} {
				raw = must(t, 0, raw, proved).RefreshToken
			}
		})
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
