package authorize

import (
	"context"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// replyMode is how to answer a request, good or bad. Where response_type or
// response_mode are no good themselves, an error goes where the client that sent
// them most likely looks for it: to the fragment when it asked for a token.
func replyMode(d *draft) string {
	types := strings.Fields(d.form.Get("response_type"))
	mode, err := oauth.ParseResponseMode(d.form.Get("response_mode"), types)
	if err != nil {
		return oauth.DefaultResponseMode(types)
	}
	return mode
}

// fittingResponseMode judges response_mode; replyMode has settled its meaning.
func fittingResponseMode(_ context.Context, d *draft) error {
	_, err := oauth.ParseResponseMode(d.form.Get("response_mode"), d.req.ResponseType)
	return err
}

// allowed reports whether every part is on the list.
func allowed(parts, list []string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !slices.Contains(list, p) })
}
