package jose_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Whatever Parse accepts is three parts that the standard decoder reads and
// encodes to the same text; and without the key nothing verifies but what the
// key has signed.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		a1Token, a2Token, a3Token, a4Token, edToken, "", ".", "..", "....", "e30.e30.AA", strings.Repeat(".", 100),
		b64([]byte(`{"alg":"none"}`)) + ".e30.", b64([]byte(`{"alg":"RS256","crit":["x"]}`)) + ".e30.AA", b64([]byte(`{"alg":"RS256","alg":"none"}`)) + ".e30.AA",
		b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAA.AAAA.AAAA", `{"payload":"e30","signatures":[]}`, a2Token + "\n", a2Token + "=",
		b64([]byte(`{"alg":"EdDSA","kid":"\u0000","typ":"at+jwt","jwk":{}}`)) + "." + b64([]byte(goodClaims)) + ".AAAA",
	} {
		f.Add(seed)
	}
	set, _, err := jose.ParseKeySet([]byte(`{"keys":[{`+a2Public+`},{`+a3Public+`},{`+a4Public+`},{`+edPublic+`}]}`), jose.KeySetLimits{})
	if err != nil {
		f.Fatal(err)
	}
	signed := map[string]bool{a2Token: true, a4Token: true, edToken: true}
	f.Fuzz(func(t *testing.T, token string) {
		j, err := jose.Parse(token, jose.Limits{})
		if err != nil {
			if problem(t, err) == "" {
				t.Errorf("error %v has no problem", err)
			}
			return
		}
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			t.Fatalf("%d parts accepted, want 3", len(parts))
		}
		for _, part := range parts {
			if again := b64(decode(t, part)); part == "" || again != part {
				t.Errorf("part %q encodes to %q, want the same", part, again)
			}
		}
		var header map[string]any
		if err := json.Unmarshal(decode(t, parts[0]), &header); err != nil || header["alg"] != j.Header.Algorithm || !jose.Known(j.Header.Algorithm) {
			t.Errorf("alg = %q, another reader says %v, %v", j.Header.Algorithm, header["alg"], err)
		}
		if !jose.LooksLikeJWT(token) {
			t.Error("LooksLikeJWT = false for what Parse accepts")
		}
		_, _ = j.Claims()
		// ECDSA has two signatures for one text (s and its negative), so a3Token
		// is left out of the property.
		if j.Verify(set.Find(&j.Header)) == nil && !signed[token] && j.Header.Algorithm != jose.ES256 && j.Header.Algorithm != jose.ES512 {
			t.Error("a token verifies that was never signed")
		}
	})
}

// Whatever ParseClaims accepts, the standard library reads as the same members
// with the same values, and no member twice.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		goodClaims, typicalClaims, `{}`, `{"a":{"b":[1,2,{"c":"\ud83d\ude00"}]}}`, `{"exp":1.5e9,"nbf":-1,"iat":1e300}`, `{"aud":["a",""]}`, `{"aud":"a"}`,
		`{"iss":"a","iss":"b"}`, `{"is\u0073":"a"}`, `{"active":true,"username":"x","scope":"a  b"}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"a":01}`, ` { } `, `{"":null}`,
		strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20), `{"a":[` + strings.Repeat("[", 30),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := jose.ParseClaims(text, jose.Limits{})
		if err != nil {
			if problem(t, err) == "" {
				t.Errorf("error %v has no problem", err)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var other map[string]any
		if err := d.Decode(&other); err != nil {
			t.Fatalf("encoding/json refuses what was accepted: %v", err)
		}
		names := c.Names()
		if len(names) != len(other) {
			t.Fatalf("%d members, encoding/json has %d", len(names), len(other))
		}
		for _, name := range names {
			v, ok := c.Value(name)
			raw, there := c.Raw(name)
			if !ok || !there || !c.Has(name) {
				t.Fatalf("member %q is listed and not there", name)
			}
			got, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			want, err := json.Marshal(other[name])
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%q = %s, encoding/json has %s (%v)", name, got, want, err)
			}
			if !json.Valid(raw) {
				t.Errorf("Raw(%q) = %s, which is not JSON", name, raw)
			}
		}
		if iss, _ := other["iss"].(string); iss != c.Issuer {
			t.Errorf("iss = %q, encoding/json has %q", c.Issuer, iss)
		}
		for _, when := range []int64{c.Expiry.Unix(), c.NotBefore.Unix(), c.IssuedAt.Unix()} {
			if when >= 253402300800 {
				t.Errorf("time %d is past the year 9999", when)
			}
		}
		for _, aud := range c.Audience {
			if aud == "" {
				t.Error("an empty audience was accepted")
			}
		}
	})
}

// Whatever ParseKeySet keeps can be found, fits an algorithm and publishes no secret.
func FuzzKeySet(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[{` + a2Public + `,"kid":"a","use":"sig","alg":"RS256"},{` + a3Public + `,"kid":"b"},{` + a4Public + `},{` + edPublic + `,"kid":"a"}]}`,
		`{"keys":[{` + a2Public + a2More + `},{` + a3Public + a3More + `},{` + edPublic + edMore + `}]}`,
		`{"keys":[]}`, `{"keys":[7,null,{},[],{"kty":"oct","k":"AAAA"}]}`, `{"keys":null}`, `{}`, `[]`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQ"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"OKP","crv":"Ed25519","x":""}]}`,
		`{"keys":[{` + a3Public + `,"key_ops":["verify"],"x5c":["MIIB"],"kid":"` + strings.Repeat("k", 300) + `"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, skipped, err := jose.ParseKeySet(text, jose.KeySetLimits{})
		if err != nil {
			if problem(t, err) == "" || set != nil {
				t.Errorf("error %v has no problem, or a set beside it", err)
			}
			return
		}
		var other map[string]json.RawMessage
		var list []json.RawMessage
		if err := json.Unmarshal(text, &other); err != nil {
			t.Fatalf("encoding/json refuses what was accepted: %v", err)
		}
		if err := json.Unmarshal(other["keys"], &list); err != nil || set.Len()+skipped != len(list) {
			t.Errorf("%d keys and %d skipped, encoding/json has %d (%v)", set.Len(), skipped, len(list), err)
		}
		if set.Len() > 100 {
			t.Errorf("%d keys, want at most 100", set.Len())
		}
		for _, alg := range append(signingAlgorithms, jose.HS256, "none", "") {
			for _, h := range []jose.Header{{Algorithm: alg}, {Algorithm: alg, HasKeyID: true, KeyID: "a"}} {
				k := set.Find(&h)
				if k == nil {
					continue
				}
				if !k.Fits(alg) || jose.Symmetric(alg) || !jose.Known(alg) {
					t.Errorf("found a key for %q that does not fit", alg)
				}
				if h.HasKeyID && k.ID != h.KeyID {
					t.Errorf("found kid %q, want %q", k.ID, h.KeyID)
				}
				if _, err := k.Thumbprint(); err != nil {
					t.Errorf("the key cannot be encoded again: %v", err)
				}
			}
		}
	})
}
