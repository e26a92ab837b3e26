package main

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// load is a closed-loop generator: each of its connections sends a request, waits for the
// whole answer and sends the next. Requests are ready-made bytes, taken in turn
// by all connections together. Connections are kept from round to round. A load
// is not for concurrent use; see spin for several at a time.
type load struct {
	addr     string
	conns    int
	requests [][]byte
	want     int       // the status that every answer must have
	once     bool      // never send a request twice: a round ends with the requests
	pace     int       // requests per second at most, in a round; 0: as many as are answered
	beside   *upstream // served by the same thread meanwhile; may be nil

	next int // in requests, counting on
	open []*client
	poll *poller
}

// client is one connection.
type client struct {
	conn    net.Conn // keeps fd open
	fd      int
	answers answers
	sent    time.Time // when the request under way was
}

// tally is what one round saw.
type tally struct {
	answers int           // inside the window
	window  time.Duration // that answers were counted in
	busy    float64       // share of the window in which the load had something to do
	micros  []uint32      // each counted answer's latency in microseconds, sorted
}

// left is how many requests have not been sent yet.
func (l *load) left() int { return max(0, len(l.requests)-l.next) }

// send runs one round: warm uncounted, then window counted; counted, if it is
// not nil, is told when the window begins and ends. An answer with another status than
// want fails the round: a fast refusal is no fast service.
func (l *load) send(warm, window time.Duration, counted func(begin bool)) (tally, error) {
	begin := time.Now().Add(warm)
	return l.run(round{begin: begin, end: begin.Add(window), counted: counted})
}

// count sends n requests, however long they take (bounded by a minute).
func (l *load) count(n int) error {
	_, err := l.run(round{begin: time.Now(), end: time.Now().Add(time.Minute), limit: n})
	return err
}

func (l *load) run(r round) (tally, error) {
	d, err := newDriver(l, r)
	if err != nil {
		return tally{}, err
	}
	err = spin(l.beside, d)
	return d.tally, err
}

// write sends the next request.
func (l *load) write(c *client) error {
	request := l.requests[l.next%len(l.requests)]
	l.next++
	n, err := writeNow(c.fd, request)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if n < len(request) {
		return fmt.Errorf("send: connection took %d of %d bytes", n, len(request))
	}
	return nil
}

// read takes in what has arrived and reports whether it completes an answer.
func (l *load) read(c *client) (whole bool, err error) {
	n, err := readNow(c.fd, c.answers.room())
	if err != nil {
		return false, fmt.Errorf("answer: %w", err)
	}
	c.answers.took(n)
	got, whole, err := c.answers.next()
	if err != nil {
		return false, err
	}
	if whole && got.status != l.want {
		return false, fmt.Errorf("status = %d, want %d: %.200s", got.status, l.want, got.body)
	}
	return whole, nil
}

// connect opens the connections of the first round.
func (l *load) connect() (err error) {
	if l.poll == nil {
		if l.poll, err = newPoller(); err != nil {
			return err
		}
	}
	for len(l.open) < l.conns {
		conn, err := net.Dial("tcp", l.addr)
		if err != nil {
			return err
		}
		fd, err := descriptor(conn)
		if err == nil {
			err = l.poll.add(fd, len(l.open))
		}
		if err != nil {
			_ = conn.Close()
			return err
		}
		l.open = append(l.open, &client{conn: conn, fd: fd})
	}
	return nil
}

func (l *load) close() {
	for _, c := range l.open {
		_ = c.conn.Close() // nothing is left to lose on it
	}
	if l.poll != nil {
		l.poll.close()
	}
	l.open, l.poll = nil, nil
}

// descriptor is the file descriptor of a connection or pipe, valid until it is closed. Go
// keeps it non-blocking.
func descriptor(conn io.Reader) (fd int, err error) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return 0, err
	}
	return fd, raw.Control(func(d uintptr) { fd = int(d) })
}
