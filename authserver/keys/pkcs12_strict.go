package keys

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"unicode/utf16"

	"software.sslmate.com/src/go-pkcs12"
)

// A file says how much work it takes to open it, and the library that opens it does as it is told: so a file
// is read here first, as far as it is not encrypted, and taken only where all that it asks for is within bounds. What is
// encrypted could have another private key in it, with demands of its own. Therefore the parts that are not
// encrypted, one of which has to have the key, are put in front: the library refuses a second key before it works on it.
// That takes another MAC, after the file's own was found to be right.

// What PKCS #12 is made of (RFC 7292 §4; RFC 2315 §13 for the encrypted part).
type (
	pfx struct {
		Version  int
		AuthSafe contentInfo
		MAC      macData `asn1:"optional"`
	}
	contentInfo struct {
		Raw         asn1.RawContent
		ContentType asn1.ObjectIdentifier
		Content     asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	encryptedData struct {
		Version int
		Info    encryptedContentInfo
	}
	encryptedContentInfo struct {
		ContentType asn1.ObjectIdentifier
		Algorithm   pkix.AlgorithmIdentifier
		Content     []byte `asn1:"tag:0,optional"`
	}
	safeBag struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue `asn1:"tag:0,explicit"`
		Attributes asn1.RawValue `asn1:"optional"`
	}
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	macData struct {
		MAC    digestInfo
		Salt   []byte
		Rounds int `asn1:"optional,default:1"`
	}
	digestInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
)

// Parameters of algorithms (RFC 7292 App. C, RFC 8018 App. A).
type (
	pbeParams struct {
		Salt   []byte
		Rounds int
	}
	pbes2Params struct{ KDF, Encryption pkix.AlgorithmIdentifier }
	pbmacParams struct{ KDF, MAC pkix.AlgorithmIdentifier }
	pbkdf2Param struct {
		Salt      []byte
		Rounds    int
		KeyLength int                      `asn1:"optional"`
		PRF       pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidKeyBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedBag   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidPBES2         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidPBMAC1        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidSHA1          = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
)

const (
	// maxRounds bounds how often a password is hashed: some makers use a million.
	maxRounds = 2_000_000
	// maxKeyLength is in bytes: no MAC takes more.
	maxKeyLength = 64
	aesBlock     = 16
)

var (
	errFile    = errors.New("not a PKCS #12 file that can be read here")
	errTooSlow = errors.New("the file asks for too much work")
)

// strict reads all of b.
func strict(b []byte, v any) error {
	if rest, err := asn1.Unmarshal(b, v); err != nil || len(rest) > 0 {
		return errFile
	}
	return nil
}

// bounded gives a file that says the same as b and can be opened with bounded work: two where the password is empty, which makers
// understand in two ways.
func bounded(b []byte, password string) (files [][]byte, err error) {
	var p pfx
	var content []byte
	var items []contentInfo
	if err := errors.Join(strict(b, &p), strict(p.AuthSafe.Content.Bytes, &content), strict(content, &items)); err != nil {
		return nil, errFile
	}
	if p.Version != 3 || !p.AuthSafe.ContentType.Equal(oidData) || len(items) < 1 || len(items) > 2 {
		return nil, errFile
	}
	hasKey := false
	for i := range items {
		key, err := items[i].check()
		if err != nil {
			return nil, err
		}
		hasKey = hasKey || key
	}
	if !hasKey {
		return nil, errFile
	}
	switch signed := len(p.MAC.MAC.Algorithm.Algorithm) > 0; {
	case !signed && password != "":
		return nil, errFile // nothing shows whether it is the right one
	case !signed:
	default:
		if err := p.MAC.check(); err != nil {
			return nil, err
		}
		// It compares the MAC, and opens no private key.
		if _, err := pkcs12.DecodeTrustStore(b, password); errors.Is(err, pkcs12.ErrIncorrectPassword) {
			return nil, errFile
		}
	}
	slices.SortStableFunc(items, func(a, b contentInfo) int { return a.rank() - b.rank() })
	var parts []byte
	for _, it := range items {
		parts = append(parts, it.Raw...)
	}
	if content, err = asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: parts}); err != nil {
		return nil, err
	}
	for _, text := range passwords(password) {
		one, err := assemble(content, text)
		if err != nil {
			return nil, err
		}
		files = append(files, one)
	}
	return files, nil
}

