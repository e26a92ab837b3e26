package caddymodule_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

// TestRetirement: what a replaced configuration had is there for its last requests, and for as long as its streams go on; when the
// process exits nobody waits for them.
func TestRetirement(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration // which Now is called, if any
		lasts time.Duration // what is drained
		want  time.Duration
	}{
		{"no request is left", time.Hour, 0, 10 * time.Second},
		{"a stream goes on", time.Hour, time.Minute, 70 * time.Second},
		{"exit, before the last requests", time.Second, time.Minute, time.Second},
		{"exit, with a stream", 30 * time.Second, time.Minute, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r caddymodule.Retirement
				start, closed := time.Now(), time.Duration(0)
				err := r.Close(func(ctx context.Context) error {
					select {
					case <-ctx.Done():
					case <-time.After(tt.lasts):
					}
					return ctx.Err()
				}, func() error {
					closed = time.Since(start)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(tt.after)
				r.Now()
				if closed != tt.want {
					t.Errorf("closed after %v, want %v", closed, tt.want)
				}
			})
		})
	}
}
