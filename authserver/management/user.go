package management

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Vendor types of users (PingOne's).
const (
	typeImport = "application/vnd.pingidentity.user.import+json"
	typeLock   = "application/vnd.pingidentity.account.lock+json"
	typeUnlock = "application/vnd.pingidentity.account.unlock+json"
)

const (
	usersPath = "/environments/{environmentID}/users"
	userPath  = usersPath + "/{userID}"
	// mostUsers is the most that a page of users has (PingOne's).
	mostUsers = 200
)

// userRoutes are users and what is decided about them one by one.
func (a *API) userRoutes() []route {
	one := func(name, method, path string, p access.Permission, summary string, serve func(c *call) error) route {
		return route{
			name: name, method: method, path: path, permission: p, somewhere: true, serve: serve, summary: summary,
			status: http.StatusOK, response: userShape{},
		}
	}
	self := func(r route) route { r.target = selfTarget; return r }
	taking := func(r route, request map[string]any) route { r.request = request; return r }
	answering := func(r route, status int, response any) route { r.status, r.response = status, response; return r }
	json := func(v any) map[string]any { return map[string]any{typeJSON: v} }

	list := one("user.list", http.MethodGet, usersPath, access.ReadUser, "Lists users, those whom a filter names alone.", (*call).listUsers)
	list.query = append(slices.Clone(paging), parameter{"filter", "A SCIM filter: eq, sw, ew and co on attributes of the users, with and, or, not and parentheses."})
	list.isPage = "users"
	read := one("user.read", http.MethodGet, userPath, access.ReadUser, "Reads a user.", (*call).readUser)
	read.query = []parameter{{"include", "memberOfGroupIDs and memberOfGroupNames show lists, which are empty: there are no groups."}}

	return []route{
		list,
		answering(taking(one("user.create", http.MethodPost, usersPath, access.CreateUser, "Creates a user; the import type takes a password, and whether the account is locked.", (*call).createUser),
			map[string]any{typeJSON: userShape{}, typeImport: importShape{}}), http.StatusCreated, userShape{}),
		self(read),
		self(taking(one("user.update", http.MethodPut, userPath, access.UpdateUser, "Replaces a user's profile.", (*call).replaceUser), json(userShape{}))),
		self(taking(one("user.patch", http.MethodPatch, userPath, access.UpdateUser, "Changes members of a user.", (*call).patchUser), json(userShape{}))),
		answering(one("user.delete", http.MethodDelete, userPath, access.DeleteUser, "Deletes a user and ends what they hold.", (*call).deleteUser), http.StatusNoContent, nil),
		taking(one("user.lock", http.MethodPost, userPath, access.LockUser, "Locks or unlocks the account.", (*call).lockUser),
			map[string]any{typeLock: nil, typeUnlock: nil}),
		answering(one("user.enabled.read", http.MethodGet, userPath+"/enabled", access.ReadUser, "Tells whether a user is enabled.", (*call).readEnabled), http.StatusOK, enabledShape{}),
		answering(taking(one("user.enabled.update", http.MethodPut, userPath+"/enabled", access.UpdateUser, "Enables a user, or disables them and ends what they hold.", (*call).updateEnabled),
			json(enabledShape{})), http.StatusOK, enabledShape{}),
		answering(one("user.mfaEnabled.read", http.MethodGet, userPath+"/mfaEnabled", access.ReadUser, "Tells whether a second factor is wanted of a user.", (*call).readMFAEnabled), http.StatusOK, mfaEnabledShape{}),
		answering(taking(one("user.mfaEnabled.update", http.MethodPut, userPath+"/mfaEnabled", access.UpdateUser, "Keeps whether a second factor is wanted of a user.", (*call).updateMFAEnabled),
			json(mfaEnabledShape{})), http.StatusOK, mfaEnabledShape{}),
		answering(one("user.identityProvider.read", http.MethodGet, userPath+"/identityProvider", access.ReadUser, "Tells who vouches for a user.", (*call).readIdentityProvider), http.StatusOK, providerShape{}),
		answering(taking(one("user.identityProvider.update", http.MethodPut, userPath+"/identityProvider", access.UpdateUser, "Says who vouches for a user.", (*call).updateIdentityProvider),
			json(providerShape{})), http.StatusOK, providerShape{}),
		answering(one("user.verifyStatus.read", http.MethodGet, userPath+"/verifyStatus", access.ReadUser, "Tells whether a user has shown who they are.", (*call).readVerifyStatus), http.StatusOK, verifyStatusShape{}),
		answering(taking(one("user.verifyStatus.update", http.MethodPut, userPath+"/verifyStatus", access.UpdateUser, "Keeps whether a user has shown who they are.", (*call).updateVerifyStatus),
			json(verifyStatusShape{})), http.StatusOK, verifyStatusShape{}),
		answering(one("user.population.read", http.MethodGet, userPath+"/population", access.ReadUser, "Tells which population a user is in.", (*call).readUserPopulation), http.StatusOK, reference{}),
		answering(taking(one("user.population.update", http.MethodPut, userPath+"/population", access.UpdateUser, "Moves a user to another population.", (*call).moveUser),
			json(reference{})), http.StatusOK, reference{}),
		func() route {
			r := one("user.device.list", http.MethodGet, userPath+"/devices", access.ReadUser, "Lists second factors: none, since none can be enrolled yet.", (*call).listDevices)
			r.response, r.isPage, r.query = reference{}, "devices", paging
			return r
		}(),
	}
}

// userTarget is what a permission on a user is asked for.
func userTarget(u *store.User) access.Target {
	return access.Target{Population: directory.PopulationOf(u), User: u.ID}
}

// selfTarget lets people do to themselves what a route is for, as far as a scope of theirs gives it
// (pingone-auth.md 18.2).
func selfTarget(c *call) access.Target { return access.Target{User: c.param("userID")} }

// user finds the user of the path, if the caller may do to them what the route is for: to whoever may do
// it to some people alone, others are not there.
func (c *call) user() (*store.User, error) {
	u, err := c.api.Users.ByID(c.r.Context(), c.env, c.param("userID"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, web.NotFound()
	case err != nil:
		return nil, err
	}
	if c.route.target == nil && !c.who.ByRole(c.route.permission, c.env, userTarget(u)) {
		return nil, web.NotFound()
	}
	return u, c.require(c.route.permission, userTarget(u), true)
}

// userHref is the path of a user, or of what is below it.
func (c *call) userHref(id string, below ...string) string {
	return "/environments/" + c.env.ID + "/users/" + id + strings.Join(below, "")
}

// userView is a user as answers show them.
func (c *call) userView(u *store.User, state identity.AccountState) map[string]any {
	population := directory.PopulationOf(u)
	v := profileOf(u)
	v["_links"] = c.links(c.userHref(u.ID), map[string]string{
		"environment":     "/environments/" + c.env.ID,
		"population":      "/environments/" + c.env.ID + "/populations/" + population,
		"password":        c.userHref(u.ID, "/password"),
		"sessions":        c.userHref(u.ID, "/sessions"),
		"devices":         c.userHref(u.ID, "/devices"),
		"roleAssignments": c.userHref(u.ID, "/roleAssignments"),
	})
	v["id"], v["environment"], v["population"] = u.ID, reference{c.env.ID}, reference{population}
	v["enabled"], v["mfaEnabled"] = !u.Disabled, u.MFAEnabled
	if _, ok := v["email"]; ok {
		v["emailVerified"] = u.Verified || u.Declared && u.Claims["email_verified"] != false
	}
	v["account"], v["lifecycle"], v["identityProvider"] = c.accountOf(u, state), lifecycleOf(u), providerOf(u)
	v["verifyStatus"] = verifyStatusOf(u)
	if !u.CreatedAt.IsZero() {
		v["createdAt"] = timestamp(u.CreatedAt)
	}
	if !u.UpdatedAt.IsZero() {
		v["updatedAt"] = timestamp(u.UpdatedAt)
	}
	return v
}

// showUser answers with one user.
func (c *call) showUser(status int, u *store.User) error {
	state, err := c.api.Users.AccountOf(c.r.Context(), c.env, u)
	if err != nil {
		return err
	}
	c.showVersion(u.Version)
	v := c.userView(u, state)
	if err := c.include(v); err != nil {
		return err
	}
	newest, err := c.api.Sessions.Newest(c.r.Context(), c.env, u.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	default:
		on := map[string]any{"at": timestamp(newest.AuthTime)}
		if newest.Address != "" {
			on["remoteIp"] = newest.Address
		}
		v["lastSignOn"] = on
	}
	return c.reply(status, c.visibleTo(u, v))
}

// include adds what the query asks for: groups, of which there are none.
func (c *call) include(v map[string]any) error {
	query, err := c.queryValues()
	if err != nil || !query.Has("include") {
		return err
	}
	for name := range strings.SplitSeq(query.Get("include"), ",") {
		switch name {
		case "memberOfGroupIDs", "memberOfGroupNames":
			v[name] = []string{}
		default:
			return invalidParameter("include", "must be memberOfGroupIDs, memberOfGroupNames or both")
		}
	}
	return nil
}

func (c *call) readUser() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.showUser(http.StatusOK, u)
}

// deleteUser deletes a user. What they hold ends with it.
func (c *call) deleteUser() error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	u, err := c.user()
	if err != nil {
		return err
	}
	if err := c.api.Writer.DeleteUser(c.r.Context(), c.actor(), c.env, u.ID, precondition); err != nil {
		return err
	}
	return c.noContent()
}

// listDevices answers with no second factor.
func (c *call) listDevices() error {
	if _, err := c.user(); err != nil {
		return err
	}
	if _, err := c.page(maxPage); err != nil {
		return err
	}
	return c.collection("devices", nil, "")
}
