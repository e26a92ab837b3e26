package assertion

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Verifier judges assertions at an upstream. Safe for concurrent use.
type Verifier struct {
	config Config
	keys   *keys
}

// NewVerifier checks c; it contacts nobody.
func NewVerifier(c Config) (*Verifier, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	k, err := newKeys(&c)
	if err != nil {
		return nil, err
	}
	return &Verifier{config: c, keys: k}, nil
}

// Close ends background work.
func (v *Verifier) Close() { v.keys.close() }

// Identity is what an assertion says of who asks.
type Identity struct {
	// TokenIssuer vouches for the access token, and so for Subject: two issuers may use one subject for two people. "" for an anonymous request.
	TokenIssuer       string
	Subject, ClientID string
	Scope             []string
	Claims            *jose.Claims // all claims of the assertion; read only
}

// Anonymous reports whether the request came without an access token, which gates let pass that say so.
func (i *Identity) Anonymous() bool { return i.TokenIssuer == "" }

// Error is why an assertion is not good: a sentence without any of its text.
type Error struct{ Reason string }

// Error says the reason.
func (e *Error) Error() string { return "assertion: " + e.Reason }

func refuse(reason string) error { return &Error{reason} }

// maxSize bounds an assertion, in bytes.
const maxSize = 16 << 10

// Verify judges the assertion of a request: signature, iss, aud, times, method, path and query, and, where the request still has an access
// token, ath. An *Error says that it is not good; another error that it cannot be told now.
func (v *Verifier) Verify(r *http.Request) (*Identity, error) {
	values := r.Header[v.config.Header]
	switch {
	case len(values) == 0:
		return nil, refuse("there is none")
	case len(values) > 1 || v.otherSpelling(r.Header):
		return nil, refuse("there is more than one")
	}
	claims, err := v.open(r.Context(), values[0])
	if err != nil {
		return nil, err
	}
	for _, check := range []func(*http.Request, *jose.Claims) error{v.checkParties, v.checkTimes, v.checkRequest, v.checkToken} {
		if err := check(r, claims); err != nil {
			return nil, err
		}
	}
	issuer, _ := claims.Text(claimIssuer)
	if issuer == "" && !v.config.AllowAnonymous {
		return nil, refuse("it is about an anonymous request")
	}
	return &Identity{
		TokenIssuer: issuer, Subject: claims.Subject, ClientID: claims.ClientID, Scope: claims.Scope, Claims: claims,
	}, nil
}

// otherSpelling reports whether the header is there once more under a name that something in between may take for it.
func (v *Verifier) otherSpelling(h http.Header) bool {
	fold := strings.NewReplacer("_", "-", ".", "-")
	for name := range h {
		if name != v.config.Header && len(name) == len(v.config.Header) && strings.EqualFold(fold.Replace(name), fold.Replace(v.config.Header)) {
			return true
		}
	}
	return false
}

// open verifies the signature. Algorithm and type are looked at before any key is.
func (v *Verifier) open(ctx context.Context, text string) (*jose.Claims, error) {
	jws, err := jose.Parse(text, jose.Limits{Size: maxSize})
	if err != nil {
		return nil, refuse("it is not a signed JWT")
	}
	switch {
	case !slices.Contains(algorithms, jws.Header.Algorithm):
		return nil, refuse("its algorithm is not accepted")
	case !jws.Header.TypeIs(Type):
		return nil, refuse("its typ is that of something else")
	}
	key, err := v.find(ctx, &jws.Header)
	switch {
	case err != nil:
		return nil, err
	case key == nil:
		return nil, refuse("its key is not one of the gate's")
	}
	if err := jws.Verify(key); err != nil {
		return nil, refuse("its signature is not good")
	}
	claims, err := jws.Claims()
	if err != nil {
		return nil, refuse("its claims are malformed")
	}
	return claims, nil
}

func (v *Verifier) find(ctx context.Context, h *jose.Header) (*jose.Key, error) {
	if v.keys.static != nil {
		return v.keys.static.Find(h), nil
	}
	return v.keys.source.Find(ctx, h)
}

func (v *Verifier) checkParties(_ *http.Request, c *jose.Claims) error {
	switch {
	case c.Issuer != v.config.Issuer:
		return refuse("it is of another gate")
	case len(c.Audience) != 1 || c.Audience[0] != v.config.Audience:
		return refuse("it is for another upstream")
	}
	return nil
}

// checkTimes wants both iat and exp, and that they are not further apart than a gate may have them.
func (v *Verifier) checkTimes(_ *http.Request, c *jose.Claims) error {
	now, skew := v.config.Now(), v.config.ClockSkew
	switch {
	case c.Expiry.IsZero() || c.IssuedAt.IsZero() || c.Expiry.Sub(c.IssuedAt) > longestLife+time.Second:
		return refuse("it is good for too long")
	case !now.Before(c.Expiry.Add(skew)):
		return refuse("it expired")
	case c.IssuedAt.After(now.Add(skew)) || c.NotBefore.After(now.Add(skew)):
		return refuse("it is not good yet")
	}
	return nil
}

// checkRequest compares byte for byte: what differs is another request.
func (v *Verifier) checkRequest(r *http.Request, c *jose.Claims) error {
	if method, ok := c.Text(claimMethod); !ok || method != r.Method {
		return refuse("it is for another method")
	}
	if target, ok := c.Text(claimTarget); !ok || target != v.config.Target(r) {
		return refuse("it is for another path or query")
	}
	return nil
}

// checkToken compares ath with the token in Authorization. Where there is none, or one that is nothing of the gate's, there is
// nothing to compare.
func (v *Verifier) checkToken(r *http.Request, c *jose.Claims) error {
	var token string
	for _, value := range r.Header["Authorization"] {
		scheme, rest, _ := strings.Cut(value, " ")
		if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "DPoP") {
			continue
		}
		if token != "" {
			return refuse("the request has more than one access token")
		}
		if token = strings.Trim(rest, " "); token == "" {
			return refuse("the request has an empty access token")
		}
	}
	if token == "" {
		return nil
	}
	want, ok := c.Text(claimHash)
	if !ok || subtle.ConstantTimeCompare([]byte(want), []byte(hash(token))) != 1 {
		return refuse("it is for another access token")
	}
	return nil
}

type contextKey struct{}

// retryAfter is what a client is told to wait while the gate's keys cannot be had, in seconds.
const retryAfter = "5"

// Middleware lets requests with a good assertion alone through to next; FromContext gives its Identity. Others get 403, or 503 while
// the gate's keys cannot be had: it is the gate's affair, not the client's token's, so there is no challenge.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		identity, err := v.Verify(r)
		if err != nil {
			w.Header().Set("Cache-Control", "no-store")
			if _, ok := errors.AsType[*Error](err); ok {
				http.Error(w, "This request did not come through the gate.", http.StatusForbidden)
				return
			}
			w.Header().Set("Retry-After", retryAfter)
			http.Error(w, "This request cannot be verified now.", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, identity)))
	})
}

// FromContext gives what Middleware verified.
func FromContext(ctx context.Context) (*Identity, bool) {
	i, ok := ctx.Value(contextKey{}).(*Identity)
	return i, ok
}
