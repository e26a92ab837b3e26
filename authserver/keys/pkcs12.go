package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// Imported is a file that holds a private key and its certificates (RFC 7292).
type Imported struct {
	File     []byte // PKCS #12
	Password string
	Usage    Usage
}

const (
	// MaxImport is the longest file that is read, in bytes.
	MaxImport = 256 << 10

	maxPassword = 1024 // bytes
	maxChain    = 10   // certificates
)

// read opens the file. chain begins with the certificate of the key.
func (i *Imported) read(now time.Time) (private crypto.Signer, chain []*x509.Certificate, err error) {
	var p problems
	oneOf(&p, "usageType", i.Usage, usages)
	switch {
	case len(i.File) == 0:
		p.add(requiredValue, "file", "must be a PKCS #12 file")
	case len(i.File) > MaxImport:
		p.add(sizeLimitExceeded, "file", "must not have more than %d bytes", MaxImport)
	}
	if len(i.Password) > maxPassword {
		p.add(sizeLimitExceeded, "password", "must not have more than %d bytes", maxPassword)
	}
	if err := p.verdict(); err != nil {
		return nil, nil, err
	}
	key, own, others, err := i.decode()
	switch {
	case errors.Is(err, errTooSlow):
		return nil, nil, refuse(outOfRange, "file", "must not ask for more than %d rounds of hashing", maxRounds)
	case err != nil || own == nil:
		// The library's words may quote what it has decrypted.
		return nil, nil, refuse(invalidValue, "file", "must be a PKCS #12 file that the password opens, with one private key and its certificate")
	}
	private, err = usable(key)
	if err != nil {
		return nil, nil, err
	}
	// Whatever the file says about which certificate belongs to the key.
	chain = append([]*x509.Certificate{own}, others...)
	at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return samePublic(c.PublicKey, private.Public()) })
	if at < 0 {
		return nil, nil, refuse(invalidValue, "file", "has no certificate of its private key")
	}
	chain[0], chain[at] = chain[at], chain[0]
	return private, chain, checkChain("file", chain, now)
}

// decode opens the file. A panic of the library is a file that cannot be read: it must not end the process.
func (i *Imported) decode() (key any, own *x509.Certificate, others []*x509.Certificate, err error) {
	defer func() {
		if recover() != nil {
			key, own, others, err = nil, nil, nil, errFile
		}
	}()
	files, err := bounded(i.File, i.Password)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, file := range files {
		if key, own, others, err = pkcs12.DecodeChain(file, i.Password); err == nil {
			break
		}
	}
	return key, own, others, err
}

// usable wants a key of the kinds and sizes that are made here.
func usable(key any) (crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if slices.Contains(rsaLengths, k.N.BitLen()) && k.Validate() == nil {
			return k, nil
		}
	case *ecdsa.PrivateKey:
		if ecCurves[k.Curve.Params().BitSize] == k.Curve {
			return k, nil
		}
	}
	return nil, refuse(invalidValue, "file", "must hold an RSA key of %v bits or an EC key of %v", rsaLengths, ecLengths)
}

// samePublic reports whether two public keys are one.
func samePublic(a, b any) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// checkChain judges the certificates of a key: its own is good now, or will be.
func checkChain(target string, chain []*x509.Certificate, now time.Time) error {
	if len(chain) > maxChain {
		return refuse(sizeLimitExceeded, target, "must not have more than %d certificates", maxChain)
	}
	if !now.Before(chain[0].NotAfter) {
		return refuse(invalidValue, target, "must hold a certificate that has not expired")
	}
	if chain[0].SerialNumber == nil || chain[0].SerialNumber.Sign() < 0 || len(chain[0].SerialNumber.Bytes()) > maxSerialBytes {
		return refuse(invalidValue, target, "must hold a certificate with a serial number of at most %d bytes (RFC 5280 §4.1.2.2)", maxSerialBytes)
	}
	return nil
}

// inOrder puts the certificates that vouch for chain[0] behind it, one for the other (RFC 7517 §4.7), and
// leaves out those that vouch for nothing in it.
func inOrder(chain []*x509.Certificate) [][]byte {
	ordered := [][]byte{chain[0].Raw}
	last, left := chain[0], slices.Clone(chain[1:])
	for {
		at := slices.IndexFunc(left, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, last.RawIssuer) && !bytes.Equal(c.Raw, last.Raw) && last.CheckSignatureFrom(c) == nil
		})
		if at < 0 {
			return ordered
		}
		last = left[at]
		ordered, left = append(ordered, last.Raw), slices.Delete(left, at, at+1)
	}
}
