package caddymodule

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// ServeHTTP lets r through or answers it. Identity headers are removed first,
// from every request: a handler behind this one never sees the client's own.
func (b *BearerAuth) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.Header[dpop.Header] != nil || b.certificates.said(r) || b.queried(r) {
		return b.serveUnlogged(w, r, next)
	}
	return b.serve(w, r, next)
}

// serve is ServeHTTP, however the request is logged.
func (b *BearerAuth) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if b.metadata.asked(r) {
		return b.metadata.serve(w, r)
	}
	if b.Authorizer != nil {
		return b.Authorizer.serve(b, w, r)
	}
	b.strip.Strip(r)
	credentials.StripTrailer(r)
	b.certificates.cleanse(r)
	if b.upstream.publishes(r) {
		return b.upstream.publish(w, r)
	}
	d := b.admit(w, r)
	if d.err != nil {
		return b.refuse(w, r, d.err)
	}
	if d.passage == nil {
		return b.passOn(w, r, next, d)
	}
	return b.passOnWatched(w, r, next, d)
}

// admit decides about r, whose identity headers are gone, and makes it what the handlers behind this one are to see if it may pass. In
// shadow mode every request may.
func (b *BearerAuth) admit(w http.ResponseWriter, r *http.Request) decision {
	d := b.decide(w, r)
	if d.err == nil {
		d.err = b.pass(r, &d)
	}
	if d.err != nil && b.Shadow && !d.final && !isTunnel(r) {
		b.overlook(r, &d)
	}
	return d
}

// decision is what becomes of a request.
type decision struct {
	// err is why it does not pass; nil lets it.
	err error
	// token is the verified one, nil where it passes without.
	token *resourceserver.Token
	// final: the request cannot be passed on, even in shadow mode.
	final bool
	// preflight: a browser's question, which is passed on without credentials.
	preflight bool
	// passage is what a request passes with that presents something, good or, in shadow mode, bad; nil for others.
	passage *passage
}

// passage is all that a request with a token needs room for: one allocation.
type passage struct {
	exchange exchange
	answer   privateAnswer
	values   [3]string // of the first identity headers
}

// decide judges r, whose identity headers are gone, without answering it. w is only for limits on the body.
func (b *BearerAuth) decide(w http.ResponseWriter, r *http.Request) (d decision) {
	if b.strictPaths && ambiguous(r.URL) {
		d.err = b.refusal(r, resourceserver.AmbiguousPath, nil)
		return d
	}
	if b.judged && oddMethod(r.Method) {
		d.err = b.invalid(errMethod)
		return d
	}
	if (b.judged || b.MCP != nil) && hidesHeader(r.Header) {
		d.err = b.invalid(errHidden)
		return d
	}
	if r.Header["Upgrade"] != nil {
		if wantsH2C(r.Header) {
			d.err = b.invalid(errH2C)
			return d
		}
		if b.judged {
			plainUpgrade(r.Header)
		}
	}
	if r.Method == http.MethodOptions && isPreflight(r) {
		d.preflight = true
		return d
	}
	if r.Method == http.MethodConnect {
		if !isExtendedConnect(r) {
			d.err = b.invalid(errTunnel)
			return d
		}
		handshake, done := asHandshake(r)
		defer done()
		r = handshake
	}
	also, err := b.matching(r)
	if err != nil {
		d.err = b.refusal(r, resourceserver.NotAllowed, err)
		return d
	}
	if b.MCP != nil {
		return b.decideTools(w, r, also)
	}
	if b.Optional && len(also) == 0 && !resourceserver.Presented(r) {
		b.verifier.observer.Decided(-1, resourceserver.Allowed)
		return d
	}
	d.token, d.err = b.authorize(w, r, also...)
	return d
}

// authorize has the token of r judged. It gives the client another nonce while its last one is still good (RFC 9449 §8.2).
func (b *BearerAuth) authorize(w http.ResponseWriter, r *http.Request, also ...*resourceserver.Policy) (*resourceserver.Token, error) {
	token, nonce, err := b.verifier.AuthorizeWithNonce(r, b.policy, also...)
	if nonce != "" {
		w.Header()[dpop.NonceHeader] = []string{nonce}
	}
	return token, err
}

// decideTools is the rest of decide for requests whose bodies say what they need.
func (b *BearerAuth) decideTools(w http.ResponseWriter, r *http.Request, also []*resourceserver.Policy) (d decision) {
	tools := &toolDemand{mcp: b.MCP, w: w}
	if b.Optional && len(also) == 0 && !resourceserver.Presented(r) && tools.anonymous(r) {
		d.err = tools.failed
		why := resourceserver.Allowed
		if d.err != nil {
			why = resourceserver.InvalidRequest
		}
		b.verifier.observer.Decided(-1, why)
	} else {
		d.token, d.err = b.authorize(w, r, slices.Concat(also, tools.policies())...)
		if tools.failed != nil {
			d.err = tools.failed
		}
	}
	d.final = d.err != nil && bodyGone(r, d.err)
	return d
}

