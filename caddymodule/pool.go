package caddymodule

import (
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// Two configurations are alive during a reload; what they share is here. Keys
// are digests of everything that makes two values differ.
var (
	states    = caddy.NewUsagePool() // *sharedState
	verifiers = caddy.NewUsagePool() // *sharedVerifier
	sources   = caddy.NewUsagePool() // sharedSource
)

// acquire takes the value with this key from pool, making it if nobody has it.
// release gives it back, once, however often it is called; the last one to do so
// destructs it.
func acquire[T caddy.Destructor](pool *caddy.UsagePool, key string, build func() (T, error)) (value T, release func() error, err error) {
	v, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return build() })
	if err != nil {
		return value, nil, err
	}
	return v.(T), sync.OnceValue(func() error {
		_, err := pool.Delete(key)
		return err
	}), nil
}
