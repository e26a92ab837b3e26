package jose_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Only one spelling of a token is the token: everything that a lenient base64
// decoder would read as the same bytes is refused.
func TestParseCanonicalBase64URL(t *testing.T) {
	// The lengths leave 0, 1 and 2 characters over in the three parts.
	payloads := []string{`{"a":1}`, `{"a":12}`, `{"a":123}`}
	for _, payload := range payloads {
		good := forge(`{"alg":"RS256"}`, payload, constant([]byte("\xfb\xff\xfe123"+payload)))
		if _, err := jose.Parse(good, jose.Limits{}); err != nil {
			t.Fatalf("the good token: %v", err)
		}
		parts := strings.Split(good, ".")
		for i, part := range parts {
			mutations := map[string]string{
				"padding":                   part + "=",
				"two of padding":            part + "==",
				"line feed behind":          part + "\n",
				"carriage return in front":  "\r" + part,
				"CR LF inside":              part[:4] + "\r\n" + part[4:],
				"space inside":              part[:4] + " " + part[4:],
				"NUL inside":                part[:4] + "\x00" + part[4:],
				"a character outside ASCII": part[:4] + "é" + part[4:],
				"percent-encoded":           part[:4] + "%41" + part[4:],
				"one character alone":       part[:len(part)/4*4] + "A",
			}
			if strings.ContainsAny(part, "-_") {
				mutations["the other alphabet"] = strings.NewReplacer("-", "+", "_", "/").Replace(part)
			}
			if over := len(part) % 4; over != 0 {
				// Set the bits that no byte uses.
				const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
				last := strings.IndexByte(alphabet, part[len(part)-1])
				mutations["trailing bits"] = part[:len(part)-1] + string(alphabet[last|1])
			}
			for name, bad := range mutations {
				t.Run(fmt.Sprintf("%s, part %d, %s", payload, i, name), func(t *testing.T) {
					changed := append([]string(nil), parts...)
					changed[i] = bad
					_, err := jose.Parse(strings.Join(changed, "."), jose.Limits{})
					if got := problem(t, err); got != jose.ProblemMalformed {
						t.Errorf("problem = %q, want malformed", got)
					}
				})
			}
		}
	}
	t.Run("the other alphabet was tried", func(t *testing.T) {
		if !strings.ContainsAny(forge(`{}`, `{}`, constant([]byte("\xfb\xff\xfe"))), "-_") {
			t.Error("no character differs between the alphabets")
		}
	})
}

func TestParseHeader(t *testing.T) {
	parse := func(header string) (*jose.JWS, error) {
		return jose.Parse(forge(header, goodClaims, constant([]byte("unchecked"))), jose.Limits{})
	}
	t.Run("fields", func(t *testing.T) {
		j, err := parse(`{"typ":"at+jwt","alg":"ES256","kid":"k\u0031","cty":"x"}`)
		if err != nil {
			t.Fatal(err)
		}
		want := jose.Header{Algorithm: "ES256", KeyID: "k1", HasKeyID: true, Type: "at+jwt"}
		if j.Header != want {
			t.Errorf("header = %+v, want %+v", j.Header, want)
		}
	})
	t.Run("absent fields", func(t *testing.T) {
		j, err := parse(`{"alg":"ES256"}`)
		if err != nil {
			t.Fatal(err)
		}
		if want := (jose.Header{Algorithm: "ES256"}); j.Header != want {
			t.Errorf("header = %+v, want %+v", j.Header, want)
		}
	})
	refused := map[string]jose.Problem{
		`[]`: jose.ProblemMalformed, `"alg"`: jose.ProblemMalformed, `{"alg":"RS256"}x`: jose.ProblemMalformed, `{"alg":"RS256"`: jose.ProblemMalformed,
		`{"alg":"RS256","typ":null}`: jose.ProblemMalformed, `{"alg":"RS256","typ":7}`: jose.ProblemMalformed, `{"alg":"RS256","typ":["JWT"]}`: jose.ProblemMalformed,
		`{"alg":"RS256","typ":"` + strings.Repeat("t", 257) + `"}`: jose.ProblemMalformed, "{\"alg\":\"RS256\",\"x\":\"\xff\"}": jose.ProblemMalformed,
		`{}`: jose.ProblemAlgorithm,
	}
	for header, want := range refused {
		t.Run(header[:min(40, len(header))], func(t *testing.T) {
			_, err := parse(header)
			if got := problem(t, err); got != want {
				t.Errorf("problem = %q, want %q", got, want)
			}
		})
	}
}

