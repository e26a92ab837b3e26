package directory

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Application is an OAuth client in the words of PingOne's API. Its ID is the
// client_id. Members without a comment mean what the member of store.Client of like name
// means, or are kept and shown and have no effect.
type Application struct {
	Name        string  `json:"name"` // unique in the environment
	Description *string `json:"description,omitzero"`
	Enabled     bool    `json:"enabled"`
	// Protocol is OPENID_CONNECT. Neither it nor Type ever changes.
	Protocol string `json:"protocol"`
	Type     string `json:"type"`

	TokenEndpointAuthMethod string   `json:"tokenEndpointAuthMethod"`
	GrantTypes              []string `json:"grantTypes,omitzero"`
	// ResponseTypes that are not given follow from GrantTypes.
	ResponseTypes               []string `json:"responseTypes,omitzero"`
	RedirectURIs                []string `json:"redirectUris,omitzero"`
	AllowWildcardInRedirectURIs *bool    `json:"allowWildcardInRedirectUris,omitzero"`
	PostLogoutRedirectURIs      []string `json:"postLogoutRedirectUris,omitzero"`
	PKCEEnforcement             *string  `json:"pkceEnforcement,omitzero"`
	PARRequirement              *string  `json:"parRequirement,omitzero"`
	PARTimeout                  *int64   `json:"parTimeout,omitzero"` // seconds, as all durations here

	RefreshTokenDuration                          *int64  `json:"refreshTokenDuration,omitzero"`
	RefreshTokenRollingDuration                   *int64  `json:"refreshTokenRollingDuration,omitzero"`
	RefreshTokenRollingGracePeriodDuration        *int64  `json:"refreshTokenRollingGracePeriodDuration,omitzero"`
	RefreshTokenType                              *string `json:"refreshTokenType,omitzero"` // ours are opaque, whatever it says
	AdditionalRefreshTokenReplayProtectionEnabled *bool   `json:"additionalRefreshTokenReplayProtectionEnabled,omitzero"`

	// AccessTokenFormat is JWT or OPAQUE; absent, it is the environment's. PingOne has no such member.
	AccessTokenFormat *string `json:"accessTokenFormat,omitzero"`

	// What binds its tokens, and whom its certificate names with TLS_CLIENT_AUTH. PingOne has no such members; they are shown where they
	// are set, and an update without them keeps them.
	DPoPBoundAccessTokens                 *bool       `json:"dpopBoundAccessTokens,omitzero"`
	TLSClientCertificateBoundAccessTokens *bool       `json:"tlsClientCertificateBoundAccessTokens,omitzero"`
	TLSClientAuthSubject                  *TLSSubject `json:"tlsClientAuthSubject,omitzero"`

	RequestScopesForMultipleResourcesEnabled *bool `json:"requestScopesForMultipleResourcesEnabled,omitzero"`
	// JWKS is the text of a JWK Set.
	JWKS                         *string  `json:"jwks,omitzero"`
	JWKSURL                      *string  `json:"jwksUrl,omitzero"`
	SupportUnsignedRequestObject *bool    `json:"supportUnsignedRequestObject,omitzero"`
	RequireSignedRequestObject   *bool    `json:"requireSignedRequestObject,omitzero"`
	IDPSignoff                   *bool    `json:"idpSignoff,omitzero"`
	OPSessionCheckEnabled        *bool    `json:"opSessionCheckEnabled,omitzero"`
	IncludeX5T                   *bool    `json:"includeX5t,omitzero"`
	Signing                      *Signing `json:"signing,omitzero"`
	CORSSettings                 *CORS    `json:"corsSettings,omitzero"`

	DeviceTimeout               *int64  `json:"deviceTimeout,omitzero"`
	DevicePollingInterval       *int64  `json:"devicePollingInterval,omitzero"`
	DevicePathID                *string `json:"devicePathId,omitzero"` // unique in the environment
	DeviceCustomVerificationURI *string `json:"deviceCustomVerificationUri,omitzero"`

	InitiateLoginURI *string `json:"initiateLoginUri,omitzero"`
	TargetLinkURI    *string `json:"targetLinkUri,omitzero"`
	HomePageURL      *string `json:"homePageUrl,omitzero"`
	LoginPageURL     *string `json:"loginPageUrl,omitzero"`
	Icon             *Icon   `json:"icon,omitzero"`

	AccessControl       *AccessControl  `json:"accessControl,omitzero"`
	HiddenFromAppPortal *bool           `json:"hiddenFromAppPortal,omitzero"`
	Kerberos            *Kerberos       `json:"kerberos,omitzero"`
	Mobile              json.RawMessage `json:"mobile,omitzero"`   // an object
	Template            json.RawMessage `json:"template,omitzero"` // text or an object
	Tags                []string        `json:"tags,omitzero"`

	// AssignActorRoles gives a new worker the roles of whoever creates it, which are ActorRoles then. It says so
	// ever after and does nothing more.
	AssignActorRoles *bool `json:"assignActorRoles,omitzero"`
	ActorRoles       []New `json:"-"`

	// ClientID and ClientSecret are what a new application brings along from elsewhere: its ID, and its
	// first secret. They are read and never written.
	ClientID     Unsaid `json:"clientId,omitzero"`
	ClientSecret Unsaid `json:"clientSecret,omitzero"`
}

