package legacy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
)

// dialect is how errors are said.
type dialect int

const (
	dialectCREST dialect = iota
	dialectOAuth
)

func (d dialect) render() web.Renderer {
	if d == dialectOAuth {
		return renderOAuth
	}
	return renderCREST
}

// tree is the first segment behind /am.
type tree string

const (
	treeJSON   tree = "json"
	treeFRRest tree = "frrest"
	treeOAuth  tree = "oauth2"
)

// route is one row of the table.
type route struct {
	name    string // for logs and metrics, and never more of the path than this
	tree    tree
	path    string   // behind the realm: "users/{}/oauth2/applications"; {} stands for any segment
	methods []string // nil leaves every method to serve, whose dialect has an answer for each
	// environment: makes no sense in a top realm of administrators alone.
	environment bool
	// cookies: trusts the session cookie, so scripts come from trusted origins only.
	cookies bool
	// ownOrigins: opens its answers by itself, to origins that the client of the request trusts.
	ownOrigins bool
	// anyOrigin: trusts no cookie, and scripts of every origin may read the answers.
	anyOrigin    bool
	cacheControl string // of answers without error; "" means no-store
	// successor is the server's own endpoint that does what this one does, behind the environment's issuer; "" where there is none.
	successor string
	serve     func(*call) error
}

// place is where a path leads.
type place struct {
	route   *route   // nil: nowhere
	realm   []string // names as the path has them; none for the top realm
	params  []string // what the {} of the route's path stand for
	dialect dialect
}

// maxSegments bounds the segments of a path behind the first two, which are tried one after another: realms below realms and
// the longest path of an endpoint are far from it.
const maxSegments = 64

// find reads an escaped path. Each segment is decoded once; dots, empty segments
// and encoded slashes choose neither realm nor endpoint.
func (l *Legacy) find(escaped string) place {
	rest := strings.TrimPrefix(strings.TrimPrefix(escaped, prefix), "/")
	first, rest, _ := strings.Cut(rest, "/")
	in := tree(first)
	at := place{}
	if in == treeOAuth {
		at.dialect = dialectOAuth
	}
	if in != treeOAuth {
		rest = strings.TrimSuffix(rest, "/") // a collection's may have one, and the SDK's sessions/ does
	}
	if strings.Count(rest, "/") >= maxSegments {
		return at
	}
	segments := strings.Split(rest, "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil || decoded == "" || decoded == "." || decoded == ".." || strings.ContainsAny(decoded, "\x00\\") {
			return at
		}
		segments[i] = decoded
	}
	realms, behind, explicit := explicitRealm(segments)
	if explicit && in != treeFRRest {
		if rt, params := l.row(in, behind); rt != nil {
			at.route, at.params, at.realm = rt, params, realms
		}
		return at
	}
	for n := 0; n < len(segments); n++ { // the short form: names in front of an endpoint
		if n > 0 && (in == treeFRRest || !realmName.MatchString(segments[n-1])) {
			return at
		}
		if rt, params := l.row(in, segments[n:]); rt != nil {
			at.route, at.params, at.realm = rt, params, segments[:n]
			return at
		}
	}
	return at
}

// ambiguous gives a path that would be an endpoint of a realm in the short form, and leads elsewhere: to sessions/{} of the top
// realm, where the realm is called sessions. "" where there is none.
func ambiguous(realm string) string {
	l := &Legacy{}
	l.table = l.routes()
	names := strings.Split(strings.ToLower(strings.TrimPrefix(realm, "/")), "/")
	if realm == "/" {
		names = nil
	}
	for i := range l.table {
		rt := &l.table[i]
		if rt.tree == treeFRRest { // no realm is in its paths
			continue
		}
		path := prefix + "/" + strings.Join(slices.Concat([]string{string(rt.tree)}, names, []string{strings.ReplaceAll(rt.path, "{}", "x")}), "/")
		if at := l.find(path); at.route != rt || !slices.Equal(at.realm, names) {
			return path
		}
	}
	return ""
}

// explicitRealm takes realms/root/realms/alpha off the front.
func explicitRealm(segments []string) (names, rest []string, ok bool) {
	if len(segments) < 2 || segments[0] != "realms" || segments[1] != "root" {
		return nil, segments, false
	}
	for segments = segments[2:]; len(segments) >= 2 && segments[0] == "realms"; segments = segments[2:] {
		if !realmName.MatchString(segments[1]) {
			return nil, nil, true
		}
		names = append(names, segments[1])
	}
	return names, segments, true
}

// row finds the row of the segments behind a realm.
func (l *Legacy) row(in tree, segments []string) (*route, []string) {
	for i := range l.table {
		rt := &l.table[i]
		if rt.tree != in {
			continue
		}
		want := strings.Split(rt.path, "/")
		if len(want) != len(segments) {
			continue
		}
		var params []string
		matches := true
		for j, w := range want {
			if w == "{}" {
				params = append(params, segments[j])
			} else if w != segments[j] {
				matches = false
				break
			}
		}
		if matches {
			return rt, params
		}
	}
	return nil, nil
}

func (p place) name() string {
	if p.route == nil {
		return "am_unknown"
	}
	return p.route.name
}

func (p place) methods() []string {
	if p.route == nil {
		return nil
	}
	return p.route.methods
}

func (p place) anyOrigin() bool { return p.route == nil || p.route.anyOrigin }

func (p place) cacheControl() string {
	if p.route == nil {
		return ""
	}
	return p.route.cacheControl
}

// routes is the table: one function for each family of endpoints.
func (l *Legacy) routes() []route {
	return slices.Concat(l.signOnRoutes(), l.tokenRoutes(), l.applicationRoutes(), l.oauthRoutes())
}

var (
	get  = []string{http.MethodGet}
	post = []string{http.MethodPost}
	both = []string{http.MethodGet, http.MethodPost}
)
