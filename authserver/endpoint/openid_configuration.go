package endpoint

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// OpenIDConfiguration is the metadata document, at the places of OpenID Connect
// Discovery §4 and of RFC 8414 §3. It names what exists, and nothing else.
type OpenIDConfiguration struct {
	// Endpoints are metadata names and the last part of their URLs.
	Endpoints map[string]string
	// GrantTypes are those that the token endpoint answers.
	GrantTypes []string

	rendered sync.Map // environment id → *rendered
}

type rendered struct {
	env  *store.Environment
	body []byte
}

// Serve answers with the rendered document.
func (e *OpenIDConfiguration) Serve(w http.ResponseWriter, _ *http.Request, env *store.Environment) error {
	if v, ok := e.rendered.Load(env.ID); ok {
		if known := v.(*rendered); known.env == env {
			web.WriteJSON(w, http.StatusOK, known.body)
			return nil
		}
	}
	body, err := json.Marshal(e.document(env))
	if err != nil {
		return fmt.Errorf("render metadata: %w", err)
	}
	e.rendered.Store(env.ID, &rendered{env, body})
	web.WriteJSON(w, http.StatusOK, body)
	return nil
}

// document builds the metadata (RFC 8414 §2, OIDC Discovery §3). encoding/json
// sorts the members. response_types_supported is required and empty: there is no
// authorization endpoint to ask for any. subject_types and ID token algorithms
// are required by OpenID Connect and true of every token that will be signed.
//
// Diverges: OIDC Discovery §3 requires authorization_endpoint; there is none yet,
// and a document must not name what does not exist.
func (e *OpenIDConfiguration) document(env *store.Environment) map[string]any {
	methods := []string{
		oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost, oauth.AuthClientSecretJWT, oauth.AuthPrivateKeyJWT,
	}
	algorithms := []string{
		jose.HS256, jose.HS384, jose.HS512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
	doc := map[string]any{
		"issuer":                                env.Issuer,
		"response_types_supported":              []string{},
		"grant_types_supported":                 e.GrantTypes,
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{env.SigningAlgorithm},
		"claims_parameter_supported":            false,
		"request_parameter_supported":           false,
		"request_uri_parameter_supported":       false,
	}
	for name, path := range e.Endpoints {
		doc[name] = env.Issuer + "/" + path
		switch name {
		case "token_endpoint":
			doc[name+"_auth_methods_supported"] = methods
			doc[name+"_auth_signing_alg_values_supported"] = algorithms
		case "introspection_endpoint", "revocation_endpoint":
			// Public clients may ask about their own tokens and give them back.
			doc[name+"_auth_methods_supported"] = append(slices.Clone(methods), oauth.AuthNone)
			doc[name+"_auth_signing_alg_values_supported"] = algorithms
		}
	}
	return doc
}
