package token_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// opaqueAuthority is an authority whose tokens say nothing by themselves.
func opaqueAuthority(t testing.TB) *testkit.Authority {
	t.Helper()
	a := newAuthority(t)
	a.Env.OpaqueTokens = true
	return a
}

// mintFor makes a token of alice's for a client, and says what she granted.
func mintFor(t testing.TB, a *testkit.Authority, client string, scope ...string) (string, token.Authorization) {
	t.Helper()
	auth := a.Authorize(t, client, a.SignOn(t), scope...)
	return mintAgain(t, a, auth), auth
}

func mintAgain(t testing.TB, a *testkit.Authority, auth token.Authorization) string {
	t.Helper()
	access := auth.Access(a.Clients[auth.Client], testkit.Alice(a.Env.ID))
	access.GrantType = oauth.GrantAuthorizationCode
	m, err := a.Tokens.Mint(t.Context(), a.Env, access)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

// remember waits until what was verified is in the cache.
func remember(a *testkit.Authority) { a.Verifier.Cache.Wait() }

// TestFormat: the client says what its tokens are, and where it does not the environment.
func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		environment bool
		client      store.AccessTokenFormat
		want        bool
	}{
		{false, store.FormatDefault, false},
		{false, store.FormatJWT, false},
		{false, store.FormatOpaque, true},
		{true, store.FormatDefault, true},
		{true, store.FormatJWT, false},
		{true, store.FormatOpaque, true},
	} {
		a := newAuthority(t)
		a.Env.OpaqueTokens, a.Clients["web"].AccessTokenFormat = tt.environment, tt.client
		raw, _ := mintFor(t, a, "web", "openid")
		if got := token.IsOpaque(raw); got != tt.want || strings.Contains(raw, ".") == tt.want {
			t.Errorf("environment %v, client %q: opaque = %v, want %v", tt.environment, tt.client, got, tt.want)
		}
		if !a.Active(t, raw) {
			t.Errorf("environment %v, client %q: the token is not active", tt.environment, tt.client)
		}
	}
}

// TestSwitchedFormat: tokens of the other kind that are out stay good, and can be revoked.
func TestSwitchedFormat(t *testing.T) {
	a := newAuthority(t)
	client := a.Clients["web"]
	formats := []store.AccessTokenFormat{store.FormatJWT, store.FormatOpaque, store.FormatJWT}
	var tokens []string
	for _, f := range formats {
		client.AccessTokenFormat = f
		raw, _ := mintFor(t, a, "web", "openid")
		tokens = append(tokens, raw)
	}
	for i, raw := range tokens {
		if !a.Active(t, raw) {
			t.Errorf("token %d is not active", i)
		}
	}
	for i, raw := range tokens {
		if err := a.Revoker.Revoke(t.Context(), a.Env, client, raw); err != nil {
			t.Fatal(err)
		}
		for k, other := range tokens {
			if got, want := a.Active(t, other), k > i; got != want {
				t.Errorf("%d were revoked: token %d active = %v, want %v", i+1, k, got, want)
			}
		}
	}
}

// TestSameAnswers: of both kinds the same is said to who introspects, and the same is known of the person.
func TestSameAnswers(t *testing.T) {
	answers := map[bool]map[string]any{}
	people := map[bool]token.Person{}
	for _, opaque := range []bool{false, true} {
		a := newAuthority(t)
		a.Env.OpaqueTokens = opaque
		auth := a.Authorize(t, "web", a.SignOn(t), "openid", "profile")
		auth.Grant, auth.On.Session = "the-grant", "the-session"
		auth.Claims.UserInfo = map[string]oauth.ClaimRequest{"email": {}}
		active, err := a.Verifier.Verify(t.Context(), a.Env, mintAgain(t, a, auth))
		if err != nil {
			t.Fatal(err)
		}
		var answer map[string]any
		if err := json.Unmarshal(active.Introspection, &answer); err != nil {
			t.Fatal(err)
		}
		answer["jti"] = "of each its own"
		answers[opaque], people[opaque] = answer, *active.Person
	}
	if diff := cmp.Diff(answers[false], answers[true]); diff != "" {
		t.Errorf("introspection (-JWT +opaque):\n%s", diff)
	}
	if diff := cmp.Diff(people[false], people[true]); diff != "" {
		t.Errorf("person (-JWT +opaque):\n%s", diff)
	}
}

