package jose_test

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

func TestCertificateIsTheSameEveryTime(t *testing.T) {
	from := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	for _, alg := range []string{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
		t.Run(alg, func(t *testing.T) {
			key, err := jose.GenerateSigningKey(alg, 0)
			if err != nil {
				t.Fatal(err)
			}
			der, err := key.Certificate(from)
			if err != nil {
				t.Fatal(err)
			}
			again, err := key.Certificate(from)
			if err != nil || !bytes.Equal(der, again) {
				t.Errorf("a second certificate differs (%v)", err)
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
				t.Errorf("signature: %v", err)
			}
			if cert.Subject.CommonName != key.ID() || !cert.NotBefore.Equal(from.Truncate(time.Second)) || cert.IsCA {
				t.Errorf("subject %s, from %v, CA %v", cert.Subject, cert.NotBefore, cert.IsCA)
			}
		})
	}
}
