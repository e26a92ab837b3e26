package management

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

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
	v["verifyStatus"] = verifyStatuses[0]
	if u.VerifyStatus != "" {
		v["verifyStatus"] = u.VerifyStatus
	}
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

// listUsers answers with a page of users. How much it costs is bounded, whatever the filter: a page may be shorter
// than its limit, or empty, and there are more all the same, where it has a next link.
func (c *call) listUsers() error {
	p, err := c.page(mostUsers)
	if err != nil {
		return err
	}
	populations, all := c.who.Populations(access.ReadUser, c.env)
	if !all && len(populations) == 0 {
		return forbidden() // whoever may read themselves alone
	}
	f, err := c.userFilter(populations, all)
	if err != nil {
		return err
	}
	at, ok := openPlace(p.after, len(f.alternatives))
	if !ok {
		return invalidParameter("cursor", "is not one of this collection and filter")
	}
	found, next, more, err := f.page(c.r.Context(), c.api.Live, c.api.Users, c.env, at, p.limit)
	if err != nil {
		return err
	}
	states, err := c.accountsOf(found)
	if err != nil {
		return err
	}
	items := make([]any, len(found))
	for i, u := range found {
		v := c.userView(u, states[i])
		if err := c.include(v); err != nil {
			return err
		}
		items[i] = v
	}
	after := ""
	if more {
		after = sealPlace(next)
	}
	return c.collection("users", items, after)
}

// sealPlace writes a place into a cursor.
func sealPlace(at userPlace) string {
	enc := base64.RawURLEncoding
	return strconv.Itoa(at.alternative) + "." + enc.EncodeToString([]byte(at.mark.Value)) + "." + enc.EncodeToString([]byte(at.mark.ID))
}

// openPlace reads what sealPlace wrote; "" is the beginning.
func openPlace(text string, alternatives int) (at userPlace, ok bool) {
	if text == "" {
		return at, true
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return at, false
	}
	n, err := strconv.ParseUint(parts[0], 10, 16)
	value, err2 := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	id, err3 := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || err2 != nil || err3 != nil || int(n) >= alternatives {
		return at, false
	}
	return userPlace{int(n), store.UserMark{Value: string(value), ID: string(id)}}, true
}

// accountsOf reads how the accounts of a page stand, some at a time.
func (c *call) accountsOf(users []*store.User) ([]identity.AccountState, error) {
	const atOnce = 8
	ctx, cancel := context.WithCancelCause(c.r.Context())
	defer cancel(nil)
	states := make([]identity.AccountState, len(users))
	var wg sync.WaitGroup
	for first := range min(atOnce, len(users)) {
		wg.Go(func() {
			for i := first; i < len(users) && ctx.Err() == nil; i += atOnce {
				var err error
				if states[i], err = c.api.Users.AccountOf(ctx, c.env, users[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return states, nil
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
