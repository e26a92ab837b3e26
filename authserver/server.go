package authserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Server is an http.Handler for every endpoint of every environment. It is one
// configuration; replacing it interrupts nothing. Safe for concurrent use.
type Server struct {
	host      web.Host
	address   func(*http.Request) string // Config.Address
	routes    map[string]*route          // by path behind the environment's
	trees     []tree                     // of the surfaces that are exposed
	parts     *parts
	documents bool // an environment accepts clients that are the URL of their metadata
	alongside func(job func(context.Context)) (end func())
	ends      []func() // of what Start began
}

// New checks the configuration and builds the routes. It touches neither disk
// nor network; keys of new environments are made in the background.
func New(ctx context.Context, c Config) (*Server, error) {
	envs, err := c.check(ctx)
	if err != nil {
		return nil, err
	}
	parts, err := assemble(&c)
	if err != nil {
		return nil, err
	}
	s := &Server{
		host:   web.Host{Log: c.Log, NewID: secret.NewID, Served: c.State.config.Observer.Served, Now: c.State.config.Now},
		routes: map[string]*route{}, address: c.Address,
		// Only what is declared says so.
		documents: slices.ContainsFunc(envs, func(e *store.Environment) bool { return e.Registration.Documents }),
	}
	table := routes(&c, parts)
	for _, rt := range table {
		if slices.Contains(c.Surfaces, rt.surface) {
			s.routes[rt.path] = &rt
		}
	}
	for _, t := range trees(&c, parts, table) {
		if slices.Contains(c.Surfaces, t.surface) {
			s.trees = append(s.trees, t)
		}
	}
	c.State.watch(envs...)
	s.parts, s.alongside = parts, c.State.alongside
	return s, nil
}

// Start begins what the server does beside answering, as soon as the State is
// started too: it delivers logout tokens and webhooks, rotates the keys of environments that are stored, deletes what deleted
// ones left behind, and ends what users and applications still hold that the configuration has disabled. A configuration that is not going to be
// used must not be started. To be called once.
func (s *Server) Start() {
	s.ends = append(s.ends, s.alongside(s.parts.ender.Run), s.alongside(s.parts.webhooks.Run), s.alongside(s.parts.uses.Run),
		s.alongside(s.parts.tend), s.alongside(s.parts.endDisabled))
}

// Close ends what Start began: deliveries under way and messages that were
// promised go out first, for five seconds at most. Requests that are still being answered are answered. The State stays open.
func (s *Server) Close() error {
	for _, end := range s.ends {
		end()
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastMessages)
	defer cancel()
	return s.parts.users.Close(ctx)
}

// Handles reports whether the path belongs to this server; a host passes other
// requests on. All of an environment's trees do, whether or not the environment
// or the endpoint exists, so that nothing behind the server answers in its place.
// On a custom domain those are the trees without the environment's ID.
func (s *Server) Handles(r *http.Request) bool {
	if s.tree(r) != nil {
		return true
	}
	if _, _, ok := split(r.URL.Path); ok {
		return true
	}
	if _, ok := bare(r.URL.Path); !ok {
		return false
	}
	_, err := s.atHost(r)
	return !errors.Is(err, store.ErrNotFound)
}

// atHost finds the environment whose custom domain a request came to. A Host may
// be in any case, have the dot of an absolute name, and name the port that the
// scheme has anyway (RFC 9110 §4.2.3).
func (s *Server) atHost(r *http.Request) (*store.Environment, error) {
	host := strings.ToLower(r.Host)
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port = host[:i], host[i+1:]
	}
	name = strings.TrimSuffix(name, ".")
	if port != "" {
		env, err := s.parts.directory.EnvironmentByHost(r.Context(), name+":"+port)
		if !errors.Is(err, store.ErrNotFound) {
			return env, err
		}
	}
	env, err := s.parts.directory.EnvironmentByHost(r.Context(), name)
	if err != nil {
		return nil, err
	}
	scheme, _, _ := strings.Cut(env.Issuer, ":")
	if port != "" && scheme+port != "https443" && scheme+port != "http80" {
		return nil, store.ErrNotFound
	}
	return env, nil
}

// ServeHTTP answers one request. Which environment is meant is settled by the
// path, or on a custom domain by that domain; no other Host header is looked at.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if t := s.tree(r); t != nil {
		if rt, serve := t.match(r); rt != nil {
			if s.documents {
				r = s.told(r) // of which environment, serve finds out
			}
			web.Handle(&s.host, rt, w, r, serve)
		} else {
			web.Handle(&s.host, &nowhere, w, r, func(http.ResponseWriter, *http.Request) error { return web.NotFound() })
		}
		return
	}
	env, rt, err := s.find(r)
	if err != nil {
		web.Handle(&s.host, &nowhere, w, r, func(http.ResponseWriter, *http.Request) error { return err })
		return
	}
	around := &rt.Route
	if rt.cookies && r.Method == http.MethodOptions {
		around = s.preflight(r.Context(), rt, env)
	}
	web.Handle(&s.host, around, w, r, func(w http.ResponseWriter, r *http.Request) error {
		if env.Registration.Documents {
			r = s.told(r)
		}
		return rt.serve(w, r, env)
	})
}

