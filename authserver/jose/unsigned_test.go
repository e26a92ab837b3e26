package jose_test

import (
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

func TestParseUnsigned(t *testing.T) {
	payload := b64([]byte(goodClaims))
	unsigned := func(header string) string { return b64([]byte(header)) + "." + payload + "." }
	good := unsigned(`{"alg":"none"}`)
	tests := []struct {
		name, token string
		want        jose.Problem // "" for accepted
	}{
		{"alg none", good, ""},
		{"with typ", unsigned(`{"alg":"none","typ":"oauth-authz-req+jwt"}`), ""},
		{"a signed one", a2Token, jose.ProblemAlgorithm},
		{"a signed one without its signature", a2Token[:strings.LastIndexByte(a2Token, '.')+1], jose.ProblemAlgorithm},
		{"with a signature", good + "AAAA", jose.ProblemSignature},
		{"none in another case", unsigned(`{"alg":"None"}`), jose.ProblemAlgorithm},
		{"none with a space", unsigned(`{"alg":"none "}`), jose.ProblemAlgorithm},
		{"none escaped", unsigned(`{"alg":"n\u006fne"}`), ""},
		{"no alg", unsigned(`{}`), jose.ProblemAlgorithm},
		{"an alg that is no string", unsigned(`{"alg":null}`), jose.ProblemAlgorithm},
		{"two algs", unsigned(`{"alg":"none","alg":"RS256"}`), jose.ProblemMalformed},
		{"crit", unsigned(`{"alg":"none","crit":["x"]}`), jose.ProblemCritical},
		{"b64", unsigned(`{"alg":"none","b64":false}`), jose.ProblemCritical},
		{"enc", unsigned(`{"alg":"none","enc":"A256GCM"}`), jose.ProblemEncrypted},
		{"two parts", strings.TrimSuffix(good, "."), jose.ProblemMalformed},
		{"four parts", good + ".", jose.ProblemMalformed},
		{"five parts", good + "..", jose.ProblemEncrypted},
		{"a header with padding", b64([]byte(`{"alg":"none"}`)) + "=." + payload + ".", jose.ProblemMalformed},
		{"a payload with a line end", b64([]byte(`{"alg":"none"}`)) + "." + payload + "\n.", jose.ProblemMalformed},
		{"an empty payload", b64([]byte(`{"alg":"none"}`)) + "..", jose.ProblemMalformed},
		{"nothing", "", jose.ProblemMalformed},
		{"too long", unsigned(`{"alg":"none","x":"` + strings.Repeat("x", 20000) + `"}`), jose.ProblemOversized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, err := jose.ParseUnsigned(tt.token, jose.Limits{})
			if err != nil {
				if got := problem(t, err); got != tt.want || u != nil {
					t.Errorf("problem = %q, want %q", got, tt.want)
				}
				return
			}
			if tt.want != "" {
				t.Fatalf("accepted, want %q", tt.want)
			}
			if c, err := u.Claims(); err != nil || len(c.Names()) == 0 || u.Header.Algorithm != "none" {
				t.Errorf("claims = %v, %v, header = %+v", c, err, u.Header)
			}
			// The two readers never take the same thing.
			if _, err := jose.Parse(tt.token, jose.Limits{}); err == nil {
				t.Error("Parse accepts it too")
			}
		})
	}
}

// FuzzParseUnsigned: nothing is read both as signed and as unsigned, and what is
// read as unsigned has no signature.
func FuzzParseUnsigned(f *testing.F) {
	for _, seed := range []string{
		b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(goodClaims)) + ".", b64([]byte(`{"alg":"none"}`)) + ".e30.AA", a2Token, a3Token, "..", "....",
		b64([]byte(`{"alg":"none","alg":"RS256"}`)) + ".e30.",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		u, err := jose.ParseUnsigned(token, jose.Limits{})
		if err != nil {
			if problem(t, err) == "" {
				t.Errorf("error %v has no problem", err)
			}
			return
		}
		if _, err := jose.Parse(token, jose.Limits{}); err == nil {
			t.Error("it passes for signed as well")
		}
		if u.Header.Algorithm != "none" || !strings.HasSuffix(token, ".") || strings.Count(token, ".") != 2 {
			t.Errorf("%q is accepted as unsigned", token)
		}
		_, _ = u.Claims()
	})
}
