package authorize

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// readableResources reads the resources that the token is to be for (RFC 8707 §2.1). Whether the client may
// have anything of them is the next check's question: what they do to the scopes is one decision with these.
func readableResources(_ context.Context, d *draft) (err error) {
	d.req.Named, err = oauth.ParseResources(d.form.All(paramResource))
	return err
}

// objectResources adds what a request object says of resource: one text, or an array of them; ok is false for anything else.
func objectResources(form *web.Form, inside *jose.Claims) (ok bool) {
	if s, ok := inside.Text(paramResource); ok {
		form.Add(paramResource, s)
		return true
	}
	v, _ := inside.Value(paramResource)
	list, ok := v.([]any)
	for _, e := range list {
		s, isText := e.(string)
		if !isText || s == "" {
			return false
		}
		form.Add(paramResource, s)
	}
	return ok
}
