package resourceserver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

func badProof() verdict {
	return verdict{http.StatusUnauthorized, oauth.CodeInvalidDPoPProof, resourceserver.InvalidProof}
}

var notBound = invalid(resourceserver.NotBound)

// Case 85: proofs by keys that were made up beside a stolen token take no room among those that were used.
func TestAttack85OtherKeysFillNoMemory(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	p := possession(c)
	p.DPoP.Replays = dpop.NewWindow(1)
	policy := &resourceserver.Policy{Possession: p}
	stolen := sign(alice().bound(goodClaims(is.Issuer, c)))
	for range 3 {
		if got := g.request(presented("DPoP", stolen, mallory().proof(c, stolen, nil)), policy); got != notBound {
			t.Fatalf("another key: verdict = %v, want %v", got, notBound)
		}
	}
	if got := g.request(presented("DPoP", stolen, alice().proof(c, stolen, nil)), policy); got != pass {
		t.Errorf("the token's own key: verdict = %v, want %v", got, pass)
	}
	want := unavailable(resourceserver.ProofUnavailable)
	if got := g.request(presented("DPoP", stolen, alice().proof(c, stolen, nil)), policy); got != want {
		t.Errorf("no room for a second one: verdict = %v, want %v", got, want)
	}
}

// Case 85: whoever has a token and its key can sign as many proofs as pleases; others have room for theirs nevertheless.
func TestAttack85OneKeyFillsNoMemory(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	p := possession(c)
	p.DPoP.Replays = dpop.NewWindow(64)
	policy := &resourceserver.Policy{Possession: p}
	try := func(h prover) verdict {
		token := sign(h.bound(goodClaims(is.Issuer, c)))
		return g.request(presented("DPoP", token, h.proof(c, token, nil)), policy)
	}
	want := verdict{http.StatusTooManyRequests, oauth.CodeTemporarilyUnavailable, resourceserver.ProofLimit}
	passed := 0
	for ; passed < 64; passed++ {
		if got := try(mallory()); got != pass {
			if got != want {
				t.Errorf("more than its share: verdict = %v, want %v", got, want)
			}
			break
		}
	}
	if passed < 1 || passed > 8 {
		t.Errorf("one key has %d of 64, want a share", passed)
	}
	for n := range 3 {
		if got := try(alice()); got != pass {
			t.Errorf("another key's proof %d: verdict = %v, want %v", n, got, pass)
		}
	}
	token := sign(mallory().bound(goodClaims(is.Issuer, c)))
	_, err := g.Authorize(presented("DPoP", token, mallory().proof(c, token, nil)), policy)
	w := httptest.NewRecorder()
	resourceserver.WriteRefusal(w, err)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("answer %d, %v, want 429 with Retry-After and no challenge", w.Code, w.Header())
	}
	c.Advance(2 * time.Minute)
	if got := try(mallory()); got != pass {
		t.Errorf("when its proofs have ended: verdict = %v, want %v", got, pass)
	}
}

// Case 85: keys cost nothing, and who gets a token for each is known by the client; or, where no token says which that is, by the person.
func TestAttack85ManyKeysOfOneClientFillNoMemory(t *testing.T) {
	const room = 64
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	base := goodClaims(is.Issuer, c)
	of := func(clientID, azp, sub any) claims {
		return base.with(claims{"client_id": clientID, "azp": azp, "sub": sub})
	}
	limited := verdict{http.StatusTooManyRequests, oauth.CodeTemporarilyUnavailable, resourceserver.ProofLimit}
	for _, tt := range []struct {
		name        string
		noisy, same claims // of one client
		other       claims // of another
	}{
		{"client_id", of("web", nil, "mallory"), of("web", nil, "alice"), of("app", nil, "mallory")},
		{"azp", of(nil, "web", "mallory"), of("web", nil, "alice"), of(nil, "app", "mallory")},
		{"client_id goes before azp", of("web", "app", "mallory"), of("web", "batch", "alice"), of("app", "web", "mallory")},
		{"sub", of(nil, nil, "mallory"), of(nil, nil, "mallory"), of(nil, nil, "alice")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := possession(c)
			p.DPoP.Replays = dpop.NewWindow(room)
			policy := &resourceserver.Policy{Possession: p}
			try := func(as claims) verdict {
				h := newProver()
				token := sign(h.bound(as))
				return g.request(presented("DPoP", token, h.proof(c, token, nil)), policy)
			}
			for n := range room / 2 {
				if got := try(tt.noisy); got != pass {
					t.Fatalf("after %d: verdict = %v, want %v up to half of the room", n, got, pass)
				}
			}
			if got := try(tt.same); got != limited {
				t.Errorf("one more: verdict = %v, want %v", got, limited)
			}
			if got := try(tt.other); got != pass {
				t.Errorf("another client: verdict = %v, want %v", got, pass)
			}
		})
	}
}

