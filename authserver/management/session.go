package management

import (
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// sessionShape describes a session.
type sessionShape struct {
	ID        string      `json:"id"`
	User      reference   `json:"user"`
	CreatedAt string      `json:"createdAt"`
	ActiveAt  string      `json:"activeAt"`
	ExpiresAt string      `json:"expiresAt"`
	LastSign  signOnShape `json:"lastSignOn"`
}

type signOnShape struct {
	At        string   `json:"at"`
	RemoteIP  string   `json:"remoteIp,omitempty"`
	UserAgent string   `json:"userAgent,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`
}

// sessionRoutes are the sessions of people, below them and by themselves.
func (a *API) sessionRoutes() []route {
	all := []route{
		{
			name: "session.list", method: http.MethodGet, path: userPath + "/sessions", permission: access.ReadSession,
			serve: (*call).listSessions, summary: "Lists a user's sessions, newest first.", query: paging,
			status: http.StatusOK, response: sessionShape{}, isPage: "sessions",
		},
		{
			name: "session.deleteAll", method: http.MethodDelete, path: userPath + "/sessions", permission: access.DeleteSession,
			serve: (*call).deleteSessions, summary: "Ends all sessions of a user, with the tokens of each.", status: http.StatusNoContent,
		},
		{
			name: "session.readOfUser", method: http.MethodGet, path: userPath + "/sessions/{sessionID}", permission: access.ReadSession,
			serve: (*call).readSession, summary: "Reads a session of a user.", status: http.StatusOK, response: sessionShape{},
		},
		{
			name: "session.deleteOfUser", method: http.MethodDelete, path: userPath + "/sessions/{sessionID}", permission: access.DeleteSession,
			serve: (*call).deleteSession, summary: "Ends a session of a user, with its tokens.", status: http.StatusNoContent,
		},
		{
			name: "session.read", method: http.MethodGet, path: "/environments/{environmentID}/sessions/{sessionID}", permission: access.ReadSession,
			serve: (*call).readSession, summary: "Reads a session.", status: http.StatusOK, response: sessionShape{},
		},
		{
			name: "session.delete", method: http.MethodDelete, path: "/environments/{environmentID}/sessions/{sessionID}", permission: access.DeleteSession,
			serve: (*call).deleteSession, summary: "Ends a session, with its tokens.", status: http.StatusNoContent,
		},
	}
	for i := range all {
		if all[i].somewhere = true; all[i].path[:len(usersPath)] == usersPath {
			all[i].target = selfTarget
		}
	}
	return all
}

// sessionHref is the path of a session below its user.
func (c *call) sessionHref(s *session.Session) string {
	return c.userHref(s.Subject, "/sessions/", s.ID)
}

func (c *call) sessionView(s *session.Session) map[string]any {
	on := signOnShape{At: timestamp(s.AuthTime), RemoteIP: s.Address, UserAgent: s.UserAgent, ACR: s.ACR, AMR: s.AMR}
	v := map[string]any{
		"_links": c.links(c.sessionHref(s), map[string]string{"environment": "/environments/" + c.env.ID, "user": c.userHref(s.Subject)}),
		"id":     s.ID, "environment": reference{c.env.ID}, "user": reference{s.Subject},
		"createdAt": timestamp(s.CreatedAt), "activeAt": timestamp(s.ActiveAt), "expiresAt": timestamp(s.ExpiresAt), "lastSignOn": on,
	}
	applications := make([]reference, len(s.Clients))
	for i, id := range s.Clients {
		applications[i] = reference{id}
	}
	v["applications"] = applications
	return v
}

// listSessions answers with all of a user's sessions: there are few.
func (c *call) listSessions() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	sessions, err := c.api.Sessions.List(c.r.Context(), c.env, u.ID)
	if err != nil {
		return err
	}
	// Newest first. One that a cursor names has perhaps ended meanwhile: then the list is read from its beginning.
	first := 0
	for i, s := range sessions {
		if s.ID == p.after {
			first = i + 1
		}
	}
	var items []any
	next := ""
	for i, s := range sessions[first:] {
		if i == p.limit {
			next = sessions[first+i-1].ID
			break
		}
		items = append(items, c.sessionView(s))
	}
	return c.collection("sessions", items, next)
}

// session finds the session of the path, and whose it is, if the caller may do to them what the route is for.
// Whoever may do it to some people alone does not learn that others have sessions.
func (c *call) session() (*session.Session, *store.User, error) {
	if c.param("userID") != "" {
		if _, err := c.user(); err != nil {
			return nil, nil, err
		}
	}
	s, err := c.api.Sessions.ByID(c.r.Context(), c.env, c.param("sessionID"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil, web.NotFound()
	case err != nil:
		return nil, nil, err
	case c.param("userID") != "" && s.Subject != c.param("userID"):
		return nil, nil, web.NotFound()
	}
	u, err := c.api.Users.ByID(c.r.Context(), c.env, s.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		u = &store.User{Environment: c.env.ID, ID: s.Subject} // deleted; what is left of theirs can be ended all the same
		if !c.who.ByRole(c.route.permission, c.env, access.Target{}) {
			return nil, nil, web.NotFound()
		}
		return s, u, nil
	case err != nil:
		return nil, nil, err
	}
	return s, u, c.require(c.route.permission, userTarget(u), true)
}

func (c *call) readSession() error {
	s, _, err := c.session()
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, c.sessionView(s))
}

func (c *call) deleteSession() error {
	s, u, err := c.session()
	if err != nil {
		return err
	}
	if err := c.endSession(s, u); err != nil {
		return err
	}
	return c.noContent()
}

// endSession ends a session with its tokens; its clients are told.
func (c *call) endSession(s *session.Session, u *store.User) error {
	ctx := c.r.Context()
	err := c.api.Writer.Record(ctx, c.actor(), c.env, store.Event{
		Action: "SESSION.DELETED", Kind: store.KindSession, Object: s.ID, Name: u.Username, Parent: u.ID,
	})
	if err != nil {
		return err
	}
	_, err = c.api.Logout.End(ctx, c.env, s.ID, nil)
	return err
}

// deleteSessions ends all of a user's sessions, those included that begin meanwhile.
func (c *call) deleteSessions() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	for {
		sessions, err := c.api.Sessions.List(c.r.Context(), c.env, u.ID)
		if err != nil {
			return err
		}
		if len(sessions) == 0 {
			return c.noContent()
		}
		for _, s := range sessions {
			if err := c.endSession(s, u); err != nil {
				return err
			}
		}
	}
}
