package management

import (
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// createUser makes a user: without a password, or, imported, with one and with what else is decided about an
// account one by one.
func (c *call) createUser() error {
	imported := c.isOf(typeImport)
	var b body
	if err := c.read(&b); err != nil {
		return err
	}
	if imported {
		done, err := c.turn()
		if err != nil {
			return err
		}
		defer done()
	}
	ctx := c.r.Context()

	// authorize: of populations that the caller may put nobody into nothing is told
	var j judgement
	population := j.population(b)
	if population == "" && j.problems == nil {
		var err error
		if population, err = c.api.Live.DefaultPopulation(ctx, c.env); err != nil {
			return err
		}
	}
	if err := c.require(access.CreateUser, access.Target{Population: population}, false); err != nil {
		return err
	}

	// validate
	now := c.api.Now()
	u := &store.User{Environment: c.env.ID, ID: c.api.NewID(), CreatedAt: now, UpdatedAt: now}
	j.profile(u, b, true)
	if u.Claims["lifecycle"] = map[string]any{"status": string(identity.LifecycleOK)}; !isNull(b["lifecycle"]) {
		delete(u.Claims, "lifecycle")
	}
	j.account(u, b)
	if enabled, said := j.truth(b["enabled"], "enabled"); said {
		u.Disabled = !enabled
	}
	if mfa, said := j.truth(b["mfaEnabled"], "mfaEnabled"); said {
		u.MFAEnabled = mfa
	}
	if verified, said := j.truth(b["emailVerified"], "emailVerified"); said && u.Claims["email"] != nil && !asksForVerification(b) {
		setVerified(u, verified)
	}
	var password *identity.NewPassword
	var lock identity.Edit
	switch {
	case imported:
		password, lock = j.importedPassword(b), j.lock(c, b, false)
	case !isNull(b["password"]):
		j.add(directory.InvalidValue, "password", "is taken as %s alone", typeImport)
	default:
		lock = j.lock(c, b, false)
	}
	if err := c.knownPopulation(&j, population); err != nil {
		return err
	}
	u.Population = directory.StoredPopulation(c.env.ID, population)
	if err := j.verdict(); err != nil {
		return err
	}
	if err := c.freeUsername(u); err != nil {
		return err
	}
	if err := c.mayLock(lock, u); err != nil {
		return err
	}
	cred, err := c.firstCredential(u, password, lock)
	if err != nil {
		return err
	}

	// act
	created, err := c.api.Writer.CreateUser(ctx, c.actor(), c.env, *u, cred)
	if err != nil {
		return err
	}
	c.askForVerification(created, b)

	// respond
	return c.showUser(http.StatusCreated, created)
}

// asksForVerification reports whether a body says that the address is to be confirmed.
func asksForVerification(b body) bool {
	var j judgement
	status, _ := j.text(j.object(b, "lifecycle")["status"], "", 64)
	return status == string(identity.LifecycleVerification)
}

// askForVerification sends a new person the code to confirm their address by, where that is wanted. They
// can have it sent again when they sign on: that it failed now is in the log alone.
func (c *call) askForVerification(u *store.User, b body) {
	if !asksForVerification(b) {
		return
	}
	var j judgement
	if suppressed, _ := j.truth(j.object(b, "lifecycle")["suppressVerificationCode"], ""); suppressed {
		return
	}
	locale, _ := userText(u, "preferredLanguage")
	if err := c.api.Users.SendVerification(c.r.Context(), c.env, u, locale, c.api.Address(c.r)); err != nil {
		c.api.Writer.Log.Info("no verification code was sent to a new user", "environment", c.env.ID, "user", u.ID)
	}
}

// knownPopulation refuses a population that there is not.
func (c *call) knownPopulation(j *judgement, id string) error {
	switch _, err := c.api.Live.Item(c.r.Context(), c.env, store.KindPopulation, "", id); {
	case errors.Is(err, store.ErrNotFound):
		j.add(directory.InvalidValue, "population.id", "must be a population of the environment")
	case err != nil:
		return err
	}
	return nil
}

// freeUsername refuses a name that somebody else has, declared or stored. Whoever is quicker is found out when
// it is stored.
func (c *call) freeUsername(u *store.User) error {
	switch other, err := c.api.Users.ByName(c.r.Context(), c.env, u.Username); {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	case other.ID != u.ID:
		return directory.Invalid(directory.Problemf(directory.UniquenessViolation, "username", "is unique but a non-unique value is provided"))
	}
	return nil
}

// firstCredential is what a new user signs on with; nil for nothing.
func (c *call) firstCredential(u *store.User, password *identity.NewPassword, lock identity.Edit) (*store.Credential, error) {
	if password == nil && lock == nil {
		return nil, nil
	}
	cred := &store.Credential{Environment: c.env.ID, Subject: u.ID}
	if password != nil {
		edit, err := c.api.Users.SetPassword(c.r.Context(), c.env, u, *password)
		if err == nil {
			err = edit(u, cred)
		}
		if err != nil {
			return nil, err
		}
	}
	if lock != nil {
		if err := lock(u, cred); err != nil {
			return nil, err
		}
	}
	return cred, nil
}
