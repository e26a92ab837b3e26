package logout_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestLogoutTokenIsSignedByTheClientsPolicy, and by no other key where the policy is gone.
func TestLogoutTokenIsSignedByTheClientsPolicy(t *testing.T) {
	p := newRelyingParty(t)
	g := newRig(t, p.options())
	rings := keys.New(keys.Config{
		Store: g.db, Now: g.clock.Now, Log: slog.New(slog.DiscardHandler),
		Sealer: func(bool) (*secret.Sealer, error) {
			return secret.NewSealer([]byte("0123456789abcdef0123456789abcdef"))
		},
		Policies: func(context.Context, *store.Environment) ([]keys.Policy, error) {
			return []keys.Policy{{ID: "p", DN: "CN=P", Period: 30 * 24 * time.Hour, Validity: 365 * 24 * time.Hour}}, nil
		},
	})
	g.ender.Keys = rings
	g.directory.put(
		&store.Client{ID: "web", Enabled: true, BackchannelLogoutURI: p.URL, KeyRotationPolicy: "p"},
		&store.Client{ID: "lost", Enabled: true, BackchannelLogoutURI: p.URL, KeyRotationPolicy: "gone"},
	)
	b := g.signOn("web", "lost")
	if _, err := g.ender.End(t.Context(), g.env, b.Session.ID, b); err != nil {
		t.Fatal(err)
	}
	g.ender.DeliverDue(t.Context())
	got := p.requests()
	if len(got) != 1 {
		t.Fatalf("%d requests, want the one of the client whose policy has a key", len(got))
	}
	jws, err := jose.Parse(logoutToken(t, got[0]), jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := rings.SignerFor(t.Context(), g.env, "p")
	if err != nil {
		t.Fatal(err)
	}
	if jws.Header.KeyID != signer.ID() || jws.Verify(signer.Public()) != nil {
		t.Errorf("signed by %s, want the policy's %s", jws.Header.KeyID, signer.ID())
	}
}
