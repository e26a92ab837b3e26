package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	"github.com/smallstep/pkcs7"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// MaxCertificates is the longest file of certificates that is read, in bytes.
const MaxCertificates = 64 << 10

// CertificateRequest makes a request (PKCS #10 in DER, RFC 2986) for a certificate of a key that somebody made, with
// the subject of the one that it has. Keys of rotations are gone before anybody has signed for them.
func (r *Rings) CertificateRequest(ctx context.Context, env *store.Environment, id string) ([]byte, error) {
	if _, err := r.Ring(ctx, env); err != nil {
		return nil, err
	}
	records, _, err := r.c.Store.KeyRing(ctx, env.ID)
	if err != nil {
		return nil, fmt.Errorf("read key ring: %w", err)
	}
	at := slices.IndexFunc(records, func(k store.Key) bool { return k.ID == id })
	if at < 0 {
		return nil, store.ErrNotFound
	}
	d, err := describe(&records[at])
	if err != nil {
		return nil, err
	}
	if err := certifiable(&d); err != nil {
		return nil, err
	}
	cert, err := d.certificate()
	if err != nil {
		return nil, err
	}
	sealer, err := r.open(false)
	if err != nil {
		return nil, fmt.Errorf("secrets key: %w", err)
	}
	private, err := private(sealer, env.ID, &records[at])
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		RawSubject: cert.RawSubject, SignatureAlgorithm: x509Algorithm(d.SignatureAlgorithm),
	}, private)
	if err != nil {
		return nil, fmt.Errorf("certificate request of key %s: %w", id, err)
	}
	return der, nil
}

// certifiable refuses keys that a rotation has drawn.
func certifiable(d *description) error {
	if d.byHand() {
		return nil
	}
	return refuse(constraintViolation, "", "the key is one of a rotation: it gets its certificates from that")
}

// private opens the key that somebody made.
func private(s *secret.Sealer, env string, rec *store.Key) (crypto.Signer, error) {
	text, err := s.Open(rec.Sealed, additional(env, rec.ID))
	if err != nil {
		return nil, fmt.Errorf("open key %s of environment %s: %w", rec.ID, env, err)
	}
	defer clear(text)
	key, err := decodePrivate(text)
	if err != nil {
		return nil, fmt.Errorf("read key %s of environment %s: %w", rec.ID, env, err)
	}
	return key, nil
}

// Certify gives a key that somebody made the certificate that was asked for it: file holds it, and those that vouch for
// it, as PEM, DER or PKCS #7. It must be of that very key, and not have expired.
func (r *Rings) Certify(ctx context.Context, env *store.Environment, id string, file []byte, record Recorder) (*Info, int64, error) {
	var certs []*x509.Certificate
	err := r.alone(ctx, env, func() (err error) {
		certs, err = readCertificates(file)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return r.change(ctx, env, id, record, func(e *editing) error {
		k := e.find(id)
		if k == nil {
			return store.ErrNotFound
		}
		d, err := describe(k)
		if err != nil {
			return err
		}
		if err := certifiable(&d); err != nil {
			return err
		}
		old, err := d.certificate()
		if err != nil {
			return err
		}
		chain := slices.Clone(certs)
		at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return samePublic(c.PublicKey, old.PublicKey) })
		if at < 0 {
			return refuse(invalidValue, "file", "must hold a certificate of this key")
		}
		chain[0], chain[at] = chain[at], chain[0]
		if err := checkChain("file", chain, e.now); err != nil {
			return err
		}
		if !bytes.Equal(chain[0].RawSubject, old.RawSubject) {
			d.Subject = ""
		}
		d.Chain, d.Issuer, d.Changed = inOrder(chain), "", &e.now
		k.Data = d.encode()
		return nil
	})
}

// readCertificates reads a file of certificates, whichever form it has.
func readCertificates(file []byte) ([]*x509.Certificate, error) {
	bad := func() error {
		return refuse(invalidValue, "file", "must be a certificate as PEM, DER or PKCS #7")
	}
	switch {
	case len(file) == 0:
		return nil, refuse(requiredValue, "file", "must be a certificate")
	case len(file) > MaxCertificates:
		return nil, refuse(sizeLimitExceeded, "file", "must not have more than %d bytes", MaxCertificates)
	}
	var ders [][]byte
	for rest := file; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		ders = append(ders, block.Bytes)
	}
	if len(ders) == 0 {
		ders = [][]byte{file}
	}
	var certs []*x509.Certificate
	for _, der := range ders {
		if one, err := x509.ParseCertificate(der); err == nil {
			certs = append(certs, one)
			continue
		}
		signed, err := pkcs7.Parse(der)
		if err != nil || len(signed.Certificates) == 0 {
			return nil, bad()
		}
		certs = append(certs, signed.Certificates...)
	}
	if len(certs) > maxChain {
		return nil, refuse(sizeLimitExceeded, "file", "must not have more than %d certificates", maxChain)
	}
	return certs, nil
}

// PKCS7 is a chain as a file of certificates and nothing else (RFC 2315 §9.1), in DER.
func (i *Info) PKCS7() ([]byte, error) {
	der, err := pkcs7.DegenerateCertificate(bytes.Join(i.Chain, nil))
	if err != nil {
		return nil, fmt.Errorf("certificates of key %s as PKCS #7: %w", i.ID, err)
	}
	return der, nil
}

// PEM is a chain as PEM (RFC 7468 §5), the key's own certificate first.
func (i *Info) PEM() []byte {
	var b bytes.Buffer
	for _, der := range i.Chain {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // to memory, without headers
	}
	return b.Bytes()
}
