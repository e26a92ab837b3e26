package management

import (
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

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
		decided := u.VerifyStatus
		j.profile(u, b, whole)
		if self {
			u.VerifyStatus = decided // that somebody is who they say is not theirs to say
		} else {
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
