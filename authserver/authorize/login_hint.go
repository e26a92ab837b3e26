package authorize

import "context"

// keepLoginHint keeps what may prefill the sign-on page.
func keepLoginHint(_ context.Context, d *draft) error {
	d.req.LoginHint = d.form.Get("login_hint")
	return nil
}
