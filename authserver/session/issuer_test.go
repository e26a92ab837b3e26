package session_test

import (
	"fmt"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestIssuerFor: a client is told of the end of a session by the issuer at which it took part, wherever that end is.
func TestIssuerFor(t *testing.T) {
	k := newKit(t)
	const domain, realm = "https://id.example.org/as", "https://auth.example.com/am/oauth2/realms/root/realms/alpha"
	first := k.env.Issuer
	k.env.AllIssuers = []string{first, domain, realm}
	at := func(issuer string) *store.Environment { return k.env.At(store.Domain{Issuer: issuer}) }
	a := k.agent()
	a.signOn(t, alice)
	b := a.read(t)
	for _, took := range []struct{ client, at string }{{"web", first}, {"moved", first}, {"old", realm}, {"moved", domain}, {"back", realm}, {"back", first}} {
		if err := k.Join(t.Context(), at(took.at), b, took.client); err != nil {
			t.Fatal(err)
		}
	}
	s := a.read(t).Session
	for _, tt := range []struct{ name, client, want string }{
		{"the first issuer", "web", first}, {"another one", "old", realm}, {"the latest of two", "moved", domain}, {"back at the first", "back", first}, {"not in the session", "stranger", first},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, off := range []string{first, domain, realm} {
				if got := s.IssuerFor(at(off), tt.client); got != tt.want {
					t.Errorf("signed off at %s: %s, want %s", off, got, tt.want)
				}
			}
		})
	}
	t.Run("a place that is gone", func(t *testing.T) {
		k.env.AllIssuers = []string{first, realm}
		if got := s.IssuerFor(k.env, "moved"); got != first {
			t.Errorf("issuer = %s, want the first", got)
		}
		k.env.AllIssuers = []string{first, domain, realm}
	})
	t.Run("no more issuers than clients", func(t *testing.T) {
		for i := range 510 {
			if err := k.Join(t.Context(), at(realm), b, fmt.Sprint("client", i)); err != nil {
				t.Fatal(err)
			}
		}
		if got := a.read(t).Session; len(got.Clients) != 500 || len(got.Issuers) != 500 {
			t.Errorf("%d clients and %d issuers, want 500 of each", len(got.Clients), len(got.Issuers))
		}
	})
}
