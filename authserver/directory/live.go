package directory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Declaration is what configuration declares (declared.Directory).
type Declaration interface {
	store.Directory
	DeclaredUsers() []*store.User
	DeclaredClients() []*store.Client
	DeclaredResources() []*store.Resource
	// DeclaredAt says where an environment or what is in it is declared: "Caddyfile:12", or
	// "the server's configuration" where that is not known.
	DeclaredAt(environment string, kind store.ObjectKind, id string) string
}

// Live is everything that there is: built in, declared, stored and registered. It
// is the server's store.Directory. What it makes of stored objects it keeps for as long as the environment's
// ObjectsVersion stands, so that a change made on any node counts for the next request. Every field is
// required. Safe for concurrent use.
type Live struct {
	Declared Declaration
	Store    interface {
		store.Objects
		store.Users
		store.UserScans
		store.RegisteredClients
	}
	// Open gives the client that registered itself.
	Open func(store.RegisteredClient) (*store.Client, error)
	// Sealer opens what is sealed.
	Sealer func(create bool) (*secret.Sealer, error)
	Now    func() time.Time

	live
}

var _ store.Directory = (*Live)(nil)

// Bounds of what is kept in memory.
const (
	maxRooms = 1024 // environments
	maxMade  = 4096 // values of one environment
)

// live is what is kept: a room for each environment that was asked for.
type live struct {
	mu    sync.Mutex
	rooms map[string]*room
}

// room is what is known of an environment. What is given, by being built in or
// declared, never changes; what was made of stored objects is good for one version of them.
type room struct {
	mu     sync.Mutex
	given  map[store.ObjectKind]*givens
	people *people

	version int64
	made    map[string]any
	// environment was made of a stored object at this version of its own.
	environment   *store.Environment
	environmentAt int64
}

// room finds or makes the room of an environment that exists.
func (l *live) room(environment string) *room {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms[environment]
	if r != nil {
		return r
	}
	if l.rooms == nil {
		l.rooms = map[string]*room{}
	}
	for other := range l.rooms { // any one: it is made again when it is asked for
		if len(l.rooms) < maxRooms {
			break
		}
		delete(l.rooms, other)
	}
	r = &room{}
	l.rooms[environment] = r
	return r
}

// leave forgets the room of an environment that is gone.
func (l *live) leave(environment string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.rooms, environment)
}

// version reads how often an environment's objects have been changed; 0: it has none.
func (l *Live) version(ctx context.Context, environment string) (int64, error) {
	v, err := l.Store.ObjectsVersion(ctx, environment)
	if err != nil {
		return 0, oauth.CannotTell("read the version of objects", err)
	}
	return v, nil
}

// kept is what fill makes of an environment's objects at a version, which was
// read before: the same value for every caller, as long as the version stands and there is room for it. An
// error is not kept.
func kept[T any](r *room, version int64, key string, fill func() (T, error)) (T, error) {
	if v, ok := r.find(version, key); ok {
		return v.(T), nil
	}
	v, err := fill()
	if err != nil {
		return v, err
	}
	return r.keep(version, key, v).(T), nil
}

func (r *room) find(version int64, key string) (any, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.version != version {
		return nil, false
	}
	v, ok := r.made[key]
	return v, ok
}

// keep remembers a value, unless another caller was first, whose value then is
// everybody's.
func (r *room) keep(version int64, key string, v any) any {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.version != version || r.made == nil {
		r.version, r.made = version, map[string]any{}
	}
	if first, ok := r.made[key]; ok {
		return first
	}
	for other := range r.made { // any one
		if len(r.made) < maxMade {
			break
		}
		delete(r.made, other)
	}
	r.made[key] = v
	return v
}

// cannotTell is an error of the store, or of what it keeps, for a client.
func cannotTell(what string, kind store.ObjectKind, err error) error {
	return oauth.CannotTell(fmt.Sprintf("%s %s", what, kind), err)
}
