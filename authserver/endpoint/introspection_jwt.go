package endpoint

import (
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// signed answers with a JWT for the caller alone (RFC 9701 §5), encrypted where that is a resource with a key for it. What it must not
// know is signed like the rest: who reads the answer later can tell that it was one.
func (e *Introspection) signed(w http.ResponseWriter, r *http.Request, env *store.Environment, caller clientauth.Caller, v *Verdict) error {
	a := token.Answer{JSON: v.JSON(env)}
	if caller.Client != nil {
		a.Audience, a.KeyRotationPolicy = caller.Client.ID, caller.Client.KeyRotationPolicy
	} else {
		a.Audience, a.Encryption = caller.Resource.ID, caller.Resource.Encryption
	}
	raw, err := e.Answers.Introspection(r.Context(), env, a)
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
