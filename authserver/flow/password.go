package flow

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// pwd is the amr value of a password (RFC 8176 §2).
const pwd = "pwd"

// checkPassword proves who somebody is.
func (s *step) checkPassword(ctx context.Context) error {
	username, err := s.username(ctx)
	if err != nil {
		return err
	}
	if err := require("username", username, "password", s.in.Password); err != nil {
		return err
	}
	user, standing, err := s.Users.CheckPassword(ctx, s.env, username, s.in.Password, s.browser.Address)
	if err != nil {
		return err
	}
	return s.proved(ctx, user, standing)
}

// username is what was typed, or the name of the one person who can go on;
// another name is refused before anything is learnt about it.
func (s *step) username(ctx context.Context) (string, error) {
	if s.state.Fixed == "" {
		s.state.remember(s.in.Username)
		return s.in.Username, nil
	}
	user, err := s.subject(ctx)
	if err != nil {
		return "", err
	}
	if s.in.Username != "" && identity.Fold(s.in.Username) != identity.Fold(user.Username) {
		return "", oauth.InvalidData(oauth.Detail{
			Code: "INVALID_VALUE", Target: "username", Message: "The session belongs to another user",
		})
	}
	return user.Username, nil
}

// subject is the person whom the flow is about. One who has gone meanwhile, or
// was disabled, is refused; the flow has to be begun anew.
func (s *step) subject(ctx context.Context) (*store.User, error) {
	user, err := s.Users.ByID(ctx, s.env, s.state.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, notPossible("The account is not available")
	case err != nil:
		return nil, fault("find the flow's person", err)
	case user.Disabled:
		return nil, notPossible("The account is not available")
	}
	return user, nil
}

// proved goes on after somebody proved who they are. There is no session before
// what standing demands is done.
func (s *step) proved(ctx context.Context, user *store.User, standing identity.Standing) error {
	st := s.state
	switch {
	case user.Disabled, standing == identity.StandingLocked:
		return notPossible("The account is not available")
	case st.Fixed != "" && user.ID != st.Fixed:
		return notPossible("The session belongs to another user")
	case !st.Request.About(s.client, user):
		st.fail(unwanted())
		return nil
	}
	st.Subject, st.Proof = user.ID, []string{pwd}
	if standing == identity.StandingGood {
		return s.signOn(ctx, user)
	}
	return s.wait(standing)
}

// settled is proved after something else was settled: what remains is asked anew.
func (s *step) settled(ctx context.Context, user *store.User) error {
	standing, err := s.Users.StandingOf(ctx, s.env, user)
	if err != nil {
		return err
	}
	return s.proved(ctx, user, standing)
}

// wait puts the flow where what standing demands is done.
func (s *step) wait(standing identity.Standing) error {
	switch standing {
	case identity.StandingMustChange:
		s.state.Status = MustChangePassword
	case identity.StandingExpired:
		s.state.Status = PasswordExpired
	case identity.StandingUnverified:
		s.state.Status = VerificationCodeRequired
	default:
		return fmt.Errorf("no such standing: %q", standing)
	}
	return nil
}

// changePassword replaces a password that is expired or temporary. The current
// one is proven again: between the two requests anybody may have sat down.
func (s *step) changePassword(ctx context.Context) error {
	if err := require("currentPassword", s.in.CurrentPassword, "newPassword", s.in.NewPassword); err != nil {
		return err
	}
	user, err := s.subject(ctx)
	if err != nil {
		return err
	}
	if err := s.Users.ChangePassword(ctx, s.env, user, s.in.CurrentPassword, s.in.NewPassword, s.browser.Address); err != nil {
		return err
	}
	return s.settled(ctx, user)
}

// signOn makes the browser signed on, and the flow its new cookie's.
func (s *step) signOn(ctx context.Context, user *store.User) error {
	st := s.state
	if before := s.browser.Session; before != nil && before.Subject != user.ID {
		// The session of the person before goes first, with all that hangs on it: if that fails, nothing has
		// happened and it can be tried again. The other way round its tokens would live on
		// with nobody left who could sign them off.
		if _, err := s.Logout.End(ctx, s.env, before.ID, nil); err != nil {
			return fault("end the session of the person before", err)
		}
	}
	replaced, err := s.Sessions.SignOn(ctx, s.env, s.browser, session.SignOn{Subject: user.ID, ACR: authorize.SingleFactor, AMR: st.Proof})
	if err != nil {
		return fault("sign on", err)
	}
	st.Proven = s.browser.Session.ID
	if replaced != nil { // it was not gone yet after all
		if err := s.Logout.EndReplaced(ctx, s.env, replaced); err != nil {
			return fault("end the session of the person before", err)
		}
	}
	return s.next(ctx)
}
