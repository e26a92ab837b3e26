package keys

import (
	"crypto/x509"
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// policyAlgorithm is what keys of policies sign with: PingOne has no other.
const policyAlgorithm = jose.RS256

// describe makes the Data of a key that a policy's rotation has drawn: with a
// certificate of its own, good from now on and for the validity from when it is to sign.
func (r *rotation) describe(key *jose.SigningKey, now, signsFrom time.Time) ([]byte, error) {
	subject, err := jose.ParseDN(r.dn)
	if err != nil {
		return nil, err
	}
	der, err := key.SelfSigned(&x509.Certificate{
		SerialNumber: newSerial(), RawSubject: subject, NotBefore: now, NotAfter: signsFrom.Add(r.validity), KeyUsage: x509.KeyUsageDigitalSignature,
	})
	if err != nil {
		return nil, err
	}
	d := description{Chain: [][]byte{der}, DN: r.dn, Length: r.length}
	return d.encode(), nil
}

// newSerial draws a certificate's serial number (RFC 5280 §4.1.2.2): 122 random bits.
func newSerial() *big.Int {
	id := uuid.New()
	return new(big.Int).SetBytes(id[:])
}
