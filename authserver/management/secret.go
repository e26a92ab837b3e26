package management

import (
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// secretsOf are the secrets of applications, or of resources.
type secretsOf struct {
	kind         store.ObjectKind // of those that have them
	path, id     string           // of one, and the variable of its ID
	name         string           // "application"
	read, update access.Permission
	target       func(c *call) access.Target
	// uses reports whether what has the secret authenticates with it. Where it does not, there is none to be seen.
	uses func(directory.Document) bool
}

// secretView is a secret as it is shown.
type secretView struct {
	Links       map[string]link `json:"_links"`
	Environment reference       `json:"environment"`
	Secret      string          `json:"secret"`
	Previous    *previousView   `json:"previous,omitempty"`
}

type previousView struct {
	Secret    string `json:"secret"`
	ExpiresAt string `json:"expiresAt"`
	LastUsed  string `json:"lastUsed,omitempty"`
}

// secretRotation is what may be said about the secret that is replaced.
type secretRotation struct {
	Previous *struct {
		ExpiresAt *string `json:"expiresAt"`
	} `json:"previous"`
}

// secretRoutes make the three routes.
func secretRoutes(o secretsOf) []route {
	path := o.path + "/secret"
	return []route{
		{
			name: o.name + "Secret.read", method: http.MethodGet, path: path, permission: o.read, target: o.target,
			serve: o.serveRead, summary: "Reads the secret.", status: http.StatusOK, response: secretView{},
		},
		{
			name: o.name + "Secret.rotate", method: http.MethodPost, path: path, permission: o.update, target: o.target,
			serve: o.serveRotate, summary: "Draws a new secret. With previous.expiresAt the old one is good until then, 1 minute to 30 days ahead.",
			request: map[string]any{typeJSON: secretRotation{}}, status: http.StatusOK, response: secretView{},
		},
		{
			name: o.name + "Secret.deletePrevious", method: http.MethodDelete, path: path, permission: o.update, target: o.target,
			serve: o.serveDeletePrevious, summary: "Ends the previous secret.", status: http.StatusNoContent,
		},
	}
}

// admit finds whose secret it is, and judges whether the caller may get at it: not a
// worker at its own, which would outlive the token that it was read with, and nobody
// at that of an application with roles that they do not have.
func (o secretsOf) admit(c *call) (id string, err error) {
	id = c.param(o.id)
	if o.kind == store.KindApplication {
		if c.who.User == nil && c.who.Client.ID == id && c.who.Environment.ID == c.env.ID {
			return "", forbidden()
		}
		if err := c.outranks(directory.HolderApplication, id); err != nil {
			return "", err
		}
	}
	it, err := c.api.Live.Item(c.r.Context(), c.env, o.kind, "", id)
	switch {
	case err != nil:
		return "", err
	case !o.uses(it.Document):
		return "", web.NotFound()
	}
	return id, nil
}

func (o secretsOf) serveRead(c *call) error {
	id, err := o.admit(c)
	if err != nil {
		return err
	}
	it, err := c.api.Live.Item(c.r.Context(), c.env, store.KindSecret, id, id)
	if err != nil {
		return err
	}
	return o.show(c, it)
}

func (o secretsOf) serveRotate(c *call) error {
	id, err := o.admit(c)
	if err != nil {
		return err
	}
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	var rotation secretRotation
	if err := c.read(&rotation); err != nil {
		return err
	}
	keep, err := rotation.until()
	if err != nil {
		return err
	}
	it, err := c.api.Writer.Update(c.r.Context(), c.actor(), c.env, store.KindSecret, id, id, precondition,
		func(old *directory.Item) (directory.Document, error) {
			return old.Document.(*directory.Secret).Rotated(c.api.Now(), keep)
		})
	if precondition.Version == 0 && oauth.From(err).Status == http.StatusNotFound { // it has none: what is sealed may have been lost
		it, err = c.api.Writer.Create(c.r.Context(), c.actor(), c.env, directory.New{ID: id, Parent: id, Document: directory.NewSecret("")})
	}
	if err != nil {
		return err
	}
	return o.show(c, it)
}

// until is the end of the secret that is replaced; nil for at once.
func (r *secretRotation) until() (*time.Time, error) {
	switch {
	case r.Previous == nil:
		return nil, nil
	case r.Previous.ExpiresAt == nil:
		return nil, directory.Invalid(directory.Problemf(directory.RequiredValue, "previous.expiresAt", "must not be empty"))
	}
	at, err := time.Parse(time.RFC3339Nano, *r.Previous.ExpiresAt)
	if err != nil {
		return nil, directory.Invalid(directory.Problemf(directory.InvalidValue, "previous.expiresAt", "must be a date-time (RFC 3339)"))
	}
	return &at, nil
}

func (o secretsOf) serveDeletePrevious(c *call) error {
	id, err := o.admit(c)
	if err != nil {
		return err
	}
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	_, err = c.api.Writer.Update(c.r.Context(), c.actor(), c.env, store.KindSecret, id, id, precondition,
		func(old *directory.Item) (directory.Document, error) {
			return old.Document.(*directory.Secret).WithoutPrevious(), nil
		})
	if err != nil {
		return err
	}
	return c.noContent()
}

func (o secretsOf) show(c *call, it *directory.Item) error {
	document := it.Document.(*directory.Secret)
	if document.Current() == "" {
		return web.NotFound()
	}
	parent := c.expand(o.path)
	v := secretView{
		Links: c.links(parent+"/secret", map[string]string{
			"environment": "/environments/" + c.env.ID, string(o.kind): parent,
		}),
		Environment: reference{c.env.ID}, Secret: document.Current(),
	}
	if text, until := document.Before(c.api.Now()); text != "" {
		v.Previous = &previousView{Secret: text, ExpiresAt: timestamp(until)}
		if document.RotatedAt != nil && !it.UsedAt.Before(*document.RotatedAt) {
			v.Previous.LastUsed = timestamp(it.UsedAt)
		}
	}
	c.showVersion(it.Version)
	return c.reply(http.StatusOK, v)
}
