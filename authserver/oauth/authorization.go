package oauth

import "net/http"

// Error codes of the authorization endpoint (RFC 6749 §4.1.2.1, OIDC Core
// §3.1.2.6, RFC 9101 §7) and of client registration (RFC 7591 §3.2.2).
const (
	CodeAccessDenied            = "access_denied"
	CodeUnsupportedResponseType = "unsupported_response_type"
	CodeLoginRequired           = "login_required"
	CodeInteractionRequired     = "interaction_required"
	CodeConsentRequired         = "consent_required"
	CodeAccountSelection        = "account_selection_required"
	CodeRequestNotSupported     = "request_not_supported"
	CodeRequestURINotSupported  = "request_uri_not_supported"
	CodeInvalidRequestURI       = "invalid_request_uri"
	CodeInvalidRequestObject    = "invalid_request_object"
	CodeUnmetAuthentication     = "unmet_authentication_requirements"
	CodeInvalidRedirectURI      = "invalid_redirect_uri"
	CodeInvalidClientMetadata   = "invalid_client_metadata"
)

// Parts of a response_type (OAuth 2.0 Multiple Response Types §3, §5).
const (
	ResponseCode    = "code"
	ResponseToken   = "token"
	ResponseIDToken = "id_token"
)

// Response modes.
const (
	ModeQuery    = "query"
	ModeFragment = "fragment"
	ModeFormPost = "form_post"
	ModePingFlow = "pi.flow" // PingOne: the answer is JSON, to the caller
)

// Members of prompt (OIDC Core §3.1.2.1).
const (
	PromptNone          = "none"
	PromptLogin         = "login"
	PromptConsent       = "consent"
	PromptSelectAccount = "select_account"
)

// Scopes of OpenID Connect that decide something here.
const (
	ScopeOpenID        = "openid"
	ScopeOfflineAccess = "offline_access"
)

// AuthorizationError is an error of the authorization endpoint, whose code is
// one of the above.
func AuthorizationError(code, format string, args ...any) *Error {
	return newError(http.StatusBadRequest, code, format, args)
}

// Detail says more about a PingOne error (the details member of its body).
type Detail struct {
	Code    string // REQUIRED_VALUE, INVALID_VALUE, INVALID_CREDENTIALS, …
	Target  string // the member that is wrong; "" for none
	Message string
	Inner   map[string]any // innerError: failuresRemaining, secondsUntilUnlock, …; nil for none
}

// PingOne's top-level error codes, for Error.PingOne.
const (
	PingOneInvalidData     = "INVALID_DATA"
	PingOneInvalidRequest  = "INVALID_REQUEST"
	PingOneRequestFailed   = "REQUEST_FAILED"
	PingOneInvalidToken    = "INVALID_TOKEN"
	PingOneAccessFailed    = "ACCESS_FAILED"
	PingOneNotFound        = "NOT_FOUND"
	PingOneRequestLimited  = "REQUEST_LIMITED"
	PingOneUnexpectedError = "UNEXPECTED_ERROR"
)

// InvalidData is a PingOne error about what was sent: 400 INVALID_DATA with details.
func InvalidData(details ...Detail) *Error {
	return &Error{
		Code: CodeInvalidRequest, Status: http.StatusBadRequest, PingOne: PingOneInvalidData, Details: details,
		Description: "The data is not acceptable",
	}
}
