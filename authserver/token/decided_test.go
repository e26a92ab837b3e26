package token_test

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestWhatWasDecidedStillStands: no token comes of a decision on a client that was
// changed before the token was stored.
func TestWhatWasDecidedStillStands(t *testing.T) {
	a := newAuthority(t)
	decided := a.Clients["web"]
	access := token.Access{Client: "web", For: decided, Audience: []string{testkit.Audience}, Scope: []string{"orders:read"}, TTL: time.Hour}
	for name, tt := range map[string]struct {
		change func(*store.Client) *store.Client // what the directory says when the token is stored
		want   string
	}{
		"the same":                {func(c *store.Client) *store.Client { return c }, ""},
		"read again, and alike":   {func(c *store.Client) *store.Client { d := *c; return &d }, ""},
		"disabled":                {func(c *store.Client) *store.Client { d := *c; d.Enabled = false; return &d }, oauth.CodeTemporarilyUnavailable},
		"with fewer scopes":       {func(c *store.Client) *store.Client { d := *c; d.Grants = nil; return &d }, oauth.CodeTemporarilyUnavailable},
		"with another secret":     {func(c *store.Client) *store.Client { d := *c; d.Secrets = slices.Clone(d.Secrets[:0]); return &d }, oauth.CodeTemporarilyUnavailable},
		"signing with other keys": {func(c *store.Client) *store.Client { d := *c; d.KeyRotationPolicy = "p"; return &d }, oauth.CodeTemporarilyUnavailable},
	} {
		minter := *a.Tokens
		minter.Directory = clientAlone{a.Directory(), tt.change(decided)}
		_, err := minter.Mint(t.Context(), a.Env, access)
		if (err == nil) != (tt.want == "") || err != nil && oauth.From(err).Code != tt.want {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	minter := *a.Tokens
	minter.Directory = clientAlone{a.Directory(), func() *store.Client { d := *decided; return &d }()}
	access.Audience = []string{"https://gone.example.com"}
	if _, err := minter.Mint(t.Context(), a.Env, access); err == nil || oauth.From(err).Code != oauth.CodeTemporarilyUnavailable {
		t.Errorf("an audience that is no resource's any more: %v", err)
	}
	access.For, access.Audience = nil, []string{testkit.Audience}
	if _, err := a.Tokens.Mint(t.Context(), a.Env, access); err == nil {
		t.Error("a token for nobody in particular was made")
	}
}

// TestNoTokenIsBornRevoked: tokens are dated in whole seconds, so that one made in
// the second in which its client's tokens were revoked would have ended with
// them. It is made in the next one.
func TestNoTokenIsBornRevoked(t *testing.T) {
	a := newAuthority(t)
	minter := *a.Tokens
	minter.Set, minter.Now = a.Set, time.Now
	access := token.Access{Client: "web", For: a.Clients["web"], Audience: []string{testkit.Audience}, TTL: time.Hour}
	for name, r := range map[string]store.Revocation{
		"client":   {Kind: store.RevokedClient, Value: "web"},
		"audience": {Kind: store.RevokedAudience, Value: testkit.Audience},
	} {
		r.Environment, r.At = a.Env.ID, time.Now().UTC().Truncate(time.Second)
		r.ExpiresAt = r.At.Add(time.Hour)
		a.Set.Add(r)
		m, err := minter.Mint(t.Context(), a.Env, access)
		if err != nil {
			t.Fatal(err)
		}
		if c := parsed(t, m.Raw); c.IssuedAt.Unix() <= r.At.Unix() {
			t.Errorf("%s: issued at %v, revoked at %v", name, c.IssuedAt, r.At)
		}
	}
}
