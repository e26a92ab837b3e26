package legacy

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// revoke is AM's revocation endpoint (section 8). The token is asked for before the client, as in AM.
func (c *call) revoke() error {
	// parse
	form, err := web.ReadForm(c.r)
	if err != nil {
		return err
	}
	raw := form.Get("token")
	if raw == "" {
		return missing("token")
	}

	// authenticate the client
	client, err := c.l.Clients.Client(c.r, form, c.env, "revoke")
	if err != nil {
		return c.inAM(err)
	}
	c.calledBy(client)

	// act
	ctx := c.r.Context()
	foreign, err := c.foreign(ctx, raw)
	if err != nil {
		return err
	}
	if !foreign {
		if err := c.l.Revoker.Revoke(ctx, c.env, client, raw); err != nil {
			if e := oauth.From(err); e.Code == oauth.CodeUnauthorizedClient {
				return oauth.InvalidGrant("The token was not issued to the client").WithCause(err)
			}
			return err
		}
	}

	// respond
	c.writeJSON(http.StatusOK, []byte("{}"))
	return nil
}

// foreign reports whether a token is of another realm of the same environment, and so none of this one.
func (c *call) foreign(ctx context.Context, raw string) (bool, error) {
	if !c.l.shared(c.env.ID) {
		return false, nil
	}
	issuer, err := c.issuerOf(ctx, raw)
	return c.l.elsewhere(c.realm, issuer), err
}

// issuerOf is the issuer of a token that works; "" of what is none here.
func (c *call) issuerOf(ctx context.Context, raw string) (string, error) {
	active, err := c.l.Tokens.Read(ctx, c.env, raw)
	switch {
	case err == nil:
		return active.Issuer, nil
	case !errors.Is(err, token.ErrInactive):
		return "", err
	}
	held, err := c.l.Refresh.Find(ctx, c.env, secret.Of(raw))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	return held.Authorization.In(c.env).Issuer, nil
}
