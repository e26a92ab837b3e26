package caddymodule

import (
	"log/slog"

	"github.com/caddyserver/caddy/v2"
)

// Pooled lists what lives in the pools, by key, with the number of its users.
func Pooled() (verifierUsers, stateUsers map[any]int) {
	count := func(pool *caddy.UsagePool) map[any]int {
		users := map[any]int{}
		pool.Range(func(_, value any) bool {
			users[value] = 0
			return true
		})
		pool.Range(func(key, value any) bool {
			// Range holds the pool's read lock; References takes it too.
			users[value], _ = pool.References(key)
			return true
		})
		return users
	}
	return count(verifiers), count(states)
}

// LoadSecretsKey is what the server asks for the key of a file.
func LoadSecretsKey(file string, log *slog.Logger) func(create bool) ([]byte, error) {
	return (&secretsKey{file: file, log: log}).load
}

// Hide is what the access log does to addresses.
func Hide(address string) (shown string, hidden bool) {
	return accessLog{parameter: "iplanetdirectorypro"}.hide(address)
}
