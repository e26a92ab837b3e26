package legacy_test

import (
	"context"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// action is the path of an action on sessions of alpha.
func action(name string) string { return sessions + "?_action=" + name }

var v3 = []string{"Accept-API-Version", "resource=3.1"}

// sessionCase is an action, and what comes of it.
type sessionCase struct {
	name   string
	as     caller
	path   string
	body   any
	header []string
	status int
	member string // path of one of the answer, or message
	want   any
}

func (c *sessionCase) post(k *kit) {
	k.t.Helper()
	c.as.k = k
	a := c.as.post(c.path, c.body, c.header...)
	if c.status >= 400 {
		a.refused(c.status, "")
	} else {
		a.is(c.status)
	}
	if c.member != "" {
		if diff := cmp.Diff(c.want, a.member(c.member)); diff != "" {
			k.t.Errorf("%s (-want +got):\n%s%s", c.member, diff, a.Body)
		}
	}
}

// 3.4: the table of actions.
func TestSessionActions(t *testing.T) {
	k := newKit(t)
	alice, bob, admin := k.as("alpha", "alice"), k.as("alpha", "bob"), k.admin()
	bravo := k.as("bravo", "alice")
	dead := k.as("alpha", "alice")
	dead.post(action("logout"), nil).is(200)
	about := func(c caller) map[string]string { return map[string]string{"tokenId": c.Token} }
	nobody := caller{k, "", nil}
	aliceID, bobID := people[alphaID]["alice"], people[alphaID]["bob"]

	tests := []sessionCase{
		{"3.4/getSessionInfo/own", alice, action("getSessionInfo"), nil, nil, 200, "username", aliceID},
		{"3.4/getSessionInfo/own, named too", alice, action("getSessionInfo"), about(alice), nil, 200, "username", aliceID},
		{"3.4/getSessionInfo/own, an empty body", alice, action("getSessionInfo"), "{}", nil, 200, "username", aliceID},
		{"3.4/getSessionInfo/own, named alone", nobody, action("getSessionInfo"), about(alice), nil, 200, "username", aliceID},
		{"3.4/getSessionInfo/another's", alice, action("getSessionInfo"), about(bob), nil, 403, "message", "Forbidden"},
		{"3.4/getSessionInfo/another's, for an administrator", admin, action("getSessionInfo"), about(bob), nil, 200, "username", bobID},
		{"3.4/getSessionInfo/an administrator's, for a person", alice, action("getSessionInfo"), about(admin), nil, 403, "", nil},
		{"3.4/getSessionInfo/ended", dead, action("getSessionInfo"), nil, nil, 401, "message", "Unauthorized"},
		{"3.4/getSessionInfo/ended, in an old version", dead, action("getSessionInfo"), nil, []string{"Accept-API-Version", "resource=2.0"}, 200, "valid", false},
		{"3.4/getSessionInfo/ended, for an administrator", admin, action("getSessionInfo"), about(dead), nil, 401, "", nil},
		{"3.4/getSessionInfo/nobody", nobody, action("getSessionInfo"), nil, nil, 401, "message", "Access Denied"},
		{"3.4/getSessionInfo/of another realm", bravo, action("getSessionInfo"), nil, nil, 401, "message", "Unauthorized"},
		{"3.4/getSessionInfo/of another realm, at the top", bravo, "/json/sessions?_action=getSessionInfo", nil, nil, 200, "realm", "/bravo"},
		{"3.4/getSessionInfo/an administrator in a realm", admin, action("getSessionInfo"), nil, nil, 200, "realm", "/"},
		{"3.4/getSessionInfo/a good token named by who has a bad one", dead, action("getSessionInfo"), about(alice), nil, 401, "", nil},
		{"3.4/getSessionInfoAndResetIdleTime/own", alice, action("getSessionInfoAndResetIdleTime"), nil, nil, 200, "username", aliceID},
		{"3.4/getSessionInfoAndResetIdleTime/another's", alice, action("getSessionInfoAndResetIdleTime"), about(bob), nil, 403, "", nil},

		{"3.4/validate/own", alice, action("validate"), nil, nil, 200, "valid", true},
		{"3.4/validate/another's, for anybody", alice, action("validate"), about(bob), nil, 200, "uid", bobID},
		{"3.4/validate/sessionUid is of newer versions", alice, action("validate"), nil, []string{"Accept-API-Version", "resource=2.0"}, 200, "sessionUid", nil},
		{"3.4/validate/ended", dead, action("validate"), nil, nil, 200, "valid", false},
		{"3.4/validate/ended, named", alice, action("validate"), about(dead), nil, 200, "valid", false},
		{"3.4/validate/of another realm", alice, action("validate"), about(bravo), nil, 200, "valid", false},
		{"3.4/validate/nothing of ours", alice, action("validate"), map[string]string{"tokenId": "AQIC5w"}, nil, 200, "valid", false},
		{"3.4/validate/nobody", nobody, action("validate"), nil, nil, 401, "message", "Access Denied"},

		{"3.4/refresh/own", alice, action("refresh"), nil, nil, 200, "uid", aliceID},
		{"3.4/refresh/another's", alice, action("refresh"), about(bob), nil, 403, "", nil},
		{"3.4/refresh/another's, for an administrator", admin, action("refresh"), about(bob), nil, 200, "uid", bobID},
		{"3.4/refresh/ended", dead, action("refresh"), nil, nil, 401, "", nil},

		{"3.4/logout/nobody", nobody, action("logout"), nil, nil, 401, "message", "Access Denied"},
		{"3.4/logout/nobody, in the first version", nobody, action("logout"), nil, []string{"Accept-API-Version", "resource=1.1"}, 400, "message", "iPlanetDirectoryCookie not set on request"},
		{"3.4/logout/ended", dead, action("logout"), nil, nil, 200, "result", "Token has expired"},
		{"3.4/logout/ended, named", alice, action("logout"), about(dead), nil, 200, "result", "Token has expired"},
		{"3.4/logout/another's", alice, action("logout"), about(bob), nil, 403, "", nil},
		{"3.4/logout/of another realm", bravo, action("logout"), nil, nil, 401, "message", "Unauthorized"},

		{"3.4/tokenId/in the query, up to 3.1", admin, action("validate") + "&tokenId=" + url.QueryEscape(bob.Token), nil, v3, 200, "uid", bobID},
		{"3.4/tokenId/in the body, up to 3.1", admin, action("validate"), about(bob), v3, 200, "uid", bobID},
		{"3.4/tokenId/in the query, from 4.0 on", alice, action("logout") + "&tokenId=" + url.QueryEscape(bob.Token), nil, []string{"Accept-API-Version", "resource=4.0"}, 400, "", nil},
		{"3.4/tokenId/in the query, without a version", alice, action("logout") + "&tokenId=" + url.QueryEscape(bob.Token), nil, nil, 400, "", nil},
		{"3.4/tokenId/in both", admin, action("validate") + "&tokenId=" + url.QueryEscape(bob.Token), about(bob), v3, 400, "", nil},
		{"3.4/tokenId/twice", admin, action("validate") + "&tokenId=a&tokenId=b", nil, v3, 400, "", nil},
		{"3.4/tokenId/a number", alice, action("logout"), `{"tokenId":7}`, nil, 400, "", nil},
		{"3.4/tokenId/empty is none", alice, action("validate"), `{"tokenId":""}`, nil, 200, "uid", aliceID},

		{"3.4/another action", alice, action("getMaxTime"), nil, nil, 501, "message", "Action getMaxTime not implemented for this resource"},
		{"3.4/another action, of nobody", nobody, action("nope"), nil, nil, 501, "message", "Action nope not implemented for this resource"},
		{"3.4/an action in another case", alice, action("Logout"), nil, nil, 501, "", nil},
		{"3.4/an action that is no word", alice, action("%3Cscript%3E"), nil, nil, 501, "message", "Action that was asked for not implemented for this resource"},
		{"3.4/no action", alice, sessions, nil, nil, 501, "", nil},
		{"3.4/two actions", alice, action("validate") + "&_action=logout", nil, nil, 400, "", nil},
		{"3.4/a version that is not served", alice, action("validate"), nil, []string{"Accept-API-Version", "resource=7.0"}, 404, "message", `Resource version "7.0" is not served`},
		{"3.4/a body that is not JSON", alice, action("logout"), "x", nil, 400, "", nil},
		{"3.4/a body of another type", alice, action("logout"), url.Values{"tokenId": {bob.Token}}, nil, 415, "", nil},
		{"3.4/a body that is too large", alice, action("logout"), `{"a":"` + strings.Repeat("x", 70_000) + `"}`, nil, 413, "", nil},
		{"4/_fields", alice, action("getSessionInfo") + "&_fields=username,/properties/AMCtxId", nil, nil, 200, "realm", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.post(k.in(t)) })
	}
	for _, c := range []caller{alice, bob, bravo} { // nothing of this ended anything
		c.post("/json/sessions?_action=getSessionInfo", nil).is(200)
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH"} {
		alice.do(method, sessions, nil).refused(405, "")
	}
}

