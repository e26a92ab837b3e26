package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Bounds of Records.List: how many records are read at once, and in all.
const (
	recordsAtOnce = 200
	recordsInAll  = 4000
)

// Records finds the records of access tokens that work now: neither expired nor revoked. Safe for concurrent use.
type Records struct {
	Store store.AccessTokens
	Set   *Revocations
	Now   func() time.Time
}

// ByID finds one, or store.ErrNotFound; temporarily_unavailable where it cannot be told.
func (r *Records) ByID(ctx context.Context, env *store.Environment, id string, expires time.Time) (*Record, error) {
	if err := r.Set.Wait(ctx); err != nil {
		return nil, unavailable(err)
	}
	t, err := r.Store.AccessTokenByID(ctx, env.ID, id, expires, r.Now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, unavailable(fmt.Errorf("find access token: %w", err))
	}
	found, err := r.live(t)
	if err == nil && found == nil {
		err = store.ErrNotFound
	}
	return found, err
}

// List lists those that f selects behind the ID after, oldest first, at most limit. next is "" at the end, and
// otherwise the ID to go on after; a page may be shorter than limit, or empty, and still have a next one, since no call looks at more
// than a few thousand.
func (r *Records) List(ctx context.Context, f store.AccessTokenFilter, after string, limit int) (page []*Record, next string, err error) {
	if err := r.Set.Wait(ctx); err != nil {
		return nil, "", unavailable(err)
	}
	if limit <= 0 {
		return nil, "", nil
	}
	now := r.Now()
	for seen := 0; seen < recordsInAll; {
		// One more than are wanted, to know whether this is the end.
		n := min(limit-len(page)+1, recordsAtOnce)
		tokens, err := r.Store.ListAccessTokens(ctx, f, after, n, now)
		if err != nil {
			return nil, "", unavailable(fmt.Errorf("list access tokens: %w", err))
		}
		for _, t := range tokens {
			if len(page) == limit {
				return page, after, nil
			}
			after = t.ID
			found, err := r.live(t)
			if err != nil {
				return nil, "", err
			}
			if found != nil {
				page = append(page, found)
			}
		}
		if len(tokens) < n {
			return page, "", nil
		}
		seen += n
	}
	return page, after, nil
}

// live is the record of t, and nil if it was revoked.
func (r *Records) live(t store.AccessToken) (*Record, error) {
	found, err := readRecord(t)
	if err != nil {
		return nil, err
	}
	switch revoked, err := r.Set.Revoked(t.Environment, found.holder()); {
	case err != nil:
		return nil, unavailable(err)
	case revoked:
		return nil, nil
	}
	return found, nil
}
