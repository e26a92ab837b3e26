package registration

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// judged is a document that passed every rule.
type judged struct {
	*metadata
	client store.Client // without id and secrets
}

// needsSecret reports whether the client authenticates with a secret of ours.
func (j *judged) needsSecret() bool {
	switch j.client.AuthMethod {
	case oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost, oauth.AuthClientSecretJWT:
		return true
	}
	return false
}

// concerns judges the members that an update has beside the metadata (RFC 7592
// §2.2): the client's id, its present secret if any, and nothing that is ours to
// say.
func (j *judged) concerns(id, clientSecret string) error {
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if j.doc.Has(name) {
			return invalid("%s must not be sent", name)
		}
	}
	if j.doc.ClientID != id {
		return invalid("client_id is missing or not the one of this client")
	}
	if j.doc.Has("client_secret") {
		sent, ok := j.doc.Text("client_secret")
		if !ok || clientSecret == "" || !secret.Equal([]byte(sent), []byte(clientSecret)) {
			return invalid("client_secret is not the one of this client")
		}
	}
	return nil
}

// judge reads a document and applies every rule of an environment to it.
func (r *Registrar) judge(ctx context.Context, env *store.Environment, text []byte) (*judged, error) {
	m, err := read(text)
	if err != nil {
		return nil, err
	}
	j := &judged{metadata: m, client: store.Client{
		Enabled: true, Registered: true,
		// Strangers' clients: nobody in the organisation has looked at them.
		Consent:      store.ConsentOnce,
		SessionCheck: true,
	}}
	j.unsupported()
	j.authentication(r)
	j.grants(env)
	native := j.oneOf("application_type", "web", "native") == "native"
	j.redirects(native)
	j.kind(native)
	j.scope(ctx, r, env)
	j.signing(env)
	j.display(r)
	j.sessions(r)
	if j.err != nil {
		return nil, j.err
	}
	return j, nil
}

// unsupported refuses what a client would rely on and would not get.
func (j *judged) unsupported() {
	if s := j.oneOf("subject_type", "public"); s != "" {
		j.keep("subject_type", s)
	}
	for _, name := range []string{
		"id_token_encrypted_response_alg", "id_token_encrypted_response_enc", "userinfo_encrypted_response_alg",
		"userinfo_encrypted_response_enc", "request_object_encryption_alg", "request_object_encryption_enc",
	} {
		if _, ok := j.value(name); ok {
			j.fail(invalid("%s is not supported", name))
		}
	}
	for _, name := range []string{"dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"} {
		if on, _ := j.flag(name); on {
			j.fail(invalid("%s is not supported", name))
		}
	}
}

