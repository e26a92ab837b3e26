package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// maxFamily stands for "without limit": nothing is kept for ever, and nobody
	// who has signed on before that is surprised to be asked again.
	maxFamily = 10 * 365 * 24 * time.Hour
	// barLife is how long a family that never began is kept from beginning: longer
	// than any request lasts.
	barLife = 10 * time.Minute
)

// Refresher makes, exchanges and ends refresh tokens (RFC 6749 §6, RFC 9700
// §4.14). Safe for concurrent use; not to be copied after first use.
//
// A token lives for the client's RefreshTokenTTL; all that are exchanged from
// each other live no longer than RefreshTokenRolling after the first, or ten
// years where there is no limit.
type Refresher struct {
	Store  store.RefreshTokens
	Sealer func(create bool) (*secret.Sealer, error)
	// NewSecret draws tokens.
	NewSecret func() secret.Value
	Now       func() time.Time
	// Replayed is told when a replay ended a family; nil tells nobody.
	Replayed func()

	mu     sync.Mutex // guards sealer
	sealer *secret.Sealer
}

// Held is a refresh token as it was found in the store.
type Held struct {
	Authorization Authorization
	ExpiresAt     time.Time // of the token
	Spent         bool      // exchanged
	Ended         bool      // with its whole family

	hash   store.Hash
	rolled time.Time // the end of the family
	bind   bool      // the store does not know Authorization.Bound yet
}

// Bind has the token that h is exchanged for bound to c, and those after it. It is worth something from the exchange on, and only where
// this very one makes the successor: within a grace period another one may have made it just now.
func (h *Held) Bind(c Confirmation) {
	h.Authorization.Bound, h.Authorization.BoundLater, h.bind = c, true, true
}

// Introspection is the whole answer of RFC 7662 §2.2 about a refresh token that
// works. It names no audience, and its token_type keeps resources from taking it
// for an access token.
func (h *Held) Introspection(env *store.Environment) []byte {
	a := &h.Authorization
	b := append(make([]byte, 0, 512), `{"active":true`...)
	if len(a.Scope) > 0 {
		b = member(b, "scope", join(a.Scope))
	}
	b = member(b, "client_id", a.Client)
	b = member(b, "token_type", "refresh_token")
	b = member(b, "iss", a.In(env).Issuer)
	b = member(b, "sub", a.On.Subject)
	b = seconds(b, "exp", h.ExpiresAt)
	b = signedOn(b, a.On.AuthTime, a.On.ACR, a.On.AMR)
	b = member(b, "sid", a.On.Session)
	b = member(b, claimGrant, a.Grant)
	if !a.Bound.IsZero() {
		b = confirmation(b, a.Bound)
	}
	return append(b, '}')
}

// Begin starts a family for a and returns its first token. store.ErrExists: the
// grant has a family already, or was barred from having one.
func (r *Refresher) Begin(ctx context.Context, env *store.Environment, client *store.Client, a Authorization) (secret.Value, error) {
	now := r.Now().UTC()
	f, err := family(env, a, now, now.Add(maxFamily))
	if err != nil {
		return secret.Value{}, err
	}
	if client.RefreshTokenRolling > 0 {
		f.ExpiresAt = now.Add(min(client.RefreshTokenRolling, maxFamily))
	}
	raw := r.NewSecret()
	// The first token is never given out again, so it need not be kept readable.
	err = r.Store.PutFamily(ctx, f, store.RefreshToken{Hash: raw.Hash(), ExpiresAt: expiry(client, now, f.ExpiresAt)})
	if errors.Is(err, store.ErrExists) {
		return secret.Value{}, err
	}
	if err != nil {
		return secret.Value{}, unavailable(fmt.Errorf("store refresh token: %w", err))
	}
	return raw, nil
}

// family is the record of a's family. What only the code needed is left out; the
// address that the code was sent to is shown where refresh tokens are listed.
func family(env *store.Environment, a Authorization, now, end time.Time) (store.Family, error) {
	if a.Issuer == "" {
		a.Issuer = env.Issuer
	}
	a.Nonce, a.Challenge, a.Method = "", "", ""
	data, err := json.Marshal(a)
	if err != nil {
		return store.Family{}, fmt.Errorf("encode authorization: %w", err)
	}
	return store.Family{
		Environment: env.ID, ID: a.Grant, Client: a.Client, Subject: a.On.Subject, Session: a.On.Session,
		Data: data, CreatedAt: now, ExpiresAt: end,
	}, nil
}

// expiry of a token made at now: never behind the end of its family.
func expiry(client *store.Client, now, end time.Time) time.Time {
	ttl := client.RefreshTokenTTL
	if ttl <= 0 {
		ttl = store.DefaultRefreshTokenTTL
	}
	if t := now.Add(min(ttl, maxFamily)); t.Before(end) {
		return t
	}
	return end
}

// Find looks a refresh token of any client up. store.ErrNotFound: unknown or
// expired.
func (r *Refresher) Find(ctx context.Context, env *store.Environment, raw secret.Value) (Held, error) {
	hash := store.Hash(raw.Hash())
	f, t, spent, err := r.Store.FamilyByToken(ctx, env.ID, hash, r.Now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Held{}, err
	case err != nil:
		return Held{}, unavailable(fmt.Errorf("read refresh token: %w", err))
	}
	h := Held{ExpiresAt: t.ExpiresAt, Spent: spent, Ended: f.Ended, hash: hash, rolled: f.ExpiresAt}
	if err := json.Unmarshal(f.Data, &h.Authorization); err != nil {
		return Held{}, fmt.Errorf("decode authorization: %w", err)
	}
	return h, nil
}

