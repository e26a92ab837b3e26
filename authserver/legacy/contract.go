package legacy

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ---- owner: sign-on (section 3, 4) ----

// state is what a Legacy keeps between requests: derived keys, limits.
type state struct{}

// administrators are the people of the top realm: an environment of their own
// that no path leads to, with the rules of all people (lockout, limits, hashing).
type administrators struct {
	env      *store.Environment
	sessions *session.Sessions
}

func (l *Legacy) newAdministrators() *administrators { panic("contract") }

// signOnRoutes: json: serverinfo/*, authenticate, sessions.
func (l *Legacy) signOnRoutes() []route { panic("contract") }

// signedOn is whose SSO token a request has.
type signedOn struct {
	realm   *realm
	env     *store.Environment // the realm's, with its own issuer; administrators' for them
	session *session.Session
	user    *store.User
	// super: one of the configured administrators.
	super bool
	token secret.Value
	// inCookie: it came in the cookie and not in the header.
	inCookie bool
}

// sso finds out who called: 401 "Access Denied" where there is no SSO token, 401 "Unauthorized" where
// it is not good (any more). A bearer token is none.
func (c *call) sso() (*signedOn, error) { panic("contract") }

// ssoText is the SSO token of a session's secret, as clients see it; it names the realm.
func (l *Legacy) ssoText(r *realm, value secret.Value) string { panic("contract") }

// checkCSRF refuses (403) what changes something, trusts the cookie and has neither X-Requested-With nor
// Accept-API-Version (3.5).
func (c *call) checkCSRF() error { panic("contract") }

// crestQuery are the parameters of CREST (section 4), read and checked.
type crestQuery struct {
	action, filter, id string
	has                map[string]bool // which of the selectors and parameters were sent at all
	fields             []string
	pretty             bool
	pageSize           int    // 0: not asked for
	cookie             string // _pagedResultsCookie
	offset             int
	totals             string // "NONE" (default), "ESTIMATE", "EXACT"
	sortKeys           []string
}

// readCREST reads them from the query into c.query: 400 for what is malformed, repeated, or an unknown "_" parameter.
func (c *call) readCREST() error { panic("contract") }

// answer writes one CREST object (a map or a struct with _id and _rev members as they are to be), with _fields and
// _prettyPrint applied, and version as Content-API-Version where it is not "".
func (c *call) answer(status int, object map[string]any, version string) error { panic("contract") }

// page is the answer to a query.
type page struct {
	result []map[string]any
	next   string // pagedResultsCookie; "" is null
	total  int    // -1: not counted
}

func (c *call) answerQuery(p page, version string) error { panic("contract") }

// rev is a content hash for _rev: decimal, perhaps negative, stable.
func rev(object map[string]any) string { panic("contract") }

// ---- owner: frrest and applications (sections 5, 9) ----

// tokenRoutes: frrest: oauth2/token, oauth2/token/{}.
func (l *Legacy) tokenRoutes() []route { panic("contract") }

// applicationRoutes: json: users/{}/oauth2/applications, users/{}/oauth2/applications/{}.
func (l *Legacy) applicationRoutes() []route { panic("contract") }

// ---- owner: oauth2 (sections 6, 7, 8) ----

// oauthRoutes: tokeninfo, introspect, token/revoke, revoke, and the aliases.
func (l *Legacy) oauthRoutes() []route { panic("contract") }

// printable makes an error_description of text (RFC 6749 §5.2).
func printable(text string) string { panic("contract") }

// markDeprecated sets Deprecation (RFC 9745), Sunset (RFC 8594) and Link on every answer, errors included.
func (c *call) markDeprecated() { panic("contract") }

// Redact gives an address (a path with or without query, or a whole URL) of which nothing opens anything any more; hidden tells
// whether something was hidden. It errs on the side of hiding: near misses of our paths count.
func Redact(address string) (shown string, hidden bool) { panic("contract") }

var _ = http.MethodGet