// Case 85: a token that is bound to a key is worth nothing without it.
func TestAttack85DPoPAtTheResource(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	policy := &resourceserver.Policy{Possession: possession(c)}
	bound := sign(alice().bound(goodClaims(is.Issuer, c)))
	unbound := sign(goodClaims(is.Issuer, c))
	a, m := alice(), mallory()
	now := c.Now().Unix()
	good := func() string { return a.proof(c, bound, nil) }
	changed := func(changes claims) string { return a.proof(c, bound, changes) }
	headed := func(changes claims) string { return a.sign(a.header(changes), a.claims(c, bound).json()) }
	private := func() string {
		jwk := a.jwk()
		jwk["d"] = b64(string(must(a.key.Bytes())))
		return headed(claims{"jwk": jwk})
	}
	none := verdict{http.StatusUnauthorized, "", resourceserver.NoToken}
	replayed := good()
	if got := g.request(presented("DPoP", bound, replayed), policy); got != pass {
		t.Fatalf("verdict = %v, want %v", got, pass)
	}
	tests := []struct {
		name   string
		scheme string
		token  string
		proofs []string
		want   verdict
	}{
		{"nearest good", "DPoP", bound, []string{good()}, pass},
		{"nearest good/scheme in another case", "dpop", bound, []string{good()}, pass},
		{"nearest good/unbound Bearer", "Bearer", unbound, nil, pass},
		{"nearest good/iat just allowed", "DPoP", bound, []string{changed(claims{"iat": now - 60})}, pass},

		{"bound token as Bearer", "Bearer", bound, nil, notBound},
		{"bound token as Bearer, with its proof", "Bearer", bound, []string{good()}, notBound},
		{"wrong key", "DPoP", bound, []string{m.proof(c, bound, nil)}, notBound},
		{"replayed jti", "DPoP", bound, []string{replayed}, badProof()},
		{"wrong htm", "DPoP", bound, []string{changed(claims{"htm": "POST"})}, badProof()},
		{"htm in another case", "DPoP", bound, []string{changed(claims{"htm": "get"})}, badProof()},
		{"no htm", "DPoP", bound, []string{changed(claims{"htm": nil})}, badProof()},
		{"htu of another host", "DPoP", bound, []string{changed(claims{"htu": "https://evil.example/orders"})}, badProof()},
		{"htu of another path", "DPoP", bound, []string{changed(claims{"htu": place + "/1"})}, badProof()},
		{"no htu", "DPoP", bound, []string{changed(claims{"htu": nil})}, badProof()},
		{"no ath", "DPoP", bound, []string{changed(claims{"ath": nil})}, badProof()},
		{"ath of another token", "DPoP", bound, []string{changed(claims{"ath": ath(unbound)})}, badProof()},
		{"iat too old", "DPoP", bound, []string{changed(claims{"iat": now - 61})}, badProof()},
		{"iat in the future", "DPoP", bound, []string{changed(claims{"iat": now + 16})}, badProof()},
		{"no iat", "DPoP", bound, []string{changed(claims{"iat": nil})}, badProof()},
		{"no jti", "DPoP", bound, []string{changed(claims{"jti": nil})}, badProof()},
		{"HS256", "DPoP", bound, []string{hs256(a.header(claims{"alg": "HS256"}), a.claims(c, bound).json(), []byte("secret"))}, badProof()},
		{"none", "DPoP", bound, []string{unsigned(a.header(claims{"alg": "none"}), a.claims(c, bound).json()) + "."}, badProof()},
		{"private key in jwk", "DPoP", bound, []string{private()}, badProof()},
		{"no jwk", "DPoP", bound, []string{headed(claims{"jwk": nil})}, badProof()},
		{"typ JWT", "DPoP", bound, []string{headed(claims{"typ": "JWT"})}, badProof()},
		{"signed with another key than jwk", "DPoP", bound, []string{m.sign(a.header(nil), a.claims(c, bound).json())}, badProof()},
		{"two DPoP headers", "DPoP", bound, []string{good(), good()}, badProof()},
		{"two DPoP headers, one empty", "DPoP", bound, []string{good(), ""}, badProof()},
		{"two proofs joined by a comma", "DPoP", bound, []string{good() + ", " + good()}, badProof()},
		{"no proof", "DPoP", bound, nil, badProof()},
		{"empty proof", "DPoP", bound, []string{""}, badProof()},
		{"unbound token with a proof", "DPoP", unbound, []string{a.proof(c, unbound, nil)}, notBound},
		{"unbound token without one", "DPoP", unbound, nil, notBound},
		{"unbound Bearer token beside a proof", "Bearer", unbound, []string{a.proof(c, unbound, nil)}, notBound},
		{"bad token with a good proof", "DPoP", mangle(bound), []string{a.proof(c, mangle(bound), nil)}, invalid(resourceserver.BadSignature)},
		{"proof alone", "Basic", "YTpi", []string{good()}, none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := presented(tt.scheme, tt.token, tt.proofs...)
			if got := g.request(r, policy); got != tt.want {
				t.Errorf("verdict = %v, want %v", got, tt.want)
			}
			g.Settle()
			// What was presented once is no better the second time, and a proof that was good is spent. One by another key is not.
			want := tt.want
			if want == pass && len(tt.proofs) > 0 {
				want = badProof()
			}
			if got := g.request(r, policy); got != want {
				t.Errorf("second verdict = %v, want %v", got, want)
			}
		})
	}
	t.Run("two Authorization headers", func(t *testing.T) {
		bad := verdict{http.StatusBadRequest, oauth.CodeInvalidRequest, resourceserver.InvalidRequest}
		for _, values := range [][]string{
			{"DPoP " + bound, "Bearer " + bound}, {"DPoP " + bound, "DPoP " + bound}, {"DPoP " + bound + ", Bearer " + unbound},
			{"Basic YTpi, DPoP " + bound}, {"Basic YTpi,dpop\t" + bound}, {"DPoP"}, {"DPoP  "},
		} {
			r := presented("DPoP", bound, good())
			r.Header["Authorization"] = values
			if got := g.request(r, policy); got != bad {
				t.Errorf("%.20q: verdict = %v, want %v", values, got, bad)
			}
		}
	})
	t.Run("one proof, many at once", func(t *testing.T) {
		proof := good()
		var passed sync.Map
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				if g.request(presented("DPoP", bound, proof), policy) == pass {
					passed.Store(i, true)
				}
			})
		}
		wg.Wait()
		n := 0
		passed.Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Errorf("requests that passed = %d, want 1", n)
		}
	})
	t.Run("a gate without DPoP", func(t *testing.T) {
		if got := g.request(presented("DPoP", bound, good()), nil); got != none {
			t.Errorf("verdict = %v, want %v: the scheme is none of its", got, none)
		}
		if got := g.request(presented("Bearer", bound), nil); got != notBound {
			t.Errorf("Bearer: verdict = %v, want %v", got, notBound)
		}
		if got := g.request(presented("Bearer", unbound, good()), nil); got != pass {
			t.Errorf("unbound Bearer with a header that means nothing here: verdict = %v, want %v", got, pass)
		}
		for name, try := range map[string]func() error{
			"Verify":       func() error { _, err := g.Verify(t.Context(), bound); return err },
			"Authenticate": func() error { _, err := g.Authenticate(presented("Bearer", bound)); return err },
		} {
			if r, ok := errors.AsType[*resourceserver.Refusal](try()); !ok || r.Why != resourceserver.NotBound {
				t.Errorf("%s = %v, want not bound", name, r)
			}
		}
	})
	t.Run("it cannot be told whether the proof was used", func(t *testing.T) {
		away := possession(c)
		away.DPoP.Replays = nowhere{}
		r := presented("DPoP", bound, good())
		if got, want := g.request(r, &resourceserver.Policy{Possession: away}), unavailable(resourceserver.ProofUnavailable); got != want {
			t.Errorf("verdict = %v, want %v", got, want)
		}
	})
	t.Run("neither token nor proof is repeated", func(t *testing.T) {
		proof := changed(claims{"htm": "POST"})
		_, err := g.Authorize(presented("DPoP", bound, proof), policy)
		w := httptest.NewRecorder()
		resourceserver.WriteRefusal(w, err)
		text := fmt.Sprintf("%v %+v %v %v", err, err, w.Header(), w.Body)
		for _, secret := range []string{bound[:40], proof[:40], bound[len(bound)-30:], proof[len(proof)-30:]} {
			if strings.Contains(text, secret) {
				t.Errorf("%q repeats what was presented", text)
			}
		}
	})
}

