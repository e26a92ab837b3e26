package legacy

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// signOnRoutes: json: serverinfo/*, authenticate, sessions, sessions/{}.
func (l *Legacy) signOnRoutes() []route {
	return []route{
		{name: "am_serverinfo", tree: treeJSON, path: "serverinfo/*", methods: get, cookies: true, serve: (*call).serverInfo},
		{name: "am_authenticate", tree: treeJSON, path: "authenticate", methods: post, cookies: true, serve: (*call).authenticate},
		{name: "am_sessions", tree: treeJSON, path: "sessions", methods: both, cookies: true, serve: (*call).sessions},
		{name: "am_session", tree: treeJSON, path: "sessions/{}", methods: post, cookies: true, serve: (*call).sessionInPath},
	}
}

// What a password is to tokens: the server's own acr, and the amr of RFC 8176 §2.
const (
	singleFactor = "Single_Factor"
	pwd          = "pwd"
)

// errNobody: the credentials are not somebody's who may sign on. Why is nobody's
// business: unknown, wrong, locked, disabled and unverified are one (3.3).
var errNobody = errors.New("nobody who may sign on")

// environmentOf finds in which environment of the call's realm a name signs on: an administrator's in the top realm,
// and everybody else's in that of the realm.
func (c *call) environmentOf(ctx context.Context, name string) (*store.Environment, error) {
	if c.realm.Path == "/" {
		_, err := c.l.root.named(ctx, name)
		if err == nil || c.env == nil {
			return c.l.root.env, nil // whoever it is: an unknown name takes as long as a known one
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, oauth.CannotTell("find administrator", err)
		}
	}
	return c.env, nil
}

// proven is somebody who has proved who they are.
type proven struct {
	env      *store.Environment
	user     *store.User
	standing identity.Standing
}

// prove checks a password. errNobody is every failure that is the caller's; others are 429 and 503.
func (c *call) prove(name, password string) (*proven, error) {
	ctx := c.r.Context()
	if name == "" || password == "" {
		return nil, errNobody
	}
	env, err := c.environmentOf(ctx, name)
	if err != nil {
		return nil, err
	}
	user, standing, err := c.l.usersOf(env).CheckPassword(ctx, env, name, password, c.address())
	if err != nil {
		return nil, nobody(err)
	}
	if user.Disabled || standing == identity.StandingLocked || standing == identity.StandingUnverified {
		return nil, errNobody
	}
	return &proven{env, user, standing}, nil
}

// nobody makes of what identity refuses what is told of it here.
func nobody(err error) error {
	e, ok := errors.AsType[*oauth.Error](err)
	switch {
	case !ok:
		return oauth.CannotTell("check password", err)
	case e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError:
		return err
	}
	return errNobody
}

// signOn makes a session for somebody who has proved who they are. before is the
// session that they have shown, of this environment, or nil: it goes on where it is theirs, and ends where it is
// another person's.
func (c *call) signOn(p *proven, before *session.Browser) (*session.Browser, error) {
	ctx, l := c.r.Context(), c.l
	b := before
	if b == nil {
		var err error
		if b, err = l.Sessions.Presented(c.r, p.env, secret.Value{}); err != nil {
			return nil, oauth.CannotTell("sign on", err)
		}
	}
	if b.Session != nil && b.Session.Subject != p.user.ID {
		// First, with all that hangs on it: if that fails, nothing has happened and it can be tried again.
		if _, err := l.Logout.End(ctx, p.env, b.Session.ID, nil); err != nil {
			return nil, err
		}
	}
	replaced, err := l.Sessions.SignOn(ctx, p.env, b, session.SignOn{Subject: p.user.ID, ACR: singleFactor, AMR: []string{pwd}})
	if err != nil {
		return nil, oauth.CannotTell("sign on", err)
	}
	if replaced != nil { // it was not gone yet after all
		if err := l.Logout.EndReplaced(ctx, p.env, replaced); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// successURL is where clients go on after sign-on to a realm.
func (l *Legacy) successURL(r *realm) string {
	return strings.ReplaceAll(l.SuccessURL, "{realm}", r.Path)
}
