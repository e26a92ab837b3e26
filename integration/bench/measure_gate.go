package main

import (
	"fmt"
	"net/http"
)

// What the gate's measures share.
const (
	gateConns   = 16
	manyTokens  = 10_000
	bareName    = "bare reverse_proxy"
	defaultGOGC = "100"
)

// bareProxy is the same Caddy without a check; it runs until the end.
func (b *bench) bareProxy() (*server, string, error) {
	if b.bare != nil {
		return b.bare, b.bareAddr, nil
	}
	s, addr, err := b.serveSite("bare", b.bin.gatehouse, b.proxyTo())
	if err != nil {
		return nil, "", err
	}
	b.bare, b.bareAddr = s, addr
	return s, addr, nil
}

// through makes a target of a proxy and the tokens that it is to pass.
func (b *bench) through(s *server, addr string, tokens []string, status int) *served {
	return b.target(s, addr, gateConns, status, gets(addr, "/", tokens)...)
}

// gateHot is the main measure: what the check costs when the token is known.
func (b *bench) gateHot() error {
	for _, gogc := range []string{defaultGOGC, "400"} {
		name := "gate.hot"
		if gogc != defaultGOGC {
			name += ".gogc" + gogc
		}
		if err := b.hotAgainst(name, b.bin.gatehouse, b.jwtGate(), "GOGC="+gogc, true); err != nil {
			return err
		}
	}
	return nil
}

// hotAgainst compares a gate, given as a site's body, and one hot token of the foreign issuer
// with the bare proxy of the same binary and environment.
func (b *bench) hotAgainst(name, binary, body, env string, judged bool) error {
	bare, bareAddr, err := b.serveSite(name+"-bare", binary, b.proxyTo(), env)
	if err != nil {
		return err
	}
	defer bare.stop()
	gate, gateAddr, err := b.serveSite(name, binary, body, env)
	if err != nil {
		return err
	}
	defer gate.stop()
	tokens, err := b.issuer.mint(1)
	if err != nil {
		return err
	}
	if _, err := gate.answers(gateAddr, get(gateAddr, "/", tokens[0]), http.StatusOK); err != nil {
		return err
	}
	base := b.through(bare, bareAddr, tokens, http.StatusOK)
	test := b.through(gate, gateAddr, tokens, http.StatusOK)
	o, err := b.play(quickly(base, test, 14))
	if err != nil {
		return err
	}
	rows := []result{
		requestRate(name+".rate", o, bareName),
		latency(name+".p99", o, bareName),
		cpu(name+".cpu", o, bareName),
		b.instructions(name+".instructions", base, test, bareName),
	}
	if judged {
		rows[0] = rows[0].target(atLeast, 0.97)
		rows[1] = rows[1].target(atMost, 1.1)
		rows[3] = rows[3].target(atMost, 1.03)
	}
	b.report.add(rows...)
	return nil
}

// gateMany is 10,000 distinct JWTs in turn, each of them seen before.
func (b *bench) gateMany() error {
	bare, bareAddr, err := b.bareProxy()
	if err != nil {
		return err
	}
	gate, gateAddr, err := b.serveSite("gate-many", b.bin.gatehouse, b.jwtGate())
	if err != nil {
		return err
	}
	defer gate.stop()
	tokens, err := b.mint(manyTokens)
	if err != nil {
		return err
	}
	if _, err := gate.answers(gateAddr, get(gateAddr, "/", tokens[0]), http.StatusOK); err != nil {
		return err
	}
	base, test := b.through(bare, bareAddr, tokens, http.StatusOK), b.through(gate, gateAddr, tokens, http.StatusOK)
	if err := test.load.count(2 * manyTokens); err != nil { // twice: a cache may admit on the second sight only
		return err
	}
	o, err := b.play(quickly(base, test, 10))
	if err != nil {
		return err
	}
	added, err := addedMemory(bare, gate)
	if err != nil {
		return err
	}
	// Less than the caches' own bounds, 64 and 16 MiB by default, and as much again for the
	// collector, which lets the heap double between its rounds.
	const memoryBound = 2 * (64 + 8)
	b.report.add(
		requestRate("gate.10000.rate", o, bareName).target(atLeast, 0.95),
		latency("gate.10000.p99", o, bareName),
		cpu("gate.10000.cpu", o, bareName),
		value("gate.10000.memory", added, "MiB added").target(atMost, memoryBound),
	)
	return nil
}

// gateNew never shows a token twice: one RS256 verification for each request.
func (b *bench) gateNew() error {
	bare, bareAddr, err := b.bareProxy()
	if err != nil {
		return err
	}
	gate, gateAddr, err := b.serveSite("gate-new", b.bin.gatehouse, b.jwtGate())
	if err != nil {
		return err
	}
	defer gate.stop()
	tokens, err := b.mint(b.blocks(8) * 3600)
	if err != nil {
		return err
	}
	if _, err := gate.answers(gateAddr, get(gateAddr, "/", tokens[0]), http.StatusOK); err != nil {
		return err
	}
	tokens = tokens[1:]
	base, test := b.through(bare, bareAddr, tokens, http.StatusOK), b.through(gate, gateAddr, tokens, http.StatusOK)
	test.load.once = true
	all, err := b.play(quickly(base, test, 8))
	if err != nil {
		return err
	}
	b.report.add(
		requestRate("gate.new.rate", all, bareName).target(atLeast, 0.60),
		cpu("gate.new.cpu", all, bareName),
	)
	return nil
}

// gateOpaque is the gate with introspection, its answers cached.
func (b *bench) gateOpaque() error {
	bare, bareAddr, err := b.bareProxy()
	if err != nil {
		return err
	}
	gate, gateAddr, err := b.serveSite("gate-opaque", b.bin.gatehouse, b.opaqueGate())
	if err != nil {
		return err
	}
	defer gate.stop()
	many := make([]string, manyTokens)
	for i := range many {
		many[i] = fmt.Sprintf("%s%08d-%s", opaquePrefix, i, "0123456789abcdefghijklmn")
	}
	for _, c := range []struct {
		name   string
		tokens []string
		bound  float64
	}{
		{"gate.opaque.one", many[:1], 0.97},
		{"gate.opaque.10000", many, 0.95},
	} {
		asked := b.issuer.introspections.Load()
		base := b.through(bare, bareAddr, c.tokens, http.StatusOK)
		test := b.through(gate, gateAddr, c.tokens, http.StatusOK)
		if err := test.load.count(2 * len(c.tokens)); err != nil {
			return err
		}
		o, err := b.play(quickly(base, test, 10))
		if err != nil {
			return err
		}
		calls := float64(b.issuer.introspections.Load()-asked) / float64(len(c.tokens))
		b.report.add(
			requestRate(c.name+".rate", o, bareName).target(atLeast, c.bound),
			cpu(c.name+".cpu", o, bareName),
			value(c.name+".calls", calls, "calls/token").target(atMost, 1),
		)
	}
	return nil
}

// mint signs on every core: between measures nothing is disturbed by it.
func (b *bench) mint(n int) (tokens []string, err error) {
	b.progress("signing %d tokens", n)
	err = b.place.spread(func() error {
		tokens, err = b.issuer.mint(n)
		return err
	})
	return tokens, err
}
