package resourceserver

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/cache"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Verifier verifies tokens and remembers the results. Safe for concurrent use.
type Verifier struct {
	config     Config
	monotone   bool // config.Now is time.Now, which measures durations as well
	issuers    []*issuer
	byName     map[string]*issuer
	locals     []*issuer // those in this process, in the order of the configuration: asked about tokens that are not JWTs
	encrypting []*issuer // those that have keys for encrypted tokens
	opaque     *issuer   // asked about those that none of them knows; nil: they are refused
	good       *cache.Cache[*entry]
	bad        *cache.Cache[refused]
	refusals   refusals
	watch      *watcher
	streams    StreamObserver // nil when the Observer is none
}

// New checks the configuration; it touches no network. Errors name the option.
func New(c Config) (*Verifier, error) {
	monotone := c.Now == nil
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	v := &Verifier{config: c, monotone: monotone, byName: make(map[string]*issuer), refusals: refusals{issuers: len(c.Issuers)}}
	v.watch = newWatcher(v)
	v.streams, _ = c.Observer.(StreamObserver)
	if err := v.build(); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

func (v *Verifier) build() error {
	for i, config := range v.config.Issuers {
		is, err := newIssuer(i, config, &v.config)
		if err != nil {
			return fmt.Errorf("issuer %q: %w", config.Issuer, err)
		}
		v.issuers = append(v.issuers, is)
		v.byName[config.Issuer] = is
		if config.Local != nil {
			v.locals = append(v.locals, is)
		}
		if config.Decryption != nil {
			v.encrypting = append(v.encrypting, is)
		}
		if config.Introspection.OpaqueTokens {
			v.opaque = is
		}
	}
	v.good = cache.New[*entry](cache.Config{MaxBytes: v.config.GoodCacheBytes})
	v.bad = cache.New[refused](cache.Config{MaxBytes: v.config.BadCacheBytes})
	return nil
}

// Close ends background work. Calls that are still running end with 503, and exchanges that are being watched end: Drain waits for them.
func (v *Verifier) Close() {
	v.watch.close()
	for _, is := range v.issuers {
		is.close()
	}
	if v.good != nil {
		v.good.Close()
	}
	if v.bad != nil {
		v.bad.Close()
	}
}

// Verify verifies one raw token. Errors are *Refusal. A token that is bound to a key or a certificate is refused: without a request
// nothing is proved.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Token, error) {
	t, o := v.verify(ctx, raw, v.config.Now())
	if o.why == Allowed && t.bound != (Confirmation{}) {
		o.why = NotBound
	}
	if o.why != Allowed {
		return nil, v.refusals.of(voice{}, o)
	}
	return t, nil
}

// verify measures, for the Observer, what look does. Reading the clock is a good
// part of what a remembered token costs, so it is read once more and no oftener.
func (v *Verifier) verify(ctx context.Context, raw string, now time.Time) (*Token, outcome) {
	if v.config.Observer == nil {
		t, o, _ := v.look(ctx, raw, now)
		return t, o
	}
	start := now
	if !v.monotone {
		start = time.Now() // a duration, not a time of day
	}
	t, o, path := v.look(ctx, raw, now)
	v.config.Observer.Verified(path, time.Since(start))
	return t, o
}

// look finds the token among the results, or verifies it. A token that was seen
// before is neither parsed nor hashed again here, and takes no lock that all requests share.
func (v *Verifier) look(ctx context.Context, raw string, now time.Time) (*Token, outcome, Path) {
	if len(raw) > v.config.MaxTokenSize {
		return nil, outcome{why: Oversized, issuer: -1}, PathJWT
	}
	n := now.UnixNano()
	known, ok := v.good.Get(raw, now) // nil when not ok
	usable := ok && known.usable(n)
	if usable {
		if t, o, settled := v.reuse(ctx, raw, known, now); settled {
			return t, o, PathCacheHit
		}
	} else {
		if bad, ok := v.bad.Get(raw, now); ok && n >= bad.at-tolerance {
			return nil, outcome{why: bad.why, issuer: int(bad.issuer)}, PathCacheHit
		}
	}
	return v.fresh(ctx, raw, known, now)
}

// reuse judges a remembered result by what may have changed. It is not settled
// when the token must be verified again.
func (v *Verifier) reuse(ctx context.Context, raw string, e *entry, now time.Time) (*Token, outcome, bool) {
	is := e.token.issuer
	if now.UnixNano() >= e.fresh {
		return nil, outcome{}, false
	}
	if is.source != nil && !e.opaque {
		if keys, ok := is.source.Current(now); !ok || keys != e.keys {
			return nil, outcome{}, false
		}
	}
	if is.config.Local != nil {
		epoch := is.config.Local.Epoch() // read before Revoked, see Local
		if e.epoch.Load() != epoch {
			return v.recheckLocal(ctx, raw, e, epoch)
		}
	}
	return &e.token, outcome{issuer: is.index}, true
}

