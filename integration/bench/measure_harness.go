package main

import (
	"net/http"
	"time"
)

// harness measures the measuring: a server against its twin shows the error of
// every other ratio, and the load's own use of its core, at the fastest answers
// there are, shows whether it or the server is the slow part.
func (b *bench) harness() error {
	bare, bareAddr, err := b.bareProxy()
	if err != nil {
		return err
	}
	twin, twinAddr, err := b.serveSite("bare-twin", b.bin.gatehouse, b.proxyTo())
	if err != nil {
		return err
	}
	defer twin.stop()
	tokens := []string{opaquePrefix}
	o, err := b.play(quickly(b.through(bare, bareAddr, tokens, http.StatusOK), b.through(twin, twinAddr, tokens, http.StatusOK), 10))
	if err != nil {
		return err
	}
	static, addr, err := b.serveSite("harness-static", b.bin.gatehouse, staticBody(200))
	if err != nil {
		return err
	}
	defer static.stop()
	fast := b.through(static, addr, tokens, http.StatusOK)
	var busy, rates []float64
	for range b.blocks(4) {
		t, err := fast.load.send(80*time.Millisecond, 400*time.Millisecond, nil)
		if err != nil {
			return err
		}
		busy, rates = append(busy, t.busy), append(rates, float64(t.answers)/t.window.Seconds())
	}
	_, disturbance, _ := o.of(held)
	b.report.add(
		value("harness.held_up", disturbance, "of the time"),
		requestRate("harness.twin.rate", o, "its twin"),
		latency("harness.twin.p99", o, "its twin"),
		cpu("harness.twin.cpu", o, "its twin"),
		value("harness.static.rate", median(rates), "requests/s"),
		value("harness.load.busy", median(busy), "of a core"),
	)
	return nil
}
