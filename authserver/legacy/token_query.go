package legacy

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

const (
	// maxResults is the largest page, and the one of a query without _pageSize.
	maxResults = 1000
	// batchSize is how many records are read at a time, and maxBatches how many times in one request. A query that selects
	// few of very many tokens has pages that are shorter than they were asked for, and go on.
	batchSize  = 500
	maxBatches = 40
)

// query lists tokens (5.3).
func (t *tokens) query(c *call) error {
	on, err := c.sso()
	if err != nil {
		return err
	}

	// parse
	selector, err := c.query.selector()
	if err != nil {
		return err
	}
	switch {
	case selector != paramID:
		return notImplemented()
	case c.query.has[paramSortKeys]:
		return crest(http.StatusBadRequest, "_sortKeys is not supported: access tokens come first, by ID")
	}
	filter, err := readTokenFilter(c.query.id, on.super)
	if err != nil {
		return err
	}

	// act
	homes, err := c.homes(on)
	if err != nil {
		return err
	}
	w := &walk{lookup: c.lookup(), filter: filter, administrator: on.super}
	if w.sources, err = c.sources(on, homes, filter); err != nil {
		return err
	}
	binding := key("tokens", on.realm.Path, on.user.ID, c.values.Get("realm"), c.query.id)
	from, err := c.openCookie(binding)
	if err != nil {
		return err
	}
	p, next, err := w.page(c.r.Context(), from, c.query.offset, c.query.results())
	if err != nil {
		return err
	}
	if p.next, err = c.sealCookie(next, binding); err != nil {
		return err
	}
	if c.query.totals != "NONE" {
		if p.total, err = w.count(c.r.Context()); err != nil {
			return err
		}
	}

	// respond
	return c.answerQuery(p, "")
}

// results is how many results a page has at most.
func (q *crestQuery) results() int {
	if q.pageSize == 0 || q.pageSize > maxResults {
		return maxResults
	}
	return q.pageSize
}

// source is one list of the store that results come of. The sources of a query are read one after another.
type source struct {
	home
	subject string // whose tokens; "" for those of client credentials
	client  string // of which client; "" for every one
	refresh bool   // refresh tokens
}

// sources are the lists that a query has to read: none of them is longer than what one person or client has. First
// all access tokens, then all refresh tokens.
func (c *call) sources(on *signedOn, homes []home, f *tokenFilter) ([]source, error) {
	var access, refresh []source
	client := f.equals(fieldClientID)
	for _, h := range homes {
		if r := c.l.byPath(f.realm); f.realm != "" && f.realm != h.realm.Path && (!h.whole || r == nil || r.environment != h.env.ID) {
			continue // none of its tokens is of that realm
		}
		subjects, itself := []string{on.user.ID}, false
		if on.super {
			var err error
			if subjects, itself, err = c.meant(h, f.userName); err != nil {
				return nil, err
			}
		}
		for _, s := range subjects {
			access = append(access, source{home: h, subject: s, client: client})
			refresh = append(refresh, source{home: h, subject: s, client: client, refresh: true})
		}
		if itself && (client == "" || client == f.userName) {
			access = append(access, source{home: h, client: f.userName})
		}
	}
	switch f.equals("tokenName") {
	case accessTokenName:
		refresh = nil
	case refreshTokenName:
		access = nil
	case "":
	default:
		return nil, nil
	}
	return slices.Concat(access, refresh), nil
}

// meant finds whom a userName means: a person by ID or by name, and the client of that ID for what it has of its own.
func (c *call) meant(h home, name string) (subjects []string, client bool, err error) {
	ctx := c.r.Context()
	for _, find := range []func(context.Context, *store.Environment, string) (*store.User, error){c.l.Users.ByID, c.l.Users.ByName} {
		switch user, err := find(ctx, h.env, name); {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, false, oauth.CannotTell("find user", err)
		case !slices.Contains(subjects, user.ID):
			subjects = append(subjects, user.ID)
		}
	}
	switch _, err := c.l.Directory.ClientByID(ctx, h.env.ID, name); {
	case err == nil:
		client = true
	case !errors.Is(err, store.ErrNotFound):
		return nil, false, oauth.CannotTell("find client", err)
	}
	return subjects, client, nil
}

// position is where a page begins: behind a token of a source.
type position struct {
	Environment string `json:"e"`
	Subject     string `json:"s,omitempty"`
	Client      string `json:"c,omitempty"`
	Refresh     bool   `json:"r,omitempty"`
	After       string `json:"a,omitempty"`
	Skip        int    `json:"n,omitempty"` // what is left of _pagedResultsOffset
}

func (s *source) at(after string) *position {
	return &position{Environment: s.env.ID, Subject: s.subject, Client: s.client, Refresh: s.refresh, After: after}
}

// is reports whether a position is in s.
func (s *source) is(p *position) bool {
	return s.env.ID == p.Environment && s.subject == p.Subject && s.client == p.Client && s.refresh == p.Refresh
}

