package main

import (
	"bytes"
	"net"
	"sync"
	"time"
)

// upstreamAnswer is what the API behind the gate says to everything.
var upstreamAnswer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n")

// upstream is the API behind every proxy measured here: as little of an HTTP
// server as a GET without a body needs, so that the proxy stays the slow part.
type upstream struct {
	listener net.Listener
	poll     *poller
	turn     sync.Mutex // held by whoever serves: a goroutine, or a load's thread during its rounds

	mu    sync.Mutex
	conns []*proxied // by poller id; nil once closed
}

// proxied is one connection of a proxy.
type proxied struct {
	conn net.Conn // keeps fd open
	fd   int
	buf  []byte
	held int // bytes of an unfinished head
}

func startUpstream() (*upstream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{listener: l}
	if u.poll, err = newPoller(); err != nil {
		_ = l.Close()
		return nil, err
	}
	go u.accept()
	go u.serve()
	return u, nil
}

func (u *upstream) addr() string { return u.listener.Addr().String() }

// close stops accepting; connections end with the proxies that hold them, and the rest with this process.
func (u *upstream) close() { _ = u.listener.Close() }

func (u *upstream) accept() {
	for {
		conn, err := u.listener.Accept()
		if err != nil {
			return // closed
		}
		fd, err := descriptor(conn)
		if err != nil {
			_ = conn.Close()
			continue
		}
		u.mu.Lock()
		u.conns = append(u.conns, &proxied{conn: conn, fd: fd, buf: make([]byte, 32<<10)})
		id := len(u.conns) - 1
		u.mu.Unlock()
		if err := u.poll.add(fd, id); err != nil {
			_ = conn.Close()
		}
	}
}

// serve answers between the rounds of loads.
func (u *upstream) serve() {
	for {
		u.turn.Lock()
		err := u.step(2 * time.Millisecond)
		u.turn.Unlock()
		if err != nil {
			return
		}
	}
}

// step answers what has arrived, and waits for that if nothing has. Its caller
// has the turn.
func (u *upstream) step(patience time.Duration) error {
	ready, err := u.poll.wait(patience)
	if err != nil {
		return err
	}
	for _, id := range ready {
		u.mu.Lock()
		c := u.conns[id]
		u.mu.Unlock()
		if c == nil || c.answer() == nil {
			continue
		}
		_ = c.conn.Close()
		u.mu.Lock()
		u.conns[id] = nil
		u.mu.Unlock()
	}
	return nil
}

// answer reads what has arrived and answers every head that it completes. An
// error ends the connection.
func (c *proxied) answer() error {
	n, err := readNow(c.fd, c.buf[c.held:])
	if err != nil {
		return err
	}
	c.held += n
	for {
		i := bytes.Index(c.buf[:c.held], headEnd)
		if i < 0 {
			break
		}
		c.held = copy(c.buf, c.buf[i+len(headEnd):c.held])
		if _, err := writeNow(c.fd, upstreamAnswer); err != nil {
			return err
		}
	}
	if c.held == len(c.buf) {
		return bytes.ErrTooLarge // a head beyond any that is sent here
	}
	return nil
}
