package token

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Withdrawal takes back what a person has granted to an application. Safe for concurrent use; every field
// is required.
type Withdrawal struct {
	Store interface {
		store.Consents
		store.AccessTokens
		store.RefreshTokens
	}
	Revoker *Revoker
	Now     func() time.Time
}

// Withdraw forgets the person's consent to the client, and ends all that the client holds of them: refresh tokens first, so
// that no more access tokens come of them, and then every authorization that an access token is left of. When it
// returns nil that is durable, and every check in this process sees it. Nothing to end is no error. It goes on when
// ctx is cancelled, so that nothing is left half ended; an error is temporarily_unavailable, and then the same call can
// be made again.
//
// A code that was given out just before still brings tokens where the client is one that people are not asked about: nothing
// was withdrawn from it that it could not have again.
func (w *Withdrawal) Withdraw(ctx context.Context, env *store.Environment, subject, client string) error {
	if subject == "" || client == "" {
		return nil // that would be everybody's
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	// The consent first: who has not agreed any more is asked again, so no new tokens come of it.
	if err := w.Store.DeleteConsent(ctx, env.ID, subject, client); err != nil && !errors.Is(err, store.ErrNotFound) {
		return oauth.CannotTell("withdraw consent", err)
	}
	ended, err := w.Store.EndFamilies(ctx, store.FamilyFilter{Environment: env.ID, Subject: subject, Client: client})
	if err != nil {
		return oauth.CannotTell("end refresh tokens", err)
	}
	grants := map[string]bool{}
	for _, f := range ended {
		grants[f.ID] = true
	}
	alone, err := w.accessTokens(ctx, env, subject, client, grants)
	if err != nil {
		return err
	}
	for id := range grants {
		a := Authorization{Grant: id, Client: client, On: SignedOn{Subject: subject}, TTL: store.MaxAccessTokenTTL}
		if err := w.Revoker.EndGrant(ctx, env, a); err != nil {
			return err
		}
	}
	for _, t := range alone {
		if err := w.Revoker.End(ctx, env, &Record{AccessToken: t}); err != nil {
			return err
		}
	}
	return nil
}

// accessTokens adds the authorizations that access tokens came of to grants; the tokens without one, or with that of the client whose
// token they were exchanged for, are alone.
func (w *Withdrawal) accessTokens(ctx context.Context, env *store.Environment, subject, client string, grants map[string]bool) (alone []store.AccessToken, err error) {
	const pageSize = 500
	f := store.AccessTokenFilter{Environment: env.ID, Subject: subject, Client: client}
	for after := ""; ; {
		tokens, err := w.Store.ListAccessTokens(ctx, f, after, pageSize, w.Now())
		if err != nil {
			return nil, oauth.CannotTell("list access tokens", err)
		}
		for _, t := range tokens {
			after = t.ID
			switch r, err := readRecord(t); {
			case err != nil:
				return nil, err
			case t.Grant == "", r.exchanged():
				alone = append(alone, t)
			default:
				grants[t.Grant] = true
			}
		}
		if len(tokens) < pageSize {
			return alone, nil
		}
	}
}
