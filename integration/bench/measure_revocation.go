package main

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
)

// revocation revokes tokens that the gate has cached and tries each at once:
// the very next request must be refused.
func (b *bench) revocation() error {
	a, err := b.startAuthority("revocation")
	if err != nil {
		return err
	}
	defer a.stop()
	n := 500
	if b.quick {
		n = 100
	}
	tokens, err := a.issue(rsaEnvironment, n)
	if err != nil {
		return err
	}
	const workers = 8
	var (
		wait     sync.WaitGroup
		accepted atomic.Int64
		errs     = make(chan error, workers)
	)
	for w := range workers {
		wait.Go(func() {
			for i := w; i < n; i += workers {
				stillGood, err := a.outlives(tokens[i])
				if err != nil {
					errs <- err
					return
				}
				if stillGood {
					accepted.Add(1)
				}
			}
		})
	}
	wait.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	b.report.add(value("revocation.accepted", float64(accepted.Load()), fmt.Sprintf("of %d", n)).target(atMost, 0))
	return nil
}

// outlives shows a token to the gate, revokes it, and reports whether the gate
// lets it pass afterwards.
func (a *authority) outlives(token string) (bool, error) {
	pass := get(a.gate, "/", token)
	for range 2 { // the second is answered from the cache
		if status, body, err := ask(a.gate, pass); err != nil || status != http.StatusOK {
			return false, fmt.Errorf("before the revocation: status %d %.200s %w", status, body, err)
		}
	}
	if status, body, err := ask(a.addr, a.revocationRequest(rsaEnvironment, token)); err != nil || status != http.StatusOK {
		return false, fmt.Errorf("revocation: status %d %.200s %w", status, body, err)
	}
	status, _, err := ask(a.gate, pass)
	return status == http.StatusOK, err
}
