package session

import (
	"context"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// recent is how many sessions Newest looks at: whoever signs on again in an older one is
// found nevertheless, if they have not many.
const recent = 25

// Newest is the session that somebody signed on to last, or store.ErrNotFound.
func (s *Sessions) Newest(ctx context.Context, env *store.Environment, subject string) (*Session, error) {
	now := s.Now()
	found, err := s.Store.ListSessions(ctx, env.ID, subject, recent, now)
	if err != nil {
		return nil, fmt.Errorf("find the newest session: %w", err)
	}
	var newest *record
	for _, f := range found {
		rec, err := open(f)
		if err != nil {
			return nil, err
		}
		if !rec.over(env, now) && (newest == nil || rec.AuthTime > newest.AuthTime) {
			newest = rec
		}
	}
	if newest == nil {
		return nil, store.ErrNotFound
	}
	return newest.session(), nil
}
