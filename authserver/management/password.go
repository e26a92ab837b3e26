package management

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Vendor types of passwords (PingOne's).
const (
	typeSet         = "application/vnd.pingidentity.password.set+json"
	typeReset       = "application/vnd.pingidentity.password.reset+json"
	typeCheck       = "application/vnd.pingidentity.password.check+json"
	typeForceChange = "application/vnd.pingidentity.password.forceChange"
	typeSendCode    = "application/vnd.pingidentity.password.sendRecoveryCode+json"
	typeRecover     = "application/vnd.pingidentity.password.recover+json"
	typeUnlockPass  = "application/vnd.pingidentity.password.unlock+json"
)

const passwordPath = userPath + "/password"

// Bodies and the answer, for the description.
type (
	passwordSet struct {
		Value        string `json:"value"`
		ForceChange  bool   `json:"forceChange,omitempty"`
		BypassPolicy bool   `json:"bypassPolicy,omitempty"`
	}
	passwordReset struct {
		CurrentPassword string `json:"currentPassword,omitempty"`
		NewPassword     string `json:"newPassword"`
	}
	passwordCheck struct {
		Password string `json:"password"`
	}
	passwordRecover struct {
		RecoveryCode string `json:"recoveryCode"`
		NewPassword  string `json:"newPassword"`
	}
	passwordState struct {
		Status             string    `json:"status"`
		LastChangedAt      string    `json:"lastChangedAt,omitempty"`
		SecondsUntilUnlock int64     `json:"secondsUntilUnlock,omitempty"`
		PasswordPolicy     reference `json:"passwordPolicy"`
	}
)

// passwordRoutes are what is done to passwords: by its media type a request says what.
func (a *API) passwordRoutes() []route {
	return []route{
		{
			name: "password.read", method: http.MethodGet, path: passwordPath, permission: access.ReadPassword, somewhere: true, target: selfTarget,
			serve: (*call).readPassword, summary: "Tells how a user's password stands.", status: http.StatusOK, response: passwordState{},
		},
		{
			name: "password.update", method: http.MethodPut, path: passwordPath, permission: access.ResetPassword, somewhere: true, target: selfTarget,
			serve: inTurn((*call).updatePassword), summary: "Sets a password, resets it, or changes it by the current one.",
			request: map[string]any{typeSet: passwordSet{}, typeReset: passwordReset{}}, status: http.StatusOK, response: passwordState{},
		},
		{
			name: "password.act", method: http.MethodPost, path: passwordPath, permission: access.ReadPassword, somewhere: true, target: selfTarget,
			selfToo: []access.Permission{access.ValidatePassword, access.ResetPassword},
			serve:   inTurn((*call).actOnPassword),
			summary: "Checks a password, forces its change, sends a recovery code, recovers by one, or takes back a lock.",
			request: map[string]any{
				typeCheck: passwordCheck{}, typeForceChange: nil, typeForceChange + "+json": nil, typeSendCode: nil, typeRecover: passwordRecover{}, typeUnlockPass: nil,
			},
			status: http.StatusOK, response: passwordState{},
		},
		{
			name: "passwordPolicy.list", method: http.MethodGet, path: "/environments/{environmentID}/passwordPolicies", permission: access.ReadPopulation,
			somewhere: true, serve: (*call).listPasswordPolicies, summary: "Lists the one password policy.", query: paging,
			status: http.StatusOK, response: map[string]any{}, isPage: "passwordPolicies",
		},
		{
			name: "passwordPolicy.read", method: http.MethodGet, path: "/environments/{environmentID}/passwordPolicies/{passwordPolicyID}", permission: access.ReadPopulation,
			somewhere: true, serve: (*call).readPasswordPolicy, summary: "Reads the password policy.", status: http.StatusOK, response: map[string]any{},
		},
	}
}

// readPassword answers with how the password stands.
func (c *call) readPassword() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.showPassword(u)
}

func (c *call) showPassword(u *store.User) error {
	s, err := c.api.Users.StateOf(c.r.Context(), c.env, u)
	if err != nil {
		return err
	}
	policy := directory.PasswordPolicy(c.env.ID)
	v := map[string]any{
		"_links": c.links(c.userHref(u.ID, "/password"), map[string]string{
			"environment": "/environments/" + c.env.ID, "user": c.userHref(u.ID),
			"passwordPolicy": "/environments/" + c.env.ID + "/passwordPolicies/" + policy,
		}),
		"environment": reference{c.env.ID}, "user": reference{u.ID}, "passwordPolicy": reference{policy}, "status": s.Status,
	}
	if !s.ChangedAt.IsZero() {
		v["lastChangedAt"] = timestamp(s.ChangedAt)
	}
	if s.Unlock > 0 {
		v["secondsUntilUnlock"] = wholeSeconds(s.Unlock)
	}
	return c.reply(http.StatusOK, v)
}

// person finds the user of the path for what takes permission p, to do to oneself (with self) or
// to others. To whoever may not do that to them but may do something else of the same path it is 403.
func (c *call) person(p access.Permission, self bool) (*store.User, error) {
	u, err := c.api.Users.ByID(c.r.Context(), c.env, c.param("userID"))
	may := err == nil && (c.who.ByRole(p, c.env, userTarget(u)) || self && c.who.Self(p, c.env, userTarget(u)))
	switch {
	case may:
		return u, c.requireRank(p, userTarget(u))
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, err
	case c.who.Somewhere(p, c.env):
		return nil, web.NotFound()
	}
	return nil, forbidden()
}

