package jose_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// attack is one row of the attack catalogue. Without a problem it is the
// nearest good input.
type attack struct {
	name  string
	token string
	want  jose.Problem
	set   *jose.KeySet // nil: the set of TestAttack
	lim   jose.Limits
}

// TestAttack has the rows of the attack catalogue's sections A and B that a
// token reader can judge alone, named by their number.
func TestAttack(t *testing.T) {
	k := keys()
	edPublic := k.ed.Public().(ed25519.PublicKey)
	set := keySet(t,
		rsaJWK(&k.rsa.PublicKey, "rsa").with("alg", "RS256"),
		ecJWK(&k.p256.PublicKey, "p256"),
		ecJWK(&k.p384.PublicKey, "p384"),
		ecJWK(&k.p521.PublicKey, "p521"),
		edJWK(edPublic, "ed"),
	)
	secret := []byte("a shared secret of more than sixty-four bytes, which suits HS512 as well")
	secretKey, err := jose.NewSecretKey("", secret)
	if err != nil {
		t.Fatal(err)
	}
	rs256 := byRSA(k.rsa, false)
	// signed is a good token whose header has these members more.
	signed := func(more string) string {
		return forge(`{"alg":"RS256","kid":"rsa"`+more+`}`, goodClaims, rs256)
	}
	good := signed("")
	parts := strings.Split(good, ".")
	claims := func(payload string) string { return forge(`{"alg":"RS256","kid":"rsa"}`, payload, rs256) }
	kid := func(text string) string { return forge(`{"alg":"RS256","kid":`+text+`}`, goodClaims, rs256) }
	header := func(text string) string { return b64([]byte(text)) + "." + parts[1] + "." + parts[2] }

	cases := map[int][]attack{}

	// 1: unsigned tokens.
	for _, alg := range []string{`"none"`, `"None"`, `"nOnE"`, `"NONE"`, `""`, `null`, `256`, `true`, `["RS256"]`, `{"alg":"RS256"}`, `"rs256"`, `"RS256 "`, `"RS256\u0000"`} {
		cases[1] = append(cases[1],
			attack{name: "alg " + alg + ", empty signature", token: forge(`{"alg":`+alg+`,"kid":"rsa"}`, goodClaims, constant(nil)), want: jose.ProblemAlgorithm},
			attack{name: "alg " + alg + ", another's signature", token: header(`{"alg":` + alg + `,"kid":"rsa"}`), want: jose.ProblemAlgorithm})
	}
	cases[1] = append(cases[1],
		attack{name: "alg absent", token: header(`{"kid":"rsa"}`), want: jose.ProblemAlgorithm},
		attack{name: "ALG in capitals is not alg", token: header(`{"ALG":"RS256","kid":"rsa"}`), want: jose.ProblemAlgorithm},
		attack{name: "signature removed", token: parts[0] + "." + parts[1] + ".", want: jose.ProblemSignature},
		attack{name: "signature and its dot removed", token: parts[0] + "." + parts[1], want: jose.ProblemMalformed},
		attack{name: "alg escaped, otherwise good", token: forge(`{"\u0061lg":"RS\u003256","kid":"rsa"}`, goodClaims, rs256)},
		attack{name: "good", token: good})

	// 2: the public key as a shared secret.
	pkix, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey)
	forms := map[string][]byte{
		"PKIX PEM":   pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}),
		"PKCS1 PEM":  pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1}),
		"PKIX DER":   pkix,
		"PKCS1 DER":  pkcs1,
		"JWK":        []byte(rsaJWK(&k.rsa.PublicKey, "rsa").with("alg", "RS256").String()),
		"modulus":    k.rsa.N.Bytes(),
		"nothing":    nil,
		"JWK Set":    []byte(jwks(rsaJWK(&k.rsa.PublicKey, "rsa"))),
		"trimmed":    bytes.TrimSpace(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})),
		"Ed25519 x":  edPublic,
		"kid itself": []byte("rsa"),
	}
	for _, alg := range []string{jose.HS256, jose.HS384, jose.HS512} {
		for form, text := range forms {
			for _, id := range []string{`,"kid":"rsa"`, `,"kid":"ed"`, ``} {
				cases[2] = append(cases[2], attack{name: alg + " by " + form + id,
					token: forge(`{"alg":"`+alg+`"`+id+`}`, goodClaims, bySecret(alg, text)), want: jose.ProblemKey})
			}
		}
	}
	cases[2] = append(cases[2], attack{name: "good", token: good},
		attack{name: "good with a secret that was configured", token: forge(`{"alg":"HS256"}`, goodClaims, bySecret(jose.HS256, secret)), set: jose.NewKeySet(secretKey)})

	// 3: the key is of another type or for another purpose.
	es256, ps256 := byEC(k.p256), byRSA(k.rsa, true)
	plainRSA := keySet(t, rsaJWK(&k.rsa.PublicKey, "rsa"))
	cases[3] = []attack{
		{name: "RS256 with the kid of an EC key", token: forge(`{"alg":"RS256","kid":"p256"}`, goodClaims, rs256), want: jose.ProblemKey},
		{name: "PS256 by a key published for RS256", token: forge(`{"alg":"PS256","kid":"rsa"}`, goodClaims, ps256), want: jose.ProblemKey},
		{name: "PS256 by a key published for any", token: forge(`{"alg":"PS256","kid":"rsa"}`, goodClaims, ps256), set: plainRSA},
		{name: "RS256 signature under PS256", token: forge(`{"alg":"PS256","kid":"rsa"}`, goodClaims, rs256), set: plainRSA, want: jose.ProblemSignature},
		{name: "PS256 signature under RS256", token: forge(`{"alg":"RS256","kid":"rsa"}`, goodClaims, ps256), set: plainRSA, want: jose.ProblemSignature},
		{name: "ES256 with a P-384 key", token: forge(`{"alg":"ES256","kid":"p384"}`, goodClaims, byEC(k.p384)), want: jose.ProblemKey},
		{name: "ES384 with a P-256 key", token: forge(`{"alg":"ES384","kid":"p256"}`, goodClaims, es256), want: jose.ProblemKey},
		{name: "EdDSA with an EC key", token: forge(`{"alg":"EdDSA","kid":"p256"}`, goodClaims, byEd25519(k.ed)), want: jose.ProblemKey},
		{name: "ES256 with an Ed25519 key", token: forge(`{"alg":"ES256","kid":"ed"}`, goodClaims, es256), want: jose.ProblemKey},
		{name: "good RS256", token: good},
		{name: "good ES256", token: forge(`{"alg":"ES256","kid":"p256"}`, goodClaims, es256)},
		{name: "good ES384", token: forge(`{"alg":"ES384","kid":"p384"}`, goodClaims, byEC(k.p384))},
		{name: "good ES512", token: forge(`{"alg":"ES512","kid":"p521"}`, goodClaims, byEC(k.p521))},
		{name: "good EdDSA", token: forge(`{"alg":"EdDSA","kid":"ed"}`, goodClaims, byEd25519(k.ed))},
	}
	for name, m := range map[string]members{
		"use enc":                  rsaJWK(&k.rsa.PublicKey, "x").with("use", "enc"),
		"key_ops without verify":   rsaJWK(&k.rsa.PublicKey, "x").with("key_ops", []string{"encrypt"}),
		"key_ops empty":            rsaJWK(&k.rsa.PublicKey, "x").with("key_ops", []string{}),
		"alg of an encryption key": rsaJWK(&k.rsa.PublicKey, "x").with("alg", "RSA-OAEP"),
	} {
		other, skipped, err := jose.ParseKeySet([]byte(jwks(m)), jose.KeySetLimits{})
		if err != nil || skipped != 1 {
			t.Fatalf("%s: %d skipped, %v, want 1", name, skipped, err)
		}
		cases[3] = append(cases[3], attack{name: "a key with " + name, token: forge(`{"alg":"RS256","kid":"x"}`, goodClaims, rs256), set: other, want: jose.ProblemKey})
	}

	// 4: what is not allowed is left out of the set, or bound by the key's alg.
	cases[4] = []attack{
		{name: "ES384 where the issuer has RS256 alone", token: forge(`{"alg":"ES384","kid":"rsa"}`, goodClaims, byEC(k.p384)), set: keySet(t, rsaJWK(&k.rsa.PublicKey, "rsa").with("alg", "RS256")), want: jose.ProblemKey},
		{name: "good", token: good},
		{name: "ES256K", token: header(`{"alg":"ES256K","kid":"p256"}`), want: jose.ProblemAlgorithm},
		{name: "Ed448", token: header(`{"alg":"Ed448","kid":"ed"}`), want: jose.ProblemAlgorithm},
		{name: "RS1", token: header(`{"alg":"RS1","kid":"rsa"}`), want: jose.ProblemAlgorithm},
	}

	// 5: a symmetric algorithm where keys are published; short secrets are refused by NewSecretKey.
	cases[5] = []attack{
		{name: "signed with an empty key", token: forge(`{"alg":"HS256"}`, goodClaims, bySecret(jose.HS256, nil)), set: jose.NewKeySet(secretKey), want: jose.ProblemSignature},
		{name: "signed with zeros", token: forge(`{"alg":"HS256"}`, goodClaims, bySecret(jose.HS256, make([]byte, 64))), set: jose.NewKeySet(secretKey), want: jose.ProblemSignature},
		{name: "symmetric at an issuer with public keys", token: forge(`{"alg":"HS256"}`, goodClaims, bySecret(jose.HS256, secret)), want: jose.ProblemKey},
		{name: "good", token: forge(`{"alg":"HS512"}`, goodClaims, bySecret(jose.HS512, secret)), set: jose.NewKeySet(secretKey)},
	}

	// 6 and 7: keys in or by the header are not looked at.
	evil := rsaJWK(&k.attacker.PublicKey, "evil")
	byEvil := byRSA(k.attacker, false)
	cases[6] = []attack{
		{name: "own key in jwk", token: forge(`{"alg":"RS256","jwk":`+evil.String()+`}`, goodClaims, byEvil), want: jose.ProblemSignature},
		{name: "own key in jwk with its kid", token: forge(`{"alg":"RS256","kid":"evil","jwk":`+evil.String()+`}`, goodClaims, byEvil), want: jose.ProblemKey},
		{name: "own key in jwk under a known kid", token: forge(`{"alg":"RS256","kid":"rsa","jwk":`+evil.with("kid", "rsa").String()+`}`, goodClaims, byEvil), want: jose.ProblemSignature},
		{name: "own certificate in x5c", token: forge(`{"alg":"RS256","kid":"rsa","x5c":["MIIB"]}`, goodClaims, byEvil), want: jose.ProblemSignature},
		{name: "good, a jwk being ignored", token: signed(`,"jwk":` + evil.String())},
		{name: "good, a senseless jwk being ignored", token: signed(`,"jwk":7`)},
	}
	for _, name := range []string{"jku", "x5u"} {
		for _, url := range []string{"https://evil.example/keys", "http://127.0.0.1:1/", "http://169.254.169.254/latest/"} {
			cases[7] = append(cases[7],
				attack{name: name + " " + url, token: forge(`{"alg":"RS256","kid":"rsa","`+name+`":"`+url+`"}`, goodClaims, byEvil), want: jose.ProblemSignature},
				attack{name: "good, " + name + " being ignored " + url, token: signed(`,"` + name + `":"` + url + `"`)})
		}
	}

	// 9: kid is a name and nothing else.
	for _, text := range []string{`"../../../dev/null"`, `"' OR 1=1 --"`, `"https://evil.example/"`, `"rsa\u0000"`, `"rsa\r\nX: y"`, `"RSA"`, `"rsa "`, `""`} {
		cases[9] = append(cases[9], attack{name: "kid " + text, token: kid(text), want: jose.ProblemKey})
	}
	for _, text := range []string{`{"a":"rsa"}`, `["rsa"]`, `null`, `7`, `true`, `"` + strings.Repeat("a", 10_000) + `"`, `"` + strings.Repeat("a", 257) + `"`} {
		cases[9] = append(cases[9], attack{name: "kid " + text[:min(20, len(text))], token: kid(text), want: jose.ProblemMalformed})
	}
	long := strings.Repeat("k", 256)
	cases[9] = append(cases[9], attack{name: "good", token: kid(`"rsa"`)},
		attack{name: "good, long kid", token: kid(`"` + long + `"`), set: keySet(t, rsaJWK(&k.rsa.PublicKey, long))})

	// 10: no kid.
	noKid := forge(`{"alg":"RS256"}`, goodClaims, rs256)
	two := keySet(t, rsaJWK(&k.rsa.PublicKey, "a"), rsaJWK(&k.rsa2.PublicKey, "b"))
	cases[10] = []attack{
		{name: "several keys fit", token: noKid, set: two, want: jose.ProblemKey},
		{name: "none fits", token: noKid, set: keySet(t, ecJWK(&k.p256.PublicKey, "p256")), want: jose.ProblemKey},
		{name: "several keys fit, kid given", token: forge(`{"alg":"RS256","kid":"a"}`, goodClaims, rs256), set: two},
		{name: "several keys fit, wrong kid given", token: forge(`{"alg":"RS256","kid":"b"}`, goodClaims, rs256), set: two, want: jose.ProblemSignature},
		{name: "a kid that is unknown is not as good as none", token: forge(`{"alg":"RS256","kid":"z"}`, goodClaims, rs256), set: plainRSA, want: jose.ProblemKey},
		{name: "good: one key fits among others", token: noKid},
		{name: "good: the set's only key", token: noKid, set: plainRSA},
		{name: "good: a key without kid", token: noKid, set: keySet(t, rsaJWK(&k.rsa.PublicKey, "").without("kid"))},
	}

	// 12: the same kid in two issuers' sets.
	issuerB := keySet(t, rsaJWK(&k.rsa2.PublicKey, "rsa"))
	cases[12] = []attack{
		{name: "signed by A, checked with B's set", token: good, set: issuerB, want: jose.ProblemSignature},
		{name: "good: B's own", token: forge(`{"alg":"RS256","kid":"rsa"}`, goodClaims, byRSA(k.rsa2, false)), set: issuerB},
	}

	// 18 and 19: critical extensions and the unencoded payload.
	for _, text := range []string{`["x"]`, `[]`, `["alg"]`, `["exp"]`, `"x"`, `null`, `{}`, `["b64"]`, `7`} {
		cases[18] = append(cases[18], attack{name: "crit " + text, token: signed(`,"crit":` + text + `,"x":1`), want: jose.ProblemCritical})
	}
	cases[18] = append(cases[18], attack{name: "good: x without crit", token: signed(`,"x":1`)}, attack{name: "good: CRIT is not crit", token: signed(`,"CRIT":["x"]`)})
	input := b64([]byte(`{"alg":"RS256","kid":"rsa","b64":false,"crit":["b64"]}`)) + "." + goodClaims
	cases[19] = []attack{
		{name: "b64 false and critical", token: input + "." + b64(rs256([]byte(input))), want: jose.ProblemMalformed}, // its payload has dots
		{name: "b64 false and critical, payload encoded", token: signed(`,"b64":false,"crit":["b64"]`), want: jose.ProblemCritical},
		{name: "b64 false alone", token: signed(`,"b64":false`), want: jose.ProblemCritical},
		{name: "b64 true", token: signed(`,"b64":true`), want: jose.ProblemCritical},
		{name: "b64 null", token: signed(`,"b64":null`), want: jose.ProblemCritical},
		{name: "good", token: good},
	}

	// 20: other serialisations.
	flattened := fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2])
	general := fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q},{"protected":%q,"signature":%q}]}`, parts[1], parts[0], parts[2], parts[0], parts[2])
	for name, text := range map[string]string{
		"flattened": flattened, "general": general, "compact in a member": fmt.Sprintf(`{"token":%q}`, good), "compact in a string": `"` + good + `"`,
		"compact in the header's place": fmt.Sprintf(`{"alg":"RS256","%s":""}`, good), "encoded flattened": b64([]byte(flattened)) + ".e30.AA",
		"array": "[" + good + "]",
	} {
		want := jose.ProblemMalformed
		if name == "encoded flattened" {
			want = jose.ProblemAlgorithm
		}
		cases[20] = append(cases[20], attack{name: name, token: text, want: want})
	}
	cases[20] = append(cases[20], attack{name: "good", token: good})

	// 21 and 22: dots and length.
	wide := jose.Limits{Size: 4 << 20}
	for name, token := range map[string]string{
		"dots": strings.Repeat(".", 1<<20), "nothing": "", "one dot": ".", "two dots": "..", "three dots": "...", "five dots": ".....",
		"four parts": good + ".AA", "six parts": good + ".AA.AA.AA", "no header": "." + parts[1] + "." + parts[2], "no payload": parts[0] + ".." + parts[2],
		"a header and many dots": parts[0] + strings.Repeat(".", 1<<20), "dots behind": good + strings.Repeat(".", 1<<20),
	} {
		cases[21] = append(cases[21], attack{name: name, token: token, lim: wide, want: jose.ProblemMalformed})
	}
	cases[21] = append(cases[21],
		attack{name: "five parts", token: good + ".AA.AA", want: jose.ProblemEncrypted},
		attack{name: "four dots", token: "....", want: jose.ProblemEncrypted},
		attack{name: "good", token: good, lim: wide})
	fill := func(size int) string { // a good token of exactly this many bytes
		for pad := size * 3 / 4; ; pad-- {
			token := claims(`{"iss":"x","pad":"` + strings.Repeat("p", pad) + `"}`)
			if len(token) == size {
				return token
			}
			if len(token) < size-8 {
				t.Fatalf("no token has %d bytes", size)
			}
		}
	}
	atLimit := fill(16384)
	cases[22] = []attack{
		{name: "one byte over the default", token: atLimit + "A", want: jose.ProblemOversized},
		{name: "one byte over a limit of its own", token: good, lim: jose.Limits{Size: len(good) - 1}, want: jose.ProblemOversized},
		{name: "garbage over the limit", token: strings.Repeat("\x00", 20_000), want: jose.ProblemOversized},
		{name: "good at the default", token: atLimit},
		{name: "good at a limit of its own", token: good, lim: jose.Limits{Size: len(good)}},
	}

	// 23: ECDSA signatures that are no pair of numbers in range.
	esHead := `{"alg":"ES256","kid":"p256"}`
	n := k.p256.Params().N
	sig := es256([]byte(b64([]byte(esHead)) + "." + b64([]byte(goodClaims))))
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	zero, one, over := new(big.Int), big.NewInt(1), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	for name, bad := range map[string][]byte{
		"r = s = 0": rawEC(k.p256.Curve, zero, zero), "r = 0": rawEC(k.p256.Curve, zero, s), "s = 0": rawEC(k.p256.Curve, r, zero),
		"r = s = order": rawEC(k.p256.Curve, n, n), "r = order": rawEC(k.p256.Curve, n, s), "s = order": rawEC(k.p256.Curve, r, n),
		"r = s = 1": rawEC(k.p256.Curve, one, one), "r = s = 2^256-1": rawEC(k.p256.Curve, over, over),
		"DER": der, "one byte short": sig[:63], "one byte more": append(bytes.Clone(sig), 0), "leading zeros": append(make([]byte, 2), sig...),
		"a zero before each": append(append([]byte{0}, sig[:32]...), append([]byte{0}, sig[32:]...)...), "halves swapped": append(bytes.Clone(sig[32:]), sig[:32]...),
		"one byte": {0}, "r alone": sig[:32],
	} {
		cases[23] = append(cases[23], attack{name: name, token: forge(esHead, goodClaims, constant(bad)), want: jose.ProblemSignature})
	}
	cases[23] = append(cases[23], attack{name: "good", token: forge(esHead, goodClaims, constant(sig))})

	// 24: weak RSA keys never get into a set.
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weakSet, skipped, err := jose.ParseKeySet([]byte(jwks(rsaJWK(&weak.PublicKey, "weak"), rsaJWK(&k.rsa.PublicKey, "rsa"))), jose.KeySetLimits{})
	if err != nil || skipped != 1 || weakSet.Len() != 1 {
		t.Fatalf("a 1024-bit key: %d skipped, %v, want 1", skipped, err)
	}
	cases[24] = []attack{
		{name: "1024 bits", token: forge(`{"alg":"RS256","kid":"weak"}`, goodClaims, byRSA(weak, false)), set: weakSet, want: jose.ProblemKey},
		{name: "good: 2048 bits beside it", token: good, set: weakSet},
	}

	// 26: repeated members, and twins in other letters.
	for name, text := range map[string]string{
		"alg": `{"alg":"none","alg":"RS256","kid":"rsa"}`, "alg, good first": `{"alg":"RS256","alg":"none","kid":"rsa"}`,
		"alg, once escaped": `{"\u0061lg":"none","alg":"RS256","kid":"rsa"}`, "kid": `{"alg":"RS256","kid":"x","kid":"rsa"}`,
		"unknown": `{"alg":"RS256","kid":"rsa","x":1,"x":1}`, "in an inner object": `{"alg":"RS256","kid":"rsa","x":{"y":[{"z":1,"z":2}]}}`,
	} {
		want := jose.ProblemMalformed
		if strings.HasPrefix(text, `{"alg":"none"`) || strings.HasPrefix(text, `{"\u0061lg":"none"`) {
			want = jose.ProblemAlgorithm // seen first
		}
		cases[26] = append(cases[26], attack{name: "header: " + name, token: forge(text, goodClaims, rs256), want: want})
	}
	for name, text := range map[string]string{
		"iss": `{"iss":"https://evil.example","iss":"https://as.example.com"}`, "aud": `{"iss":"a","aud":"a","aud":["b"]}`,
		"iss, once escaped": `{"is\u0073":"https://evil.example","iss":"https://as.example.com"}`, "unknown": `{"iss":"a","x":1,"x":1}`,
		"in an inner object": `{"iss":"a","act":{"sub":"a","sub":"b"}}`, "far apart": `{"iss":"a",` + manyMembers(100) + `,"iss":"b"}`,
		"empty name": `{"iss":"a","":1,"":2}`,
	} {
		cases[26] = append(cases[26], attack{name: "claims: " + name, token: claims(text), want: jose.ProblemMalformed})
	}
	cases[26] = append(cases[26], attack{name: "good: twins in capitals", token: claims(`{"iss":"https://as.example.com","ISS":"https://evil.example","Iss":1}`)},
		attack{name: "good: the same name at two levels", token: claims(`{"iss":"https://as.example.com","sub":"a","act":{"sub":"b","act":{"sub":"c"}}}`)})

	// 27: deep and huge JSON.
	deep := func(n int) string {
		return `{"iss":"https://as.example.com","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	cases[27] = []attack{
		{name: "100000 nested arrays", token: claims(deep(100_000)), lim: wide, want: jose.ProblemMalformed},
		{name: "100000 nested arrays at the default size", token: claims(deep(100_000)), want: jose.ProblemOversized},
		{name: "one level too deep", token: claims(deep(16)), want: jose.ProblemMalformed},
		{name: "one level too deep, in objects", token: claims(strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17)), want: jose.ProblemMalformed},
		{name: "nested arrays in the header", token: signed(`,"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000)), want: jose.ProblemMalformed},
		{name: "1 MB string claim", token: claims(`{"x":"` + strings.Repeat("a", 1<<20) + `"}`), want: jose.ProblemOversized},
		{name: "100000 claims", token: claims(`{` + manyMembers(100_000) + `}`), lim: wide, want: jose.ProblemMalformed},
		{name: "one claim too many", token: claims(`{` + manyMembers(2001) + `}`), lim: wide, want: jose.ProblemMalformed},
		{name: "one element too many", token: claims(`{"x":[` + strings.Repeat("1,", 1999) + `1]}`), want: jose.ProblemMalformed},
		{name: "good: 2000 claims", token: claims(`{` + manyMembers(1999) + `,"iss":"https://as.example.com"}`), lim: wide},
		{name: "good: 15 nested arrays", token: claims(deep(15))},
	}

	// 28 to 31: encrypted tokens are refused by shape, before any of it is decoded.
	jwe := func(header string) string { return b64([]byte(header)) + ".AAAA.AAAA.AAAA.AAAA" }
	cases[28] = []attack{
		{name: "PBES2 with a count of 100 million", token: jwe(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":100000000,"p2s":"AAAA"}`), want: jose.ProblemEncrypted},
		{name: "the same as three parts", token: header(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":100000000,"p2s":"AAAA"}`), want: jose.ProblemAlgorithm},
		{name: "good", token: good},
	}
	cases[29] = []attack{
		{name: "compressed", token: jwe(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`), want: jose.ProblemEncrypted},
		{name: "good: zip says nothing in a signature", token: signed(`,"zip":"DEF"`)},
	}
	cases[30] = []attack{
		{name: "empty key part", token: b64([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM"}`)) + "..AAAA.AAAA.AAAA", want: jose.ProblemEncrypted},
		{name: "one byte of tag", token: b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAA.AAAA.AA", want: jose.ProblemEncrypted},
		{name: "RSA1_5", token: jwe(`{"alg":"RSA1_5","enc":"A128CBC-HS256"}`), want: jose.ProblemEncrypted},
		{name: "dir with a key part", token: jwe(`{"alg":"dir","enc":"A256GCM"}`), want: jose.ProblemEncrypted},
		{name: "no epk", token: jwe(`{"alg":"ECDH-ES","enc":"A256GCM"}`), want: jose.ProblemEncrypted},
		{name: "good", token: good},
	}
	cases[31] = []attack{
		{name: "encrypted to the public key", token: jwe(`{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"}`), want: jose.ProblemEncrypted},
		{name: "three parts with enc", token: signed(`,"enc":"A256GCM"`), want: jose.ProblemEncrypted},
		{name: "good", token: good},
	}

	// 33, 34 and 38: claims that are not what they should be.
	cases[33] = []attack{{name: "exp null", token: claims(`{"iss":"https://as.example.com","exp":null}`), want: jose.ProblemMalformed}, {name: "good", token: good}}
	for _, name := range []string{"exp", "nbf", "iat"} {
		for _, text := range []string{`1e300`, `-1`, `-1.5`, `0`, `-0`, `0.0`, `1e-400`, `"9999999999"`, `""`, `true`, `false`, `null`, `9223372036854775808`, `9223372036854775807`,
			`-9223372036854775809`, `253402300800`, `1e12`, `[1772370000]`, `{}`, `1e999999999`} {
			cases[34] = append(cases[34], attack{name: name + " " + text, token: claims(`{"iss":"https://as.example.com","` + name + `":` + text + `}`), want: jose.ProblemMalformed})
		}
		for _, text := range []string{`NaN`, `Infinity`, `0x10`, `01`, `+1`, `1.`, `.5`, `1e`, `1_000`} {
			cases[34] = append(cases[34], attack{name: name + " not JSON: " + text, token: claims(`{"iss":"https://as.example.com","` + name + `":` + text + `}`), want: jose.ProblemMalformed})
		}
		for _, text := range []string{`1772370000`, `1772370000.5`, `1.77237e9`, `1`, `253402300799`, `253402300799.5`, `1772370000.0`} {
			cases[34] = append(cases[34], attack{name: "good: " + name + " " + text, token: claims(`{"iss":"https://as.example.com","` + name + `":` + text + `}`)})
		}
	}
	for _, text := range []string{`["https://as.example.com"]`, `null`, `7`, `{"iss":"https://as.example.com"}`, `true`} {
		cases[38] = append(cases[38], attack{name: "iss " + text, token: claims(`{"iss":` + text + `}`), want: jose.ProblemMalformed})
	}
	cases[38] = append(cases[38], attack{name: "good", token: good})

	for number, rows := range cases {
		t.Run(fmt.Sprintf("case_%02d", number), func(t *testing.T) {
			for _, row := range rows {
				t.Run(row.name, func(t *testing.T) {
					use := row.set
					if use == nil {
						use = set
					}
					begun := time.Now()
					got, c := judge(t, row.token, row.lim, use)
					if got != row.want {
						t.Errorf("problem = %q, want %q", got, row.want)
					}
					if c != nil && strings.Contains(c.Issuer, "evil") {
						t.Errorf("issuer = %q, want the real one", c.Issuer)
					}
					if d := time.Since(begun); d > 5*time.Second { // 100 ms of a processor; others use it too
						t.Errorf("the answer took %v", d)
					}
				})
			}
		})
	}
}

// manyMembers makes n members with different names.
func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return b.String()[1:]
}

// No error repeats what was sent (the catalogue's invariants): errors are logged.
func TestAttackSilence(t *testing.T) {
	const marker = "SECRETmarker"
	inputs := []string{
		marker, marker + "." + marker + "." + marker, b64([]byte(`{"alg":"`+marker+`"}`)) + ".e30.AA", b64([]byte(`{"alg":"RS256","kid":7,"`+marker+`":1}`)) + ".e30.AA",
		b64([]byte(marker)) + "." + b64([]byte(marker)) + "." + b64([]byte(marker)),
	}
	for _, token := range inputs {
		_, err := jose.Parse(token, jose.Limits{})
		if err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("error = %v, want one that does not repeat the input", err)
		}
	}
	for _, text := range []string{marker, `{"` + marker + `":1,"` + marker + `":2}`, `{"exp":"` + marker + `"}`} {
		_, err := jose.ParseClaims([]byte(text), jose.Limits{})
		if err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("error = %v, want one that does not repeat the input", err)
		}
		_, _, err = jose.ParseKeySet([]byte(text), jose.KeySetLimits{})
		if err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("error = %v, want one that does not repeat the input", err)
		}
		_, err = jose.ParseSigningKey([]byte(`{"kty":"`+marker+`","d":"`+marker+`"}`), "", "")
		if err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("error = %v, want one that does not repeat the input", err)
		}
	}
}
