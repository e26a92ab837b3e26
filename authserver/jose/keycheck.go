package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"
)

// RSA moduli in bits: at least what RFC 7518 §3.3 asks, at most what costs a
// verifier no more than a millisecond or two.
const (
	minRSABits = 2048
	maxRSABits = 16384
)

// checkRSA refuses keys that are weak or would make verifying expensive.
func checkRSA(pub *rsa.PublicKey) error {
	switch bits := pub.N.BitLen(); {
	case bits < minRSABits:
		return errors.New("the RSA modulus is shorter than 2048 bits (RFC 7518 §3.3)")
	case bits > maxRSABits:
		return errors.New("the RSA modulus is longer than 16384 bits")
	case pub.N.Bit(0) == 0:
		return errors.New("the RSA modulus is even")
	case pub.E < 3 || pub.E > 1<<31-1 || pub.E%2 == 0:
		return errors.New("the RSA exponent is not an odd number from 3 to 2^31-1")
	}
	return nil
}

// checkEC names the curve of a key that lies on one of the three.
func checkEC(pub *ecdsa.PublicKey) (crv string, err error) {
	switch pub.Curve {
	case elliptic.P256():
		crv = curveP256
	case elliptic.P384():
		crv = curveP384
	case elliptic.P521():
		crv = curveP521
	default:
		return "", errors.New("the curve is not supported")
	}
	if _, err := pub.ECDH(); err != nil { // the check of an uncompressed point
		return "", errors.New("the point is not on its curve")
	}
	return crv, nil
}

var (
	ed25519P, _ = new(big.Int).SetString("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed", 16)
	ed25519D, _ = new(big.Int).SetString("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3", 16)
)

// checkEd25519 refuses what is no point of the curve (RFC 8032 §5.1.3) and the
// points of small order, for which a signature over anything can be made up.
func checkEd25519(pub ed25519.PublicKey) error {
	if len(pub) != ed25519.PublicKeySize {
		return errors.New("the Ed25519 key is not 32 bytes")
	}
	le := slices.Clone(pub)
	le[31] &= 0x7f // the sign of x
	slices.Reverse(le)
	p, one := ed25519P, big.NewInt(1)
	y := new(big.Int).SetBytes(le)
	if y.Cmp(p) >= 0 {
		return errors.New("the Ed25519 key is not canonical")
	}
	// x² = (y²-1) / (dy²+1)
	yy := new(big.Int).Mul(y, y)
	num := new(big.Int).Mod(new(big.Int).Sub(yy, one), p)
	den := new(big.Int).Mul(ed25519D, yy)
	den.Add(den, one).Mod(den, p)
	xx := new(big.Int).Mul(num, den.ModInverse(den, p))
	xx.Mod(xx, p)
	if big.Jacobi(xx, p) < 0 {
		return errors.New("the Ed25519 point is not on its curve")
	}
	// Doubling three times gives the neutral element (y = 1) for these alone.
	for range 3 {
		// 2P: y' = (y²+x²) / (2+x²-y²), since a = -1 and -x²+y² = 1+dx²y².
		yy.Mul(y, y)
		up := new(big.Int).Add(yy, xx)
		down := new(big.Int).Sub(xx, yy)
		down.Add(down, big.NewInt(2)).Mod(down, p)
		down.ModInverse(down, p)
		y = up.Mul(up, down)
		y.Mod(y, p)
		// x² again from the new y.
		yy.Mul(y, y)
		num.Sub(yy, one)
		den.Mul(ed25519D, yy)
		den.Add(den, one).Mod(den, p)
		xx.Mul(num, den.ModInverse(den, p))
		xx.Mod(xx, p)
	}
	if y.Cmp(one) == 0 {
		return errors.New("the Ed25519 point has a small order")
	}
	return nil
}
