package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// binaries are the programs under test, built alike so that their sizes compare.
type binaries struct {
	gatehouse string // stock Caddy and the plugin
	stock     string // the same Caddy without
}

// build compiles both into dir. The first time takes minutes, later ones the
// build cache's seconds.
func (b *bench) build() error {
	for pkg, out := range map[string]*string{"./cmd/caddy": &b.bin.gatehouse, "./integration/bench/stock": &b.bin.stock} {
		*out = filepath.Join(b.dir, filepath.Base(pkg))
		b.progress("building %s", pkg)
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", *out, pkg)
		cmd.Stderr = os.Stderr
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := b.place.run(cmd); err != nil {
			return fmt.Errorf("go build %s: %w", pkg, err)
		}
	}
	return nil
}
