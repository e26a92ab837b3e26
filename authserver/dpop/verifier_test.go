package dpop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// RFC 9449 §5 (figure 2) and §7.1 (figure 12).
const (
	rfcTokenProof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" +
		"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
		"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" +
		"QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj" +
		"oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia" +
		"WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg" +
		"4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
	rfcResourceProof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" +
		"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
		"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" +
		"QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj" +
		"oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z" +
		"WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF" +
		"c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E" +
		"OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	rfcAccessToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
	rfcThumbprint  = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
)

func TestRFC9449Examples(t *testing.T) {
	for _, tt := range []struct {
		name, proof string
		iat         int64
		r           dpop.Request
	}{
		{"figure 2: token request", rfcTokenProof, 1562262616, dpop.Request{Method: "POST", URL: "https://server.example.com/token"}},
		{"figure 12: protected resource", rfcResourceProof, 1562262618, dpop.Request{Method: "GET",
			URL: "https://resource.example.org/protectedresource", AccessToken: rfcAccessToken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVerifier()
			v.Now = func() time.Time { return time.Unix(tt.iat, 0) }
			p, err := v.Verify(context.Background(), []string{tt.proof}, tt.r)
			if err != nil || p.Thumbprint != rfcThumbprint {
				t.Fatalf("Verify = %+v, %v, want thumbprint %s", p, err, rfcThumbprint)
			}
			if got := judge(t, v, tt.r, tt.proof); got != "invalid_dpop_proof replayed" {
				t.Errorf("the second time = %q, want replayed", got)
			}
		})
	}
}