// authentication reads token_endpoint_auth_method and the keys.
func (j *judged) authentication(r *Registrar) {
	j.client.AuthMethod = j.oneOf("token_endpoint_auth_method", oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost,
		oauth.AuthClientSecretJWT, oauth.AuthPrivateKeyJWT, oauth.AuthNone)
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
	if j.client.AuthMethod == oauth.AuthPrivateKeyJWT && j.client.JWKS == nil && j.client.JWKSURI == "" {
		j.fail(invalid("jwks or jwks_uri is missing, which private_key_jwt needs"))
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

// responseGrants are the response types and the grant types that each needs
// (RFC 7591 §2.1, OIDC Registration §2).
var responseGrants = map[string][]string{
	"code":                {oauth.GrantAuthorizationCode},
	"token":               {oauth.GrantImplicit},
	"id_token":            {oauth.GrantImplicit},
	"id_token token":      {oauth.GrantImplicit},
	"code id_token":       {oauth.GrantAuthorizationCode, oauth.GrantImplicit},
	"code token":          {oauth.GrantAuthorizationCode, oauth.GrantImplicit},
	"code id_token token": {oauth.GrantAuthorizationCode, oauth.GrantImplicit},
}

// grants reads grant_types and response_types, which have to agree.
func (j *judged) grants(env *store.Environment) {
	types, typesGiven := j.texts("response_types")
	grants, grantsGiven := j.texts("grant_types")
	if !typesGiven && (!grantsGiven || slices.Contains(grants, oauth.GrantAuthorizationCode)) {
		types = []string{oauth.ResponseCode}
	}
	var needed []string
	for i, t := range types {
		parts := strings.Split(t, " ")
		slices.Sort(parts)
		types[i] = strings.Join(parts, " ")
		needs, ok := responseGrants[types[i]]
		if !ok || env.Strict && types[i] != oauth.ResponseCode {
			j.fail(invalid("response_types has a value that is not supported"))
			return
		}
		for _, g := range needs {
			needed = appendNew(needed, g)
		}
		for _, part := range parts {
			j.client.ResponseTypes = appendNew(j.client.ResponseTypes, part)
		}
	}
	if !grantsGiven {
		grants = needed
	}
	for _, g := range grants {
		switch g {
		case oauth.GrantAuthorizationCode, oauth.GrantImplicit:
			if !slices.Contains(needed, g) {
				j.fail(invalid("grant_types has %s, which no response type uses", g))
			}
		case oauth.GrantRefreshToken:
			if !slices.Contains(grants, oauth.GrantAuthorizationCode) {
				j.fail(invalid("grant_types has refresh_token without authorization_code"))
			}
		case oauth.GrantClientCredentials:
			// Acts without anybody who could consent, so somebody must have admitted it.
			if env.Registration.Mode != store.RegistrationToken || j.client.AuthMethod == oauth.AuthNone {
				j.fail(invalid("grant_types has client_credentials, which is not offered to this client"))
			}
		default:
			j.fail(invalid("grant_types has a value that is not supported"))
		}
		j.client.GrantTypes = appendNew(j.client.GrantTypes, g)
	}
	for _, g := range needed {
		if !slices.Contains(grants, g) {
			j.fail(invalid("grant_types lacks %s, which a response type needs", g))
		}
	}
	if len(j.client.GrantTypes) == 0 {
		j.fail(invalid("grant_types is empty"))
	}
	j.keep("grant_types", j.client.GrantTypes)
	j.keep("response_types", types)
}

// front reports whether the client uses the authorization endpoint.
func (j *judged) front() bool { return len(j.client.ResponseTypes) > 0 }

// redirects reads where browsers may be sent.
//
// Diverges: OIDC Registration §2 forbids web clients with the implicit grant the host localhost; here they
// may have it with https, as on developers' machines.
func (j *judged) redirects(native bool) {
	uris, _ := j.texts("redirect_uris")
	if j.front() && len(uris) == 0 && j.err == nil {
		j.fail(invalidRedirect("redirect_uris is missing"))
	}
	implicit := slices.Contains(j.client.GrantTypes, oauth.GrantImplicit)
	for _, uri := range uris {
		if why := checkRedirect(uri, native); why != "" {
			j.fail(invalidRedirect("redirect_uris has an address that is not possible: %s", why))
		}
		if implicit && !native && !strings.HasPrefix(uri, "https:") {
			j.fail(invalidRedirect("redirect_uris must be https for web clients with the implicit grant"))
		}
		j.client.RedirectURIs = appendNew(j.client.RedirectURIs, uri)
	}
	j.keep("redirect_uris", j.client.RedirectURIs)
	uris, _ = j.texts("post_logout_redirect_uris")
	for _, uri := range uris {
		if why := checkRedirect(uri, native); why != "" {
			j.fail(invalid("post_logout_redirect_uris has an address that is not possible: %s", why))
		}
		j.client.PostLogoutRedirectURIs = appendNew(j.client.PostLogoutRedirectURIs, uri)
	}
	j.keep("post_logout_redirect_uris", j.client.PostLogoutRedirectURIs)
}

// checkRedirect says why no browser may be sent to uri, or "". A scheme of its own
// needs a dot, so that it is a name that its owner owns (RFC 8252 §7.1).
func checkRedirect(uri string, native bool) string {
	if err := oauth.CheckRedirectURI(uri); err != nil {
		return err.Error()
	}
	scheme, _, _ := strings.Cut(uri, ":")
	if scheme == "https" || scheme == "http" {
		return ""
	}
	if !native {
		return "its scheme is for native clients"
	}
	if !strings.Contains(scheme, ".") {
		return "its scheme is not a domain name turned around"
	}
	return ""
}

// kind chooses PingOne's application type.
func (j *judged) kind(native bool) {
	t := "web"
	switch {
	case native:
		t, j.client.Type = "native", store.NativeApp
	case !j.front():
		j.client.Type = store.Service
	case j.client.AuthMethod == oauth.AuthNone:
		j.client.Type = store.SinglePageApp
	default:
		j.client.Type = store.WebApp
	}
	j.keep("application_type", t)
}

// scope gives what is asked for and allowed; everything allowed where nothing is asked for.
func (j *judged) scope(ctx context.Context, r *Registrar, env *store.Environment) {
	asked, err := oauth.ParseScope(j.text("scope"))
	if err != nil {
		j.fail(invalid("scope is malformed"))
		return
	}
	if asked == nil {
		asked = env.Registration.Scopes
	}
	var granted []string
	for _, s := range asked {
		if !slices.Contains(env.Registration.Scopes, s) {
			continue
		}
		resource := ""
		switch {
		case oauth.OpenIDScope(s):
			resource = store.ResourceOpenID
		case oauth.PingOneScope(s):
			resource = store.ResourcePingOne
		case r.Resource != nil:
			resource, _ = r.Resource(ctx, env, s)
		}
		if resource == "" {
			continue
		}
		if j.client.Grants == nil {
			j.client.Grants = map[string][]string{}
		}
		j.client.Grants[resource] = appendNew(j.client.Grants[resource], s)
		granted = appendNew(granted, s)
	}
	if len(granted) == 0 {
		j.fail(invalid("scope has nothing that registered clients may ask for"))
	}
	j.keep("scope", strings.Join(granted, " "))
}

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

// display reads what people are shown.
func (j *judged) display(r *Registrar) {
	j.client.Name = j.text("client_name")
	if len(j.client.Name) > maxName {
		j.fail(invalid("client_name is too long"))
	}
	j.keep("client_name", j.client.Name)
	contacts, _ := j.texts("contacts")
	j.keep("contacts", contacts)
	for _, link := range []struct {
		name string
		to   *string
	}{{"logo_uri", &j.client.LogoURI}, {"client_uri", &j.client.ClientURI}, {"policy_uri", &j.client.PolicyURI}, {"tos_uri", &j.client.TOSURI}} {
		*link.to = j.fetched(r, link.name)
	}
}

// sessions reads what concerns signing on and off.
func (j *judged) sessions(r *Registrar) {
	if n := j.seconds("default_max_age"); n > 0 {
		j.client.DefaultMaxAge = time.Duration(n) * time.Second
		j.keep("default_max_age", n)
	}
	if on, given := j.flag("require_auth_time"); given {
		j.keep("require_auth_time", on) // every ID token has it
	}
	if uri := j.text("initiate_login_uri"); uri != "" {
		if !strings.HasPrefix(uri, "https://") || oauth.CheckRedirectURI(uri) != nil {
			j.fail(invalid("initiate_login_uri is not an https address"))
		}
		j.client.InitiateLoginURI = uri
		j.keep("initiate_login_uri", uri)
	}
	j.client.BackchannelLogoutURI = j.fetched(r, "backchannel_logout_uri")
	if on, given := j.flag("backchannel_logout_session_required"); given {
		j.keep("backchannel_logout_session_required", on) // every logout token has sid
	}
	if uri := j.text("frontchannel_logout_uri"); uri != "" {
		origin := oauth.RedirectOrigin(uri)
		same := func(redirect string) bool { return oauth.RedirectOrigin(redirect) == origin }
		if origin == "" || oauth.CheckRedirectURI(uri) != nil || !slices.ContainsFunc(j.client.RedirectURIs, same) {
			j.fail(invalid("frontchannel_logout_uri is not at the origin of one of the redirect_uris"))
		}
		j.client.FrontchannelLogoutURI = uri
		j.keep("frontchannel_logout_uri", uri)
	}
	if on, given := j.flag("frontchannel_logout_session_required"); given {
		j.client.FrontchannelLogoutSession = on
		j.keep("frontchannel_logout_session_required", on)
	}
}

// fetched reads an address that this server, or the browser on one of its pages,
// may go to by itself. Whether a name stands for an address that may be contacted is
// judged when it is.
func (j *judged) fetched(r *Registrar, name string) string {
	raw := j.text(name)
	if raw == "" {
		return ""
	}
	outbound := r.Outbound
	if outbound == nil {
		outbound = publicOnly()
	}
	if u, err := outbound.Strangers().CheckURL(raw); err != nil || u.String() != raw {
		j.fail(invalid("%s is not an https address on the public Internet", name))
		return ""
	}
	j.keep(name, raw)
	return raw
}

// publicOnly judges addresses where nothing else was configured. It makes no
// request.
var publicOnly = sync.OnceValue(func() *fetch.Client {
	c, err := fetch.NewClient(fetch.Options{})
	if err != nil {
		panic(err) // the defaults are good
	}
	return c
})

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
