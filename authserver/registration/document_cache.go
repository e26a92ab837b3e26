package registration

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// maxDocument is the largest document, in bytes (draft §8.6).
	maxDocument = 5 << 10
	// documentTimeout bounds the fetching of one.
	documentTimeout = 5 * time.Second
	// maxDocuments is how many are kept: some 6 MB. Beyond it, the one that nobody asked for the longest is forgotten.
	maxDocuments = 1000

	// Cache-Control is obeyed within these bounds; documentLife is that of a document that says nothing.
	minDocumentLife = time.Minute
	documentLife    = 10 * time.Minute
	maxDocumentLife = 24 * time.Hour
	// maxDocumentStale is for how long a document is used after that while its server cannot be reached.
	maxDocumentStale = 24 * time.Hour
	// documentPause is between two attempts at one document: an error is forgotten after it.
	documentPause = 10 * time.Second

	// How often documents are fetched: anybody may name addresses here, and nobody is to be troubled by that. One who does has a part
	// of what there is for all.
	fetchesPerAddress         = 1.0 // a second, of whoever names them
	fetchesAtOncePerAddress   = 20
	fetchesUnderWayPerAddress = 8
	fetchesPerHost            = 1.0 // a second
	fetchesAtOncePer          = 10
	fetchesInAll              = 10.0 // a second
	fetchesAtOnceInAll        = 100
	fetchesUnderWay           = 32 // and as many for clients that there are
	maxDocumentsWaiting       = 64 // requests that wait for one document
)

// DocumentCache fetches metadata documents of clients, and keeps them for a while. It outlives configurations. Safe for concurrent use;
// Client, Now and Log are set before.
type DocumentCache struct {
	// Client makes the requests, as to strangers (fetch.Client.Strangers).
	Client *fetch.Client
	Now    func() time.Time
	Log    *slog.Logger

	once                  sync.Once
	addresses, hosts, all *limit.Limiter
	mu                    sync.Mutex
	slots                 map[string]*list.Element // of *slot, by identifier
	order                 list.List                // the one that nobody asked for the longest is at the back
	flights               int
	flightsOf             map[string]int // of them, those that an address has begun
	small                 *fetch.Client
}

// document is one that was fetched. The cache's mu guards all but its body.
type document struct {
	body    []byte
	expires time.Time
	// accepted: an environment has a client of it. refused: it has been said that one has not.
	accepted, refused bool
}

// slot is what is known of one identifier. The cache's mu guards it.
type slot struct {
	id      string
	good    *document
	err     error     // of the last attempt; nil where it went well
	retry   time.Time // before that there is no other one after an error
	flight  chan struct{}
	waiting int
}

// get gives a document, from the cache or its server: store.ErrNotFound where there is none that may be used, temporarily_unavailable
// where that cannot be told now. by says who wants it, where it is not there.
func (c *DocumentCache) get(ctx context.Context, u *url.URL, by func() asker) (*document, error) {
	c.once.Do(c.init)
	id := u.String()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		now := c.Now()
		s := c.known(id)
		switch {
		case s == nil:
			// What is refused takes no room.
			who := by()
			if err := c.admit(u, who); err != nil {
				return nil, err
			}
			s = c.add(id)
			c.fetch(ctx, s, u, who)
			if s.err != nil {
				return nil, s.err
			}
			return s.good, nil
		case s.good != nil && now.Before(s.good.expires):
			return s.good, nil
		case s.err != nil && now.Before(s.retry):
			return s.stale(now, s.err)
		case s.flight == nil:
			who := renewal
			if s.good == nil || !s.good.accepted {
				who = by()
			}
			if err := c.admit(u, who); err != nil {
				return s.stale(now, err)
			}
			c.fetch(ctx, s, u, who)
			if s.err != nil {
				return s.stale(now, s.err)
			}
			return s.good, nil
		}
		if d, err := s.stale(now, nil); err == nil && d != nil {
			return d, nil // another request is renewing it
		}
		if s.waiting >= maxDocumentsWaiting {
			return nil, cannotFetch(1, errors.New("too many requests wait for it"))
		}
		if err := c.wait(ctx, s); err != nil {
			return nil, err
		}
	}
}

func (c *DocumentCache) init() {
	c.addresses = &limit.Limiter{Rate: fetchesPerAddress, Burst: fetchesAtOncePerAddress, Now: c.Now}
	c.hosts = &limit.Limiter{Rate: fetchesPerHost, Burst: fetchesAtOncePer, Now: c.Now}
	c.all = &limit.Limiter{Rate: fetchesInAll, Burst: fetchesAtOnceInAll, Now: c.Now}
	c.slots, c.flightsOf = map[string]*list.Element{}, map[string]int{}
	c.small = c.Client.Strangers().Limited(maxDocument)
}

// known finds a slot, or nil, and makes it the last used. The caller holds mu, as with the methods below.
func (c *DocumentCache) known(id string) *slot {
	e, ok := c.slots[id]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*slot)
}

// add makes a slot. Where there are too many, one without a document that is somebody's client goes, or else the one that nobody asked for
// the longest.
func (c *DocumentCache) add(id string) *slot {
	if len(c.slots) >= maxDocuments {
		var last *list.Element
		for e := c.order.Back(); e != nil; e = e.Prev() {
			s := e.Value.(*slot)
			if s.flight != nil {
				continue
			}
			if last == nil {
				last = e
			}
			if s.good == nil || !s.good.accepted {
				last = e
				break
			}
		}
		if last != nil {
			delete(c.slots, c.order.Remove(last).(*slot).id)
		}
	}
	s := &slot{id: id}
	c.slots[id] = c.order.PushFront(s)
	return s
}