// TestAttack85Proof has everything that makes a proof a bad one (RFC 9449 §4.3), each beside a good proof that differs in this
// alone.
func TestAttack85Proof(t *testing.T) {
	k := keys()
	good := func() string { return proof(goodHeader(), goodClaims()) }
	header := func(name string, value any) string { return proof(goodHeader().with(name, value), goodClaims()) }
	claim := func(name string, value any) string { return proof(goodHeader(), goodClaims().with(name, value)) }
	jwk := func(name string, value any) string {
		return header("jwk", ecJWK(&k.p256.PublicKey).with(name, value))
	}
	by := func(alg string, jwk any, sign signer) string {
		return forge(goodHeader().with("alg", alg).with("jwk", jwk).String(), goodClaims().String(), sign)
	}
	at := func(d time.Duration) string { return claim("iat", now.Add(d).Unix()) }
	parts := strings.Split(good(), ".")
	offCurve := ecJWK(&k.p256.PublicKey).with("y", ecJWK(&k.other.PublicKey)["y"])
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	huge := rsaJWK(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 4100, 1), E: 65537})

	const bad = "invalid_dpop_proof "
	tests := []struct {
		name, proof, want string
	}{
		{"good", good(), ""},

		{"malformed JWT", "garbage", bad + "malformed"},
		{"empty", "", bad + "malformed"},
		{"two parts", parts[0] + "." + parts[1], bad + "malformed"},
		{"another part", good() + ".x", bad + "malformed"},
		{"two in one value", good() + ", " + good(), bad + "malformed"},
		{"space before it", " " + good(), bad + "malformed"},
		{"line break inside", parts[0] + ".\n" + parts[1] + "." + parts[2], bad + "malformed"},
		{"JSON serialisation", `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`, bad + "malformed"},
		{"encrypted", "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d", bad + "malformed"},
		{"too long", header("x", strings.Repeat("x", 8192)), bad + "oversized"},
		{"of 4 kB", header("x", strings.Repeat("x", 3000)), ""},

		{"no typ", header("typ", nil), bad + "type"},
		{"typ JWT", header("typ", "JWT"), bad + "type"},
		{"typ at+jwt", header("typ", "at+jwt"), bad + "type"},
		{"typ in another case (RFC 7515 §4.1.9)", header("typ", "DPoP+JWT"), ""},

		{"no alg", header("alg", nil), bad + "algorithm"},
		{"alg none, no signature", by("none", ecJWK(&k.p256.PublicKey), func([]byte) []byte { return nil }), bad + "algorithm"},
		{"alg none, with the signature", header("alg", "none"), bad + "algorithm"},
		{"HS256 by the public key's text", by("HS256", ecJWK(&k.p256.PublicKey), bySecret(ecJWK(&k.p256.PublicKey).String())), bad + "key"},
		{"HS256 with a symmetric jwk", by("HS256", object{"kty": "oct", "k": b64([]byte(strings.Repeat("k", 32)))}, bySecret(strings.Repeat("k", 32))), bad + "key"},
		{"RS256 (oidc conformance, FAPI 2)", by("RS256", rsaJWK(&k.rsa.PublicKey), byRSA(k.rsa, false)), bad + "algorithm"},
		{"PS256", by("PS256", rsaJWK(&k.rsa.PublicKey), byRSA(k.rsa, true)), ""},
		{"ES384", by("ES384", ecJWK(&k.p384.PublicKey), byEC(k.p384)), ""},
		{"ES512", by("ES512", ecJWK(&k.p521.PublicKey), byEC(k.p521)), ""},
		{"Ed25519, EdDSA's other name (RFC 9864)", by("Ed25519", edJWK(k.ed.Public().(ed25519.PublicKey)), byEd(k.ed)), ""},
		{"EdDSA", by("EdDSA", edJWK(k.ed.Public().(ed25519.PublicKey)), byEd(k.ed)), ""},
		{"critical extension", header("crit", []string{"x"}), bad + "malformed"},
		{"alg twice", forge(`{"typ":"dpop+jwt","alg":"ES384","alg":"ES256","jwk":`+ecJWK(&k.p256.PublicKey).String()+`}`, goodClaims().String(), byEC(k.p256)), bad + "malformed"},

		{"no jwk", header("jwk", nil), bad + "key"},
		{"jwk null", forge(`{"typ":"dpop+jwt","alg":"ES256","jwk":null}`, goodClaims().String(), byEC(k.p256)), bad + "key"},
		{"jwk a string", header("jwk", "x"), bad + "key"},
		{"jwk empty", header("jwk", object{}), bad + "key"},
		{"jwk an array", header("jwk", []object{ecJWK(&k.p256.PublicKey)}), bad + "key"},
		{"private key in jwk", jwk("d", b64(k.p256.D.FillBytes(make([]byte, 32)))), bad + "key"},
		{"private key in jwk, of another type", jwk("p", "AQAB"), bad + "key"},
		{"jwk with a secret beside", jwk("k", "AQAB"), bad + "key"},
		{"jwk for encryption", jwk("use", "enc"), bad + "key"},
		{"jwk for signatures", jwk("use", "sig"), ""},
		{"jwk with a kid", jwk("kid", "one"), ""},
		{"jwk of another alg", jwk("alg", "ES384"), bad + "key"},
		{"jwk on another curve", jwk("crv", "P-384"), bad + "key"},
		{"jwk off its curve", header("jwk", offCurve), bad + "key"},
		{"jwk twice", forge(`{"typ":"dpop+jwt","alg":"ES256","jwk":`+ecJWK(&k.other.PublicKey).String()+`,"jwk":`+ecJWK(&k.p256.PublicKey).String()+`}`, goodClaims().String(), byEC(k.p256)), bad + "malformed"},
		{"x twice in jwk", forge(`{"typ":"dpop+jwt","alg":"ES256","jwk":`+strings.Replace(ecJWK(&k.p256.PublicKey).String(), "{", `{"x":"AA",`, 1)+`}`, goodClaims().String(), byEC(k.p256)), bad + "malformed"},
		{"RSA of 1024 bits", by("PS256", rsaJWK(&small.PublicKey), byRSA(small, true)), bad + "key"},
		{"RSA of 4100 bits", by("PS256", huge, func([]byte) []byte { return make([]byte, 513) }), bad + "key"},

		{"another key's signature", forge(goodHeader().String(), goodClaims().String(), byEC(k.other)), bad + "signature"},
		{"signature of another proof", parts[0] + "." + strings.Split(good(), ".")[1] + "." + parts[2], bad + "signature"},
		{"no signature", parts[0] + "." + parts[1] + ".", bad + "signature"},
		{"signature of zeros", forge(goodHeader().String(), goodClaims().String(), func([]byte) []byte { return make([]byte, 64) }), bad + "signature"},
		{"other header, known key", forge(goodHeader().with("kid", "x").String(), goodClaims().String(), byEC(k.other)), bad + "signature"},

		{"no jti", claim("jti", nil), bad + "jti"},
		{"empty jti", claim("jti", ""), bad + "jti"},
		{"jti a number", claim("jti", 1), bad + "malformed"},
		{"jti of 600 bytes", claim("jti", strings.Repeat("x", 600)), bad + "jti"},
		{"jti of 500 bytes", claim("jti", strings.Repeat("x", 500)), ""},
		{"jti twice", forge(goodHeader().String(), strings.Replace(goodClaims().String(), "{", `{"jti":"first",`, 1), byEC(k.p256)), bad + "malformed"},

		{"no htm", claim("htm", nil), bad + "htm"},
		{"wrong htm", claim("htm", "GET"), bad + "htm"},
		{"htm in another case", claim("htm", "post"), bad + "htm"},
		{"htm an array", claim("htm", []string{"POST"}), bad + "htm"},

		{"no htu", claim("htu", nil), bad + "htu"},
		{"htu of another host", claim("htu", "https://evil.example.com/orders"), bad + "htu"},
		{"htu of another scheme", claim("htu", "http://api.example.com/orders"), bad + "htu"},
		{"htu of another path", claim("htu", "https://api.example.com/order"), bad + "htu"},
		{"htu of a longer path", claim("htu", "https://api.example.com/orders/"), bad + "htu"},
		{"htu of another port", claim("htu", "https://api.example.com:8443/orders"), bad + "htu"},
		{"htu with the path alone", claim("htu", "/orders"), bad + "htu"},
		{"htu with a query and a fragment (RFC 9449 §4.3)", claim("htu", requestURL+"?a=b#c"), ""},
		{"htu in another spelling (RFC 3986 §6.2.2)", claim("htu", "HTTPS://API.example.com:443/%6frders"), ""},

		{"no iat", claim("iat", nil), bad + "iat"},
		{"iat a string", claim("iat", "1772366400"), bad + "malformed"},
		{"iat an hour ago", at(-time.Hour), bad + "iat"},
		{"iat in an hour", at(time.Hour), bad + "iat"},
		{"iat 61 s ago", at(-61 * time.Second), bad + "iat"},
		{"iat in 16 s", at(16 * time.Second), bad + "iat"},
		{"iat 60 s ago", at(-60 * time.Second), ""},
		{"iat 10 s ago", at(-10 * time.Second), ""},
		{"iat in 10 s", at(10 * time.Second), ""},
		{"iat with a fraction", claim("iat", float64(now.Unix())+0.5), ""},

		{"no ath", claim("ath", nil), bad + "ath"},
		{"ath of another token", claim("ath", "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"), bad + "ath"},
		{"the token itself as ath", claim("ath", token), bad + "ath"},

		{"nbf and exp do no harm", proof(goodHeader(), goodClaims().with("nbf", now.Add(time.Hour).Unix()).with("exp", now.Add(-time.Hour).Unix())), ""},
		{"claims that nobody knows", claim("x", object{"y": []int{1}}), ""},
		{"claims nested too deeply", forge(goodHeader().String(), strings.Replace(goodClaims().String(), "{", `{"x":`+strings.Repeat("[", 20)+strings.Repeat("]", 20)+`,`, 1), byEC(k.p256)), bad + "malformed"},
		{"payload an array", forge(goodHeader().String(), "[]", byEC(k.p256)), bad + "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(t, newVerifier(), request, tt.proof); got != tt.want {
				t.Errorf("refused for %q, want %q", got, tt.want)
			}
		})
	}

	t.Run("no header", func(t *testing.T) {
		if got := judge(t, newVerifier(), request); got != bad+"header" {
			t.Errorf("refused for %q, want header", got)
		}
	})
	t.Run("two headers", func(t *testing.T) {
		v, one, two := newVerifier(), good(), good()
		if got := judge(t, v, request, one, two); got != bad+"header" {
			t.Errorf("refused for %q, want header", got)
		}
		if got := judge(t, v, request, one); got != "" {
			t.Errorf("one of them alone is refused for %q", got)
		}
	})
	t.Run("ath is not looked at without a token", func(t *testing.T) {
		r := request
		r.AccessToken = ""
		if got := judge(t, newVerifier(), r, claim("ath", nil)); got != "" {
			t.Errorf("refused for %q", got)
		}
	})
	t.Run("algorithms as configured", func(t *testing.T) {
		v := newVerifier()
		v.Algorithms = []string{"RS256"}
		if got := judge(t, v, request, by("RS256", rsaJWK(&k.rsa.PublicKey), byRSA(k.rsa, false))); got != "" {
			t.Errorf("RS256 is refused for %q", got)
		}
		if got := judge(t, v, request, good()); got != bad+"algorithm" {
			t.Errorf("ES256 is refused for %q, want algorithm", got)
		}
		v.Algorithms = []string{}
		if got := judge(t, v, request, good()); got != bad+"algorithm" {
			t.Errorf("with no algorithm ES256 is refused for %q, want algorithm", got)
		}
		v.Algorithms = []string{"HS256"}
		if got := judge(t, v, request, by("HS256", object{"kty": "oct", "k": b64([]byte(strings.Repeat("k", 32)))}, bySecret(strings.Repeat("k", 32)))); got != bad+"key" {
			t.Errorf("HS256 is refused for %q, want key", got)
		}
	})
}

