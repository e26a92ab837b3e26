package identity

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// The default cost of a password hash: OWASP's first choice for argon2id, some
// 20 ms and 19 MiB.
const (
	DefaultMemory = 19456 // KiB
	DefaultPasses = 2
	DefaultLanes  = 1
)

// cost is what computing a hash takes (RFC 9106 §3.1).
type cost struct {
	memory, passes uint32
	lanes          uint8
}

var defaultCost = cost{DefaultMemory, DefaultPasses, DefaultLanes}

// costOf is the cost of new hashes in an environment.
func costOf(env *store.Environment) cost {
	c := cost{
		cmp.Or(env.SignOn.Argon2Memory, DefaultMemory),
		cmp.Or(env.SignOn.Argon2Passes, DefaultPasses),
		cmp.Or(env.SignOn.Argon2Lanes, DefaultLanes),
	}
	c.memory = max(c.memory, 8*uint32(c.lanes)) // the least there is
	return c
}

const saltSize, hashSize = 16, 32

// slots bounds how many hashes are computed at once, in the whole process: each needs a CPU and its
// memory. waiting bounds who may wait for one.
var (
	slots   = make(chan struct{}, runtime.GOMAXPROCS(0))
	waiting atomic.Int64
)

const maxWaiting = 1024

// compute is argon2id, when a CPU is free.
func (u *Users) compute(ctx context.Context, c cost, text string, salt []byte, size uint32) (key []byte, err error) {
	err = u.slot(ctx, func() {
		key = argon2.IDKey([]byte(text), salt, c.passes, c.memory, c.lanes, size)
	})
	return key, err
}

// slot computes a hash when a CPU is free.
func (u *Users) slot(ctx context.Context, hash func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if waiting.Add(1) > maxWaiting {
		waiting.Add(-1)
		return oauth.Unavailable(1, "Too many people are signing on at once")
	}
	select {
	case slots <- struct{}{}:
		waiting.Add(-1)
	case <-ctx.Done():
		waiting.Add(-1)
		return ctx.Err()
	}
	defer func() { <-slots }()
	start := time.Now() // of the computation: a duration, not a time
	hash()
	u.Hashed(time.Since(start))
	return nil
}

// newHash is the PHC string of a new password.
func (u *Users) newHash(ctx context.Context, env *store.Environment, password string) (string, error) {
	p := phc{cost: costOf(env), salt: make([]byte, saltSize)}
	rand.Read(p.salt) // never fails
	var err error
	p.hash, err = u.compute(ctx, p.cost, prepare(password), p.salt, hashSize)
	return p.String(), err
}

// matches computes one hash and says whether password is that of p, or, where p is nil, nothing: there is
// nobody, and it takes as long.
func (u *Users) matches(ctx context.Context, env *store.Environment, p *phc, password string) (bool, error) {
	if p == nil {
		_, err := u.compute(ctx, costOf(env), prepare(password), make([]byte, saltSize), hashSize)
		return false, err
	}
	got, err := u.compute(ctx, p.cost, prepare(password), p.salt, uint32(len(p.hash)))
	return err == nil && subtle.ConstantTimeCompare(got, p.hash) == 1, err
}

// slowHash recognises a short text of which too little is secret for a quick hash: whoever
// steals the database must not find the text by trying all of them. about, what it is for and whose,
// makes it worthless elsewhere.
func (u *Users) slowHash(ctx context.Context, c cost, text, about string) (h store.Hash, err error) {
	salt := sha256.Sum256([]byte("gatehouse identity\x00" + about))
	key, err := u.compute(ctx, c, text, salt[:saltSize], uint32(len(h)))
	copy(h[:], key)
	return h, err
}

// prepare makes passwords that look alike and were typed on different systems
// the same bytes (RFC 8265 §4.2.2).
func prepare(password string) string { return norm.NFC.String(password) }
