package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Draft is a key to be made, in PingOne's words.
type Draft struct {
	Name, Algorithm    string
	Length             int // bits
	SignatureAlgorithm string
	SubjectDN          string
	// IssuerDN is shown, and nothing else: the certificate is signed by the key itself. "" is the subject.
	IssuerDN     string
	Usage        Usage
	ValidityDays int64
	SerialNumber *big.Int // nil has one drawn
	CustomCRL    string   // URL; "" for none
	Default      bool     // makes it the one that signs
}

// Bounds of what is made or imported.
const (
	// MaxKeys that people made or imported, of one environment: each that signs is in every answer of the JWKS
	// endpoint.
	MaxKeys = 50

	maxName        = 256   // characters
	maxDays        = 36500 // days
	maxURL         = 2048  // bytes
	maxSerialBytes = 20    // RFC 5280 §4.1.2.2
)

var (
	usages     = []Usage{UsageSigning, UsageEncryption, UsageTLS, UsageIssuance, UsageMutualTLS}
	rsaLengths = []int{2048, 3072, 4096, 7680}
	ecCurves   = map[int]elliptic.Curve{224: elliptic.P224(), 256: elliptic.P256(), 384: elliptic.P384(), 521: elliptic.P521()}
	ecLengths  = []int{224, 256, 384, 521}
)

// problems collects what is wrong with what was sent.
type problems []oauth.Detail

func (p *problems) add(code, target, format string, args ...any) {
	*p = append(*p, oauth.Detail{Code: code, Target: target, Message: fmt.Sprintf(format, args...)})
}

// oneOf wants a value of a closed set.
func oneOf[T comparable](p *problems, target string, v T, allowed []T) bool {
	if slices.Contains(allowed, v) {
		return true
	}
	var zero T
	code := invalidValue
	if v == zero {
		code = requiredValue
	}
	*p = append(*p, oauth.Detail{
		Code: code, Target: target, Message: fmt.Sprintf("must be one of %v", allowed), Inner: map[string]any{"allowedValues": allowed},
	})
	return false
}

func (p problems) verdict() error {
	if len(p) == 0 {
		return nil
	}
	return oauth.InvalidData(p...)
}

// Detail codes of PingOne's error bodies.
const (
	invalidValue        = "INVALID_VALUE"
	requiredValue       = "REQUIRED_VALUE"
	outOfRange          = "OUT_OF_RANGE"
	sizeLimitExceeded   = "SIZE_LIMIT_EXCEEDED"
	constraintViolation = "CONSTRAINT_VIOLATION"
)

// refuse is 400 for one reason.
func refuse(code, target, format string, args ...any) error {
	var p problems
	p.add(code, target, format, args...)
	return p.verdict()
}

// check judges what a key is to be.
func (n *Draft) check() error {
	var p problems
	switch {
	case strings.TrimSpace(n.Name) == "":
		p.add(requiredValue, "name", "must not be empty")
	case utf8.RuneCountInString(n.Name) > maxName:
		p.add(sizeLimitExceeded, "name", "must not have more than %d characters", maxName)
	case !utf8.ValidString(n.Name) || strings.ContainsFunc(n.Name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		p.add(invalidValue, "name", "must not have control characters")
	}
	oneOf(&p, "usageType", n.Usage, usages)
	if oneOf(&p, "algorithm", n.Algorithm, []string{rsaKey, ecKey}) {
		lengths := rsaLengths
		if n.Algorithm == ecKey {
			lengths = ecLengths
		}
		oneOf(&p, "keyLength", n.Length, lengths)
		var names []string
		for _, s := range signatureAlgorithms {
			if s.kind == n.Algorithm {
				names = append(names, s.name)
			}
		}
		oneOf(&p, "signatureAlgorithm", n.SignatureAlgorithm, names)
	}
	switch {
	case n.SubjectDN == "":
		p.add(requiredValue, "subjectDN", "must not be empty")
	default:
		p.name("subjectDN", n.SubjectDN)
	}
	p.name("issuerDN", n.IssuerDN)
	switch {
	case n.ValidityDays == 0:
		p.add(requiredValue, "validityPeriod", "must be from 1 to %d days", maxDays)
	case n.ValidityDays < 1 || n.ValidityDays > maxDays:
		p.add(outOfRange, "validityPeriod", "must be from 1 to %d days", maxDays)
	}
	if s := n.SerialNumber; s != nil && (s.Sign() <= 0 || s.BitLen() > 8*maxSerialBytes-1) {
		p.add(outOfRange, "serialNumber", "must be more than zero and of at most %d bytes", maxSerialBytes)
	}
	if n.CustomCRL != "" {
		u, err := url.Parse(n.CustomCRL)
		if err != nil || len(n.CustomCRL) > maxURL || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			p.add(invalidValue, "customCRL", "must be an http or https URL")
		}
	}
	if len(p) == 0 && n.Usage == UsageSigning && n.Algorithm == ecKey && n.Length == 224 {
		p.add(invalidValue, "keyLength", "must not be 224 for a signing key: no token is signed on that curve (RFC 7518 §3.4)")
	}
	return p.verdict()
}

