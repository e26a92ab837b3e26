package logout

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Hint is what an ID token of ours says about who wants to sign off.
type Hint struct {
	Client  *store.Client // its audience; enabled
	Subject string
	Session string // sid; "" where the token has none
}

// errHint: the text is for the log; a client learns only that the hint is bad.
var errHint = errors.New("not an ID token of this environment")

// Hint judges an id_token_hint (OIDC RP-Initiated Logout §2): signed with a key
// that the environment has published, current or retired, of the issuer that was called, for a
// client that is there and enabled. Its expiry is ignored. A bad one is invalid_request;
// that keys or clients cannot be asked is temporarily_unavailable.
//
// Not checked: whether its person is signed on. Callers compare Subject.
func (e *Ender) Hint(ctx context.Context, env *store.Environment, raw string) (*Hint, error) {
	bad := func(cause error) error {
		err := oauth.InvalidRequest("The id_token_hint is not valid").WithCause(errors.Join(errHint, cause))
		err.Reason = "id_token_hint"
		return err
	}
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		return nil, bad(err)
	}
	ring, err := e.Keys.RingFor(ctx, env, jws.Header.KeyID)
	if err != nil {
		return nil, oauth.CannotTell("keys", err)
	}
	key := ring.Set.Find(&jws.Header)
	if key == nil || !jws.Header.HasKeyID {
		return nil, bad(errors.New("no key fits"))
	}
	if err := jws.Verify(key); err != nil {
		return nil, bad(err)
	}
	c, err := jws.Claims()
	if err != nil {
		return nil, bad(err)
	}
	switch {
	case !isIDToken(&jws.Header, c):
		return nil, bad(errors.New("another kind of token"))
	case c.Issuer != env.Issuer:
		return nil, bad(errors.New("another issuer"))
	}
	client, err := e.Directory.ClientByID(ctx, env.ID, c.Audience[0])
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, bad(errors.New("its client is unknown"))
	case err != nil:
		return nil, oauth.CannotTell("find client", err)
	case !client.Enabled:
		return nil, bad(errors.New("its client is disabled"))
	}
	h := &Hint{Client: client, Subject: token.SubjectOf(c)}
	if c.Has("sid") {
		var ok bool
		if h.Session, ok = c.Text("sid"); !ok || h.Session == "" {
			return nil, bad(errors.New("its sid is malformed"))
		}
	}
	return h, nil
}

// isIDToken tells ID tokens from whatever else the environment's keys sign:
// access tokens name their client in client_id, logout tokens have events, signed
// UserInfo answers no times.
func isIDToken(h *jose.Header, c *jose.Claims) bool {
	if h.Type != "" && !h.TypeIs("JWT") {
		return false
	}
	return len(c.Audience) == 1 && c.Subject != "" && !c.IssuedAt.IsZero() && !c.Expiry.IsZero() &&
		c.Has("auth_time") && !c.Has("client_id") && !c.Has("events") && !c.Has("scope")
}
