package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// environmentOf is where an object of a kind is kept: an environment in itself.
func environmentOf(env *store.Environment, kind store.ObjectKind, id string) (string, error) {
	switch {
	case kind == store.KindEnvironment:
		return id, nil
	case env == nil:
		return "", fmt.Errorf("directory: no environment is given for a %s", kind)
	}
	return env.ID, nil
}

// Item finds an object, or store.ErrNotFound. For a kind with parents, parent must be the object's; for
// others "". Env nil is for KindEnvironment. The item is shared and must not be changed.
func (l *Live) Item(ctx context.Context, env *store.Environment, kind store.ObjectKind, parent, id string) (*Item, error) {
	k, err := kindOf(kind)
	if err != nil {
		return nil, err
	}
	it, err := l.find(ctx, env, k, kind, id)
	if err != nil {
		return nil, err
	}
	if it.Parent != parent && k.parents != nil {
		return nil, store.ErrNotFound
	}
	return it, nil
}

// find is Item, whatever the parent is.
func (l *Live) find(ctx context.Context, env *store.Environment, k *kind, kind store.ObjectKind, id string) (*Item, error) {
	environment, err := environmentOf(env, kind, id)
	if err != nil {
		return nil, err
	}
	g, err := l.givensOf(ctx, env, kind)
	if err != nil {
		return nil, err
	}
	given := g.byID[id]
	if given != nil && !given.Builtin {
		return given, nil
	}
	o, err := l.Store.ObjectByID(ctx, environment, kind, id)
	switch {
	case err == nil:
		it, err := l.item(o)
		if err != nil {
			return nil, cannotTell("read", kind, err)
		}
		if it.Builtin = given != nil; gone(it) {
			return nil, store.ErrNotFound
		}
		if out, err := l.outlived(ctx, env, k, &o); out || err != nil {
			return nil, cmp.Or(err, store.ErrNotFound)
		}
		return it, nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, cannotTell("find", kind, err)
	case given != nil:
		return given, nil
	case k.registered != nil && kind == store.KindApplication:
		return l.registeredItem(ctx, env, kind, id, id)
	}
	return nil, store.ErrNotFound
}

// outlived reports whether a stored object belongs to one that configuration declares by now: that was stored under
// the same ID before, or is again when it is no more declared. Until then there is no such object,
// since configuration alone gives children to what it declares.
func (l *Live) outlived(ctx context.Context, env *store.Environment, k *kind, o *store.Object) (bool, error) {
	if k.loose {
		return false, nil
	}
	for _, parents := range k.parents {
		if parents == store.KindUser {
			continue // whose children are loose
		}
		g, err := l.givensOf(ctx, env, parents)
		if err != nil {
			return false, err
		}
		if given := g.byID[o.Parent]; given != nil && !given.Builtin {
			return true, nil
		}
	}
	return false, nil
}

// gone reports whether an item is an environment that was deleted.
func gone(it *Item) bool {
	e, ok := it.Document.(*Environment)
	return ok && e.Status == environmentDeleted
}

// registeredItem finds what a client that registered itself comes to.
func (l *Live) registeredItem(ctx context.Context, env *store.Environment, kind store.ObjectKind, client, id string) (*Item, error) {
	items, err := l.registeredItems(ctx, env, kind, client)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		if it.ID == id {
			return it, nil
		}
	}
	return nil, store.ErrNotFound
}

// registeredItems are all items of a kind that a client that registered itself
// comes to, by ID; none where there is no such client.
func (l *Live) registeredItems(ctx context.Context, env *store.Environment, kind store.ObjectKind, client string) ([]*Item, error) {
	k, err := kindOf(kind)
	if err != nil || k.registered == nil || !secret.IsID(client) {
		return nil, err
	}
	stored, err := l.Store.RegisteredClientByID(ctx, env.ID, client)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, cannotTell("find registered", kind, err)
	}
	return l.itemsOf(env, kind, k, stored)
}

// itemsOf are the items of a kind that a client that registered itself comes to, by ID.
func (l *Live) itemsOf(env *store.Environment, kind store.ObjectKind, k *kind, stored store.RegisteredClient) ([]*Item, error) {
	opened, err := l.Open(stored)
	if err != nil {
		return nil, cannotTell("open registered", kind, err)
	}
	var items []*Item
	for _, it := range k.registered(env, opened) {
		it.Environment, it.Kind, it.Registered, it.Version = env.ID, kind, true, stored.Version
		it.CreatedAt, it.UpdatedAt = stored.CreatedAt, stored.CreatedAt
		if err := fill(&it.Object, it.Document, nil); err != nil {
			return nil, err
		}
		items = append(items, &it)
	}
	slices.SortFunc(items, byID)
	return items, nil
}

