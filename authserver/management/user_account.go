package management

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// identityProviders are the types of PingOne.
var identityProviders = []string{
	identity.ProviderPingOne, "FACEBOOK", "GOOGLE", "LINKEDIN", "LINKEDIN_OIDC", "APPLE", "TWITTER", "AMAZON", "YAHOO", "MICROSOFT",
	"PAYPAL", "GITHUB", "OPENID_CONNECT", "SAML",
}

// account writes what b says of the account into u: account.canAuthenticate, identityProvider and lifecycle.
// What b does not say stays as it is. The lock in account.status is of the credential: see lock.
func (j *judgement) account(u *store.User, b body) {
	if account := j.object(b, "account"); account != nil {
		can, said := j.truth(account["canAuthenticate"], "account.canAuthenticate")
		if said {
			delete(u.Claims, "account")
			if !can {
				u.Claims["account"] = map[string]any{"canAuthenticate": false}
			}
		}
	}
	j.provider(u, b)
	j.lifecycle(u, b)
}

// provider keeps who vouches for the person. Nobody signs on here by another one than PING_ONE.
func (j *judgement) provider(u *store.User, b body) {
	provider := j.object(b, "identityProvider")
	if provider == nil {
		return
	}
	kept := map[string]any{}
	if id, ok := j.text(provider["id"], "identityProvider.id", 64); ok {
		if !isUUID(id) {
			j.add(directory.InvalidValue, "identityProvider.id", "must be a UUID")
		}
		kept["id"] = id
	}
	kind, ok := j.text(provider["type"], "identityProvider.type", 64)
	if ok && !slices.Contains(identityProviders, kind) {
		j.oneOf("identityProvider.type", identityProviders)
		return
	}
	if ok && kind != identity.ProviderPingOne {
		kept["type"] = kind
	}
	delete(u.Claims, "identityProvider")
	if len(kept) > 0 {
		u.Claims["identityProvider"] = kept
	}
}

// lifecycle keeps whether the person has to confirm their address before they sign on.
func (j *judgement) lifecycle(u *store.User, b body) {
	lifecycle := j.object(b, "lifecycle")
	if lifecycle == nil {
		return
	}
	status, ok := j.text(lifecycle["status"], "lifecycle.status", 64)
	allowed := []string{string(identity.LifecycleOK), string(identity.LifecycleVerification)}
	if ok && !slices.Contains(allowed, status) {
		j.oneOf("lifecycle.status", allowed)
		return
	}
	suppress, said := j.truth(lifecycle["suppressVerificationCode"], "lifecycle.suppressVerificationCode")
	old, _ := u.Claims["lifecycle"].(map[string]any)
	kept := maps.Clone(old)
	if kept == nil {
		kept = map[string]any{}
	}
	if ok {
		kept["status"] = status
	}
	if said {
		kept["suppressVerificationCode"] = suppress
	}
	if len(kept) > 0 {
		u.Claims["lifecycle"] = kept
	}
	if status == string(identity.LifecycleVerification) {
		setVerified(u, false)
	}
}

// lock is the change that account.status asks for; nil where it says nothing new. locked is whether the account
// is.
func (j *judgement) lock(c *call, b body, locked bool) identity.Edit {
	account := j.object(b, "account")
	if account == nil {
		return nil
	}
	status, ok := j.text(account["status"], "account.status", 16)
	var until time.Time
	if at, said := j.text(account["unlockAt"], "account.unlockAt", 64); said {
		var err error
		if until, err = time.Parse(time.RFC3339, at); err != nil {
			j.add(directory.InvalidValue, "account.unlockAt", "must be a date-time (RFC 3339)")
		}
	}
	switch {
	case !ok:
	case status == "LOCKED" && !locked:
		return c.api.Users.Lock(until)
	case status == "OK" && locked:
		return c.api.Users.Unlock()
	case status != "LOCKED" && status != "OK":
		j.oneOf("account.status", []string{"OK", "LOCKED"})
	}
	return nil
}

// mayLock asks for the permission to lock or unlock a user, where edit does.
func (c *call) mayLock(edit identity.Edit, u *store.User) error {
	if edit == nil {
		return nil
	}
	return c.require(access.LockUser, userTarget(u), false)
}

// accountOf is the member account of an answer.
func (c *call) accountOf(u *store.User, state identity.AccountState) map[string]any {
	v := map[string]any{"canAuthenticate": identity.CanAuthenticate(u), "status": "OK"}
	if !state.Locked {
		return v
	}
	v["status"] = "LOCKED"
	if !state.LockedAt.IsZero() {
		v["lockedAt"] = timestamp(state.LockedAt)
	}
	if !state.UnlockAt.IsZero() {
		v["unlockAt"] = timestamp(state.UnlockAt)
		v["secondsUntilUnlock"] = wholeSeconds(state.UnlockAt.Sub(c.api.Now()))
	}
	return v
}

// wholeSeconds rounds up: at that time it is over.
func wholeSeconds(d time.Duration) int64 { return int64((max(0, d) + time.Second - 1) / time.Second) }

// lifecycleOf is the member lifecycle of an answer.
func lifecycleOf(u *store.User) map[string]any {
	v := map[string]any{"status": string(identity.LifecycleOf(u))}
	if kept, _ := u.Claims["lifecycle"].(map[string]any); kept["suppressVerificationCode"] != nil {
		v["suppressVerificationCode"] = kept["suppressVerificationCode"]
	}
	return v
}

// providerOf is the member identityProvider of an answer.
func providerOf(u *store.User) map[string]any {
	v := map[string]any{"type": identity.ProviderOf(u)}
	if kept, _ := u.Claims["identityProvider"].(map[string]any); kept["id"] != nil {
		v["id"] = kept["id"]
	}
	return v
}

// population is the ID in the member population; "" where there is none.
func (j *judgement) population(b body) string {
	population := j.object(b, "population")
	if population == nil {
		return ""
	}
	id, ok := j.text(population["id"], "population.id", 64)
	if !ok && isNull(population["id"]) {
		j.add(directory.RequiredValue, "population.id", "must not be empty")
	}
	return id
}

// importedPassword is the member password of an import.
func (j *judgement) importedPassword(b body) *identity.NewPassword {
	password := j.object(b, "password")
	if password == nil {
		return nil
	}
	if !isNull(password["external"]) {
		j.add(directory.InvalidValue, "password.external", "is not offered: passwords are kept here, or by an identity provider")
	}
	p := &identity.NewPassword{Target: "password.value"}
	p.Value, _ = secretText(password["value"])
	p.ForceChange, _ = j.truth(password["forceChange"], "password.forceChange")
	if p.Value == "" {
		j.add(directory.RequiredValue, "password.value", "must not be empty")
	}
	return p
}

// secretText reads text that no error may quote.
func secretText(raw json.RawMessage) (text string, ok bool) {
	return text, json.Unmarshal(raw, &text) == nil
}

// lowerUUID is how IDs are written that this server draws.
var lowerUUID = pattern.New(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func isUUID(id string) bool { return lowerUUID.MatchString(id) }
