package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// liveTokens is how many tokens a full store holds.
const liveTokens = 1_000_000

// stored compares an authorization server whose store holds a million live tokens
// with one whose store is empty but for what the measure itself adds to both.
func (b *bench) stored() error {
	n := liveTokens
	if b.quick {
		n /= 10
	}
	const name = "stored"
	full, err := b.authorityConfig(filepath.Join(b.runs, name))
	if err != nil {
		return err
	}
	b.progress("storing %d tokens", n)
	path := filepath.Join(b.runs, name, "gatehouse.db")
	if err := b.place.spread(func() error { return preload(path, n) }); err != nil {
		return err
	}
	if err := b.run(full, name); err != nil {
		return err
	}
	defer full.stop()
	empty, err := b.startAuthority(name + "-empty")
	if err != nil {
		return err
	}
	defer empty.stop()

	for _, c := range []struct {
		name  string
		conns int
		duel  func(base, test target, blocks int) duel
		ask   func(*authority) ([][]byte, error)
	}{
		{"token.rs256", rsaConns, patiently, func(a *authority) ([][]byte, error) { return [][]byte{a.tokenRequest(rsaEnvironment)}, nil }},
		{"token.es256", ecConns, patiently, func(a *authority) ([][]byte, error) { return [][]byte{a.tokenRequest(ecEnvironment)}, nil }},
		{"introspect", gateConns, quickly, func(a *authority) ([][]byte, error) {
			tokens, err := a.issue(rsaEnvironment, 500)
			return introspections(a, tokens), err
		}},
	} {
		var sides [2]*served
		for i, a := range []*authority{empty, full} {
			requests, err := c.ask(a)
			if err != nil {
				return err
			}
			sides[i] = b.target(a.server, a.addr, c.conns, http.StatusOK, requests...)
			if err := sides[i].load.count(2 * len(requests)); err != nil {
				return err
			}
		}
		o, err := b.play(c.duel(sides[0], sides[1], 10))
		if err != nil {
			return err
		}
		b.report.add(
			requestRate("stored."+c.name+".rate", o, "an empty store").target(atLeast, 0.90),
			cpu("stored."+c.name+".cpu", o, "an empty store"),
		)
	}
	memory, err := addedMemory(empty.server, full.server)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	b.report.add(
		value("stored.memory", memory, fmt.Sprintf("MiB/%d", n)),
		value("stored.disk", float64(info.Size())/(1<<20), fmt.Sprintf("MiB/%d", n)),
	)
	return nil
}
