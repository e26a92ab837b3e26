package resourceserver

import (
	"math"
	"sync/atomic"
	"time"
)

// outcome is what became of one token, before it is dressed as a Refusal.
type outcome struct {
	why        Reason
	issuer     int   // -1 when none was determined
	retryAfter int   // seconds, where a better value than the usual is known
	cause      error // for the log
}

// entry is one good result. Whether it may still be used is judged at each use
// by everything that can change: the clock, the issuer's keys, its revocations.
type entry struct {
	token Token // a part of the entry: a cache of many has one object less for each
	raw   string

	// Unix nanoseconds.
	at    int64 // when it was found out: a clock that was set back past it does not count
	from  int64 // nbf and iat allow it from here
	end   int64 // exp, with the clock skew
	fresh int64 // the issuer is asked again from here
	stale int64 // no longer used then, even while the issuer cannot be asked

	keys  uint64        // generation of the issuer's fetched keys
	kid   string        // of the key that verified, for JWTs of local issuers
	epoch atomic.Uint64 // of the local issuer: no revocation until it concerned the token
	dead  atomic.Bool   // refused since
	// checking: it is being verified anew for an exchange under way.
	checking atomic.Bool
	// opaque: the issuer said what the token says, and no key has verified it.
	opaque bool
}

// refused is one bad result.
type refused struct {
	why    Reason
	issuer int32
	at     int64
}

// tolerance is how much earlier than an entry a request may have read the clock.
const tolerance = int64(time.Second)

// nanos is t in Unix nanoseconds, the nearest one for times that have none.
func nanos(t time.Time) int64 {
	switch s := t.Unix(); {
	case s > math.MaxInt64/int64(time.Second)-1:
		return math.MaxInt64
	case s < math.MinInt64/int64(time.Second)+1:
		return math.MinInt64
	}
	return t.UnixNano()
}

// usable reports whether the clock allows the entry at n.
func (e *entry) usable(n int64) bool {
	return n >= e.from && n < e.end && n >= e.at-tolerance && !e.dead.Load()
}

// servesStale reports whether the entry may stand in at n while the issuer cannot be
// asked. A nil entry does not.
func (e *entry) servesStale(n int64) bool { return e != nil && e.usable(n) && n < e.stale }

// newEntry makes the entry for a token found good at now. checkIdentity has judged its cnf.
func newEntry(t Token, now time.Time) *entry {
	t.bound, _ = readConfirmation(t.Claims)
	c, skew := t.Claims, t.issuer.config.ClockSkew
	e := &entry{token: t, at: now.UnixNano(), from: math.MinInt64, end: now.Add(longestCachedToken).UnixNano()}
	if !c.Expiry.IsZero() {
		e.end = min(e.end, nanos(c.Expiry.Add(skew)))
	}
	if !c.NotBefore.IsZero() {
		e.from = nanos(c.NotBefore.Add(-skew))
	}
	if !c.IssuedAt.IsZero() {
		e.from = max(e.from, nanos(c.IssuedAt.Add(-skew)))
	}
	e.fresh, e.stale = e.end, e.end
	e.token.entry = e
	return e
}

// believeFor says until when an introspection answer is used: for ttl, and stale for a while after
// that while the issuer cannot be asked. Neither passes exp: the clock skew is
// for tokens that nobody can be asked about.
func (e *entry) believeFor(ttl, stale time.Duration) {
	ttl, stale = min(ttl, longestCachedToken), min(stale, longestCachedToken)
	end := e.end
	if exp := e.token.Claims.Expiry; !exp.IsZero() {
		end = min(end, nanos(exp))
	}
	e.fresh = min(end, e.at+int64(ttl))
	e.stale = min(end, e.fresh+int64(stale))
}

// size estimates the memory of an entry beside the token string, in bytes.
func (e *entry) size() int { return 224 + e.token.Claims.Size() }

// remember puts a good result into the cache.
func (v *Verifier) remember(raw string, e *entry, now time.Time) {
	e.raw = raw
	if end := time.Unix(0, e.stale); end.After(now) {
		v.good.Put(raw, e, e.size(), now, end)
	}
}

// rememberRefusal puts a bad result into its own cache, so that no flood of bad
// tokens pushes out a good one. What time alone will change, and what was not found out, is
// not kept.
func (v *Verifier) rememberRefusal(raw string, o outcome, now time.Time) {
	end := now.Add(v.config.RefusedTTL)
	switch {
	case o.why.unavailable(), o.why == NotYetValid:
		return
	case o.why == UnknownKey:
		is := v.issuers[o.issuer]
		if is.config.Local != nil {
			return // found out in no time, and its keys change without notice
		}
		if is.source != nil {
			// The key may be published meanwhile: no longer than until the issuer may be asked.
			if next := is.source.NextTry(); next.Before(end) {
				end = next
			}
		}
	}
	if !end.After(now) {
		return
	}
	v.bad.Put(raw, refused{why: o.why, issuer: int32(o.issuer), at: now.UnixNano()}, 0, now, end)
}
