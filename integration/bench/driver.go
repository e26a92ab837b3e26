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
	idle       []*client // connections without a request
	inside     bool      // begin has passed, end has not
	entered    time.Time // when inside became true
}

// drive sends until the round is over and then waits for the last answers, so that
// the connections are quiet when it returns.
func (d *driver) drive() error {
	d.tally.micros = make([]uint32, 0, 1<<15)
	d.now = d.start
	giveUp := d.end.Add(10 * time.Second)
	for {
		for len(d.idle) > 0 && d.mayMore() {
			c := d.idle[len(d.idle)-1]
			d.idle = d.idle[:len(d.idle)-1]
			if err := d.request(c); err != nil {
				return err
			}
		}
		if d.over() && len(d.idle) == len(d.open) {
			d.leave()
			return nil
		}
		if d.now.After(giveUp) {
			return fmt.Errorf("%d requests without an answer for 10 s", len(d.open)-len(d.idle))
		}
		ready, err := d.poll.wait(d.patience(giveUp))
		if err != nil {
			return err
		}
		d.tick()
		for _, i := range ready {
			if err := d.receive(d.open[i]); err != nil {
				return err
			}
		}
	}
}

// over reports whether nothing more is to be sent.
func (d *driver) over() bool {
	return d.now.After(d.end) || d.limit > 0 && d.sent >= d.limit || d.once && d.left() == 0
}

// mayMore reports whether a request is to be sent now.
func (d *driver) mayMore() bool {
	return !d.over() && (d.pace == 0 || float64(d.sent) <= d.now.Sub(d.start).Seconds()*float64(d.pace))
}

// patience is how long there may be nothing to do but to wait for answers.
func (d *driver) patience(giveUp time.Time) time.Duration {
	switch {
	case d.pace > 0 && len(d.idle) > 0 && !d.over():
		return time.Millisecond
	case d.now.Before(d.begin):
		return d.begin.Sub(d.now)
	case d.now.Before(d.end):
		return d.end.Sub(d.now)
	default:
		return giveUp.Sub(d.now)
	}
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
	if d.counted != nil {
		d.counted(false)
	}
	d.tally.answers = len(d.tally.micros)
	slices.Sort(d.tally.micros)
}
