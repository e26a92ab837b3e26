package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// CreateUser stores a new user, with a credential where that is not nil. An ID ""
// has one drawn; the caller has folded the username.
func (w *Writer) CreateUser(ctx context.Context, a Actor, env *store.Environment, u store.User, cred *store.Credential) (*store.User, error) {
	if u.ID == "" {
		u.ID = w.NewID()
	}
	err := again(ctx, func() error {
		p := w.plan(a, env)
		if err := p.createUser(ctx, &u, cred, w.uniqueUser); err != nil {
			return err
		}
		return p.commit(ctx)
	})
	if err != nil {
		return nil, err
	}
	u.Version = 1
	return &u, nil
}

// createUser adds a new user, unless free objects to an ID or username that somebody else has.
func (p *plan) createUser(ctx context.Context, u *store.User, cred *store.Credential, free func(context.Context, *store.User) error) error {
	u.Environment, u.Declared, u.Password, u.Version = p.env.ID, false, "", 0
	if u.CreatedAt.IsZero() {
		u.CreatedAt = p.now
	}
	u.UpdatedAt = p.now
	if !validID(u.ID) {
		return Invalid(Problemf(InvalidValue, "id", "must be 1 to %d printable characters of ASCII", maxID))
	}
	if err := free(ctx, u); err != nil {
		return err
	}
	if err := p.inPopulation(ctx, u); err != nil {
		return err
	}
	if !p.first("username "+u.Username, "") {
		return unique("username")
	}
	if !p.first("user "+u.ID, "") {
		return unique("id")
	}
	p.write.PutUsers = append(p.write.PutUsers, *u)
	if cred != nil {
		c := *cred
		c.Environment, c.Subject, c.Version = p.env.ID, u.ID, 0
		p.write.PutCredentials = append(p.write.PutCredentials, c)
	}
	after, err := userDocument(u, cred)
	if err != nil {
		return err
	}
	p.event(store.Event{Action: "USER.CREATED", Kind: store.KindUser, Object: u.ID, Name: u.Username, Parent: u.Population, After: after})
	return nil
}

// inPopulation adds that a user's population has to be there when they are stored.
func (p *plan) inPopulation(ctx context.Context, u *store.User) error {
	id := StoredPopulation(p.env.ID, u.Population)
	if id == "" {
		return nil
	}
	switch _, err := p.w.Live.Item(ctx, p.env, store.KindPopulation, "", id); {
	case errors.Is(err, store.ErrNotFound):
		return Invalid(Problemf(InvalidValue, "population.id", "must be a population of the environment"))
	case err != nil:
		return err
	}
	p.write.Expect = append(p.write.Expect, store.ObjectVersion{Kind: store.KindPopulation, ID: id})
	return nil
}

// uniqueUser refuses an ID or a username that somebody else has. Two changes at
// the same time can both pass; then the store refuses one.
func (w *Writer) uniqueUser(ctx context.Context, u *store.User) error {
	if u.Version == 0 {
		switch _, err := w.Live.UserByID(ctx, u.Environment, u.ID); {
		case err == nil:
			return unique("id")
		case !errors.Is(err, store.ErrNotFound):
			return cannotTell("find", store.KindUser, err)
		}
	}
	who, err := w.Live.declaredUsername(ctx, u.Environment, u.Username)
	if err != nil {
		return err
	}
	if who == "" {
		switch stored, err := w.Store.StoredUserByName(ctx, u.Environment, u.Username); {
		case err == nil:
			who = stored.ID
		case !errors.Is(err, store.ErrNotFound):
			return cannotTell("find", store.KindUser, err)
		}
	}
	if who != "" && who != u.ID {
		return unique("username")
	}
	return nil
}

// notDeclared refuses a username that a declared user has. Those of stored users
// are left to the store, which refuses them when it comes to that: see taken.
func (w *Writer) notDeclared(ctx context.Context, u *store.User) error {
	who, err := w.Live.declaredUsername(ctx, u.Environment, u.Username)
	if err == nil && who != "" {
		err = unique("username")
	}
	return err
}

