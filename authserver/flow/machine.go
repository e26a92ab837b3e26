package flow

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// row is one thing that can be done in one status.
type row struct {
	action Action
	// take does it: it changes the state, or returns why not.
	take func(*step, context.Context) error
	// offered says whether the environment has it at all; nil: always.
	offered func(*Engine, *store.Environment) bool
}

func recovers(e *Engine, env *store.Environment) bool  { return e.Users.OffersRecovery(env) }
func registers(e *Engine, env *store.Environment) bool { return e.Users.OffersRegistration(env) }

// machine is all that can happen. What is not here is refused; a terminal
// status has no row. PingOne has session.reset with PASSWORD_REQUIRED alone; here it is the way back from
// wherever a person may find that they are not the one.
var machine = map[Status][]row{
	UsernamePasswordRequired: {
		{CheckPassword, (*step).checkPassword, nil},
		{Forgot, (*step).forgot, recovers},
		{Register, (*step).register, registers},
		{Cancel, (*step).cancel, nil},
	},
	PasswordRequired: {
		{CheckPassword, (*step).checkPassword, nil},
		{Forgot, (*step).forgot, recovers},
		{ResetSession, (*step).resetSession, nil},
		{Cancel, (*step).cancel, nil},
	},
	PasswordExpired: {
		{ChangePassword, (*step).changePassword, nil},
		{ResetSession, (*step).resetSession, nil},
		{Cancel, (*step).cancel, nil},
	},
	MustChangePassword: {
		{ChangePassword, (*step).changePassword, nil},
		{ResetSession, (*step).resetSession, nil},
		{Cancel, (*step).cancel, nil},
	},
	RecoveryCodeRequired: {
		{Recover, (*step).recover, recovers},
		{SendRecoveryCode, (*step).sendRecoveryCode, recovers},
		{ResetSession, (*step).resetSession, nil},
		{Cancel, (*step).cancel, nil},
	},
	VerificationCodeRequired: {
		{Verify, (*step).verify, nil},
		{SendVerification, (*step).sendVerification, nil},
		{ResetSession, (*step).resetSession, nil},
		{Cancel, (*step).cancel, nil},
	},
	AccountSelectionRequired: {
		{SelectAccount, (*step).selectAccount, nil},
		{ResetSession, (*step).resetSession, nil},
		{Cancel, (*step).cancel, nil},
	},
	ConsentRequired: {
		{Consent, (*step).consent, nil},
		{ResetSession, (*step).resetSession, nil},
		{Cancel, (*step).cancel, nil},
	},
}

// find gives the row of an action in a status, or nil where it is not possible.
func (e *Engine) find(env *store.Environment, status Status, do Action) *row {
	rows := machine[status]
	for i := range rows {
		if rows[i].action == do && (rows[i].offered == nil || rows[i].offered(e, env)) {
			return &rows[i]
		}
	}
	return nil
}

// possible lists the actions of a status.
func (e *Engine) possible(env *store.Environment, status Status) []Action {
	var list []Action
	for _, r := range machine[status] {
		if r.offered == nil || r.offered(e, env) {
			list = append(list, r.action)
		}
	}
	return list
}

// step is one judgement of a flow: all that a row needs.
type step struct {
	*Engine
	env     *store.Environment
	browser *session.Browser
	client  *store.Client
	state   *state
	in      Input
}

// locale is the person's language for messages to them.
func (s *step) locale() string {
	if s.in.Locale == "" && len(s.state.Request.UILocales) > 0 {
		return s.state.Request.UILocales[0]
	}
	return s.in.Locale
}
