package management_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
)

func TestSessions(t *testing.T) {
	k := newKit(t)
	id := k.person(`{"username":"u","email":"u@example.com"}`)
	first := k.hold(id, "web")
	k.Clock.Advance(time.Second)
	second := k.hold(id, "web")
	others := k.hold(bob, "web")
	path := users + "/" + id + "/sessions"

	var listed []string
	for _, s := range k.as(root).page(path+"?limit=1", "sessions", 1) {
		listed = append(listed, s["id"].(string))
	}
	if !slices.Equal(listed, []string{second.sid, first.sid}) {
		t.Errorf("list: %v, want the newest first", listed)
	}
	want := fmt.Sprintf(`{"id":"%s","user":{"id":"%s"},"environment":{"id":"%s"},"createdAt":"2026-03-01T12:00:00.000Z","activeAt":"2026-03-01T12:00:00.000Z",
		"expiresAt":"2026-03-01T13:00:00.000Z","applications":[{"id":"web"}],
		"lastSignOn":{"at":"2026-03-01T12:00:00.000Z","remoteIp":"192.0.2.7","acr":"Single_Factor","amr":["pwd"]}}`, first.sid, id, home)
	k.as(root).get(path + "/" + first.sid).is(200).has(want)
	k.as(root).get("/{env}/sessions/" + first.sid).is(200).has(want)

	k.as(root).del(path + "/" + first.sid).is(204)
	first.want("ended", false, false, false)
	second.want("another of the same person", true, true, true)
	k.as(root).get(path+"/"+first.sid).refused(404, "NOT_FOUND")
	k.as(root).del(path+"/"+first.sid).refused(404, "NOT_FOUND")
	if got := k.actions(first.sid); !slices.Equal(got, []string{"SESSION.DELETED"}) {
		t.Errorf("audit log: %v", got)
	}

	k.as(root).del("/{env}/sessions/" + second.sid).is(204)
	second.want("ended by itself", false, false, false)
	others.want("somebody else's", true, true, true)
	k.as(root).del(path).is(204) // none left
	third, fourth := k.hold(id, "web"), k.hold(id, "web")
	k.as(root).del(path).is(204)
	third.want("all ended", false, false, false)
	fourth.want("all ended", false, false, false)
	others.want("somebody else's", true, true, true)
	k.as(root).get(path).is(200).has(`{"size":0}`)
}

func TestSessionsThatAreNotThere(t *testing.T) {
	k := newKit(t)
	id := k.person(`{"username":"u","email":"u@example.com"}`)
	h := k.hold(bob, "web")
	for _, path := range []string{
		users + "/" + id + "/sessions/" + h.sid, // somebody else's
		users + "/" + nothing + "/sessions/" + h.sid, users + "/" + nothing + "/sessions",
		"/{env}/sessions/" + nothing,
	} {
		k.as(root).get(path).refused(404, "NOT_FOUND")
		k.as(root).del(path).refused(404, "NOT_FOUND")
	}
	for _, path := range []string{"/sessions/" + h.sid, "/sessions/" + nothing, "/users/" + bob + "/sessions"} { // where root has no role
		k.as(root).get("/environments/"+sibling+path).refused(403, "ACCESS_FAILED")
		k.as(root).del("/environments/"+sibling+path).refused(403, "ACCESS_FAILED")
	}
	h.want("bob's", true, true, true)
}

// Sessions of people whom a caller may not see are not there, and people may end their own.
func TestWhoMaySeeAndEndSessions(t *testing.T) {
	k := newKit(t)
	population := k.population(`{"name":"mine"}`)
	inside := k.person(`{"username":"u","email":"u@example.com","population":{"id":"` + population + `"}}`)
	mine, theirs := k.hold(inside, "web"), k.hold(bob, "web")
	c := k.as(k.scoped(directory.RoleIdentityDataAdmin, population))
	c.get("/{env}/sessions/" + mine.sid).is(200)
	c.get("/{env}/sessions/"+theirs.sid).refused(404, "NOT_FOUND")
	c.del("/{env}/sessions/"+theirs.sid).refused(404, "NOT_FOUND")
	c.del(users+"/"+bob+"/sessions").refused(404, "NOT_FOUND")
	theirs.want("out of reach", true, true, true)
	for _, who := range []string{nobody, developer, configurationReader} {
		k.as(who).get("/{env}/sessions/"+mine.sid).refused(403, "ACCESS_FAILED")
		k.as(who).del("/{env}/sessions/"+nothing).refused(403, "ACCESS_FAILED")
	}
	k.as(identityReader).get("/{env}/sessions/" + mine.sid).is(200)
	k.as(identityReader).del("/{env}/sessions/"+mine.sid).refused(403, "ACCESS_FAILED")
	self := k.asUser("web", inside, "p1:read:sessions", "p1:delete:sessions")
	self.get(users + "/" + inside + "/sessions").is(200).has(`{"size":1}`)
	self.get(users+"/"+bob+"/sessions").refused(403, "ACCESS_FAILED")
	self.del(users + "/" + inside + "/sessions/" + mine.sid).is(204)
	mine.want("ended by themself", false, false, false)
}

func TestNewestSession(t *testing.T) {
	k := newKit(t)
	id := k.person(`{"username":"u","email":"u@example.com"}`)
	if _, err := k.API.Sessions.Newest(t.Context(), k.Env, id); err == nil {
		t.Error("a session of nobody's")
	}
	k.hold(id, "web")
	k.Clock.Advance(time.Minute)
	h := k.hold(id, "web")
	var s *session.Session
	s, err := k.API.Sessions.Newest(t.Context(), k.Env, id)
	if err != nil || s.ID != h.sid {
		t.Errorf("newest = %v, %v, want %s", s, err, h.sid)
	}
}
