package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// encryptingAuthority is an authority where tokens for orders are encrypted.
func encryptingAuthority(t testing.TB) *testkit.Authority {
	t.Helper()
	a := newAuthority(t)
	a.Encryption = testkit.EncryptionKey(t)
	return a
}

// forged makes a JWE with a header of its own to the key of orders, which everybody may know.
func forged(t testing.TB, reference string) string {
	t.Helper()
	raw, err := testkit.EncryptionKey(t).Encrypt("eyJhbGciOiJFUzI1NiJ9.e30.c2ln", jose.Envelope{Type: oauth.TypeAccessToken, Reference: reference})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// handleIn is the handle in the header of an encrypted token.
func handleIn(t testing.TB, raw string) string {
	t.Helper()
	handle, ok := jose.Reference(raw, jose.Limits{})
	if !ok {
		t.Fatal("the token has no handle")
	}
	return handle
}

// TestEncrypted: the token of a resource with a key is a signed one, encrypted to it (RFC 7519 §5.2); what is inside says and
// is all that it would have been without.
func TestEncrypted(t *testing.T) {
	a := encryptingAuthority(t)
	auth := a.Authorize(t, "web", a.SignOn(t), "openid", "orders:read")
	raw := mintAgain(t, a, auth)
	if !jose.LooksLikeJWE(raw) {
		t.Fatalf("the token is not encrypted: %.20s…", raw)
	}
	head, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header map[string]any
	if err := json.Unmarshal(text, &header); err != nil {
		t.Fatal(err)
	}
	jws, err := jose.Parse(testkit.Decrypt(t, raw), jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if !jws.Header.TypeIs(oauth.TypeAccessToken) {
		t.Errorf("typ inside = %q, want %s", jws.Header.Type, oauth.TypeAccessToken)
	}
	ring, err := a.Rings.Ring(t.Context(), a.Env)
	if err != nil {
		t.Fatal(err)
	}
	if err := jws.Verify(ring.Set.Find(&jws.Header)); err != nil {
		t.Errorf("the signature inside: %v", err)
	}
	inside := parsed(t, testkit.Decrypt(t, raw))
	delete(header, "epk")
	want := map[string]any{
		"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "cty": "JWT", "typ": "at+jwt", "kid": "1", "token_handle": fmt.Sprintf("%s-%d", inside.ID, inside.Expiry.Unix()),
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	a.Encryption = nil
	plain := parsed(t, mintAgain(t, a, auth))
	if diff := cmp.Diff(plain.Names(), inside.Names()); diff != "" {
		t.Errorf("members (-not encrypted +encrypted):\n%s", diff)
	}
	for _, name := range plain.Names() {
		x, _ := plain.Raw(name)
		if y, _ := inside.Raw(name); name != "jti" && string(x) != string(y) {
			t.Errorf("%s = %s, want %s", name, y, x)
		}
	}
}

// TestEncryptedWhich: the resource's tokens are, people's and clients' own, and nobody else's; opaque ones need it not.
func TestEncryptedWhich(t *testing.T) {
	a := encryptingAuthority(t)
	s := a.SignOn(t)
	granted, err := a.Scopes.ForClient(t.Context(), a.Env, a.Clients["web"], nil)
	if err != nil {
		t.Fatal(err)
	}
	own := func() string {
		m, err := a.Tokens.Mint(t.Context(), a.Env, token.Access{
			Client: "web", For: a.Clients["web"], Scope: granted.Scope, Audience: granted.Audience, Resources: granted.Resources, TTL: granted.TTL,
		})
		if err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	for _, tt := range []struct {
		name, raw string
		want      bool
	}{
		{"a person's for the resource", mintAgain(t, a, a.Authorize(t, "web", s, "openid", "orders:read")), true},
		{"a client's own", own(), true},
		{"a person's for UserInfo", mintAgain(t, a, a.Authorize(t, "web", s, "openid")), false},
	} {
		if got := jose.LooksLikeJWE(tt.raw); got != tt.want || !a.Active(t, tt.raw) {
			t.Errorf("%s: encrypted = %v, active %v, want %v and active", tt.name, got, a.Active(t, tt.raw), tt.want)
		}
	}
	a.Env.OpaqueTokens = true
	if raw := own(); !token.IsOpaque(raw) || !a.Active(t, raw) {
		t.Error("an opaque token of the resource is none that works")
	}
}

// TestEncryptedApart: a token for a resource whose tokens are encrypted and for another one is refused; each by itself is not.
func TestEncryptedApart(t *testing.T) {
	a := encryptingAuthority(t)
	const billing = "https://billing.example.com"
	a.Resources = map[string]*store.Resource{"billing": {
		Environment: a.Env.ID, ID: "billing", Name: "billing", Audience: billing, Scopes: []string{"bills:read"}, AccessTokenTTL: time.Hour,
	}}
	client := a.Clients["web"]
	client.MultipleResources, client.Grants["billing"] = true, []string{"bills:read"}
	s := a.SignOn(t)
	alice := testkit.Alice(a.Env.ID)
	both := a.Authorize(t, "web", s, "orders:read", "bills:read")
	if len(both.Audience) != 2 {
		t.Fatalf("audience = %q, want two", both.Audience)
	}
	for name, err := range map[string]error{
		"Mint":  func() error { _, err := a.Tokens.Mint(t.Context(), a.Env, both.Access(client, alice)); return err }(),
		"Check": a.Tokens.Check(t.Context(), a.Env, both.Access(client, alice)),
	} {
		if oauth.From(err).Code != oauth.CodeInvalidTarget {
			t.Errorf("%s for both: %v, want invalid_target", name, err)
		}
	}
	for resource, encrypted := range map[string]bool{testkit.Audience: true, billing: false} {
		one, err := a.Scopes.Narrow(t.Context(), a.Env, client, both, nil, []string{resource})
		if err != nil {
			t.Fatal(err)
		}
		if raw := mintAgain(t, a, one); jose.LooksLikeJWE(raw) != encrypted || !a.Active(t, raw) {
			t.Errorf("for %s alone: encrypted %v, active %v, want %v, true", resource, jose.LooksLikeJWE(raw), a.Active(t, raw), encrypted)
		}
	}
	granted, err := a.Scopes.ForClient(t.Context(), a.Env, client, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Tokens.Mint(t.Context(), a.Env, token.Access{
		Client: "web", For: client, Scope: granted.Scope, Audience: granted.Audience, Resources: granted.Resources, TTL: granted.TTL,
	})
	if oauth.From(err).Code != oauth.CodeInvalidTarget {
		t.Errorf("a client's own for both: %v, want invalid_target", err)
	}
	a.Encryption = nil
	if raw := mintAgain(t, a, both); jose.LooksLikeJWE(raw) || !a.Active(t, raw) {
		t.Error("for both, of which none has a key: no signed token that works")
	}
}

// TestAttackEncryptedHeader: whose handle a JWE has in its header, and who made it, says nothing. Nobody reads another token by that,
// nor ends one.
func TestAttackEncryptedHeader(t *testing.T) {
	a := encryptingAuthority(t)
	s := a.SignOn(t)
	auth := a.Authorize(t, "web", s, "openid", "orders:read")
	raw, other := mintAgain(t, a, auth), mintAgain(t, a, auth)
	jwt := mintAgain(t, a, a.Authorize(t, "web", s, "openid"))
	c := parsed(t, jwt)
	a.Env.OpaqueTokens = true
	opaque := mintAgain(t, a, a.Authorize(t, "web", s, "openid"))
	a.Env.OpaqueTokens = false
	active, err := a.Verifier.Verify(t.Context(), a.Env, opaque)
	if err != nil {
		t.Fatal(err)
	}
	parts, others := strings.Split(raw, "."), strings.Split(other, ".")
	with := func(i int, part string) string {
		changed := append([]string(nil), parts...)
		changed[i] = part
		return strings.Join(changed, ".")
	}
	cases := map[string]string{
		"the handle of an encrypted token": forged(t, handleIn(t, raw)),
		"the handle of a signed token":     forged(t, fmt.Sprintf("%s-%d", c.ID, c.Expiry.Unix())),
		"the handle of an opaque token":    forged(t, fmt.Sprintf("%s-%d", active.ID(), active.ExpiresAt.Unix())),
		"the handle with another exp":      forged(t, handleIn(t, raw)+"0"),
		"no handle":                        forged(t, ""),
		"a handle that is none":            forged(t, "x"),
		"one part more":                    raw + ".",
		"one part less":                    strings.Join(parts[:4], "."),
		"padded":                           raw + "=",
		"with a space":                     raw + " ",
		"in capitals":                      strings.ToUpper(raw),
	}
	for i := range parts {
		cases[fmt.Sprintf("part %d of another token", i)] = with(i, others[i])
		cases[fmt.Sprintf("part %d empty", i)] = with(i, "")
		changed := []byte(parts[i])
		changed[len(changed)/2] ^= 1
		cases[fmt.Sprintf("one bit of part %d", i)] = with(i, string(changed))
	}
	for range 2 { // the second time the tokens are remembered
		for name, text := range cases {
			if _, err := a.Verifier.Verify(t.Context(), a.Env, text); !errors.Is(err, token.ErrInactive) {
				t.Errorf("%s: Verify = %v, want ErrInactive", name, err)
			}
			if _, err := a.Verifier.Subject(t.Context(), a.Env, text, false); !errors.Is(err, token.ErrInactive) {
				t.Errorf("%s: Subject = %v, want ErrInactive", name, err)
			}
			if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["web"], text); err != nil {
				t.Errorf("%s: Revoke = %v, want nil", name, err)
			}
		}
		for name, text := range map[string]string{"encrypted": raw, "the other": other, "signed": jwt, "opaque": opaque} {
			if !a.Active(t, text) {
				t.Errorf("%s: the token has ended", name)
			}
		}
		remember(a)
	}
}

// TestEncryptedInside: the token inside, which its resource has, is as good as any, and ends with the token.
func TestEncryptedInside(t *testing.T) {
	a := encryptingAuthority(t)
	raw, _ := mintFor(t, a, "web", "openid", "orders:read")
	inside := testkit.Decrypt(t, raw)
	if !a.Active(t, inside) {
		t.Error("the token inside is not active")
	}
	if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["web"], raw); err != nil {
		t.Fatal(err)
	}
	if a.Active(t, raw) || a.Active(t, inside) {
		t.Errorf("after the revocation: active %v, inside %v, want neither", a.Active(t, raw), a.Active(t, inside))
	}
}

// TestEncryptedEnds: whatever ends a token ends one that is encrypted at once, also where it is remembered; and nobody but its client does.
func TestEncryptedEnds(t *testing.T) {
	revoke := func(kind store.RevocationKind, value func(token.Authorization) string) func(*testing.T, *testkit.Authority, token.Authorization, []string) {
		return func(t *testing.T, a *testkit.Authority, auth token.Authorization, _ []string) {
			now := a.Clock.Now()
			r := store.Revocation{Environment: a.Env.ID, Kind: kind, Value: value(auth), At: now, ExpiresAt: now.Add(24 * time.Hour)}
			if err := a.Store.PutRevocation(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name string
		do   func(*testing.T, *testkit.Authority, token.Authorization, []string)
		want bool // it is active afterwards
	}{
		{"its client", func(t *testing.T, a *testkit.Authority, _ token.Authorization, tokens []string) {
			for _, raw := range tokens {
				if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["offline"], raw); err != nil {
					t.Fatal(err)
				}
			}
		}, false},
		{"another client", func(t *testing.T, a *testkit.Authority, _ token.Authorization, tokens []string) {
			for _, raw := range tokens {
				if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["other"], raw); oauth.From(err).Code != oauth.CodeUnauthorizedClient {
					t.Errorf("error = %v, want unauthorized_client", err)
				}
			}
		}, true},
		{"its refresh token", func(t *testing.T, a *testkit.Authority, auth token.Authorization, _ []string) {
			refresh, err := a.Refresh.Begin(t.Context(), a.Env, a.Clients["offline"], auth)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["offline"], refresh.Reveal()); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"its authorization", func(t *testing.T, a *testkit.Authority, auth token.Authorization, _ []string) {
			if err := a.Revoker.EndGrant(t.Context(), a.Env, auth); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"its session", revoke(store.RevokedSession, func(auth token.Authorization) string { return auth.On.Session }), false},
		{"another session", revoke(store.RevokedSession, func(token.Authorization) string { return "another" }), true},
		{"its person", revoke(store.RevokedSubject, func(auth token.Authorization) string { return auth.On.Subject }), false},
		{"its resource", revoke(store.RevokedAudience, func(token.Authorization) string { return testkit.Audience }), false},
		{"the last second", func(_ *testing.T, a *testkit.Authority, auth token.Authorization, _ []string) {
			a.Clock.Advance(auth.TTL - time.Second)
		}, true},
		{"its exp", func(_ *testing.T, a *testkit.Authority, auth token.Authorization, _ []string) {
			a.Clock.Advance(auth.TTL)
		}, false},
		{"the resource's key is gone", func(_ *testing.T, a *testkit.Authority, _ token.Authorization, _ []string) { a.Encryption = nil }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := encryptingAuthority(t)
			remembered, auth := mintFor(t, a, "offline", "openid", "offline_access", "orders:read")
			fresh := mintAgain(t, a, auth)
			if !a.Active(t, remembered) {
				t.Fatal("a new token is not active")
			}
			remember(a)
			tt.do(t, a, auth, []string{remembered, fresh})
			for name, raw := range map[string]string{"remembered": remembered, "fresh": fresh} {
				if got := a.Active(t, raw); got != tt.want {
					t.Errorf("%s: active = %v, want %v", name, got, tt.want)
				}
			}
		})
	}
}

// TestEncryptedKeyWithdrawn: with the key that has signed what is inside goes the token, as for whoever opens it.
func TestEncryptedKeyWithdrawn(t *testing.T) {
	a, other := encryptingAuthority(t), newAuthority(t)
	raw, _ := mintFor(t, a, "web", "openid", "orders:read")
	withdrawn := *a.Verifier
	withdrawn.Keys = other.Rings // of the same environment, and without that key
	for range 2 {
		if _, err := withdrawn.Verify(t.Context(), a.Env, raw); !errors.Is(err, token.ErrInactive) {
			t.Errorf("without its key: error = %v, want ErrInactive", err)
		}
		if !a.Active(t, raw) {
			t.Error("with its key: not active")
		}
		remember(a)
	}
}

// TestEncryptedElsewhere: it is one of its environment alone, of whatever domain of that.
func TestEncryptedElsewhere(t *testing.T) {
	a := encryptingAuthority(t)
	raw, _ := mintFor(t, a, "web", "openid", "orders:read")
	checkElsewhere(t, a, raw)
}

// TestEncryptedSubject: what is exchanged is as it would be of a token that is not encrypted, and as a JWT it is itself.
func TestEncryptedSubject(t *testing.T) {
	a := encryptingAuthority(t)
	auth := a.Authorize(t, "web", a.SignOn(t), "openid", "orders:read")
	raw := mintAgain(t, a, auth)
	got, err := a.Verifier.Subject(t.Context(), a.Env, raw, false)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := a.Verifier.Subject(t.Context(), a.Env, testkit.Decrypt(t, raw), false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(inside.Chain(), got.Chain()); diff != "" || got.User != inside.User || got.Session != inside.Session || got.Grant != inside.Grant ||
		!got.AuthTime.Equal(inside.AuthTime) || got.ACR != inside.ACR {
		t.Errorf("subject = %+v, want %+v", got, inside)
	}
	if jwt, err := a.Verifier.JWT(t.Context(), a.Env, raw); jwt != raw || err != nil {
		t.Errorf("as a JWT: it is another text, %v", err)
	}
}

// TestEncryptedAtRest: the store has a hash, and nobody who prints a record sees claims.
func TestEncryptedAtRest(t *testing.T) {
	a := encryptingAuthority(t)
	raw, auth := mintFor(t, a, "web", "openid", "orders:read")
	list, err := a.Store.ListAccessTokens(t.Context(), store.AccessTokenFilter{Environment: a.Env.ID, Client: "web"}, "", 10, a.Clock.Now())
	if err != nil || len(list) != 1 {
		t.Fatalf("%d records, %v", len(list), err)
	}
	inside := testkit.Decrypt(t, raw)
	if s := string(list[0].Data); strings.Contains(s, raw) || strings.Contains(s, inside[strings.LastIndexByte(inside, '.')+1:]) {
		t.Error("the token, or the signature inside, is in its record")
	}
	records := &token.Records{Store: a.Store, Set: a.Set, Now: a.Clock.Now}
	r, err := records.ByID(t.Context(), a.Env, list[0].ID, list[0].ExpiresAt)
	if err != nil {
		t.Fatal(err)
	}
	if r.Handle() != handleIn(t, raw) {
		t.Errorf("the header has %q, want the record's handle %q", handleIn(t, raw), r.Handle())
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if s := fmt.Sprintf(verb, r.Details) + fmt.Sprintf(verb, *r); strings.Contains(s, "client_id") || strings.Contains(s, auth.Issuer) {
			t.Errorf("%s shows claims: %s", verb, s)
		}
	}
}

// TestEncryptedBounds: what gates would not read is not handed out.
func TestEncryptedBounds(t *testing.T) {
	a := encryptingAuthority(t)
	for size, ok := range map[int]bool{10: true, 8_000: true, 9_500: false, 17_000: false} {
		m, err := a.Tokens.Mint(t.Context(), a.Env, token.Access{
			Client: "web", For: a.Clients["web"], Scope: []string{strings.Repeat("s", size)}, Audience: []string{testkit.Audience},
			Resources: []string{"orders"}, TTL: time.Hour,
		})
		if (err == nil) != ok {
			t.Errorf("a scope of %d bytes: error = %v, want success %v", size, err, ok)
		}
		if err == nil && (!a.Active(t, m.Raw) || parsed(t, testkit.Decrypt(t, m.Raw)).ID != m.ID) {
			t.Errorf("a scope of %d bytes: the token is not active", size)
		}
	}
}

// TestEncryptedOutside: the client of an encrypted token is told what it knows anyway (RFC 9068 §6), of any other all.
func TestEncryptedOutside(t *testing.T) {
	a := encryptingAuthority(t)
	raw, auth := mintFor(t, a, "web", "openid", "orders:read")
	active, err := a.Verifier.Verify(t.Context(), a.Env, raw)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(active.Outside, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"active": true, "scope": "openid orders:read", "client_id": "web", "token_type": "Bearer", "iss": auth.Issuer, "aud": testkit.Audience,
		"iat": float64(noon.Unix()), "exp": float64(noon.Add(auth.TTL).Unix()),
	}
	if aud, ok := got["aud"].([]any); ok && len(aud) == 1 {
		got["aud"] = aud[0]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
	plain, err := a.Verifier.Verify(t.Context(), a.Env, testkit.Decrypt(t, raw))
	if err != nil || plain.Outside != nil || string(plain.Introspection) != string(active.Introspection) {
		t.Errorf("the token inside: %v, %s and outside %q, want what the whole says, and nothing", err, plain.Introspection, plain.Outside)
	}
}
