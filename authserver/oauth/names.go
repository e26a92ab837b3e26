package oauth

// Grant types (RFC 6749 §4, RFC 7591 §2).
const (
	GrantAuthorizationCode = "authorization_code"
	GrantClientCredentials = "client_credentials"
	GrantRefreshToken      = "refresh_token"
	GrantImplicit          = "implicit"
	GrantDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange"
	GrantCIBA              = "urn:openid:params:grant-type:ciba"
)

// Client authentication methods at the token endpoint (RFC 7591 §2, OIDC Core §9).
const (
	AuthNone              = "none"
	AuthClientSecretBasic = "client_secret_basic"
	AuthClientSecretPost  = "client_secret_post"
	AuthClientSecretJWT   = "client_secret_jwt"
	AuthPrivateKeyJWT     = "private_key_jwt"
	AuthTLSClient         = "tls_client_auth"             // RFC 8705 §2.1
	AuthSelfSignedTLS     = "self_signed_tls_client_auth" // RFC 8705 §2.2
)

// AssertionTypeJWTBearer is the one client_assertion_type (RFC 7523 §2.2).
const AssertionTypeJWTBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// TypeAccessToken is the typ header of a JWT access token (RFC 9068 §2.1).
const TypeAccessToken = "at+jwt"
