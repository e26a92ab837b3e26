package flow

import (
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// DefaultUnfinished is enough for the people behind one address of a large
// office, and too little to fill a disk.
const DefaultUnfinished = 1000

// maxAddresses bounds the table of addresses.
const maxAddresses = 1 << 16

// pending counts, for each address, the flows that were begun here and not
// finished. A flow that is never finished is forgotten within two lives of one.
// The zero value is ready. Safe for concurrent use.
type pending struct {
	mu     sync.Mutex
	counts map[string]*count
}

// count is what one address began: in the window that began at since, and in
// the one before.
type count struct {
	since       time.Time
	now, before int
}

// begin counts one more flow of an address, or reports that there are as many
// as there may be.
func (p *pending) begin(address string, most int, now time.Time) bool {
	if most == 0 {
		most = DefaultUnfinished
	}
	key := limit.Address(address)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil {
		p.counts = map[string]*count{}
	}
	c := p.counts[key]
	if c == nil {
		if len(p.counts) >= maxAddresses {
			p.sweep(now)
		}
		c = &count{since: now}
		p.counts[key] = c
	}
	c.turn(now)
	if c.now+c.before >= most {
		return false
	}
	c.now++
	return true
}

// finish counts one flow less.
func (p *pending) finish(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := limit.Address(address)
	c := p.counts[key]
	switch {
	case c == nil: // begun on another node
	case c.before > 0:
		c.before--
	case c.now > 0:
		c.now--
	}
	if c != nil && c.now+c.before == 0 {
		delete(p.counts, key)
	}
}

// turn moves the window on.
func (c *count) turn(now time.Time) {
	switch age := now.Sub(c.since); {
	case age < store.FlowIdle && age >= 0:
	case age >= 0 && age < 2*store.FlowIdle:
		c.before, c.now, c.since = c.now, 0, now
	default:
		c.before, c.now, c.since = 0, 0, now
	}
}

// sweep makes room: what is over first, and if that is not enough, the counts of
// whoever the map yields, so that one attacker's addresses never lock others out.
func (p *pending) sweep(now time.Time) {
	for key, c := range p.counts {
		if now.Sub(c.since) >= 2*store.FlowIdle {
			delete(p.counts, key)
		}
	}
	for key := range p.counts {
		if len(p.counts) < maxAddresses {
			return
		}
		delete(p.counts, key)
	}
}
