package clientauth

import (
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// verifySecretJWT verifies an assertion with the client's secrets (OIDC Core §9,
// client_secret_jwt). Like checkSecret it does the same work for everyone.
func verifySecretJWT(p *presented, reg registration, now time.Time) error {
	matched := false
	for i := range max(2, len(reg.secrets)) {
		value, valid := decoy, false
		if i < len(reg.secrets) && reg.usable(p.method) == nil {
			s := reg.secrets[i]
			value, valid = s.Value, s.Expires.IsZero() || now.Before(s.Expires)
		}
		key, err := jose.NewSecretKey("", value)
		if err != nil {
			return fmt.Errorf("%s: its secret cannot verify assertions: %w", &reg, err)
		}
		if p.jws.Verify(key) == nil && valid {
			matched = true
		}
	}
	if err := reg.usable(oauth.AuthClientSecretJWT); err != nil {
		return err
	}
	if !matched {
		return fmt.Errorf("%s: client assertion: the signature does not fit", &reg)
	}
	return nil
}
