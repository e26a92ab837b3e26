package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// streamAPI is an upstream whose answers do not end. A server may open as many streams to it as it likes: they share connections, over
// HTTP/2 without TLS, so that a process needs few descriptors for them.
type streamAPI struct {
	addr  string
	close func()
}

func startStreamAPI() (*streamAPI, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/events", sendEvents(time.Second))
	mux.HandleFunc("/quiet", sendEvents(time.Hour))
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }, Handler: mux, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }() // always ErrServerClosed in the end
	return &streamAPI{listener.Addr().String(), func() {
		cancel()
		_ = server.Close()
	}}, nil
}

// sendEvents sends one at once, and another each time that pause is over.
func sendEvents(pause time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte("data: tick\n\n")); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(pause):
			}
		}
	}
}

// openStreams are event streams that somebody reads, each on a connection of its own.
type openStreams struct {
	conns []net.Conn
	ends  sync.WaitGroup
	mu    sync.Mutex
	ended []time.Time
}

// open opens n streams at addr, with the tokens in turn, from the loopback address 127.0.1.from: ports that a round has
// used are not free for the next one at once.
func open(addr, path string, tokens []string, n int, from byte) (*openStreams, error) {
	const workers = 16
	var wait sync.WaitGroup
	o, errs := &openStreams{conns: make([]net.Conn, n)}, make([]error, workers)
	dialer := &net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, from)}}
	for w := range workers {
		wait.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				var in *bufio.Reader
				if o.conns[i], in, errs[w] = openEvents(dialer, addr, path, tokens[i%len(tokens)]); errs[w] == nil {
					o.ends.Go(func() { o.follow(in) })
				}
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

func (o *openStreams) follow(in *bufio.Reader) {
	for {
		if _, err := in.ReadSlice('\n'); err != nil {
			o.mu.Lock()
			o.ended = append(o.ended, time.Now())
			o.mu.Unlock()
			return
		}
	}
}

// close gives up those that are open still.
func (o *openStreams) close() {
	for _, c := range o.conns {
		if c != nil {
			_ = c.Close()
		}
	}
	o.ends.Wait()
}

// lags waits until all have ended, and tells how long after since each of them did, in order.
func (o *openStreams) lags(since time.Time) ([]time.Duration, error) {
	const patience = 20 * time.Second
	late := time.AfterFunc(patience, func() {
		for _, c := range o.conns {
			_ = c.SetDeadline(time.Now()) // those that go on still
		}
	})
	defer late.Stop()
	o.ends.Wait()
	lags := make([]time.Duration, 0, len(o.ended))
	for _, at := range o.ended {
		lags = append(lags, max(0, at.Sub(since)))
	}
	slices.Sort(lags)
	if lags[len(lags)-1] > patience*3/4 {
		return nil, errors.New("streams went on after their tokens were revoked")
	}
	return lags, nil
}

// openEvents opens a stream and reads its first event.
func openEvents(from *net.Dialer, addr, path, token string) (net.Conn, *bufio.Reader, error) {
	c, err := from.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	in := bufio.NewReaderSize(c, 1024)
	if _, err = c.Write(get(addr, path, token)); err == nil {
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
