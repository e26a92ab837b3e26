package jose_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// TestAttackHostileKeySet is attack case 17: whatever one key is, the others
// work, and the bad ones are counted.
func TestAttackHostileKeySet(t *testing.T) {
	k := keys()
	goodRSA := rsaJWK(&k.rsa.PublicKey, "good")
	token := forge(`{"alg":"RS256","kid":"good"}`, goodClaims, byRSA(k.rsa, false))
	r, e, o := rsaJWK(&k.rsa2.PublicKey, "x"), ecJWK(&k.p256.PublicKey, "x"), edJWK(k.ed.Public().(ed25519.PublicKey), "x")
	number := func(n *big.Int) string { return b64(n.Bytes()) }
	offCurve := b64(new(big.Int).Add(new(big.Int).SetBytes(decode(t, e["y"].(string))), big.NewInt(1)).FillBytes(make([]byte, 32)))
	huge := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 16385), big.NewInt(1))
	private := members{"kty": "RSA", "kid": "x", "n": number(k.rsa2.N), "e": "AQAB", "d": number(k.rsa2.D), "p": number(k.rsa2.Primes[0]), "q": number(k.rsa2.Primes[1])}

	tests := []struct {
		name string
		key  string
		bad  bool
	}{
		{"a second RSA key", r.String(), false},
		{"an EC key", e.String(), false},
		{"an Ed25519 key", o.String(), false},
		{"unknown members", r.with("x5c", []string{"MIIB"}).with("x5t", "AA").with("iat", 7).with("nested", map[string]any{"d": 1}).String(), false},
		{"members the library would refuse", r.with("x5c", "no array").with("x5t", 7).with("x5t#S256", []int{1}).with("x5u", nil).String(), false},
		{"use sig", r.with("use", "sig").String(), false},
		{"key_ops verify", r.with("key_ops", []string{"verify"}).String(), false},
		{"no kid", r.without("kid").String(), false},
		{"exponent 3", r.with("e", "Aw").String(), false},

		{"not an object", `7`, true},
		{"null", `null`, true},
		{"a string", `"x"`, true},
		{"an array", `[]`, true},
		{"empty", `{}`, true},
		{"kty absent", r.without("kty").String(), true},
		{"kty unknown", r.with("kty", "PQC").String(), true},
		{"kty in lower case", r.with("kty", "rsa").String(), true},
		{"kty not a string", r.with("kty", 7).String(), true},
		{"kty null", r.with("kty", nil).String(), true},
		{"oct", members{"kty": "oct", "kid": "x", "k": b64(make([]byte, 64))}.String(), true},
		{"kid not a string", r.with("kid", 7).String(), true},
		{"kid an object", r.with("kid", map[string]any{}).String(), true},
		{"kid null", r.with("kid", nil).String(), true},
		{"kid very long", r.with("kid", strings.Repeat("k", 257)).String(), true},
		{"use enc", r.with("use", "enc").String(), true},
		{"use unknown", r.with("use", "SIG").String(), true},
		{"use not a string", r.with("use", []string{"sig"}).String(), true},
		{"key_ops without verify", r.with("key_ops", []string{"encrypt", "wrapKey"}).String(), true},
		{"key_ops not an array", r.with("key_ops", "verify").String(), true},
		{"key_ops with a number", r.with("key_ops", []any{"verify", 7}).String(), true},
		{"alg unknown", r.with("alg", "RSA-OAEP-256").String(), true},
		{"alg none", r.with("alg", "none").String(), true},
		{"alg symmetric", r.with("alg", "HS256").String(), true},
		{"alg of another type", r.with("alg", "ES256").String(), true},
		{"alg of another curve", e.with("alg", "ES384").String(), true},
		{"alg null", r.with("alg", nil).String(), true},

		{"RSA private", private.String(), true},
		{"RSA with d alone", r.with("d", "AQAB").String(), true},
		{"RSA with a d of null", r.with("d", nil).String(), true},
		{"RSA with oth", r.with("oth", []string{}).String(), true},
		{"EC private", e.with("d", b64(make([]byte, 32))).String(), true},
		{"Ed25519 private", o.with("d", b64(make([]byte, 32))).String(), true},
		{"RSA with k", r.with("k", "AAAA").String(), true},

		{"RSA without n", r.without("n").String(), true},
		{"RSA without e", r.without("e").String(), true},
		{"RSA with an empty n", r.with("n", "").String(), true},
		{"RSA n a number", r.with("n", 7).String(), true},
		{"RSA n not base64url", r.with("n", "+/+/").String(), true},
		{"RSA n padded", r.with("n", r["n"].(string)+"=").String(), true},
		{"RSA n with a line break", r.with("n", r["n"].(string)[:4]+"\n"+r["n"].(string)[4:]).String(), true},
		{"RSA 512 bits", r.with("n", number(new(big.Int).Rsh(k.rsa2.N, 1536))).String(), true},
		{"RSA 1024 bits", r.with("n", number(new(big.Int).Rsh(k.rsa2.N, 1024))).String(), true},
		{"RSA 2047 bits", r.with("n", number(new(big.Int).SetBit(new(big.Int).Rsh(k.rsa2.N, 1), 0, 1))).String(), true},
		{"RSA even", r.with("n", number(new(big.Int).SetBit(k.rsa2.N, 0, 0))).String(), true},
		{"RSA 16386 bits", r.with("n", number(huge)).String(), true},
		{"RSA 1 MB", r.with("n", strings.Repeat("A", 700_000)).String(), true},
		{"exponent 0", r.with("e", "AA").String(), true},
		{"exponent 1", r.with("e", "AQ").String(), true},
		{"exponent 2", r.with("e", "Ag").String(), true},
		{"exponent even", r.with("e", "AQAA").String(), true},
		{"exponent 2^31+1", r.with("e", b64([]byte{0x80, 0, 0, 1})).String(), true},
		{"exponent 2^32+1", r.with("e", b64([]byte{1, 0, 0, 0, 1})).String(), true},
		{"exponent 2^64+65537, which is 65537 when cut", r.with("e", b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})).String(), true},

		{"EC off curve", e.with("y", offCurve).String(), true},
		{"EC zero", e.with("x", b64(make([]byte, 32))).with("y", b64(make([]byte, 32))).String(), true},
		{"EC of another curve", e.with("crv", "P-384").String(), true},
		{"EC unknown curve", e.with("crv", "P-224").String(), true},
		{"EC secp256k1", e.with("crv", "secp256k1").String(), true},
		{"EC crv absent", e.without("crv").String(), true},
		{"EC x absent", e.without("x").String(), true},
		{"EC y absent", e.without("y").String(), true},
		{"EC x short", e.with("x", e["x"].(string)[:40]).String(), true},
		{"EC x long", e.with("x", b64(append([]byte{0}, decode(t, e["x"].(string))...))).String(), true},
		{"EC over the field", e.with("x", b64([]byte(strings.Repeat("\xff", 32)))).String(), true},
		{"EC named Ed25519", e.with("crv", "Ed25519").String(), true},

		{"Ed25519 short", o.with("x", o["x"].(string)[:40]).String(), true},
		{"Ed25519 absent", o.without("x").String(), true},
		{"X25519", o.with("crv", "X25519").String(), true},
		{"Ed448", o.with("crv", "Ed448").String(), true},
		{"OKP on P-256", o.with("crv", "P-256").String(), true},
		{"Ed25519 off curve", o.with("x", b64(append([]byte{2}, make([]byte, 31)...))).String(), true},
		{"Ed25519 not canonical", o.with("x", b64([]byte(strings.Repeat("\xff", 32)))).String(), true},
	}
	// The points of small order: a signature for them can be had without any
	// private key.
	for _, x := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	} {
		b, err := hex.DecodeString(x)
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, struct {
			name string
			key  string
			bad  bool
		}{"Ed25519 of small order " + x[:8] + "…" + x[62:], o.with("x", b64(b)).String(), true})
	}

	t.Run("case_17", func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				// Once before and once behind the good one.
				for _, text := range []string{`{"keys":[` + tt.key + `,` + goodRSA.String() + `]}`, `{"keys":[` + goodRSA.String() + `,` + tt.key + `]}`} {
					set, skipped, err := jose.ParseKeySet([]byte(text), jose.KeySetLimits{Size: 2 << 20})
					if err != nil {
						t.Fatalf("error = %v, want the set read", err)
					}
					want := 0
					if tt.bad {
						want = 1
					}
					if skipped != want || set.Len() != 2-want {
						t.Errorf("%d keys, %d skipped, want %d and %d", set.Len(), skipped, 2-want, want)
					}
					if got, _ := judge(t, token, jose.Limits{}, set); got != "" {
						t.Errorf("the good key's token: problem = %q, want none", got)
					}
					if tt.bad && set.HasID("x") {
						t.Error("the bad key's kid is in the set")
					}
				}
			})
		}
	})
}