// updatePassword sets or resets.
func (c *call) updatePassword() error {
	switch {
	case c.isOf(typeSet):
		return c.setPassword()
	case !c.isOf(typeReset):
		return unsupportedMediaType()
	}
	var b passwordReset
	if err := c.read(&b); err != nil {
		return err
	}
	if b.CurrentPassword == "" {
		return c.resetPassword(b.NewPassword)
	}
	u, err := c.person(access.ResetPassword, true)
	if err != nil {
		return err
	}
	edit, err := c.api.Users.Change(c.r.Context(), c.env, u, b.CurrentPassword, b.NewPassword)
	return c.editPassword(u, "PASSWORD.CHANGED", edit, err)
}

// setPassword is an administrator's, and judged by the policy unless that is bypassed.
func (c *call) setPassword() error {
	u, err := c.person(access.SetPassword, false)
	if err != nil {
		return err
	}
	var b passwordSet
	if err := c.read(&b); err != nil {
		return err
	}
	edit, err := c.api.Users.SetPassword(c.r.Context(), c.env, u, identity.NewPassword{
		Value: b.Value, ForceChange: b.ForceChange, BypassPolicy: b.BypassPolicy,
	})
	return c.editPassword(u, "PASSWORD.SET", edit, err)
}

// resetPassword is an administrator's too: a password for one sign-on, at which the person chooses their own.
func (c *call) resetPassword(next string) error {
	u, err := c.person(access.ResetPassword, false)
	if err != nil {
		return err
	}
	edit, err := c.api.Users.SetPassword(c.r.Context(), c.env, u, identity.NewPassword{
		Value: next, ForceChange: true, BypassPolicy: true, Target: "newPassword",
	})
	return c.editPassword(u, "PASSWORD.RESET", edit, err)
}

// editPassword stores an edit of a credential, with its line of the audit log, and answers with the state then.
// ends is what the change ends.
func (c *call) editPassword(u *store.User, action string, edit identity.Edit, err error, ends ...directory.End) error {
	if err != nil {
		return err
	}
	u, err = c.changeAs(u, directory.Precondition{}, action, func(ch *directory.UserChange) error {
		ch.Ends = ends
		return edit(ch.User, ch.Credential)
	})
	if err != nil {
		return err
	}
	return c.showPassword(u)
}

// actOnPassword does what the media type says.
func (c *call) actOnPassword() error {
	switch {
	case c.isOf(typeCheck):
		return c.checkPassword()
	case c.isOf(typeSendCode):
		return c.sendRecoveryCode()
	case c.isOf(typeRecover):
		return c.recoverPassword()
	case c.isOf(typeUnlockPass):
		u, err := c.person(access.ResetPassword, false)
		return c.editPassword(u, "PASSWORD.UNLOCKED", c.api.Users.UnlockPassword(), err)
	case c.isOf(typeForceChange), c.isOf(typeForceChange + "+json"):
		u, err := c.person(access.SetPassword, false)
		return c.editPassword(u, "PASSWORD.FORCE_CHANGE", c.api.Users.ForceChange(c.r.Context()), err)
	}
	return unsupportedMediaType()
}

// isOf reports whether the request is of a media type, whose case does not count (RFC 9110 §8.3.1).
func (c *call) isOf(mediaType string) bool { return strings.EqualFold(c.contentType(), mediaType) }

// checkPassword tells whether a password is somebody's. A wrong one counts towards the lockout.
func (c *call) checkPassword() error {
	u, err := c.person(access.ValidatePassword, true)
	if err != nil {
		return err
	}
	var b passwordCheck
	if err := c.read(&b); err != nil {
		return err
	}
	if err := c.api.Users.VerifyPassword(c.r.Context(), c.env, u, b.Password); err != nil {
		return err
	}
	return c.showPassword(u)
}

// sendRecoveryCode sends the person a code by which recoverPassword, or they themselves, set a new password.
func (c *call) sendRecoveryCode() error {
	u, err := c.person(access.ResetPassword, true)
	if err != nil {
		return err
	}
	edit, send, err := c.api.Users.PrepareRecoveryCode(c.r.Context(), c.env, u, c.api.Address(c.r))
	if err != nil {
		return err
	}
	u, err = c.changeAs(u, directory.Precondition{}, "PASSWORD.RECOVERY_CODE_SENT", func(ch *directory.UserChange) error {
		return edit(ch.User, ch.Credential)
	})
	if err != nil {
		return err
	}
	locale, _ := userText(u, "preferredLanguage")
	send(locale)
	return c.showPassword(u)
}

// recoverPassword sets a new password with a recovery code. As in the hosted flow all sessions end: a
// password was forgotten, or somebody else has it.
func (c *call) recoverPassword() error {
	u, err := c.person(access.ResetPassword, true)
	if err != nil {
		return err
	}
	var b passwordRecover
	if err := c.read(&b); err != nil {
		return err
	}
	edit, err := c.api.Users.RecoverWith(c.r.Context(), c.env, u, b.RecoveryCode, b.NewPassword)
	return c.editPassword(u, "PASSWORD.RECOVERED", edit, err, directory.End{Kind: store.RevokedSubject, Value: u.ID, All: true})
}