// TestSessionInPath: the oldest form has the SSO token in the path, and is up to 3.1 what tokenId in the query is.
func TestSessionInPath(t *testing.T) { // 3.4
	k := newKit(t)
	alice, bob, admin, bravo := k.as("alpha", "alice"), k.as("alpha", "bob"), k.admin(), k.as("bravo", "alice")
	nobody := caller{k, "", nil}
	at := func(c caller, query string) string { return sessions + "/" + c.Token + query }
	top := func(c caller, query string) string { return "/json/sessions/" + c.Token + query }
	tests := []sessionCase{
		{"validate", nobody, at(alice, "?_action=validate"), nil, nil, 200, "uid", people[alphaID]["alice"]},
		{"validate, percent-encoded", nobody, strings.ReplaceAll(at(alice, "?_action=validate"), "*", "%2A"), nil, nil, 200, "valid", true},
		{"validate, with an empty object", nobody, at(alice, "?_action=validate"), "{}", nil, 200, "valid", true},
		{"validate, in the first version", nobody, at(alice, "?_action=validate"), nil, []string{"Accept-API-Version", "resource=1.1"}, 200, "sessionUid", nil},
		{"validate, at the top realm", nobody, top(alice, "?_action=validate"), nil, nil, 200, "realm", "/alpha"},
		{"validate, of another realm", nobody, at(bravo, "?_action=validate"), nil, nil, 200, "valid", false},
		{"validate, nothing of ours", nobody, sessions + "/AQIC5w?_action=validate", nil, nil, 200, "valid", false},
		{"getSessionInfo", nobody, at(alice, "?_action=getSessionInfo"), nil, nil, 200, "realm", "/alpha"},
		{"getSessionInfo/own, named too", alice, at(alice, "?_action=getSessionInfo"), nil, nil, 200, "realm", "/alpha"},
		{"getSessionInfo/another's", bob, at(alice, "?_action=getSessionInfo"), nil, nil, 403, "message", "Forbidden"},
		{"getSessionInfo/another's, for an administrator", admin, at(alice, "?_action=getSessionInfo"), nil, nil, 200, "realm", "/alpha"},
		{"refresh", nobody, at(alice, "?_action=refresh"), nil, nil, 200, "uid", people[alphaID]["alice"]},
		{"logout/another's", bob, at(alice, "?_action=logout"), nil, nil, 403, "message", "Forbidden"},
		{"logout/the cookie alone", alice.inCookie(), at(alice, "?_action=logout"), nil, nil, 403, "message", "Forbidden"},
		{"in the query too", nobody, at(alice, "?_action=validate&tokenId=x"), nil, nil, 400, "", nil},
		{"in the body too", nobody, at(alice, "?_action=validate"), map[string]string{"tokenId": alice.Token}, nil, 400, "", nil},
		{"from 4.0 on", nobody, at(alice, "?_action=validate"), nil, []string{"Accept-API-Version", "resource=4.0"}, 404, "", nil},
		{"logoutByHandle", admin, at(admin, "?_action=logoutByHandle"), map[string]any{"sessionHandles": []string{"x"}}, nil, 501, "", nil},
		{"another action", nobody, at(alice, "?_action=nope"), nil, nil, 501, "message", "Action nope not implemented for this resource"},
		{"no action", nobody, at(alice, ""), nil, nil, 501, "", nil},
		{"something behind", nobody, at(alice, "/x?_action=validate"), nil, nil, 404, "message", "Not Found"},
	}
	for _, tt := range tests {
		t.Run("3.4/in the path/"+tt.name, func(t *testing.T) { tt.post(k.in(t)) })
	}
	alice.get(at(alice, "")).refused(405, "")
	nobody.post(at(alice, "?_action=logout"), nil).is(200)
	alice.post(action("getSessionInfo"), nil).refused(401, "Unauthorized")
	bob.post(action("getSessionInfo"), nil).is(200)
	if strings.Contains(k.Log.String(), alice.Token[:43]) {
		t.Error("the log has the SSO token") // 126
	}
}