// TestMaxAge: five minutes is the most, whatever is asked for.
func TestMaxAge(t *testing.T) {
	at := func(d time.Duration) string { return proof(goodHeader(), goodClaims().with("iat", now.Add(-d).Unix())) }
	v := newVerifier()
	v.MaxAge, v.Skew = time.Hour, 2*time.Second
	for _, tt := range []struct {
		age  time.Duration
		want string
	}{
		{5 * time.Minute, ""}, {5*time.Minute + time.Second, "invalid_dpop_proof iat"}, {-2 * time.Second, ""}, {-3 * time.Second, "invalid_dpop_proof iat"},
	} {
		if got := judge(t, v, request, at(tt.age)); got != tt.want {
			t.Errorf("a proof of %v is refused for %q, want %q", tt.age, got, tt.want)
		}
	}
}

// TestReplay: a proof is good once for as long as it is good at all; one jti is one proof for each key and URL alone.
func TestReplay(t *testing.T) {
	clock := now
	v := newVerifier()
	v.Now = func() time.Time { return clock }
	claims := goodClaims().with("iat", now.Add(10*time.Second).Unix())
	p := proof(goodHeader(), claims)
	if got := judge(t, v, request, p); got != "" {
		t.Fatalf("refused for %q", got)
	}
	for clock = now; !clock.After(now.Add(70 * time.Second)); clock = clock.Add(500 * time.Millisecond) {
		if got := judge(t, v, request, p); got != "invalid_dpop_proof replayed" {
			t.Fatalf("after %v refused for %q, want replayed", clock.Sub(now), got)
		}
	}
	if got := judge(t, v, request, p); got != "invalid_dpop_proof iat" {
		t.Errorf("after %v refused for %q, want iat", clock.Sub(now), got)
	}

	clock = now
	again := forge(goodHeader().String(), claims.String(), byEC(keys().p256)) // ECDSA signs differently each time
	if again == p {
		t.Fatal("the signature is the same")
	}
	other := forge(goodHeader().with("jwk", ecJWK(&keys().other.PublicKey)).String(), claims.String(), byEC(keys().other))
	elsewhere := request
	elsewhere.URL = "https://api.example.com/other"
	for _, tt := range []struct {
		name, proof, want string
		r                 dpop.Request
	}{
		{"same claims, signed again", again, "invalid_dpop_proof replayed", request},
		{"same claims, other members of the header", proof(goodHeader().with("kid", "x"), claims), "invalid_dpop_proof replayed", request},
		{"same jti, later", proof(goodHeader(), claims.with("iat", now.Add(11*time.Second).Unix())), "invalid_dpop_proof replayed", request},
		{"same jti of another client", other, "", request},
		{"same jti for another URL", proof(goodHeader(), claims.with("htu", elsewhere.URL)), "", elsewhere},
	} {
		if got := judge(t, v, tt.r, tt.proof); got != tt.want {
			t.Errorf("%s: refused for %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestReplayOtherSpelling: the proof is the same one however the URL of the request is written.
func TestReplayOtherSpelling(t *testing.T) {
	v := newVerifier()
	p := proof(goodHeader(), goodClaims())
	if got := judge(t, v, request, p); got != "" {
		t.Fatalf("refused for %q", got)
	}
	for _, url := range []string{"https://api.example.com/%6Frders", "https://api.example.com/x/../orders", "https://API.example.com:443/orders"} {
		r := request
		r.URL = url
		if got := judge(t, v, r, p); got != "invalid_dpop_proof replayed" {
			t.Errorf("at %s refused for %q, want replayed", url, got)
		}
	}
}

// TestBadProofSpendsNothing: nobody can use up the jti of a proof that he cannot make.
func TestBadProofSpendsNothing(t *testing.T) {
	v := newVerifier()
	claims := goodClaims()
	p := proof(goodHeader(), claims)
	parts := strings.Split(p, ".")
	otherMethod := request
	otherMethod.Method = "GET"
	for _, tt := range []struct {
		proof string
		r     dpop.Request
	}{
		{forge(goodHeader().String(), claims.String(), byEC(keys().other)), request},
		{parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)), request},
		{p, otherMethod},
		{proof(goodHeader(), claims.with("ath", nil)), request},
	} {
		if got := judge(t, v, tt.r, tt.proof); got == "" {
			t.Fatal("a bad proof is accepted")
		}
	}
	if got := judge(t, v, request, p); got != "" {
		t.Errorf("the good proof is refused for %q", got)
	}
}

// TestContention: of many requests with one proof one passes.
func TestContention(t *testing.T) {
	v, p := newVerifier(), proof(goodHeader(), goodClaims())
	var mu sync.Mutex
	passed := 0
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, err := v.Verify(context.Background(), []string{p}, request); err == nil {
				mu.Lock()
				passed++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if passed != 1 {
		t.Errorf("%d requests passed, want 1", passed)
	}
}

// failing is a Replays that cannot tell.
type failing struct{ error }

func (f failing) Spend(context.Context, dpop.Owner, [32]byte, time.Time, time.Time) error {
	return f.error
}

// TestReplaysUnavailable: where it cannot be told whether a proof was used, it is neither accepted nor called a bad one.
func TestReplaysUnavailable(t *testing.T) {
	v := newVerifier()
	down := errors.New("the store is down")
	v.Replays = failing{down}
	_, err := v.Verify(context.Background(), []string{proof(goodHeader(), goodClaims())}, request)
	if _, bad := errors.AsType[*dpop.Error](err); bad || !errors.Is(err, down) {
		t.Errorf("error = %v, want %v", err, down)
	}
}

// TestKnownHeader: a header that was read before is judged like one that was not.
func TestKnownHeader(t *testing.T) {
	fresh, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	header := goodHeader().with("jwk", ecJWK(&fresh.PublicKey))
	v := newVerifier()
	var thumbprints []string
	for range 3 {
		p, err := v.Verify(context.Background(), []string{forge(header.String(), goodClaims().String(), byEC(fresh))}, request)
		if err != nil {
			t.Fatal(err)
		}
		thumbprints = append(thumbprints, p.Thumbprint)
	}
	if thumbprints[0] != thumbprints[1] || thumbprints[1] != thumbprints[2] {
		t.Errorf("thumbprints %v differ", thumbprints)
	}
	if got := judge(t, v, request, forge(header.String(), goodClaims().String(), byEC(keys().p256))); got != "invalid_dpop_proof signature" {
		t.Errorf("another key's proof is refused for %q, want signature", got)
	}
	v.Algorithms = []string{"PS256"}
	if got := judge(t, v, request, forge(header.String(), goodClaims().String(), byEC(fresh))); got != "invalid_dpop_proof algorithm" {
		t.Errorf("where ES256 is not accepted, refused for %q, want algorithm", got)
	}
}
