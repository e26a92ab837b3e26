package clientauth

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// idle is how long a key set that nobody asks for is kept, and kept up to date.
	idle = time.Hour
	// maxStrangers bounds the key sets of clients that configuration does not declare, the
	// fetched and the parsed ones each: anybody may be many of them. Beyond it one of
	// them, whichever, is forgotten and read again when it is asked for.
	maxStrangers = 1000
)

// KeySources gives the public keys of clients: parsed once where they are
// registered with the client, fetched and cached where only their URL is. It
// outlives configurations. Safe for concurrent use.
type KeySources struct {
	// Client makes the requests to the clients' own servers.
	Client *fetch.Client
	Now    func() time.Time
	Log    *slog.Logger

	parsed    sync.Map // owner → *parsed, of declared clients
	mu        sync.Mutex
	strangers map[owner]*parsed // of clients that registered themselves or are managed
	remote    map[remoteSet]*source
	fetched   int // those of remote that are strangers'
	closed    bool
}

type owner struct{ env, client string }

type parsed struct {
	text []byte
	set  *jose.KeySet
	used time.Time // of strangers' alone
}

type remoteSet struct {
	owner
	uri string
	// stranger: nobody who runs the server has named uri.
	stranger bool
}

type source struct {
	keys *fetch.KeySource
	used time.Time
}

// Find picks the key of c for a header, that of an assertion or of a request
// object. No key and no error means that c has no such key; an error, that its
// keys cannot be had now.
func (k *KeySources) Find(ctx context.Context, c *store.Client, h *jose.Header) (*jose.Key, error) {
	if c.JWKSURI != "" {
		s, err := k.source(remoteSet{owner{c.Environment, c.ID}, c.JWKSURI, c.Stranger()})
		if err != nil {
			return nil, err
		}
		return s.Find(ctx, h)
	}
	set, err := k.registered(c)
	if set == nil {
		return nil, err
	}
	return set.Find(h), nil
}

// Certified picks the key of c that a certificate is for (jose.KeySet.Certified). No key and no error means that c has no
// such key; an error, that its keys cannot be had now.
func (k *KeySources) Certified(ctx context.Context, c *store.Client, certificate *x509.Certificate) (*jose.Key, error) {
	if c.JWKSURI != "" {
		s, err := k.source(remoteSet{owner{c.Environment, c.ID}, c.JWKSURI, c.Stranger()})
		if err != nil {
			return nil, err
		}
		return s.Certified(ctx, certificate)
	}
	set, err := k.registered(c)
	if set == nil {
		return nil, err
	}
	return set.Certified(certificate), nil
}

// registered is the key set that is registered with c itself, nil where there is none.
func (k *KeySources) registered(c *store.Client) (*jose.KeySet, error) {
	if len(c.JWKS) == 0 {
		return nil, nil
	}
	id := owner{c.Environment, c.ID}
	if p := k.known(id, c.Stranger()); p != nil && bytes.Equal(p.text, c.JWKS) {
		return p.set, nil
	}
	set, _, err := jose.ParseKeySet(c.JWKS, jose.KeySetLimits{})
	if err != nil {
		return nil, fmt.Errorf("its JWK Set: %w", err)
	}
	k.remember(id, c.Stranger(), &parsed{c.JWKS, set, k.Now()})
	return set, nil
}

// known is what was parsed for a client before, or nil.
func (k *KeySources) known(id owner, stranger bool) *parsed {
	if !stranger {
		v, _ := k.parsed.Load(id)
		p, _ := v.(*parsed)
		return p
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.strangers[id]
	if p != nil {
		p.used = k.Now()
	}
	return p
}

func (k *KeySources) remember(id owner, stranger bool, p *parsed) {
	if !stranger {
		k.parsed.Store(id, p)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.strangers == nil {
		k.strangers = map[owner]*parsed{}
	}
	for other := range k.strangers {
		if len(k.strangers) < maxStrangers {
			break
		}
		delete(k.strangers, other)
	}
	k.strangers[id] = p
}

func (k *KeySources) source(id remoteSet) (*fetch.KeySource, error) {
	var evicted *source
	defer func() {
		if evicted != nil {
			evicted.keys.Close()
		}
	}()
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.remote[id]
	if !ok {
		if k.closed {
			return nil, errors.New("the server is closing")
		}
		client := k.Client
		if id.stranger {
			client = client.Strangers()
		}
		keys, err := fetch.NewKeySource(fetch.KeySourceConfig{Client: client, JWKSURI: id.uri, Now: k.Now, Log: k.Log})
		if err != nil {
			return nil, err
		}
		if k.remote == nil {
			k.remote = map[remoteSet]*source{}
		}
		if id.stranger {
			if k.fetched >= maxStrangers {
				evicted = k.evict()
			}
			k.fetched++
		}
		s = &source{keys: keys}
		k.remote[id] = s
	}
	s.used = k.Now()
	return s.keys, nil
}

// evict forgets one stranger's key set. The caller holds mu, and closes it.
func (k *KeySources) evict() *source {
	for id, s := range k.remote {
		if id.stranger {
			delete(k.remote, id)
			k.fetched--
			return s
		}
	}
	return nil
}

// Prune lets go of key sets that nobody asked for lately.
func (k *KeySources) Prune(now time.Time) {
	k.mu.Lock()
	for id, p := range k.strangers {
		if now.Sub(p.used) > idle {
			delete(k.strangers, id)
		}
	}
	k.mu.Unlock()
	k.drop(func(s *source) bool { return now.Sub(s.used) > idle })
}

// Strangers is how many key sets of clients are kept that configuration does not declare.
func (k *KeySources) Strangers() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fetched + len(k.strangers)
}

// Close ends all background work.
func (k *KeySources) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.drop(func(*source) bool { return true })
}

func (k *KeySources) drop(which func(*source) bool) {
	k.mu.Lock()
	var gone []*source
	for id, s := range k.remote {
		if which(s) {
			gone = append(gone, s)
			delete(k.remote, id)
			if id.stranger {
				k.fetched--
			}
		}
	}
	k.mu.Unlock()
	for _, s := range gone {
		s.keys.Close() // waits for its goroutine
	}
}