// stale is the document that is known where err, which may be nil, does not say that there is none any more.
func (s *slot) stale(now time.Time, err error) (*document, error) {
	if errors.Is(err, store.ErrNotFound) || s.good == nil || now.After(s.good.expires.Add(maxDocumentStale)) {
		return nil, err
	}
	return s.good, nil
}

// admit counts a fetch, or refuses it. What strangers name shares measures that one of them can use up, those of any host included; the
// document of a client that there is is renewed all the same: there are not many, and each is fetched every documentPause at most. What an
// address is refused, for itself alone, costs the others nothing.
func (c *DocumentCache) admit(u *url.URL, who asker) error {
	if c.flights >= fetchesUnderWay && (!who.renewal || c.flights >= 2*fetchesUnderWay) {
		return cannotFetch(1, errors.New("too many documents are being fetched"))
	}
	if who.renewal {
		return nil
	}
	if who.limited {
		if c.flightsOf[who.address] >= fetchesUnderWayPerAddress {
			return cannotFetch(1, errors.New("too many documents are being fetched for the address"))
		}
		if ok, after := c.addresses.Allow(who.address); !ok {
			return cannotFetch(max(1, int(after/time.Second)), errors.New("documents are fetched too often for the address"))
		}
	}
	ok, after := c.hosts.Allow(u.Hostname())
	if ok {
		ok, after = c.all.Allow("")
	}
	if !ok {
		return cannotFetch(max(1, int(after/time.Second)), errors.New("documents are fetched too often"))
	}
	return nil
}

func cannotFetch(retryAfter int, cause error) error {
	return oauth.Unavailable(retryAfter, "The metadata of the client cannot be had now").WithCause(cause)
}

// wait waits until the flight of s has landed. The caller holds mu, and does not while this waits.
func (c *DocumentCache) wait(ctx context.Context, s *slot) error {
	flight := s.flight
	s.waiting++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		s.waiting--
	}()
	select {
	case <-flight:
		return nil
	case <-ctx.Done():
		return cannotFetch(1, ctx.Err())
	}
}

// fetch asks the document's server, for all who wait. The caller holds mu, and does not while this asks. Who began it may hang up: others
// wait for it.
func (c *DocumentCache) fetch(ctx context.Context, s *slot, u *url.URL, who asker) {
	s.flight = make(chan struct{})
	c.flights++
	if who.limited {
		c.flightsOf[who.address]++
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), documentTimeout)
	body, header, err := c.small.GetJSON(ctx, s.id)
	cancel()
	why := unaddressed(err, u)
	if err != nil {
		c.log(u, why)
	}
	c.mu.Lock()
	now := c.Now()
	switch {
	case err == nil:
		s.good, s.err = &document{body: body, expires: now.Add(documentLifeOf(header))}, nil
	case temporary(err):
		s.err, s.retry = cannotFetch(int(documentPause/time.Second), why), now.Add(documentPause)
	default:
		s.good, s.err, s.retry = nil, fmt.Errorf("%w: %w", store.ErrNotFound, why), now.Add(documentPause)
	}
	close(s.flight)
	s.flight = nil
	c.flights--
	if who.limited {
		if c.flightsOf[who.address]--; c.flightsOf[who.address] == 0 {
			delete(c.flightsOf, who.address)
		}
	}
}

// accept notes that a document is a client's.
func (c *DocumentCache) accept(d *document) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.accepted = true
}

// refuse has a document that is no good to an environment fetched again before long, so that its author can mend it (draft §4.4). It stays
// where it is until then: anybody may ask for it in an environment that refuses it, and must not take it from one that does not.
func (c *DocumentCache) refuse(d *document, u *url.URL, why error) {
	c.mu.Lock()
	said := d.refused
	d.refused = true
	if soon := c.Now().Add(documentPause); soon.Before(d.expires) {
		d.expires = soon
	}
	c.mu.Unlock()
	if !said {
		c.log(u, why)
	}
}

// log writes why a document is not used; the fetches' limits are its own.
func (c *DocumentCache) log(u *url.URL, err error) {
	c.Log.Info("a client's metadata document is not used", "host", u.Host, "path", u.EscapedPath(), "error", err)
}

// unaddressed is what an error of a fetch says, without the query of the address: it may hold what is nobody's business.
func unaddressed(err error, u *url.URL) error {
	if named, ok := errors.AsType[*url.Error](err); ok {
		err = named.Err
	}
	if err == nil {
		return nil
	}
	return errors.New(strings.ReplaceAll(err.Error(), u.String(), u.Host+u.EscapedPath()))
}

// temporary reports whether an error says nothing about the document itself.
func temporary(err error) bool {
	if s, ok := errors.AsType[*fetch.StatusError](err); ok {
		return s.Status >= 500 || s.Status == http.StatusTooManyRequests
	}
	if errors.Is(err, fetch.ErrNotPublic) {
		return false
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return false
	}
	_, sent := errors.AsType[*url.Error](err) // not answered, or not to the end
	return sent || errors.Is(err, context.DeadlineExceeded)
}

// documentLifeOf is how long an answer may be used (RFC 9111 §5.2.2).
func documentLifeOf(h http.Header) time.Duration {
	life := fetch.MaxAge(h)
	if life == 0 {
		return documentLife
	}
	return min(max(life, minDocumentLife), maxDocumentLife)
}
