package identity

import (
	"maps"

	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// What administrators say of an account beside its profile is kept among its
// claims, under PingOne's names. None of it is a claim that a client gets by a
// scope.
const (
	claimAccount   = "account"          // an object: canAuthenticate
	claimLifecycle = "lifecycle"        // an object: status, suppressVerificationCode
	claimProvider  = "identityProvider" // an object: id, type
	// claimSpelling is the username as it was spelt, where that is not how it is compared.
	claimSpelling = "preferred_username"
)

// Lifecycle says whether an account waits for its e-mail address to be confirmed.
type Lifecycle string

const (
	LifecycleOK           Lifecycle = "ACCOUNT_OK"
	LifecycleVerification Lifecycle = "VERIFICATION_REQUIRED"
)

// LifecycleOf is what an administrator said of an account; where none said anything it follows from whether
// the address was confirmed.
func LifecycleOf(user *store.User) Lifecycle {
	switch said, _ := member(user, claimLifecycle, "status").(string); {
	case user.Verified, user.Declared, said == string(LifecycleOK):
		return LifecycleOK
	}
	return LifecycleVerification
}

// CanAuthenticate reports whether an administrator lets the person sign on.
func CanAuthenticate(user *store.User) bool {
	can, said := member(user, claimAccount, "canAuthenticate").(bool)
	return can || !said
}

// ProviderPingOne is the identity provider of those whose passwords are kept here.
const ProviderPingOne = "PING_ONE"

// ProviderOf is the type of the identity provider that vouches for a person.
func ProviderOf(user *store.User) string {
	if kind, _ := member(user, claimProvider, "type").(string); kind != "" {
		return kind
	}
	return ProviderPingOne
}

// External reports whether somebody else than this server knows the person's password.
func External(user *store.User) bool { return ProviderOf(user) != ProviderPingOne }

// barred reports whether no password lets the person in.
func barred(user *store.User) bool { return !CanAuthenticate(user) || External(user) }

func member(user *store.User, claim, name string) any {
	object, _ := user.Claims[claim].(map[string]any)
	return object[name]
}

// Spelling is a person's username as it was spelt when it was given.
func Spelling(user *store.User) string {
	if spelt, _ := user.Claims[claimSpelling].(string); !user.Declared && Fold(spelt) == user.Username {
		return spelt
	}
	return user.Username
}

// SetUsername gives a stored user a name: compared as folded, shown as spelt. It reports whether the name
// can be one at all.
func SetUsername(user *store.User, spelt string) bool {
	folded := Fold(spelt)
	if !assignableUsername(spelt, folded) {
		return false
	}
	user.Username = folded
	user.Claims = maps.Clone(user.Claims) // the store's, perhaps
	if user.Claims == nil {
		user.Claims = map[string]any{}
	}
	delete(user.Claims, claimSpelling)
	if spelt != folded {
		user.Claims[claimSpelling] = spelt
	}
	return true
}

// CheckAddress says what is wrong with an e-mail address.
func CheckAddress(address string) error { return notify.CheckAddress(address) }
