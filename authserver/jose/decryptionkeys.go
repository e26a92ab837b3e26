package jose

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/lestrrat-go/jwx/v2/x25519"
)

// DecryptionKeys are private keys that open what was encrypted to a server (RFC 7516). Safe for concurrent use.
type DecryptionKeys struct {
	keys []decryptionKey
}

// decryptionKey is one of them.
type decryptionKey struct {
	id       string // "" fits every kid
	kty, crv string
	alg      string // the one alg that it is for; "": any that its type allows
	size     int    // of an encrypted key, in bytes, for RSA; 0: see encryptedHeader.fits
	raw      any    // *rsa.PrivateKey, *ecdsa.PrivateKey or x25519.PrivateKey
}

// maxDecryptionKeys bounds the keys, of which several may have to be tried.
const maxDecryptionKeys = 4

var decryption = &purpose{use: "enc", ops: []string{"decrypt", "unwrapKey", "deriveKey", "deriveBits"}, okp: curveX25519, algs: knownKeyManagement}

func knownKeyManagement(alg string) bool {
	switch alg {
	case RSAOAEP, RSAOAEP256, ECDHES, ECDHESA128KW, ECDHESA256KW:
		return true
	}
	return false
}

// ParseDecryptionKeys reads private keys: PEM (PKCS #8, PKCS #1, SEC 1), a JWK or a JWK Set. RSA of 2048 bits or more, P-256, P-384, P-521,
// X25519; four keys at most. Every key must be usable. Errors never repeat the input.
func ParseDecryptionKeys(text []byte) (*DecryptionKeys, error) {
	if len(text) > 1<<20 {
		return nil, errors.New("the private keys are too long")
	}
	k := new(DecryptionKeys)
	var err error
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		err = k.addJSON(string(trimmed))
	} else {
		err = k.addPEM(text)
	}
	switch {
	case err != nil:
		return nil, err
	case len(k.keys) == 0:
		return nil, errors.New("no private key found: PEM, a JWK or a JWK Set is expected")
	case len(k.keys) > maxDecryptionKeys:
		return nil, errors.New("there are more than four private keys")
	}
	return k, nil
}

// addJSON adds those of a JWK Set, or a single one.
func (k *DecryptionKeys) addJSON(text string) error {
	list, err := keysOf(text)
	switch {
	case err != nil:
		return err
	case list == "":
		return k.addJWK(text)
	}
	return rescan(list).elements(k.addJWK)
}

// keysOf is the array of a JWK Set, or "" of a single JWK.
func keysOf(text string) (string, error) {
	list := ""
	err := scanObject(text, keySetJSON, func(name, text string) error {
		if name == "keys" {
			list = text
		}
		return nil
	})
	if err == nil && list != "" && list[0] != '[' {
		err = errors.New("not a JWK Set: keys is not an array")
	}
	return list, err
}

func (k *DecryptionKeys) addJWK(text string) error {
	p, err := readJWKFor(decryption, text)
	if err != nil {
		return err
	}
	if !p.private {
		return errors.New("the JWK has no private key")
	}
	raw, err := p.raw()
	if err != nil {
		return err
	}
	return k.add(p.kid, p.alg, raw)
}

func (k *DecryptionKeys) addPEM(text []byte) error {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil
		}
		var raw any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			raw, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			raw, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			raw, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return errors.New("the private key is encrypted, which is not supported")
		default:
			continue
		}
		if err != nil {
			return errors.New("the private key cannot be read")
		}
		if err := k.add("", "", raw); err != nil {
			return err
		}
	}
}

// add checks a key by the same rules as one that signs.
func (k *DecryptionKeys) add(id, alg string, raw any) error {
	key := decryptionKey{id: id, alg: alg, raw: raw}
	switch private := raw.(type) {
	case *rsa.PrivateKey:
		if _, err := newSigningKey(private, RS256, ""); err != nil {
			return err
		}
		key.kty, key.size = ktyRSA, private.Size()
	case *ecdsa.PrivateKey:
		s, err := newSigningKey(private, "", "")
		if err != nil {
			return err
		}
		key.kty, key.crv = ktyEC, s.public.crv
	case x25519.PrivateKey:
		key.kty, key.crv = ktyOKP, curveX25519
	case *ecdh.PrivateKey:
		if private.Curve() != ecdh.X25519() {
			return errors.New("the type of the private key is not supported")
		}
		seed, err := x25519.NewKeyFromSeed(private.Bytes())
		if err != nil {
			return errors.New("the X25519 key is inconsistent")
		}
		key.kty, key.crv, key.raw = ktyOKP, curveX25519, seed
	default:
		return errors.New("the type of the private key is not supported")
	}
	if alg != "" && strings.HasPrefix(alg, ECDHES) == (key.kty == ktyRSA) {
		return errors.New("the key does not fit its own alg")
	}
	k.keys = append(k.keys, key)
	return nil
}

// candidates are the keys that h may mean.
func (k *DecryptionKeys) candidates(h encryptedHeader) []decryptionKey {
	var list []decryptionKey
	for _, key := range k.keys {
		if (key.alg == "" || key.alg == h.alg) && (key.id == "" || h.kid == "" || key.id == h.kid) &&
			strings.HasPrefix(h.alg, ECDHES) == (key.kty != ktyRSA) && key.crv == h.epk {
			list = append(list, key)
		}
	}
	return list
}

// String says how many there are, never what they are.
func (k *DecryptionKeys) String() string { return "decryption keys" }

// GoString is String, so that %#v shows no more.
func (k *DecryptionKeys) GoString() string { return k.String() }
