package endpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
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
	// Directory tells which scopes and claims an environment has added, which is seen within a minute. nil, or
	// what cannot be had now: none.
	Directory token.OpenIDs
	Now       func() time.Time // with Directory
	// Certificates: client certificates reach the endpoints at every issuer, not at MTLSURL alone.
	Certificates bool
	// PlainIntrospection: answers of introspection are neither signed nor encrypted, whatever is asked for.
	PlainIntrospection bool

	rendered sync.Map // issuer → *rendered
}

// metadataWait bounds how long the document waits for keys: without them it says nearly as much.
const metadataWait = time.Second

// openIDAge is how long what a directory says is believed: the document is asked for often, and hints.
const openIDAge = time.Minute

type rendered struct {
	env  *store.Environment
	ring *keys.Ring
	body []byte

	openID *store.OpenID
	asked  time.Time // openID
}

// Serve answers with the rendered document: of the issuer that was called, which
// may be a custom domain.
func (e *OpenIDConfiguration) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	ring := e.ring(r, env)
	var known *rendered
	if v, ok := e.rendered.Load(env.Issuer); ok && v.(*rendered).env == env {
		known = v.(*rendered)
	}
	o, asked := e.openID(r, env, known)
	if known != nil && known.ring == ring && known.openID == o {
		if known.asked != asked {
			e.rendered.Store(env.Issuer, &rendered{env, ring, known.body, o, asked})
		}
		web.WriteJSON(w, http.StatusOK, known.body)
		return nil
	}
	body, err := json.Marshal(e.document(env, ring, o))
	if err != nil {
		return fmt.Errorf("render metadata: %w", err)
	}
	e.rendered.Store(env.Issuer, &rendered{env, ring, body, o, asked})
	web.WriteJSON(w, http.StatusOK, body)
	return nil
}

// ring is what tokens are signed with, or nil. Most requests find it in memory, and need no timer.
func (e *OpenIDConfiguration) ring(r *http.Request, env *store.Environment) *keys.Ring {
	if e.Keys == nil {
		return nil
	}
	if ring := e.Keys.Loaded(env); ring != nil {
		return ring
	}
	ctx, cancel := context.WithTimeout(r.Context(), metadataWait)
	defer cancel()
	ring, err := e.Keys.Ring(ctx, env)
	if err != nil {
		return nil
	}
	return ring
}

// openID is what scopes and claims are in env, and when that was asked.
func (e *OpenIDConfiguration) openID(r *http.Request, env *store.Environment, known *rendered) (*store.OpenID, time.Time) {
	if e.Directory == nil {
		return nil, time.Time{}
	}
	now := e.Now()
	if known != nil && now.Sub(known.asked) < openIDAge {
		return known.openID, known.asked
	}
	ctx, cancel := context.WithTimeout(r.Context(), metadataWait)
	defer cancel()
	switch o, err := e.Directory.OpenID(ctx, env.ID); {
	case err == nil:
		return o, now
	case known != nil:
		return known.openID, now
	}
	return nil, now
}

