package clientauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// idle is how long a fetched key set nobody asks for is kept up to date.
const idle = time.Hour

// KeySources gives the public keys of clients: parsed once where they are
// registered with the client, fetched and cached where only their URL is. It
// outlives configurations. Safe for concurrent use.
type KeySources struct {
	// Client makes the requests to the clients' own servers.
	Client *fetch.Client
	Now    func() time.Time
	Log    *slog.Logger

	parsed sync.Map // owner → *parsed
	mu     sync.Mutex
	remote map[remoteSet]*source
	closed bool
}

type owner struct{ env, client string }

type parsed struct {
	text []byte
	set  *jose.KeySet
}

type remoteSet struct {
	owner
	uri string
	// stranger: nobody but the client itself has named uri.
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
	id := owner{c.Environment, c.ID}
	if c.JWKSURI != "" {
		s, err := k.source(remoteSet{id, c.JWKSURI, c.Registered})
		if err != nil {
			return nil, err
		}
		return s.Find(ctx, h)
	}
	if len(c.JWKS) == 0 {
		return nil, nil
	}
	if v, ok := k.parsed.Load(id); ok {
		if p := v.(*parsed); bytes.Equal(p.text, c.JWKS) {
			return p.set.Find(h), nil
		}
	}
	set, _, err := jose.ParseKeySet(c.JWKS, jose.KeySetLimits{})
	if err != nil {
		return nil, fmt.Errorf("its JWK Set: %w", err)
	}
	k.parsed.Store(id, &parsed{c.JWKS, set})
	return set.Find(h), nil
}

func (k *KeySources) source(id remoteSet) (*fetch.KeySource, error) {
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
		s = &source{keys: keys}
		k.remote[id] = s
	}
	s.used = k.Now()
	return s.keys, nil
}

// Prune lets go of key sets that nobody asked for lately.
func (k *KeySources) Prune(now time.Time) {
	k.drop(func(s *source) bool { return now.Sub(s.used) > idle })
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
		}
	}
	k.mu.Unlock()
	for _, s := range gone {
		s.keys.Close() // waits for its goroutine
	}
}