// TestOpaqueMutations: no other text than the token itself works, whichever bit of
// exp, jti or secret differs, also when the token itself is remembered.
func TestOpaqueMutations(t *testing.T) {
	a := opaqueAuthority(t)
	raw, _ := mintFor(t, a, "web", "openid")
	b, err := base64.RawURLEncoding.DecodeString(raw)
	if err != nil || len(b) != 52 {
		t.Fatalf("the token is not 52 bytes of base64url: %d, %v", len(b), err)
	}
	refuse := func(name, changed string) {
		t.Helper()
		if _, err := a.Verifier.Verify(t.Context(), a.Env, changed); !errors.Is(err, token.ErrInactive) {
			t.Errorf("%s: error = %v, want ErrInactive", name, err)
		}
		gate := &token.Local{Environment: a.Env, Rings: a.Rings, Set: a.Set, Store: a.Store}
		if c, err := gate.Opaque(t.Context(), changed); c != nil || err != nil {
			t.Errorf("%s: the gate's claims = %v, %v, want nil, nil", name, c != nil, err)
		}
		if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["web"], changed); err != nil {
			t.Errorf("%s: Revoke = %v, want nil", name, err)
		}
	}
	for range 2 { // the second time it is remembered
		for bit := range 8 * len(b) {
			changed := []byte(string(b))
			changed[bit/8] ^= 1 << (bit % 8)
			refuse(fmt.Sprint("bit ", bit), base64.RawURLEncoding.EncodeToString(changed))
		}
		// Other spellings of the same bytes.
		last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", raw[69])
		for _, changed := range []string{
			raw + "=", raw + "==", " " + raw, raw + "\n", raw[:35] + "\n" + raw[35:], raw[:35] + "\r" + raw[36:], raw[:69], raw + "A", raw + raw, "",
			raw[:69] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1]),
		} {
			if changed != raw {
				refuse(fmt.Sprintf("%d characters", len(changed)), changed)
			}
		}
		if !a.Active(t, raw) {
			t.Fatal("the token itself is not active")
		}
		remember(a)
	}
}

// TestOpaqueElsewhere: an opaque token is one of its environment alone, and of whatever domain of that.
func TestOpaqueElsewhere(t *testing.T) {
	a := opaqueAuthority(t)
	raw, _ := mintFor(t, a, "web", "openid")
	checkElsewhere(t, a, raw)
	other := elsewhere(a)
	gate := &token.Local{Environment: &other, Rings: a.Rings, Set: a.Set, Store: a.Store}
	if c, err := gate.Opaque(t.Context(), raw); c != nil || err != nil {
		t.Errorf("the gate of another environment: claims %v, %v, want none", c != nil, err)
	}
	if id, err := a.Verifier.EnvironmentOf(t.Context(), raw); id != a.Env.ID || err != nil {
		t.Errorf("EnvironmentOf = %q, %v, want %q", id, err, a.Env.ID)
	}
	if _, err := a.Verifier.EnvironmentOf(t.Context(), "x"); !errors.Is(err, token.ErrInactive) {
		t.Errorf("EnvironmentOf of what is no token = %v, want ErrInactive", err)
	}
}

// elsewhere is another environment than a's.
func elsewhere(a *testkit.Authority) store.Environment {
	other := *a.Env
	other.ID, other.Issuer, other.AllIssuers = "0b000000-0000-4000-8000-00000000000b", "https://auth.example.com/b/as", nil
	return other
}

// checkElsewhere: a token, which works, works in its environment alone.
func checkElsewhere(t *testing.T, a *testkit.Authority, raw string) {
	t.Helper()
	other := elsewhere(a)
	posing := other // takes the issuer of the first for its own
	posing.Issuer = a.Env.Issuer
	moved := *a.Env // has lost the domain that the token came from
	moved.Issuer, moved.AllIssuers = "https://login.example.com/as", []string{"https://login.example.com/as"}
	for name, tt := range map[string]struct {
		env  *store.Environment
		want bool
	}{
		"its own":                         {a.Env, true},
		"through another domain":          {a.Env.At(store.Domain{Issuer: "https://login.example.com/as"}), true},
		"another environment":             {&other, false},
		"another one with its issuer":     {&posing, false},
		"without the domain it came from": {&moved, false},
	} {
		for range 2 {
			if _, err := a.Verifier.Verify(t.Context(), tt.env, raw); (err == nil) != tt.want || err != nil && !errors.Is(err, token.ErrInactive) {
				t.Errorf("%s: error = %v, want active %v", name, err, tt.want)
			}
			remember(a)
		}
	}
}