// 3.4: a sign-off takes everything with it, at once.
func TestLogout(t *testing.T) {
	for _, how := range []string{"own", "in the cookie", "named by an administrator", "by handle"} {
		t.Run("3.4/logout/"+how, func(t *testing.T) {
			k := newKit(t)
			alice := k.as("alpha", "alice")
			sid := alice.post(action("getSessionInfo"), nil).text("properties.AMCtxId")
			g := k.personal("alpha", "alice", "web", []string{"openid"}, inSession(sid))
			info := "/oauth2/realms/root/realms/alpha/tokeninfo"
			k.get(info, "Authorization", "Bearer "+g.Access).is(200)
			var a *answer
			switch how {
			case "own":
				a = alice.post(action("logout"), nil, "Accept-API-Version", "resource=4.0")
				if a.cookie(cookie) != nil {
					t.Error("a cookie is taken away that nobody has")
				}
			case "in the cookie":
				a = alice.inCookie().post(action("logout"), nil, "X-Requested-With", "x")
				if c := a.cookie(cookie); c == nil || c.MaxAge >= 0 || c.Path != "/" {
					t.Errorf("cookie = %v, want it taken away", c)
				}
			case "named by an administrator":
				a = k.admin().inCookie().post(action("logout"), map[string]string{"tokenId": alice.Token}, "X-Requested-With", "x")
				if a.cookie(cookie) != nil {
					t.Error("the administrator's own cookie is taken away")
				}
			default:
				admin := k.admin()
				list := admin.get("/json/sessions?_queryFilter=" + url.QueryEscape(`username eq "alice" and realm eq "/alpha"`)).is(200)
				h := list.text("result.1.sessionHandle") // the second newest: that of the tokens is newer
				if !strings.Contains(h, sid) {
					h = list.text("result.0.sessionHandle")
				}
				a = admin.post(action("logoutByHandle"), map[string]any{"sessionHandles": []string{h, "shandle:nope"}}).is(200)
				want := map[string]any{"result": map[string]any{h: true, "shandle:nope": false}}
				if diff := cmp.Diff(want, a.object()); diff != "" {
					t.Errorf("body (-want +got):\n%s", diff)
				}
			}
			if how != "by handle" && a.is(200).text("result") != "Successfully logged out" {
				t.Errorf("body = %s", a.Body)
			}
			alice.post(action("getSessionInfo"), nil).refused(401, "Unauthorized")
			k.get(info, "Authorization", "Bearer "+g.Access).refusedOAuth(401, "invalid_token")
		})
	}
}