type nowhere struct{}

func (nowhere) Spend(context.Context, dpop.Owner, [32]byte, time.Time, time.Time) error {
	return errors.New("the store is away")
}

// Case 85, nonces: a proof needs this server's, and every refusal for it brings one that will do.
func TestAttack85Nonces(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	p := possession(c)
	p.DPoP.Nonces = dpop.NewNonces(make([]byte, 32), 4*time.Minute)
	policy := &resourceserver.Policy{Possession: p}
	token := sign(alice().bound(goodClaims(is.Issuer, c)))
	useNonce := verdict{http.StatusUnauthorized, oauth.CodeUseDPoPNonce, resourceserver.UseNonce}
	ask := func(nonce any) (_ verdict, renewed string, _ http.Header) {
		changes := claims{"nonce": nonce}
		r := presented("DPoP", token, alice().proof(c, token, changes))
		_, renewed, err := g.AuthorizeWithNonce(r, policy)
		h := http.Header{}
		if err == nil {
			return pass, renewed, h
		}
		resourceserver.SetRefusalHeaders(h, err)
		refusal, _ := errors.AsType[*resourceserver.Refusal](err)
		return verdict{refusal.Status, refusal.Code, refusal.Why}, renewed, h
	}
	stranger := dpop.NewNonces(append(make([]byte, 31), 1), 4*time.Minute)
	got, _, h := ask(nil)
	first := h.Get("DPoP-Nonce")
	if got != useNonce || first == "" {
		t.Fatalf("missing nonce: verdict = %v, nonce %q, want %v and one", got, first, useNonce)
	}
	if want := `DPoP error="use_dpop_nonce", error_description="The DPoP proof must have the nonce that this answer brings.", algs="` + strings.Join(dpop.Algorithms(), " ") + `"`; h.Get("WWW-Authenticate") != want {
		t.Errorf("challenge = %q, want %q", h.Get("WWW-Authenticate"), want)
	}
	for name, nonce := range map[string]any{
		"of another server": stranger.Current(c.Now()), "empty": "", "number": 7, "garbage": "x",
	} {
		if got, beside, h := ask(nonce); got != useNonce || h.Get("DPoP-Nonce") != first || beside != "" {
			t.Errorf("%s: verdict = %v with nonce %q, want %v with %q", name, got, h.Get("DPoP-Nonce"), useNonce, first)
		}
	}
	got, renewed, _ := ask(first)
	if got != pass || renewed != "" {
		t.Errorf("verdict = %v, nonce %q, want it to pass, and no other", got, renewed)
	}
	c.Advance(2 * time.Minute)
	got, second, _ := ask(first)
	if got != pass || second == "" || second == first {
		t.Errorf("verdict = %v, nonce %q, want it to pass, and another", got, second)
	}
	c.Advance(3 * time.Minute)
	if got, _, h := ask(first); got != useNonce || h.Get("DPoP-Nonce") == first {
		t.Errorf("stale: verdict = %v with nonce %q, want %v with a fresh one", got, h.Get("DPoP-Nonce"), useNonce)
	}
	if got, _, _ := ask(second); got != pass {
		t.Errorf("verdict = %v, want it to pass", got)
	}
	t.Run("middleware", func(t *testing.T) {
		h := g.Middleware(policy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, presented("DPoP", token, alice().proof(c, token, claims{"nonce": second})))
		if w.Code != http.StatusOK || w.Header().Get("DPoP-Nonce") == "" {
			t.Errorf("answer = %d %v, want a fresh nonce with it", w.Code, w.Header())
		}
	})
	t.Run("nothing to renew", func(t *testing.T) {
		for name, tt := range map[string]struct {
			r      *http.Request
			policy *resourceserver.Policy
		}{
			"no policy":             {bearer(sign(goodClaims(is.Issuer, c))), nil},
			"no proof":              {bearer(sign(goodClaims(is.Issuer, c))), policy},
			"no nonces":             {presented("DPoP", token, alice().proof(c, token, claims{"nonce": second})), &resourceserver.Policy{Possession: possession(c)}},
			"not a proof":           {presented("DPoP", token, "x.y.z"), policy},
			"refused by the policy": {presented("DPoP", token, alice().proof(c, token, claims{"nonce": second})), &resourceserver.Policy{Possession: p, Scopes: []string{"other"}}},
		} {
			if _, got, _ := g.AuthorizeWithNonce(tt.r, tt.policy); got != "" {
				t.Errorf("%s: nonce = %q, want none", name, got)
			}
		}
	})
}

