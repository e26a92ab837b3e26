package jose

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// jwkParams is what this package itself reads of a JWK (RFC 7517 §4) before the
// library is given it: enough to know that the key may be used at all, and
// that nothing in it is large or odd enough to be worth refusing late.
type jwkParams struct {
	kty, crv, kid, alg string
	private            bool              // has any private or symmetric member
	numbers            map[string]string // those that make up the key, as sent
	certificate        string            // see Key
}

// coordinates is the exact length of a curve's coordinate in bytes (RFC 7518
// §6.2.1.2, RFC 8037 §2).
var coordinates = map[string]int{curveP256: 32, curveP384: 48, curveP521: 66, curveEd25519: 32, curveX25519: 32}

// purpose is what a JWK is read for.
type purpose struct {
	use  string                // the use that it may have
	ops  []string              // the key_ops of which it must have one, if any
	okp  string                // the curve of OKP keys
	algs func(alg string) bool // those that may be its own
}

var signatures = &purpose{use: "sig", ops: []string{"verify", "sign"}, okp: curveEd25519, algs: Known}

// readJWK reads one JWK for signatures, text having passed the scanner.
func readJWK(text string) (p jwkParams, err error) { return readJWKFor(signatures, text) }

func readJWKFor(what *purpose, text string) (p jwkParams, err error) {
	if text[0] != '{' {
		return p, errors.New("the JWK is not an object")
	}
	p.numbers = make(map[string]string)
	err = rescan(text).object(func(name string, at member) error {
		text := text[at.value:at.valueEnd]
		switch name {
		case "kty", "crv", "kid", "alg", "use":
			s, ok := textString(text)
			if !ok || len(s) > maxName {
				return errors.New("a JWK member is not a short string")
			}
			switch name {
			case "kty":
				p.kty = s
			case "crv":
				p.crv = s
			case "kid":
				p.kid = s
			case "alg":
				if !what.algs(s) {
					return errors.New("the JWK is for another alg")
				}
				p.alg = s
			case "use":
				if s != what.use {
					return errors.New("the JWK is for another use")
				}
			}
		case "key_ops":
			if !hasOneOf(text, what.ops) {
				return errors.New("the JWK is for other operations")
			}
		case "x5c":
			p.certificate = firstCertificate(text)
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k":
			p.private = true
			if name == "oth" || name == "k" {
				return errors.New("the JWK has more than two primes or is symmetric")
			}
			fallthrough
		case "n", "e", "x", "y":
			s, ok := textString(text)
			if !ok || len(s) > maxRSABits/6+8 {
				return errors.New("a JWK number is not a string of sensible length")
			}
			if _, ok := decodeString(s); !ok {
				return errors.New("a JWK number is not canonical base64url")
			}
			p.numbers[name] = s
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	return p, p.checkLengths(what)
}

// checkLengths looks at lengths only; newPublicKey looks at the values.
func (p jwkParams) checkLengths(what *purpose) error {
	size := func(name string) int { return b64.DecodedLen(len(p.numbers[name])) }
	switch p.kty {
	case ktyRSA:
		if p.crv != "" || size("n") == 0 {
			return errors.New("the RSA key is incomplete")
		}
		// The library would cut a longer exponent down to another one.
		if e := size("e"); e == 0 || e > 4 {
			return errors.New("the RSA exponent is out of range")
		}
		return nil
	case ktyEC:
		want := coordinates[p.crv]
		if want == 0 || p.crv == curveEd25519 || p.crv == curveX25519 || size("x") != want || size("y") != want {
			return errors.New("the curve is not supported or a coordinate is not of its length")
		}
		return nil
	case ktyOKP:
		if p.crv != what.okp || size("x") != coordinates[p.crv] {
			return errors.New("the curve is not supported or the key is not of its length")
		}
		return nil
	}
	return errors.New("the key type is not supported")
}

// raw makes the Go key: an *rsa.PublicKey and its like, or the private ones. The
// library is given what makes up the key and nothing else: a certificate that it
// cannot read, say, must not cost the key that is beside it.
func (p jwkParams) raw() (any, error) {
	m := map[string]string{"kty": p.kty}
	if p.crv != "" {
		m["crv"] = p.crv
	}
	for name, number := range p.numbers {
		m[name] = number
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, errors.New("the JWK cannot be read")
	}
	defer clear(text)
	parsed, err := jwk.ParseKey(text)
	if err != nil {
		return nil, errors.New("the JWK cannot be read") // the cause may quote the key
	}
	var raw any
	if err := parsed.Raw(&raw); err != nil {
		return nil, errors.New("the JWK cannot be read")
	}
	return raw, nil
}

// hasOneOf reads key_ops: an array of strings with one of ops among them (RFC 7517
// §4.3).
func hasOneOf(text string, ops []string) bool {
	if text[0] != '[' {
		return false
	}
	found, good := false, true
	_ = rescan(text).elements(func(text string) error { // cannot fail: it was scanned before
		s, ok := textString(text)
		good = good && ok
		found = found || slices.Contains(ops, s)
		return nil
	})
	return good && found
}
