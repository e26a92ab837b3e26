package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is another way to check bearer tokens in Caddy, measured on the same work
// for information. Its Caddy is not built here: whoever wants it in the table
// puts one with the plugin at bin/peers/<name>, built from the Caddy version in go.mod.
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
		if _, err := os.Stat(binary); err != nil {
			b.report.add(missing(name+".rate", "requests/s", "no "+filepath.Join("bin", "peers", p.name)))
			continue
		}
		b.progress("%s is %s", p.name, p.version(binary))
		if err := b.hotAgainst(name, binary, p.gate(b.issuer.url)+b.proxyTo()+"\t}\n", "GOGC=100", false); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
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
