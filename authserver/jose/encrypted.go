package jose

import (
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
)

// Key management and content encryption of JWE (RFC 7518 §4.1, §5.1). There are no passwords (PBES2), no shared keys, no RSA1_5.
const (
	RSAOAEP, RSAOAEP256                = "RSA-OAEP", "RSA-OAEP-256"
	ECDHES, ECDHESA128KW, ECDHESA256KW = "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"
	A128GCM, A256GCM                   = "A128GCM", "A256GCM"
	A128CBCHS256, A256CBCHS512         = "A128CBC-HS256", "A256CBC-HS512"
)

// content is what one enc value demands, in bytes.
type content struct{ key, iv, tag, block int }

var contents = map[string]content{
	A128GCM:      {16, 12, 16, 1},
	A256GCM:      {32, 12, 16, 1},
	A128CBCHS256: {32, 16, 16, 16},
	A256CBCHS512: {64, 16, 32, 16},
}

// errDecrypt is all that is ever said of a JWE that cannot be opened: what was wrong with it would be of use to who makes up another.
func errDecrypt() error { return refuse(ProblemEncrypted, "the token cannot be decrypted") }

// Decrypt opens a compact JWE and gives what is in it, which proves nothing by itself: it must be a signed token, and callers Parse it. Key
// management is RSA-OAEP-256, RSA-OAEP, ECDH-ES and ECDH-ES+A128KW/A256KW, content A128GCM, A256GCM, A128CBC-HS256, A256CBC-HS512; no
// compression, no passwords, no RSA1_5. All failures are one *Error.
//
// Everything that is public is judged before a private key is used: lengths, header, the point of epk. From there on a failure
// is an error of authenticated encryption, or of OAEP, which crypto/rsa finds in constant time.
func (k *DecryptionKeys) Decrypt(token string, lim Limits) (string, error) {
	plain, err := k.open(token, lim)
	if err != nil || !LooksLikeJWT(plain) {
		return "", errDecrypt()
	}
	return plain, nil
}

// open is Decrypt for any content.
func (k *DecryptionKeys) open(token string, lim Limits) (string, error) {
	lim = lim.withDefaults()
	if k == nil || len(token) > lim.Size {
		return "", errDecrypt()
	}
	parts, ok := fiveParts(token)
	if !ok {
		return "", errDecrypt()
	}
	head, ok := decodeString(parts[0])
	if !ok {
		return "", errDecrypt()
	}
	h, err := parseEncryptedHeader(string(head), lim)
	if err != nil || !h.fits(parts) {
		return "", errDecrypt()
	}
	for _, key := range k.candidates(h) {
		if key.size != 0 && b64.DecodedLen(len(parts[1])) != key.size {
			continue
		}
		plain, err := jwe.Decrypt([]byte(token), jwe.WithKey(jwa.KeyEncryptionAlgorithm(h.alg), key.raw))
		if err == nil {
			return string(plain), nil
		}
	}
	return "", errDecrypt()
}

// LooksLikeJWE reports cheaply whether token has the five parts of a compact JWE.
func LooksLikeJWE(token string) bool {
	_, ok := fiveParts(token)
	return ok && LooksLikeJWT(token)
}

// fiveParts cuts out five parts, looking no further than a sixth.
func fiveParts(token string) (parts [5]string, ok bool) {
	for i := range 4 {
		if parts[i], token, ok = strings.Cut(token, "."); !ok {
			return parts, false
		}
	}
	parts[4] = token
	return parts, !strings.Contains(token, ".")
}

// encryptedHeader is the part of a JWE's header that is read.
type encryptedHeader struct {
	alg, enc, kid string
	epk           string // its curve; "" where alg has none
	content       content
}

// parseEncryptedHeader reads a JOSE header's JSON (RFC 7516 §4), strictly.
func parseEncryptedHeader(s string, lim Limits) (h encryptedHeader, err error) {
	bad := malformed("the header of the encrypted token is not acceptable")
	epk := ""
	err = scanObject(s, lim, func(name, text string) error {
		ok := true
		switch name {
		case "alg":
			h.alg, ok = textString(text)
		case "enc":
			h.enc, ok = textString(text)
		case "kid":
			h.kid, ok = textString(text)
		case "epk":
			epk = text
		case "apu", "apv":
			var party string
			party, ok = textString(text)
			if ok {
				_, ok = decodeString(party)
			}
		case "zip", "crit", "b64", "p2s", "p2c", "iv", "tag":
			// Compression tells what is inside by its length, and expands; the rest belongs to what is not done here.
			ok = false
		}
		if !ok {
			return bad
		}
		return nil
	})
	if err != nil {
		return h, err
	}
	h.content = contents[h.enc]
	if h.content.key == 0 || !knownKeyManagement(h.alg) || len(h.kid) > maxName {
		return h, bad
	}
	if !strings.HasPrefix(h.alg, ECDHES) {
		return h, nil
	}
	if epk == "" {
		return h, bad
	}
	h.epk, err = parseEphemeral(epk)
	return h, err
}

// parseEphemeral checks the sender's key of the moment: public, and a point of its curve.
func parseEphemeral(text string) (crv string, err error) {
	p, err := readJWKFor(decryption, text)
	if err != nil {
		return "", err
	}
	if p.private || p.kty == ktyRSA {
		return "", malformed("epk is not a public key of an elliptic curve")
	}
	if p.kty == ktyOKP {
		return p.crv, nil // of 32 bytes; those of small order are found when it is used
	}
	raw, err := p.raw()
	if err != nil {
		return "", err
	}
	if _, err := newPublicKey("", "", raw); err != nil {
		return "", err
	}
	return p.crv, nil
}

// fits checks the parts behind the header by their lengths.
func (h *encryptedHeader) fits(parts [5]string) bool {
	var sizes [5]int
	for i := 1; i < len(parts); i++ {
		b, ok := decodeString(parts[i])
		if !ok {
			return false
		}
		sizes[i] = len(b)
	}
	switch h.alg {
	case ECDHES:
		if sizes[1] != 0 {
			return false
		}
	case ECDHESA128KW, ECDHESA256KW:
		if sizes[1] != h.content.key+8 {
			return false
		}
	default: // RSA: compared with the modulus
		if sizes[1] == 0 {
			return false
		}
	}
	return sizes[2] == h.content.iv && sizes[3] > 0 && sizes[3]%h.content.block == 0 && sizes[4] == h.content.tag
}
