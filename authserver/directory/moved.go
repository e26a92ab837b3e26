package directory

import (
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Moved tells how the IDs change of what every environment has when what refers to
// them moves from one environment to another: of built-in objects, of themselves and of their
// organizations. IDs that stay are not in it.
func Moved(from, to *store.Environment) map[string]string {
	ids := map[string]string{}
	add := func(a, b string) {
		if a != "" && a != b {
			ids[a] = b
		}
	}
	add(from.ID, to.ID)
	add(from.Organization, to.Organization)
	add(PasswordPolicy(from.ID), PasswordPolicy(to.ID))
	add(defaultTheme(from.ID), defaultTheme(to.ID))
	add(LicenseID(from.Organization), LicenseID(to.Organization))
	// How an environment is set up changes what its built-in objects say, and not which ones there are.
	alike := *to
	alike.ID, alike.Organization = from.ID, from.Organization
	for _, k := range kinds {
		if k.builtin == nil {
			continue
		}
		here := k.builtin(to)
		for i, there := range k.builtin(&alike) {
			add(there.ID, here[i].ID)
		}
	}
	return ids
}

// Resettable reports whether deleting a built-in object of a kind takes back what
// was changed of it.
func Resettable(kind store.ObjectKind) bool {
	k, err := kindOf(kind)
	return err == nil && k.resettable
}
