package caddymodule

import (
	"context"
	"log/slog"
	"slices"

	"go.uber.org/zap/exp/zapslog"

	"github.com/caddyserver/caddy/v2"
)

// processLog is the log of what outlives a configuration. A configuration's own
// logger is closed with it, so each record goes to the default log of the
// configuration that is running then, under the name gatehouse.
func processLog() *slog.Logger { return slog.New(currentLog{}) }

// currentLog looks up Caddy's default log for every record.
type currentLog struct {
	with []func(slog.Handler) slog.Handler // attributes and groups, in order
}

func (h currentLog) handler() slog.Handler {
	// Stack traces would come with every error; the level disables them.
	var out slog.Handler = zapslog.NewHandler(caddy.Log().Core(), zapslog.WithName("gatehouse"), zapslog.AddStacktraceAt(slog.Level(127)))
	for _, f := range h.with {
		out = f(out)
	}
	return out
}

func (h currentLog) Enabled(ctx context.Context, level slog.Level) bool {
	return h.handler().Enabled(ctx, level)
}

func (h currentLog) Handle(ctx context.Context, r slog.Record) error {
	return h.handler().Handle(ctx, r)
}

func (h currentLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(s slog.Handler) slog.Handler { return s.WithAttrs(attrs) })
}

func (h currentLog) WithGroup(name string) slog.Handler {
	return h.and(func(s slog.Handler) slog.Handler { return s.WithGroup(name) })
}

func (h currentLog) and(f func(slog.Handler) slog.Handler) slog.Handler {
	return currentLog{append(slices.Clip(h.with), f)}
}
