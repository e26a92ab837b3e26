package jose_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

func TestSignThenVerify(t *testing.T) {
	for _, alg := range []string{"RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			k, err := jose.GenerateSigningKey(alg, 0)
			if err != nil {
				t.Fatal(err)
			}
			tok, err := k.Sign("at+jwt", []byte(`{"iss":"https://as.example.com"}`))
			if err != nil {
				t.Fatal(err)
			}
			j, err := jose.Parse(tok, jose.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if err := j.Verify(k.Public()); err != nil {
				t.Fatal(err)
			}
			pub, _ := k.PublicJWK()
			set, skipped, err := jose.ParseKeySet([]byte(`{"keys":[`+string(pub)+`]}`), jose.KeySetLimits{})
			if err != nil || skipped != 0 || set.Len() != 1 {
				t.Fatal(err, skipped, string(pub))
			}
			if err := j.Verify(set.Find(&j.Header)); err != nil {
				t.Fatal(err)
			}
			priv, err := k.MarshalPrivate()
			if err != nil {
				t.Fatal(err)
			}
			k2, err := jose.ParseSigningKey(priv, "", "")
			if err != nil || k2.ID() != k.ID() || k2.Algorithm() != alg {
				t.Fatal(err)
			}
			c, err := j.Claims()
			if err != nil || c.Issuer != "https://as.example.com" {
				t.Fatal(err)
			}
		})
	}
}
