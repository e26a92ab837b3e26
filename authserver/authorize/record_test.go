package authorize_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestIssueRecords: the record of a token of the front channel says how it came to
// be, and the ID token beside an opaque one binds it like a JWT.
func TestIssueRecords(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		for _, types := range []string{"token", "id_token token", "code token", "code id_token token"} {
			k := newKit(t)
			k.env.OpaqueTokens = opaque
			_, r := k.issue(t, "response_type", types, "code_challenge", challenge, "code_challenge_method", "S256", "scope", "openid",
				"claims", `{"userinfo":{"email":null}}`)
			raw := param(r, "access_token")
			if token.IsOpaque(raw) != opaque {
				t.Errorf("%s: opaque = %v, want %v", types, !opaque, opaque)
			}
			if id := param(r, "id_token"); id != "" {
				if got, want := k.open(t, id)["at_hash"], hash(t, raw); got != want {
					t.Errorf("%s: at_hash = %v, want %q", types, got, want)
				}
			}
			list, err := k.db.ListAccessTokens(t.Context(), store.AccessTokenFilter{Environment: k.env.ID, Client: "app"}, "", 10, k.clock.Now())
			if err != nil || len(list) != 1 {
				t.Fatalf("%s: %d records, %v, want 1", types, len(list), err)
			}
			records := &token.Records{Store: k.db, Set: caughtUp(k.clock.Now), Now: k.clock.Now}
			got, err := records.ByID(t.Context(), k.env, list[0].ID, list[0].ExpiresAt)
			if err != nil {
				t.Fatal(err)
			}
			d := got.Details
			if (d.Opaque != nil) != opaque {
				t.Errorf("%s: the record is of an opaque token: %v, want %v", types, !opaque, opaque)
			}
			want := token.Details{
				GrantType: oauth.GrantImplicit, RedirectURI: callback, Nonce: "n-1", Claims: `{"userinfo":{"email":{}}}`,
				AuthTime: d.AuthTime, ACR: d.ACR, AMR: d.AMR,
			}
			d.Opaque = nil
			if diff := cmp.Diff(want, d); diff != "" || d.AuthTime == 0 {
				t.Errorf("%s: auth_time %d (-want +got):\n%s", types, d.AuthTime, diff)
			}
		}
	}
}

// caughtUp is a set of revocations in which there is none.
func caughtUp(now func() time.Time) *token.Revocations {
	s := token.NewRevocations(now)
	s.Alive(true)
	return s
}
