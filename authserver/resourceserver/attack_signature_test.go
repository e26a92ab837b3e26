package resourceserver_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Section A of the attack catalogue: signature and header of a JWT. The strict
// reading itself is tested in package jose; here every row is seen through the gate.

func TestAttackSignature(t *testing.T) {
	c := newClock()
	g := newGate(t, c, fixed(rsaKey(), ecKey(), es384Key()))
	good := goodClaims("https://as.example.com", c)
	payload := good.json()
	header := `{"alg":"RS256","kid":"rsa-1","typ":"at+jwt"}`
	valid := rs256(header, payload)
	signature := valid[strings.LastIndexByte(valid, '.')+1:]
	publicDER := must(x509.MarshalPKIXPublicKey(&rsaPrivate().PublicKey))
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})
	pkcs1 := x509.MarshalPKCS1PublicKey(&rsaPrivate().PublicKey)
	pkcs1PEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1})
	strangerJWK := string(must(strangerKey().PublicJWK()))
	badAlg, malformed := invalid(resourceserver.BadAlgorithm), invalid(resourceserver.Malformed)
	unknownKey := invalid(resourceserver.UnknownKey)
	badSignature := invalid(resourceserver.BadSignature)

	tests := []struct {
		name  string
		token string
		want  verdict
	}{
		{"good", valid, pass},
		{"good/ES256", must(ecKey().Sign("at+jwt", []byte(payload))), pass},

		{"case_01/none", unsigned(`{"alg":"none","typ":"at+jwt"}`, payload) + ".", badAlg},
		{"case_01/None", unsigned(`{"alg":"None"}`, payload) + "." + signature, badAlg},
		{"case_01/nOnE", unsigned(`{"alg":"nOnE"}`, payload) + "." + signature, badAlg},
		{"case_01/absent", unsigned(`{"kid":"rsa-1"}`, payload) + "." + signature, badAlg},
		{"case_01/empty", unsigned(`{"alg":"","kid":"rsa-1"}`, payload) + "." + signature, badAlg},
		{"case_01/empty third part", valid[:len(valid)-len(signature)], verdict{401, "invalid_token", 0}},
		{"case_01/third part of another token", unsigned(header, good.with(claims{"sub": "admin"}).json()) + "." + signature, badSignature},

		{"case_02/PKIX PEM", hs256(`{"alg":"HS256","kid":"rsa-1"}`, payload, publicPEM), badAlg},
		{"case_02/PKCS1 PEM", hs256(`{"alg":"HS256","kid":"rsa-1"}`, payload, pkcs1PEM), badAlg},
		{"case_02/DER", hs256(`{"alg":"HS256","kid":"rsa-1"}`, payload, publicDER), badAlg},
		{"case_02/JWK text", hs256(`{"alg":"HS256","kid":"rsa-1"}`, payload, must(rsaKey().PublicJWK())), badAlg},

		{"case_03/RS256 with the kid of an EC key", rs256(`{"alg":"RS256","kid":"ec-1"}`, payload), unknownKey},
		{"case_03/PS256 against a key published for RS256", ps256(`{"alg":"PS256","kid":"rsa-1"}`, payload), unknownKey},

		{"case_04/ES384", must(es384Key().Sign("at+jwt", []byte(payload))), badAlg},

		{"case_05/empty key", hs256(`{"alg":"HS256"}`, payload, nil), badAlg},

		{"case_06/jwk", esRaw(strangerPrivate(), `{"alg":"ES256","jwk":`+strangerJWK+`}`, payload), badSignature},
		{"case_06/jwk with a kid of its own", esRaw(strangerPrivate(), `{"alg":"ES256","kid":"stranger","jwk":`+strangerJWK+`}`, payload), unknownKey},
		{"case_06/nearest good: the header is ignored", esRaw(ecPrivate(), `{"alg":"ES256","kid":"ec-1","jwk":`+strangerJWK+`}`, payload), pass},
		{"case_09/path", rs256(`{"alg":"RS256","kid":"../../../dev/null"}`, payload), unknownKey},
		{"case_09/SQL", rs256(`{"alg":"RS256","kid":"' OR 1=1"}`, payload), unknownKey},
		{"case_09/URL", rs256(`{"alg":"RS256","kid":"https://evil.example/key"}`, payload), unknownKey},
		{"case_09/NUL", rs256(`{"alg":"RS256","kid":"rsa-1\u0000"}`, payload), verdict{401, "invalid_token", 0}},
		{"case_09/CRLF", rs256(`{"alg":"RS256","kid":"rsa-1\r\nX: y"}`, payload), verdict{401, "invalid_token", 0}},
		{"case_09/10 kB", rs256(`{"alg":"RS256","kid":"`+strings.Repeat("k", 10_000)+`"}`, payload), verdict{401, "invalid_token", 0}},
		{"case_09/object", rs256(`{"alg":"RS256","kid":{}}`, payload), malformed},

		{"case_10/one key fits", rs256(`{"alg":"RS256"}`, payload), pass},

		{"case_18/unknown", rs256(`{"alg":"RS256","kid":"rsa-1","crit":["x"],"x":1}`, payload), malformed},
		{"case_18/empty", rs256(`{"alg":"RS256","kid":"rsa-1","crit":[]}`, payload), malformed},
		{"case_18/registered", rs256(`{"alg":"RS256","kid":"rsa-1","crit":["alg"]}`, payload), malformed},
		{"case_18/no array", rs256(`{"alg":"RS256","kid":"rsa-1","crit":"exp"}`, payload), malformed},
		{"case_19/b64", rs256(`{"alg":"RS256","kid":"rsa-1","b64":false}`, payload), malformed},
		{"case_19/b64 and crit", rs256(`{"alg":"RS256","kid":"rsa-1","b64":false,"crit":["b64"]}`, payload), malformed},

		{"case_20/flattened", flattened(valid), malformed},
		{"case_20/general", `{"payload":"` + strings.Split(valid, ".")[1] + `","signatures":[{}]}`, malformed},
		{"case_20/compact inside", `{"token":"` + valid + `"}`, malformed},
		{"case_20/encoded JSON", b64(flattened(valid)), malformed},

		{"case_21/16 kB of dots", strings.Repeat(".", 16_000), malformed},
		{"case_21/1 MB of dots", strings.Repeat(".", 1<<20), invalid(resourceserver.Oversized)},
		{"case_21/4 parts", valid + ".e30", malformed},
		{"case_21/6 parts", valid + ".e30.e30.e30", malformed},
		{"case_21/empty parts", strings.Split(valid, ".")[0] + "..", malformed},

		{"case_22/16384 bytes and one", padded(t, good, 16385), invalid(resourceserver.Oversized)},
		{"case_22/nearest good", padded(t, good, 16384), pass},

		{"case_23/zeros", unsigned(`{"alg":"ES256","kid":"ec-1"}`, payload) + "." + b64(string(make([]byte, 64))), badSignature},
		{"case_23/DER", esDER(`{"alg":"ES256","kid":"ec-1"}`, payload), badSignature},
		{"case_23/one byte short", unsigned(`{"alg":"ES256","kid":"ec-1"}`, payload) + "." + b64(string(make([]byte, 63))), badSignature},

		{"case_26/alg twice, none first", rs256(`{"alg":"none","alg":"RS256","kid":"rsa-1"}`, payload), verdict{401, "invalid_token", 0}},
		{"case_26/alg twice", rs256(`{"alg":"RS256","alg":"RS256","kid":"rsa-1"}`, payload), malformed},
		{"case_26/kid twice", rs256(`{"alg":"RS256","kid":"ec-1","kid":"rsa-1"}`, payload), malformed},
		{"case_26/iss twice", rs256(header, `{"iss":"https://evil.example",`+payload[1:]), malformed},
		{"case_26/aud twice", rs256(header, `{"aud":"https://other.example",`+payload[1:]), malformed},
		{"case_26/twin is not read", rs256(header, strings.Replace(payload, `"iss"`, `"ISS"`, 1)), invalid(resourceserver.UnknownIssuer)},
		{"case_26/twin beside", rs256(header, `{"ISS":"https://evil.example",`+payload[1:]), pass},

		{"case_27/nested", rs256(header, `{"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`,`+payload[1:]), malformed},
		{"case_27/members", rs256(header, `{"x":[`+strings.Repeat("0,", 4000)+`0],`+payload[1:]), malformed},
		{"case_27/nearest good", rs256(header, `{"x":[[[0,1,2]]],`+payload[1:]), pass},

		{"case_28/PBES2", jwe(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":100000000,"p2s":"AAAA"}`, "AAAA"), verdict{401, "invalid_token", 0}},
		{"case_29/zip", jwe(`{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF","kid":"rsa-1"}`, deflated(8000)), verdict{401, "invalid_token", 0}},
		{"case_30/empty key part", jwe(`{"alg":"RSA1_5","enc":"A128CBC-HS256"}`, ""), verdict{401, "invalid_token", 0}},
		{"case_31/encrypted to us", jwe(`{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa-1"}`, "AAAA"), verdict{401, "invalid_token", 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := bearer(tt.token)
			for range 2 {
				got := g.request(r, nil)
				if tt.want.why == 0 && tt.want != pass {
					got.why = 0 // several reasons are as good
				}
				if got != tt.want {
					t.Errorf("verdict = %v, want %v", got, tt.want)
				}
			}
		})
	}
}

// esRaw signs any header and payload with an EC key.
func esRaw(key *ecdsa.PrivateKey, header, payload string) string {
	input := unsigned(header, payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	return input + "." + b64(string(r.FillBytes(make([]byte, 32)))+string(s.FillBytes(make([]byte, 32))))
}

// esDER writes the signature as ASN.1 instead of the two numbers.
func esDER(header, payload string) string {
	input := unsigned(header, payload)
	digest := sha256.Sum256([]byte(input))
	return input + "." + b64(string(must(ecdsa.SignASN1(rand.Reader, ecPrivate(), digest[:]))))
}

func ps256(header, payload string) string {
	input := unsigned(header, payload)
	digest := sha256.Sum256([]byte(input))
	return input + "." + b64(string(must(rsa.SignPSS(rand.Reader, rsaPrivate(), crypto.SHA256, digest[:], nil))))
}

// es384Key is published by the issuer, whose tokens may not be signed with it.
var es384Key = sync.OnceValue(func() *jose.SigningKey {
	return signingKey(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), jose.ES384, "ec-384")
})

func flattened(compact string) string {
	parts := strings.Split(compact, ".")
	return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2])
}

// padded makes a good token of exactly size bytes.
func padded(t *testing.T, c claims, size int) string {
	t.Helper()
	header := `{"alg":"RS256","kid":"rsa-1","typ":"at+jwt"}`
	for pad, extra := size/2, ""; pad < size; pad++ {
		token := rs256(header, c.with(claims{"pad": strings.Repeat("x", pad)}).json())
		if len(token) == size {
			return token
		}
		if len(token) > size {
			// Some sizes of a base64url part do not exist: lengthen the header instead.
			extra += " "
			header = `{"alg":"RS256","kid":"rsa-1",` + extra + `"typ":"at+jwt"}`
			pad -= 8
			continue
		}
		if gap := (size - len(token)) * 3 / 4; gap > 8 {
			pad += gap - 8
		}
	}
	t.Fatalf("no token of %d bytes", size)
	return ""
}

func jwe(header, key string) string { return b64(header) + "." + key + ".AAAA.AAAA.AA" }

func deflated(size int) string {
	var b bytes.Buffer
	w := must(flate.NewWriter(&b, flate.BestCompression))
	_, _ = w.Write(make([]byte, size))
	_ = w.Close()
	return b64(b.String())
}
