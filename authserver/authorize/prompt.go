package authorize

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

func knownPrompt(_ context.Context, d *draft) (err error) {
	d.req.Prompt, err = oauth.ParsePrompt(d.form.Get("prompt"))
	return err
}
