package flow

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
)

// register makes an account, whose address has to be verified before anything
// else.
func (s *step) register(ctx context.Context) error {
	s.state.remember(s.in.Username)
	if err := require("username", s.in.Username, "email", s.in.Email, "password", s.in.Password); err != nil {
		return err
	}
	account := identity.Account{
		Username: s.in.Username, Email: s.in.Email, Password: s.in.Password,
		Claims: map[string]any{}, Locale: s.locale(),
	}
	for member, claim := range map[string]string{"given": "given_name", "family": "family_name"} {
		if text, ok := s.in.Name[member].(string); ok && text != "" {
			account.Claims[claim] = text
		}
	}
	user, err := s.Users.Register(ctx, s.env, account, s.browser.Address)
	if err != nil {
		return err
	}
	return s.settled(ctx, user)
}

// verify confirms the address with the code. Who has just proven their password
// is signed on; whose session was there before keeps the time of its sign-on.
func (s *step) verify(ctx context.Context) error {
	if err := require("verificationCode", s.in.VerificationCode); err != nil {
		return err
	}
	user, err := s.subject(ctx)
	if err != nil {
		return err
	}
	if user, err = s.Users.Verify(ctx, s.env, user, s.in.VerificationCode, s.browser.Address); err != nil {
		return err
	}
	if len(s.state.Proof) == 0 {
		return s.next(ctx)
	}
	return s.settled(ctx, user)
}

// sendVerification sends a new code.
func (s *step) sendVerification(ctx context.Context) error {
	user, err := s.subject(ctx)
	if err != nil {
		return err
	}
	return s.Users.SendVerification(ctx, s.env, user, s.locale(), s.browser.Address)
}
