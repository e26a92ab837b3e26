package resourceserver

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// assertionLife is how long a client assertion is good for.
const assertionLife = time.Minute

// authenticate adds the gate's own credentials: to the form, or to the request
// by the function that it returns.
func (in *introspector) authenticate(form url.Values) (func(*http.Request), error) {
	switch in.config.AuthMethod {
	case oauth.AuthClientSecretPost:
		form.Set("client_id", in.config.ClientID)
		form.Set("client_secret", in.config.ClientSecret)
		return nil, nil
	case oauth.AuthPrivateKeyJWT:
		assertion, err := in.assertion()
		if err != nil {
			return nil, err
		}
		form.Set("client_id", in.config.ClientID)
		form.Set("client_assertion_type", oauth.AssertionTypeJWTBearer)
		form.Set("client_assertion", assertion)
		return nil, nil
	}
	return func(r *http.Request) {
		// Both parts are form-encoded before they are joined (RFC 6749 §2.3.1).
		r.SetBasicAuth(url.QueryEscape(in.config.ClientID), url.QueryEscape(in.config.ClientSecret))
	}, nil
}

// assertion signs a client assertion (RFC 7523 §3). Its audience is the issuer
// alone, as a string: an endpoint's URL there can be replayed elsewhere.
func (in *introspector) assertion() (string, error) {
	now := in.now()
	claims, err := json.Marshal(map[string]any{
		"iss": in.config.ClientID,
		"sub": in.config.ClientID,
		"aud": in.issuer.config.Issuer,
		"jti": rand.Text(),
		"iat": now.Unix(),
		"exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("client assertion: %w", err)
	}
	signed, err := in.config.PrivateKey.Sign("JWT", claims)
	if err != nil {
		return "", fmt.Errorf("client assertion: %w", err)
	}
	return signed, nil
}
