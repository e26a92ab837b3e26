package authorize

import "context"

// keepDisplay keeps one of the values of OIDC Core §3.1.2.1 and forgets others.
func keepDisplay(_ context.Context, d *draft) error {
	switch v := d.form.Get("display"); v {
	case "page", "popup", "touch", "wap":
		d.req.Display = v
	}
	return nil
}
