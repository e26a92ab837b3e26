package legacy

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// A handle names a session to administrators and opens nothing: its public ID, and the realm.
const (
	handlePrefix = "shandle:"
	maxHandles   = 100
	maxHandle    = 1024
)

func handle(r *realm, id string) string { return handlePrefix + id + "*" + realmTail(r) + "*" }

// parseHandle reads one.
func (l *Legacy) parseHandle(text string) (r *realm, id string, ok bool) {
	rest, ok := strings.CutPrefix(text, handlePrefix)
	if !ok || len(text) > maxHandle || !strings.HasSuffix(rest, "*") {
		return nil, "", false
	}
	id, encoded, ok := strings.Cut(strings.TrimSuffix(rest, "*"), "*")
	if !ok {
		return nil, "", false
	}
	r = l.realmOfTail(encoded)
	return r, id, r != nil
}

// administrator refuses a caller who is none.
func (c *call) administrator() error {
	on, err := c.sso()
	if err != nil {
		return err
	}
	if !on.super {
		return forbidden("administrator")
	}
	return nil
}

// logoutByHandle ends sessions for an administrator. A handle of nothing is false, and no error.
func (s *sessionCall) logoutByHandle() error {
	if err := s.administrator(); err != nil {
		return err
	}
	var handles []string
	if json.Unmarshal(s.body["sessionHandles"], &handles) != nil || len(handles) == 0 || len(handles) > maxHandles {
		return crest(http.StatusBadRequest, "sessionHandles is not a list of "+strconv.Itoa(maxHandles)+" handles at most")
	}
	result := map[string]any{}
	for _, text := range handles {
		ended, err := s.endByHandle(text)
		if err != nil {
			return err
		}
		result[text] = ended || result[text] == true // named twice: it has ended
	}
	return s.answer(map[string]any{"result": result}, s.version.String())
}

func (s *sessionCall) endByHandle(text string) (bool, error) {
	r, id, ok := s.l.parseHandle(text)
	if !ok || s.realm.Path != "/" && r != s.realm {
		return false, nil
	}
	envs, err := s.environments(r)
	if err != nil {
		return false, err
	}
	for _, env := range envs {
		switch _, err := s.l.Sessions.ByID(s.r.Context(), env, id); {
		case isNotFound(err):
			continue
		case err != nil:
			return false, oauth.CannotTell("find session", err)
		}
		_, err := s.l.Logout.End(s.r.Context(), env, id, nil)
		return err == nil, err
	}
	return false, nil
}

// environments are where a realm's sessions are: of the top one, the administrators' too.
func (c *call) environments(r *realm) ([]*store.Environment, error) {
	var envs []*store.Environment
	if r.Path == "/" {
		envs = append(envs, c.l.root.env)
	}
	env, err := c.environment(r)
	if err != nil {
		return nil, err
	}
	if env != nil {
		envs = append(envs, env)
	}
	return envs, nil
}

// ofPerson is the one filter that sessions are listed by.
var ofPerson = pattern.New(`^\s*username\s+eq\s+"([^"\\\x00]{1,512})"\s+and\s+realm\s+eq\s+"([^"\\\x00]{1,512})"\s*$`)

// list lists the sessions of somebody for an administrator, newest first, with the handles that
// logoutByHandle takes.
func (s *sessionCall) list() error {
	if err := s.administrator(); err != nil {
		return err
	}
	switch by, err := s.query.selector(); {
	case err != nil:
		return err
	case by != paramFilter:
		return notImplemented()
	}
	asked := ofPerson.FindStringSubmatch(s.query.filter)
	if asked == nil {
		return crest(http.StatusBadRequest, `_queryFilter is not username eq "…" and realm eq "…"`)
	}
	r := s.l.byPath(asked[2])
	if r == nil || s.realm.Path != "/" && r != s.realm {
		return invalidRealm(dialectCREST)
	}
	all, err := s.of(r, asked[1])
	if err != nil {
		return err
	}
	p, err := s.cut(all)
	if err != nil {
		return err
	}
	return s.answerQuery(p, s.version.String())
}

// of are the sessions of somebody, who is named by ID or by name.
func (s *sessionCall) of(r *realm, name string) ([]map[string]any, error) {
	envs, err := s.environments(r)
	if err != nil {
		return nil, err
	}
	all := []map[string]any{}
	ctx := s.r.Context()
	for _, env := range envs {
		users := s.l.usersOf(env)
		user, err := users.ByID(ctx, env, name)
		if isNotFound(err) {
			user, err = users.ByName(ctx, env, name)
		}
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, oauth.CannotTell("find user", err)
		}
		sessions, err := s.l.Sessions.List(ctx, env, user.ID)
		if err != nil {
			return nil, oauth.CannotTell("list sessions", err)
		}
		for _, one := range sessions {
			object := properties(&signedOn{realm: r, env: env, session: one, user: user})
			object["sessionHandle"] = handle(r, one.ID)
			all = append(all, object)
		}
	}
	return all, nil
}

// cut is the page of a list that was asked for. The cookie is where it goes on.
func (s *sessionCall) cut(all []map[string]any) (page, error) {
	from := s.query.offset
	if s.query.cookie != "" {
		n, ok := count(s.query.cookie)
		if !ok {
			return page{}, crest(http.StatusBadRequest, "_pagedResultsCookie is malformed")
		}
		from = n
	}
	p := page{total: len(all)}
	rest := all[min(from, len(all)):]
	if size := s.query.pageSize; size > 0 && size < len(rest) {
		rest, p.next = rest[:size], strconv.Itoa(from+size)
	}
	p.result = rest
	return p, nil
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
