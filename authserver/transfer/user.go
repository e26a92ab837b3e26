package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// person is what a file says of a user.
type person struct {
	Username string `json:"username"`
	Enabled  *bool  `json:"enabled"`
	// Population is an ID; absent is the environment's first one.
	Population   string         `json:"population,omitempty"`
	Verified     bool           `json:"verified,omitempty"`
	MFAEnabled   bool           `json:"mfaEnabled,omitempty"`
	VerifyStatus string         `json:"verifyStatus,omitempty"`
	Claims       map[string]any `json:"claims,omitempty"`
}

// describe says of a user what a file says of them.
func describe(u *store.User) *person {
	enabled := !u.Disabled
	return &person{
		Username: u.Username, Enabled: &enabled, Population: directory.StoredPopulation(u.Environment, u.Population),
		Verified: u.Verified, MFAEnabled: u.MFAEnabled, VerifyStatus: u.VerifyStatus, Claims: u.Claims,
	}
}

// credential is the sealed part of a user.
type credential struct {
	Password   string    `json:"password,omitempty"` // its hash
	MustChange bool      `json:"mustChange,omitempty"`
	ChangedAt  time.Time `json:"changedAt,omitzero"`
	Locked     bool      `json:"locked,omitempty"`
	LockedAt   time.Time `json:"lockedAt,omitzero"`
}

// credentialOf is what moves of a credential; nil for nothing. Counts of failures
// and pending codes stay where they are.
func (t *Transfer) credentialOf(ctx context.Context, env *store.Environment, u *store.User) (*credential, error) {
	cred, err := t.Store.CredentialOf(ctx, env.ID, u.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, oauth.CannotTell("find a credential", err)
	}
	password, err := t.Users.Kept(ctx, env, u, cred)
	if err != nil {
		return nil, oauth.CannotTell("find a password", err)
	}
	c := &credential{Password: password, MustChange: cred.MustChange, Locked: cred.Locked}
	if cred.Password != "" {
		c.ChangedAt = cred.ChangedAt
	}
	if cred.Locked {
		c.LockedAt = cred.LockedAt
	}
	if *c == (credential{}) {
		return nil, nil
	}
	return c, nil
}

// Limits of what a file may say of a user.
const (
	maxClaims       = 200
	maxVerifyStatus = 64
)

// check judges a person as far as the file alone allows.
func (p *person) check() error {
	var wrong []directory.Problem
	add := func(code, target, format string, args ...any) {
		wrong = append(wrong, directory.Problemf(code, target, format, args...))
	}
	switch probe := (store.User{}); {
	case p.Username == "":
		add(directory.RequiredValue, "username", "must not be empty")
	case !identity.SetUsername(&probe, p.Username):
		add(directory.InvalidValue, "username", "cannot be a username")
	case probe.Username != p.Username:
		add(directory.InvalidValue, "username", "must be as it is compared: in lower case and normal form")
	}
	if p.Enabled == nil {
		add(directory.RequiredValue, "enabled", "must be true or false")
	}
	if len(p.VerifyStatus) > maxVerifyStatus {
		add(directory.SizeLimitExceeded, "verifyStatus", "must not be longer than %d bytes", maxVerifyStatus)
	}
	if len(p.Claims) > maxClaims {
		add(directory.SizeLimitExceeded, "claims", "must not be more than %d", maxClaims)
	}
	for name := range p.Claims {
		if name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
			add(directory.InvalidValue, "claims", "must have names, without control characters")
		}
	}
	switch email := p.Claims["email"].(type) {
	case nil:
	case string:
		if email != "" && identity.CheckAddress(email) != nil {
			add(directory.InvalidValue, "claims.email", "is not an e-mail address")
		}
	default:
		add(directory.InvalidValue, "claims.email", "must be a string")
	}
	return directory.Invalid(wrong...)
}

