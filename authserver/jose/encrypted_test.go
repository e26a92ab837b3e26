package jose_test

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// inner is a signed token in its shape alone: what opens it does not judge it.
const inner = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"

func unb64(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// cekSizes are those of the content encryption keys.
var cekSizes = map[string]int{"A128GCM": 16, "A192GCM": 24, "A256GCM": 32, "A128CBC-HS256": 32, "A256CBC-HS512": 64}

// sealContent makes a compact JWE of a header, an encrypted key and content (RFC 7516 §5.1).
func sealContent(header string, key []byte, enc string, cek []byte, plain string) string {
	head := b64([]byte(header))
	var iv, text, tag []byte
	if strings.HasSuffix(enc, "GCM") {
		block, err := aes.NewCipher(cek)
		if err != nil {
			panic(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			panic(err)
		}
		iv = random(12)
		sealed := aead.Seal(nil, iv, []byte(plain), []byte(head))
		text, tag = sealed[:len(sealed)-16], sealed[len(sealed)-16:]
	} else {
		iv = random(16)
		text, tag = sealCBC(cek, iv, plain, head)
	}
	return strings.Join([]string{head, b64(key), b64(iv), b64(text), b64(tag)}, ".")
}

// sealCBC is AES-CBC with HMAC (RFC 7518 §5.2.2).
func sealCBC(cek, iv []byte, plain, aad string) (text, tag []byte) {
	half := len(cek) / 2
	block, err := aes.NewCipher(cek[half:])
	if err != nil {
		panic(err)
	}
	pad := 16 - len(plain)%16
	text = append([]byte(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	h := map[int]func() hash.Hash{16: sha256.New, 32: sha512.New}[half]
	m := hmac.New(h, cek[:half])
	m.Write([]byte(aad))
	m.Write(iv)
	m.Write(text)
	_ = binary.Write(m, binary.BigEndian, uint64(8*len(aad)))
	return text, m.Sum(nil)[:half]
}

// toRSA encrypts to an RSA key.
func toRSA(k *rsa.PublicKey, alg, enc, more, plain string) string {
	h := map[string]func() hash.Hash{"RSA-OAEP": sha1.New, "RSA-OAEP-256": sha256.New, "RSA-OAEP-512": sha512.New}[alg]
	cek := random(cekSizes[enc])
	var key []byte
	var err error
	if h == nil {
		key, err = rsa.EncryptPKCS1v15(rand.Reader, k, cek)
	} else {
		key, err = rsa.EncryptOAEP(h(), rand.Reader, k, cek, nil)
	}
	if err != nil {
		panic(err)
	}
	return sealContent(`{"alg":"`+alg+`","enc":"`+enc+`"`+more+`}`, key, enc, cek, plain)
}

// toECDH encrypts to a key of an elliptic curve (RFC 7518 §4.6).
func toECDH(k *ecdh.PublicKey, alg, enc, more, plain string) string {
	ephemeral, err := k.Curve().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	z, err := ephemeral.ECDH(k)
	if err != nil {
		panic(err)
	}
	id, size := alg, map[string]int{"ECDH-ES+A128KW": 16, "ECDH-ES+A192KW": 24, "ECDH-ES+A256KW": 32}[alg]
	if alg == "ECDH-ES" {
		id, size = enc, cekSizes[enc]
	}
	kek := concatKDF(z, id, size)
	cek, wrapped := kek, []byte(nil)
	if alg != "ECDH-ES" {
		cek = random(cekSizes[enc])
		wrapped = wrapKey(kek, cek)
	}
	header := `{"alg":"` + alg + `","enc":"` + enc + `","epk":` + ecdhJWK(ephemeral.PublicKey()).String() + more + `}`
	return sealContent(header, wrapped, enc, cek, plain)
}

// concatKDF derives a key without party information (RFC 7518 §4.6.2).
func concatKDF(z []byte, id string, size int) []byte {
	var out []byte
	for round := uint32(1); len(out) < size; round++ {
		h := sha256.New()
		for _, part := range []any{round, z, uint32(len(id)), []byte(id), uint32(0), uint32(0), uint32(8 * size)} {
			_ = binary.Write(h, binary.BigEndian, part)
		}
		out = h.Sum(out)
	}
	return out[:size]
}

// wrapKey is AES Key Wrap (RFC 3394 §2.2.1).
func wrapKey(kek, key []byte) []byte {
	block, err := aes.NewCipher(kek)
	if err != nil {
		panic(err)
	}
	out := append(bytes.Repeat([]byte{0xa6}, 8), key...)
	n := len(key) / 8
	var b [16]byte
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(b[:8], out[:8])
			copy(b[8:], out[8*i:])
			block.Encrypt(b[:], b[:])
			binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(b[:8])^uint64(n*j+i))
			copy(out[8*i:], b[8:])
		}
	}
	return out
}

func ecdhJWK(k *ecdh.PublicKey) members {
	b := k.Bytes()
	if k.Curve() == ecdh.X25519() {
		return members{"kty": "OKP", "crv": "X25519", "x": b64(b)}
	}
	n := (len(b) - 1) / 2
	crv := map[int]string{32: "P-256", 48: "P-384", 66: "P-521"}[n]
	return members{"kty": "EC", "crv": crv, "x": b64(b[1 : 1+n]), "y": b64(b[1+n:])}
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func newECDH(t testing.TB, c ecdh.Curve) *ecdh.PrivateKey {
	t.Helper()
	k, err := c.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func privateJWK(k *ecdh.PrivateKey) members { return ecdhJWK(k.PublicKey()).with("d", b64(k.Bytes())) }

// TestDecrypt: every key type with every algorithm that it has, from PEM and from JWK.
func TestDecrypt(t *testing.T) {
	k := keys()
	for _, enc := range []string{"A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"} {
		for _, alg := range []string{"RSA-OAEP", "RSA-OAEP-256"} {
			t.Run(alg+" "+enc, func(t *testing.T) {
				got, err := decryptionKeys(t, pkcs8(t, k.rsa)).Decrypt(toRSA(&k.rsa.PublicKey, alg, enc, `,"cty":"JWT","kid":"any"`, inner), jose.Limits{})
				if err != nil || got != inner {
					t.Errorf("Decrypt = %q, %v, want the token inside", got, err)
				}
			})
		}
		for name, curve := range map[string]ecdh.Curve{"P-256": ecdh.P256(), "P-384": ecdh.P384(), "P-521": ecdh.P521(), "X25519": ecdh.X25519()} {
			private := newECDH(t, curve)
			for _, alg := range []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"} {
				t.Run(alg+" "+name+" "+enc, func(t *testing.T) {
					token := toECDH(private.PublicKey(), alg, enc, "", inner)
					for form, text := range map[string]string{"PEM": pkcs8(t, private), "JWK": privateJWK(private).String(), "JWK Set": jwks(privateJWK(private).with("use", "enc"))} {
						if got, err := decryptionKeys(t, text).Decrypt(token, jose.Limits{}); err != nil || got != inner {
							t.Errorf("%s: Decrypt = %q, %v, want the token inside", form, got, err)
						}
					}
				})
			}
		}
	}
}

// TestDecryptionKeyChoice: kid and alg choose among several keys; keys without a kid are for every one.
func TestDecryptionKeyChoice(t *testing.T) {
	old, young := newECDH(t, ecdh.P256()), newECDH(t, ecdh.P256())
	set := jwks(privateJWK(old).with("kid", "old"), privateJWK(young).with("kid", "young").with("alg", "ECDH-ES+A256KW"), privateJWK(newECDH(t, ecdh.X25519())))
	for _, tt := range []struct {
		name, keys, token string
		good              bool
	}{
		{"by kid", set, toECDH(old.PublicKey(), "ECDH-ES", "A128GCM", `,"kid":"old"`, inner), true},
		{"by the other kid", set, toECDH(young.PublicKey(), "ECDH-ES+A256KW", "A128GCM", `,"kid":"young"`, inner), true},
		{"without kid", set, toECDH(young.PublicKey(), "ECDH-ES+A256KW", "A128GCM", "", inner), true},
		{"unknown kid", set, toECDH(old.PublicKey(), "ECDH-ES", "A128GCM", `,"kid":"x"`, inner), false},
		{"kid of another key", set, toECDH(old.PublicKey(), "ECDH-ES+A256KW", "A128GCM", `,"kid":"young"`, inner), false},
		{"alg that the key is not for", set, toECDH(young.PublicKey(), "ECDH-ES", "A128GCM", `,"kid":"young"`, inner), false},
		{"two of PEM, the first", pkcs8(t, old) + pkcs8(t, young), toECDH(old.PublicKey(), "ECDH-ES", "A128GCM", `,"kid":"x"`, inner), true},
		{"two of PEM, the second", pkcs8(t, old) + pkcs8(t, young), toECDH(young.PublicKey(), "ECDH-ES", "A128GCM", "", inner), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decryptionKeys(t, tt.keys).Decrypt(tt.token, jose.Limits{})
			if (err == nil) != tt.good || (got == inner) != tt.good {
				t.Errorf("Decrypt = %q, %v, want good: %v", got, err, tt.good)
			}
		})
	}
}

// TestParseDecryptionKeys: what is not a good private key is refused, without repeating it.
func TestParseDecryptionKeys(t *testing.T) {
	k := keys()
	ec := newECDH(t, ecdh.P256())
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224DER, err := x509.MarshalECPrivateKey(p224)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(k.p256)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	five := strings.Repeat(pkcs8(t, ec), 5)
	for _, tt := range []struct {
		name, text string
		good       bool
	}{
		{"PKCS #8", pkcs8(t, k.rsa), true},
		{"PKCS #1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.rsa)), true},
		{"SEC 1", block("EC PRIVATE KEY", sec1), true},
		{"X25519", pkcs8(t, newECDH(t, ecdh.X25519())), true},
		{"JWK", privateJWK(ec).String(), true},
		{"JWK for decrypting", privateJWK(ec).with("key_ops", []string{"deriveKey"}).String(), true},
		{"four keys", five[:len(five)/5*4], true},
		{"nothing", "", false},
		{"no key", "hello", false},
		{"empty set", jwks(), false},
		{"set that is none", `{"keys":{}}`, false},
		{"five keys", five, false},
		{"public JWK", ecdhJWK(ec.PublicKey()).String(), false},
		{"JWK for signing", privateJWK(ec).with("use", "sig").String(), false},
		{"JWK for signing by key_ops", privateJWK(ec).with("key_ops", []string{"sign"}).String(), false},
		{"JWK of a signature alg", privateJWK(ec).with("alg", "ES256").String(), false},
		{"JWK of RSA1_5", privateJWK(ec).with("alg", "RSA1_5").String(), false},
		{"JWK of the other type's alg", privateJWK(ec).with("alg", "RSA-OAEP").String(), false},
		{"symmetric JWK", members{"kty": "oct", "k": b64(random(32))}.String(), false},
		{"one bad key in a set", jwks(privateJWK(ec), ecdhJWK(ec.PublicKey())), false},
		{"JWK that does not belong together", privateJWK(ec).with("d", b64(newECDH(t, ecdh.P256()).Bytes())).String(), false},
		{"member twice", strings.Replace(privateJWK(ec).String(), "{", `{"kty":"EC",`, 1), false},
		{"RSA of 1024 bits", pkcs8(t, weak), false},
		{"P-224", block("EC PRIVATE KEY", p224DER), false},
		{"Ed25519", pkcs8(t, k.ed), false},
		{"public PEM", block("PUBLIC KEY", x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey)), false},
		{"broken PEM", block("PRIVATE KEY", []byte("x")), false},
		{"encrypted PEM", block("ENCRYPTED PRIVATE KEY", []byte("x")), false},
		{"too long", strings.Repeat(" ", 1<<20) + pkcs8(t, ec), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := jose.ParseDecryptionKeys([]byte(tt.text))
			if (err == nil) != tt.good || (got != nil) != tt.good {
				t.Errorf("keys %v, %v, want good: %v", got, err, tt.good)
			}
			if err != nil && strings.Contains(err.Error(), b64(ec.Bytes())) {
				t.Errorf("the error repeats the key: %v", err)
			}
			if shown := fmt.Sprintf("%v %+v %#v", got, got, got); tt.good && shown != "decryption keys decryption keys decryption keys" {
				t.Errorf("the keys print as %s", shown)
			}
		})
	}
}