// added are the scopes, and the claims, that only an environment has, sorted.
func added(o *store.OpenID) (scopes, claims []string) {
	if o == nil {
		return nil, nil
	}
	for name := range o.Scopes {
		if !oauth.OpenIDScope(name) {
			scopes = append(scopes, name)
		}
	}
	for name := range o.Claims {
		if _, standard := slices.BinarySearch(token.StandardClaims(), name); !standard && !strings.HasPrefix(name, "address.") {
			claims = append(claims, name)
		}
	}
	slices.Sort(scopes)
	slices.Sort(claims)
	return scopes, claims
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
func (e *OpenIDConfiguration) document(env *store.Environment, ring *keys.Ring, o *store.OpenID) metadata {
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
	e.clientAuthentication(m, env)
	e.possession(m, env)
	m.list("subject_types_supported", "public")
	m.list("id_token_signing_alg_values_supported", algorithms...)
	m.list("grant_types_supported", e.GrantTypes...)
	if m["authorization_endpoint"] != nil {
		e.authorization(m, env, o)
	} else {
		// Required, and empty: there is nothing to ask a response of.
		m["response_types_supported"] = []string{}
	}
	if m["introspection_endpoint"] != nil && !e.PlainIntrospection {
		m.list("introspection_signing_alg_values_supported", algorithms...) // RFC 9701 §7
		m.list("introspection_encryption_alg_values_supported", jose.KeyManagement()...)
		m.list("introspection_encryption_enc_values_supported", jose.ContentEncryption()...)
	}
	if m["userinfo_endpoint"] != nil {
		m.list("userinfo_signing_alg_values_supported", algorithms...)
		m.list("claim_types_supported", "normal")
		_, claims := added(o)
		m.list("claims_supported", slices.Concat([]string{"sub", "iss", "auth_time", "acr", "amr"}, token.StandardClaims(), claims)...)
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

// certified reports whether clients of env can present certificates.
func (e *OpenIDConfiguration) certified(env *store.Environment) bool {
	return e.Certificates || env.MTLSURL != ""
}

// possession adds what tokens can be bound to (RFC 9449 §5.1, RFC 8705 §3.3, §5). The endpoints that ask for certificates speak with the
// environment's first issuer, so that no other one's clients are sent there.
func (e *OpenIDConfiguration) possession(m metadata, env *store.Environment) {
	if m["token_endpoint"] != nil {
		m.list("dpop_signing_alg_values_supported", dpop.Algorithms()...)
		if e.certified(env) {
			m["tls_client_certificate_bound_access_tokens"] = true
		}
	}
	if env.MTLSURL == "" || env.Issuer != env.FirstIssuer() {
		return
	}
	aliases := map[string]string{}
	for name, path := range e.Endpoints {
		switch name {
		// Called by a browser, or by programs that have a certificate for no purpose of ours.
		case "authorization_endpoint", "end_session_endpoint", "ping_end_idp_session_endpoint", "registration_endpoint":
			continue
		}
		if strings.HasSuffix(name, "_endpoint") && m[name] != nil {
			aliases[name] = env.MTLSURL + "/" + path
		}
	}
	if len(aliases) > 0 {
		m["mtls_endpoint_aliases"] = aliases
	}
}

// clientAuthentication adds how clients prove who they are, per endpoint.
// Resources at the introspection endpoint use a part of the same methods.
func (e *OpenIDConfiguration) clientAuthentication(m metadata, env *store.Environment) {
	methods := []string{oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost, oauth.AuthClientSecretJWT, oauth.AuthPrivateKeyJWT}
	if e.certified(env) {
		if len(env.ClientCAs) > 0 {
			methods = append(methods, oauth.AuthTLSClient)
		}
		methods = append(methods, oauth.AuthSelfSignedTLS)
	}
	methods = append(methods, oauth.AuthNone)
	for _, name := range [...]string{"token_endpoint", "introspection_endpoint", "revocation_endpoint"} {
		if m[name] == nil {
			continue
		}
		m.list(name+"_auth_methods_supported", methods...)
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
func (e *OpenIDConfiguration) authorization(m metadata, env *store.Environment, o *store.OpenID) {
	m.list("response_types_supported", "code")
	m.list("code_challenge_methods_supported", oauth.ChallengeS256)
	if !env.Strict {
		m.list("response_types_supported", "code", "id_token", "token id_token", "code id_token", "code token", "code token id_token", "token")
		m.list("code_challenge_methods_supported", oauth.ChallengePlain, oauth.ChallengeS256)
		m.list("grant_types_supported", append(slices.Clone(e.GrantTypes), oauth.GrantImplicit)...)
	}
	modes := []string{oauth.ModePingFlow, oauth.ModeQuery, oauth.ModeFragment, oauth.ModeFormPost}
	if env.Home != "" {
		modes = modes[1:] // the flow is elsewhere
	}
	m.list("response_modes_supported", modes...)
	scopes, _ := added(o)
	m.list("scopes_supported", append([]string{oauth.ScopeOpenID, "profile", "email", "address", "phone", oauth.ScopeOfflineAccess}, scopes...)...)
	m.list("acr_values_supported", authorize.ACRValues...)
	m.list("prompt_values_supported", oauth.PromptNone, oauth.PromptLogin, oauth.PromptConsent, oauth.PromptSelectAccount)
	m.list("ui_locales_supported", "en", "de")
	m.list("request_object_signing_alg_values_supported", clientAlgorithms...)
	m["claims_parameter_supported"] = true
	m["request_parameter_supported"] = true
	m["request_uri_parameter_supported"] = false // PAR references alone
	m["require_pushed_authorization_requests"] = false
	m["authorization_response_iss_parameter_supported"] = true // RFC 9207
	if env.Registration.Documents {
		m["client_id_metadata_document_supported"] = true // draft-ietf-oauth-client-id-metadata-document §5
	}
}