// 3.4: sessions by handle, and the list that gives the handles.
func TestSessionHandles(t *testing.T) {
	k := newKit(t)
	alice, admin, bravo := k.as("alpha", "alice"), k.admin(), k.as("bravo", "alice")
	k.Clock.Advance(time.Minute)
	second := k.as("alpha", "alice")
	query := func(filter string) string { return "?_queryFilter=" + url.QueryEscape(filter) }
	inAlpha := query(`username eq "alice" and realm eq "/alpha"`)

	a := admin.get("/json/sessions" + inAlpha).is(200)
	if a.member("resultCount") != 2.0 || a.text("result.0.username") != people[alphaID]["alice"] || a.text("result.0.realm") != "/alpha" {
		t.Fatalf("body = %s", a.Body)
	}
	for _, secret := range []string{alice.Token[:43], second.Token[:43]} {
		if strings.Contains(string(a.Body), secret) {
			t.Error("the list has the secret of a session")
		}
	}
	handle := a.text("result.0.sessionHandle")
	k.with(strings.TrimPrefix(handle, "shandle:")).post(action("getSessionInfo"), nil).refused(401, "Unauthorized")
	k.with(handle).post(action("getSessionInfo"), nil).refused(401, "Unauthorized")

	tests := []struct {
		name   string
		as     caller
		path   string
		status int
		count  float64
	}{
		{"3.4/list/by ID", admin, "/json/sessions" + query(`username eq "`+people[alphaID]["alice"]+`" and realm eq "/alpha"`), 200, 2},
		{"3.4/list/in the realm's path", admin, sessions + inAlpha, 200, 2},
		{"3.4/list/another realm", admin, "/json/sessions" + query(`username eq "alice" and realm eq "/bravo"`), 200, 1},
		{"3.4/list/administrators", admin, "/json/sessions" + query(`username eq "amadmin" and realm eq "/"`), 200, 1},
		{"3.4/list/nobody of that name", admin, "/json/sessions" + query(`username eq "carol" and realm eq "/alpha"`), 200, 0},
		{"3.4/list/a page", admin, "/json/sessions" + inAlpha + "&_pageSize=1", 200, 1},
		{"3.4/list/the second page", admin, "/json/sessions" + inAlpha + "&_pageSize=1&_pagedResultsCookie=1", 200, 1},
		{"3.4/list/behind the end", admin, "/json/sessions" + inAlpha + "&_pagedResultsOffset=7", 200, 0},
		{"3.4/list/another realm than the path's", admin, sessions + query(`username eq "alice" and realm eq "/bravo"`), 400, 0},
		{"3.4/list/a realm that there is not", admin, "/json/sessions" + query(`username eq "alice" and realm eq "/charlie"`), 400, 0},
		{"3.4/list/a realm with dots", admin, "/json/sessions" + query(`username eq "alice" and realm eq "/../alpha"`), 400, 0},
		{"3.4/list/a quote in the name", admin, "/json/sessions" + query(`username eq "al"ice" and realm eq "/alpha"`), 400, 0},
		{"3.4/list/a backslash in the name", admin, "/json/sessions" + query(`username eq "al\"ice" and realm eq "/alpha"`), 400, 0},
		{"3.4/list/another filter", admin, "/json/sessions" + query(`true`), 400, 0},
		{"3.4/list/or", admin, "/json/sessions" + query(`username eq "alice" or realm eq "/alpha"`), 400, 0},
		{"3.4/list/by _queryId", admin, "/json/sessions?_queryId=all", 501, 0},
		{"3.4/list/no selector", admin, "/json/sessions", 400, 0},
		{"3.4/list/two selectors", admin, "/json/sessions" + inAlpha + "&_queryId=all", 400, 0},
		{"3.4/list/a bad page cookie", admin, "/json/sessions" + inAlpha + "&_pagedResultsCookie=x", 400, 0},
		{"3.4/list/a person", alice, sessions + inAlpha, 403, 0},
		{"3.4/list/nobody", caller{k, "", nil}, sessions + inAlpha, 401, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.as.k = k.in(t)
			a := tt.as.get(tt.path)
			if tt.status != 200 {
				a.refused(tt.status, "")
				return
			}
			if a.is(200); a.member("resultCount") != tt.count {
				t.Errorf("resultCount = %v, want %v: %s", a.member("resultCount"), tt.count, a.Body)
			}
		})
	}

	by := func(c caller, status int, handles any) *answer {
		t.Helper()
		a := c.post("/json/sessions?_action=logoutByHandle", map[string]any{"sessionHandles": handles})
		if status != 200 {
			return a.refused(status, "")
		}
		return a.is(200)
	}
	by(alice, 403, []string{handle})
	by(caller{k, "", nil}, 401, []string{handle})
	by(admin, 400, []string{})
	by(admin, 400, "x")
	by(admin, 400, make([]string, 101))
	admin.post(action("logoutByHandle"), nil).refused(400, "")
	bravos := admin.get("/json/sessions" + query(`username eq "alice" and realm eq "/bravo"`)).text("result.0.sessionHandle")
	a = admin.post(action("logoutByHandle"), map[string]any{"sessionHandles": []string{bravos}}).is(200)
	if a.member("result") == nil || a.object()["result"].(map[string]any)[bravos] != false {
		t.Errorf("body = %s, want nothing ended: the path is another realm's", a.Body)
	}
	bravo.post("/json/sessions?_action=getSessionInfo", nil).is(200)
	a = by(admin, 200, []string{handle, handle})
	if a.object()["result"].(map[string]any)[handle] != true {
		t.Errorf("body = %s, want it ended", a.Body)
	}
	if a = by(admin, 200, []string{handle}); a.object()["result"].(map[string]any)[handle] != false {
		t.Errorf("body = %s, want it ended already", a.Body)
	}
	alice.post(action("getSessionInfo"), nil).is(200)
	second.post(action("getSessionInfo"), nil).refused(401, "")
}