// TestOpaqueOfJWT: who knows the jti and exp of a JWT has no opaque token by that.
func TestOpaqueOfJWT(t *testing.T) {
	a := newAuthority(t)
	raw, _ := mintFor(t, a, "web", "openid")
	c := parsed(t, raw)
	id, ok := secret.IDBytes(c.ID)
	if !ok {
		t.Fatal("the jti is not a UUID")
	}
	at := uint32(c.Expiry.Unix())
	b := append([]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}, id[:]...)
	forged := base64.RawURLEncoding.EncodeToString(append(b, make([]byte, 32)...))
	if !token.IsOpaque(forged) {
		t.Fatal("the forged text has not the form of a token")
	}
	if _, err := a.Verifier.Verify(t.Context(), a.Env, forged); !errors.Is(err, token.ErrInactive) {
		t.Errorf("Verify = %v, want ErrInactive", err)
	}
}

// TestOpaqueExpires: at its exp and not before, whether it is remembered or not; a gate is told its exp.
func TestOpaqueExpires(t *testing.T) {
	a := opaqueAuthority(t)
	gate := &token.Local{Environment: a.Env, Rings: a.Rings, Set: a.Set, Store: a.Store}
	remembered, auth := mintFor(t, a, "web", "openid")
	fresh := mintAgain(t, a, auth)
	if !a.Active(t, remembered) {
		t.Fatal("a new token is not active")
	}
	remember(a)
	a.Clock.Advance(auth.TTL - time.Second)
	if !a.Active(t, remembered) || !a.Active(t, fresh) {
		t.Error("in the last second: not active")
	}
	a.Clock.Advance(time.Second)
	if a.Active(t, remembered) || a.Active(t, fresh) {
		t.Error("at its exp: active")
	}
	c, err := gate.Opaque(t.Context(), fresh)
	if err != nil || c == nil || !c.Expiry.Equal(noon.Add(auth.TTL)) {
		t.Errorf("the gate's claims = %v, %v, want its exp", c != nil, err)
	}
}

// TestSameVerdicts: whatever is revoked in whatever order, a JWT and an opaque token of the
// same authorization are good or not alike, at the server and at the gate.
func TestSameVerdicts(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			a := newAuthority(t)
			gate := &token.Local{Environment: a.Env, Rings: a.Rings, Set: a.Set, Store: a.Store}
			records := &token.Records{Store: a.Store, Set: a.Set, Now: a.Clock.Now}
			type pair struct {
				jwt, opaque string
				auth        token.Authorization
			}
			var pairs []pair
			issue := func() {
				client := []string{"web", "offline", "spa"}[random.IntN(3)]
				p := pair{auth: a.Authorize(t, client, a.SignOn(t), [][]string{{"openid"}, {"orders:read"}}[random.IntN(2)]...)}
				a.Env.OpaqueTokens = false
				p.jwt = mintAgain(t, a, p.auth)
				a.Env.OpaqueTokens = true
				p.opaque = mintAgain(t, a, p.auth)
				pairs = append(pairs, p)
			}
			for range 6 {
				issue()
			}
			revoke := func(kind store.RevocationKind, value string) {
				now := a.Clock.Now()
				r := store.Revocation{Environment: a.Env.ID, Kind: kind, Value: value, At: now, ExpiresAt: now.Add(24 * time.Hour)}
				if err := a.Store.PutRevocation(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			for step := range 12 {
				p := pairs[random.IntN(len(pairs))]
				switch random.IntN(8) {
				case 0: // both, each by itself
					for _, raw := range []string{p.jwt, p.opaque} {
						if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients[p.auth.Client], raw); err != nil {
							t.Fatal(err)
						}
					}
				case 1:
					if err := a.Revoker.EndGrant(t.Context(), a.Env, p.auth); err != nil {
						t.Fatal(err)
					}
				case 2:
					revoke(store.RevokedSession, p.auth.On.Session)
				case 3:
					if random.IntN(3) == 0 {
						revoke(store.RevokedClient, p.auth.Client)
					}
				case 4:
					if random.IntN(6) == 0 {
						revoke(store.RevokedSubject, p.auth.On.Subject)
					}
				case 5:
					if random.IntN(3) == 0 {
						revoke(store.RevokedAudience, testkit.Audience)
					}
				case 6:
					a.Clock.Advance(time.Duration(random.IntN(200)) * time.Second)
				case 7:
					issue()
				}
				for i, p := range pairs {
					want := a.Active(t, p.jwt)
					if got := a.Active(t, p.opaque); got != want {
						t.Errorf("step %d: opaque token %d active = %v, the JWT %v", step, i, got, want)
					}
					c := parsed(t, p.jwt)
					jwtRevoked, err1 := gate.Revoked(c)
					o, err2 := gate.Opaque(t.Context(), p.opaque)
					if err1 != nil || err2 != nil || o == nil {
						t.Fatalf("gate: %v, %v, claims %v", err1, err2, o != nil)
					}
					revoked, err := gate.Revoked(o)
					if revoked != jwtRevoked || err != nil {
						t.Errorf("step %d: at the gate opaque token %d revoked = %v, %v, the JWT %v", step, i, revoked, err, jwtRevoked)
					}
					for _, c := range []*jose.Claims{c, o} {
						_, err := records.ByID(t.Context(), a.Env, c.ID, c.Expiry)
						if (err == nil) != want || err != nil && !errors.Is(err, store.ErrNotFound) {
							t.Errorf("step %d: record of pair %d = %v, want found %v", step, i, err, want)
						}
					}
				}
			}
		})
	}
}

