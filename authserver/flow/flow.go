package flow

import (
	"net/url"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
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

// Terminal reports whether nothing more can be done: the flow is to be answered.
func (s Status) Terminal() bool { return s == Completed || s == Failed }

// Flow is how far a person has come. It is a value read at one moment.
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
	Consent  []Scope      // to agree to, with ConsentRequired
	Err      *oauth.Error // with Failed
	// Answered: the response was handed out; it is not made again.
	Answered  bool
	CreatedAt time.Time
	ExpiresAt time.Time

	// silent is set where the flow needed nobody and was never stored. It is
	// taken by the one Answer.
	silent *silent
}

// Scope is one that a person is asked to agree to.
type Scope struct {
	Name string
	// Resource is the ID of the custom resource whose scope it is, and ResourceName what people call that; "" for others.
	Resource, ResourceName string
}

// Page is the address of the page on which the flow goes on: the client's own
// (PingOne's loginPageUrl), or the hosted one.
func Page(env *store.Environment, f *Flow) string {
	if f.Client != nil && f.Client.LoginPageURL != "" {
		if u, err := url.Parse(f.Client.LoginPageURL); err == nil {
			q := u.Query()
			q.Set("environmentId", env.ID)
			q.Set("flowId", f.ID)
			u.RawQuery = q.Encode()
			return u.String()
		}
	}
	return Base(env) + "/signon/?flowId=" + url.QueryEscape(f.ID)
}

// Base is what the addresses of an environment begin with: its issuer without
// "/as".
func Base(env *store.Environment) string { return strings.TrimSuffix(env.Issuer, "/as") }
