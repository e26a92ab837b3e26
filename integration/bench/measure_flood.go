package main

import (
	"fmt"
	"net/http"
	"time"
)

// jwksCoolDown is the shortest time between two fetches of a key set that bad
// tokens can cause (the default of the gate).
const jwksCoolDown = 10 * time.Second

// flood is 10,000 bad tokens in turn: they must cost less than serving would,
// cause no traffic to the issuer, and leave good tokens alone.
func (b *bench) flood() error {
	good, err := b.mint(200)
	if err != nil {
		return err
	}
	badSignatures, err := b.issuer.forge(manyTokens, func(int) string { return issuerKeyID })
	if err != nil {
		return err
	}
	unknownKeys, err := b.issuer.forge(manyTokens, func(i int) string { return fmt.Sprintf("unknown-%d", i) })
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		bad  []string
	}{{"flood.signature", badSignatures}, {"flood.keyid", unknownKeys}} {
		if err := b.floodWith(c.name, good, c.bad); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) floodWith(name string, good, bad []string) error {
	bare, bareAddr, err := b.bareProxy()
	if err != nil {
		return err
	}
	gate, gateAddr, err := b.serveSite(name, b.bin.gatehouse, b.jwtGate())
	if err != nil {
		return err
	}
	defer gate.stop()
	if _, err := gate.answers(gateAddr, get(gateAddr, "/", good[0]), http.StatusOK); err != nil {
		return err
	}
	passing := b.through(gate, gateAddr, good, http.StatusOK)
	if err := passing.load.count(2 * len(good)); err != nil {
		return err
	}
	fetches, begin := b.issuer.jwksFetches.Load(), time.Now()

	flooding := b.through(gate, gateAddr, bad, http.StatusUnauthorized)
	o, err := b.play(quickly(b.through(bare, bareAddr, good, http.StatusOK), flooding, 8))
	if err != nil {
		return err
	}
	_, usual, _ := outcome{o.base, o.base}.of(rate)
	undisturbed, disturbed, ratio, err := b.goodAmong(flooding.load, passing.load, int(usual/2))
	if err != nil {
		return err
	}

	lost, err := lostEntries(gate, passing.load)
	if err != nil {
		return err
	}
	allowed := 1 + float64(time.Since(begin))/float64(jwksCoolDown)
	b.report.add(
		requestRate(name+".rate", o, bareName).target(atLeast, 1),
		cpu(name+".cpu", o, bareName),
		value(name+".jwks_fetches", float64(b.issuer.jwksFetches.Load()-fetches), "fetches").target(atMost, float64(int(allowed))),
		value(name+".good_lost", lost, "of 200").target(atMost, 0),
		value(name+".good_p99", disturbed, "ms").to("p99 among good tokens", undisturbed, ratio).target(atMost, 1.1),
	)
	return nil
}

// goodAmong compares the p99 of two connections with good tokens while all the
// others send bad ones, and while they send good ones, at the same pace of
// requests per second: as many as can be, each way, would be more bad than good ones.
func (b *bench) goodAmong(bad, good *load, pace int) (undisturbed, disturbed, ratio float64, err error) {
	bad.pace, good.pace = pace, pace
	defer func() { bad.pace, good.pace = 0, 0 }()
	probe := &load{addr: good.addr, conns: 2, requests: good.requests, want: good.want}
	defer probe.close()
	var calm, among, ratios []float64
	for range b.blocks(8) {
		var pair [2]float64
		for i, others := range []*load{good, bad} {
			begin := time.Now().Add(80 * time.Millisecond)
			r := round{begin: begin, end: begin.Add(400 * time.Millisecond)}
			crowd, err := newDriver(others, r)
			if err != nil {
				return 0, 0, 0, err
			}
			probed, err := newDriver(probe, r)
			if err != nil {
				return 0, 0, 0, err
			}
			if err := spin(b.upstream, crowd, probed); err != nil {
				return 0, 0, 0, err
			}
			pair[i] = percentile(probed.tally.micros, 0.99)
		}
		calm, among, ratios = append(calm, pair[0]), append(among, pair[1]), append(ratios, pair[1]/pair[0])
	}
	return median(calm), median(among), median(ratios), nil
}

// lostEntries shows every good token once more: one whose cache entry was pushed
// out is verified again, and the gate's own metrics tell.
func lostEntries(gate *server, good *load) (float64, error) {
	before, err := gate.verifications()
	if err != nil {
		return 0, err
	}
	if err := good.count(len(good.requests)); err != nil {
		return 0, err
	}
	after, err := gate.verifications()
	return after - before, err
}
