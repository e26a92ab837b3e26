package resourceserver

import (
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Reason is the outcome of one decision: a closed set, for metrics and logs.
type Reason uint8

// The reasons. String gives the label.
const (
	Allowed Reason = iota
	NoToken
	InvalidRequest // two tokens, malformed header
	Oversized
	Malformed
	UnknownIssuer
	BadAlgorithm
	BadType
	UnknownKey
	BadSignature
	Expired
	NotYetValid
	WrongAudience
	BadClaims
	Inactive
	Revoked
	InsufficientScope
	ClaimMismatch
	KeysUnavailable
	IntrospectionUnavailable
	LocalUnavailable
	InvalidProof               // of possession (RFC 9449)
	UseNonce                   // a proof without this server's nonce
	ProofUnavailable           // whether a proof was used before cannot be told now
	ProofLimit                 // the token's key or its client has used more proofs than its share
	NotBound                   // the token is bound to a key or certificate that was not presented, or to none where it must be
	InsufficientAuthentication // acr or auth_time (RFC 9470)
	NotAllowed                 // a condition is not met
	AmbiguousPath              // the path may mean another one to the upstream
	ToolNotAllowed             // MCP
	UpstreamUnavailable        // the token for the upstream cannot be had now
	UpstreamRefused            // the client's token is not accepted where one for the upstream is obtained
	UpstreamForbidden          // it is, and not enough
	ReasonCount                // number of reasons
)

// reasons says for each Reason what the client is told. A credential that is
// wrong, foreign or revoked gets one description; the label has the rest. Only an
// expired token is named, after its signature was verified: the client can act on it.
var reasons = [ReasonCount]struct {
	label       string
	status      int
	code        string
	description string
}{
	Allowed:                  {"allowed", http.StatusOK, "", ""},
	NoToken:                  {"no_token", http.StatusUnauthorized, "", "An access token is required."},
	InvalidRequest:           {"invalid_request", http.StatusBadRequest, oauth.CodeInvalidRequest, "The request must carry exactly one well-formed access token."},
	Oversized:                {"oversized", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	Malformed:                {"malformed", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	UnknownIssuer:            {"unknown_issuer", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	BadAlgorithm:             {"bad_algorithm", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	BadType:                  {"bad_type", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	UnknownKey:               {"unknown_key", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	BadSignature:             {"bad_signature", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	Expired:                  {"expired", http.StatusUnauthorized, oauth.CodeInvalidToken, "The access token expired."},
	NotYetValid:              {"not_yet_valid", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	WrongAudience:            {"wrong_audience", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	BadClaims:                {"bad_claims", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	Inactive:                 {"inactive", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	Revoked:                  {"revoked", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	InsufficientScope:        {"insufficient_scope", http.StatusForbidden, oauth.CodeInsufficientScope, "The access token lacks a required scope."},
	ClaimMismatch:            {"claim_mismatch", http.StatusForbidden, oauth.CodeInsufficientScope, "The access token does not permit this request."},
	KeysUnavailable:          {"keys_unavailable", http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable, notNow},
	IntrospectionUnavailable: {"introspection_unavailable", http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable, notNow},
	LocalUnavailable:         {"local_unavailable", http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable, notNow},
	InvalidProof:             {"invalid_dpop_proof", http.StatusUnauthorized, oauth.CodeInvalidDPoPProof, "The DPoP proof is not valid."},
	UseNonce:                 {"use_dpop_nonce", http.StatusUnauthorized, oauth.CodeUseDPoPNonce, "The DPoP proof must have the nonce that this answer brings."},
	ProofUnavailable:         {"proof_unavailable", http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable, notNow},
	ProofLimit:               {"proof_limit", http.StatusTooManyRequests, oauth.CodeTemporarilyUnavailable, "Too many requests were made with this key or by this client."},
	NotBound:                 {"not_bound", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	InsufficientAuthentication: {"insufficient_user_authentication", http.StatusUnauthorized, oauth.CodeInsufficientUserAuthentication,
		"The request needs another sign-on than the access token's."},
	NotAllowed:          {"not_allowed", http.StatusForbidden, oauth.CodeInsufficientScope, "The access token does not permit this request."},
	AmbiguousPath:       {"ambiguous_path", http.StatusBadRequest, oauth.CodeInvalidRequest, "The path must be written in its plainest form."},
	ToolNotAllowed:      {"tool_not_allowed", http.StatusForbidden, oauth.CodeInsufficientScope, "The access token does not permit this tool."},
	UpstreamUnavailable: {"upstream_unavailable", http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable, "The request cannot be passed on now."},
	UpstreamRefused:     {"upstream_refused", http.StatusUnauthorized, oauth.CodeInvalidToken, notValid},
	UpstreamForbidden:   {"upstream_forbidden", http.StatusForbidden, oauth.CodeInsufficientScope, "The access token does not permit this request."},
}

const (
	notValid = "The access token is not valid."
	notNow   = "The access token cannot be verified now."
)

// String is the metric label, e.g. "insufficient_scope".
func (r Reason) String() string {
	if r >= ReasonCount {
		return "unknown"
	}
	return reasons[r].label
}

// unavailable reports whether nothing was found out about the token (503).
func (r Reason) unavailable() bool { return reasons[r].status == http.StatusServiceUnavailable }

// temporary reports whether the same request may pass later: then there is no challenge, but Retry-After.
func (r Reason) temporary() bool {
	return r.unavailable() || reasons[r].status == http.StatusTooManyRequests
}

// problemReason translates why jose refused a token.
func problemReason(err error) Reason {
	e, ok := errors.AsType[*jose.Error](err)
	if !ok {
		return Malformed
	}
	switch e.Problem {
	case jose.ProblemOversized:
		return Oversized
	case jose.ProblemAlgorithm:
		return BadAlgorithm
	case jose.ProblemType:
		return BadType
	case jose.ProblemKey:
		return UnknownKey
	case jose.ProblemSignature:
		return BadSignature
	default: // malformed, critical, encrypted
		return Malformed
	}
}
