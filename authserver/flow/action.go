package flow

// Action a person can take: the media type of the flows API between
// "application/vnd.pingidentity." and "+json".
type Action string

const (
	CheckPassword    Action = "usernamePassword.check"
	ResetSession     Action = "session.reset"  // not you? Start over as somebody else
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

// Actions lists every action there is.
func Actions() []Action {
	return []Action{
		CheckPassword, ResetSession, SelectAccount, Forgot, SendRecoveryCode, Recover, ChangePassword,
		Register, Verify, SendVerification, Consent, Cancel,
	}
}

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
