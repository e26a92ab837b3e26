package jose_test

import (
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// FuzzDecrypt: whatever comes, there is no panic and one error; what is opened has the shape of a token.
func FuzzDecrypt(f *testing.F) {
	f.Add(rfc7516Token)
	f.Add("eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTEyOEdDTSIsImVwayI6eyJrdHkiOiJPS1AiLCJjcnYiOiJYMjU1MTkiLCJ4IjoiQUEifX0..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA")
	k := decryptionKeys(f, rfc7516Key)
	ec := decryptionKeys(f, rfc7518Bob)
	f.Add(sealContent(`{"alg":"ECDH-ES","enc":"A128GCM","apu":"QWxpY2U","apv":"Qm9i","epk":`+rfc7518Alice+`}`, nil, "A128GCM", unb64(rfc7518Shared), inner))
	f.Fuzz(func(t *testing.T, token string) {
		for _, k := range []*jose.DecryptionKeys{k, ec} {
			plain, err := k.Decrypt(token, jose.Limits{})
			if err == nil && !jose.LooksLikeJWT(plain) || err != nil && (plain != "" || problem(t, err) != jose.ProblemEncrypted) {
				t.Fatalf("Decrypt = %q, %v", plain, err)
			}
		}
	})
}

// FuzzParseEmbedded: what is accepted is what Parse accepts, and gives the same the second time, when the header is known.
func FuzzParseEmbedded(f *testing.F) {
	k := keys()
	f.Add(forge(`{"typ":"dpop+jwt","alg":"ES256","jwk":`+ecJWK(&k.p256.PublicKey, "").without("kid").String()+`}`, `{"jti":"1"}`, byEC(k.p256)))
	f.Add(forge(`{"alg":"RS256","jwk":`+rsaJWK(&k.rsa.PublicKey, "x").String()+`}`, `{}`, byRSA(k.rsa, false)))
	f.Fuzz(func(t *testing.T, token string) {
		first, err := jose.ParseEmbedded(token, 8192)
		if err != nil {
			problem(t, err)
			return
		}
		if _, err := jose.Parse(token, jose.Limits{}); err != nil {
			t.Fatalf("Parse refuses it: %v", err)
		}
		good := first.Verify() == nil
		again, err := jose.ParseEmbedded(token, 8192)
		if err != nil || again.Thumbprint != first.Thumbprint || again.Header != first.Header || (again.Verify() == nil) != good {
			t.Fatalf("the second time %+v, %v, want %+v", again, err, first)
		}
		if strings.Contains(token, "\n") {
			t.Fatal("accepted with a line break")
		}
	})
}