func TestTypeIs(t *testing.T) {
	tests := []struct {
		typ, want string
		is        bool
	}{
		{"at+jwt", "at+jwt", true}, {"AT+JWT", "at+jwt", true}, {"application/at+jwt", "at+jwt", true}, {"Application/At+Jwt", "at+jwt", true},
		{"at+jwt", "application/at+jwt", true}, {"JWT", "jwt", true}, {"", "", true},
		{"", "JWT", false}, {"JWT", "at+jwt", false}, {"at+jwt ", "at+jwt", false}, {"application/", "", false}, {"text/at+jwt", "at+jwt", false},
		{"application/application/at+jwt", "at+jwt", false}, {"at+jwt;x=y", "at+jwt", false}, {"logout+jwt", "jwt", false}, {"dpop+jwt", "jwt", false},
	}
	for _, tt := range tests {
		t.Run(tt.typ+" is "+tt.want, func(t *testing.T) {
			h := jose.Header{Type: tt.typ}
			if got := h.TypeIs(tt.want); got != tt.is {
				t.Errorf("TypeIs = %v, want %v", got, tt.is)
			}
		})
	}
}

func TestLooksLikeJWT(t *testing.T) {
	k := keys()
	tests := []struct {
		name, token string
		want        bool
	}{
		{"a good token", forge(`{"alg":"RS256"}`, goodClaims, byRSA(k.rsa, false)), true},
		{"an unsigned one", b64([]byte(`{"alg":"none"}`)) + ".e30.", true},
		{"an encrypted one", b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAA.AAAA.AAAA", true},
		{"white space before the brace", b64([]byte(" \r\n\t {}")) + ".e30.AA", true},
		{"a brace alone", "ew.e30.AA", true},
		{"too many parts: Parse refuses it", b64([]byte(`{}`)) + ".a.b.c.d.e.f", true},
		{"two parts", b64([]byte(`{}`)) + ".e30", false},
		{"opaque", "2YotnFZFEjr1zCsicMWpAA", false},
		{"opaque with dots", "2Yot.nFZFEjr1zC.sicMWpAA", false},
		{"a UUID", "0b7d3c52-9c1f-4f5e-8a44-6a1c2e9d7f10", false},
		{"JSON itself", `{"alg":"RS256"}..`, false},
		{"PASETO", "v4.public.eyJzdWIiOiJhIn0", false},
		{"an array encoded", b64([]byte(`[1]`)) + ".e30.AA", false},
		{"white space alone", b64([]byte(strings.Repeat(" ", 300))) + ".e30.AA", false},
		{"nothing", "", false}, {"dots", "...", false}, {"one character", "e..", false}, {"not base64", "e!..", false}, {"padding before the brace was read", "ew==.e30.AA", false}, {"padding later: Parse refuses it", b64([]byte(`{"alg":"RS256"}`)) + "==.e30.AA", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := jose.LooksLikeJWT(tt.token); got != tt.want {
				t.Errorf("LooksLikeJWT = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParseLeavesTheTokenAlone(t *testing.T) {
	k := keys()
	token := forge(`{"alg":"EdDSA"}`, goodClaims, byEd25519(k.ed))
	j, err := jose.Parse(token, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := j.Claims()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Claims(); err != nil || first.Subject != "alice" {
		t.Errorf("claims read twice: %v, %q, want the same", err, first.Subject)
	}
	if err := j.Verify(nil); problem(t, err) != jose.ProblemKey {
		t.Errorf("Verify with no key = %v, want the key problem", err)
	}
}
