package management

import (
	"errors"
	"net/http"
	"time"

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

// replaceUser replaces a user's profile. What has a path of its own stays as it is: whether they are enabled, locked or
// want a second factor, their population and their password. What an administrator says of the account beside that
// (account.canAuthenticate, identityProvider, lifecycle) stays where it is not said again.
func (c *call) replaceUser() error { return c.changeUser(true) }

// patchUser changes what is sent; null takes away.
func (c *call) patchUser() error { return c.changeUser(false) }

func (c *call) changeUser(whole bool) error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	u, err := c.user()
	if err != nil {
		return err
	}
	var b body
	if err := c.read(&b); err != nil {
		return err
	}
	if err := c.mayChange(u, b, whole); err != nil {
		return err
	}
	if !whole && c.who.ByRole(access.UpdateUser, c.env, userTarget(u)) {
		if err := c.mayPatch(u, b); err != nil {
			return err
		}
	}
	state, err := c.api.Users.AccountOf(c.r.Context(), c.env, u)
	if err != nil {
		return err
	}
	var j judgement
	var lock identity.Edit
	if !whole { // to lock has a path of its own, and what was read a while ago says nothing of it
		lock = j.lock(c, b, state.Locked)
	}
	if err := c.mayLock(lock, u); err != nil {
		return err
	}
	self := !c.who.ByRole(access.UpdateUser, c.env, userTarget(u))

	// Once beforehand, for what there is to refuse, and then on the user as stored.
	apply := func(u *store.User, cred *store.Credential) error {
		j := judgement{problems: j.problems}
		j.profile(u, b, whole)
		if !self {
			j.account(u, b)
		}
		if !whole {
			c.patchRest(&j, u, b, self)
		}
		if err := j.verdict(); err != nil {
			return err
		}
		if lock != nil {
			return lock(u, cred)
		}
		return nil
	}
	draft, cred := *u, store.Credential{}
	if !u.Declared {
		if err := apply(&draft, &cred); err != nil {
			return err
		}
		if err := c.freeUsername(&draft); err != nil {
			return err
		}
	}
	if !whole && !self {
		if id := j.population(b); id != "" {
			if err := c.knownPopulation(&j, id); err != nil {
				return err
			}
			if err := j.verdict(); err != nil {
				return err
			}
		}
	}
	return c.writeUser(u, precondition, "", func(ch *directory.UserChange) error {
		return apply(ch.User, ch.Credential)
	})
}

// mayPatch asks for what members with a path of their own need.
func (c *call) mayPatch(u *store.User, b body) error {
	if isNull(b["population"]) {
		return nil
	}
	var j judgement
	if id := j.population(b); id != "" && id != directory.PopulationOf(u) {
		return c.require(access.UpdateUser, access.Target{Population: id}, false)
	}
	return nil
}

// patchRest writes what PUT leaves to paths of its own. People may change none of it about themselves.
func (c *call) patchRest(j *judgement, u *store.User, b body, self bool) {
	enabled, saysEnabled := j.truth(b["enabled"], "enabled")
	mfa, saysMFA := j.truth(b["mfaEnabled"], "mfaEnabled")
	verified, saysVerified := j.truth(b["emailVerified"], "emailVerified")
	population := j.population(b)
	if self {
		return
	}
	if saysEnabled {
		u.Disabled = !enabled
	}
	if saysMFA {
		u.MFAEnabled = mfa
	}
	if saysVerified && u.Claims["email"] != nil && !asksForVerification(b) {
		setVerified(u, verified)
	}
	if population != "" {
		u.Population = directory.StoredPopulation(c.env.ID, population)
	}
}

// writeUser stores a change of a user and answers with them.
func (c *call) writeUser(u *store.User, p directory.Precondition, action string, edit func(*directory.UserChange) error) error {
	changed, err := c.changeAs(u, p, action, edit)
	if err != nil {
		return err
	}
	return c.showUser(http.StatusOK, changed)
}

// changeAs stores a change of a user with a word of its own for the audit log; "" is the usual one.
func (c *call) changeAs(u *store.User, p directory.Precondition, action string, edit func(*directory.UserChange) error) (*store.User, error) {
	return c.api.Writer.UpdateUser(c.r.Context(), c.actor(), c.env, u.ID, p, func(ch *directory.UserChange) error {
		if action != "" {
			ch.Action = action
		}
		return edit(ch)
	})
}