func byID(a, b *Item) int { return strings.Compare(a.ID, b.ID) }

// The stretches of a list, in their order; the first byte of its marks.
const (
	stretchBuiltin    = 'b'
	stretchDeclared   = 'd'
	stretchStored     = 's'
	stretchRegistered = 'z' // of applications alone
)

// Items lists objects: built-in ones, then declared ones, then stored ones, then applications that registered
// themselves, each by ID. after is what the call before returned as next; next is "" on the last page. limit is 1 or more. Env nil is for
// KindEnvironment. parent "" lists those of all parents. What belongs to a client that registered itself is
// listed with its parent alone. Items are shared and must not be changed.
func (l *Live) Items(ctx context.Context, env *store.Environment, kind store.ObjectKind, parent, after string, limit int) (items []*Item, next string, err error) {
	k, err := kindOf(kind)
	if err != nil {
		return nil, "", err
	}
	if env == nil && kind != store.KindEnvironment {
		return nil, "", fmt.Errorf("directory: no environment is given for a list of %s", kind)
	}
	g, err := l.givensOf(ctx, env, kind)
	if err != nil {
		return nil, "", err
	}
	if after == "" {
		after = string(stretchBuiltin)
	}
	list := lister{l: l, env: env, kind: kind, k: k, parent: parent, given: g, limit: limit + 1}
	if list.items, err = list.from(ctx, after[0], after[1:]); err != nil {
		return nil, "", err
	}
	if len(list.items) <= limit {
		return list.items, "", nil
	}
	return list.items[:limit], list.mark(list.items[limit-1]), nil
}

// lister makes one page.
type lister struct {
	l      *Live
	env    *store.Environment
	kind   store.ObjectKind
	k      *kind
	parent string
	given  *givens
	limit  int // one more than the page has
	items  []*Item
}

// mark is where the page behind an item begins.
func (s *lister) mark(it *Item) string {
	switch {
	case it.Builtin:
		return string(stretchBuiltin) + it.ID
	case it.Registered && it.Kind == store.KindApplication:
		return string(stretchRegistered) + it.ID
	case it.Declared != "" || it.Registered:
		return string(stretchDeclared) + it.ID
	}
	return string(stretchStored) + it.ID
}

// from lists what is behind an ID in a stretch, and the stretches behind it.
func (s *lister) from(ctx context.Context, stretch byte, after string) ([]*Item, error) {
	var items []*Item
	if stretch == stretchBuiltin {
		builtin, err := s.overlaid(ctx, after)
		if err != nil {
			return nil, err
		}
		items, stretch, after = builtin, stretchDeclared, ""
	}
	if stretch == stretchDeclared {
		declared := s.given.declared
		if s.parent != "" && s.k.registered != nil && s.kind != store.KindApplication {
			registered, err := s.l.registeredItems(ctx, s.env, s.kind, s.parent)
			if err != nil {
				return nil, err
			}
			declared = slices.Concat(declared, registered)
		}
		for _, it := range declared {
			if it.ID > after && s.wanted(it) && len(items) < s.limit {
				items = append(items, it)
			}
		}
		stretch, after = stretchStored, ""
	}
	if stretch == stretchStored {
		var err error
		if items, err = s.stored(ctx, items, after); err != nil || s.kind != store.KindApplication {
			return items, err
		}
		stretch, after = stretchRegistered, ""
	}
	if stretch != stretchRegistered || s.kind != store.KindApplication {
		return nil, Invalid(Problemf(InvalidParameter, "cursor", "is not one of this collection"))
	}
	return s.registered(ctx, items, after)
}

func (s *lister) wanted(it *Item) bool { return s.parent == "" || it.Parent == s.parent }

// overlaid are built-in items, each as it was changed.
func (s *lister) overlaid(ctx context.Context, after string) ([]*Item, error) {
	if len(s.given.builtin) == 0 {
		return nil, nil
	}
	changed, err := s.l.changed(ctx, s.env, s.k, s.kind, s.parent, s.given)
	if err != nil {
		return nil, err
	}
	var items []*Item
	for _, it := range s.given.builtin {
		if it.ID <= after || !s.wanted(it) || len(items) >= s.limit {
			continue
		}
		if now := changed[it.ID]; now != nil {
			it = now
		}
		items = append(items, it)
	}
	return items, nil
}

