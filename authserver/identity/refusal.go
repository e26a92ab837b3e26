package identity

import (
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Codes of details, PingOne's.
const (
	RequiredValue       = "REQUIRED_VALUE"
	InvalidValue        = "INVALID_VALUE"
	InvalidCredentials  = "INVALID_CREDENTIALS"
	PasswordLockedOut   = "PASSWORD_LOCKED_OUT"
	UniquenessViolation = "UNIQUENESS_VIOLATION"
)

// Members that details point at, PingOne's.
const (
	targetUsername         = "username"
	targetPassword         = "password"
	targetCurrentPassword  = "currentPassword"
	targetNewPassword      = "newPassword"
	targetEmail            = "email"
	targetRecoveryCode     = "recoveryCode"
	targetVerificationCode = "verificationCode"
)

// refuse makes the error of one detail.
func refuse(description, reason string, d oauth.Detail) *oauth.Error {
	e := oauth.InvalidData(d)
	e.Description, e.Reason = description, reason
	return e
}

// invalidCredentials is the one answer to every sign-on that failed for a reason
// that is nobody's business.
func invalidCredentials() *oauth.Error {
	return refuse("The credentials are not valid", "invalid_credentials", oauth.Detail{
		Code: InvalidCredentials, Message: "The username or the password is not right",
	})
}

// lockedOut tells how long a locked name stays locked.
func lockedOut(until, now time.Time) *oauth.Error {
	return refuse("Too many wrong passwords", "locked_out", oauth.Detail{
		Code: PasswordLockedOut, Message: "Too many wrong passwords. Try again later",
		Inner: map[string]any{"secondsUntilUnlock": seconds(until.Sub(now))},
	})
}

func required(target string) oauth.Detail {
	return oauth.Detail{Code: RequiredValue, Target: target, Message: "The value is missing"}
}

func invalid(target, message string) oauth.Detail {
	return oauth.Detail{Code: InvalidValue, Target: target, Message: message}
}

func refuseValue(target, message string) *oauth.Error {
	return refuse(message, "invalid_value", invalid(target, message))
}

// badCode is the one answer to a code that is wrong, expired, used or nobody's.
func badCode(target string) *oauth.Error {
	return refuse("The code is not valid", "invalid_code", invalid(target, "The code is wrong or no longer valid"))
}

// notOffered refuses what this environment does not do.
func notOffered(what string) *oauth.Error {
	e := oauth.InvalidRequest("%s is not offered", what)
	e.PingOne, e.Reason = oauth.PingOneInvalidRequest, "not_offered"
	return e
}

// tooMany is PingOne's answer to who is too quick.
func tooMany(after time.Duration) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusTooManyRequests, PingOne: oauth.PingOneRequestLimited,
		Description: "There were too many requests", Reason: "rate_limited", RetryAfter: seconds(after),
		Details: []oauth.Detail{{Code: "LIMIT_EXCEEDED", Message: "There were too many requests"}},
	}
}

// seconds rounds up, and is never 0: now would be too early.
func seconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }

// present refuses values that are missing: name, value, name, value, …
func present(pairs ...string) error {
	var missing []oauth.Detail
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			missing = append(missing, required(pairs[i]))
		}
	}
	if missing == nil {
		return nil
	}
	e := oauth.InvalidData(missing...)
	e.Reason = "required_value"
	return e
}

// limited counts a try of a client address.
func (u *Users) limited(address string) error {
	if u.NoLimit(address) {
		return nil
	}
	if ok, after := u.tries.Allow(limit.Address(address)); !ok {
		return tooMany(after)
	}
	return nil
}

// mailLimited counts a message that key asks for or is to get.
func (u *Users) mailLimited(key, address string) error {
	if u.NoLimit(address) {
		return nil
	}
	if ok, after := u.messages.Allow(key); !ok {
		return tooMany(after)
	}
	return nil
}
