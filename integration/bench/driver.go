package main

import (
	"fmt"
	"slices"
	"time"
)

// round bounds one drive: by time, and by number where limit is not 0.
type round struct {
	begin, end time.Time // of what is counted
	limit      int
	counted    func(begin bool)
}

// driver is one round of a load under way.
type driver struct {
	*load
	round
	tally tally

	start, now time.Time
	sent       int
	idle       []*client     // connections without a request
	inside     bool          // begin has passed, end has not
	entered    time.Time     // when inside became true
	working    time.Duration // inside, with answers and requests
}

func newDriver(l *load, r round) (*driver, error) {
	if err := l.connect(); err != nil {
		return nil, err
	}
	return &driver{load: l, round: r, idle: slices.Clone(l.open), start: time.Now(), tally: tally{micros: make([]uint32, 0, 1<<15)}}, nil
}

// player is one side of what spin plays: a driver, mostly.
type player interface {
	// step does what can be done now, and says whether all is done.
	step() (finished bool, err error)
	close()
}

// spin plays the rounds of all players in one thread, with the upstream between
// them, and never sleeps. A server that has to wake a sleeping core pays for
// that, most of all in a virtual machine, and the more the less it keeps that
// core busy: a slower server would look slower than it is.
func spin(u *upstream, players ...player) error {
	if u != nil {
		u.turn.Lock()
		defer u.turn.Unlock()
	}
	for {
		over := true
		for _, p := range players {
			finished, err := p.step()
			if err != nil {
				for _, p := range players {
					p.close() // answers may still be on their way to the old connections
				}
				return err
			}
			over = over && finished
		}
		if over {
			return nil
		}
		if u != nil {
			if err := u.step(0); err != nil {
				return err
			}
		}
	}
}

// step does what can be done now. It is finished when the round is over and the
// last answers have come, so that the connections are quiet then.
func (d *driver) step() (finished bool, err error) {
	d.tick()
	for len(d.idle) > 0 && d.mayMore() {
		c := d.idle[len(d.idle)-1]
		d.idle = d.idle[:len(d.idle)-1]
		if err := d.request(c); err != nil {
			return false, err
		}
	}
	if d.over() && len(d.idle) == len(d.open) {
		d.leave()
		return true, nil
	}
	const patience = 10 * time.Second
	if d.now.Sub(d.end) > patience {
		return false, fmt.Errorf("%d requests without an answer for %v", len(d.open)-len(d.idle), patience)
	}
	ready, err := d.poll.wait(0)
	if err != nil || len(ready) == 0 {
		return false, err
	}
	began := d.now
	for _, i := range ready {
		if err := d.receive(d.open[i]); err != nil {
			return false, err
		}
	}
	if d.inside {
		d.working += time.Since(began)
	}
	return false, nil
}

// over reports whether nothing more is to be sent.
func (d *driver) over() bool {
	return d.now.After(d.end) || d.limit > 0 && d.sent >= d.limit || d.once && d.left() == 0
}

// mayMore reports whether a request is to be sent now.
func (d *driver) mayMore() bool {
	return !d.over() && (d.pace == 0 || float64(d.sent) <= d.now.Sub(d.start).Seconds()*float64(d.pace))
}

func (d *driver) request(c *client) error {
	d.sent++
	c.sent = d.now
	return d.write(c)
}

// receive takes in what has arrived on c. When that completes an answer, the next request
// follows at once: the connections behind it would wait for nothing.
func (d *driver) receive(c *client) error {
	whole, err := d.read(c)
	if err != nil || !whole {
		return err
	}
	d.now = time.Now()
	if d.inside {
		d.tally.micros = append(d.tally.micros, uint32(d.now.Sub(c.sent).Microseconds()))
	}
	if d.mayMore() {
		return d.request(c)
	}
	d.idle = append(d.idle, c)
	return nil
}

// tick looks at the clock, and begins or ends the counting.
func (d *driver) tick() {
	d.now = time.Now()
	switch {
	case !d.inside && d.entered.IsZero() && !d.now.Before(d.begin) && d.now.Before(d.end):
		d.inside, d.entered = true, d.now
		if d.counted != nil {
			d.counted(true)
		}
	case d.inside && !d.now.Before(d.end):
		d.leave()
	}
}

// leave ends the counting, if it has begun: the requests may end before the time does.
func (d *driver) leave() {
	if !d.inside {
		return
	}
	d.inside = false
	d.tally.window = d.now.Sub(d.entered)
	d.tally.busy = d.working.Seconds() / d.tally.window.Seconds()
	if d.counted != nil {
		d.counted(false)
	}
	d.tally.answers = len(d.tally.micros)
	slices.Sort(d.tally.micros)
}