// changed are the built-in objects below a parent that were changed, by ID. They
// are looked for one by one, and then kept.
func (l *Live) changed(ctx context.Context, env *store.Environment, k *kind, kind store.ObjectKind, parent string, g *givens) (map[string]*Item, error) {
	if !k.changeable {
		return nil, nil
	}
	version, err := l.version(ctx, env.ID)
	if err != nil || version == 0 {
		return nil, err
	}
	return kept(&l.live, env.ID, version, "changed "+string(kind)+" "+parent, func() (map[string]*Item, error) {
		changed := map[string]*Item{}
		for _, given := range g.builtin {
			if parent != "" && given.Parent != parent {
				continue
			}
			it, err := l.find(ctx, env, k, kind, given.ID)
			if err != nil {
				return nil, err
			}
			if it.Version > 0 {
				changed[it.ID] = it
			}
		}
		return changed, nil
	})
}

// stored adds what is stored behind an ID, but for what was given already.
func (s *lister) stored(ctx context.Context, items []*Item, after string) ([]*Item, error) {
	f := store.ObjectFilter{Kind: s.kind, Parent: s.parent}
	if s.env != nil && s.kind != store.KindEnvironment {
		f.Environment = s.env.ID
	}
	for len(items) < s.limit {
		want := s.limit - len(items)
		objects, err := s.l.Store.ListObjects(ctx, f, after, want)
		if err != nil {
			return nil, cannotTell("list", s.kind, err)
		}
		for _, o := range objects {
			after = o.ID
			if s.given.byID[o.ID] != nil {
				continue
			}
			switch out, err := s.l.outlived(ctx, s.env, s.k, &o); {
			case err != nil:
				return nil, err
			case out:
				continue
			}
			it, err := s.l.item(o)
			if err != nil {
				return nil, cannotTell("read", s.kind, err)
			}
			if !gone(it) {
				items = append(items, it)
			}
		}
		if len(objects) < want {
			break
		}
	}
	return items, nil
}

// registered adds the clients that registered themselves behind an ID.
func (s *lister) registered(ctx context.Context, items []*Item, after string) ([]*Item, error) {
	for len(items) < s.limit {
		want := s.limit - len(items)
		clients, err := s.l.Store.ListRegisteredClients(ctx, s.env.ID, after, want)
		if err != nil {
			return nil, cannotTell("list registered", s.kind, err)
		}
		for _, c := range clients {
			after = c.ID
			if s.given.byID[c.ID] != nil {
				continue
			}
			of, err := s.l.itemsOf(s.env, s.kind, s.k, c)
			if err != nil {
				return nil, err
			}
			items = append(items, of...)
		}
		if len(clients) < want {
			break
		}
	}
	return items, nil
}

// ItemsByKey lists those that have a key of Keyed, declared ones included, at most limit. They are shared
// and must not be changed.
func (l *Live) ItemsByKey(ctx context.Context, env *store.Environment, kind store.ObjectKind, key string, limit int) ([]*Item, error) {
	if _, err := kindOf(kind); err != nil {
		return nil, err
	}
	if env == nil || kind == store.KindEnvironment {
		return nil, fmt.Errorf("directory: a %s has no keys", kind)
	}
	g, err := l.givensOf(ctx, env, kind)
	if err != nil {
		return nil, err
	}
	var items []*Item
	for _, it := range g.byKey[key] {
		if it.Builtin { // as it was changed, it is among the stored ones
			switch _, err := l.Store.ObjectByID(ctx, env.ID, kind, it.ID); {
			case err == nil:
				continue
			case !errors.Is(err, store.ErrNotFound):
				return nil, cannotTell("find", kind, err)
			}
		}
		items = append(items, it)
	}
	objects, err := l.Store.ObjectsByKey(ctx, env.ID, kind, key, limit)
	if err != nil {
		return nil, cannotTell("find", kind, err)
	}
	for _, o := range objects {
		given := g.byID[o.ID]
		if given != nil && !given.Builtin {
			continue
		}
		it, err := l.item(o)
		if err != nil {
			return nil, cannotTell("read", kind, err)
		}
		it.Builtin = given != nil
		items = append(items, it)
	}
	return items[:min(limit, len(items))], nil
}