// told is r with its address, for the fetching of clients' documents.
func (s *Server) told(r *http.Request) *http.Request {
	return r.WithContext(registration.WithAddress(r.Context(), func() string { return web.Address(s.address, r) }))
}

// tree is the one that a request's path is of, or nil.
func (s *Server) tree(r *http.Request) *tree {
	for i := range s.trees {
		if s.trees[i].handles(r.URL.Path) {
			return &s.trees[i]
		}
	}
	return nil
}

// preflight lets scripts of the origins that some application trusts ask; whether
// its answer may be read is decided where the application is known.
func (s *Server) preflight(ctx context.Context, rt *route, env *store.Environment) *web.Route {
	around := rt.Route
	around.Preflight = func(origin string) bool {
		trusted, err := s.parts.directory.TrustedOrigin(ctx, env.ID, origin)
		return err == nil && trusted
	}
	return &around
}

// find resolves the path: byte-exact, in its plainest spelling only.
func (s *Server) find(r *http.Request) (*store.Environment, *route, error) {
	if r.URL.RawPath != "" {
		return nil, nil, web.NotFound()
	}
	id, rest, ok := split(r.URL.Path)
	if !ok {
		if rest, ok = bare(r.URL.Path); !ok {
			return nil, nil, web.NotFound()
		}
	}
	rt := s.route(rest)
	if rt == nil {
		return nil, nil, web.NotFound()
	}
	var env *store.Environment
	var err error
	if id != "" {
		env, err = s.parts.directory.EnvironmentByID(r.Context(), id)
	} else {
		env, err = s.atHost(r)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil, web.NotFound()
	case err != nil:
		return nil, nil, oauth.CannotTell("find environment", err)
	case strings.HasPrefix(r.URL.Path, wellKnown) && r.URL.Path != wellKnown+issuerPath(env):
		return nil, nil, web.NotFound()
	}
	return env, rt, nil
}

// route finds the row of a path: its own, or that of all paths with one more segment.
func (s *Server) route(rest string) *route {
	if rt := s.routes[rest]; rt != nil {
		return rt
	}
	i := strings.LastIndexByte(rest, '/')
	if i < 0 || i == len(rest)-1 {
		return nil
	}
	return s.routes[rest[:i]+anySegment]
}

// anySegment ends the path of a row that is for every last segment.
const anySegment = "/*"

// environmentTrees are the beginnings of our paths behind an environment's, each whole or
// followed by a slash.
var environmentTrees = []string{"/as", "/flows", "/signon"}

// split takes a path of ours apart: "/<environment><rest>", where rest begins
// with one of our trees, or the metadata place of RFC 8414 §3.1 in front of an issuer's path. ok is false for
// paths that are somebody else's. Environments are recognised in any case, so that a
// near miss is answered here.
func split(path string) (id, rest string, ok bool) {
	if issuer, found := strings.CutPrefix(path, wellKnown+"/"); found {
		issuer, found = strings.CutSuffix(issuer, "/as")
		id = issuer[strings.LastIndexByte(issuer, '/')+1:]
		if !found || !looksLikeUUID(id) {
			return "", "", false
		}
		return id, openIDConfiguration, true
	}
	const n = len("/00000000-0000-0000-0000-000000000000")
	if len(path) < n || path[0] != '/' || !looksLikeUUID(path[1:n]) {
		return "", "", false
	}
	if !ours(path[n:]) {
		return "", "", false
	}
	return path[1:n], path[n:], true
}

// bare is split for a custom domain, where no environment is in the path.
func bare(path string) (rest string, ok bool) {
	if path == wellKnown+"/as" {
		return openIDConfiguration, true
	}
	return path, ours(path)
}

func ours(rest string) bool {
	for _, tree := range environmentTrees {
		if behind, ok := strings.CutPrefix(rest, tree); ok && (behind == "" || behind[0] == '/') {
			return true
		}
	}
	return false
}

// looksLikeUUID takes one in any case.
func looksLikeUUID(s string) bool { return len(s) == 36 && secret.IsID(strings.ToLower(s)) }

// issuerPath is the path of the issuer's URL.
func issuerPath(env *store.Environment) string {
	u, err := url.Parse(env.Issuer)
	if err != nil {
		return ""
	}
	return u.Path
}
