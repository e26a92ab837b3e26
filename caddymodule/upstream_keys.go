package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// assertionKeys are the keys of a gate's assertions: those of files, or of Caddy's storage, where all nodes that share it find the same.
// The latter are read, or made, when they are first asked for. Safe for concurrent use.
type assertionKeys struct {
	storage certmagic.Storage // nil for files
	name    string            // in the storage
	now     func() time.Time

	known  atomic.Pointer[knownKeys]
	failed atomic.Pointer[keyFailure]
	mu     sync.Mutex      // one reads or writes the storage
	ctx    context.Context // the lifetime of that, ended by close
	cancel context.CancelFunc
}

// knownKeys are keys as they were found. They are never changed.
type knownKeys struct {
	ring   keyRing
	reread time.Time // when the storage is looked at again; zero for files
}

// keyFailure is why there are no keys, and until when nobody looks again: the keys are published to everyone who asks, and a storage that is
// down must not be asked by each.
type keyFailure struct {
	err   error
	until time.Time
}

const (
	// rereadKeys is how often the storage is looked at: another node may have replaced the key.
	rereadKeys = 10 * time.Minute
	// retryKeys is how soon again where that failed.
	retryKeys = 10 * time.Second
	// storageTimeout bounds reading or making keys. A node that has the lock and died gives it up in less.
	storageTimeout = 15 * time.Second
	// keysCached is for how long upstreams may keep the published keys. It is much shorter than publishAhead.
	keysCached = 5 * time.Minute
)

// newAssertionKeys reads the files; without any, nothing is touched yet.
func newAssertionKeys(ctx caddy.Context, issuer string, names []string) (*assertionKeys, error) {
	k := &assertionKeys{now: time.Now}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	if len(names) == 0 {
		k.storage = ctx.Storage()
		k.name = "gatehouse/assertion/" + digest(issuer)[:32] + ".json"
		return k, nil
	}
	var ring keyRing
	for _, name := range names {
		text, err := readFile("key_file", name)
		if err != nil {
			return nil, err
		}
		key, err := jose.ParseSigningKey(text, "", "")
		if err != nil {
			return nil, fmt.Errorf("key_file: %s: %w", name, err)
		}
		if slices.ContainsFunc(ring, func(k ringKey) bool { return k.key.ID() == key.ID() }) {
			return nil, fmt.Errorf("key_file: %s: another file has a key of the same id", name)
		}
		ring = append(ring, ringKey{key: key})
	}
	slices.Reverse(ring) // the last one of a ring signs
	k.known.Store(&knownKeys{ring: ring})
	return k, nil
}

func (k *assertionKeys) close() {
	k.cancel()
	k.mu.Lock() // what is under way has ended then, and nothing begins any more
	defer k.mu.Unlock()
}

// signing is the key to sign with now.
func (k *assertionKeys) signing(ctx context.Context) (*jose.SigningKey, error) {
	ring, err := k.ring(ctx)
	if err != nil {
		return nil, err
	}
	return ring.signing(k.now()), nil
}

// ring gives the keys: those that are known, while the storage is looked at again in the background where that is due.
func (k *assertionKeys) ring(ctx context.Context) (keyRing, error) {
	known := k.known.Load()
	switch {
	case known == nil:
		return k.first(ctx)
	case k.storage != nil && !k.now().Before(known.reread):
		k.rereadSoon()
	}
	return known.ring, nil
}

// first waits for the keys. The work goes on when ctx ends, since others wait too.
func (k *assertionKeys) first(ctx context.Context) (keyRing, error) {
	type result struct {
		ring keyRing
		err  error
	}
	if err := k.lately(); err != nil {
		return nil, err
	}
	done := make(chan result, 1)
	go func() { // ends with storageTimeout
		k.mu.Lock()
		defer k.mu.Unlock()
		if known := k.known.Load(); known != nil {
			done <- result{ring: known.ring}
			return
		}
		if err := k.lately(); err != nil { // of the one before in the queue
			done <- result{err: err}
			return
		}
		ring, err := k.read()
		if err == nil {
			k.known.Store(&knownKeys{ring: ring, reread: k.now().Add(rereadKeys)})
		} else {
			k.failed.Store(&keyFailure{err, k.now().Add(time.Second)})
		}
		done <- result{ring, err}
	}()
	select {
	case r := <-done:
		return r.ring, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lately is the error of an attempt a moment ago.
func (k *assertionKeys) lately() error {
	if f := k.failed.Load(); f != nil && k.now().Before(f.until) {
		return f.err
	}
	return nil
}

func (k *assertionKeys) rereadSoon() {
	if !k.mu.TryLock() {
		return // somebody is at it
	}
	if k.ctx.Err() != nil {
		k.mu.Unlock()
		return
	}
	go func() { // ends with storageTimeout, or close
		defer k.mu.Unlock()
		ring, err := k.read()
		next := &knownKeys{ring: ring, reread: k.now().Add(rereadKeys)}
		if err != nil {
			processLog().Error("the keys of assertions cannot be read; those that are known go on", "name", k.name, "error", err)
			next = &knownKeys{ring: k.known.Load().ring, reread: k.now().Add(retryKeys)}
		}
		k.known.Store(next)
	}()
}

// read reads the keys, and makes those that are due. The caller has mu. The lock of the storage is taken only to write: all nodes
// read, and one of them writes.
func (k *assertionKeys) read() (keyRing, error) {
	ctx, cancel := context.WithTimeout(k.ctx, storageTimeout)
	defer cancel()
	ring, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	if _, changed, err := ring.renewed(k.now()); err != nil || !changed {
		return ring, err
	}
	if err := k.storage.Lock(ctx, k.name); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	defer func() {
		if err := k.storage.Unlock(context.WithoutCancel(ctx), k.name); err != nil {
			processLog().Error("unlocking the keys of assertions", "name", k.name, "error", err)
		}
	}()
	if ring, err = k.load(ctx); err != nil { // another node may have been quicker
		return nil, err
	}
	renewed, changed, err := ring.renewed(k.now())
	if err != nil || !changed {
		return ring, err
	}
	text, err := renewed.encode()
	if err != nil {
		return nil, err
	}
	if err := k.storage.Store(ctx, k.name, text); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return renewed, nil
}

// load gives the keys of the storage: none where nobody has made any.
func (k *assertionKeys) load(ctx context.Context) (keyRing, error) {
	text, err := k.storage.Load(ctx, k.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("load: %w", err)
	}
	ring, err := parseKeyRing(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.name, err)
	}
	return ring, nil
}

// serve answers with the public keys. They are for everyone, scripts of other origins included.
func (k *assertionKeys) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	ring, err := k.ring(r.Context())
	if err == nil {
		var text []byte
		if text, err = ring.document(); err == nil {
			h.Set("Content-Type", "application/jwk-set+json")
			h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(keysCached/time.Second)))
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Content-Length", strconv.Itoa(len(text)))
			w.WriteHeader(http.StatusOK)
			if r.Method == http.MethodGet {
				_, _ = w.Write(text) // the client has gone away
			}
			return nil
		}
	}
	processLog().Error("the keys of assertions cannot be published", "error", err)
	h.Set("Retry-After", "5")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusServiceUnavailable)
	return nil
}
