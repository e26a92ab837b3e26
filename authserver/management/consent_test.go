package management_test

import (
	"slices"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// agree stores a consent.
func (k *kit) agree(user, client string, scopes ...string) {
	k.t.Helper()
	err := k.Store.PutConsent(k.t.Context(), store.ConsentRecord{Environment: home, Subject: user, Client: client, Scopes: scopes, UpdatedAt: k.Clock.Now()})
	if err != nil {
		k.t.Fatal(err)
	}
}

func TestConsents(t *testing.T) {
	k := newKit(t)
	id := k.person(`{"username":"u","email":"u@example.com"}`)
	k.agree(id, "web", "openid", "orders:read")
	k.agree(id, "another", "openid")
	k.agree(bob, "web", "openid")
	path := users + "/" + id + "/oauthConsents"
	all := k.as(root).page(path+"?limit=1", "oauthConsents", 1)
	if len(all) != 2 {
		t.Fatalf("%d consents, want 2", len(all))
	}
	web := all[1]["id"].(string)
	k.as(root).get(path + "/" + web).is(200).has(`{"id":"` + web + `","user":{"id":"` + id + `"},"application":{"id":"web"},
		"scopes":[{"name":"openid"},{"name":"orders:read"}],"updatedAt":"2026-03-01T12:00:00.000Z","environment":{"id":"` + home + `"}}`)

	theirs, elsewhere, bobs := k.hold(id, "web"), k.hold(id, "another"), k.hold(bob, "web")
	k.as(root).del(path + "/" + web).is(204)
	theirs.want("withdrawn", true, false, false) // the session is the person's, and goes on
	elsewhere.want("another application", true, true, true)
	bobs.want("somebody else's", true, true, true)
	k.as(root).get(path+"/"+web).refused(404, "NOT_FOUND")
	k.as(root).del(path+"/"+web).refused(404, "NOT_FOUND")
	if _, err := k.Store.ConsentTo(t.Context(), home, bob, "web"); err != nil {
		t.Errorf("somebody else's consent: %v", err)
	}
	if got := k.actions(web); !slices.Equal(got, []string{"OAUTH_CONSENT.DELETED"}) {
		t.Errorf("audit log: %v", got)
	}
	// Agreed to again it has the same ID, and tokens of then are good.
	k.agree(id, "web", "openid")
	k.as(root).get(path + "/" + web).is(200)
	k.hold(id, "web").want("agreed to again", true, true, true)
}

func TestConsentsThatAreNotThere(t *testing.T) {
	k := newKit(t)
	id := k.person(`{"username":"u","email":"u@example.com"}`)
	k.agree(bob, "web", "openid")
	bobs := k.as(root).get(users + "/" + bob + "/oauthConsents").is(200).text("_embedded.oauthConsents.0.id")
	for _, path := range []string{users + "/" + id + "/oauthConsents/" + bobs, users + "/" + nothing + "/oauthConsents/" + bobs, users + "/" + bob + "/oauthConsents/" + nothing} {
		k.as(root).get(path).refused(404, "NOT_FOUND")
		k.as(root).del(path).refused(404, "NOT_FOUND")
	}
	k.as(nobody).get(users+"/"+bob+"/oauthConsents").refused(403, "ACCESS_FAILED")
	k.as(identityReader).get(users + "/" + bob + "/oauthConsents").is(200)
	k.as(identityReader).del(users+"/"+bob+"/oauthConsents/"+bobs).refused(403, "ACCESS_FAILED")
	self := k.asUser("web", bob, "p1:read:oauthConsents", "p1:update:oauthConsents")
	self.get(users+"/"+id+"/oauthConsents").refused(403, "ACCESS_FAILED")
	self.get(users + "/" + bob + "/oauthConsents").is(200)
	self.del(users + "/" + bob + "/oauthConsents/" + bobs).is(204)
}
