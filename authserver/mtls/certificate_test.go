package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
)

// rfc8705Certificate is the certificate of RFC 8705 Appendix A.
const rfc8705Certificate = "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx" +
	"ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG" +
	"SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ" +
	"/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID" +
	"SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV" +
	"bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY="

// TestRFC8705Thumbprint: the certificate of RFC 8705 Appendix A and its thumbprint.
func TestRFC8705Thumbprint(t *testing.T) {
	der, err := base64.StdEncoding.DecodeString(rfc8705Certificate)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	const want = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
	if got := mtls.Thumbprint(c); got != want {
		t.Errorf("Thumbprint = %s, want %s", got, want)
	}
}

func TestFromTLS(t *testing.T) {
	leaf, between := root(t, "leaf").certificate, root(t, "between").certificate
	if got := mtls.FromTLS(nil); got != nil {
		t.Errorf("without TLS: %v, want nil", got)
	}
	if got := mtls.FromTLS(&tls.ConnectionState{}); got != nil {
		t.Errorf("without a certificate: %v, want nil", got)
	}
	got := mtls.FromTLS(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf, between}})
	if got == nil || got.Leaf != leaf || len(got.Intermediates) != 1 || got.Intermediates[0] != between {
		t.Errorf("FromTLS = %+v, want the client's certificate first", got)
	}
}

// TestAttack86Chain: the client's own certificate must lead to a root, at this time, and be one for clients. That another certificate of
// the chain would do is worth nothing (CVE-2023-2422).
func TestAttack86Chain(t *testing.T) {
	good, evil := root(t, "good"), root(t, "evil")
	between := good.issue(t, ca("between"))
	leaf, deep := good.issue(t, client("leaf")), between.issue(t, client("deep"))
	stranger := evil.issue(t, client("leaf"))
	selfSigned := (*authority)(nil).issue(t, client("leaf"))
	server := client("server")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	unsaid := client("unsaid")
	unsaid.ExtKeyUsage = nil
	old := client("old")
	old.NotBefore, old.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour)
	noCA := leaf.issue(t, client("below a client"))

	roots, others := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(good.certificate)
	others.AddCert(evil.certificate)
	chain := func(list ...*authority) *mtls.Certificate {
		c := &mtls.Certificate{Leaf: list[0].certificate}
		for _, a := range list[1:] {
			c.Intermediates = append(c.Intermediates, a.certificate)
		}
		return c
	}
	for _, tt := range []struct {
		name  string
		chain *mtls.Certificate
		roots *x509.CertPool
		at    time.Time
		good  bool
	}{
		{"issued by the root", chain(leaf), roots, now, true},
		{"issued by one between, which is there", chain(deep, between), roots, now, true},
		{"with the root in the chain", chain(deep, between, good), roots, now, true},
		{"for any use", chain(good.issue(t, unsaid)), roots, now, true},
		{"issued by one between, which is not there", chain(deep), roots, now, false},
		{"stranger before the good one", chain(stranger, leaf), roots, now, false},
		{"stranger before a whole good chain", chain(stranger, deep, between, good), roots, now, false},
		{"stranger with the stranger's root", chain(stranger, evil), roots, now, false},
		{"self-signed before the good root", chain(selfSigned, good), roots, now, false},
		{"self-signed alone", chain(selfSigned), roots, now, false},
		{"issued by a client's certificate", chain(noCA, leaf), roots, now, false},
		{"the good one, with other roots", chain(leaf), others, now, false},
		{"for servers alone", chain(good.issue(t, server)), roots, now, false},
		{"expired", chain(good.issue(t, old)), roots, now, false},
		{"before its time", chain(leaf), roots, now.Add(-2 * time.Hour), false},
		{"after its time", chain(leaf), roots, now.Add(2 * time.Hour), false},
		{"no roots, which are not those of the system", chain(leaf), nil, now, false},
		{"empty roots", chain(leaf), x509.NewCertPool(), now, false},
		{"no certificate", nil, roots, now, false},
		{"no client's certificate", &mtls.Certificate{Intermediates: []*x509.Certificate{leaf.certificate}}, roots, now, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.chain.Verify(tt.roots, tt.at); (err == nil) != tt.good {
				t.Errorf("Verify = %v, want good: %v", err, tt.good)
			}
		})
	}
}
