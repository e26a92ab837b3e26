// Package flow is the sign-on itself: one state machine with two faces, the
// hosted pages (ui) and PingOne's flows API (endpoint). It decides what a person
// must do next for an authorization request, lets them do it, and says when the
// request can be answered.
//
// It leaves proving who somebody is to identity, sessions to session, and the
// answer to authorize. OIDC Core §3.1.2.3–4. Start reading at Engine.Start.
package flow

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Status of a flow: PingOne's words.
type Status string

const (
	UsernamePasswordRequired Status = "USERNAME_PASSWORD_REQUIRED"
	PasswordRequired         Status = "PASSWORD_REQUIRED" // the session's person, again
	PasswordExpired          Status = "PASSWORD_EXPIRED"
	MustChangePassword       Status = "MUST_CHANGE_PASSWORD"
	RecoveryCodeRequired     Status = "RECOVERY_CODE_REQUIRED"
	VerificationCodeRequired Status = "VERIFICATION_CODE_REQUIRED"
	AccountSelectionRequired Status = "ACCOUNT_SELECTION_REQUIRED" // prompt=select_account with a session: go on, or session.reset
	ConsentRequired          Status = "AGREEMENT_CONSENT_REQUIRED" // to the client's scopes
	Completed                Status = "COMPLETED"
	Failed                   Status = "FAILED"
)

// Action a person can take: the media type of the flows API between
// "application/vnd.pingidentity." and "+json".
type Action string

const (
	CheckPassword    Action = "usernamePassword.check"
	ResetSession     Action = "session.reset"  // not you?
	SelectAccount    Action = "session.select" // ours: go on as the session's person
	Forgot           Action = "password.forgot"
	SendRecoveryCode Action = "password.sendRecoveryCode"
	Recover          Action = "password.recover"
	ChangePassword   Action = "password.reset"
	Register         Action = "user.register"
	Verify           Action = "user.verify"
	SendVerification Action = "user.sendVerificationCode"
	Consent          Action = "user.consent"
	Cancel           Action = "flow.cancel" // ours: ends in access_denied
)

// Input is what comes with an Action; each reads its own members.
type Input struct {
	Username         string         `json:"username"`
	Password         string         `json:"password"`
	Email            string         `json:"email"`
	CurrentPassword  string         `json:"currentPassword"`
	NewPassword      string         `json:"newPassword"`
	RecoveryCode     string         `json:"recoveryCode"`
	VerificationCode string         `json:"verificationCode"`
	Accept           bool           `json:"accept"`
	Name             map[string]any `json:"name"` // given, family
	Locale           string         `json:"-"`    // of the person
}

// Flow is how far a person has come.
type Flow struct {
	ID      string
	Status  Status
	Actions []Action // possible now
	Request *authorize.Request
	Client  *store.Client
	// User is set once known; never for a guess.
	User *store.User
	// Username is what was typed last, or the login hint.
	Username string
	Session  string       // sid once there is one
	Consent  []string     // scopes to agree to, with ConsentRequired
	Err      *oauth.Error // with Failed
	// Answered: the response was handed out; it is not made again.
	Answered  bool
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Engine runs flows. Safe for concurrent use.
type Engine struct {
	Flows     store.Flows
	Consents  store.Consents
	Directory store.Directory
	Users     *identity.Users
	Sessions  *session.Sessions
	Issuer    *authorize.Issuer
	Logout    *logout.Ender // tells the clients of a replaced session
	NewID     func() string
	Now       func() time.Time
	// SignedOn is told the outcome of each finished flow: "ok" or an OAuth error code.
	SignedOn func(outcome string)
}

// Start begins a flow for a request. Where nothing is needed of the person it is Completed at once; where something is
// and prompt=none forbids it, the error is login_required, interaction_required or consent_required as *authorize.Failure. The
// number of unfinished flows of one address is bounded (429).
func (e *Engine) Start(ctx context.Context, env *store.Environment, req *authorize.Request, client *store.Client, b *session.Browser) (*Flow, error) {
	panic("contract")
}

// Read finds a flow of this browser. Unknown, expired, or another browser's: 404 NOT_FOUND. Reading
// prolongs it.
func (e *Engine) Read(ctx context.Context, env *store.Environment, id string, b *session.Browser) (*Flow, error) {
	panic("contract")
}

// Act takes one step. An action that is not possible now is 400
// INVALID_REQUEST; what identity refuses comes back as it is, and the flow stays where it was. Of two
// steps at once one happens and the other is judged after it.
func (e *Engine) Act(ctx context.Context, env *store.Environment, id string, b *session.Browser, do Action, in Input) (*Flow, error) {
	panic("contract")
}

// Answer gives the response of a Completed or Failed flow, once: a second time is 400
// INVALID_REQUEST and nothing new is made. correlation is the correlation id.
func (e *Engine) Answer(ctx context.Context, env *store.Environment, f *Flow, b *session.Browser, correlation string) (*authorize.Response, error) {
	panic("contract")
}
