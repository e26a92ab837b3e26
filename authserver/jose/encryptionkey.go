package jose

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/x25519"
)

// EncryptionKey is the public key of somebody for whom tokens are encrypted (RFC 7516). Safe for concurrent use.
type EncryptionKey struct {
	id       string // kid; "" where the key has none
	alg, enc string
	raw      any // *rsa.PublicKey, *ecdsa.PublicKey or x25519.PublicKey
}

var encryption = &purpose{use: "enc", ops: []string{"encrypt", "wrapKey", "deriveKey", "deriveBits"}, okp: curveX25519, algs: knownKeyManagement}

// KeyManagement lists the alg values that tokens are encrypted with, and that Decrypt opens.
func KeyManagement() []string {
	return []string{RSAOAEP256, ECDHESA256KW, ECDHESA128KW, ECDHES, RSAOAEP}
}

// ContentEncryption lists the enc values that tokens are encrypted with, and that Decrypt opens, the default first.
func ContentEncryption() []string {
	return []string{A256GCM, A128GCM, A256CBCHS512, A128CBCHS256}
}

// ParseEncryptionKey reads one public key: PEM (SubjectPublicKeyInfo, PKCS #1), a JWK, or a JWK Set, of whose several keys it is the first
// with use enc. RSA of 2048 bits or more, P-256, P-384, P-521, X25519. A JWK may name its alg, which is otherwise RSA-OAEP-256 or
// ECDH-ES+A256KW. enc is one of ContentEncryption; "" is A256GCM. A private key is refused: who encrypts has no use for it.
func ParseEncryptionKey(text []byte, enc string) (*EncryptionKey, error) {
	if len(text) > 1<<20 {
		return nil, errors.New("the public key is too long")
	}
	if enc == "" {
		enc = A256GCM
	}
	if !slices.Contains(ContentEncryption(), enc) {
		return nil, fmt.Errorf("no content encryption %q; there are: %s", enc, strings.Join(ContentEncryption(), ", "))
	}
	k := &EncryptionKey{enc: enc}
	var err error
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		err = k.readJSON(string(trimmed))
	} else {
		err = k.readPEM(text)
	}
	if err != nil {
		return nil, err
	}
	return k, k.check()
}

// readJSON reads a JWK Set, or a single one.
func (k *EncryptionKey) readJSON(text string) error {
	list, err := keysOf(text)
	switch {
	case err != nil:
		return err
	case list == "":
		return k.readJWK(text)
	}
	var all, marked []string
	_ = rescan(list).elements(func(text string) error { // cannot fail: it was scanned before
		all = append(all, text)
		if usedFor(text, encryption.use) {
			marked = append(marked, text)
		}
		return nil
	})
	switch {
	case len(marked) > 0:
		return k.readJWK(marked[0])
	case len(all) == 1:
		return k.readJWK(all[0])
	}
	return errors.New("the JWK Set has no key with use enc")
}

// usedFor reports whether a JWK says that this is its use.
func usedFor(text, use string) bool {
	found := false
	if text[0] == '{' {
		_ = rescan(text).object(func(name string, at member) error { // as above
			if name == "use" {
				s, ok := textString(text[at.value:at.valueEnd])
				found = ok && s == use
			}
			return nil
		})
	}
	return found
}

func (k *EncryptionKey) readJWK(text string) error {
	p, err := readJWKFor(encryption, text)
	if err != nil {
		return err
	}
	if p.private {
		return errors.New("the JWK has private members: the public key alone is needed")
	}
	k.id, k.alg = p.kid, p.alg
	k.raw, err = p.raw()
	return err
}

func (k *EncryptionKey) readPEM(text []byte) error {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		var raw any
		var err error
		switch {
		case block.Type == "PUBLIC KEY":
			raw, err = x509.ParsePKIXPublicKey(block.Bytes)
		case block.Type == "RSA PUBLIC KEY":
			raw, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return errors.New("this is a private key: the public key alone is needed")
		default:
			continue
		}
		switch {
		case err != nil:
			return errors.New("the public key cannot be read")
		case k.raw != nil:
			return errors.New("there is more than one public key")
		}
		k.raw = raw
	}
	if k.raw == nil {
		return errors.New("no public key found: PEM, a JWK or a JWK Set is expected")
	}
	return nil
}

// check wants a key that is strong enough and fits its alg, and uses it once: there are points of X25519 that are found only then.
func (k *EncryptionKey) check() error {
	usual := ECDHESA256KW
	switch public := k.raw.(type) {
	case *rsa.PublicKey:
		if err := checkRSA(public); err != nil {
			return err
		}
		usual = RSAOAEP256
	case *ecdsa.PublicKey:
		if _, err := checkEC(public); err != nil {
			return err
		}
	case x25519.PublicKey:
	case *ecdh.PublicKey:
		if public.Curve() != ecdh.X25519() {
			return errors.New("the type of the public key is not supported")
		}
		k.raw = x25519.PublicKey(public.Bytes())
	default:
		return errors.New("the type of the public key is not supported")
	}
	if k.alg == "" {
		k.alg = usual
	}
	if strings.HasPrefix(k.alg, ECDHES) != strings.HasPrefix(usual, ECDHES) {
		return errors.New("the key does not fit its own alg")
	}
	if _, err := k.Encrypt("a", Envelope{}); err != nil {
		return errors.New("nothing can be encrypted with the public key")
	}
	return nil
}