// Case 86: a token that is bound to a certificate is worth nothing in another connection.
func TestAttack86CertificateBinding(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	mine, other := certificate(t, "mine"), certificate(t, "other")
	bound := sign(goodClaims(is.Issuer, c).with(claims{"cnf": map[string]string{"x5t#S256": mtls.Thumbprint(mine)}}))
	unbound := sign(goodClaims(is.Issuer, c))
	tests := []struct {
		name  string
		from  func(*http.Request) (*mtls.Certificate, error)
		token string
		want  verdict
	}{
		{"nearest good", presents(mine), bound, pass},
		{"nearest good/with a chain", presents(mine, other), bound, pass},
		{"nearest good/unbound token", presents(other), unbound, pass},
		{"nearest good/unbound token, no certificate", presents(), unbound, pass},
		{"no certificate", presents(), bound, notBound},
		{"other certificate", presents(other), bound, notBound},
		{"chain that contains the right one", presents(other, mine), bound, notBound},
		{"header that cannot be read", func(*http.Request) (*mtls.Certificate, error) { return nil, errors.New("two certificates") }, bound, notBound},
		{"a gate that looks at none", nil, bound, notBound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			policy := &resourceserver.Policy{Possession: &resourceserver.Possession{Certificate: tt.from}}
			for range 2 {
				if got := g.request(bearer(tt.token), policy); got != tt.want {
					t.Errorf("verdict = %v, want %v", got, tt.want)
				}
				g.Settle()
			}
		})
	}
	t.Run("header from a peer that is not trusted", func(t *testing.T) {
		r := bearer(bound)
		r.Header.Set("X-Client-Cert-Thumbprint", mtls.Thumbprint(mine))
		r.Header.Set("Client-Cert", "x")
		if got := g.request(r, &resourceserver.Policy{Possession: &resourceserver.Possession{Certificate: presents()}}); got != notBound {
			t.Errorf("verdict = %v, want %v", got, notBound)
		}
	})
}

