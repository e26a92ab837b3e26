// Package identity knows people: declared ones and stored ones, their passwords,
// what happens when a password is wrong too often, and how an account is
// registered, verified and recovered.
//
// A user who does not exist and a wrong password cannot be told apart, neither
// by text nor by time. It leaves sessions to session and sending to notify.
// RFC 9106 (argon2id), NIST SP 800-63B. Start reading at Users.CheckPassword.
package identity

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Users finds and changes people. Safe for concurrent use; at most as many
// passwords are hashed at once as there are CPUs.
type Users struct {
	Directory store.Directory // declared and stored users, read
	Store     interface {
		store.Users
		store.Credentials
	}
	Notifier notify.Notifier
	NewID    func() string
	NewCode  func() secret.Value // 8 characters of A-Z2-9 without look-alikes
	Now      func() time.Time
	// Checked is told the outcome of each password check: "ok", "invalid", "locked", "limited", "disabled".
	Checked func(outcome string)
}

// Standing is what has to happen after a right password.
type Standing string

const (
	StandingGood       Standing = ""
	StandingMustChange Standing = "MUST_CHANGE_PASSWORD"
	StandingExpired    Standing = "PASSWORD_EXPIRED"
	StandingUnverified Standing = "VERIFICATION_CODE_REQUIRED"
)

// ByName and ByID find an enabled or disabled user, or store.ErrNotFound.
func (u *Users) ByName(ctx context.Context, env *store.Environment, username string) (*store.User, error) {
	panic("contract")
}
func (u *Users) ByID(ctx context.Context, env *store.Environment, id string) (*store.User, error) {
	panic("contract")
}

// CheckPassword proves who somebody is. Errors for the client are PingOne's:
// INVALID_CREDENTIALS for unknown, wrong and disabled alike, PASSWORD_LOCKED_OUT with
// secondsUntilUnlock (only after a right or wrong password of a locked account; unknown names lock in the same way),
// 429 REQUEST_LIMITED where one address tries too often. address is the client's.
func (u *Users) CheckPassword(ctx context.Context, env *store.Environment, username, password, address string) (*store.User, Standing, error) {
	panic("contract")
}

// ChangePassword sets a new password after the current one was proven.
// INVALID_VALUE on currentPassword or newPassword (with unsatisfiedRequirements).
func (u *Users) ChangePassword(ctx context.Context, env *store.Environment, user *store.User, current, next, address string) error {
	panic("contract")
}

// Forgot sends a recovery code (8 characters, 5 minutes) to the user's e-mail address, if there is such a user; nothing
// tells whether there is. locale is the person's language.
func (u *Users) Forgot(ctx context.Context, env *store.Environment, username, locale, address string) error {
	panic("contract")
}

// Recover sets a new password with a recovery code. INVALID_VALUE on recoveryCode (after 5
// wrong ones the code is void) or newPassword.
func (u *Users) Recover(ctx context.Context, env *store.Environment, username, code, next, address string) (*store.User, error) {
	panic("contract")
}

// Account is a registration.
type Account struct {
	Username, Email, Password string
	Claims                    map[string]any // given_name, family_name, …
	Locale                    string
}

// Register makes an unverified user and sends a verification code (8 characters, no time limit).
// UNIQUENESS_VIOLATION on username; INVALID_VALUE or REQUIRED_VALUE on username, email, password.
func (u *Users) Register(ctx context.Context, env *store.Environment, a Account, address string) (*store.User, error) {
	panic("contract")
}

// SendVerification sends the code again (a new one).
func (u *Users) SendVerification(ctx context.Context, env *store.Environment, user *store.User, locale, address string) error {
	panic("contract")
}

// Verify confirms the address with the code. INVALID_VALUE on verificationCode.
func (u *Users) Verify(ctx context.Context, env *store.Environment, user *store.User, code, address string) (*store.User, error) {
	panic("contract")
}
