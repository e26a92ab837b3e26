package token

// Confirmation is what a token is bound to: its cnf claim (RFC 7800 §3.1). The zero Confirmation binds to nothing.
type Confirmation struct {
	JKT string `json:"jkt,omitempty"`      // thumbprint of a DPoP key (RFC 9449 §6.1)
	X5T string `json:"x5t#S256,omitempty"` // thumbprint of a certificate (RFC 8705 §3.1)
}

// IsZero reports whether there is no binding.
func (c Confirmation) IsZero() bool { return c == Confirmation{} }

// Type is the token_type of a token that is bound so: DPoP or Bearer.
func (c Confirmation) Type() string {
	if c.JKT != "" {
		return "DPoP"
	}
	return "Bearer"
}
