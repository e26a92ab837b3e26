package directory

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// givens are the objects of a kind that nobody stored: what is built in, and what
// configuration declares. They never change while a configuration stands.
type givens struct {
	builtin, declared []*Item // by ID
	byID              map[string]*Item
	byKey             map[string][]*Item // of Keyed
}

// givensOf makes them once for an environment. They follow from its ID,
// organization and API audience, which never change.
func (l *Live) givensOf(ctx context.Context, env *store.Environment, kind store.ObjectKind) (*givens, error) {
	room, list := l.room(""), l.declaredEnvironments
	if kind != store.KindEnvironment {
		room, list = l.room(env.ID), l.declaredItems
	}
	room.mu.Lock()
	g := room.given[kind]
	room.mu.Unlock()
	if g != nil {
		return g, nil
	}
	k, err := kindOf(kind)
	if err != nil {
		return nil, err
	}
	g = &givens{byID: map[string]*Item{}, byKey: map[string][]*Item{}}
	declared, err := list(ctx, env, k)
	if err != nil {
		return nil, err
	}
	if err := l.give(g, env, kind, declared); err != nil {
		return nil, err
	}
	if k.builtin != nil && env != nil {
		builtin := k.builtin(env)
		for i := range builtin {
			builtin[i].Builtin = true
		}
		if err := l.give(g, env, kind, builtin); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(g.builtin, byID)
	slices.SortFunc(g.declared, byID)

	room.mu.Lock()
	defer room.mu.Unlock()
	if first := room.given[kind]; first != nil {
		return first, nil
	}
	if room.given == nil {
		room.given = map[store.ObjectKind]*givens{}
	}
	room.given[kind] = g
	return g, nil
}

// give completes items and files them. What is declared comes before what is built in.
func (l *Live) give(g *givens, env *store.Environment, kind store.ObjectKind, items []Item) error {
	for _, it := range items {
		if g.byID[it.ID] != nil {
			continue
		}
		it.Kind, it.Environment = kind, it.ID
		if kind != store.KindEnvironment {
			it.Environment = env.ID
		}
		if err := fill(&it.Object, it.Document, nil); err != nil {
			return err
		}
		if it.Builtin {
			g.builtin = append(g.builtin, &it)
		} else {
			if it.Declared == "" {
				it.Declared = l.Declared.DeclaredAt(it.Environment, kind, it.ID)
			}
			g.declared = append(g.declared, &it)
		}
		g.byID[it.ID] = &it
		for _, key := range slices.Concat(it.Unique, it.Lookups) {
			g.byKey[key] = append(g.byKey[key], &it)
		}
	}
	return nil
}

// declaredItems is what configuration declares of a kind in an environment: nothing,
// where it does not declare the environment.
func (l *Live) declaredItems(_ context.Context, env *store.Environment, k *kind) ([]Item, error) {
	if k.declared == nil {
		return nil, nil
	}
	return k.declared(l, env), nil
}

// declaredEnvironments are the environments that configuration declares.
func (l *Live) declaredEnvironments(ctx context.Context, _ *store.Environment, _ *kind) ([]Item, error) {
	all, err := l.Declared.Environments(ctx)
	if err != nil {
		return nil, cannotTell("list", store.KindEnvironment, err)
	}
	items := make([]Item, 0, len(all))
	for _, e := range all {
		items = append(items, Item{Object: store.Object{ID: e.ID}, Document: describe(e)})
	}
	return items, nil
}
