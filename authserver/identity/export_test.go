package identity

import "context"

// ParsePHC gives back what was read of a PHC string, for the fuzz target.
func ParsePHC(s string) (string, error) {
	p, err := parsePHC(s)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// KeepEncoded gives what is kept of an encoded password, for the fuzz target.
func KeepEncoded(value string) (string, error) { return keepEncoded(value) }

// Settle waits until what has been put off is done.
func (u *Users) Settle() { _ = u.Close(context.Background()) }