// lockUser locks or unlocks an account, by the type of the request. The lock of a declared user is kept
// apart from what is declared.
func (c *call) lockUser() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	edit, action := c.api.Users.Lock(time.Time{}), "USER.LOCKED"
	if c.isOf(typeUnlock) {
		edit, action = c.api.Users.Unlock(), "USER.UNLOCKED"
	}
	return c.writeUser(u, directory.Precondition{}, action, func(ch *directory.UserChange) error {
		return edit(ch.User, ch.Credential)
	})
}

func (c *call) readEnabled() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.part(u, "enabled", !u.Disabled)
}

// updateEnabled enables a user, or disables them: then everything that they hold ends, which is Writer's business.
func (c *call) updateEnabled() error {
	u, enabled, err := c.flag("enabled")
	if err != nil {
		return err
	}
	u, err = c.changeAs(u, directory.Precondition{}, "", func(ch *directory.UserChange) error {
		ch.User.Disabled = !enabled
		return nil
	})
	if err != nil {
		return err
	}
	return c.part(u, "enabled", !u.Disabled)
}

func (c *call) readMFAEnabled() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.part(u, "mfaEnabled", u.MFAEnabled)
}

// updateMFAEnabled keeps what is asked for; there is no second factor yet to want.
func (c *call) updateMFAEnabled() error {
	u, enabled, err := c.flag("mfaEnabled")
	if err != nil {
		return err
	}
	u, err = c.changeAs(u, directory.Precondition{}, "", func(ch *directory.UserChange) error {
		ch.User.MFAEnabled = enabled
		return nil
	})
	if err != nil {
		return err
	}
	return c.part(u, "mfaEnabled", u.MFAEnabled)
}

// flag reads the user of the path and a body of one member that is true or false.
func (c *call) flag(name string) (u *store.User, value bool, err error) {
	if u, err = c.user(); err != nil {
		return nil, false, err
	}
	var b body
	if err := c.read(&b); err != nil {
		return nil, false, err
	}
	var j judgement
	value, said := j.truth(b[name], name)
	if !said && j.problems == nil {
		j.add(directory.RequiredValue, name, "must be true or false")
	}
	return u, value, j.verdict()
}

// part answers with one member of a user that has a path of its own.
func (c *call) part(u *store.User, name string, value any) error {
	return c.reply(http.StatusOK, map[string]any{
		"_links": c.links(c.userHref(u.ID, "/", name), map[string]string{"environment": "/environments/" + c.env.ID, "user": c.userHref(u.ID)}),
		name:     value,
	})
}

func (c *call) readUserPopulation() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.showUserPopulation(u)
}

// moveUser puts a user into another population: the caller must be able to change users in both.
func (c *call) moveUser() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	var b body
	if err := c.read(&b); err != nil {
		return err
	}
	var j judgement
	id, ok := j.text(b["id"], "id", 64)
	if !ok && j.problems == nil {
		j.add(directory.RequiredValue, "id", "must not be empty")
	}
	if err := j.verdict(); err != nil {
		return err
	}
	if err := c.require(access.UpdateUser, access.Target{Population: id}, false); err != nil {
		return err
	}
	if err := c.knownPopulation(&j, id); err != nil {
		return err
	}
	if err := j.verdict(); err != nil {
		return err
	}
	u, err = c.changeAs(u, directory.Precondition{}, "", func(ch *directory.UserChange) error {
		ch.User.Population = directory.StoredPopulation(c.env.ID, id)
		return nil
	})
	if err != nil {
		return err
	}
	return c.showUserPopulation(u)
}

func (c *call) showUserPopulation(u *store.User) error {
	population := directory.PopulationOf(u)
	return c.reply(http.StatusOK, map[string]any{
		"_links": c.links(c.userHref(u.ID, "/population"), map[string]string{
			"environment": "/environments/" + c.env.ID, "user": c.userHref(u.ID),
			"population": "/environments/" + c.env.ID + "/populations/" + population,
		}),
		"id": population,
	})
}
