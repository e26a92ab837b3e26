package jose

import (
	"errors"
)

// jwkParams is what this package itself reads of a JWK (RFC 7517 §4) before the
// library is given it: enough to know that the key may be used at all, and
// that nothing in it is large or odd enough to be worth refusing late.
type jwkParams struct {
	kty, crv, kid, alg string
	private            bool // has any private or symmetric member
}

// coordinates is the exact length of a curve's coordinate in bytes (RFC 7518
// §6.2.1.2, RFC 8037 §2).
var coordinates = map[string]int{curveP256: 32, curveP384: 48, curveP521: 66, curveEd25519: 32}

// readJWK reads one JWK, text having passed the scanner.
func readJWK(text string) (p jwkParams, err error) {
	if text[0] != '{' {
		return p, errors.New("the JWK is not an object")
	}
	numbers := make(map[string][]byte) // n, e, x, y decoded
	sc := rescan(text)
	err = sc.object(func(name, text string) error {
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
				if !Known(s) {
					return errors.New("the JWK is for another alg")
				}
				p.alg = s
			case "use":
				if s != "sig" {
					return errors.New("the JWK is for another use")
				}
			}
		case "key_ops":
			if !mayVerify(text) {
				return errors.New("the JWK is for other operations")
			}
		case "n", "e", "x", "y":
			s, ok := textString(text)
			if !ok || len(s) > maxRSABits/6+8 {
				return errors.New("a JWK number is not a string of sensible length")
			}
			b, ok := decodeString(s)
			if !ok {
				return errors.New("a JWK number is not canonical base64url")
			}
			numbers[name] = b
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k":
			p.private = true
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	return p, p.checkNumbers(numbers)
}

// checkNumbers looks at lengths only; newPublicKey looks at the values.
func (p jwkParams) checkNumbers(numbers map[string][]byte) error {
	switch p.kty {
	case ktyRSA:
		if p.crv != "" || len(numbers["n"]) == 0 {
			return errors.New("the RSA key is incomplete")
		}
		// The library would cut a longer exponent down to another one.
		if e := numbers["e"]; len(e) == 0 || len(e) > 4 {
			return errors.New("the RSA exponent is out of range")
		}
		return nil
	case ktyEC:
		size := coordinates[p.crv]
		if size == 0 || p.crv == curveEd25519 || len(numbers["x"]) != size || len(numbers["y"]) != size {
			return errors.New("the curve is not supported or a coordinate is not of its length")
		}
		return nil
	case ktyOKP:
		if p.crv != curveEd25519 || len(numbers["x"]) != coordinates[curveEd25519] {
			return errors.New("the curve is not supported or the key is not of its length")
		}
		return nil
	}
	return errors.New("the key type is not supported")
}

// mayVerify reads key_ops: an array of strings with verify among them, or sign,
// for the private half (RFC 7517 §4.3).
func mayVerify(text string) bool {
	if text[0] != '[' {
		return false
	}
	found, good := false, true
	_ = rescan(text).elements(func(text string) error { // cannot fail: it was scanned before
		s, ok := textString(text)
		good = good && ok
		found = found || s == "verify" || s == "sign"
		return nil
	})
	return good && found
}
