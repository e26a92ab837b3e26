package main

import "net/http"

// harness measures the measuring: a server against itself shows the error of
// every other ratio, and the load's own use of its core, at the fastest answers
// there are, shows whether it or the server is the slow part.
func (b *bench) harness() error {
	bare, bareAddr, err := b.bareProxy()
	if err != nil {
		return err
	}
	tokens := []string{opaquePrefix}
	o, err := b.duel(b.through(bare, bareAddr, tokens, http.StatusOK), b.through(bare, bareAddr, tokens, http.StatusOK), 14)
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
	for range b.pairs(4) {
		t, err := fast.load.send(roundWarm, roundWindow, nil)
		if err != nil {
			return err
		}
		busy, rates = append(busy, t.busy), append(rates, t.rate())
	}
	_, disturbance, _ := o.of(held)
	b.report.add(
		value("harness.held_up", disturbance, "of the time"),
		requestRate("harness.self.rate", o, "itself"),
		latency("harness.self.p99", o, "itself"),
		cpu("harness.self.cpu", o, "itself"),
		value("harness.static.rate", median(rates), "requests/s"),
		value("harness.load.busy", median(busy), "of a core"),
	)
	return nil
}