// 3.4: what counts as use, and when sessions end.
func TestSessionLives(t *testing.T) {
	short := options{Declared: func(c *declared.Config) {
		for i := range c.Environments {
			c.Environments[i].SignOn.SessionIdle = declared.Duration(30 * time.Minute)
			c.Environments[i].SignOn.SessionLifetime = declared.Duration(2 * time.Hour)
		}
	}, Legacy: func(c *legacy.Config) {
		c.AdministratorIdle, c.AdministratorLifetime = 30*time.Minute, 2*time.Hour
	}}
	tests := []struct {
		name string
		use  func(c caller) *answer
		kept bool
	}{
		{"3.4/getSessionInfo is no use", func(c caller) *answer { return c.post("/json/sessions?_action=getSessionInfo", nil) }, false},
		{"3.4/getSessionInfoAndResetIdleTime is", func(c caller) *answer { return c.post("/json/sessions?_action=getSessionInfoAndResetIdleTime", nil) }, true},
		{"3.4/refresh is", func(c caller) *answer { return c.post("/json/sessions?_action=refresh", nil) }, true},
		{"3.4/validate is", func(c caller) *answer { return c.post("/json/sessions?_action=validate", nil) }, true},
		{"3.4/validate with refresh=false is not", func(c caller) *answer { return c.post("/json/sessions?_action=validate&refresh=false", nil) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t, short)
			for _, c := range []caller{k.as("alpha", "alice"), k.admin()} {
				start := k.Clock.Now()
				k.Clock.Advance(20 * time.Minute)
				tt.use(c).is(200)
				k.Clock.Advance(20 * time.Minute)
				a := c.post("/json/sessions?_action=validate&refresh=false", nil).is(200)
				if a.member("valid") != tt.kept {
					t.Errorf("valid = %v, want %v", a.member("valid"), tt.kept)
				}
				k.Clock.Advance(start.Sub(k.Clock.Now())) // for the other one
			}
		})
	}
	t.Run("3.4/however much it is used, it ends", func(t *testing.T) {
		k := newKit(t, short)
		alice, admin := k.as("alpha", "alice"), k.admin()
		for range 5 {
			k.Clock.Advance(20 * time.Minute)
			for _, c := range []caller{alice, admin} {
				a := c.post("/json/sessions?_action=refresh", nil).is(200)
				if a.member("maxidletime") != 30.0 || a.member("maxsessiontime") != 120.0 || a.member("idletime") != 1200.0 {
					t.Fatalf("body = %s", a.Body)
				}
			}
		}
		k.Clock.Advance(20 * time.Minute)
		alice.post("/json/sessions?_action=refresh", nil).refused(401, "Unauthorized")
		admin.post("/json/sessions?_action=refresh", nil).refused(401, "Unauthorized")
	})
}

