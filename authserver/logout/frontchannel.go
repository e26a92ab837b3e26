package logout

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// frontchannel lists the addresses that tell the clients of s through the
// browser (OIDC Front-Channel Logout §2), in the order in which they took part.
func (e *Ender) frontchannel(ctx context.Context, env *store.Environment, s *session.Session) ([]string, error) {
	var list []string
	for _, id := range s.Clients {
		c, err := e.client(ctx, env, id)
		if err != nil {
			return nil, err
		}
		if c == nil || c.FrontchannelLogoutURI == "" {
			continue
		}
		if at, ok := frontchannelURL(c.FrontchannelLogoutURI, s.IssuerFor(env, id), s.ID, c.FrontchannelLogoutSession); ok {
			list = append(list, at)
		}
	}
	return list, nil
}

// frontchannelURL adds iss and sid where the client wants them, and leaves its
// own query as it is. What no browser should load in a frame is left out.
func frontchannelURL(raw, issuer, sid string, withSession bool) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Contains(raw, "#") {
		return "", false
	}
	if !withSession {
		return raw, true
	}
	return AddQuery(raw, [2]string{"iss", issuer}, [2]string{"sid", sid}), true
}

// AddQuery adds parameters to an address, behind its own query, which stays byte
// for byte. Spaces become %20, which every reader of queries understands.
func AddQuery(raw string, params ...[2]string) string {
	raw, fragment, hasFragment := strings.Cut(raw, "#")
	separator := "?"
	if _, query, ok := strings.Cut(raw, "?"); ok {
		separator = "&"
		if query == "" {
			separator = ""
		}
	}
	for _, p := range params {
		raw += separator + escape(p[0]) + "=" + escape(p[1])
		separator = "&"
	}
	if hasFragment {
		raw += "#" + fragment
	}
	return raw
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// client finds a client that is to be told; nil where there is none any more, or
// it is disabled.
func (e *Ender) client(ctx context.Context, env *store.Environment, id string) (*store.Client, error) {
	c, err := e.Directory.ClientByID(ctx, env.ID, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, oauth.CannotTell("find client", err)
	case !c.Enabled:
		return nil, nil
	}
	return c, nil
}
