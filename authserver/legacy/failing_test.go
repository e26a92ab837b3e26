package legacy_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// failing is a store whose tokens cannot be read for as long as tokens is set.
type failing struct {
	store.Store
	tokens atomic.Bool
}

func (f *failing) around(s store.Store) store.Store {
	f.Store = s
	return f
}

func (f *failing) AccessTokenByID(ctx context.Context, environment, id string, expires, now time.Time) (store.AccessToken, error) {
	if f.tokens.Load() {
		return store.AccessToken{}, store.ErrUnavailable
	}
	return f.Store.AccessTokenByID(ctx, environment, id, expires, now)
}

func (f *failing) ListAccessTokens(ctx context.Context, filter store.AccessTokenFilter, after string, limit int, now time.Time) ([]store.AccessToken, error) {
	if f.tokens.Load() {
		return nil, store.ErrUnavailable
	}
	return f.Store.ListAccessTokens(ctx, filter, after, limit, now)
}

func (f *failing) FamilyByToken(ctx context.Context, environment string, hash store.Hash, now time.Time) (store.Family, store.RefreshToken, bool, error) {
	if f.tokens.Load() {
		return store.Family{}, store.RefreshToken{}, false, store.ErrUnavailable
	}
	return f.Store.FamilyByToken(ctx, environment, hash, now)
}

func (f *failing) ListFamilies(ctx context.Context, filter store.FamilyFilter, after string, limit int, now time.Time) ([]store.Family, error) {
	if f.tokens.Load() {
		return nil, store.ErrUnavailable
	}
	return f.Store.ListFamilies(ctx, filter, after, limit, now)
}
