package keys_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
)

// der is a value of ASN.1 with a tag of one byte.
func der(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	length, err := asn1.Marshal(content) // an OCTET STRING has the same length octets
	if err != nil {
		panic(err)
	}
	return append([]byte{tag}, append(length[1:len(length)-len(content):len(length)-len(content)], content...)...)
}

func sequence(parts ...[]byte) []byte { return der(0x30, parts...) }
func octets(b []byte) []byte          { return der(0x04, b) }

func marshalled(v any) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func oid(arcs ...int) []byte { return marshalled(asn1.ObjectIdentifier(arcs)) }

var (
	pkcs7Data      = oid(1, 2, 840, 113549, 1, 7, 1)
	pkcs7Encrypted = oid(1, 2, 840, 113549, 1, 7, 6)
	shroudedKeyBag = oid(1, 2, 840, 113549, 1, 12, 10, 1, 2)
)

// pbkdf2Of are PBKDF2's parameters with a keyLength where more has one; pbes2 is an algorithm that encrypts by them.
func pbkdf2Of(salt []byte, rounds int64, more ...int64) []byte {
	parts := [][]byte{salt, marshalled(rounds)}
	for _, n := range more {
		parts = append(parts, marshalled(n))
	}
	return sequence(oid(1, 2, 840, 113549, 1, 5, 12), sequence(parts...))
}

func pbes2(kdf, iv []byte) []byte {
	return sequence(oid(1, 2, 840, 113549, 1, 5, 13), sequence(kdf, sequence(oid(2, 16, 840, 1, 101, 3, 4, 1, 2), iv)))
}

// encryptedItem is a part of a file that is encrypted.
func encryptedItem(algorithm, text []byte) []byte {
	return sequence(pkcs7Encrypted, der(0xa0, sequence(marshalled(0), sequence(pkcs7Data, algorithm, der(0x80, text)))))
}

// plainItem is one that is not.
func plainItem(bags ...[]byte) []byte {
	return sequence(pkcs7Data, der(0xa0, octets(sequence(bags...))))
}

func shrouded(algorithm []byte) []byte {
	return sequence(shroudedKeyBag, der(0xa0, sequence(algorithm, octets(make([]byte, 32)))))
}

// file is one without a MAC, as those with the empty password may be, or with the one that is given.
func file(mac []byte, items ...[]byte) []byte {
	return sequence(marshalled(3), sequence(pkcs7Data, der(0xa0, octets(sequence(items...)))), mac)
}

// TestHostileFiles: who may import keys must not stop the server by a file, neither by panics of who reads it nor
// by work that never ends.
func TestHostileFiles(t *testing.T) {
	salt, iv := octets([]byte("saltsalt")), octets(make([]byte, 16))
	const forever = int64(1) << 40
	good := pbes2(pbkdf2Of(salt, 1), iv)
	key, err := pbkdf2.Key(sha1.New, "", []byte("saltsalt"), 1, 16)
	if err != nil {
		t.Fatal(err)
	}
	encrypt := func(text []byte) []byte {
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		n := 16 - len(text)%16
		text = append(bytes.Clone(text), bytes.Repeat([]byte{byte(n)}, n)...)
		cipher.NewCBCEncrypter(block, make([]byte, 16)).CryptBlocks(text, text)
		return text
	}
	sha1MAC := func(rounds int64) []byte {
		return sequence(sequence(sequence(oid(1, 3, 14, 3, 2, 26)), octets(make([]byte, 20))), salt, marshalled(rounds))
	}
	pbmac := func(kdf []byte) []byte {
		return sequence(sequence(sequence(oid(1, 2, 840, 113549, 1, 5, 14), sequence(kdf, sequence(oid(1, 2, 840, 113549, 2, 7)))), octets(make([]byte, 20))), salt)
	}
	hidden := encryptedItem(good, encrypt(sequence(shrouded(pbes2(pbkdf2Of(salt, forever), iv)))))
	for name, b := range map[string][]byte{
		"an IV that is too short":                 file(nil, encryptedItem(pbes2(pbkdf2Of(salt, 1), octets(make([]byte, 15))), make([]byte, 32))),
		"no IV":                                   file(nil, encryptedItem(pbes2(pbkdf2Of(salt, 1), nil), make([]byte, 32))),
		"the IV of a key is too short":            file(nil, plainItem(shrouded(pbes2(pbkdf2Of(salt, 1), octets(nil))))),
		"rounds without end":                      file(nil, plainItem(shrouded(pbes2(pbkdf2Of(salt, forever), iv)))),
		"rounds behind a constructed salt":        file(nil, plainItem(shrouded(pbes2(pbkdf2Of(der(0x24, salt), forever), iv)))),
		"rounds behind a salt of another class":   file(nil, encryptedItem(pbes2(pbkdf2Of(der(0x84, []byte("salt")), forever), iv), make([]byte, 32))),
		"rounds in what is encrypted":             file(nil, hidden),
		"rounds in what is encrypted, then a key": file(nil, hidden, plainItem(shrouded(good))),
		"rounds of a MAC":                         file(sha1MAC(forever), plainItem(shrouded(good))),
		"rounds of a MAC by PBMAC1":               file(pbmac(pbkdf2Of(salt, forever, 20)), plainItem(shrouded(good))),
		"a MAC by PBMAC1 with an endless key":     file(pbmac(pbkdf2Of(salt, 1, forever)), plainItem(shrouded(good))),
		"a MAC by PBMAC1 with no key":             file(pbmac(pbkdf2Of(salt, 1, -1)), plainItem(shrouded(good))),
		"an algorithm without parameters":         file(nil, plainItem(shrouded(sequence(oid(1, 2, 840, 113549, 1, 5, 13))))),
		"three parts":                             file(nil, plainItem(), plainItem(), plainItem()),
		"nothing in it":                           file(nil),
		"not even a file":                         []byte("PKCS"),
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan error, 1)
			go func() {
				_, _, err := keys.ReadImported(keys.Imported{File: b, Usage: keys.UsageSigning}, time.Now())
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil {
					t.Error("it was taken")
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it takes forever")
			}
		})
	}
}

// TestFilesOfOthers: what other makers write is read, with its password and with no other one.
func TestFilesOfOthers(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Mine"}, NotBefore: now, NotAfter: now.Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, maker := range map[string]*pkcs12.Encoder{
		"of today": pkcs12.Modern, "triple DES": pkcs12.LegacyDES, "RC2": pkcs12.LegacyRC2, "without a password": pkcs12.Passwordless,
	} {
		for _, password := range []string{"pass", "pässwörd", ""} {
			if maker == pkcs12.Passwordless && password != "" {
				continue
			}
			b, err := maker.Encode(private, cert, []*x509.Certificate{cert}, password)
			if err != nil {
				t.Fatal(err)
			}
			got, chain, err := keys.ReadImported(keys.Imported{File: b, Password: password, Usage: keys.UsageSigning}, now)
			if err != nil || !private.Equal(got) || len(chain) != 2 {
				t.Errorf("%s, %q: %v, %d certificates, want the key and 2", name, password, err, len(chain))
			}
			if _, _, err := keys.ReadImported(keys.Imported{File: b, Password: password + "x", Usage: keys.UsageSigning}, now); err == nil {
				t.Errorf("%s: opened by another password than %q", name, password)
			}
			b[len(b)/2]++
			if _, _, err := keys.ReadImported(keys.Imported{File: b, Password: password, Usage: keys.UsageSigning}, now); err == nil && maker != pkcs12.Passwordless {
				t.Errorf("%s, %q: a damaged file was taken", name, password)
			}
		}
	}
}