// TestOpaqueRevoke: the rules of RFC 7009 are those of JWTs.
func TestOpaqueRevoke(t *testing.T) {
	t.Run("§2.1/another client's token", func(t *testing.T) {
		a := opaqueAuthority(t)
		raw, _ := mintFor(t, a, "web", "openid")
		if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["other"], raw); oauth.From(err).Code != oauth.CodeUnauthorizedClient {
			t.Errorf("error = %v, want unauthorized_client", err)
		}
		if !a.Active(t, raw) {
			t.Error("the token has ended")
		}
	})
	t.Run("§2.1/the token alone", func(t *testing.T) {
		a := opaqueAuthority(t)
		raw, auth := mintFor(t, a, "web", "openid")
		sister := mintAgain(t, a, auth)
		if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["web"], raw); err != nil {
			t.Fatal(err)
		}
		if a.Active(t, raw) || !a.Active(t, sister) {
			t.Errorf("active: the token %v, its sister %v, want false, true", a.Active(t, raw), a.Active(t, sister))
		}
	})
	t.Run("§2.1/a refresh token takes opaque tokens along", func(t *testing.T) {
		a := opaqueAuthority(t)
		raw, auth := mintFor(t, a, "offline", "openid", "offline_access")
		refresh, err := a.Refresh.Begin(t.Context(), a.Env, a.Clients["offline"], auth)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["offline"], refresh.Reveal()); err != nil {
			t.Fatal(err)
		}
		if a.Active(t, raw) {
			t.Error("the access token is active")
		}
	})
	t.Run("client credentials of the strict kind", func(t *testing.T) {
		a := opaqueAuthority(t)
		m, err := a.Tokens.Mint(t.Context(), a.Env, token.Access{Client: "web", For: a.Clients["web"], Audience: []string{testkit.Audience}, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		weak := *a.Env
		weak.Compat.UnrevocableClientCredentials = true
		if err := a.Revoker.Revoke(t.Context(), &weak, a.Clients["web"], m.Raw); oauth.From(err).Code != "unsupported_token_type" || !a.Active(t, m.Raw) {
			t.Errorf("where they cannot be revoked: error = %v, active %v", err, a.Active(t, m.Raw))
		}
		if err := a.Revoker.Revoke(t.Context(), a.Env, a.Clients["web"], m.Raw); err != nil || a.Active(t, m.Raw) {
			t.Errorf("where they can: error = %v, active %v", err, a.Active(t, m.Raw))
		}
	})
}

// TestOpaqueIsAsDecided: what changed while a token was made refuses an opaque one too.
func TestOpaqueIsAsDecided(t *testing.T) {
	a := opaqueAuthority(t)
	auth := a.Authorize(t, "web", a.SignOn(t), "openid")
	was := *a.Clients["web"]
	a.Clients["web"].Name = "another name"
	if _, err := a.Tokens.Mint(t.Context(), a.Env, auth.Access(&was, testkit.Alice(a.Env.ID))); oauth.From(err).Code != oauth.CodeTemporarilyUnavailable {
		t.Errorf("error = %v, want temporarily_unavailable", err)
	}
	if _, err := a.Tokens.Mint(t.Context(), a.Env, auth.Access(a.Clients["web"], testkit.Alice(a.Env.ID))); err != nil {
		t.Errorf("as it is now: error = %v, want nil", err)
	}
}

// away is a store that cannot be reached.
type away struct{ store.AccessTokens }

func (away) AccessTokenByID(context.Context, string, string, time.Time, time.Time) (store.AccessToken, error) {
	return store.AccessToken{}, store.ErrUnavailable
}

func (away) AccessTokenEnvironment(context.Context, string, time.Time, time.Time) (string, error) {
	return "", store.ErrUnavailable
}

func (away) ListAccessTokens(context.Context, store.AccessTokenFilter, string, int, time.Time) ([]store.AccessToken, error) {
	return nil, store.ErrUnavailable
}

func (away) PutAccessToken(context.Context, store.AccessToken) error { return store.ErrUnavailable }

// TestStoreAway: what cannot be told is never "inactive", and nothing is handed out.
func TestStoreAway(t *testing.T) {
	a := opaqueAuthority(t)
	raw, auth := mintFor(t, a, "web", "openid")
	expect := func(name string, err error) {
		t.Helper()
		if oauth.From(err).Code != oauth.CodeTemporarilyUnavailable || errors.Is(err, token.ErrInactive) {
			t.Errorf("%s: error = %v, want temporarily_unavailable", name, err)
		}
	}
	a.Verifier.Store = away{}
	_, err := a.Verifier.Verify(t.Context(), a.Env, raw)
	expect("Verify", err)
	_, err = a.Verifier.EnvironmentOf(t.Context(), raw)
	expect("EnvironmentOf", err)
	expect("Revoke", a.Revoker.Revoke(t.Context(), a.Env, a.Clients["web"], raw))
	gate := &token.Local{Environment: a.Env, Rings: a.Rings, Set: a.Set, Store: away{}}
	c, err := gate.Opaque(t.Context(), raw)
	if expect("the gate", err); c != nil {
		t.Error("the gate has claims")
	}
	if c, err := gate.Opaque(t.Context(), "x.y.z"); c != nil || err != nil {
		t.Errorf("the gate, of what is no opaque token: %v, want nil", err)
	}
	records := &token.Records{Store: away{}, Set: a.Set, Now: a.Clock.Now}
	_, err = records.ByID(t.Context(), a.Env, "id", noon.Add(time.Hour))
	expect("ByID", err)
	_, _, err = records.List(t.Context(), store.AccessTokenFilter{Environment: a.Env.ID, Client: "web"}, "", 10)
	expect("List", err)
	a.Tokens.Store = away{}
	_, err = a.Tokens.Mint(t.Context(), a.Env, auth.Access(a.Clients["web"], testkit.Alice(a.Env.ID)))
	expect("Mint", err)

	a.Verifier.Store = a.Store
	if !a.Active(t, raw) {
		t.Error("when the store is back the token is not active")
	}
	remember(a)
	a.Verifier.Store = away{}
	if !a.Active(t, raw) {
		t.Error("a remembered token needs the store")
	}
}

// TestOpaqueNeedsNoKey: no key has signed an opaque token, so none that goes ends it.
func TestOpaqueNeedsNoKey(t *testing.T) {
	a := opaqueAuthority(t)
	raw, _ := mintFor(t, a, "web", "openid")
	a.Verifier.Keys = nil // asking it would panic
	for range 2 {
		if !a.Active(t, raw) {
			t.Error("the token is not active")
		}
		remember(a)
	}
}

// TestOpaqueAtRest: the store has a hash, and nobody who prints a record sees claims.
func TestOpaqueAtRest(t *testing.T) {
	a := opaqueAuthority(t)
	raw, auth := mintFor(t, a, "web", "openid")
	list, err := a.Store.ListAccessTokens(t.Context(), store.AccessTokenFilter{Environment: a.Env.ID, Client: "web"}, "", 10, a.Clock.Now())
	if err != nil || len(list) != 1 {
		t.Fatalf("%d records, %v", len(list), err)
	}
	if s := string(list[0].Data); strings.Contains(s, raw) || strings.Contains(s, raw[28:]) {
		t.Error("the token is in its record")
	}
	records := &token.Records{Store: a.Store, Set: a.Set, Now: a.Clock.Now}
	r, err := records.ByID(t.Context(), a.Env, list[0].ID, list[0].ExpiresAt)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if s := fmt.Sprintf(verb, r.Details) + fmt.Sprintf(verb, r.Opaque) + fmt.Sprintf(verb, *r); strings.Contains(s, "client_id") || strings.Contains(s, auth.Issuer) {
			t.Errorf("%s shows claims: %s", verb, s)
		}
	}
}

