package legacy

import (
	"net/http"
)

// state is what a Legacy keeps between requests.
type state struct{}

// signOnRoutes: json: serverinfo/*, authenticate, sessions.
func (l *Legacy) signOnRoutes() []route {
	return []route{
		{name: "am_serverinfo", tree: treeJSON, path: "serverinfo/*", methods: get, cookies: true, serve: (*call).serverInfo},
		{name: "am_authenticate", tree: treeJSON, path: "authenticate", methods: post, cookies: true, serve: (*call).authenticate},
		{name: "am_sessions", tree: treeJSON, path: "sessions", methods: both, cookies: true, serve: (*call).sessions},
	}
}

func (c *call) serverInfo() error {
	return c.answer(http.StatusOK, map[string]any{memberID: "*"}, "2.0")
}

func (c *call) authenticate() error { return notImplemented() }

func (c *call) sessions() error { return notImplemented() }
