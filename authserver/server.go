package authserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Server is an http.Handler for every endpoint of every environment. It is one
// configuration; replacing it interrupts nothing. Safe for concurrent use.
type Server struct {
	directory store.Directory
	host      web.Host
	routes    map[string]*route // by path behind the issuer's
}

// New checks the configuration and builds the routes. It touches neither disk
// nor network; keys of new environments are made in the background.
func New(ctx context.Context, c Config) (*Server, error) {
	envs, err := c.check(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{
		directory: c.Directory,
		host:      web.Host{Log: c.Log, NewID: secret.NewID, Served: c.State.config.Observer.Served, Now: c.State.config.Now},
		routes:    map[string]*route{},
	}
	for _, rt := range routes(&c) {
		if slices.Contains(c.Surfaces, rt.surface) {
			s.routes[rt.path] = &rt
		}
	}
	c.State.watch(envs...)
	return s, nil
}

// Handles reports whether the path belongs to this server; a host passes other
// requests on. All of an issuer's tree does, whether or not the environment or
// the endpoint exists, so that nothing behind the server answers in its place.
func (s *Server) Handles(r *http.Request) bool {
	_, _, ok := split(r.URL.Path)
	return ok
}

// ServeHTTP answers one request. Which environment is meant is settled by the
// path alone, never by a Host header.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	env, rt, err := s.find(r)
	if err != nil {
		web.Handle(&s.host, &nowhere, w, r, func(http.ResponseWriter, *http.Request) error { return err })
		return
	}
	web.Handle(&s.host, &rt.Route, w, r, func(w http.ResponseWriter, r *http.Request) error {
		return rt.serve(w, r, env)
	})
}

// find resolves the path: byte-exact, in its plainest spelling only.
func (s *Server) find(r *http.Request) (*store.Environment, *route, error) {
	id, rest, ok := split(r.URL.Path)
	if !ok || r.URL.RawPath != "" {
		return nil, nil, web.NotFound()
	}
	front := strings.HasPrefix(r.URL.Path, wellKnown)
	if front {
		rest = openIDConfiguration
	}
	rt := s.routes[rest]
	if rt == nil {
		return nil, nil, web.NotFound()
	}
	env, err := s.directory.EnvironmentByID(r.Context(), id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil, web.NotFound()
	case err != nil:
		return nil, nil, oauth.Unavailable(1, "The service is temporarily unavailable").
			WithCause(fmt.Errorf("find environment: %w", err))
	case front && r.URL.Path != wellKnown+issuerPath(env):
		return nil, nil, web.NotFound()
	}
	return env, rt, nil
}

// split takes a path of ours apart: "/<environment>/as<rest>", or the metadata
// place of RFC 8414 §3.1 in front of an issuer's path. ok is false for paths
// that are somebody else's. Environments are recognised in any case, so that a
// near miss is answered here.
func split(path string) (id, rest string, ok bool) {
	if issuer, found := strings.CutPrefix(path, wellKnown+"/"); found {
		issuer, found = strings.CutSuffix(issuer, "/as")
		id = issuer[strings.LastIndexByte(issuer, '/')+1:]
		return id, "", found && looksLikeUUID(id)
	}
	const n = len("/00000000-0000-0000-0000-000000000000")
	if len(path) < n+len("/as") || path[0] != '/' || !looksLikeUUID(path[1:n]) {
		return "", "", false
	}
	rest, ok = strings.CutPrefix(path[n:], "/as")
	if !ok || rest != "" && rest[0] != '/' {
		return "", "", false
	}
	return path[1:n], rest, true
}

func looksLikeUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f'):
			return false
		}
	}
	return true
}

// issuerPath is the path of the issuer's URL.
func issuerPath(env *store.Environment) string {
	u, err := url.Parse(env.Issuer)
	if err != nil {
		return ""
	}
	return u.Path
}
