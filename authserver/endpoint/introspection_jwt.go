package endpoint

import (
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// signed answers with a JWT for the caller alone (RFC 9701 §5). What it must not know is signed like the rest: who reads the
// answer later can tell that it was one.
func (e *Introspection) signed(w http.ResponseWriter, r *http.Request, env *store.Environment, caller clientauth.Caller, v *Verdict) error {
	audience, policy := "", ""
	if caller.Client != nil {
		audience, policy = caller.Client.ID, caller.Client.KeyRotationPolicy
	} else {
		audience = caller.Resource.ID
	}
	raw, err := e.Answers.Introspection(r.Context(), env, audience, policy, v.JSON(env))
	if err != nil {
		return err
	}
	web.WriteBody(w, http.StatusOK, typeIntrospectionJWT, []byte(raw))
	return nil
}

// jwt answers with an access token as a JWT: the phantom of an opaque one, for a proxy to pass on. Of a token that does not work, or that
// is no access token, there is none: 204. There is no specification of this; Curity's servers do so.
func (e *Introspection) jwt(w http.ResponseWriter, r *http.Request, env *store.Environment, raw string, v *Verdict) error {
	if v.Access == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	jwt, err := e.Tokens.JWT(r.Context(), env, raw)
	switch {
	case errors.Is(err, token.ErrInactive): // it has expired just now
		w.WriteHeader(http.StatusNoContent)
		return nil
	case err != nil:
		return err
	}
	web.WriteBody(w, http.StatusOK, typeJWT, []byte(jwt))
	return nil
}
