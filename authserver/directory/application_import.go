package directory

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// checkImport judges the credentials that a new application brings along. Its ID
// must be nobody's: resources present theirs at the introspection endpoint too,
// and what belongs to a resource or a person is found by theirs.
func (a *Application) checkImport(ctx context.Context, c *Checking, j *judge) error {
	if c.Old != nil {
		return nil
	}
	if a.ClientSecret != "" {
		j.clientSecret(string(a.ClientSecret), a.TokenEndpointAuthMethod)
	}
	if a.ClientID == "" {
		return nil
	}
	id := string(a.ClientID)
	if !importedID.MatchString(id) {
		j.inner(map[string]any{"allowedPattern": importedID.String()}, InvalidValue, "clientId", "must be 8 to 128 letters, digits, ., _, ~ and -")
		return nil
	}
	used, err := c.idInUse(ctx, id)
	if err != nil {
		return err
	}
	if used {
		j.add(UniquenessViolation, "clientId", "is unique but a non-unique value is provided")
	}
	return nil
}

// checkSecret refuses to sign with a secret that was brought along and is too short for
// that.
func (a *Application) checkSecret(ctx context.Context, c *Checking, old *Application, j *judge) error {
	if old == nil || a.TokenEndpointAuthMethod != authSecretJWT || old.TokenEndpointAuthMethod == authSecretJWT {
		return nil
	}
	it, err := c.Live.Item(ctx, c.Environment, store.KindSecret, c.ID, c.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil // a new one is long enough
	case err != nil:
		return oauth.CannotTell("find secret", err)
	}
	if s, ok := it.Document.(*Secret); ok && len(s.current) < minHMACSecret {
		j.add(ConstraintViolation, "tokenEndpointAuthMethod", "needs a secret of %d characters or more: draw a new one first", minHMACSecret)
	}
	return nil
}

// idInUse reports whether an application, a resource or a person has an ID.
func (c *Checking) idInUse(ctx context.Context, id string) (bool, error) {
	finds := []func() error{
		func() error { _, err := c.Live.ClientByID(ctx, c.Environment.ID, id); return err },
		func() error { _, err := c.Live.ResourceByID(ctx, c.Environment.ID, id); return err },
		func() error { _, err := c.Live.UserByID(ctx, c.Environment.ID, id); return err },
		func() error {
			_, err := c.Live.Item(ctx, c.Environment, store.KindResource, "", id)
			return err
		},
	}
	for _, find := range finds {
		switch err := find(); {
		case err == nil:
			return true, nil
		case !errors.Is(err, store.ErrNotFound):
			return false, oauth.CannotTell("find who has an ID", err)
		}
	}
	return false, nil
}
