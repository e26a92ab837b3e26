package dpop

import "github.com/caddy-gatehouse/gatehouse/authserver/oauth"

// Error is why a proof is not good. Description is for the client, Reason, a word, for metrics and logs; neither has text of the proof.
type Error struct {
	Code        string // oauth.CodeInvalidDPoPProof or oauth.CodeUseDPoPNonce
	Description string
	Reason      string
}

// Error says Reason.
func (e *Error) Error() string { return "dpop: " + e.Reason }

func invalid(reason, description string) error {
	return &Error{Code: oauth.CodeInvalidDPoPProof, Description: description, Reason: reason}
}
