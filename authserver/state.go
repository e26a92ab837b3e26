package authserver

import (
	"context"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/cache"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// State is what outlives a configuration: key rings, the revocation set, the
// verified-token cache, background jobs. It is safe for concurrent use.
type State struct {
	config      StateConfig
	rings       *keys.Rings
	revocations *token.Revocations
	verified    *cache.Cache[*token.Active]

	mu        sync.Mutex           // guards what follows
	outbounds map[string]*outbound // by their rules
	started   bool
	closed    bool
	life      context.Context // of all background work, ended by stop
	stop      context.CancelFunc
	jobs      sync.WaitGroup
	newEnvs   chan struct{} // wakes the key job; holds one signal
	running   chan struct{} // closed by Start
	// Proofs that were used; nil until they are asked for.
	gateProofs, serverProofs *dpop.Window
	nonces                   *dpop.Nonces // nil until their key could be had
}

// NewState makes a State. Nothing is read or written before Start or a request.
func NewState(c StateConfig) (*State, error) {
	if err := c.setDefaults(); err != nil {
		return nil, err
	}
	s := &State{
		config: c, revocations: token.NewRevocations(c.Now), verified: cache.New[*token.Active](cache.Config{}),
		newEnvs: make(chan struct{}, 1), running: make(chan struct{}),
	}
	s.outbounds = map[string]*outbound{}
	s.life, s.stop = context.WithCancel(context.Background())
	s.rings = keys.New(keys.Config{
		Store: c.Store, Sealer: s.sealer, Now: c.Now, Log: c.Log, Rotated: c.Observer.KeyRotated,
		Policies: s.policies, Changed: s.keysChanged,
	})
	return s, nil
}

func (s *State) sealer(create bool) (*secret.Sealer, error) {
	key, err := s.config.SecretsKey(create)
	if err != nil {
		return nil, err
	}
	return secret.NewSealer(key)
}

// Start begins background work: the revocation feed, key rotation, the janitor.
// It returns at once; requests that come before the feed has caught up wait for
// it, at most five seconds. To call it again does nothing.
func (s *State) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.closed {
		return
	}
	s.started = true
	close(s.running)
	s.jobs.Go(func() { s.feed(s.life) })
	s.jobs.Go(func() { s.rotate(s.life) })
	s.jobs.Go(func() { s.sweep(s.life) })
}

// Close ends background work and waits for it. The store stays open: it is the
// caller's. Requests must have ended.
func (s *State) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.stop()
	s.mu.Unlock()
	s.jobs.Wait()
	for _, o := range s.allOutbounds() {
		o.keys.Close()
		o.client.Close()
	}
	s.verified.Close()
	return nil
}

// alongside runs job from Start on, until the returned function is called or the
// State is closed; that function waits for its end.
func (s *State) alongside(job func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(s.life)
	done := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		cancel()
		return cancel
	}
	s.jobs.Go(func() {
		defer close(done)
		select {
		case <-s.running:
			job(ctx)
		case <-ctx.Done():
		}
	})
	return func() {
		cancel()
		<-done
	}
}

// watch has the keys of envs, as they are configured now, made and rotated in
// the background, so that the first request need not wait for them.
func (s *State) watch(envs ...*store.Environment) {
	for _, env := range envs {
		s.rings.Watch(env)
	}
	select {
	case s.newEnvs <- struct{}{}:
	default:
	}
}

// Local gives the gate's view of one environment: direct calls, no HTTP.
func (s *State) Local(env *store.Environment) resourceserver.Local {
	s.watch(env)
	return &token.Local{Environment: env, Rings: s.rings, Set: s.revocations, Store: s.config.Store}
}
