package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profiled runs play while the CPU profiles of both sides are taken, where they are
// servers: half of each profile is idle, because the sides take turns.
func (b *bench) profiled(base, test target, lasts time.Duration, play func() error) error {
	var pending []chan error
	sides := map[string]target{"base": base, "test": test}
	if one, ok := base.(interface{ runs() *server }); ok {
		if other, ok := test.(interface{ runs() *server }); ok && one.runs() == other.runs() {
			delete(sides, "base") // a server has one profile at a time
		}
	}
	for side, t := range sides {
		if s, ok := t.(interface{ runs() *server }); ok {
			done := make(chan error, 1)
			pending = append(pending, done)
			b.profiles++
			path := filepath.Join(b.dir, "profiles", fmt.Sprintf("%02d-%s-%s.pprof", b.profiles, s.runs().name, side))
			go func() { done <- s.runs().profile(path, lasts) }()
		}
	}
	err := play()
	for _, done := range pending {
		if e := <-done; e != nil && err == nil {
			err = e
		}
	}
	return err
}

// profile saves a CPU profile of the next while.
func (s *server) profile(path string, lasts time.Duration) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	seconds := max(1, int(lasts/time.Second))
	resp, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.admin, seconds))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("profile of %s: %s", s.name, resp.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, resp.Body); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
