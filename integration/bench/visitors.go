package main

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// visitors is a target: clients that send requests in turn, all of them
// together, each when its answer before has come. Unlike a load they
// sleep meanwhile, so that a database may run on their core.
type visitors struct {
	server   *server
	addr     string
	requests [][]byte
	next     atomic.Int64
	clients  []*visitor
}

func newVisitors(s *server, addr string, n int, requests ...[]byte) *visitors {
	v := &visitors{server: s, addr: addr, requests: requests}
	for range n {
		v.clients = append(v.clients, &visitor{addr: addr})
	}
	return v
}

func (v *visitors) runs() *server { return v.server }

func (v *visitors) pause()  { v.server.pause() }
func (v *visitors) resume() { v.server.resume() }

func (v *visitors) close() {
	for _, c := range v.clients {
		c.close()
	}
}

// round is target's. Any answer but 200 fails it.
func (v *visitors) round(warm, window time.Duration) (slice, error) {
	steps := make([]func() error, len(v.clients))
	for i, c := range v.clients {
		steps[i] = func() error {
			request := v.requests[int(v.next.Add(1)-1)%len(v.requests)]
			_, err := c.ask(request, http.StatusOK)
			return err
		}
	}
	return inTurns(v.server, steps, warm, window)
}

// visitor is a client with a connection that it keeps. It is not for concurrent use.
type visitor struct {
	addr    string
	conn    net.Conn
	answers answers
}

// ask sends a request and gives the answer's body, which is valid until the next
// call. Any other status than want is an error.
func (v *visitor) ask(request []byte, want int) (body []byte, err error) {
	defer func() {
		if err != nil {
			v.close() // whatever else comes on it answers something else
		}
	}()
	if v.conn == nil {
		if v.conn, err = net.Dial("tcp", v.addr); err != nil {
			return nil, err
		}
		v.answers = answers{}
	}
	if err := v.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := v.conn.Write(request); err != nil {
		return nil, err
	}
	for {
		n, err := v.conn.Read(v.answers.room())
		if err != nil {
			return nil, err
		}
		v.answers.took(n)
		got, whole, err := v.answers.next()
		if err != nil {
			return nil, err
		}
		if whole && got.status != want {
			return nil, fmt.Errorf("status = %d, want %d: %.300s", got.status, want, got.body)
		}
		if whole {
			return got.body, nil
		}
	}
}

func (v *visitor) close() {
	if v.conn != nil {
		_ = v.conn.Close() // nothing is left to lose on it
		v.conn = nil
	}
}
