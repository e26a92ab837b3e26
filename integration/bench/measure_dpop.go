package main

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const rawVerification = "raw ES256 verification"

// gateDPoP is a known token with a new proof each time: judged in Go, and in whole requests.
func (b *bench) gateDPoP() error {
	raw, err := b.startSigner(verifyES256)
	if err != nil {
		return err
	}
	defer raw.close()
	judge, err := b.startSigner(judgeDPoP)
	if err != nil {
		return err
	}
	defer judge.close()
	check, err := b.play(patiently(raw, judge, 8))
	if err != nil {
		return err
	}
	verified, _, _ := check.of(rate)
	b.report.add(requestRate("gate.dpop.check", check, rawVerification).target(atLeast, 0.8))

	bare, bareAddr, err := b.bareProxy()
	if err != nil {
		return err
	}
	gate, addr, err := b.serveSiteAt("gate-dpop", b.dpopGate)
	if err != nil {
		return err
	}
	defer gate.stop()
	p, err := newProver()
	if err != nil {
		return err
	}
	token, err := b.issuer.bound(p.jkt)
	if err != nil {
		return err
	}
	requests, err := b.proved(p, b.blocks(8)*4500, http.MethodGet, "http://"+addr+"/", token, func(proof string) []byte {
		return getWith(addr, "/", "Authorization: DPoP "+token, "DPoP: "+proof)
	})
	if err != nil {
		return err
	}
	if _, err := gate.answers(addr, requests[0], http.StatusOK); err != nil {
		return err
	}
	if status, _, err := ask(addr, requests[0]); err != nil || status != http.StatusUnauthorized {
		return fmt.Errorf("a proof was good twice: status %d %w", status, err)
	}
	requests = requests[1:]
	base, test := b.target(bare, bareAddr, gateConns, http.StatusOK, requests...), b.target(gate, addr, gateConns, http.StatusOK, requests...)
	test.load.once = true
	o, err := b.play(quickly(base, test, 8))
	if err != nil {
		return err
	}
	plain, whole, _ := o.of(rate)
	limit := 1 / (1/plain + 1/verified)
	b.report.add(
		requestRate("gate.dpop.rate", o, bareName),
		cpu("gate.dpop.cpu", o, bareName),
		value("gate.dpop.of_limit", whole, "requests/s").to("a bare request and one raw verification", limit, whole/limit),
	)
	return nil
}

// dpopGate is jwtGate for tokens that are bound to a key. Proofs are made long before they are sent.
func (b *bench) dpopGate(addr string) string {
	return b.gateWith(forwardSubject + fmt.Sprintf("\t\turl http://%s\n\t\tdpop {\n\t\t\tmax_age 5m\n\t\t}\n", addr))
}

// proved makes n requests with a proof each, on every core.
func (b *bench) proved(p *prover, n int, method, url, token string, request func(proof string) []byte) (requests [][]byte, err error) {
	b.progress("signing %d proofs", n)
	var proofs []string
	err = b.place.spread(func() error {
		proofs, err = p.proofs(n, method, url, token)
		return err
	})
	for _, proof := range proofs {
		requests = append(requests, request(proof))
	}
	return requests, err
}

// tokenDPoP is the durable token endpoint with tokens that are bound to a key.
func (b *bench) tokenDPoP() error {
	a, err := b.startAuthority("token-dpop")
	if err != nil {
		return err
	}
	defer a.stop()
	raw, err := b.startSigner("ES256")
	if err != nil {
		return err
	}
	defer raw.close()
	p, err := newProver()
	if err != nil {
		return err
	}
	path := "/" + ecEnvironment + "/as/token"
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {tokenScope}}
	// A proof is good for a minute at the server: what is left by then is not sent.
	requests, err := b.proved(p, b.blocks(6)*4000, http.MethodPost, "http://"+a.addr+path, "", func(proof string) []byte {
		return post(a.addr, path, workerID, workerSecret, form, "DPoP: "+proof)
	})
	if err != nil {
		return err
	}
	test := b.target(a.server, a.addr, ecConns, http.StatusOK, requests...)
	test.load.once = true
	begin := time.Now()
	o, err := b.play(patiently(raw, test, 6))
	if err != nil {
		return fmt.Errorf("%v after the proofs were made: %w", time.Since(begin).Round(time.Second), err)
	}
	_, whole, _ := o.of(rate)
	b.report.add(
		value("token.dpop.rate", whole, "requests/s"),
		requestRate("token.dpop.of_raw", o, "raw ES256 signing"),
	)
	return nil
}
