package legacy

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// realm is one realm, made ready.
type realm struct {
	Path        string // "/alpha"
	environment string // its ID; "" for a top realm of administrators alone
	issuer      string
	seen        atomic.Pointer[seen]
}

// seen is an environment and what it is with the realm's issuer: one value for as long as the
// environment is one, as those who keep what they made of it go by.
type seen struct{ env, here *store.Environment }

// byPath finds a realm by "/alpha" or "alpha", in any case; nil where there is none. What is no name
// of a realm, as "..", an empty one, or one with a character that only looks like a letter, is none.
func (l *Legacy) byPath(path string) *realm {
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return l.realms["/"]
	}
	for name := range strings.SplitSeq(path, "/") {
		if !realmName.MatchString(name) {
			return nil
		}
	}
	return l.realms["/"+strings.ToLower(path)]
}

// realmOf is the realm whose own issuer this is; nil for every other one.
func (l *Legacy) realmOf(issuer string) *realm {
	for _, r := range l.realms {
		if issuer != "" && r.issuer == issuer {
			return r
		}
	}
	return nil
}

// elsewhere reports whether an issuer is that of another realm than r. The environment's own ones are every realm's.
func (l *Legacy) elsewhere(r *realm, issuer string) bool {
	other := l.realmOf(issuer)
	return other != nil && other != r
}

// environment is a realm's, as its own issuer speaks for it; nil for a top realm of administrators alone.
func (c *call) environment(r *realm) (*store.Environment, error) {
	if r.environment == "" {
		return nil, nil
	}
	env, err := c.l.Directory.EnvironmentByID(c.r.Context(), r.environment)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, invalidRealm(c.at.dialect)
	case err != nil:
		return nil, oauth.CannotTell("find environment", err)
	}
	if s := r.seen.Load(); s != nil && s.env == env {
		return s.here, nil
	}
	here := env.At(store.Domain{Issuer: r.issuer, Home: env.Issuer, Paths: own})
	r.seen.Store(&seen{env, here})
	return here, nil
}

// findRealm settles which realm a request is about: that of the query, or of the
// path, or the top one. The query wins, as in AM.
func (c *call) findRealm() error {
	name := "/" + strings.Join(c.at.realm, "/")
	switch asked := c.values["realm"]; {
	case len(asked) > 1:
		return invalidRealm(c.at.dialect)
	case len(asked) == 1 && asked[0] != "":
		name = asked[0]
	}
	if c.realm = c.l.byPath(name); c.realm == nil {
		return invalidRealm(c.at.dialect)
	}
	env, err := c.environment(c.realm)
	if err != nil {
		return err
	}
	if env == nil && c.at.route.environment {
		return invalidRealm(c.at.dialect)
	}
	c.env = env
	return nil
}

// invalidRealm is the answer to a realm that there is not; it repeats nothing of the request.
func invalidRealm(d dialect) error {
	if d == dialectOAuth {
		return &oauth.Error{Code: codeNotFound, Status: http.StatusNotFound, Description: "The realm was not found", Reason: "realm"}
	}
	return crest(http.StatusBadRequest, "Invalid realm, the realm was not found")
}

// codeNotFound is AM's error of realms and endpoints below /oauth2.
const codeNotFound = "not_found"

// universalID is how AM names a person in all of its realms.
func universalID(id string, r *realm) string {
	if r.Path == "/" {
		return fmt.Sprintf("id=%s,ou=user,ou=am-config", id)
	}
	names := strings.Split(strings.Trim(r.Path, "/"), "/")
	var b strings.Builder
	fmt.Fprintf(&b, "id=%s,ou=user", id)
	for i := len(names) - 1; i >= 0; i-- {
		b.WriteString(",o=" + names[i] + ",ou=services")
	}
	return b.String() + ",ou=am-config"
}