// user makes of a line what is to be done about it; nil for nothing.
func (im *importer) user(ctx context.Context, o *object) (*change, error) {
	var p person
	if err := known(o.Document, &p); err != nil {
		return nil, invalid("%s", err)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.Population = directory.StoredPopulation(im.env.ID, im.moved(p.Population))
	if err := im.population(ctx, p.Population); err != nil {
		return nil, err
	}
	old, err := im.Live.UserByID(ctx, im.env.ID, o.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, oauth.CannotTell("find a user", err)
	}
	u := &store.User{
		Environment: im.env.ID, ID: o.ID, Username: p.Username, Disabled: !*p.Enabled, Verified: p.Verified, Claims: p.Claims,
		Population: p.Population, MFAEnabled: p.MFAEnabled, VerifyStatus: p.VerifyStatus,
	}
	after, err := json.Marshal(describe(u))
	if err != nil {
		return nil, fmt.Errorf("encode user %s: %w", o.ID, err)
	}
	c := &change{
		Change:     directory.Change{Kind: store.KindUser, ID: o.ID, User: u},
		difference: Difference{Action: actionCreate, Kind: store.KindUser, ID: o.ID, Name: p.Username},
	}
	if old != nil {
		before, err := json.Marshal(describe(old))
		if err != nil {
			return nil, fmt.Errorf("encode user %s: %w", o.ID, err)
		}
		if c.difference.Changes = changes(before, after); old.Declared {
			if len(c.difference.Changes) > 0 {
				return nil, directory.IsDeclared(im.Live.Declared.DeclaredAt(im.env.ID, store.KindUser, o.ID))
			}
			return nil, nil // their password is where they are declared, too
		}
		c.difference.Action, u.Version, u.CreatedAt = actionUpdate, old.Version, old.CreatedAt
	}
	if err := im.credential(ctx, o, c, old); err != nil {
		return nil, err
	}
	if old != nil && len(c.difference.Changes) == 0 && c.Credential == nil {
		return nil, nil
	}
	return c, nil
}

// credential adds the password of a line to a change, where it is another one than is there.
func (im *importer) credential(ctx context.Context, o *object, c *change, old *store.User) error {
	if len(o.Sealed) == 0 {
		return nil
	}
	part, err := im.opened(o)
	if err != nil {
		return err
	}
	var want credential
	if err := decode(part, &want); err != nil {
		return invalid("has a sealed part that is not a credential")
	}
	cred := store.Credential{Environment: im.env.ID, Subject: o.ID}
	if old != nil {
		have, err := im.credentialOf(ctx, im.env, old)
		switch {
		case err != nil:
			return err
		case have != nil && have.equal(&want):
			return nil
		}
		if cred, err = im.Store.CredentialOf(ctx, im.env.ID, o.ID); errors.Is(err, store.ErrNotFound) {
			cred = store.Credential{Environment: im.env.ID, Subject: o.ID}
		} else if err != nil {
			return oauth.CannotTell("find a credential", err)
		}
		c.difference.Secret = true
	}
	cred.Password, cred.MustChange, cred.ChangedAt, cred.Locked, cred.LockedAt = want.Password, want.MustChange, want.ChangedAt, want.Locked, want.LockedAt
	c.Credential = &cred
	return nil
}

func (c *credential) equal(o *credential) bool {
	return c.Password == o.Password && c.MustChange == o.MustChange && c.Locked == o.Locked &&
		c.ChangedAt.Equal(o.ChangedAt) && c.LockedAt.Equal(o.LockedAt)
}

// population refuses one that is neither there nor in the file. stored is as store.User has it.
func (im *importer) population(ctx context.Context, stored string) error {
	if stored == "" || im.populations[stored] {
		return nil
	}
	if !im.dry || !im.inFile(store.KindPopulation, stored) {
		switch _, err := im.Live.Item(ctx, im.env, store.KindPopulation, "", stored); {
		case errors.Is(err, store.ErrNotFound):
			return directory.Invalid(directory.Problemf(directory.InvalidValue, "population", "is not one of the environment"))
		case err != nil:
			return err
		}
	}
	im.populations[stored] = true
	return nil
}
