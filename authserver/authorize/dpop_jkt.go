package authorize

import (
	"context"
	"encoding/base64"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// keyOfCode reads the thumbprint of the key that the code is bound to (RFC 9449 §10). A proof that came with a pushed request says the
// same (§10.1), and is kept as the parameter would be; the two must agree.
func keyOfCode(_ context.Context, d *draft) error {
	jkt := d.form.Get("dpop_jkt")
	if d.proved != "" {
		if jkt != "" && jkt != d.proved {
			return oauth.InvalidRequest("The dpop_jkt is not that of the key of the DPoP proof")
		}
		jkt = d.proved
		d.form.Set("dpop_jkt", jkt)
	}
	if jkt == "" {
		if d.form.Has("dpop_jkt") {
			return oauth.InvalidRequest("The dpop_jkt is empty")
		}
		return nil
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(jkt); err != nil || len(b) != 32 {
		return oauth.InvalidRequest("The dpop_jkt is not a SHA-256 thumbprint in base64url")
	}
	d.req.JKT = jkt
	return nil
}
