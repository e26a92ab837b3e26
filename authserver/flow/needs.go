package flow

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// next decides what has to happen now, and puts the flow there. The order is
// that of the questions: who is it, did they prove it as the request wants it, may they go on, do they agree.
func (s *step) next(ctx context.Context) error {
	st := s.state
	user, err := s.person(ctx)
	if err != nil {
		return err
	}
	st.Subject, st.Fixed, st.Session, st.Consent, st.Proof = "", "", "", nil, nil
	proven := st.Proven != "" && user != nil && s.browser.Session.ID == st.Proven
	switch {
	case user == nil:
		st.Status = UsernamePasswordRequired
		return nil
	case !st.Request.About(s.client, user) && proven:
		st.fail(unwanted())
		return nil
	case !st.Request.About(s.client, user):
		st.Status = UsernamePasswordRequired
		return nil
	}

	st.Subject = user.ID
	switch {
	case !proven && s.mustProve():
		st.Status, st.Fixed = PasswordRequired, user.ID
		return nil
	case !proven && slices.Contains(st.Request.Prompt, oauth.PromptSelectAccount) && st.Selected != user.ID:
		st.Status = AccountSelectionRequired
		return nil
	case !reaches(st.Request.Claims, s.browser.Session.ACR):
		st.fail(unmet())
		return nil
	}

	standing, err := s.Users.StandingOf(ctx, s.env, user)
	if err != nil {
		return err
	}
	switch standing {
	case identity.StandingGood:
	case identity.StandingLocked:
		// Their session goes on where it is used, and signs them on to nothing more.
		st.Subject, st.Status = "", UsernamePasswordRequired
		return nil
	default:
		return s.wait(standing)
	}
	// Not before they have proved who they are: it says something about them.
	admitted, err := store.Admits(ctx, s.Directory, s.client, user)
	switch {
	case err != nil:
		return fault("find out whom the application admits", err)
	case !admitted:
		st.fail(notAdmitted())
		return nil
	}
	ask, err := s.mustConsent(ctx, user)
	if err != nil {
		return err
	}
	if ask {
		if st.Consent, err = s.toAgree(ctx, user); err != nil {
			return err
		}
		st.Status = ConsentRequired
		return nil
	}
	st.Status, st.Session = Completed, s.browser.Session.ID
	return nil
}

// person is whose session the browser has; nil where it has none, or where the
// person is gone or disabled.
func (s *step) person(ctx context.Context) (*store.User, error) {
	if s.browser.Session == nil {
		return nil, nil
	}
	user, err := s.Users.ByID(ctx, s.env, s.browser.Session.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fault("find the session's person", err)
	case user.Disabled:
		return nil, nil
	}
	return user, nil
}

// mustProve reports whether the session is not enough, however fresh it looks.
func (s *step) mustProve() bool {
	st := s.state
	if slices.Contains(st.Request.Prompt, oauth.PromptLogin) {
		return true
	}
	limit := s.client.DefaultMaxAge
	if st.Request.MaxAge != nil {
		// A number of seconds beyond any session's life is no limit; it must not overflow.
		limit = time.Duration(min(max(*st.Request.MaxAge, 0), int64(100*365*24*time.Hour/time.Second))) * time.Second
	} else if limit == 0 {
		return false
	}
	// auth_time is cut to whole seconds, so a session may count as one second older
	// than it is, never as younger. Zero asks for a new proof always, as prompt=login does.
	return limit <= 0 || s.Now().Sub(s.browser.Session.AuthTime) > limit
}

// reaches reports whether acr is good enough for an essential acr claim (OIDC
// Core §5.5.1.1). A voluntary one never fails a request.
func reaches(asked oauth.ClaimsRequest, acr string) bool {
	want, ok := asked.IDToken["acr"]
	if !ok || !want.Essential {
		return true
	}
	if want.Value == "" && len(want.Values) == 0 {
		return acr != ""
	}
	return want.Value != "" && want.Value == acr || slices.Contains(want.Values, acr)
}

// mustConsent reports whether the person has to agree to the scopes first.
//
// Diverges from PingOne, which ignores prompt=consent for codes and has no
// clients that ask.
func (s *step) mustConsent(ctx context.Context, user *store.User) (bool, error) {
	st := s.state
	if st.Agreed != "" && st.Agreed == s.browser.Session.ID {
		return false, nil
	}
	if slices.Contains(st.Request.Prompt, oauth.PromptConsent) {
		return true, nil
	}
	switch s.client.Consent {
	case store.ConsentNever:
		return false, nil
	case store.ConsentOnce:
	default:
		return true, nil
	}
	if s.client.AuthMethod == oauth.AuthNone && !provable(st.Request.ReplyTo.URI) {
		// Any program of the device can call itself this client (RFC 8252 §8.6), so
		// what was agreed to earlier may have been agreed to for another one.
		return true, nil
	}
	record, err := s.Consents.ConsentTo(ctx, s.env.ID, user.ID, s.client.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return true, nil
	case err != nil:
		return false, fault("find consent", err)
	}
	asked, err := s.toAgree(ctx, user)
	return !record.Covers(asked), err
}

// toAgree is what the person has to agree to.
func (s *step) toAgree(ctx context.Context, user *store.User) ([]store.Agreement, error) {
	request, o := s.state.Request, &store.OpenID{}
	if len(request.Claims.IDToken)+len(request.Claims.UserInfo) > 0 {
		var err error
		if o, err = s.Directory.OpenID(ctx, s.env.ID); err != nil {
			return nil, fault("find the resource of OpenID Connect", err)
		}
	}
	return s.client.Agreements(request.Consent(o, s.client, user), request.Resources), nil
}

// provable reports whether only the client itself can receive what is sent to
// the address: an https one has an owner, a custom scheme or a loopback port
// has not.
func provable(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Scheme == "https"
}