// A token says to what it is bound, in one way that is understood, and all of that must be proved.
func TestConfirmationIsReadStrictly(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	mine, other := certificate(t, "mine"), certificate(t, "other")
	jkt, x5t := alice().thumbprint(), mtls.Thumbprint(mine)
	with := func(chain func(*http.Request) (*mtls.Certificate, error)) *resourceserver.Policy {
		p := possession(c)
		p.Certificate = chain
		return &resourceserver.Policy{Possession: p}
	}
	type object = map[string]any
	badClaims := invalid(resourceserver.BadClaims)
	tests := []struct {
		name   string
		cnf    any
		policy *resourceserver.Policy
		dpop   bool
		want   verdict
	}{
		{"both proved", object{"jkt": jkt, "x5t#S256": x5t}, with(presents(mine)), true, pass},
		{"both, key alone", object{"jkt": jkt, "x5t#S256": x5t}, with(presents()), true, notBound},
		{"both, key and another certificate", object{"jkt": jkt, "x5t#S256": x5t}, with(presents(other)), true, notBound},
		{"both, certificate alone", object{"jkt": jkt, "x5t#S256": x5t}, with(presents(mine)), false, notBound},
		{"another method beside", object{"jkt": jkt, "kid": "x"}, with(presents()), true, pass},
		{"another method alone", object{"kid": "x"}, with(presents(mine)), false, badClaims},
		{"jwk", object{"jwk": alice().jwk()}, with(presents(mine)), true, badClaims},
		{"empty", object{}, with(presents(mine)), false, badClaims},
		{"null", null, with(presents(mine)), false, badClaims},
		{"string", jkt, with(presents(mine)), true, badClaims},
		{"array", []any{object{"jkt": jkt}}, with(presents(mine)), true, badClaims},
		{"jkt empty", object{"jkt": ""}, with(presents(mine)), false, badClaims},
		{"jkt null", object{"jkt": nil}, with(presents(mine)), false, badClaims},
		{"jkt list", object{"jkt": []string{jkt}}, with(presents(mine)), true, badClaims},
		{"jkt too short", object{"jkt": jkt[:42]}, with(presents(mine)), true, badClaims},
		{"jkt padded", object{"jkt": jkt + "="}, with(presents(mine)), true, badClaims},
		{"jkt of another alphabet", object{"jkt": strings.Repeat("+", 43)}, with(presents(mine)), true, badClaims},
		{"twin in another case", object{"JKT": jkt}, with(presents(mine)), true, badClaims},
		{"good key, bad certificate", object{"jkt": jkt, "x5t#S256": 7}, with(presents(mine)), true, badClaims},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := sign(goodClaims(is.Issuer, c).with(claims{"cnf": tt.cnf}))
			for range 2 {
				r := bearer(token)
				if tt.dpop {
					r = presented("DPoP", token, alice().proof(c, token, nil))
				}
				if got := g.request(r, tt.policy); got != tt.want {
					t.Errorf("verdict = %v, want %v", got, tt.want)
				}
				g.Settle()
			}
		})
	}
	t.Run("the token tells", func(t *testing.T) {
		token := sign(goodClaims(is.Issuer, c).with(claims{"cnf": object{"jkt": jkt, "x5t#S256": x5t}}))
		got, err := g.Authorize(presented("DPoP", token, alice().proof(c, token, nil)), with(presents(mine)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(resourceserver.Confirmation{Key: jkt, Certificate: x5t}, got.Confirmation()); diff != "" {
			t.Errorf("confirmation (-want +got):\n%s", diff)
		}
	})
}

// What a route demands of the binding holds for every policy that applies.
func TestBoundIsDemanded(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	mine := certificate(t, "mine")
	p := possession(c)
	p.Certificate = presents(mine)
	base := goodClaims(is.Issuer, c)
	key, cert := map[string]string{"jkt": alice().thumbprint()}, map[string]string{"x5t#S256": mtls.Thumbprint(mine)}
	for _, tt := range []struct {
		bound resourceserver.Binding
		cnf   any
		want  verdict
	}{
		{resourceserver.BoundAtWill, nil, pass}, {resourceserver.BoundAtWill, key, pass}, {resourceserver.BoundAtWill, cert, pass},
		{resourceserver.BoundSomehow, nil, notBound}, {resourceserver.BoundSomehow, key, pass}, {resourceserver.BoundSomehow, cert, pass},
		{resourceserver.BoundDPoP, nil, notBound}, {resourceserver.BoundDPoP, key, pass}, {resourceserver.BoundDPoP, cert, notBound},
		{resourceserver.BoundMTLS, nil, notBound}, {resourceserver.BoundMTLS, key, notBound}, {resourceserver.BoundMTLS, cert, pass},
		{"magic", nil, notBound}, {"magic", key, notBound},
	} {
		token := sign(base.with(claims{"cnf": tt.cnf}))
		request := func() *http.Request {
			if fmt.Sprint(tt.cnf) == fmt.Sprint(key) {
				return presented("DPoP", token, alice().proof(c, token, nil))
			}
			return bearer(token)
		}
		if got := g.request(request(), &resourceserver.Policy{Possession: p, Bound: tt.bound}); got != tt.want {
			t.Errorf("bound %q, cnf %v: verdict = %v, want %v", tt.bound, tt.cnf, got, tt.want)
		}
		_, err := g.Authorize(request(), &resourceserver.Policy{Possession: p}, &resourceserver.Policy{}, &resourceserver.Policy{Bound: tt.bound})
		if (err == nil) != (tt.want == pass) {
			t.Errorf("bound %q by a rule, cnf %v: error = %v, want %v", tt.bound, tt.cnf, err, tt.want)
		}
	}
}

// The example of RFC 9449 §7.1, and the challenges of that section.
func TestRFC9449ProtectedResource(t *testing.T) {
	const (
		token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
		proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" +
			"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
			"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" +
			"QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj" +
			"oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z" +
			"WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF" +
			"c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E" +
			"OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	)
	c := newClock()
	c.ns.Store(time.Unix(1562262618, 0).UnixNano())
	l, g, issuer := newLocal(t, c)
	l.issue(token, goodClaims(issuer, c).with(claims{"cnf": map[string]string{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}))
	p := possession(c)
	p.URL = func(*http.Request) string { return "https://resource.example.org/protectedresource" }
	p.DPoP.Algorithms = []string{"ES256", "PS256"}
	policy := &resourceserver.Policy{Possession: p}
	if got := g.request(presented("DPoP", token, proof), policy); got != pass {
		t.Errorf("verdict = %v, want %v", got, pass)
	}
	answer := func(r *http.Request, policy *resourceserver.Policy) []string {
		_, err := g.Authorize(r, policy)
		h := http.Header{}
		resourceserver.SetRefusalHeaders(h, err)
		return h["Www-Authenticate"]
	}
	const invalidToken = `error="invalid_token", error_description="The access token is not valid."`
	for _, tt := range []struct {
		name   string
		r      *http.Request
		policy *resourceserver.Policy
		want   []string
	}{
		{"nothing presented", httptest.NewRequest(http.MethodGet, "/", nil), policy, []string{`Bearer`, `DPoP algs="ES256 PS256"`}},
		{"nothing presented, where only DPoP would do", httptest.NewRequest(http.MethodGet, "/", nil),
			&resourceserver.Policy{Possession: p, Bound: resourceserver.BoundDPoP}, []string{`DPoP algs="ES256 PS256"`}},
		{"wrong token", presented("DPoP", "x", proof), policy, []string{`DPoP ` + invalidToken + `, algs="ES256 PS256"`}},
		{"wrong token as Bearer", bearer("x"), policy, []string{`Bearer ` + invalidToken}},
		{"bound token as Bearer (§7.2)", bearer(token), policy, []string{`Bearer ` + invalidToken, `DPoP algs="ES256 PS256"`}},
		{"used proof", presented("DPoP", token, proof), policy,
			[]string{`DPoP error="invalid_dpop_proof", error_description="The DPoP proof was used before.", algs="ES256 PS256"`}},
		{"no DPoP here", presented("DPoP", token, proof), nil, []string{`Bearer`}},
		{"scope", presented("DPoP", token, alice().proof(c, token, nil)), policy, []string{`DPoP error="invalid_dpop_proof", error_description="The htu of the DPoP proof is not the URL of the request.", algs="ES256 PS256"`}},
		{"realm and metadata with all of them", httptest.NewRequest(http.MethodGet, "/", nil),
			&resourceserver.Policy{Possession: p, Realm: "orders", Metadata: "https://r.example/.well-known/oauth-protected-resource"},
			[]string{`Bearer realm="orders", resource_metadata="https://r.example/.well-known/oauth-protected-resource"`,
				`DPoP realm="orders", algs="ES256 PS256", resource_metadata="https://r.example/.well-known/oauth-protected-resource"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, answer(tt.r, tt.policy)); diff != "" {
				t.Errorf("challenges (-want +got):\n%s", diff)
			}
		})
	}
}

// An issuer elsewhere says to what a token is bound; a type that is bound says to what.
func TestAttack85IntrospectedTokens(t *testing.T) {
	c := newClock()
	jkt := map[string]string{"jkt": alice().thumbprint()}
	other := map[string]string{"jkt": mallory().thumbprint()}
	for _, mode := range []resourceserver.Mode{resourceserver.ModeIntrospect, resourceserver.ModeBoth} {
		p := newProvider(t, keySet(rsaKey()))
		is := p.introspected()
		is.Mode, is.RecheckEvery = mode, time.Minute
		g := newGate(t, c, is)
		policy := &resourceserver.Policy{Possession: possession(c)}
		base := p.active(c)
		for i, tt := range []struct {
			name    string
			inToken any
			answer  claims
			scheme  string
			want    verdict
		}{
			{"bound, type DPoP", jkt, claims{"cnf": jkt, "token_type": "DPoP"}, "DPoP", pass},
			{"bound, type in another case", jkt, claims{"cnf": jkt, "token_type": "dpop"}, "DPoP", pass},
			{"bound, no type", jkt, claims{"cnf": jkt, "token_type": nil}, "DPoP", pass},
			{"bound, type Bearer", jkt, claims{"cnf": jkt}, "DPoP", pass},
			{"bound by the answer alone", nil, claims{"cnf": jkt, "token_type": "DPoP"}, "DPoP", pass},
			{"bound by the answer alone, as Bearer", nil, claims{"cnf": jkt, "token_type": "DPoP"}, "Bearer", notBound},
			{"bound, as Bearer", jkt, claims{"cnf": jkt}, "Bearer", notBound},
			{"type DPoP, bound to nothing", nil, claims{"token_type": "DPoP"}, "Bearer", invalid(resourceserver.BadType)},
			{"type DPoP, bound to a certificate alone", nil, claims{"token_type": "DPoP", "cnf": map[string]string{"x5t#S256": strings.Repeat("A", 43)}}, "Bearer", invalid(resourceserver.BadType)},
			{"bound to another key", other, claims{"cnf": other}, "DPoP", notBound},
			{"malformed", jkt, claims{"cnf": map[string]any{}}, "DPoP", invalid(resourceserver.BadClaims)},
		} {
			t.Run(string(mode)+"/"+tt.name, func(t *testing.T) {
				p.answer(base.with(tt.answer))
				token := sign(p.claims(c).with(claims{"jti": fmt.Sprint(i), "cnf": tt.inToken}))
				for range 2 {
					r := presented(tt.scheme, token)
					if tt.scheme == "DPoP" {
						r = presented(tt.scheme, token, alice().proof(c, token, nil))
					}
					if got := g.request(r, policy); got != tt.want {
						t.Errorf("verdict = %v, want %v", got, tt.want)
					}
					g.Settle()
				}
			})
		}
		t.Run(string(mode)+"/the answer contradicts the token", func(t *testing.T) {
			p.answer(base.with(claims{"cnf": other}))
			token := sign(alice().bound(p.claims(c)).with(claims{"jti": "contradiction"}))
			if got, want := g.request(presented("DPoP", token, alice().proof(c, token, nil)), policy), invalid(resourceserver.BadClaims); got != want {
				t.Errorf("verdict = %v, want %v", got, want)
			}
		})
		t.Run(string(mode)+"/the answer is silent about what the token says", func(t *testing.T) {
			p.answer(base)
			token := sign(alice().bound(p.claims(c)).with(claims{"jti": "silence"}))
			if got := g.request(bearer(token), policy); got != notBound {
				t.Errorf("verdict = %v, want %v", got, notBound)
			}
			if got := g.request(presented("DPoP", token, alice().proof(c, token, nil)), policy); got != pass {
				t.Errorf("verdict = %v, want %v", got, pass)
			}
		})
	}
}

// Only a request that presents nothing is anonymous.
func TestPresented(t *testing.T) {
	for name, tt := range map[string]struct {
		header http.Header
		want   bool
		raw    string
	}{
		"nothing":             {http.Header{"Cookie": {"a=b"}, "X-Api-Key": {"k"}}, false, ""},
		"Proxy-Authorization": {http.Header{"Proxy-Authorization": {"Bearer x"}}, false, ""},
		"Bearer":              {http.Header{"Authorization": {"bearer x"}}, true, "x"},
		"DPoP":                {http.Header{"Authorization": {"DPoP x"}}, true, "x"},
		"Basic":               {http.Header{"Authorization": {"Basic YTpi"}}, true, ""},
		"empty":               {http.Header{"Authorization": {""}}, true, ""},
		"two":                 {http.Header{"Authorization": {"Bearer x", "Bearer y"}}, true, ""},
		"proof alone":         {http.Header{"Dpop": {"x"}}, true, ""},
		"empty proof":         {http.Header{"Dpop": {""}}, true, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = tt.header
		if got := resourceserver.Presented(r); got != tt.want {
			t.Errorf("%s: presented = %v, want %v", name, got, tt.want)
		}
		if got := resourceserver.RawToken(r); got != tt.raw {
			t.Errorf("%s: raw token = %q, want %q", name, got, tt.raw)
		}
	}
}
