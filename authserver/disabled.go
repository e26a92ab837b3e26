package authserver

import (
	"context"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// endDisabled ends what users and applications hold that the configuration has
// disabled: sessions, refresh tokens, and the access tokens issued until now, at every
// gate. It goes on until the store has taken it, or ctx ends.
func (p *parts) endDisabled(ctx context.Context) {
	for _, u := range p.declared.DeclaredUsers() {
		if u.Disabled {
			p.insist(ctx, u.Environment, func(env *store.Environment) error { return p.ender.EndPerson(ctx, env, u.ID) })
		}
	}
	for _, c := range p.declared.DeclaredClients() {
		if !c.Enabled {
			p.insist(ctx, c.Environment, func(env *store.Environment) error { return p.ender.EndClient(ctx, env, c.ID) })
		}
	}
}

// insist does something in an environment until it succeeds or ctx ends.
func (p *parts) insist(ctx context.Context, environment string, do func(*store.Environment) error) {
	for again := time.Second; ctx.Err() == nil; again = min(2*again, time.Minute) {
		env, err := p.directory.EnvironmentByID(ctx, environment)
		if err == nil {
			err = do(env)
		}
		if err == nil {
			return
		}
		p.log.LogAttrs(ctx, slog.LevelError, "what is disabled cannot be ended yet", slog.String("error", err.Error()))
		pause(ctx, jitter(again))
	}
}
