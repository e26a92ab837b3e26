package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// peer is another way to check bearer tokens in Caddy, measured on the same work
// for information. Its Caddy is built once, from integration/bench/<name>.json,
// outside of this module's requirements; bin/peers/<name> is used as it is when it
// is there.
type peer struct {
	name   string
	module string // Caddy module id, whose version is reported
	// gate is the body of its site, given the foreign issuer, before the proxy.
	gate func(issuer string) string
}

var peerList = []peer{
	// github.com/ggicci/caddy-jwt: verifies every request anew.
	{"caddy-jwt", "http.authentication.providers.jwt", func(issuer string) string {
		return fmt.Sprintf(`	route {
		jwtauth {
			jwk_url %[1]s/jwks
			sign_alg RS256
			issuer_whitelist %[1]s
			audience_whitelist %[2]s
			user_claims sub
		}
		request_header X-User {http.auth.user.id}
	`, issuer, audience)
	}},
}

// peers runs the hot-token measure on whichever peers are there.
func (b *bench) peers() error {
	for _, p := range peerList {
		name := "peer." + p.name
		binary := filepath.Join(filepath.Dir(b.dir), "peers", p.name)
		if err := b.buildPeer(p, binary); err != nil {
			b.report.add(missing(name+".rate", "requests/s", "not built: "+err.Error()))
			continue
		}
		b.progress("%s is %s", p.name, p.version(binary))
		if err := b.hotAgainst(name, binary, p.gate(b.issuer.url)+b.proxyTo()+"\t}\n", "GOGC=100", false); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// buildPeer makes the peer's Caddy unless it is there. A module proxy that does
// not have the plugin is no fault of ours: the row then says so.
func (b *bench) buildPeer(p peer, binary string) error {
	if _, err := os.Stat(binary); err == nil {
		return nil
	}
	b.progress("building Caddy with %s (once)", p.name)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	config := filepath.Join("integration", "bench", p.name+".json")
	out, err := exec.CommandContext(ctx, "go", "run", "./cmd/build", "-published", "-config", config, "-output", binary).CombinedOutput()
	if err == nil {
		return nil
	}
	for line := range strings.Lines(string(out)) { // the go command's own reason
		if strings.Contains(line, "not available") || strings.Contains(line, "403") || strings.Contains(line, "404") {
			return errors.New(strings.TrimSpace(line))
		}
	}
	return err
}

// version is what the binary says about the peer's module.
func (p peer) version(binary string) string {
	out, err := exec.Command(binary, "list-modules", "--versions").Output()
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(out)) {
		if rest, found := strings.CutPrefix(line, p.module+" "); found {
			return strings.TrimSpace(rest)
		}
	}
	return "of no known version"
}
