package directory

import (
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Bounds of what is kept in memory. What has to go is any: it is made again when
// it is asked for.
const (
	maxRooms = 1024   // environments
	maxMade  = 4096   // values of one environment
	maxAll   = 16_384 // values of all of them
)

// live is what is kept: a room for each environment that was asked for.
type live struct {
	mu    sync.Mutex
	rooms map[string]*room
	all   int // values in them
}

// room is what is known of an environment. What is given, by being built in or
// declared, never changes; what was made of stored objects is good for one version of them.
type room struct {
	mu     sync.Mutex
	given  map[store.ObjectKind]*givens
	people *people

	version int64
	made    map[string]any
	// environment was made of a stored object at this version of its own, which was created then.
	environment   *store.Environment
	environmentAt int64
	createdAt     time.Time
}

// room finds or makes the room of an environment that exists.
func (l *live) room(environment string) *room {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open(environment)
}

// open is room for whoever has the lock.
func (l *live) open(environment string) *room {
	if r := l.rooms[environment]; r != nil {
		return r
	}
	if l.rooms == nil {
		l.rooms = map[string]*room{}
	}
	for other := range l.rooms {
		if len(l.rooms) < maxRooms {
			break
		}
		l.close(other)
	}
	r := &room{}
	l.rooms[environment] = r
	return r
}

// leave forgets the room of an environment that is gone.
func (l *live) leave(environment string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close(environment)
}

// close is leave for whoever has the lock.
func (l *live) close(environment string) {
	r := l.rooms[environment]
	if r == nil {
		return
	}
	delete(l.rooms, environment)
	r.mu.Lock()
	defer r.mu.Unlock()
	l.all -= len(r.made)
}

// kept is what fill makes of an environment's objects at a version, which was
// read before: the same value for every caller, as long as the version stands and there is room for it. An
// error is not kept.
func kept[T any](l *live, environment string, version int64, key string, fill func() (T, error)) (T, error) {
	if v, ok := l.room(environment).find(version, key); ok {
		return v.(T), nil
	}
	v, err := fill()
	if err != nil {
		return v, err
	}
	return l.keep(environment, version, key, v).(T), nil
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
func (l *live) keep(environment string, version int64, key string, v any) any {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, more := l.open(environment).keep(version, key, v)
	l.all += more
	for other := range l.rooms {
		if l.all <= maxAll {
			break
		}
		if other != environment {
			l.close(other)
		}
	}
	return v
}

// keep also says how many values there are more, or fewer.
func (r *room) keep(version int64, key string, v any) (kept any, more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.made)
	if r.version != version || r.made == nil {
		r.version, r.made = version, map[string]any{}
	}
	if first, ok := r.made[key]; ok {
		return first, 0 // nothing was reset above
	}
	for other := range r.made {
		if len(r.made) < maxMade {
			break
		}
		delete(r.made, other)
	}
	r.made[key] = v
	return v, len(r.made) - before
}