// fresh verifies a token and remembers the result. known is an earlier good
// result, or nil: it is over when the token is refused now.
func (v *Verifier) fresh(ctx context.Context, raw string, known *entry, now time.Time) (*Token, outcome, Path) {
	if !wellFormed(raw) {
		return nil, outcome{why: malformedReason(raw), issuer: -1}, PathJWT
	}
	e, o, path, remembered := v.route(ctx, raw, known, now)
	if o.why != Allowed {
		if known != nil && !o.why.unavailable() {
			known.dead.Store(true)
			v.good.Drop(raw)
		}
		if !remembered {
			v.rememberRefusal(raw, o, now)
		}
		return nil, o, path
	}
	if !remembered {
		v.remember(raw, e, now)
	}
	return &e.token, o, path
}

// route sends the token to the issuer that it names, or, when it is opaque, to those that are
// asked about such tokens. No key is fetched and nobody elsewhere is asked before the issuer is
// known to be one of ours.
func (v *Verifier) route(ctx context.Context, raw string, known *entry, now time.Time) (_ *entry, _ outcome, _ Path, remembered bool) {
	if !jose.LooksLikeJWT(raw) {
		return v.routeOpaque(ctx, raw, known, now)
	}
	read := v.read
	if len(v.encrypting) > 0 && jose.LooksLikeJWE(raw) {
		read = v.readEncrypted
	}
	jws, claims, is, o := read(raw)
	if o.why != Allowed {
		return nil, o, PathJWT, false
	}
	switch {
	case is.config.Local != nil:
		e, o := is.verifyLocal(ctx, jws, claims, now)
		return e, o, PathLocal, false
	case is.config.Mode == ModeIntrospect:
		// The issuer vouches for the token, and so for what it says: an answer that leaves cnf out makes it no more than it is.
		says, ok := readConfirmation(claims)
		if !ok {
			return nil, outcome{why: BadClaims, issuer: is.index}, PathJWT, false
		}
		e, o := v.introspect(ctx, is, raw, nil, says, known, now)
		return e, o, PathIntrospection, true
	}
	e, o := is.verifyJWT(ctx, jws, claims, now)
	if o.why != Allowed || is.config.Mode == ModeJWT {
		return e, o, PathJWT, false
	}
	e, o = v.introspect(ctx, is, raw, e, e.token.bound, known, now)
	return e, o, PathIntrospection, true
}

// routeOpaque asks about a token that is no JWT: first the issuers in this process, and the
// one elsewhere only where none of them knows it, so that no token of ours is told to others.
func (v *Verifier) routeOpaque(ctx context.Context, raw string, known *entry, now time.Time) (_ *entry, _ outcome, _ Path, remembered bool) {
	if e, o, settled := v.verifyOpaque(ctx, raw, now); settled {
		return e, o, PathLocal, false
	}
	if v.opaque != nil {
		e, o := v.introspect(ctx, v.opaque, raw, nil, Confirmation{}, known, now)
		return e, o, PathIntrospection, true
	}
	path := PathJWT
	if len(v.locals) > 0 {
		path = PathLocal
	}
	return nil, outcome{why: Malformed, issuer: -1}, path, false
}

// read parses a JWT and finds out, from claims that nobody has vouched for yet, whose it
// claims to be and that it is an access token at all.
func (v *Verifier) read(raw string) (*jose.JWS, *jose.Claims, *issuer, outcome) {
	limits := jose.Limits{Size: v.config.MaxTokenSize}
	jws, err := jose.Parse(raw, limits)
	if err != nil {
		return nil, nil, nil, outcome{why: problemReason(err), issuer: -1, cause: err}
	}
	claims, err := jws.Claims()
	if err != nil {
		return nil, nil, nil, outcome{why: problemReason(err), issuer: -1, cause: err}
	}
	is := v.byName[claims.Issuer]
	if is == nil || !claims.Has("iss") {
		return nil, nil, nil, outcome{why: UnknownIssuer, issuer: -1}
	}
	if why := checkType(&jws.Header, claims); why != Allowed {
		return nil, nil, nil, outcome{why: why, issuer: is.index}
	}
	return jws, claims, is, outcome{issuer: is.index}
}
