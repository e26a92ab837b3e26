package directory

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// plan is one change as it is going to be stored: all of it, or nothing. It is
// made anew where another change came first.
type plan struct {
	w     *Writer
	actor Actor
	env   *store.Environment
	now   time.Time
	write store.Write
	// gone is all that write deletes, children included; removed what was asked for.
	gone, removed []*Item
	ends          []End
	// sole is what only one object can have, and which one of the plan has it.
	sole map[string]string
}

func (w *Writer) plan(a Actor, env *store.Environment) *plan {
	return &plan{
		w: w, actor: a, env: env, now: w.Now().UTC().Truncate(time.Millisecond), write: store.Write{Environment: env.ID},
	}
}

func (p *plan) checking(old *Item, o *store.Object) *Checking {
	c := &Checking{Environment: p.env, Live: p.w.Live, ID: o.ID, Parent: o.Parent, Now: p.now}
	if old != nil {
		c.Old, c.Builtin = old.Document, old.Builtin
	}
	return c
}

// put adds that d is stored as o, in place of old, which is nil for a new
// object. d has been checked.
func (p *plan) put(ctx context.Context, o store.Object, old *Item, d Document) (*Item, error) {
	k, err := kindOf(o.Kind)
	if err != nil {
		return nil, err
	}
	if err := fill(&o, d, p.sealer(ctx)); err != nil {
		return nil, oauth.CannotTell("seal", err)
	}
	if err := p.uniqueKeys(ctx, &o); err != nil {
		return nil, err
	}
	action, before := k.label+".CREATED", []byte(nil)
	var was Document
	if old != nil {
		action, before, was = k.label+".UPDATED", old.Data, old.Document
	}
	if s, ok := d.(Stated); ok {
		if said := s.Action(was); said != "" {
			action = said
		}
	}
	for _, key := range o.Unique {
		if !p.first(string(o.Kind)+" "+key, o.ID) {
			return nil, unique(keyed(key))
		}
	}
	if !p.first("id "+string(o.Kind)+" "+o.ID, "") {
		return nil, unique("id")
	}
	p.write.Put = append(p.write.Put, o)
	p.event(store.Event{
		Action: action, Kind: o.Kind, Object: o.ID, Name: d.Label(), Parent: o.Parent, Before: before, After: o.Data,
	})
	it := &Item{Object: o, Document: d, Builtin: old != nil && old.Builtin}
	it.Version = o.Version + 1
	return it, nil
}

// sealer makes a key only for an environment that has no signing keys yet: theirs
// are sealed with the same one, and a new one would not open what is there.
func (p *plan) sealer(ctx context.Context) func(first bool) (*secret.Sealer, error) {
	return func(first bool) (*secret.Sealer, error) {
		if first {
			_, ring, err := p.w.Store.KeyRing(ctx, p.env.ID)
			if err != nil {
				return nil, err
			}
			first = ring == 0
		}
		return p.w.Sealer(first)
	}
}

// first gives something that only one may have to an object, unless the plan has
// given it to another. With id "" nobody has it twice.
func (p *plan) first(what, id string) bool {
	if having, taken := p.sole[what]; taken {
		return id != "" && having == id
	}
	if p.sole == nil {
		p.sole = map[string]string{}
	}
	p.sole[what] = id
	return true
}

// uniqueKeys refuses keys that another object has. Two changes at the same time
// can both pass; then the store refuses one.
func (p *plan) uniqueKeys(ctx context.Context, o *store.Object) error {
	for _, key := range slices.Concat(o.Unique, o.Lookups) {
		if len(key) > maxKey {
			return Invalid(Problemf(SizeLimitExceeded, keyed(key), "is too long"))
		}
	}
	for _, key := range o.Unique {
		having, err := p.w.Live.ItemsByKey(ctx, p.env, o.Kind, key, 2)
		if err != nil {
			return err
		}
		for _, it := range having {
			if it.ID != o.ID && !p.going(it) {
				return unique(keyed(key))
			}
		}
	}
	return nil
}

// keyed is what a key is of: its first word.
func keyed(key string) string {
	word, _, _ := strings.Cut(key, " ")
	return word
}

