package flow

import (
	"context"
)

// forgot begins the recovery of a password. Whether there is such a user, the
// flow goes the same way.
func (s *step) forgot(ctx context.Context) error {
	username, err := s.username(ctx)
	if err != nil {
		return err
	}
	if err := require("username", username); err != nil {
		return err
	}
	s.state.Username = ""
	s.state.remember(username)
	if err := s.sendRecoveryCode(ctx); err != nil {
		return err
	}
	s.state.Subject = "" // nobody has proven anything yet
	s.state.Status = RecoveryCodeRequired
	return nil
}

// sendRecoveryCode sends a new code.
func (s *step) sendRecoveryCode(ctx context.Context) error {
	return s.Users.Forgot(ctx, s.env, s.state.Username, s.locale(), s.browser.Address)
}

// recover sets a new password with the code. Who has both is signed on. Every
// other session of theirs ends: a password is forgotten, or somebody else has it.
func (s *step) recover(ctx context.Context) error {
	if err := require("recoveryCode", s.in.RecoveryCode, "newPassword", s.in.NewPassword); err != nil {
		return err
	}
	// The code is good once: whoever hangs up in the middle leaves nothing half done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
	defer cancel()
	user, err := s.Users.Recover(ctx, s.env, s.state.Username, s.in.RecoveryCode, s.in.NewPassword, s.browser.Address)
	if err != nil {
		return err
	}
	sessions, err := s.Sessions.List(ctx, s.env, user.ID)
	if err != nil {
		return fault("end sessions after a recovery", err)
	}
	var failed error
	for _, other := range sessions {
		if s.browser.Session != nil && s.browser.Session.ID == other.ID {
			continue
		}
		if _, err := s.Logout.End(ctx, s.env, other.ID, nil); err != nil {
			failed = err // the rest of them all the same
		}
	}
	if failed != nil {
		return fault("end sessions after a recovery", failed)
	}
	return s.settled(ctx, user)
}
