package directory

import (
	"context"

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

// Builtin is what an object says that every environment has, as long as nobody has changed
// it; store.ErrNotFound for any other. It is the caller's.
func (l *Live) Builtin(ctx context.Context, env *store.Environment, kind store.ObjectKind, id string) (Document, error) {
	g, err := l.givensOf(ctx, env, kind)
	if err != nil {
		return nil, err
	}
	it := g.byID[id]
	if it == nil || !it.Builtin {
		return nil, store.ErrNotFound
	}
	draft, err := l.copied(it)
	if err != nil {
		return nil, err
	}
	return draft.Document, nil
}
