package registration

import (
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// sessions reads what concerns signing on and off.
func (j *judged) sessions(r *Registrar) {
	if n := j.seconds("default_max_age"); n > 0 {
		j.client.DefaultMaxAge = time.Duration(n) * time.Second
		j.keep("default_max_age", n)
	}
	if on, given := j.flag("require_auth_time"); given {
		j.keep("require_auth_time", on) // every ID token has it
	}
	if uri := j.text("initiate_login_uri"); uri != "" {
		if !strings.HasPrefix(uri, "https://") || oauth.CheckRedirectURI(uri) != nil {
			j.fail(invalid("initiate_login_uri is not an https address"))
		}
		j.client.InitiateLoginURI = uri
		j.keep("initiate_login_uri", uri)
	}
	j.client.BackchannelLogoutURI = j.fetched(r, "backchannel_logout_uri")
	if on, given := j.flag("backchannel_logout_session_required"); given {
		j.keep("backchannel_logout_session_required", on) // every logout token has sid
	}
	if uri := j.text("frontchannel_logout_uri"); uri != "" {
		origin := oauth.RedirectOrigin(uri)
		same := func(redirect string) bool { return oauth.RedirectOrigin(redirect) == origin }
		if origin == "" || oauth.CheckRedirectURI(uri) != nil || !slices.ContainsFunc(j.client.RedirectURIs, same) {
			j.fail(invalid("frontchannel_logout_uri is not at the origin of one of the redirect_uris"))
		}
		j.client.FrontchannelLogoutURI = uri
		j.keep("frontchannel_logout_uri", uri)
	}
	if on, given := j.flag("frontchannel_logout_session_required"); given {
		j.client.FrontchannelLogoutSession = on
		j.keep("frontchannel_logout_session_required", on)
	}
}