// walk reads the sources of one query.
type walk struct {
	*lookup
	sources       []source
	filter        *tokenFilter
	administrator bool
	batches       int // how many were read
	want          int // what the next batch should have at least, for a page that all of it is on; 0: nothing special
}

// page gives the results from a position on (nil: the beginning), without the first skip ones. next is nil at the end.
func (w *walk) page(ctx context.Context, from *position, skip, limit int) (p page, next *position, err error) {
	p.total = -1
	if from != nil {
		skip = from.Skip
	}
	w.want = skip + limit + 1
	next, err = w.each(ctx, from, func(t *oauthToken) (bool, error) {
		if skip > 0 {
			skip--
			return true, nil
		}
		if len(p.result) == limit {
			return false, nil
		}
		item, err := w.listed(t, w.administrator)
		if err == nil {
			p.result = append(p.result, item)
		}
		return true, err
	})
	if next != nil {
		next.Skip = skip
	}
	return p, next, err
}

// count is how many results there are, or -1 where that would take too long.
func (w *walk) count(ctx context.Context) (int, error) {
	w.batches, w.want = 0, 0
	n := 0
	next, err := w.each(ctx, nil, func(*oauthToken) (bool, error) { n++; return true, nil })
	if err != nil || next != nil {
		return -1, err
	}
	return n, nil
}

// each shows the tokens of a query from a position on to take, until it refuses one. next is where to go
// on: in front of that one, or wherever the reading has taken long enough; nil at the end.
func (w *walk) each(ctx context.Context, from *position, take func(*oauthToken) (bool, error)) (next *position, err error) {
	i, after := 0, ""
	if from != nil {
		i = slices.IndexFunc(w.sources, func(s source) bool { return s.is(from) })
		if i < 0 {
			return nil, badCookie() // whom it names is gone
		}
		after = from.After
	}
	for ; i < len(w.sources); i, after = i+1, "" {
		s := &w.sources[i]
		for more := true; more; {
			if w.batches == maxBatches {
				return s.at(after), nil
			}
			w.batches++
			size := batchSize
			if w.want > 0 {
				size, w.want = min(w.want, size), 0
			}
			var batch []*oauthToken
			var end string
			if batch, end, err = w.read(ctx, s, after, size); err != nil {
				return nil, err
			}
			for _, t := range batch {
				ok, err := w.wanted(ctx, t)
				if err == nil && ok {
					ok, err = take(t)
					if err == nil && !ok {
						return s.at(after), nil
					}
				}
				if err != nil {
					return nil, err
				}
				after = t.id()
			}
			if more = end != ""; more {
				after = end
			}
		}
	}
	return nil, nil
}

// wanted reports whether the filter selects a token.
func (w *walk) wanted(ctx context.Context, t *oauthToken) (bool, error) {
	var refresh *token.Held
	if w.filter.asksRefresh() {
		var err error
		if refresh, err = w.refreshOf(ctx, t); err != nil {
			return false, err
		}
	}
	return w.filter.matches(t, refresh), nil
}

// read reads some tokens of a source behind one of them, at most size, in the order of their IDs; next is "" at the end, and otherwise
// what to go on behind. What does not work, and what has no client any more, is left out.
func (w *walk) read(ctx context.Context, s *source, after string, size int) (batch []*oauthToken, next string, err error) {
	if s.refresh {
		return w.readFamilies(ctx, s, after, size)
	}
	f := store.AccessTokenFilter{Environment: s.env.ID, Subject: s.subject, Client: s.client}
	records, next, err := w.c.l.Records.List(ctx, f, after, size)
	if err != nil {
		return nil, "", cannotTell("list access tokens", err)
	}
	for _, r := range records {
		if r.Subject != s.subject {
			continue // a person's token, among those of a client
		}
		t, err := w.access(s.home, r)
		if batch, err = found(batch, t, err); err != nil {
			return nil, "", err
		}
	}
	return batch, next, nil
}

// found adds a token to those of a batch, unless it was not found.
func found(batch []*oauthToken, t *oauthToken, err error) ([]*oauthToken, error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return batch, nil
	case err != nil:
		return nil, err
	}
	return append(batch, t), nil
}

func (w *walk) readFamilies(ctx context.Context, s *source, after string, size int) (batch []*oauthToken, next string, err error) {
	f := store.FamilyFilter{Environment: s.env.ID, Subject: s.subject, Client: s.client}
	families, err := w.c.l.Store.ListFamilies(ctx, f, after, size, w.c.l.Now())
	if err != nil {
		return nil, "", oauth.CannotTell("list refresh tokens", err)
	}
	if len(families) > 1 {
		if err := w.people.preload(ctx, s.env, s.subject); err != nil {
			return nil, "", err
		}
	}
	for _, family := range families {
		held, err := token.FamilyHeld(family)
		if err != nil {
			return nil, "", err
		}
		t, err := w.family(s.home, &held)
		if batch, err = found(batch, t, err); err != nil {
			return nil, "", err
		}
	}
	if len(families) == size {
		next = families[size-1].ID
	}
	return batch, next, nil
}