// TestAttack28Encrypted has rows 28 to 31 of the attack catalogue: JWE. Each case names its row; every refusal is the same error.
func TestAttack28Encrypted(t *testing.T) {
	k := keys()
	ec := newECDH(t, ecdh.P256())
	set := decryptionKeys(t, pkcs8(t, k.rsa)+pkcs8(t, ec)+pkcs8(t, newECDH(t, ecdh.X25519())))
	good := toRSA(&k.rsa.PublicKey, "RSA-OAEP-256", "A256GCM", "", inner)
	goodEC := toECDH(ec.PublicKey(), "ECDH-ES+A256KW", "A128CBC-HS256", "", inner)
	goodDirect := toECDH(ec.PublicKey(), "ECDH-ES", "A256GCM", "", inner)
	// part replaces one of the five parts.
	part := func(token string, i int, with string) string {
		parts := strings.Split(token, ".")
		parts[i] = with
		return strings.Join(parts, ".")
	}
	// flip changes one bit of a part.
	flip := func(token string, i int) string {
		b := unb64(strings.Split(token, ".")[i])
		b[len(b)-1] ^= 1
		return part(token, i, b64(b))
	}
	// header replaces members of the header, which is part of what is authenticated.
	header := func(token string, change func(map[string]any)) string {
		var h map[string]any
		if err := json.Unmarshal(unb64(strings.Split(token, ".")[0]), &h); err != nil {
			t.Fatal(err)
		}
		change(h)
		b, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		return part(token, 0, b64(b))
	}
	member := func(name string, value any) func(map[string]any) {
		return func(h map[string]any) { h[name] = value }
	}
	var deflated bytes.Buffer
	w, _ := flate.NewWriter(&deflated, flate.BestCompression)
	_, _ = w.Write([]byte(strings.Repeat(" ", 1<<20)))
	_ = w.Close()
	var small bytes.Buffer
	w, _ = flate.NewWriter(&small, flate.BestCompression)
	_, _ = w.Write([]byte(inner))
	_ = w.Close()

	tests := []struct {
		row   int
		name  string
		token string
		good  bool
	}{
		{28, "PBES2 with 100 000 000 rounds", sealContent(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2s":"c2FsdHNhbHQ","p2c":100000000}`, random(40), "A256GCM", random(32), inner), false},
		{28, "PBES2 with one round", sealContent(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"c2FsdHNhbHQ","p2c":1}`, random(24), "A128GCM", random(16), inner), false},
		{28, "p2c beside a good alg", toRSA(&k.rsa.PublicKey, "RSA-OAEP", "A128GCM", `,"p2c":1`, inner), false},
		{28, "good", good, true},

		{29, "zip that expands to a megabyte", toRSA(&k.rsa.PublicKey, "RSA-OAEP", "A128GCM", `,"zip":"DEF"`, deflated.String()), false},
		{29, "zip of a good token", toRSA(&k.rsa.PublicKey, "RSA-OAEP", "A128GCM", `,"zip":"DEF"`, small.String()), false},
		{29, "zip null", toRSA(&k.rsa.PublicKey, "RSA-OAEP", "A128GCM", `,"zip":null`, inner), false},
		{29, "not compressed", toRSA(&k.rsa.PublicKey, "RSA-OAEP", "A128GCM", "", inner), true},

		{30, "empty key part", part(good, 1, ""), false},
		{30, "empty key part, key agreement with wrapping", part(goodEC, 1, ""), false},
		{30, "key part of 8 bytes, key agreement with wrapping", part(goodEC, 1, b64(random(8))), false},
		{30, "key part of another size", part(good, 1, b64(random(255))), false},
		{30, "random key part", part(good, 1, b64(random(256))), false},
		{30, "key part with direct key agreement", part(goodDirect, 1, b64(random(32))), false},
		{30, "tag of one byte", part(good, 4, "AA"), false},
		{30, "no tag", part(good, 4, ""), false},
		{30, "tag of 15 bytes", part(goodEC, 4, b64(random(15))), false},
		{30, "no iv", part(good, 2, ""), false},
		{30, "iv of 16 bytes with GCM", part(good, 2, b64(random(16))), false},
		{30, "iv of 12 bytes with CBC", part(goodEC, 2, b64(random(12))), false},
		{30, "no content", part(good, 3, ""), false},
		{30, "half a block of content", part(goodEC, 3, b64(random(24))), false},
		{30, "changed tag", flip(good, 4), false},
		{30, "changed content", flip(good, 3), false},
		{30, "changed iv", flip(good, 2), false},
		{30, "changed key", flip(good, 1), false},
		{30, "changed tag, CBC", flip(goodEC, 4), false},
		{30, "changed content, CBC", flip(goodEC, 3), false},
		{30, "changed wrapped key", flip(goodEC, 1), false},
		{30, "changed header", header(good, member("x", 1)), false},
		{30, "RSA1_5", toRSA(&k.rsa.PublicKey, "RSA1_5", "A128CBC-HS256", "", inner), false},
		{30, "RSA1_5 with a random key", part(toRSA(&k.rsa.PublicKey, "RSA1_5", "A128CBC-HS256", "", inner), 1, b64(random(256))), false},
		{30, "RSA-OAEP-512", toRSA(&k.rsa.PublicKey, "RSA-OAEP-512", "A256GCM", "", inner), false},
		{30, "A192GCM", toRSA(&k.rsa.PublicKey, "RSA-OAEP", "A192GCM", "", inner), false},
		{30, "content key of another size", func() string {
			cek := random(16)
			key, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.rsa.PublicKey, cek, nil)
			if err != nil {
				t.Fatal(err)
			}
			return sealContent(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`, key, "A128GCM", cek, inner)
		}(), false},
		{30, "dir with a key part", sealContent(`{"alg":"dir","enc":"A256GCM"}`, random(32), "A256GCM", random(32), inner), false},
		{30, "dir", sealContent(`{"alg":"dir","enc":"A256GCM"}`, nil, "A256GCM", random(32), inner), false},
		{30, "A256KW", sealContent(`{"alg":"A256KW","enc":"A256GCM"}`, random(40), "A256GCM", random(32), inner), false},
		{30, "alg none", sealContent(`{"alg":"none","enc":"A256GCM"}`, nil, "A256GCM", random(32), inner), false},
		{30, "no epk", header(goodEC, func(h map[string]any) { delete(h, "epk") }), false},
		{30, "epk null", header(goodEC, member("epk", nil)), false},
		{30, "epk off its curve", header(goodEC, member("epk", ecdhJWK(ec.PublicKey()).with("y", b64(random(32))))), false},
		{30, "epk of zeros", header(goodEC, member("epk", members{"kty": "EC", "crv": "P-256", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))})), false},
		{30, "epk on another curve", header(goodEC, member("epk", ecdhJWK(newECDH(t, ecdh.P384()).PublicKey()))), false},
		{30, "epk with a private key", header(goodEC, member("epk", privateJWK(ec))), false},
		{30, "epk an RSA key", header(goodEC, member("epk", rsaJWK(&k.rsa.PublicKey, "x"))), false},
		{30, "epk of small order, X25519", header(goodEC, member("epk", members{"kty": "OKP", "crv": "X25519", "x": b64(make([]byte, 32))})), false},
		{30, "epk an Ed25519 key", header(goodEC, member("epk", members{"kty": "OKP", "crv": "Ed25519", "x": b64(random(32))})), false},
		{30, "crit", toRSA(&k.rsa.PublicKey, "RSA-OAEP", "A128GCM", `,"crit":["x"],"x":1`, inner), false},
		{30, "alg twice", toRSA(&k.rsa.PublicKey, "RSA-OAEP", "A128GCM", `,"alg":"RSA-OAEP"`, inner), false},
		{30, "kid that is none", toRSA(&k.rsa.PublicKey, "RSA-OAEP", "A128GCM", `,"kid":1`, inner), false},
		{30, "apu that is none", toECDH(ec.PublicKey(), "ECDH-ES", "A128GCM", `,"apu":1`, inner), false},
		{30, "header that is no JSON", part(good, 0, b64([]byte("x"))), false},
		{30, "header that is no base64url", part(good, 0, "*"), false},
		{30, "empty header", part(good, 0, ""), false},
		{30, "six parts", good + ".x", false},
		{30, "four parts", good[:strings.LastIndexByte(good, '.')], false},
		{30, "a megabyte of dots", strings.Repeat(".", 1<<20), false},
		{30, "line break", strings.Replace(good, ".", ".\n", 1), false},
		{30, "too long", toRSA(&k.rsa.PublicKey, "RSA-OAEP", "A128GCM", "", inner+strings.Repeat("x", 16384)), false},
		{30, "JSON serialisation", `{"protected":"x","ciphertext":"y"}`, false},
		{30, "to somebody else", toRSA(&k.rsa2.PublicKey, "RSA-OAEP", "A128GCM", "", inner), false},
		{30, "good, key agreement with wrapping", goodEC, true},
		{30, "good, direct key agreement", goodDirect, true},

		{31, "unsigned claims", toRSA(&k.rsa.PublicKey, "RSA-OAEP-256", "A256GCM", `,"cty":"json"`, goodClaims), false},
		{31, "nothing", toRSA(&k.rsa.PublicKey, "RSA-OAEP-256", "A128CBC-HS256", "", ""), false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("case_%d %s", tt.row, tt.name), func(t *testing.T) {
			start := time.Now()
			got, err := set.Decrypt(tt.token, jose.Limits{})
			if took := time.Since(start); took > 5*time.Second { // what would be derived takes far longer
				t.Errorf("took %v", took)
			}
			if tt.good {
				if err != nil || got != inner {
					t.Errorf("Decrypt = %q, %v, want the token inside", got, err)
				}
				return
			}
			if got != "" || err == nil || err.Error() != "jose: encrypted: the token cannot be decrypted" {
				t.Errorf("Decrypt = %q, %v, want the one error", got, err)
			}
		})
	}

	// What is inside proves nothing: it is judged like any other token.
	for name, content := range map[string]string{
		"unsigned token inside":        b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(goodClaims)) + ".",
		"encrypted token inside":       good,
		"token of a stranger's inside": forge(`{"alg":"RS256"}`, goodClaims, byRSA(k.attacker, false)),
	} {
		t.Run("case_31 "+name, func(t *testing.T) {
			got, err := set.Decrypt(toRSA(&k.rsa.PublicKey, "RSA-OAEP-256", "A256GCM", "", content), jose.Limits{})
			if err != nil || got != content {
				t.Fatalf("Decrypt = %q, %v, want the content", got, err)
			}
			if why, _ := judge(t, got, jose.Limits{}, keySet(t, rsaJWK(&k.rsa2.PublicKey, "rsa"))); why == "" {
				t.Error("accepted")
			}
		})
	}
}

func TestLooksLikeJWE(t *testing.T) {
	good := toRSA(&keys().rsa.PublicKey, "RSA-OAEP", "A128GCM", "", inner)
	for token, want := range map[string]bool{
		good: true, inner: false, "": false, "....": false, "a.b.c.d.e": false, good + ".": false, strings.Repeat(".", 1<<20): false,
	} {
		if got := jose.LooksLikeJWE(token); got != want {
			t.Errorf("LooksLikeJWE(%.40q) = %v, want %v", token, got, want)
		}
	}
}
