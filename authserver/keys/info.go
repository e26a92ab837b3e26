package keys

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Info is what may be told of a key: nothing of its private half.
type Info struct {
	ID string // kid
	// Name is empty for a key that a rotation has drawn; Policy says which rotation: "" is the
	// environment's own.
	Name, Policy string
	ByHand       bool // somebody made or imported it
	Imported     bool // somebody brought it, and so knows its private half
	Slot         store.KeySlot
	Usage        Usage
	Algorithm    string // RSA or EC; Ed25519, for which PingOne has no word
	Length       int    // bits of the modulus or of the curve
	// SignatureAlgorithm is that of its certificate when the key was made; Signs is what it signs tokens
	// with (RFC 7518 §3.1), "" for one that signs none.
	SignatureAlgorithm, Signs string
	SubjectDN, IssuerDN       string
	SerialNumber              *big.Int
	CustomCRL                 string
	StartsAt, ExpiresAt       time.Time // of the certificate
	CreatedAt                 time.Time
	UpdatedAt                 time.Time // zero where nobody has changed it
	// SignsFrom is when it became, or is to become, the one that signs; zero for neither.
	SignsFrom time.Time
	// Chain is its certificate (DER), and then those that vouch for it.
	Chain [][]byte
}

// Default reports whether the key signs for the environment now.
func (i *Info) Default() bool { return i.Slot == store.SlotCurrent && i.Policy == "" }

// ValidityPeriod is in days.
func (i *Info) ValidityPeriod() int64 {
	// In seconds: without an end it is longer than a Duration can say.
	const day = 24 * 60 * 60
	return max(1, (i.ExpiresAt.Unix()-i.StartsAt.Unix())/day)
}

// expiringFor is how long before its end a certificate is EXPIRING.
const expiringFor = 30 * 24 * time.Hour

// Status is PingOne's word for whether the certificate is good at now.
func (i *Info) Status(now time.Time) string {
	switch {
	case now.Before(i.StartsAt):
		return "NOT_YET_VALID"
	case !now.Before(i.ExpiresAt):
		return "EXPIRED"
	case !now.Before(i.ExpiresAt.Add(-expiringFor)):
		return "EXPIRING"
	}
	return "VALID"
}

// info describes a key by its chain of certificates.
func info(k *store.Key, chain [][]byte) (*Info, error) {
	d, err := describe(k)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("read the certificate of key %s: %w", k.ID, err)
	}
	i := &Info{
		ID: k.ID, Name: d.Name, Policy: k.Policy, ByHand: d.byHand(), Imported: d.Imported, Slot: k.Slot, Usage: cmp.Or(d.Usage, UsageSigning),
		SignatureAlgorithm: d.SignatureAlgorithm, Signs: k.Algorithm,
		SubjectDN: cmp.Or(d.Subject, d.DN, cert.Subject.String()), IssuerDN: cmp.Or(d.Issuer, d.DN, cert.Issuer.String()),
		SerialNumber: cert.SerialNumber, CustomCRL: d.CustomCRL, StartsAt: cert.NotBefore.UTC(), ExpiresAt: cert.NotAfter.UTC(),
		CreatedAt: k.CreatedAt, SignsFrom: k.SignsFrom, Chain: chain,
	}
	if d.Changed != nil {
		i.UpdatedAt = d.Changed.UTC()
	}
	i.Algorithm, i.Length = kindOfKey(cert.PublicKey)
	if i.SignatureAlgorithm == "" {
		i.SignatureAlgorithm = signatureAlgorithm(cert)
	}
	return i, nil
}

// Kinds of keys in PingOne's words.
const (
	rsaKey     = "RSA"
	ecKey      = "EC"
	ed25519Key = "Ed25519"
)

// kindOfKey names the kind and size of a public key; "" and 0 for one that is not known here.
func kindOfKey(public any) (kind string, bits int) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return rsaKey, k.N.BitLen()
	case *ecdsa.PublicKey:
		return ecKey, k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return ed25519Key, 256
	}
	return "", 0
}

// signatureAlgorithm is PingOne's word for how the certificate of one of our keys is, or would be, signed with that
// key: the certificate itself may have been signed with any other one.
func signatureAlgorithm(cert *x509.Certificate) string {
	kind, bits := kindOfKey(cert.PublicKey)
	for _, s := range signatureAlgorithms {
		if s.x509 == cert.SignatureAlgorithm && s.kind == kind {
			return s.name
		}
	}
	switch {
	case kind == rsaKey:
		return "SHA256withRSA"
	case kind == ecKey && bits > 384:
		return "SHA512withECDSA"
	case kind == ecKey && bits > 256:
		return "SHA384withECDSA"
	case kind == ecKey:
		return "SHA256withECDSA"
	}
	return kind
}

// signatureAlgorithms are PingOne's names. Of RSA keys rsa is what one signs tokens with.
var signatureAlgorithms = []struct {
	name, kind string
	x509       x509.SignatureAlgorithm
	rsa        string
}{
	{"SHA256withRSA", rsaKey, x509.SHA256WithRSA, "RS256"},
	{"SHA384withRSA", rsaKey, x509.SHA384WithRSA, "RS384"},
	{"SHA512withRSA", rsaKey, x509.SHA512WithRSA, "RS512"},
	{"SHA256withECDSA", ecKey, x509.ECDSAWithSHA256, ""},
	{"SHA384withECDSA", ecKey, x509.ECDSAWithSHA384, ""},
	{"SHA512withECDSA", ecKey, x509.ECDSAWithSHA512, ""},
}
