package fetch

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// assertionLife is how long a client assertion is good for.
const assertionLife = time.Minute

// Credentials are those of a client at an endpoint of an authorization server.
type Credentials struct {
	ClientID string
	Method   string // oauth.AuthClientSecretBasic (default), …Post, …PrivateKeyJWT
	Secret   string
	Key      *jose.SigningKey // for private_key_jwt
	// Issuer is the audience of assertions, as a string: an endpoint's URL there can be replayed elsewhere.
	Issuer string
	Now    func() time.Time
}

// Check reports what is missing, or one thing too many, in the words of configuration.
func (c *Credentials) Check() error {
	if c.ClientID == "" {
		return errors.New("a client id is needed (basic, post or private_key_jwt)")
	}
	switch c.Method {
	case "", oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost:
		if c.Secret == "" {
			return errors.New("the client secret is empty")
		}
		if c.Key != nil {
			return errors.New("a private key is used with private_key_jwt only")
		}
	case oauth.AuthPrivateKeyJWT:
		if c.Key == nil {
			return errors.New("private_key_jwt needs a private key")
		}
		if c.Secret != "" {
			return errors.New("private_key_jwt uses no secret")
		}
	default:
		return fmt.Errorf("%q is not a client authentication method for it", c.Method)
	}
	return nil
}

// Authenticate adds the credentials: to the form, or to the request by the function that it returns.
func (c *Credentials) Authenticate(form url.Values) (func(*http.Request), error) {
	switch c.Method {
	case oauth.AuthClientSecretPost:
		form.Set("client_id", c.ClientID)
		form.Set("client_secret", c.Secret)
		return nil, nil
	case oauth.AuthPrivateKeyJWT:
		assertion, err := c.assertion()
		if err != nil {
			return nil, err
		}
		form.Set("client_id", c.ClientID)
		form.Set("client_assertion_type", oauth.AssertionTypeJWTBearer)
		form.Set("client_assertion", assertion)
		return nil, nil
	}
	return func(r *http.Request) {
		// Both parts are form-encoded before they are joined (RFC 6749 §2.3.1).
		r.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.Secret))
	}, nil
}

// assertion signs a client assertion (RFC 7523 §3).
func (c *Credentials) assertion() (string, error) {
	now := c.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": c.ClientID,
		"sub": c.ClientID,
		"aud": c.Issuer,
		"jti": rand.Text(),
		"iat": now.Unix(),
		"exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("client assertion: %w", err)
	}
	signed, err := c.Key.Sign("JWT", claims)
	if err != nil {
		return "", fmt.Errorf("client assertion: %w", err)
	}
	return signed, nil
}