// UpdateUser changes a user by edit, which may be called more than once. Of a declared user the credential
// alone can be changed: IsDeclared refuses a change of User.
func (w *Writer) UpdateUser(ctx context.Context, a Actor, env *store.Environment, id string, p Precondition, edit func(*UserChange) error) (*store.User, error) {
	var updated *store.User
	err := again(ctx, func() error {
		u, cred, err := w.changingUser(ctx, env, id, p)
		if err != nil {
			return err
		}
		change := w.plan(a, env)
		if updated, err = change.updateUser(ctx, u, cred, edit); err != nil {
			return err
		}
		return change.commit(ctx)
	})
	if err != nil {
		return nil, err
	}
	return updated, nil
}

// changingUser finds a user that is going to be changed, and their credential:
// one of Version 0 where none is stored.
func (w *Writer) changingUser(ctx context.Context, env *store.Environment, id string, p Precondition) (*store.User, *store.Credential, error) {
	u, err := w.Live.UserByID(ctx, env.ID, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil, NotFound()
	case err != nil:
		return nil, nil, cannotTell("find", store.KindUser, err)
	case p.Version != 0 && p.Version != u.Version:
		return nil, nil, PreconditionFailed()
	}
	cred, err := w.Store.CredentialOf(ctx, env.ID, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		cred = store.Credential{Environment: env.ID, Subject: id}
	case err != nil:
		return nil, nil, oauth.CannotTell("find a credential", err)
	}
	return u, &cred, nil
}

func (p *plan) updateUser(ctx context.Context, old *store.User, oldCred *store.Credential, edit func(*UserChange) error) (*store.User, error) {
	if !p.first("user "+old.ID, "") {
		return nil, unique("id")
	}
	user, cred := *old, *oldCred
	user.Claims = copyClaims(old.Claims)
	change := &UserChange{User: &user, Credential: &cred, Action: "USER.UPDATED"}
	if err := edit(change); err != nil {
		return nil, err
	}
	u, changed := change.User, !sameUser(old, change.User)
	switch {
	case u.ID != old.ID || u.Environment != old.Environment || u.Version != old.Version || u.Declared != old.Declared:
		return nil, fmt.Errorf("directory: a change of user %s is one of another", old.ID)
	case changed && old.Declared:
		return nil, IsDeclared(p.w.Live.Declared.DeclaredAt(p.env.ID, store.KindUser, old.ID))
	}
	credChanged := change.Credential != nil && !reflect.DeepEqual(*change.Credential, *oldCred)
	result := *u
	if changed {
		u.UpdatedAt = p.now
		result.UpdatedAt = p.now
		result.Version++
		if u.Username != old.Username {
			if err := p.w.uniqueUser(ctx, u); err != nil {
				return nil, err
			}
		}
		if u.Population != old.Population {
			if err := p.inPopulation(ctx, u); err != nil {
				return nil, err
			}
		}
		if !p.first("username "+u.Username, "") {
			return nil, unique("username")
		}
		p.write.PutUsers = append(p.write.PutUsers, *u)
	}
	if credChanged {
		c := *change.Credential
		c.Environment, c.Subject, c.Version = p.env.ID, old.ID, oldCred.Version
		p.write.PutCredentials = append(p.write.PutCredentials, c)
	}
	p.ends = append(p.ends, change.Ends...)
	if u.Disabled && !old.Disabled {
		p.ends = append(p.ends, End{Kind: store.RevokedSubject, Value: old.ID, All: true})
	}
	if change.NoEvent {
		return &result, nil
	}
	before, err := userDocument(old, oldCred)
	if err != nil {
		return nil, err
	}
	after, err := userDocument(u, change.Credential)
	if err != nil {
		return nil, err
	}
	p.event(store.Event{
		Action: change.Action, Kind: store.KindUser, Object: old.ID, Name: u.Username, Parent: u.Population, Before: before, After: after,
	})
	return &result, nil
}

