// Command build makes a custom Caddy from xcaddy.json, with the xcaddy package
// that go.mod pins. Run it at the root of a checkout:
//
//	go run ./cmd/build [-config xcaddy.json] [-output bin/caddy] [-published]
//
// The file is the JSON form of xcaddy's Builder, so `xcaddy` users can read the
// same versions and plugins from it. The plugin of this checkout takes the place
// of the published one unless -published is given.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/caddyserver/xcaddy"
)

func main() {
	config := flag.String("config", "xcaddy.json", "the xcaddy Builder in JSON")
	output := flag.String("output", filepath.Join("bin", "caddy"), "the binary to write")
	published := flag.Bool("published", false, "take the plugin from the module proxy, not from this checkout")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := build(ctx, *config, *output, *published)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, config, output string, published bool) error {
	builder, err := read(config)
	if err != nil {
		return err
	}
	if !published {
		path, dir, err := checkout()
		if err != nil {
			return err
		}
		builder.Replacements = append(builder.Replacements, xcaddy.NewReplace(path, dir))
		for i, p := range builder.Plugins {
			if p.PackagePath == path {
				// A version keeps the go command from asking the proxy which is the latest;
				// the replacement stands for every one of them.
				builder.Plugins[i].Version = "v0.0.0"
			}
		}
	}
	if builder.OS == "" || builder.OS == runtime.GOOS {
		if runtime.GOOS == "windows" && filepath.Ext(output) == "" {
			output += ".exe"
		}
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return err
	}
	// xcaddy works in a module of its own, outside this one: a vendor directory
	// or a workspace around the caller must not reach into it.
	for name, value := range map[string]string{"GOFLAGS": goflags(os.Getenv("GOFLAGS")), "GOWORK": "off"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if err := builder.Build(ctx, output); err != nil {
		return fmt.Errorf("xcaddy: %w", err)
	}
	return nil
}

// read decodes the builder and refuses members it does not know, so that a
// misspelt one cannot be ignored.
func read(path string) (xcaddy.Builder, error) {
	var b xcaddy.Builder
	text, err := os.ReadFile(path)
	if err != nil {
		return b, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return b, fmt.Errorf("%s: %w", path, err)
	}
	if b.CaddyVersion == "" {
		return b, fmt.Errorf("%s: caddy_version is missing: a build must not depend on the day it is made", path)
	}
	if len(b.Plugins) == 0 {
		return b, fmt.Errorf("%s: no plugins", path)
	}
	return b, nil
}

// checkout is the path and the directory of the module around the working directory.
func checkout() (path, dir string, err error) {
	out, err := exec.Command("go", "list", "-m", "-json").Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return "", "", fmt.Errorf("go list -m: %s", bytes.TrimSpace(exit.Stderr))
		}
		return "", "", fmt.Errorf("go list -m: %w", err)
	}
	var m struct{ Path, Dir string }
	if err := json.Unmarshal(out, &m); err != nil {
		return "", "", fmt.Errorf("go list -m: %w", err)
	}
	return m.Path, m.Dir, nil
}

// goflags makes sure that go.mod may be written and that a missing version
// control is no error, whatever else the caller wants.
func goflags(have string) string {
	kept := []string{"-mod=mod", "-buildvcs=false"}
	for f := range strings.FieldsSeq(have) {
		if !strings.HasPrefix(f, "-mod=") && !strings.HasPrefix(f, "-buildvcs") {
			kept = append(kept, f)
		}
	}
	return strings.Join(kept, " ")
}
