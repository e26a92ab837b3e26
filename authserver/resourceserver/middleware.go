package resourceserver

import (
	"context"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

type tokenKey struct{}

// Middleware protects a plain net/http handler; the token is in the request's context (FromContext).
// What does not pass is answered by WriteRefusal, and what is under way is ended as Watch says.
func (v *Verifier) Middleware(p *Policy) func(http.Handler) http.Handler {
	if p == nil {
		p = &noPolicy
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t, nonce, err := v.AuthorizeWithNonce(r, p)
			if err != nil {
				WriteRefusal(w, err)
				return
			}
			if nonce != "" {
				w.Header()[dpop.NonceHeader] = []string{nonce}
			}
			r, watched := v.Watch(w, r, t)
			defer func() {
				if watched.Done() != Allowed {
					panic(http.ErrAbortHandler) // what the client has of the answer is not all of it
				}
			}()
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, t)))
		})
	}
}

// FromContext gives the token that Middleware verified.
func FromContext(ctx context.Context) (*Token, bool) {
	t, ok := ctx.Value(tokenKey{}).(*Token)
	return t, ok
}