// Reference names another object.
type Reference struct {
	ID string `json:"id"`
}

// Signing says which key rotation policy's key signs an application's tokens.
type Signing struct {
	KeyRotationPolicy *Reference `json:"keyRotationPolicy,omitzero"`
}

// CORS says which origins' scripts may call in an application's name.
type CORS struct {
	Behavior string   `json:"behavior"`
	Origins  []string `json:"origins,omitzero"`
}

// Icon is an application's picture.
type Icon struct {
	ID   *string `json:"id,omitzero"`
	HREF *string `json:"href,omitzero"`
}

// AccessControl says who may sign on to an application.
type AccessControl struct {
	Role  *RoleAccess  `json:"role,omitzero"`
	Group *GroupAccess `json:"group,omitzero"`
}

// RoleAccess restricts an application to administrators.
type RoleAccess struct {
	Type string `json:"type"`
}

// GroupAccess restricts an application to members of groups.
type GroupAccess struct {
	Type   string      `json:"type"`
	Groups []Reference `json:"groups"`
}

// Kerberos names a key.
type Kerberos struct {
	Key *Reference `json:"key,omitzero"`
}

// Unsaid is a member that is read and never written or printed.
type Unsaid string

// IsZero is true, so that encoders leave it out.
func (Unsaid) IsZero() bool { return true }

// MarshalText is nothing, for encoders that do not.
func (Unsaid) MarshalText() ([]byte, error) { return nil, nil }

// String is "[redacted]".
func (Unsaid) String() string { return "[redacted]" }

// GoString is String.
func (Unsaid) GoString() string { return "[redacted]" }

// Words of PingOne's API about applications, and two of ours.
const (
	protocolOpenIDConnect = "OPENID_CONNECT"

	authNone          = "NONE"
	authSecretBasic   = "CLIENT_SECRET_BASIC"
	authSecretPost    = "CLIENT_SECRET_POST"
	authSecretJWT     = "CLIENT_SECRET_JWT"
	authPrivateKeyJWT = "PRIVATE_KEY_JWT"
	authTLSClient     = "TLS_CLIENT_AUTH"
	authSelfSignedTLS = "SELF_SIGNED_TLS_CLIENT_AUTH"

	grantAuthorizationCode = "AUTHORIZATION_CODE"
	grantImplicit          = "IMPLICIT"
	grantRefreshToken      = "REFRESH_TOKEN"
	grantClientCredentials = "CLIENT_CREDENTIALS"
	grantDeviceCode        = "DEVICE_CODE"
	grantTokenExchange     = "TOKEN_EXCHANGE"
	grantCIBA              = "CIBA"

	responseCode    = "CODE"
	responseToken   = "TOKEN"
	responseIDToken = "ID_TOKEN"

	optional     = "OPTIONAL"
	required     = "REQUIRED"
	s256Required = "S256_REQUIRED"

	allowNoOrigins       = "ALLOW_NO_ORIGINS"
	allowSpecificOrigins = "ALLOW_SPECIFIC_ORIGINS"

	adminUsersOnly = "ADMIN_USERS_ONLY"

	formatJWT    = string(store.FormatJWT)
	formatOpaque = string(store.FormatOpaque)
)

// Kind is store.KindApplication.
func (*Application) Kind() store.ObjectKind { return store.KindApplication }

// Label is the name.
func (a *Application) Label() string { return a.Name }

// Keys make name and devicePathId unique. They find the applications that a key rotation policy signs
// for, that have an address to sign off to, and that trust an origin or its pattern.
func (a *Application) Keys() (unique, lookups []string) {
	unique = []string{"name " + a.Name}
	if a.DevicePathID != nil {
		unique = append(unique, "devicePathId "+*a.DevicePathID)
	}
	if id := a.keyRotationPolicy(); id != "" {
		lookups = append(lookups, ApplicationsOfPolicy(id))
	}
	if a.Kerberos != nil && a.Kerberos.Key != nil {
		lookups = append(lookups, ApplicationsOfKey(a.Kerberos.Key.ID))
	}
	for _, uri := range a.PostLogoutRedirectURIs {
		lookups = append(lookups, postLogoutKey(uri))
	}
	for _, origin := range a.origins() {
		lookups = append(lookups, originKey(origin))
	}
	return unique, lookups
}

func postLogoutKey(uri string) string { return "post_logout " + uri }
func originKey(origin string) string  { return "origin " + origin }

func (a *Application) keyRotationPolicy() string {
	if a.Signing == nil || a.Signing.KeyRotationPolicy == nil {
		return ""
	}
	return a.Signing.KeyRotationPolicy.ID
}

