package flow

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// consent takes the person's word on the scopes that the flow has shown them;
// no others can be named. It is theirs alone: with another session in the
// browser than the one that was asked, the question is put again.
func (s *step) consent(ctx context.Context) error {
	st := s.state
	if !s.in.Accept {
		st.fail(denied())
		return nil
	}
	if s.browser.Session == nil || s.browser.Session.Subject != st.Subject {
		return s.next(ctx)
	}
	if err := s.keepConsent(ctx); err != nil {
		return err
	}
	st.Agreed = s.browser.Session.ID
	return s.next(ctx)
}

// keepConsent stores what was agreed to, together with what was before.
func (s *step) keepConsent(ctx context.Context) error {
	st := s.state
	record, err := s.Consents.ConsentTo(ctx, s.env.ID, st.Subject, s.client.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fault("find consent", err)
	}
	record.Environment, record.Subject, record.Client, record.UpdatedAt = s.env.ID, st.Subject, s.client.ID, s.Now().UTC()
	record.Add(st.Consent)
	if err := s.Consents.PutConsent(ctx, record); err != nil {
		return fault("keep consent", err)
	}
	return nil
}

// asked are the scopes that the person is asked to agree to, with what they are for.
func (s *step) asked(ctx context.Context) ([]Scope, error) {
	var all []Scope
	for _, a := range s.state.Consent {
		scope := Scope{Name: a.Scope(), Resource: a.Resource()}
		if scope.Resource != "" {
			r, err := s.Directory.ResourceByID(ctx, s.env.ID, scope.Resource)
			switch {
			case err == nil:
				scope.ResourceName = r.Name
			case errors.Is(err, store.ErrNotFound): // gone meanwhile, and so are its scopes
				scope.ResourceName = scope.Resource
			default:
				return nil, fault("find the resource of a scope", err)
			}
		}
		all = append(all, scope)
	}
	return all, nil
}