// sameUser reports whether nothing of a user was changed that is stored.
func sameUser(a, b *store.User) bool {
	x, y := *a, *b
	x.Claims, y.Claims = nil, nil
	if !x.CreatedAt.Equal(y.CreatedAt) || !x.UpdatedAt.Equal(y.UpdatedAt) {
		return false
	}
	x.CreatedAt, x.UpdatedAt = y.CreatedAt, y.UpdatedAt
	if !reflect.DeepEqual(x, y) {
		return false
	}
	if len(a.Claims) == 0 && len(b.Claims) == 0 {
		return true
	}
	one, err := json.Marshal(a.Claims)
	other, otherErr := json.Marshal(b.Claims)
	return err == nil && otherErr == nil && string(one) == string(other)
}

// copyClaims copies claims to any depth.
func copyClaims(claims map[string]any) map[string]any {
	if claims == nil {
		return nil
	}
	c := maps.Clone(claims)
	for name, v := range c {
		c[name] = copyClaim(v)
	}
	return c
}

func copyClaim(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return copyClaims(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = copyClaim(v[i])
		}
		return list
	}
	return v
}

// DeleteUser deletes a user and what belongs to them, and ends what they hold.
func (w *Writer) DeleteUser(ctx context.Context, a Actor, env *store.Environment, id string, p Precondition) error {
	return again(ctx, func() error {
		change := w.plan(a, env)
		u, cred, err := w.changingUser(ctx, env, id, p)
		if err != nil {
			return err
		}
		if err := change.removeUser(ctx, u, cred); err != nil {
			return err
		}
		return change.commit(ctx)
	})
}

func (p *plan) removeUser(ctx context.Context, u *store.User, cred *store.Credential) error {
	if u.Declared {
		return IsDeclared(p.w.Live.Declared.DeclaredAt(p.env.ID, store.KindUser, u.ID))
	}
	if !p.first("user "+u.ID, "") {
		return unique("id")
	}
	before, err := userDocument(u, cred)
	if err != nil {
		return err
	}
	p.write.DeleteUsers = append(p.write.DeleteUsers, store.UserVersion{ID: u.ID, Version: u.Version})
	p.ends = append(p.ends, End{Kind: store.RevokedSubject, Value: u.ID, All: true})
	p.event(store.Event{Action: "USER.DELETED", Kind: store.KindUser, Object: u.ID, Name: u.Username, Parent: u.Population, Before: before})
	children, err := p.w.Live.descendants(ctx, p.env.ID, u.ID)
	if err != nil {
		return oauth.CannotTell("find what goes with it", err)
	}
	return p.farewell(ctx, slices.DeleteFunc(children, p.going))
}

// userDocument is a user for the audit log. Of the password it has only what
// became of it.
func userDocument(u *store.User, cred *store.Credential) ([]byte, error) {
	type credential struct {
		Stored      bool       `json:"stored"`
		MustChange  bool       `json:"mustChange,omitempty"`
		ChangedAt   *time.Time `json:"changedAt,omitempty"`
		Locked      bool       `json:"locked,omitempty"`
		LockedUntil *time.Time `json:"lockedUntil,omitempty"`
	}
	d := struct {
		Username     string         `json:"username"`
		Enabled      bool           `json:"enabled"`
		Population   string         `json:"population,omitempty"`
		Verified     bool           `json:"verified,omitempty"`
		MFAEnabled   bool           `json:"mfaEnabled,omitempty"`
		VerifyStatus string         `json:"verifyStatus,omitempty"`
		Claims       map[string]any `json:"claims,omitempty"`
		Password     *credential    `json:"password,omitempty"`
	}{
		Username: u.Username, Enabled: !u.Disabled, Population: u.Population, Verified: u.Verified,
		MFAEnabled: u.MFAEnabled, VerifyStatus: u.VerifyStatus, Claims: u.Claims,
	}
	if cred != nil && (cred.Version > 0 || cred.Password != "" || cred.MustChange || cred.Locked) {
		d.Password = &credential{
			Stored: cred.Password != "", MustChange: cred.MustChange, ChangedAt: whenSet(cred.ChangedAt),
			Locked: cred.Locked, LockedUntil: whenSet(cred.LockedUntil),
		}
	}
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write user %s: %w", u.ID, err)
	}
	return b, nil
}

// whenSet is a time, nil for none.
func whenSet(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
