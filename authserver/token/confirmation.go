package token

import "github.com/caddy-gatehouse/gatehouse/authserver/jose"

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

// MetBy reports whether who has proved p may use what is bound to c: all of it, not a part.
func (c Confirmation) MetBy(p Confirmation) bool {
	return (c.JKT == "" || c.JKT == p.JKT) && (c.X5T == "" || c.X5T == p.X5T)
}

const claimConfirmation = "cnf"

// confirmation appends the claim.
func confirmation(b []byte, c Confirmation) []byte {
	b = append(key(b, claimConfirmation), '{')
	if c.JKT != "" {
		b = append(text(append(text(b, "jkt"), ':'), c.JKT), ',')
	}
	if c.X5T != "" {
		b = append(text(append(text(b, "x5t#S256"), ':'), c.X5T), ',')
	}
	b[len(b)-1] = '}' // the last comma: one of them is there
	return b
}

// confirmationOf reads the claim; ok is false for one that has not been made here: that nothing is known of a binding
// does not mean that there is none.
func confirmationOf(c *jose.Claims) (bound Confirmation, ok bool) {
	v, there := c.Value(claimConfirmation)
	if !there {
		return bound, true
	}
	members, _ := v.(map[string]any)
	for name, value := range members {
		thumbprint, _ := value.(string)
		switch {
		case thumbprint == "":
			return Confirmation{}, false
		case name == "jkt":
			bound.JKT = thumbprint
		case name == "x5t#S256":
			bound.X5T = thumbprint
		default:
			return Confirmation{}, false
		}
	}
	return bound, !bound.IsZero()
}