// Ends ends everything that an application holds when it is disabled or deleted.
func (*Application) Ends(_ context.Context, c *Checking, old, new Document) ([]End, error) {
	before, _ := old.(*Application)
	after, _ := new.(*Application)
	if before == nil || after != nil && (after.Enabled || !before.Enabled) {
		return nil, nil
	}
	return []End{{Kind: store.RevokedClient, Value: c.ID, All: true}}, nil
}

// Companions of a new application are its secret, used or not, the mapping of
// sub, and the roles of who creates it where it asks for them.
func (a *Application) Companions(c *Checking) []New {
	list := []New{
		{ID: c.ID, Parent: c.ID, Document: newSecret(string(a.ClientSecret))},
		{Parent: c.ID, Document: coreMapping()},
	}
	for _, role := range a.ActorRoles {
		list = append(list, New{Parent: c.ID, Document: role.Document})
	}
	return list
}

// UsesSecret reports whether the application authenticates with a secret.
func (a *Application) UsesSecret() bool {
	switch a.TokenEndpointAuthMethod {
	case authSecretBasic, authSecretPost, authSecretJWT:
		return true
	}
	return false
}

// Worker reports whether the application can have roles.
func (a *Application) Worker() bool { return a.Type == string(store.Worker) }

// unattended applications act without a person, and so must be able to prove who
// they are.
func (a *Application) unattended() bool {
	return a.Worker() || a.Type == string(store.Service)
}

func (a *Application) grants(name string) bool { return slices.Contains(a.GrantTypes, name) }

var applicationTypes = []string{
	string(store.WebApp), string(store.NativeApp), string(store.SinglePageApp), string(store.Worker), string(store.Service), string(store.CustomApp),
}

// words are the names of one thing in PingOne's API and in OAuth.
type words []struct{ pingOne, oauth string }

var (
	authMethods = words{
		{authNone, oauth.AuthNone}, {authSecretBasic, oauth.AuthClientSecretBasic}, {authSecretPost, oauth.AuthClientSecretPost},
		{authSecretJWT, oauth.AuthClientSecretJWT}, {authPrivateKeyJWT, oauth.AuthPrivateKeyJWT},
		{authTLSClient, oauth.AuthTLSClient}, {authSelfSignedTLS, oauth.AuthSelfSignedTLS},
	}
	grantTypes = words{
		{grantAuthorizationCode, oauth.GrantAuthorizationCode}, {grantImplicit, oauth.GrantImplicit}, {grantRefreshToken, oauth.GrantRefreshToken},
		{grantClientCredentials, oauth.GrantClientCredentials}, {grantDeviceCode, oauth.GrantDeviceCode},
		{grantTokenExchange, oauth.GrantTokenExchange}, {grantCIBA, oauth.GrantCIBA},
	}
	responseTypes = words{{responseCode, oauth.ResponseCode}, {responseToken, oauth.ResponseToken}, {responseIDToken, oauth.ResponseIDToken}}
)

// names are all in PingOne's words.
func (w words) names() []string {
	list := make([]string, len(w))
	for i := range w {
		list[i] = w[i].pingOne
	}
	return list
}

// oauth is the word of OAuth, "" for none.
func (w words) oauth(pingOne string) string {
	for _, word := range w {
		if word.pingOne == pingOne {
			return word.oauth
		}
	}
	return ""
}

// pingOne is the word of PingOne, "" for none.
func (w words) pingOne(name string) string {
	for _, word := range w {
		if word.oauth == name {
			return word.pingOne
		}
	}
	return ""
}

// newClientSecret draws 384 bits: 64 characters of base64url, which PingOne's
// alphabet of secrets has.
func newClientSecret() string {
	return (secret.New().Reveal() + secret.New().Reveal())[:64]
}

// SameCredentials reports whether another document of the same application has it
// authenticate in the same way, with the same keys.
func (a *Application) SameCredentials(other *Application) bool {
	return a.TokenEndpointAuthMethod == other.TokenEndpointAuthMethod && text(a.JWKS) == text(other.JWKS) && text(a.JWKSURL) == text(other.JWKSURL) &&
		a.tlsSubject() == other.tlsSubject()
}

// ForPeople reports whether the application acts for people, and so has their roles where it is a worker.
func (a *Application) ForPeople() bool {
	return slices.ContainsFunc(a.GrantTypes, func(name string) bool { return name != grantClientCredentials })
}

// SameWays reports whether tokens of people come to another document of the same application in the same
// ways: by the same grants, and to the same addresses.
func (a *Application) SameWays(other *Application) bool {
	same := func(a, b []string) bool {
		return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) }) &&
			!slices.ContainsFunc(b, func(s string) bool { return !slices.Contains(a, s) })
	}
	return same(a.GrantTypes, other.GrantTypes) && same(a.effectiveResponseTypes(), other.effectiveResponseTypes()) &&
		same(a.RedirectURIs, other.RedirectURIs) && truth(a.AllowWildcardInRedirectURIs) == truth(other.AllowWildcardInRedirectURIs)
}
