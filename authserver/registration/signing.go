package registration

import (
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// signing reads the algorithms. Tokens are signed with the environment's, and no
// other can be promised.
func (j *judged) signing(env *store.Environment) {
	j.keep("id_token_signed_response_alg", j.oneOf("id_token_signed_response_alg", env.SigningAlgorithm))
	if alg := j.text("userinfo_signed_response_alg"); alg != "" {
		if alg != env.SigningAlgorithm {
			j.fail(invalid("userinfo_signed_response_alg has a value that is not supported"))
		}
		j.client.UserInfoSigned = true
		j.keep("userinfo_signed_response_alg", alg)
	}
	if alg := j.text("request_object_signing_alg"); alg != "" {
		// none has no entry in what is known.
		if !jose.Known(alg) || jose.Symmetric(alg) && !j.needsSecret() {
			j.fail(invalid("request_object_signing_alg has a value that is not supported"))
		}
		j.client.RequestObjectAlgorithm = alg
		j.keep("request_object_signing_alg", alg)
	}
	if on, given := j.flag("require_signed_request_object"); given {
		j.client.SignedRequestObject = on
		j.keep("require_signed_request_object", on)
	}
	if on, given := j.flag("require_pushed_authorization_requests"); given {
		j.client.PARRequired = on
		j.keep("require_pushed_authorization_requests", on)
	}
}