// name wants a distinguished name, or nothing.
func (p *problems) name(target, dn string) {
	if dn == "" {
		return
	}
	if _, err := jose.ParseDN(dn); err != nil {
		p.add(invalidValue, target, "must be a distinguished name (RFC 4514): %v", err)
	}
}

// generate draws the private key.
func (n *Draft) generate() (crypto.Signer, error) {
	if n.Algorithm == rsaKey {
		return rsa.GenerateKey(rand.Reader, n.Length)
	}
	return ecdsa.GenerateKey(ecCurves[n.Length], rand.Reader)
}

// certificate signs a certificate of private by itself, good from now on.
func (n *Draft) certificate(private crypto.Signer, now time.Time) ([]byte, error) {
	subject, err := jose.ParseDN(n.SubjectDN)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: n.SerialNumber, RawSubject: subject, NotBefore: now, NotAfter: now.AddDate(0, 0, int(n.ValidityDays)),
		SignatureAlgorithm: x509Algorithm(n.SignatureAlgorithm),
	}
	if template.SerialNumber == nil {
		template.SerialNumber = newSerial()
	}
	switch n.Usage {
	case UsageSigning:
		template.KeyUsage = x509.KeyUsageDigitalSignature
	case UsageEncryption:
		template.KeyUsage = x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment
		if n.Algorithm == ecKey {
			template.KeyUsage = x509.KeyUsageKeyAgreement
		}
	case UsageTLS:
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if n.Algorithm == rsaKey {
			template.KeyUsage |= x509.KeyUsageKeyEncipherment
		}
	case UsageMutualTLS:
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case UsageIssuance:
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		template.IsCA, template.BasicConstraintsValid = true, true
	}
	if n.CustomCRL != "" {
		template.CRLDistributionPoints = []string{n.CustomCRL}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("certificate of a new key: %w", err)
	}
	return der, nil
}

func x509Algorithm(name string) x509.SignatureAlgorithm {
	for _, s := range signatureAlgorithms {
		if s.name == name {
			return s.x509
		}
	}
	return x509.UnknownSignatureAlgorithm
}

// tokenAlgorithm is what a key would sign tokens of env with; "" where no token can be signed with it. An RSA key may
// sign in two ways: its signature algorithm says the hash, the environment the padding.
func tokenAlgorithm(env *store.Environment, public any, signature string) string {
	kind, bits := kindOfKey(public)
	switch {
	case kind == rsaKey:
		for _, s := range signatureAlgorithms {
			if s.name == signature && s.kind == rsaKey {
				if padded := "PS" + s.rsa[2:]; padded == env.SigningAlgorithm {
					return padded
				}
				return s.rsa
			}
		}
	case kind == ecKey && bits == 256:
		return jose.ES256
	case kind == ecKey && bits == 384:
		return jose.ES384
	case kind == ecKey && bits == 521:
		return jose.ES512
	}
	return ""
}

// errUnreadable: a private key that is not one of ours.
var errUnreadable = errors.New("the private key cannot be read")

// encodePrivate writes a private key as jose.ParseSigningKey and decodePrivate read it: PKCS #8 in PEM.
func encodePrivate(private crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, errUnreadable
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func decodePrivate(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errUnreadable
	}
	defer clear(block.Bytes)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errUnreadable
	}
	private, ok := key.(crypto.Signer)
	if !ok {
		return nil, errUnreadable
	}
	return private, nil
}
