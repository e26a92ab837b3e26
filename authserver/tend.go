package authserver

import (
	"context"
	"log/slog"
	"time"
)

// tendEvery is how soon another node's new environment has its keys rotated here, and
// a deleted one's records go.
const tendEvery = time.Minute

// tend looks after environments that are stored, until ctx ends: their keys are rotated as those
// of declared ones are, and what deleted ones left behind goes.
func (p *parts) tend(ctx context.Context) {
	for ctx.Err() == nil {
		envs, err := p.directory.Environments(ctx)
		if err == nil {
			p.watch(envs...)
			err = p.writer.Purge(ctx)
		}
		if err != nil && ctx.Err() == nil {
			p.log.LogAttrs(ctx, slog.LevelError, "stored environments cannot be looked after", slog.String("error", err.Error()))
		}
		pause(ctx, jitter(tendEvery))
	}
}
