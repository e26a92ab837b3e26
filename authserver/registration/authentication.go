package registration

import (
	"encoding/json"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// authentication reads token_endpoint_auth_method and the keys.
func (j *judged) authentication(r *Registrar) {
	j.client.AuthMethod = j.oneOf("token_endpoint_auth_method", j.methods()...)
	j.keep("token_endpoint_auth_method", j.client.AuthMethod)
	if j.client.AuthMethod == oauth.AuthNone {
		j.client.PKCE = store.PKCES256Required // nothing else ties a code to a public client (RFC 9700 §2.1.1)
	}
	j.client.JWKSURI = j.fetched(r, "jwks_uri")
	if _, ok := j.value("jwks"); ok {
		raw, _ := j.doc.Raw("jwks")
		if j.client.JWKSURI != "" {
			j.fail(invalid("jwks and jwks_uri must not both be sent"))
		}
		j.client.JWKS = raw
		j.keep("jwks", raw)
		j.checkKeys(raw)
	}
	if m := j.client.AuthMethod; (m == oauth.AuthPrivateKeyJWT || m == oauth.AuthSelfSignedTLS) && j.client.JWKS == nil && j.client.JWKSURI == "" {
		j.fail(invalid("jwks or jwks_uri is missing, which %s needs", m))
	}
}

// checkKeys wants public keys, one that can be used at least.
func (j *judged) checkKeys(raw []byte) {
	var set struct {
		Keys []map[string]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) == 0 {
		j.fail(invalid("jwks is not a JWK Set with keys"))
		return
	}
	for _, key := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
			if _, ok := key[private]; ok {
				j.fail(invalid("jwks has a key that is not public"))
				return
			}
		}
	}
	if keys, _, err := jose.ParseKeySet(raw, jose.KeySetLimits{}); err != nil || keys.Len() == 0 {
		j.fail(invalid("jwks has no key that can be used"))
	}
}