// FamilyHeld is the newest refresh token of a family, as far as store.ListFamilies says it; it cannot be exchanged.
func FamilyHeld(f store.Family) (Held, error) {
	h := Held{ExpiresAt: f.TokenExpiresAt, Ended: f.Ended, rolled: f.ExpiresAt}
	if err := json.Unmarshal(f.Data, &h.Authorization); err != nil {
		return Held{}, errors.New("token: the record of refresh tokens cannot be read")
	}
	return h, nil
}

// Exchange rotates h. Within the client's grace period every caller gets the same
// successor. store.ErrSpent: a replay; where client and environment are protected
// it has ended the family, and the grant is to be ended too. store.ErrNotFound:
// expired or ended meanwhile.
func (r *Refresher) Exchange(ctx context.Context, env *store.Environment, client *store.Client, h Held) (secret.Value, error) {
	now, raw := r.Now().UTC(), r.NewSecret()
	next := store.RefreshToken{Hash: raw.Hash(), ExpiresAt: expiry(client, now, h.rolled)}
	if h.bind {
		data, err := json.Marshal(h.Authorization)
		if err != nil {
			return secret.Value{}, fmt.Errorf("encode authorization: %w", err)
		}
		next.FamilyData = data
	}
	if client.RefreshTokenGrace > 0 {
		var err error
		if next.Sealed, err = r.seal(env, raw, next.Hash); err != nil {
			return secret.Value{}, err
		}
	}
	got, ended, err := r.Store.RotateRefreshToken(ctx, env.ID, h.hash, next, client.RefreshTokenGrace, Protected(env, client), now)
	if ended && r.Replayed != nil {
		r.Replayed()
	}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrSpent):
		return secret.Value{}, err
	case err != nil:
		return secret.Value{}, unavailable(fmt.Errorf("rotate refresh token: %w", err))
	case got.Hash == next.Hash:
		return raw, nil
	case len(got.Sealed) == 0:
		// The grace period came into being after that exchange: nobody can tell the
		// successor any more.
		return secret.Value{}, store.ErrNotFound
	}
	return r.open(env, got)
}

// Protected reports whether a replay ends the family.
func Protected(env *store.Environment, client *store.Client) bool {
	return env.Strict || !client.NoReplayProtection
}

// End ends the family of a, also one that is just about to begin: whoever begins
// it later gets store.ErrExists.
func (r *Refresher) End(ctx context.Context, env *store.Environment, a Authorization) error {
	ended, err := r.Store.EndFamilies(ctx, store.FamilyFilter{Environment: env.ID, ID: a.Grant})
	if err != nil {
		return unavailable(fmt.Errorf("end refresh tokens: %w", err))
	}
	if len(ended) > 0 {
		return nil
	}
	now := r.Now().UTC()
	f, err := family(env, a, now, now.Add(barLife))
	if err != nil {
		return err
	}
	err = r.Store.PutFamily(ctx, f, store.RefreshToken{Hash: r.NewSecret().Hash(), ExpiresAt: f.ExpiresAt})
	if err != nil && !errors.Is(err, store.ErrExists) { // which has ended, or began just now
		return unavailable(fmt.Errorf("bar refresh tokens: %w", err))
	}
	if _, err := r.Store.EndFamilies(ctx, store.FamilyFilter{Environment: env.ID, ID: a.Grant}); err != nil {
		return unavailable(fmt.Errorf("end refresh tokens: %w", err))
	}
	return nil
}

func (r *Refresher) seal(env *store.Environment, raw secret.Value, hash store.Hash) ([]byte, error) {
	s, err := r.opener()
	if err != nil {
		return nil, err
	}
	sealed, err := s.Seal([]byte(raw.Reveal()), additional(env, hash))
	if err != nil {
		return nil, fmt.Errorf("seal refresh token: %w", err)
	}
	return sealed, nil
}

func (r *Refresher) open(env *store.Environment, t store.RefreshToken) (secret.Value, error) {
	s, err := r.opener()
	if err != nil {
		return secret.Value{}, err
	}
	plain, err := s.Open(t.Sealed, additional(env, t.Hash))
	if err != nil {
		return secret.Value{}, fmt.Errorf("open refresh token: %w", err)
	}
	return secret.Of(string(plain)), nil
}

// additional binds a sealed token to its place, so that no row can be moved to
// another one.
func additional(env *store.Environment, hash store.Hash) []byte {
	return bytes.Join([][]byte{[]byte("gatehouse refresh token"), []byte(env.ID), hash[:]}, []byte{0})
}

// opener gives the sealer, asking for the secrets key until it once succeeded.
// The key exists: access tokens have been signed with what it seals.
func (r *Refresher) opener() (*secret.Sealer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sealer == nil {
		s, err := r.Sealer(false)
		if err != nil {
			return nil, unavailable(fmt.Errorf("secrets key: %w", err))
		}
		r.sealer = s
	}
	return r.sealer, nil
}
