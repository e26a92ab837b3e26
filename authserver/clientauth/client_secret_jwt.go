package clientauth

import (
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// verifySecretJWT verifies an assertion with the client's secrets (OIDC Core §9,
// client_secret_jwt). Like checkSecret it does the same work for everyone, and tells which secret it was.
func verifySecretJWT(p *presented, reg registration, now time.Time) (previous bool, err error) {
	matched, why := false, reg.usable(oauth.AuthClientSecretJWT)
	for i := range max(2, len(reg.secrets)) {
		value, valid := decoy, false
		if i < len(reg.secrets) && why == "" {
			s := reg.secrets[i]
			value, valid = s.Value, s.Expires.IsZero() || now.Before(s.Expires)
		}
		key, err := jose.NewSecretKey("", value)
		if err != nil {
			return false, reg.refuse("its secret cannot verify assertions: " + err.Error())
		}
		if p.jws.Verify(key) == nil && valid {
			previous = !matched && i > 0
			matched = true
		}
	}
	if why == "" && !matched {
		why = "the signature of its assertion does not fit"
	}
	if why != "" {
		return false, reg.refuse(why)
	}
	return previous, nil
}
