package main

import (
	"fmt"
	"net/http"
	"strings"
)

// How many clients ask for tokens at a time: enough for them to share commits,
// and few enough for an answer to take much less time than a round.
const (
	rsaConns = 16
	ecConns  = 64
)

// tokenEndpoint compares the durable token endpoint with nothing but signing.
func (b *bench) tokenEndpoint() error {
	a, err := b.startAuthority("token")
	if err != nil {
		return err
	}
	defer a.stop()
	for _, c := range []struct {
		name, algorithm, environment string
		conns                        int
	}{
		{"token.rs256", "RS256", rsaEnvironment, rsaConns},
		{"token.es256", "ES256", ecEnvironment, ecConns},
	} {
		raw, err := b.startSigner(c.algorithm)
		if err != nil {
			return err
		}
		o, err := b.play(patiently(raw, b.target(a.server, a.addr, c.conns, http.StatusOK, a.tokenRequest(c.environment)), 10))
		raw.close()
		if err != nil {
			return err
		}
		against := "raw " + c.algorithm + " signing"
		rows := []result{requestRate(c.name+".rate", o, against), cpu(c.name+".cpu", o, against)}
		if c.algorithm == "RS256" {
			rows[0] = rows[0].target(atLeast, 0.90)
		} else {
			// The target is a rate, not a share of what the curve allows.
			_, test, _ := o.of(rate)
			rows[0] = value(c.name+".rate", test, "requests/s").target(atLeast, 4000)
			rows = append(rows, requestRate(c.name+".of_raw", o, against))
		}
		b.report.add(rows...)
	}
	return nil
}

// introspection compares with an answer of the same size that Caddy's respond gives to the same
// requests.
func (b *bench) introspection() error {
	a, err := b.startAuthority("introspect")
	if err != nil {
		return err
	}
	defer a.stop()
	tokens, err := a.issue(rsaEnvironment, 1000)
	if err != nil {
		return err
	}
	requests := introspections(a, tokens)
	body, err := mustBeActive(a, requests[0])
	if err != nil {
		return err
	}
	static, addr, err := b.serveSite("introspect-static", b.bin.gatehouse, staticBody(len(body)))
	if err != nil {
		return err
	}
	defer static.stop()
	base := b.target(static, addr, gateConns, http.StatusOK, requests...)
	test := b.target(a.server, a.addr, gateConns, http.StatusOK, requests...)
	if err := test.load.count(2 * len(requests)); err != nil {
		return err
	}
	o, err := b.play(quickly(base, test, 10))
	if err != nil {
		return err
	}
	b.report.add(
		requestRate("introspect.rate", o, staticName).target(atLeast, 0.40),
		latency("introspect.p99", o, staticName),
		cpu("introspect.cpu", o, staticName),
	)
	return nil
}

func introspections(a *authority, tokens []string) [][]byte {
	requests := make([][]byte, len(tokens))
	for i, t := range tokens {
		requests[i] = a.introspectionRequest(rsaEnvironment, t)
	}
	return requests
}

// mustBeActive guards against measuring how fast a token is disowned. It gives
// the answer's body.
func mustBeActive(a *authority, request []byte) ([]byte, error) {
	status, body, err := ask(a.addr, request)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK || !strings.Contains(strings.ReplaceAll(string(body), " ", ""), `"active":true`) {
		return nil, fmt.Errorf("introspection: status %d: %.200s", status, body)
	}
	return body, nil
}

// documents compares what clients read again and again with the same bytes from respond.
func (b *bench) documents() error {
	for _, c := range []struct{ name, path string }{
		{"jwks", "/as/jwks"},
		{"discovery", "/as/.well-known/openid-configuration"},
	} {
		if err := b.document(c.name, "/"+rsaEnvironment+c.path); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) document(name, path string) error {
	a, err := b.startAuthority(name)
	if err != nil {
		return err
	}
	defer a.stop()
	body, err := a.answers(a.addr, get(a.addr, path, ""), http.StatusOK)
	if err != nil {
		return err
	}
	static, addr, err := b.serveSite(name+"-static", b.bin.gatehouse, staticBody(len(body)))
	if err != nil {
		return err
	}
	defer static.stop()
	base := b.target(static, addr, gateConns, http.StatusOK, get(addr, path, ""))
	o, err := b.play(quickly(base, b.target(a.server, a.addr, gateConns, http.StatusOK, get(a.addr, path, "")), 10))
	if err != nil {
		return err
	}
	b.report.add(
		requestRate(name+".rate", o, staticName).target(atLeast, 0.90),
		cpu(name+".cpu", o, staticName),
	)
	return nil
}

const staticName = "static respond"

// staticBody is a site that answers everything with a fixed text of that size.
// It is no JSON, in whose braces respond would look for placeholders. Requests
// made for another server fit it too: hosts are matched without their port.
func staticBody(size int) string {
	return fmt.Sprintf("\theader Content-Type application/json\n\trespond \"%s\" 200\n", strings.Repeat("x", size))
}

// gateLocal is the gate whose issuer lives in the same process: a JWT, and an opaque token.
func (b *bench) gateLocal() error {
	a, err := b.startAuthority("gate-local")
	if err != nil {
		return err
	}
	defer a.stop()
	bare, bareAddr, err := b.bareProxy()
	if err != nil {
		return err
	}
	for _, c := range []struct{ name, worker string }{{"gate.local", workerID}, {"gate.local.opaque", opaqueWorkerID}} {
		token, err := a.issueOne(a.tokenRequestOf(c.worker, rsaEnvironment))
		if err != nil {
			return err
		}
		if jwt := strings.Count(token, ".") == 2; jwt != (c.worker == workerID) {
			return fmt.Errorf("%s: the token is a JWT: %t", c.name, jwt)
		}
		if _, err := a.answers(a.gate, get(a.gate, "/", token), http.StatusOK); err != nil {
			return err
		}
		tokens := []string{token}
		o, err := b.play(quickly(b.through(bare, bareAddr, tokens, http.StatusOK), b.through(a.server, a.gate, tokens, http.StatusOK), 10))
		if err != nil {
			return err
		}
		b.report.add(
			requestRate(c.name+".rate", o, bareName).target(atLeast, 0.97),
			cpu(c.name+".cpu", o, bareName),
		)
	}
	return nil
}