// refusal is one that needs no token to be known, counted.
func (b *BearerAuth) refusal(r *http.Request, why resourceserver.Reason, cause error) error {
	b.verifier.observer.Decided(-1, why)
	return b.verifier.Refuse(r, b.policy, nil, why, cause)
}

// invalid is the refusal of a request that is no good whatever its token, counted.
func (b *BearerAuth) invalid(err error) error {
	b.verifier.observer.Decided(-1, resourceserver.InvalidRequest)
	return err
}

// passOn hands r to the handlers behind this one.
func (b *BearerAuth) passOn(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d decision) error {
	defer b.upstream.forget(r.Header) // before its line in the access log, and before error pages
	err := next.ServeHTTP(w, r)
	if err != nil && !d.preflight {
		dropCredentials(r.Header)
	}
	return err
}

// passOnWatched is passOn for a request that presents something: its answer is for nobody else, and ends with its token, if it has a good one.
func (b *BearerAuth) passOnWatched(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d decision) error {
	d.passage.exchange = exchange{w, r}
	until := d.token
	if b.Shadow {
		until = nil // it would go on without a good token too
	}
	r, watched := b.verifier.Watch(&d.passage.exchange, r, until)
	defer func() {
		if watched.Done() != resourceserver.Allowed {
			// What was sent is not all of it, and nobody may take it for that.
			panic(http.ErrAbortHandler)
		}
	}()
	if !b.SharedCache {
		d.passage.answer.ResponseWriter = w
		w = &d.passage.answer
	}
	return b.passOn(w, r, next, d)
}

// pass gives the handlers behind this one what was decided. An error is answered in place of the request.
func (b *BearerAuth) pass(r *http.Request, d *decision) error {
	if d.preflight {
		stripPreflight(r.Header)
		if r.ContentLength < 0 {
			r.Body, r.ContentLength = http.NoBody, 0 // whether there is one or not
		}
		logDecision(r, preflightLog{})
		return nil
	}
	if isTrace(r.Method) && b.adds() {
		return errTrace
	}
	if b.upstream != nil {
		if err := b.upstream.apply(r.Context(), r, rawToken(r, d.token), d.token); err != nil {
			d.final = true // the client's token is gone
			return err
		}
	}
	if d.token == nil {
		forget(r)
		logDecision(r, anonymousLog{})
		return nil
	}
	d.passage = new(passage)
	if len(b.forward) > 0 {
		b.setHeaders(r.Header, d.token, d.passage.values[:])
	}
	if b.StripToken {
		dropToken(r.Header)
	}
	remember(r, d.token)
	logDecision(r, (*allowedLog)(d.token))
	return nil
}

// rawToken is the text of the token t of r, "" without one.
func rawToken(r *http.Request, t *resourceserver.Token) string {
	if t == nil {
		return ""
	}
	return resourceserver.RawToken(r)
}

// overlook lets a request pass that would have been refused: without an identity, and otherwise as it came, its token included unless no token
// of a client is meant to go on.
func (b *BearerAuth) overlook(r *http.Request, d *decision) {
	refused := explain(d.err)
	refused.shadow = true
	logDecision(r, refused)
	metrics.shadowDecisions.WithLabelValues(b.verifier.name(d.err), refused.failure.Reason).Inc()
	*d = decision{}
	if resourceserver.Presented(r) {
		d.passage = new(passage)
	}
	forget(r)
	if wantsH2C(r.Header) {
		// It goes on in HTTP/1.1: in a tunnel the client would write identity headers that nobody removes.
		delete(r.Header, "Upgrade")
		delete(r.Header, "Http2-Settings")
	}
	if b.StripToken || b.upstream != nil && b.upstream.replace {
		dropToken(r.Header)
	}
}

// setHeaders writes the identity headers; Strip has removed the client's. values is room for their values.
func (b *BearerAuth) setHeaders(h http.Header, token *resourceserver.Token, values []string) {
	if len(b.forward) > len(values) {
		values = make([]string, len(b.forward)) // one allocation for all headers
	}
	for i, f := range b.forward {
		if v, ok := headerText(token.Claims, f.Claim); ok {
			values[i] = v
			h[f.Header] = values[i : i+1 : i+1]
		}
	}
}
