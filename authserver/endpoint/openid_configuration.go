package endpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// OpenIDConfiguration is the metadata document, at the places of OpenID Connect
// Discovery §4 and of RFC 8414 §3. It names what exists, and nothing else.
type OpenIDConfiguration struct {
	// Endpoints are metadata names and the last part of their URLs.
	Endpoints map[string]string
	// GrantTypes are those that the token endpoint answers.
	GrantTypes []string
	// Keys tell what tokens are signed with. nil, or keys that cannot be had now: as the environment is configured.
	Keys *keys.Rings

	rendered sync.Map // issuer → *rendered
}

// metadataWait bounds how long the document waits for keys: without them it says nearly as much.
const metadataWait = time.Second

type rendered struct {
	env  *store.Environment
	ring *keys.Ring
	body []byte
}

// Serve answers with the rendered document: of the issuer that was called, which
// may be a custom domain.
func (e *OpenIDConfiguration) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	var ring *keys.Ring
	if e.Keys != nil {
		ctx, cancel := context.WithTimeout(r.Context(), metadataWait)
		if now, err := e.Keys.Ring(ctx, env); err == nil {
			ring = now
		}
		cancel()
	}
	if v, ok := e.rendered.Load(env.Issuer); ok {
		if known := v.(*rendered); known.env == env && known.ring == ring {
			web.WriteJSON(w, http.StatusOK, known.body)
			return nil
		}
	}
	body, err := json.Marshal(e.document(env, ring))
	if err != nil {
		return fmt.Errorf("render metadata: %w", err)
	}
	e.rendered.Store(env.Issuer, &rendered{env, ring, body})
	web.WriteJSON(w, http.StatusOK, body)
	return nil
}

// metadata is the document while it is made. No member is null or empty.
type metadata map[string]any

// list adds a member, unless there is nothing in it.
func (m metadata) list(name string, values ...string) {
	if len(values) > 0 {
		m[name] = values
	}
}

// document builds the metadata (RFC 8414 §2, OIDC Discovery §3). encoding/json
// sorts the members.
//
// Diverges: OIDC Discovery §3 requires RS256 among the algorithms of ID tokens.
// An environment that is configured for another one signs with that, and with RS256
// for the applications of a key rotation policy alone.
func (e *OpenIDConfiguration) document(env *store.Environment, ring *keys.Ring) metadata {
	algorithms := []string{env.SigningAlgorithm}
	if ring != nil {
		algorithms = ring.Algorithms
	}
	m := metadata{"issuer": env.Issuer}
	for name, path := range e.Endpoints {
		if name == "registration_endpoint" && env.Registration.Mode == store.RegistrationOff {
			continue
		}
		m[name] = env.Issuer + "/" + path
	}
	clientAuthentication(m)
	m.list("subject_types_supported", "public")
	m.list("id_token_signing_alg_values_supported", algorithms...)
	m.list("grant_types_supported", e.GrantTypes...)
	if m["authorization_endpoint"] != nil {
		e.authorization(m, env)
	} else {
		// Required, and empty: there is nothing to ask a response of.
		m["response_types_supported"] = []string{}
	}
	if m["userinfo_endpoint"] != nil {
		m.list("userinfo_signing_alg_values_supported", algorithms...)
		m.list("claim_types_supported", "normal")
		m.list("claims_supported", append([]string{"sub", "iss", "auth_time", "acr", "amr"}, token.StandardClaims()...)...)
	}
	if m["end_session_endpoint"] != nil {
		for _, name := range [...]string{
			"backchannel_logout_supported", "backchannel_logout_session_supported",
			"frontchannel_logout_supported", "frontchannel_logout_session_supported",
		} {
			m[name] = true
		}
	}
	return m
}

// clientAuthentication adds how clients prove who they are, per endpoint.
// Resources at the introspection endpoint use a part of the same methods.
func clientAuthentication(m metadata) {
	for _, name := range [...]string{"token_endpoint", "introspection_endpoint", "revocation_endpoint"} {
		if m[name] == nil {
			continue
		}
		m.list(name+"_auth_methods_supported", oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost,
			oauth.AuthClientSecretJWT, oauth.AuthPrivateKeyJWT, oauth.AuthNone)
		m.list(name+"_auth_signing_alg_values_supported", clientAlgorithms...)
	}
}

// clientAlgorithms sign what clients send: assertions and request objects.
var clientAlgorithms = []string{
	jose.HS256, jose.HS384, jose.HS512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// authorization adds what the authorization endpoint understands. In a strict
// environment that is OAuth 2.1: code alone, PKCE with S256. "none" is among the
// request object algorithms of no environment: it is for single clients that were
// allowed it, and they know.
func (e *OpenIDConfiguration) authorization(m metadata, env *store.Environment) {
	m.list("response_types_supported", "code")
	m.list("code_challenge_methods_supported", oauth.ChallengeS256)
	if !env.Strict {
		m.list("response_types_supported", "code", "id_token", "token id_token", "code id_token", "code token", "code token id_token", "token")
		m.list("code_challenge_methods_supported", oauth.ChallengePlain, oauth.ChallengeS256)
		m.list("grant_types_supported", append(slices.Clone(e.GrantTypes), oauth.GrantImplicit)...)
	}
	m.list("response_modes_supported", oauth.ModePingFlow, oauth.ModeQuery, oauth.ModeFragment, oauth.ModeFormPost)
	m.list("scopes_supported", oauth.ScopeOpenID, "profile", "email", "address", "phone", oauth.ScopeOfflineAccess)
	m.list("acr_values_supported", authorize.ACRValues...)
	m.list("prompt_values_supported", oauth.PromptNone, oauth.PromptLogin, oauth.PromptConsent, oauth.PromptSelectAccount)
	m.list("ui_locales_supported", "en", "de")
	m.list("request_object_signing_alg_values_supported", clientAlgorithms...)
	m["claims_parameter_supported"] = true
	m["request_parameter_supported"] = true
	m["request_uri_parameter_supported"] = false // PAR references alone
	m["require_pushed_authorization_requests"] = false
	m["authorization_response_iss_parameter_supported"] = true // RFC 9207
}
