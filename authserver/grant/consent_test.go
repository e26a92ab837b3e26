package grant_test

import (
	"errors"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestCodeNeedsConsent: what was withdrawn between the code and the token brings none.
func TestCodeNeedsConsent(t *testing.T) {
	tests := []struct {
		name   string
		asks   store.Consent
		agreed []string // nil: the consent was withdrawn
		want   string
	}{
		{"good: once", store.ConsentOnce, []string{"openid", "orders:read"}, ""},
		{"good: always", store.ConsentAlways, []string{"openid", "orders:read"}, ""},
		{"good: nobody is asked about the client", store.ConsentNever, nil, ""},
		{"withdrawn", store.ConsentOnce, nil, "invalid_grant"},
		{"withdrawn, asked always", store.ConsentAlways, nil, "invalid_grant"},
		{"withdrawn in part", store.ConsentOnce, []string{"openid"}, "invalid_grant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			alice := testkit.Alice(g.Env.ID).ID
			if err := g.Store.DeleteConsent(t.Context(), g.Env.ID, alice, "web"); err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			if tt.agreed != nil {
				record := store.ConsentRecord{Environment: g.Env.ID, Subject: alice, Client: "web", Scopes: tt.agreed, UpdatedAt: g.Clock.Now()}
				if err := g.Store.PutConsent(t.Context(), record); err != nil {
					t.Fatal(err)
				}
			}
			g.Clients["web"].Consent = tt.asks
			a := g.Authorize(t, "web", g.SignOn(t), "openid", "orders:read")
			response, got := g.redeem(t, "web", g.Code(t, a))
			if got != tt.want {
				t.Fatalf("error = %q, want %q", got, tt.want)
			}
			if (response == nil) != (tt.want != "") {
				t.Errorf("tokens = %v", response != nil)
			}
			now := g.Clock.Now()
			left, err := g.Store.ListFamilies(t.Context(), store.FamilyFilter{Environment: g.Env.ID, ID: a.Grant}, "", 10, now)
			if err != nil || (len(left) > 0) != (tt.want == "") {
				t.Errorf("refresh token families = %d, %v", len(left), err)
			}
		})
	}
}
