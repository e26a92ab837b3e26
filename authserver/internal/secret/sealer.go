package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
)

// Sealer encrypts at rest with AES-256-GCM under a key derived from a master
// key. It is safe for concurrent use. Nonces are random, so one master key
// should seal no more than 2^32 texts (NIST SP 800-38D §8.3).
type Sealer struct {
	aead cipher.AEAD
	// root is what keys of other uses are derived from; it opens nothing.
	root []byte
}

// KeySize is the length of a master key in bytes.
const KeySize = 32

// MaxSealed is the longest text that is sealed, in bytes: what is kept at rest
// here is keys and secrets, not files.
const MaxSealed = 16 << 20

// sealVersion is the first byte of everything sealed; another one would mean
// another derivation or cipher.
const sealVersion = 1

// ErrUnsealed is any failure of Open: another key, other associated data, or a
// damaged text. Which it was cannot be told.
var ErrUnsealed = errors.New("the sealed text cannot be opened with this key")

// NewSealer derives the encryption key from a master key of KeySize random
// bytes. The master key may have other uses beside this one: HKDF keeps them
// apart (RFC 5869 §3.2).
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the key has %d bytes, %d are required", len(key), KeySize)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "gatehouse seal v1 AES-256-GCM", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the sealing key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("sealing cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("sealing cipher: %w", err)
	}
	root, err := hkdf.Key(sha256.New, key, nil, "gatehouse subkeys v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the root of subkeys: %w", err)
	}
	return &Sealer{aead: aead, root: root}, nil
}

// Subkey is a key of 32 bytes for one use, which names it: the same on every node that
// has the master key, and telling nothing about that or about keys of other uses (RFC 5869 §3.2).
func (s *Sealer) Subkey(use string) []byte {
	key, err := hkdf.Key(sha256.New, s.root, nil, "gatehouse subkey "+use, 32)
	if err != nil {
		panic(err) // of a length that is too long alone
	}
	return key
}

// Seal encrypts plain and binds it to aad, which is not stored: give the record's
// identity, so that a sealed text moved to another record does not open. The
// only error is a text longer than MaxSealed.
func (s *Sealer) Seal(plain, aad []byte) ([]byte, error) {
	if len(plain) > MaxSealed {
		return nil, fmt.Errorf("%d bytes are too many to seal, at most %d", len(plain), MaxSealed)
	}
	out := make([]byte, 1, 1+len(plain)+s.aead.Overhead())
	out[0] = sealVersion
	return s.aead.Seal(out, nil, plain, aad), nil
}

// Open gives back what Seal was given with the same aad, or ErrUnsealed.
func (s *Sealer) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < 1+s.aead.Overhead() || sealed[0] != sealVersion {
		return nil, ErrUnsealed
	}
	plain, err := s.aead.Open(nil, nil, sealed[1:], aad)
	if err != nil {
		return nil, ErrUnsealed
	}
	return plain, nil
}

// String hides the key schedule from %v and its kin.
func (*Sealer) String() string { return redacted }

// GoString is String.
func (*Sealer) GoString() string { return redacted }

// LogValue is "[redacted]".
func (*Sealer) LogValue() slog.Value { return slog.StringValue(redacted) }
