package flow

import (
	"context"
	"errors"
	"slices"

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
	scopes := slices.Concat(record.Scopes, st.Consent)
	slices.Sort(scopes)
	err = s.Consents.PutConsent(ctx, store.ConsentRecord{
		Environment: s.env.ID, Subject: st.Subject, Client: s.client.ID,
		Scopes: slices.Compact(scopes), UpdatedAt: s.Now().UTC(),
	})
	if err != nil {
		return fault("keep consent", err)
	}
	return nil
}