// A person who is disabled, or gone, has no session any more; nor has an administrator whom configuration does not
// name any more.
func TestSessionsOfWhoIsGone(t *testing.T) {
	k := newKit(t)
	alice, bob, admin := k.as("alpha", "alice"), k.as("alpha", "bob"), k.admin()
	after := newKit(t, options{Store: k.Store, Clock: k.Clock, Declared: func(c *declared.Config) {
		users := c.Environments[0].Users
		users[0].Disabled = true
		c.Environments[0].Users = users[:1]
	}, Legacy: func(c *legacy.Config) {
		c.Administrators = []legacy.Administrator{{Name: "other", Password: "other-demo-pass"}}
	}})
	for _, c := range []caller{alice, bob, admin} {
		c.k = after
		c.post("/json/sessions?_action=getSessionInfo", nil).refused(401, "Unauthorized")
		c.k = k
		c.post("/json/sessions?_action=getSessionInfo", nil).is(200)
	}
}

// Where the store cannot be asked, nobody is told that they are nobody.
func TestSignOnFaults(t *testing.T) {
	for name, fail := range map[string]func(*faults){
		"sessions cannot be read":    func(f *faults) { f.sessions.Store(true) },
		"credentials cannot be read": func(f *faults) { f.credentials.Store(true) },
		"nothing can be spent":       func(f *faults) { f.spent.Store(true) },
	} {
		t.Run("3.3/"+name, func(t *testing.T) {
			f := &faults{Store: testkit.Store(t)}
			k := newKit(t, options{Store: f})
			alice := k.as("alpha", "alice")
			body := k.post(authenticate, nil).filled("alice", "alice-demo-pass")
			fail(f)
			if !f.spent.Load() {
				alice.post(authenticate, nil, credentials("alice", "alice-demo-pass")...).refused(503, "")
			}
			if f.sessions.Load() {
				for _, name := range []string{"getSessionInfo", "validate", "refresh", "logout"} {
					alice.post(action(name), nil).refused(503, "")
				}
				return
			}
			k.post(authenticate, body).refused(503, "")
			f.credentials.Store(false)
			f.spent.Store(false)
			k.post(authenticate, body).is(200) // it was not used up
		})
	}
}

// faults is a store of which parts fail on demand.
type faults struct {
	store.Store
	sessions, credentials, spent atomic.Bool
}

func (f *faults) SessionByToken(ctx context.Context, environment string, hash store.Hash, now time.Time) (store.Session, error) {
	if f.sessions.Load() {
		return store.Session{}, store.ErrUnavailable
	}
	return f.Store.SessionByToken(ctx, environment, hash, now)
}

func (f *faults) CredentialOf(ctx context.Context, environment, subject string) (store.Credential, error) {
	if f.credentials.Load() {
		return store.Credential{}, store.ErrUnavailable
	}
	return f.Store.CredentialOf(ctx, environment, subject)
}

func (f *faults) Spend(ctx context.Context, environment string, hash store.Hash, expires, now time.Time) error {
	if f.spent.Load() {
		return store.ErrUnavailable
	}
	return f.Store.Spend(ctx, environment, hash, expires, now)
}
