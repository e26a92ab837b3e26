package logout_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestHint(t *testing.T) {
	g := newRig(t, fetch.Options{})
	g.directory.put(&store.Client{ID: "web", Enabled: true}, &store.Client{ID: "off"})
	now := g.clock.Now().Unix()
	good := map[string]any{
		"iss": issuer, "sub": subject, "aud": "web", "iat": now, "exp": now + 3600, "auth_time": now, "sid": "s-1", "nonce": "n",
	}
	with := func(pairs ...any) map[string]any {
		m := maps.Clone(good)
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] == nil {
				delete(m, pairs[i].(string))
				continue
			}
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	tests := []struct {
		name   string
		typ    string
		claims map[string]any
		want   string // error code
	}{
		{"an ID token", "JWT", good, ""},
		{"without typ", "", good, ""},
		{"without sid", "JWT", with("sid", nil), ""},
		{"expired", "JWT", with("iat", now-7200, "exp", now-3600), ""},
		{"aud in a list", "JWT", with("aud", []string{"web"}), ""},
		{"whose sub is mapped", "JWT", with("sub", "alice@example.com", "unmapped_sub", subject), ""},
		{"another issuer", "JWT", with("iss", "https://auth.example.com/other/as"), "invalid_request"},
		{"issuer with a slash more", "JWT", with("iss", issuer+"/"), "invalid_request"},
		{"without iss", "JWT", with("iss", nil), "invalid_request"},
		{"an unknown client", "JWT", with("aud", "nobody"), "invalid_request"},
		{"a disabled client", "JWT", with("aud", "off"), "invalid_request"},
		{"two audiences", "JWT", with("aud", []string{"web", "other"}), "invalid_request"},
		{"without aud", "JWT", with("aud", nil), "invalid_request"},
		{"without sub", "JWT", with("sub", nil), "invalid_request"},
		{"sid that is no string", "JWT", with("sid", 7), "invalid_request"},
		{"empty sid", "JWT", with("sid", ""), "invalid_request"},
		{"case_131/a logout token", "logout+jwt", with("auth_time", nil, "nonce", nil, "events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}), "invalid_request"},
		{"a logout token as JWT", "JWT", with("events", map[string]any{}), "invalid_request"},
		{"an access token", "at+jwt", with("client_id", "web", "scope", "openid"), "invalid_request"},
		{"an access token as JWT", "JWT", with("client_id", "web"), "invalid_request"},
		{"a signed UserInfo answer", "JWT", with("exp", nil, "iat", nil, "auth_time", nil), "invalid_request"},
	}
	signer, err := g.rings.Signer(t.Context(), g.env)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := json.Marshal(tt.claims)
			raw, err := signer.Sign(tt.typ, b)
			if err != nil {
				t.Fatal(err)
			}
			h, err := g.ender.Hint(t.Context(), g.env, raw)
			if got := code(err); got != tt.want {
				t.Fatalf("error code = %q, want %q (%v)", got, tt.want, err)
			}
			if err == nil && (h.Client.ID != "web" || h.Subject != subject) {
				t.Errorf("got %+v, want web and its person", h)
			}
			if err != nil && strings.Contains(err.Error(), raw) {
				t.Error("the error has the token in it")
			}
		})
	}

	raw := g.idToken("web", "s-1")
	parts := strings.Split(raw, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	foreign, _ := json.Marshal(good)
	byForeignKey, err := testkit.SigningKey(t, testkit.ECKey, "ES256", signer.ID()).Sign("JWT", foreign)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"oidcc-rp-initiated-logout-modified-id-token-hint": none,
		"alg none with the signature kept":                 none + parts[2],
		"oidcc-rp-initiated-logout-bad-id-token-hint":      byForeignKey,
		"another payload under the signature":              parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2],
		"not a token":                                      "x",
		"dots":                                             strings.Repeat(".", 100),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := g.ender.Hint(t.Context(), g.env, bad); code(err) != oauth.CodeInvalidRequest {
				t.Errorf("error = %v, want invalid_request", err)
			}
		})
	}
	t.Run("case_108/at another environment", func(t *testing.T) {
		other := *g.env
		other.ID, other.Issuer = "0b000000-0000-4000-8000-00000000000b", "https://auth.example.com/0b000000-0000-4000-8000-00000000000b/as"
		if _, err := g.ender.Hint(t.Context(), &other, raw); code(err) != oauth.CodeInvalidRequest {
			t.Errorf("error = %v, want invalid_request", err)
		}
	})
	t.Run("the issuer is that of the address called", func(t *testing.T) {
		domain := g.env.At(store.Domain{Host: "id.example.org", Issuer: "https://id.example.org/as"})
		domain.AllIssuers = []string{issuer, "https://id.example.org/as"}
		if _, err := g.ender.Hint(t.Context(), domain, raw); code(err) != oauth.CodeInvalidRequest {
			t.Errorf("error = %v, want invalid_request", err)
		}
	})
}

func TestHintSignedWithARetiredKey(t *testing.T) {
	g := newRig(t, fetch.Options{})
	g.directory.put(&store.Client{ID: "web", Enabled: true})
	raw := g.idToken("web", "s-1")
	before, err := g.rings.Signer(t.Context(), g.env)
	if err != nil {
		t.Fatal(err)
	}
	g.clock.Advance(g.env.KeyRotation)
	if err := g.rings.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, _ := g.rings.Signer(t.Context(), g.env); after.ID() == before.ID() {
		t.Fatal("the key was not rotated")
	}
	if _, err := g.ender.Hint(t.Context(), g.env, raw); err != nil {
		t.Errorf("the hint was refused: %v", err)
	}
	t.Run("until it is withdrawn", func(t *testing.T) {
		g.clock.Advance(365 * 24 * time.Hour)
		for range 3 {
			if err := g.rings.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.clock.Advance(g.env.KeyRotation)
		}
		if _, err := g.ender.Hint(t.Context(), g.env, raw); code(err) != oauth.CodeInvalidRequest {
			t.Errorf("error = %v, want invalid_request", err)
		}
	})
}

func TestHintWhenNothingCanBeAsked(t *testing.T) {
	g := newRig(t, fetch.Options{})
	raw := g.idToken("web", "s-1")
	g.ender.Directory = &silentDirectory{Directory: g.directory}
	if _, err := g.ender.Hint(t.Context(), g.env, raw); code(err) != oauth.CodeTemporarilyUnavailable || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error = %v, want temporarily_unavailable", err)
	}
}

// silentDirectory cannot find clients now.
type silentDirectory struct{ store.Directory }

func (silentDirectory) ClientByID(context.Context, string, string) (*store.Client, error) {
	return nil, store.ErrUnavailable
}