// rank is lower for what is not encrypted.
func (c *contentInfo) rank() int {
	if c.ContentType.Equal(oidData) {
		return 0
	}
	return 1
}

// check judges one part. key is true where a private key is in it that can be seen.
func (c *contentInfo) check() (key bool, err error) {
	if c.ContentType.Equal(oidEncryptedData) {
		var e encryptedData
		if err := strict(c.Content.Bytes, &e); err != nil {
			return false, err
		}
		return false, bearable(&e.Info.Algorithm)
	}
	var data []byte
	var bags []safeBag
	if !c.ContentType.Equal(oidData) || strict(c.Content.Bytes, &data) != nil || strict(data, &bags) != nil {
		return false, errFile
	}
	for i := range bags {
		switch bag := &bags[i]; {
		case bag.ID.Equal(oidKeyBag):
			key = true
		case bag.ID.Equal(oidShroudedBag):
			var e encryptedKey
			if err := strict(bag.Value.Bytes, &e); err != nil {
				return false, err
			}
			if err := bearable(&e.Algorithm); err != nil {
				return false, err
			}
			key = true
		}
	}
	return key, nil
}

// bearable judges an algorithm that encrypts by a password.
func bearable(a *pkix.AlgorithmIdentifier) error {
	if !a.Algorithm.Equal(oidPBES2) {
		var p pbeParams
		if err := strict(a.Parameters.FullBytes, &p); err != nil {
			return err
		}
		return rounds(p.Rounds)
	}
	var p pbes2Params
	var iv []byte
	switch {
	case strict(a.Parameters.FullBytes, &p) != nil, strict(p.Encryption.Parameters.FullBytes, &iv) != nil, len(iv) != aesBlock:
		return errFile
	}
	return bearableKDF(&p.KDF)
}

func bearableKDF(a *pkix.AlgorithmIdentifier) error {
	var p pbkdf2Param
	if !a.Algorithm.Equal(oidPBKDF2) || strict(a.Parameters.FullBytes, &p) != nil {
		return errFile
	}
	if p.KeyLength < 0 || p.KeyLength > maxKeyLength {
		return errTooSlow
	}
	return rounds(p.Rounds)
}

func rounds(n int) error {
	if n < 1 || n > maxRounds {
		return errTooSlow
	}
	return nil
}

// check judges what the MAC takes.
func (m *macData) check() error {
	if !m.MAC.Algorithm.Algorithm.Equal(oidPBMAC1) {
		return rounds(m.Rounds)
	}
	var p pbmacParams
	if err := strict(m.MAC.Algorithm.Parameters.FullBytes, &p); err != nil {
		return err
	}
	return bearableKDF(&p.KDF)
}

// passwords are the bytes that a password stands for (RFC 7292 App. B.1); the empty one is nothing at all, too.
func passwords(text string) [][]byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u>>8), byte(u))
	}
	all := [][]byte{append(b, 0, 0)}
	if text == "" {
		all = append(all, nil)
	}
	return all
}

// assemble makes a file of parts, with a MAC of one round (RFC 7292 App. B.2): what it would protect has been
// checked, and it goes nowhere.
func assemble(content, password []byte) ([]byte, error) {
	salt := make([]byte, 8)
	whole := func(b []byte) []byte { // as many blocks as it takes
		n := (len(b) + sha1.BlockSize - 1) / sha1.BlockSize * sha1.BlockSize
		if n == 0 {
			return nil
		}
		return bytes.Repeat(b, n/len(b)+1)[:n]
	}
	key := sha1.Sum(slices.Concat(bytes.Repeat([]byte{3}, sha1.BlockSize), whole(salt), whole(password)))
	mac := hmac.New(sha1.New, key[:])
	mac.Write(content)
	data, err := asn1.Marshal(content)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(pfx{
		Version: 3,
		AuthSafe: contentInfo{
			ContentType: oidData, Content: asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: data},
		},
		MAC: macData{
			MAC: digestInfo{Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidSHA1, Parameters: asn1.NullRawValue}, Digest: mac.Sum(nil)}, Salt: salt, Rounds: 1,
		},
	})
}
