package jose

import (
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
)

// Envelope is what the header of an encrypted token says beside what it takes to open it.
type Envelope struct {
	Type string // typ of the whole, which the signed token inside has as well (RFC 8725 §3.11); "" for none
	// Reference is for whoever made the token, to find it again without opening it; "" for none. See Reference.
	Reference string
}

// headerReference is a private header parameter (RFC 7516 §4.3).
const headerReference = "token_handle"

// Encrypt makes a compact JWE of a signed token, a Nested JWT (RFC 7519 §5.2, Appendix A.2), which DecryptionKeys with the private key open.
// Nothing is compressed.
func (k *EncryptionKey) Encrypt(signed string, e Envelope) (string, error) {
	header := jwe.NewHeaders()
	for name, value := range map[string]string{
		jwe.ContentTypeKey: "JWT", jwe.TypeKey: e.Type, jwe.KeyIDKey: k.id, headerReference: e.Reference,
	} {
		if value == "" {
			continue
		}
		if err := header.Set(name, value); err != nil {
			return "", fmt.Errorf("encrypt token: header %s: %w", name, err)
		}
	}
	raw, err := jwe.Encrypt([]byte(signed),
		jwe.WithKey(jwa.KeyEncryptionAlgorithm(k.alg), k.raw),
		jwe.WithContentEncryption(jwa.ContentEncryptionAlgorithm(k.enc)),
		jwe.WithProtectedHeaders(header))
	if err != nil {
		return "", fmt.Errorf("encrypt token: %w", err)
	}
	return string(raw), nil
}

// Reference is the Envelope.Reference of a compact JWE; ok is false for anything else. Nothing of it is proven: everybody writes into the
// header of a JWE what they like.
func Reference(token string, lim Limits) (reference string, ok bool) {
	lim = lim.withDefaults()
	if len(token) > lim.Size {
		return "", false
	}
	parts, ok := fiveParts(token)
	if !ok {
		return "", false
	}
	head, ok := decodeString(parts[0])
	if !ok {
		return "", false
	}
	err := scanObject(string(head), lim, func(name, text string) error {
		if name == headerReference {
			reference, _ = textString(text)
		}
		return nil
	})
	if err != nil || len(reference) > maxName {
		return "", false
	}
	return reference, reference != ""
}
