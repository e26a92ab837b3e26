package authorize

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// wholeMaxAge reads max_age; without one the client's default_max_age holds
// (OIDC Registration §2).
func wholeMaxAge(_ context.Context, d *draft) error {
	age, err := oauth.ParseMaxAge(d.form.Get("max_age"))
	if err != nil {
		return err
	}
	if age == nil && d.client.DefaultMaxAge > 0 {
		seconds := int64(d.client.DefaultMaxAge / time.Second)
		age = &seconds
	}
	d.req.MaxAge = age
	return nil
}
