package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// How many streams are open, for how many tokens.
const (
	streamTokens = 100
	perToken     = 10
)

// gateStreams opens event streams through a gate, revokes all of their tokens, and waits until the last stream
// is closed.
func (b *bench) gateStreams() error {
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	events := &http.Server{ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }, Handler: http.HandlerFunc(sendEvents)}
	go func() { _ = events.Serve(api) }() // always ErrServerClosed in the end
	defer func() {
		cancel()
		_ = events.Close()
	}()

	a, err := b.authorityBefore(sqliteLines(filepath.Join(b.runs, "streams")), rsaEnvironment, fmt.Sprintf("\treverse_proxy %s\n", api.Addr()))
	if err != nil {
		return err
	}
	if err := b.run(a, "streams"); err != nil {
		return err
	}
	defer a.stop()
	var lags []float64
	for range b.blocks(4) {
		lag, err := b.endStreams(a)
		if err != nil {
			return err
		}
		lags = append(lags, lag.Seconds())
	}
	b.report.add(value("gate.streams.last_end", median(lags), "s").target(atMost, 1))
	return nil
}

// sendEvents sends one now and then.
func sendEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for r.Context().Err() == nil {
		if _, err := w.Write([]byte("data: tick\n\n")); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(time.Second):
		}
	}
}

// endStreams is one round: the time from the acknowledgment of the last revocation.
func (b *bench) endStreams(a *authority) (time.Duration, error) {
	tokens, err := a.issue(rsaEnvironment, streamTokens)
	if err != nil {
		return 0, err
	}
	open := make([]net.Conn, 0, streamTokens*perToken)
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	var ends sync.WaitGroup
	begin := time.Now()
	last := make(chan time.Duration, streamTokens*perToken) // since begin
	for _, token := range tokens {
		for range perToken {
			c, in, err := openEvents(a.gate, token)
			if err != nil {
				return 0, err
			}
			open = append(open, c)
			ends.Go(func() {
				for {
					if _, err := in.ReadString('\n'); err != nil {
						last <- time.Since(begin)
						return
					}
				}
			})
		}
	}
	for i, token := range tokens {
		if status, body, err := ask(a.addr, a.revocationRequest(rsaEnvironment, token)); err != nil || status != http.StatusOK {
			return 0, fmt.Errorf("revocation %d: status %d %.200s %w", i, status, body, err)
		}
	}
	revoked := time.Since(begin)
	_ = time.AfterFunc(20*time.Second, func() {
		for _, c := range open {
			_ = c.SetDeadline(time.Now()) // those that go on still
		}
	})
	ends.Wait()
	close(last)
	latest := revoked
	for at := range last {
		latest = max(latest, at)
	}
	if latest-revoked > 15*time.Second {
		return 0, errors.New("streams went on after their tokens were revoked")
	}
	return latest - revoked, nil
}

// openEvents opens a stream and reads its first event.
func openEvents(addr, token string) (net.Conn, *bufio.Reader, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	in := bufio.NewReader(c)
	if _, err = c.Write(get(addr, "/events", token)); err == nil {
		err = readEvent(in)
	}
	if err != nil {
		_ = c.Close()
		return nil, nil, err
	}
	return c, in, nil
}

// readEvent reads the head of an answer, and what comes first of its body.
func readEvent(in *bufio.Reader) error {
	status, err := in.ReadString('\n')
	if err != nil || !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		return fmt.Errorf("answer = %q, want 200 (%w)", status, err)
	}
	for line := status; line != "data: tick\n" && err == nil; {
		line, err = in.ReadString('\n')
	}
	return err
}