// TestOpaqueHash: the ID token beside an opaque token binds it (OIDC Core §3.1.3.6).
func TestOpaqueHash(t *testing.T) {
	a := opaqueAuthority(t)
	raw, auth := mintFor(t, a, "web", "openid")
	id, err := a.IDTokens.Mint(t.Context(), a.Env, token.IDToken{Client: a.Clients["web"], On: auth.On, AccessToken: raw})
	if err != nil {
		t.Fatal(err)
	}
	want, err := jose.LeftHash(jose.ES256, raw)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := parsed(t, id).Text("at_hash"); got != want {
		t.Errorf("at_hash = %q, want %q", got, want)
	}
}

// TestOpaqueBounds: what could not be read again is not handed out.
func TestOpaqueBounds(t *testing.T) {
	a := opaqueAuthority(t)
	mint := func(change func(*token.Access)) error {
		access := token.Access{Client: "web", For: a.Clients["web"], Audience: []string{testkit.Audience}, TTL: time.Hour}
		change(&access)
		m, err := a.Tokens.Mint(t.Context(), a.Env, access)
		if err == nil && !a.Active(t, m.Raw) {
			t.Error("a token that was handed out is not active")
		}
		return err
	}
	for _, tt := range []struct {
		name   string
		change func(*token.Access)
		ok     bool
	}{
		{"usual", func(*token.Access) {}, true},
		{"long claims", func(a *token.Access) { a.Scope = []string{strings.Repeat("s", 15_900)} }, true},
		{"too long claims", func(a *token.Access) { a.Scope = []string{strings.Repeat("s", 16_384)} }, false},
		{"long details are left out", func(a *token.Access) { a.GrantType, a.Claims = "implicit", strings.Repeat("c", 64<<10) }, true},
		{"an end beyond what fits", func(a *token.Access) { a.TTL = 100 * 365 * 24 * time.Hour }, false},
	} {
		if err := mint(tt.change); (err == nil) != tt.ok {
			t.Errorf("%s: error = %v, want success %v", tt.name, err, tt.ok)
		}
	}
	a.Tokens.NewSecret = func() secret.Value { return secret.Of("short") }
	if err := mint(func(*token.Access) {}); err == nil {
		t.Error("a short secret is accepted")
	}
	a.Tokens.NewSecret, a.Tokens.NewID = secret.New, func() string { return "1" }
	if err := mint(func(*token.Access) {}); err == nil {
		t.Error("an identifier that is no UUID is accepted")
	}
}

func FuzzIsOpaque(f *testing.F) {
	a := opaqueAuthority(f)
	raw, _ := mintFor(f, a, "web", "openid")
	for _, s := range []string{raw, raw[:69], raw + "=", "", strings.Repeat("A", 70), strings.Repeat("_", 70), raw[:69] + ".", strings.Repeat("\n", 70)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := base64.RawURLEncoding.Strict().DecodeString(s)
		want := err == nil && len(b) == 52 && len(s) == 70
		if got := token.IsOpaque(s); got != want {
			t.Errorf("IsOpaque(%q) = %v, want %v", s, got, want)
		}
		if s != raw && a.Active(t, s) {
			t.Errorf("%q is active", s)
		}
	})
}