// event adds a line of the audit log. e has Action, Kind, Object, Name, Parent,
// Before and After.
func (p *plan) event(e store.Event) {
	e.Environment, e.ID, e.At = p.env.ID, p.w.NewID(), p.now
	a := p.actor
	e.Client, e.ClientName, e.User, e.UserName, e.ActorEnvironment = a.Client, a.ClientName, a.User, a.UserName, a.Environment
	e.Correlation, e.ExpiresAt = a.Correlation, p.now.Add(p.w.Retention)
	p.write.Events = append(p.write.Events, e)
}

// end adds what a document ends by changing from old to new, which is nil where
// it is deleted.
func (p *plan) end(ctx context.Context, c *Checking, old, new Document) error {
	of := new
	if of == nil {
		of = old
	}
	e, ok := of.(Ending)
	if !ok {
		return nil
	}
	ends, err := e.Ends(ctx, c, old, new)
	if err != nil {
		return visible(err, "tell what a change ends")
	}
	p.ends = append(p.ends, ends...)
	return nil
}

// commit stores the plan. store.ErrConflict: something was changed meanwhile, and the
// plan has to be made anew. It then ends what was to end, and has a second look at what was deleted.
func (p *plan) commit(ctx context.Context) error {
	if p.empty() {
		return nil
	}
	if err := p.deliver(ctx); err != nil {
		return err
	}
	pending := p.revoke()
	switch err := p.w.Store.Apply(ctx, p.write); {
	case errors.Is(err, store.ErrExists):
		return p.taken(ctx)
	case errors.Is(err, store.ErrConflict):
		return store.ErrConflict
	case err != nil:
		return oauth.CannotTell("store a change", err)
	}
	for _, e := range p.write.Events {
		p.w.log(ctx, &e)
	}
	p.w.finish(ctx, p.env, pending)
	for _, old := range p.removed {
		if err := p.settle(ctx, old); err != nil {
			return err
		}
	}
	return nil
}

// empty reports whether nothing is going to be stored.
func (p *plan) empty() bool {
	w := &p.write
	return len(w.Put)+len(w.Delete)+len(w.PutUsers)+len(w.PutCredentials)+len(w.DeleteUsers)+len(w.Events)+len(p.ends) == 0
}

// deliver adds the messages that the events come to.
func (p *plan) deliver(ctx context.Context) error {
	for i := range p.write.Events {
		list, err := p.w.Deliveries(ctx, p.env, &p.write.Events[i])
		if err != nil {
			return visible(err, "tell webhooks")
		}
		p.write.Deliveries = append(p.write.Deliveries, list...)
	}
	return nil
}

// taken tells which of what must be unique somebody else got first.
func (p *plan) taken(ctx context.Context) error {
	for _, o := range p.write.Put {
		if err := p.uniqueKeys(ctx, &o); err != nil {
			return err
		}
		if o.Version > 0 {
			continue
		}
		switch _, err := p.w.Store.ObjectByID(ctx, p.env.ID, o.Kind, o.ID); {
		case err == nil && p.isBuiltin(ctx, &o):
			return store.ErrConflict // somebody else was the first to change it
		case err == nil:
			return unique("id")
		case !errors.Is(err, store.ErrNotFound):
			return cannotTell("find", o.Kind, err)
		}
	}
	for _, u := range p.write.PutUsers {
		if err := p.w.uniqueUser(ctx, &u); err != nil {
			return err
		}
	}
	return store.ErrConflict // it is free again
}

func (p *plan) isBuiltin(ctx context.Context, o *store.Object) bool {
	g, err := p.w.Live.givensOf(ctx, p.env, o.Kind)
	return err == nil && g.byID[o.ID] != nil
}

// log writes a line of the audit log to the server's log too. It has no word of
// what anybody wrote: IDs, actions and kinds alone.
func (w *Writer) log(ctx context.Context, e *store.Event) {
	w.Log.LogAttrs(ctx, slog.LevelInfo, "audit",
		slog.String("event", e.ID), slog.String("action", e.Action), slog.String("environment", e.Environment),
		slog.String("kind", string(e.Kind)), slog.String("object", e.Object), slog.String("parent", e.Parent),
		slog.String("client", e.Client), slog.String("user", e.User), slog.String("actor_environment", e.ActorEnvironment),
		slog.String("correlation_id", e.Correlation))
}

// visible is an error that a client may see, as it is; any other is that it cannot
// be told now.
func visible(err error, what string) error {
	if _, ok := errors.AsType[*oauth.Error](err); ok {
		return err
	}
	return oauth.CannotTell(what, err)
}
