package secret

import (
	"crypto/sha256"
	"crypto/subtle"
)

// Equal compares a and b in a time that tells neither where they differ nor
// whether their lengths do: their hashes are compared. Two empty ones are equal.
func Equal(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
