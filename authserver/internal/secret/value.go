package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a Value shows of itself, whoever asks.
const redacted = "[redacted]"

// Value is an opaque secret: a token, a code, a client secret. However it is
// printed, logged or encoded, it shows "[redacted]"; Reveal is the one way out.
// The zero Value is empty. Values cannot be compared with ==, which would take
// longer the more of a guess is right; use Equal.
type Value struct {
	_ [0]func() // not comparable
	// A pointer, since fmt prints the unexported fields of other people's
	// structs without asking Format; it then shows an address.
	text *string
}

// Of makes a Value of an existing secret.
func Of(text string) Value { return Value{text: &text} }

// New draws 256 bits from the system's generator: 43 characters of base64url.
func New() Value {
	var b [32]byte
	rand.Read(b[:]) // never fails: the program ends first
	return Of(base64.RawURLEncoding.EncodeToString(b[:]))
}

// Reveal is the secret itself, for the one place that must send or derive from it.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// IsZero reports whether v is empty.
func (v Value) IsZero() bool { return v.Reveal() == "" }

// Hash is the SHA-256 of the secret, by which a store finds it. That is enough
// for what New draws, which nobody can guess; it is not for passwords.
func (v Value) Hash() [sha256.Size]byte { return sha256.Sum256([]byte(v.Reveal())) }

// Equal compares in constant time. An empty Value equals none, not even another
// empty one: a secret that was never set lets nobody in.
func (v Value) Equal(other Value) bool {
	return Equal([]byte(v.Reveal()), []byte(other.Reveal())) && !v.IsZero()
}

// String is "[redacted]".
func (Value) String() string { return redacted }

// GoString is "[redacted]".
func (Value) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, %x and %q included.
func (Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is "[redacted]".
func (Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON encodes the string "[redacted]".
func (Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText is "[redacted]", for map keys and other encoders.
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