func TestKeySetDocument(t *testing.T) {
	k := keys()
	good := rsaJWK(&k.rsa.PublicKey, "a").String()
	tests := []struct {
		name, text string
		lim        jose.KeySetLimits
		want       jose.Problem
		keys       int
	}{
		{"one key", `{"keys":[` + good + `]}`, jose.KeySetLimits{}, "", 1},
		{"no key", `{"keys":[]}`, jose.KeySetLimits{}, "", 0},
		{"other members beside", `{"a":1,"keys":[` + good + `],"z":{}}`, jose.KeySetLimits{}, "", 1},
		{"white space around", " \r\n\t{ \"keys\" : [ " + good + " ] } \n", jose.KeySetLimits{}, "", 1},
		{"keys escaped", `{"\u006beys":[` + good + `]}`, jose.KeySetLimits{}, "", 1},
		{"at the size", `{"keys":[` + good + `]}`, jose.KeySetLimits{Size: len(good) + 11}, "", 1},
		{"one byte over the size", `{"keys":[` + good + `]}`, jose.KeySetLimits{Size: len(good) + 10}, jose.ProblemOversized, 0},
		{"over the default size", `{"keys":[` + good + `],"x":"` + strings.Repeat("x", 1<<20) + `"}`, jose.KeySetLimits{}, jose.ProblemOversized, 0},
		{"empty", ``, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"keys absent", `{}`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"keys in capitals", `{"KEYS":[` + good + `]}`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"keys an object", `{"keys":{}}`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"keys null", `{"keys":null}`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"keys a string", `{"keys":"[]"}`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"keys twice", `{"keys":[],"keys":[` + good + `]}`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"a bare key", good, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"a bare array", `[` + good + `]`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"HTML", `<html>`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"cut off", `{"keys":[` + good + `]`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"text behind", `{"keys":[` + good + `]}x`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"two documents", `{"keys":[` + good + `]}{"keys":[]}`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"byte order mark", "\ufeff" + `{"keys":[]}`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"a repeated member in a key", `{"keys":[{"kty":"RSA","kty":"RSA"},` + good + `]}`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"very deep", `{"keys":[],"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, jose.KeySetLimits{}, jose.ProblemMalformed, 0},
		{"not UTF-8", "{\"keys\":[],\"x\":\"\xff\"}", jose.KeySetLimits{}, jose.ProblemMalformed, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, _, err := jose.ParseKeySet([]byte(tt.text), tt.lim)
			if got := problem(t, err); got != tt.want {
				t.Fatalf("problem = %q, want %q", got, tt.want)
			}
			if err == nil && set.Len() != tt.keys {
				t.Errorf("%d keys, want %d", set.Len(), tt.keys)
			}
		})
	}
}

func TestKeySetCount(t *testing.T) {
	key := ecJWK(&keys().p256.PublicKey, "")
	list := make([]members, 5000)
	for i := range list {
		list[i] = key.with("kid", fmt.Sprint("kid ", i))
	}
	text := []byte(jwks(list...))
	begun := time.Now()
	set, skipped, err := jose.ParseKeySet(text, jose.KeySetLimits{})
	if err != nil || set.Len() != 100 || skipped != 4900 {
		t.Errorf("%d keys, %d skipped, %v, want the first 100 and 4900", set.Len(), skipped, err)
	}
	if d := time.Since(begun); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
	if !set.HasID("kid 99") || set.HasID("kid 100") {
		t.Error("want the first hundred kept")
	}
	if set, skipped, err = jose.ParseKeySet(text, jose.KeySetLimits{Keys: 1}); err != nil || set.Len() != 1 || skipped != 4999 {
		t.Errorf("%d keys, %d skipped, %v, want 1 and 4999", set.Len(), skipped, err)
	}
}

func TestKeySetRepeatedKID(t *testing.T) {
	k := keys()
	first, second := rsaJWK(&k.rsa.PublicKey, "same"), rsaJWK(&k.rsa2.PublicKey, "same")
	ec := ecJWK(&k.p256.PublicKey, "same")
	tests := []struct {
		name    string
		list    []members
		skipped int
	}{
		{"two of one type", []members{first, second}, 1},
		{"the same key twice", []members{first, first}, 1},
		{"one of them with an alg", []members{first, second.with("alg", "PS256")}, 1},
		{"both with one alg", []members{first.with("alg", "RS256"), second.with("alg", "RS256")}, 1},
		{"one key published for two algs", []members{first.with("alg", "RS256"), first.with("alg", "PS256")}, 0},
		{"two types", []members{first, ec}, 0},
		{"a bad one first does not take the kid", []members{second.with("use", "enc"), first}, 1},
		{"without kid there is no repetition", []members{first.without("kid"), second.without("kid")}, 0},
	}
	token := forge(`{"alg":"RS256","kid":"same"}`, goodClaims, byRSA(k.rsa, false))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, skipped, err := jose.ParseKeySet([]byte(jwks(tt.list...)), jose.KeySetLimits{})
			if err != nil || skipped != tt.skipped || set.Len() != len(tt.list)-tt.skipped {
				t.Fatalf("%d keys, %d skipped, %v, want %d skipped", set.Len(), skipped, err, tt.skipped)
			}
			if strings.HasPrefix(tt.name, "without") {
				return
			}
			if got, _ := judge(t, token, jose.Limits{}, set); got != "" {
				t.Errorf("a token of the first key: problem = %q, want none", got)
			}
		})
	}
	t.Run("keys put together by hand are never tried in turn", func(t *testing.T) {
		a, b := keySet(t, first), keySet(t, second)
		h := &jose.Header{Algorithm: jose.RS256, KeyID: "same", HasKeyID: true}
		if got := jose.NewKeySet(a.Find(h), b.Find(h), nil).Find(h); got != nil {
			t.Errorf("found %q, want none of two", got.ID)
		}
		if got := jose.NewKeySet(a.Find(h), nil).Find(h); got == nil {
			t.Error("found none, want the one")
		}
	})
}

func TestHasID(t *testing.T) {
	set := keySet(t, ecJWK(&keys().p256.PublicKey, "a"), ecJWK(&keys().p384.PublicKey, "").without("kid"))
	for kid, want := range map[string]bool{"a": true, "A": false, "": false, "b": false} {
		if got := set.HasID(kid); got != want {
			t.Errorf("HasID(%q) = %v, want %v", kid, got, want)
		}
	}
	if set.Find(&jose.Header{Algorithm: jose.RS256, KeyID: "a", HasKeyID: true}) != nil {
		t.Error("found an EC key for RS256")
	}
}

func TestSecretKey(t *testing.T) {
	tests := []struct {
		name   string
		secret []byte
		want   []string // algorithms it fits; nil: refused
	}{
		{"nothing", nil, nil},
		{"one byte", []byte("x"), nil},
		{"31 bytes", []byte(strings.Repeat("x", 31)), nil},
		{"32 bytes", []byte(strings.Repeat("x", 32)), []string{jose.HS256}},
		{"47 bytes", []byte(strings.Repeat("x", 47)), []string{jose.HS256}},
		{"48 bytes", []byte(strings.Repeat("x", 48)), []string{jose.HS256, jose.HS384}},
		{"63 bytes", []byte(strings.Repeat("x", 63)), []string{jose.HS256, jose.HS384}},
		{"64 bytes", []byte(strings.Repeat("x", 64)), []string{jose.HS256, jose.HS384, jose.HS512}},
		{"64 spaces", []byte(strings.Repeat(" ", 64)), nil},
		{"64 line breaks", []byte(strings.Repeat("\r\n", 32)), nil},
		{"64 zeros", make([]byte, 64), nil},
	}
	for _, tt := range tests {
		t.Run("case_05/"+tt.name, func(t *testing.T) {
			k, err := jose.NewSecretKey("id", tt.secret)
			if (err == nil) != (tt.want != nil) {
				t.Fatalf("error = %v, want it accepted: %v", err, tt.want != nil)
			}
			if err != nil {
				return
			}
			var got []string
			for _, alg := range []string{jose.HS256, jose.HS384, jose.HS512, jose.RS256, jose.ES256, jose.EdDSA, "none", ""} {
				if k.Fits(alg) {
					got = append(got, alg)
				}
			}
			if strings.Join(got, " ") != strings.Join(tt.want, " ") {
				t.Errorf("fits %v, want %v", got, tt.want)
			}
			for _, alg := range []string{jose.HS256, jose.HS384, jose.HS512} {
				_, err := jose.SignSecret(alg, tt.secret, "", []byte(`{}`))
				if (err == nil) != k.Fits(alg) {
					t.Errorf("SignSecret %s: %v, want it to follow Fits", alg, err)
				}
			}
		})
	}
	t.Run("later changes to the caller's slice do not matter", func(t *testing.T) {
		secret := []byte(strings.Repeat("s", 32))
		token := forge(`{"alg":"HS256"}`, goodClaims, bySecret(jose.HS256, secret))
		k, err := jose.NewSecretKey("", secret)
		if err != nil {
			t.Fatal(err)
		}
		clear(secret)
		if got, _ := judge(t, token, jose.Limits{}, jose.NewKeySet(k)); got != "" {
			t.Errorf("problem = %q, want none", got)
		}
	})
}
