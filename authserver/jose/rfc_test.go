package jose_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// The keys and tokens printed in RFC 7515 appendix A and RFC 8037 appendix A.
const (
	rfc7515Payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

	a1Secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	a1Token  = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfc7515Payload + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

	a2Public = `"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"`
	a2More   = `,"d":"Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ","p":"4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc","q":"uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc","dp":"BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0","dq":"h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU","qi":"IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U"`
	a2Token  = "eyJhbGciOiJSUzI1NiJ9." + rfc7515Payload + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"

	a3Public = `"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`
	a3More   = `,"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"`
	a3Token  = "eyJhbGciOiJFUzI1NiJ9." + rfc7515Payload + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

	a4Public = `"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"`
	a4More   = `,"d":"AY5pb7A0UFiB3RELSD64fTLOSV_jazdF7fLYyuTw8lOfRhWg6Y6rUrPAxerEzgdRhajnu0ferB0d53vM9mE15j2C"`
	a4Token  = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"

	edPublic = `"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	edMore   = `,"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"`
	edToken  = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)

func decode(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRFCTokensVerify(t *testing.T) {
	secret, err := jose.NewSecretKey("", decode(t, a1Secret))
	if err != nil {
		t.Fatal(err)
	}
	set := func(jwk string) *jose.KeySet {
		s, skipped, err := jose.ParseKeySet([]byte(`{"keys":[{`+jwk+`}]}`), jose.KeySetLimits{})
		if err != nil || skipped != 0 {
			t.Fatalf("ParseKeySet: %d skipped, %v", skipped, err)
		}
		return s
	}
	tests := []struct {
		name, alg, token string
		set              *jose.KeySet
		claims           bool // the payload is a claims set
	}{
		{"RFC 7515 A.1", jose.HS256, a1Token, jose.NewKeySet(secret), true},
		{"RFC 7515 A.2", jose.RS256, a2Token, set(a2Public), true},
		{"RFC 7515 A.3", jose.ES256, a3Token, set(a3Public), true},
		{"RFC 7515 A.4", jose.ES512, a4Token, set(a4Public), false},
		{"RFC 8037 A.4", jose.EdDSA, edToken, set(edPublic), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j, err := jose.Parse(tt.token, jose.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got := j.Header.Algorithm; got != tt.alg {
				t.Errorf("alg = %q, want %q", got, tt.alg)
			}
			if err := j.Verify(tt.set.Find(&j.Header)); err != nil {
				t.Errorf("Verify: %v, want it good", err)
			}
			c, err := j.Claims()
			if tt.claims != (err == nil) {
				t.Fatalf("Claims: %v, want claims: %v", err, tt.claims)
			}
			if tt.claims {
				if c.Issuer != "joe" || c.Expiry.Unix() != 1300819380 {
					t.Errorf("iss, exp = %q, %v, want joe, 1300819380", c.Issuer, c.Expiry)
				}
				if v, _ := c.Value("http://example.com/is_root"); v != true {
					t.Errorf("is_root = %v, want true", v)
				}
			}

			// One changed character in any part spoils it.
			for part, text := range strings.Split(tt.token, ".") {
				i := strings.Index(tt.token, text) + len(text)/2
				c := byte('A')
				if tt.token[i] == c {
					c = 'B'
				}
				bad := tt.token[:i] + string(c) + tt.token[i+1:]
				if got, _ := judge(t, bad, jose.Limits{}, tt.set); got == "" {
					t.Errorf("part %d changed: accepted, want a refusal", part)
				}
			}
		})
	}
}

// The header made here has a kid, so the printed signatures cannot come out again;
// the printed keys must sign what they verify.
func TestRFCKeysSignAlike(t *testing.T) {
	payload := decode(t, rfc7515Payload)
	tests := []struct {
		name, jwk string
		alg       string
	}{
		{"RFC 7515 A.2", a2Public + a2More, jose.RS256},
		{"RFC 7515 A.3", a3Public + a3More, jose.ES256},
		{"RFC 7515 A.4", a4Public + a4More, jose.ES512},
		{"RFC 8037 A.1", edPublic + edMore, jose.EdDSA},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := jose.ParseSigningKey([]byte("{"+tt.jwk+"}"), "", "")
			if err != nil {
				t.Fatal(err)
			}
			if got := k.Algorithm(); got != tt.alg {
				t.Errorf("natural alg = %q, want %q", got, tt.alg)
			}
			token, err := k.Sign("JWT", payload)
			if err != nil {
				t.Fatal(err)
			}
			j, err := jose.Parse(token, jose.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if err := j.Verify(k.Public()); err != nil {
				t.Errorf("Verify: %v, want it good", err)
			}
			again, err := k.Sign("JWT", payload)
			if err != nil {
				t.Fatal(err)
			}
			if same, want := token == again, tt.alg == jose.RS256 || tt.alg == jose.EdDSA; same != want {
				t.Errorf("two signatures are the same: %v, want %v", same, want)
			}
		})
	}
	t.Run("RFC 7515 A.1", func(t *testing.T) {
		token, err := jose.SignSecret(jose.HS256, decode(t, a1Secret), "JWT", payload)
		if err != nil {
			t.Fatal(err)
		}
		want := forge(`{"alg":"HS256","typ":"JWT"}`, string(payload), bySecret(jose.HS256, decode(t, a1Secret)))
		if token != want {
			t.Errorf("token = %s, want %s", token, want)
		}
	})
}

func TestThumbprint(t *testing.T) {
	tests := []struct{ name, jwk, want string }{
		{"RFC 7638 §3.1", `"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"`,
			"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"RFC 8037 A.3", edPublic, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, _, err := jose.ParseKeySet([]byte(`{"keys":[{`+tt.jwk+`}]}`), jose.KeySetLimits{})
			if err != nil || set.Len() != 1 {
				t.Fatalf("ParseKeySet: %v", err)
			}
			var alg string
			for _, a := range []string{jose.RS256, jose.EdDSA} {
				if set.Find(&jose.Header{Algorithm: a}) != nil {
					alg = a
				}
			}
			got, err := set.Find(&jose.Header{Algorithm: alg}).Thumbprint()
			if err != nil || got != tt.want {
				t.Errorf("Thumbprint = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	t.Run("is the kid of a key that has none", func(t *testing.T) {
		k, err := jose.ParseSigningKey([]byte("{"+edPublic+edMore+"}"), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := k.ID(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; got != want {
			t.Errorf("ID = %q, want %q", got, want)
		}
		public, err := k.PublicJWK()
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]string
		if err := json.Unmarshal(public, &m); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": k.ID(), "use": "sig", "alg": "EdDSA"}
		for name := range m {
			if m[name] != want[name] {
				t.Errorf("%s = %q, want %q", name, m[name], want[name])
			}
		}
		if len(m) != len(want) {
			t.Errorf("PublicJWK = %s, want %d members", public, len(want))
		}
	})
	t.Run("a secret has none", func(t *testing.T) {
		k, err := jose.NewSecretKey("", decode(t, a1Secret))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Thumbprint(); err == nil {
			t.Errorf("Thumbprint = %q, want an error", got)
		}
	})
}
