package caddymodule

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// ServeHTTP lets r through or answers it. Identity headers are removed first,
// from every request: a handler behind this one never sees the client's own.
func (b *BearerAuth) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.Header[dpop.Header] != nil || b.certificates.said(r) || queried(r) {
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
	if d.err != nil && b.Shadow && !d.final {
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
	if r.Header["Upgrade"] != nil && wantsH2C(r.Header) {
		b.verifier.observer.Decided(-1, resourceserver.InvalidRequest)
		d.err = errH2C
		return d
	}
	if r.Method == http.MethodOptions && isPreflight(r) {
		d.preflight = true
		return d
	}
	if r.Method == http.MethodConnect {
		if !isExtendedConnect(r) {
			b.verifier.observer.Decided(-1, resourceserver.InvalidRequest)
			d.err = errTunnel
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
	d.token, d.err = b.verifier.Authorize(r, b.policy, also...)
	b.giveNonce(w, r, &d)
	return d
}

// giveNonce gives the client another nonce while its last one is still good (RFC 9449 §8.2).
func (b *BearerAuth) giveNonce(w http.ResponseWriter, r *http.Request, d *decision) {
	if d.err == nil && b.policy.Possession != nil {
		if nonce := b.policy.Possession.Nonce(r); nonce != "" {
			w.Header()[dpop.NonceHeader] = []string{nonce}
		}
	}
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
		d.token, d.err = b.verifier.Authorize(r, b.policy, slices.Concat(also, tools.policies())...)
		if tools.failed != nil {
			d.err = tools.failed
		}
		b.giveNonce(w, r, &d)
	}
	d.final = d.err != nil && bodyGone(r, d.err)
	return d
}

// refusal is one that needs no token to be known, counted.
func (b *BearerAuth) refusal(r *http.Request, why resourceserver.Reason, cause error) error {
	b.verifier.observer.Decided(-1, why)
	return b.verifier.Refuse(r, b.policy, nil, why, cause)
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
	r, watched := b.verifier.Watch(&d.passage.exchange, r, d.token)
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

// dropCredentials removes what proves who the client is. The site's error routes
// come next, with the headers as they are left, and may ask a backend that the
// credentials are not meant for.
func dropCredentials(h http.Header) {
	delete(h, "Authorization")
	delete(h, "Dpop")
	delete(h, "Cookie")
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

// errH2C refuses the upgrade to cleartext HTTP/2: what follows the handshake
// would reach the upstream as a tunnel in which nothing is checked any more
// (RFC 9113 §3.1 has withdrawn the mechanism).
var errH2C = &oauth.Error{
	Code: oauth.CodeInvalidRequest, Description: "Upgrading to h2c is not possible here.",
	Status: http.StatusBadRequest, Reason: resourceserver.InvalidRequest.String(),
	Challenges: []oauth.Challenge{{Scheme: "Bearer", Params: []oauth.Param{{Name: "error", Value: oauth.CodeInvalidRequest}}}},
}

// errTunnel refuses a CONNECT for anything but a WebSocket: it has no path to judge it by, and an upstream that agrees would carry to
// wherever the client likes what nobody sees (RFC 9110 §9.3.6).
var errTunnel = &oauth.Error{
	Code: oauth.CodeInvalidRequest, Description: "There are no tunnels here.",
	Status: http.StatusBadRequest, Reason: resourceserver.InvalidRequest.String(),
	Challenges: errH2C.Challenges,
}

// wantsH2C reports whether h asks for an upgrade to cleartext HTTP/2, alone or
// among other protocols.
func wantsH2C(h http.Header) bool {
	return httpguts.HeaderValuesContainsToken(h["Upgrade"], "h2c")
}

// isPreflight reports whether r is what a browser asks before a cross-origin
// request (Fetch standard, CORS-preflight fetch). It carries no credentials and
// no body, and is answered from headers alone; anything that merely looks like
// one is authenticated.
func isPreflight(r *http.Request) bool {
	method := r.Header["Access-Control-Request-Method"]
	return len(method) == 1 && httpguts.ValidHeaderFieldName(method[0]) &&
		len(r.Header["Origin"]) == 1 && r.Header["Origin"][0] != "" &&
		// HTTP/3 does not tell of a body that there is none before it is read: pass sees to it.
		(r.ContentLength == 0 || r.ContentLength < 0 && r.ProtoMajor == 3) && len(r.TransferEncoding) == 0 && r.Header["Upgrade"] == nil
}

// stripPreflight removes what could make more of a preflight request than it is:
// credentials, and the headers by which some frameworks take a request for one
// with another method.
func stripPreflight(h http.Header) {
	dropToken(h)
	delete(h, "X-Http-Method-Override")
	delete(h, "X-Http-Method")
	delete(h, "X-Method-Override")
}

// refuse answers a request that is not let through. Where the site has error
// routes for it, they do that: the challenge is set, and the error returned as
// Caddy wants it. Otherwise the answer is written here, since Caddy would send
// no body.
func (b *BearerAuth) refuse(w http.ResponseWriter, r *http.Request, err error) error {
	refused := explain(err)
	logDecision(r, refused)
	if c := b.log.Check(zap.DebugLevel, "request refused"); c != nil {
		c.Write(zap.String("reason", refused.failure.Reason), zap.Int("status", refused.failure.Status), zap.Error(err))
	}
	if srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && srv.Errors != nil {
		handlerErr := caddyhttp.Error(refused.failure.Status, publicError{err, refused.failure})
		if takesOver(srv.Errors, r, handlerErr) {
			resourceserver.SetRefusalHeaders(w.Header(), err)
			dropCredentials(r.Header)
			return handlerErr
		}
	}
	resourceserver.WriteRefusal(w, err)
	return nil
}

// explain is what a refusal says about itself.
func explain(err error) *refusedLog {
	if refusal, ok := errors.AsType[*resourceserver.Refusal](err); ok {
		return &refusedLog{failure: &refusal.Failure, token: refusal.Token}
	}
	failure := *oauth.From(err)
	if failure.Reason == "" {
		failure.Reason = failure.Code
	}
	return &refusedLog{failure: &failure}
}

// publicError is a refusal whose text may be shown to the client: error routes
// have it as a placeholder. The cause is for Unwrap alone.
type publicError struct {
	refusal error
	failure *oauth.Error
}

func (e publicError) Error() string { return e.failure.WithCause(nil).Error() }

func (e publicError) Unwrap() error { return e.refusal }

// takesOver reports whether error routes would handle err for r. Sites that
// share a server share its error routes too, told apart by matchers, so their
// existence says nothing yet; and Caddy answers with an empty body when none of
// them matches.
func takesOver(config *caddyhttp.HTTPErrorConfig, r *http.Request, err caddyhttp.HandlerError) bool {
	r = config.WithError(r, err) // a copy
	// Caddy runs error routes on the original request line.
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		r.Method, r.RequestURI, r.RemoteAddr = original.Method, original.RequestURI, original.RemoteAddr
		r.URL = original.URL
	}
	return reachesHandler(config.Routes, r)
}

// reachesHandler reports whether a handler other than a subroute would run.
func reachesHandler(routes caddyhttp.RouteList, r *http.Request) bool {
	for _, route := range routes {
		if matches, err := route.MatcherSets.AnyMatchWithError(r); err != nil || !matches {
			continue
		}
		for _, handler := range route.Handlers {
			sub, ok := handler.(*caddyhttp.Subroute)
			if !ok || reachesHandler(sub.Routes, r) {
				return true
			}
		}
		if route.Terminal {
			return false
		}
	}
	return false
}

// tokenVar is the request variable that holds the verified token.
const tokenVar = "gatehouse.token"

// carried is a token among the request's variables. It prints as nothing much,
// since {http.vars.*} would print it.
type carried struct{ *resourceserver.Token }

func (carried) String() string { return "[token]" }

// Token gives the verified token of a request that bearer_auth has let through,
// for other handlers. It is shared: read only. There is none for a request that passed without.
func Token(r *http.Request) (*resourceserver.Token, bool) {
	c, _ := caddyhttp.GetVar(r.Context(), tokenVar).(carried)
	return c.Token, c.Token != nil
}

// remember makes token the one of this request: for Token, and for placeholders,
// which are computed when somebody asks for one. A nil token is nobody's: placeholders are empty then, as those of absent claims are.
func remember(r *http.Request, token *resourceserver.Token) {
	vars, ok := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if !ok {
		return
	}
	_, again := vars[tokenVar]
	vars[tokenVar] = carried{token}
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	// A user whom another handler has authenticated must not be mixed with this one.
	repl.DeleteByPrefix(userPrefix)
	if !again {
		repl.Map(func(key string) (any, bool) {
			name, ok := strings.CutPrefix(key, userPrefix)
			if !ok {
				return nil, false
			}
			c, _ := vars[tokenVar].(carried)
			if c.Token == nil {
				return "", true
			}
			return placeholderText(c.Claims, name), true
		})
	}
}

// forget makes a request one without a token, as far as this handler has a say: what an outer bearer_auth has verified stays.
func forget(r *http.Request) {
	if _, verified := Token(r); !verified {
		remember(r, nil)
	}
}

// userPrefix starts the placeholders of the authenticated user.
const userPrefix = "http.auth.user."
