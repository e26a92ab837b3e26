package integration_test

import (
	"bytes"
	"compress/flate"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAttackA: signature and header of a JWT.
func TestAttackA(t *testing.T) {
	f := newIssuer(t)
	rs, es := jwkey{"key-1", rsaKey("foreign"), "RS256"}, jwkey{"key-ec", ecKey(elliptic.P256()), "ES256"}
	es384 := jwkey{"key-384", ecKey(elliptic.P384()), "ES384"}
	f.publish("", rs, es, es384)
	// Two issuers that publish one and the same key id for different keys.
	a, b := newIssuer(t), newIssuer(t)
	keyA, keyB := jwkey{"current", ecKey(elliptic.P256()), "ES256"}, jwkey{"current", ecKey(elliptic.P256()), "ES256"}
	a.publish("", keyA)
	b.publish("", keyB)
	lone := newIssuer(t)
	evil := newIssuer(t) // whoever asks it has been lured
	weak := newIssuer(t)
	weakKey, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak.publish("", jwkey{"weak", weakKey, "RS256"}, rs)

	n := start(t, config{bare: true, ports: []string{"foreign", "rsaonly", "twins", "lone", "weak"},
		sites: gateFor("FOREIGN", f.url(), "") + gateFor("RSAONLY", f.url(), "algorithms RS256") + gateFor("LONE", lone.url(), "") + gateFor("WEAK", weak.url(), "") + fmt.Sprintf(`
http://:$TWINS {
	bearer_auth {
		issuer %s {
			insecure_loopback_http
		}
		issuer %s {
			insecure_loopback_http
		}
		audience `+orders+`
	}
	reverse_proxy $UPSTREAM
}
`, a.url(), b.url())})
	good := f.token(t, nil)
	n.secret("the good token", good)
	n.passes(t, func() answer { return n.call(t, "foreign", "/", good) })
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	withHeader := func(header string) string { // re-signed, so that only the header is wrong
		return rs.sign(t, []byte(header), mustJSON(t, f.good()))
	}
	header := func(add map[string]any) string { return rs.token(t, add, f.good()) }

	t.Run("case_01", func(t *testing.T) {
		bad := map[string]string{}
		for _, alg := range []string{`"none"`, `"None"`, `"nOnE"`, `""`, `null`, `1`} {
			h := b64([]byte(`{"alg":` + alg + `,"kid":"key-1","typ":"at+jwt"}`))
			bad["unsigned "+alg] = h + "." + payload + "."
			bad["signature kept "+alg] = h + "." + payload + "." + signature
		}
		bad["no alg"] = b64([]byte(`{"kid":"key-1","typ":"at+jwt"}`)) + "." + payload + "." + signature
		bad["signature left out"] = head + "." + payload + "."
		n.refusesTokens(t, r401, "foreign", bad)
		n.passes(t, func() answer { return n.call(t, "foreign", "/", f.token(t, nil)) })
	})
	t.Run("case_02", func(t *testing.T) {
		pub := rs.key.Public().(*rsa.PublicKey)
		der, _ := x509.MarshalPKIXPublicKey(pub)
		pkcs1 := x509.MarshalPKCS1PublicKey(pub)
		jwk, _ := json.Marshal(publicKeys([]jwkey{rs})[0])
		bad := map[string]string{}
		for name, key := range map[string][]byte{
			"PKIX PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "PKCS1 PEM": pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1}),
			"PKIX DER": der, "PKCS1 DER": pkcs1, "JWK": jwk, "nothing": nil,
		} {
			bad["HS256 keyed with "+name] = hmacToken(t, key, map[string]any{"kid": "key-1"}, f.good())
		}
		n.refusesTokens(t, r401, "foreign", bad)
	})
	t.Run("case_03", func(t *testing.T) {
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"RS256 with the id of an EC key":         header(map[string]any{"kid": "key-ec"}),
			"ES256 with the id of an RSA key":        es.token(t, map[string]any{"kid": "key-1"}, f.good()),
			"PS256 by a key published for RS256":     jwkey{"key-1", rsaKey("foreign"), "PS256"}.token(t, nil, f.good()),
			"ES256 in the header, signed with P-384": es384.token(t, map[string]any{"alg": "ES256"}, f.good()),
		})
		n.passes(t, func() answer { return n.call(t, "foreign", "/", es.token(t, nil, f.good())) })
	})
	t.Run("case_04", func(t *testing.T) {
		n.refusesTokens(t, r401, "foreign", map[string]string{"ES384 is not in the default list": es384.token(t, nil, f.good())})
		n.refusesTokens(t, r401, "rsaonly", map[string]string{"ES256 where RS256 is allowed": es.token(t, nil, f.good())})
		n.passes(t, func() answer { return n.call(t, "rsaonly", "/", f.token(t, nil)) })
	})
	t.Run("case_06", func(t *testing.T) {
		stranger := jwkey{"key-x", rsaKey("stranger"), "RS256"}
		jwk := publicKeys([]jwkey{stranger})[0]
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"own key in the header":                 stranger.token(t, map[string]any{"jwk": jwk}, f.good()),
			"own key in the header under a good id": stranger.token(t, map[string]any{"jwk": jwk, "kid": "key-1"}, f.good()),
		})
		n.passes(t, func() answer { return n.call(t, "foreign", "/", header(map[string]any{"jwk": jwk})) })
	})
	t.Run("case_07", func(t *testing.T) {
		stranger := jwkey{"key-1", rsaKey("stranger"), "RS256"}
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"jku": stranger.token(t, map[string]any{"jku": evil.url() + "/jwks"}, f.good()),
			"x5u": stranger.token(t, map[string]any{"x5u": evil.url() + "/x5u"}, f.good()),
			"x5c": stranger.token(t, map[string]any{"x5c": []string{"AAAA"}}, f.good()),
		})
	})
	t.Run("case_09", func(t *testing.T) {
		bad := map[string]string{}
		for _, kid := range []string{"../../../dev/null", "' OR 1=1", evil.url() + "/jwks", "a\x00b", "a\r\nX-Injected: 1", strings.Repeat("k", 10000), ""} {
			bad[fmt.Sprintf("kid %.20q", kid)] = header(map[string]any{"kid": kid})
		}
		bad["kid is an object"] = header(map[string]any{"kid": map[string]any{"a": "b"}})
		n.refusesTokens(t, r401, "foreign", bad)
		if strings.Contains(n.log(), "\nX-Injected") {
			t.Error("a key id has broken a line of the log")
		}
	})
	t.Run("case_10", func(t *testing.T) {
		n.passes(t, func() answer { return n.call(t, "lone", "/", rs.token(t, map[string]any{"kid": nil}, lone.good())) })
		n.refusesTokens(t, r401, "weak", map[string]string{
			"no kid, the only key of the type is another's": jwkey{"", rsaKey("stranger"), "RS256"}.token(t, map[string]any{"kid": nil}, weak.good()),
		})
	})
	t.Run("case_12", func(t *testing.T) {
		n.passes(t, func() answer { return n.call(t, "twins", "/", keyA.token(t, nil, a.good())) })
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if got := n.call(t, "twins", "/", keyA.token(t, nil, b.good())).status; got != 401 {
					t.Errorf("issuer B, key of A: %d, want 401", got)
				}
				if got := n.call(t, "twins", "/", keyB.token(t, nil, b.good())).status; got != 200 {
					t.Errorf("issuer B, key of B: %d, want 200", got)
				}
			})
		}
		wg.Wait()
		n.refusesTokens(t, r401, "twins", map[string]string{"issuer A, key of B": keyB.token(t, nil, a.good())})
	})
	t.Run("case_13", func(t *testing.T) {
		bad := map[string]string{}
		for _, iss := range []string{"http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "//" + evil.server.Listener.Addr().String(), evil.url(), f.url() + "/a/../b", f.url() + "@" + evil.server.Listener.Addr().String()} {
			c := f.good()
			c["iss"] = iss
			c["tid"] = iss
			bad["iss "+strings.ReplaceAll(iss, "/", "_")] = rs.token(t, nil, c)
		}
		n.refusesTokens(t, r401, "foreign", bad)
	})
	t.Run("case_18", func(t *testing.T) {
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"crit names the unknown":       header(map[string]any{"crit": []string{"x"}, "x": 1}),
			"crit is empty":                header(map[string]any{"crit": []string{}}),
			"crit names a registered name": header(map[string]any{"crit": []string{"alg"}}),
			"crit is no list":              header(map[string]any{"crit": "x"}),
		})
		n.passes(t, func() answer { return n.call(t, "foreign", "/", header(map[string]any{"x": 1})) })
	})
	t.Run("case_19", func(t *testing.T) {
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"b64 false":           header(map[string]any{"b64": false}),
			"b64 false with crit": header(map[string]any{"b64": false, "crit": []string{"b64"}}),
		})
	})
	t.Run("case_20", func(t *testing.T) {
		flat := string(mustJSON(t, map[string]any{"protected": head, "payload": payload, "signature": signature}))
		general := string(mustJSON(t, map[string]any{"payload": payload, "signatures": []any{map[string]any{"protected": head, "signature": signature}}}))
		inside := string(mustJSON(t, map[string]any{"token": good}))
		n.refusesTokens(t, r401, "foreign", map[string]string{"flattened": flat, "general": general, "token in a member": inside})
	})
	t.Run("case_21", func(t *testing.T) {
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"dots":       strings.Repeat(".", 12000),
			"four parts": good + ".AAAA", "six parts": good + ".A.A.A", "empty parts": "..",
		})
	})
	t.Run("case_22", func(t *testing.T) {
		pad := func(size int) string {
			c := f.good()
			c["pad"] = ""
			short := len(rs.token(t, nil, c))
			c["pad"] = strings.Repeat("a", (size-short)*3/4)
			return rs.token(t, nil, c)
		}
		over := pad(16384 + 40)
		if len(over) <= 16384 {
			t.Fatalf("the oversized token has %d bytes", len(over))
		}
		n.refusesTokens(t, r401, "foreign", map[string]string{"over 16 kB": over})
		n.passes(t, func() answer { return n.call(t, "foreign", "/", pad(16300)) })
	})
	t.Run("case_23", func(t *testing.T) {
		input := es.token(t, nil, f.good())
		input = input[:strings.LastIndexByte(input, '.')]
		bad := map[string]string{
			"r = s = 0":        input + "." + b64(make([]byte, 64)),
			"r over the order": input + "." + b64(bytes.Repeat([]byte{0xff}, 64)),
			"empty":            input + ".",
		}
		sig := es.signature(t, input)
		bad["one byte short"] = input + "." + b64(sig[:63])
		bad["leading zero"] = input + "." + b64(append([]byte{0}, sig...))
		der := append([]byte{0x30, 0x44, 2, 0x20}, sig[:32]...)
		bad["DER"] = input + "." + b64(append(append(der, 2, 0x20), sig[32:]...))
		n.refusesTokens(t, r401, "foreign", bad)
		n.passes(t, func() answer { return n.call(t, "foreign", "/", input+"."+b64(sig)) })
	})
	t.Run("case_24", func(t *testing.T) {
		n.refusesTokens(t, r401, "weak", map[string]string{"1024 bits": jwkey{"weak", weakKey, "RS256"}.token(t, nil, weak.good())})
		n.passes(t, func() answer { return n.call(t, "weak", "/", rs.token(t, nil, weak.good())) })
	})
	t.Run("case_26", func(t *testing.T) {
		c := string(mustJSON(t, f.good()))
		resign := func(payload string) string {
			return rs.sign(t, []byte(`{"alg":"RS256","kid":"key-1","typ":"at+jwt"}`), []byte(payload))
		}
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"alg twice": withHeader(`{"alg":"none","alg":"RS256","kid":"key-1","typ":"at+jwt"}`),
			"iss twice": resign(strings.Replace(c, `"iss"`, `"iss":"https://x.example","iss"`, 1)),
			"aud twice": resign(strings.Replace(c, `"aud"`, `"aud":"https://x.example","aud"`, 1)),
			"only ISS":  resign(strings.Replace(c, `"iss"`, `"ISS"`, 1)),
		})
		n.passes(t, func() answer {
			return n.call(t, "foreign", "/", resign(strings.Replace(c, `"iss"`, `"ISS":"https://x.example","iss"`, 1)))
		})
	})
	t.Run("case_27", func(t *testing.T) {
		c := string(mustJSON(t, f.good()))
		deep := strings.TrimSuffix(c, "}") + `,"deep":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) + "}"
		many := strings.TrimSuffix(c, "}") + `,"many":[0` + strings.Repeat(",0", 2500) + "]}"
		h := []byte(`{"alg":"RS256","kid":"key-1","typ":"at+jwt"}`)
		n.refusesTokens(t, r401, "foreign", map[string]string{"deep": rs.sign(t, h, []byte(deep)), "many members": rs.sign(t, h, []byte(many+"}"))})
		n.passes(t, func() answer {
			return n.call(t, "foreign", "/", f.token(t, func(c map[string]any) { c["deep"] = []any{[]any{[]any{1}}} }))
		})
	})
	t.Run("case_28", func(t *testing.T) {
		jwe := b64([]byte(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2s":"c2FsdA","p2c":100000000}`)) + ".AAAA.AAAA.AAAA.AAAA"
		began := time.Now()
		n.refusesTokens(t, r401, "foreign", map[string]string{"password-based JWE": jwe})
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v; a key may have been derived", took)
		}
	})
	t.Run("case_29", func(t *testing.T) {
		var z bytes.Buffer
		w, _ := flate.NewWriter(&z, flate.BestCompression)
		_, _ = w.Write(make([]byte, 1<<20))
		_ = w.Close()
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"compressed JWE": b64([]byte(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`)) + "..AAAA." + b64(z.Bytes()) + ".AAAA",
			"zip on a JWS":   rs.sign(t, []byte(`{"alg":"RS256","kid":"key-1","typ":"at+jwt","zip":"DEF"}`), z.Bytes()),
		})
	})
	t.Run("case_30", func(t *testing.T) {
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"RSA1_5":         b64([]byte(`{"alg":"RSA1_5","enc":"A128CBC-HS256"}`)) + ".AAAA.AAAA.AAAA.AAAA",
			"empty parts":    b64([]byte(`{"alg":"dir","enc":"A128GCM"}`)) + "....",
			"one-byte tag":   b64([]byte(`{"alg":"dir","enc":"A128GCM"}`)) + "..AAAA.AAAA.AA",
			"ECDH no epk":    b64([]byte(`{"alg":"ECDH-ES","enc":"A128GCM"}`)) + "..AAAA.AAAA.AAAA",
			"dir with a key": b64([]byte(`{"alg":"dir","enc":"A128GCM"}`)) + ".AAAA.AAAA.AAAA.AAAA",
		})
	})
	if got := evil.hits("/jwks") + evil.hits("/x5u") + evil.hits("/.well-known/openid-configuration"); got != 0 {
		t.Errorf("an address taken from a token was asked %d times", got)
	}
	if got := f.hits("/jwks"); got > 2+int(time.Minute/(10*time.Second)) {
		t.Errorf("the issuer's keys were fetched %d times", got)
	}
}
