package legacy_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// applications is the path of somebody's applications.
func applications(realm, user string) string {
	return "/json/realms/root/realms/" + realm + "/users/" + user + "/oauth2/applications"
}

// agree stores a person's consent.
func (k *kit) agree(realm, user, client string, scopes ...string) {
	k.t.Helper()
	err := k.Store.PutConsent(k.t.Context(), store.ConsentRecord{
		Environment: k.env(realm).ID, Subject: k.id(realm, user), Client: client, Scopes: scopes, UpdatedAt: k.Clock.Now(),
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

// agreed reports whether there is one.
func (k *kit) agreed(realm, user, client string) bool {
	k.t.Helper()
	_, err := k.Store.ConsentTo(k.t.Context(), k.env(realm).ID, k.id(realm, user), client)
	return err == nil
}

func TestApplicationsList(t *testing.T) { // section 9
	k := newKit(t)
	k.personal("alpha", "alice", "web", []string{"openid"})
	k.personalAt(opaque(k.Alpha), "alice", "web", []string{"orders:read"})
	k.agree("alpha", "alice", "web", "email", "openid")
	short := func(a *token.Access, _ *token.Authorization) { a.TTL = 30 * time.Minute }
	public := k.personal("alpha", "alice", "public", []string{"profile"}, short)
	k.personal("alpha", "bob", "public", []string{"orders:read"})
	k.personal("bravo", "alice", "public", []string{"orders:read"})
	alice, admin := k.as("alpha", "alice"), k.admin()
	alice.del(one(public.Refresh)).is(200) // only the access token is left
	path := applications("alpha", k.id("alpha", "alice"))

	want := []map[string]any{
		{
			"_id": "public", "name": "The Public", "description": nil, "scopes": map[string]any{"profile": "profile"},
			"expiryDateTime": "2026-03-01T12:30:00.000Z", "logoUri": nil,
		},
		{
			"_id": "web", "name": "The Web", "description": nil,
			"scopes":         map[string]any{"openid": "openid", "orders:read": "orders:read", "email": "email"},
			"expiryDateTime": noon.Add(store.DefaultRefreshTokenTTL + time.Hour).Format("2006-01-02T15:04:05.000Z"), "logoUri": nil,
		},
	}
	for name, a := range map[string]*answer{
		"9/the user": alice.get(path + "?_queryFilter=true"), "9/an administrator": admin.get(path + "?_queryFilter=true"),
		"9/the user, in the cookie": alice.inCookie().get(path + "?_queryFilter=true"),
		"9/with a version":          alice.get(path+"?_queryFilter=true", "Accept-API-Version", "protocol=2.0,resource=1.0"),
	} {
		t.Run(name, func(t *testing.T) {
			got := a.items()
			for _, item := range got {
				if rev, _ := item["_rev"].(string); rev == "" {
					t.Errorf("_rev = %v, want text", item["_rev"])
				}
				delete(item, "_rev")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			version := "resource=1.1"
			if strings.HasSuffix(name, "version") {
				version = "resource=1.1" // of the same major version the newest
			}
			if got := a.Header.Get("Content-API-Version"); got != version {
				t.Errorf("Content-API-Version = %q, want %q", got, version)
			}
		})
	}
	t.Run("9/recorded empty answer", func(t *testing.T) {
		const want = `{"result":[],"resultCount":0,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`
		nobody := applications("alpha", "ffffffff-0000-4000-8000-000000000000") + "?_queryFilter=true"
		if got := string(admin.get(nobody).is(200).Body); got != want {
			t.Errorf("body = %s, want %s", got, want)
		}
		if got := string(admin.get("/json/realms/root/users/amadmin/oauth2/applications?_queryFilter=true").is(200).Body); got != want {
			t.Errorf("top realm: body = %s, want %s", got, want)
		}
	})
	t.Run("9/pages", func(t *testing.T) {
		first := alice.get(path + "?_queryFilter=true&_pageSize=1&_totalPagedResultsPolicy=EXACT")
		if got := first.items(); len(got) != 1 || got[0]["_id"] != "public" || first.member("totalPagedResults") != 2.0 {
			t.Fatalf("first page = %s", first.Body)
		}
		second := alice.get(path + "?_queryFilter=true&_pageSize=1&_pagedResultsCookie=" + first.text("pagedResultsCookie"))
		if got := second.items(); len(got) != 1 || got[0]["_id"] != "web" || second.member("pagedResultsCookie") != nil {
			t.Fatalf("second page = %s", second.Body)
		}
		alice.get(path+"?_queryFilter=true&_pagedResultsCookie=x").refused(400, "")
		admin.get(path+"?_queryFilter=true&_pagedResultsCookie="+first.text("pagedResultsCookie")).refused(400, "")
		if got := alice.get(path + "?_queryFilter=true&_pagedResultsOffset=1").items(); len(got) != 1 || got[0]["_id"] != "web" {
			t.Fatalf("behind the first = %v", got)
		}
	})
}

func TestApplicationsOfClientsThatAreGone(t *testing.T) { // section 9, 5.3
	k := newKit(t)
	k.personal("alpha", "alice", "web", readOrders)
	gone := k.personal("alpha", "alice", "public", readOrders)
	later := newKit(t, options{Store: k.Store, Clock: k.Clock, Declared: func(c *declared.Config) {
		a := &c.Environments[0].Applications
		*a = (*a)[:len(*a)-1] // public
	}})
	alice, admin := later.as("alpha", "alice"), later.admin()
	got := alice.get(applications("alpha", k.id("alpha", "alice")) + "?_queryFilter=true").items()
	if len(got) != 1 || got[0]["_id"] != "web" {
		t.Errorf("applications = %v, want web alone", got)
	}
	for _, i := range admin.get(list(ofUser("alice"))).items() {
		if client := array(t, i, "clientID"); client[0] != "web" {
			t.Errorf("listed a token of %v, which is gone", client)
		}
	}
	for _, text := range []string{gone.Access, gone.Refresh, k.handleOf(gone), gone.Grant} {
		admin.get(one(text)).refused(404, noToken)
	}
}

func TestApplicationsDelete(t *testing.T) { // section 9
	for _, as := range []string{"the user", "an administrator"} {
		t.Run("9/DELETE, "+as, func(t *testing.T) {
			k := newKit(t)
			all := []granted{
				k.personal("alpha", "alice", "web", readOrders), k.personalAt(opaque(k.Alpha), "alice", "web", readOrders),
				k.personal("alpha", "alice", "web", readOrders, func(a *token.Access, _ *token.Authorization) { a.Grant = "" }),
			}
			others := []granted{
				k.personal("alpha", "alice", "public", readOrders), k.personal("alpha", "bob", "web", readOrders), k.personal("bravo", "alice", "web", readOrders),
			}
			k.agree("alpha", "alice", "web", "openid")
			k.agree("alpha", "alice", "public", "openid")
			k.agree("alpha", "bob", "web", "openid")
			k.agree("bravo", "alice", "web", "openid")
			caller := k.as("alpha", "alice")
			if as != "the user" {
				caller = k.admin()
			}
			path := applications("alpha", k.id("alpha", "alice"))
			before := caller.get(path + "?_queryFilter=true").items()
			got := caller.del(path + "/web").is(200).object()
			if diff := cmp.Diff(before[1], got); diff != "" {
				t.Errorf("body (-list +DELETE):\n%s", diff)
			}
			for i, g := range all {
				if k.works(g.Access) || k.works(g.Refresh) {
					t.Errorf("token %d is active", i)
				}
				k.form("/oauth2/realms/root/realms/alpha/access_token", map[string][]string{
					"grant_type": {"refresh_token"}, "refresh_token": {g.Refresh},
				}, basic("web", "web-secret")...).is(400)
			}
			for i, g := range others {
				realm, client := "alpha", "web"
				if i == 2 {
					realm = "bravo"
				}
				if i != 0 && (!k.introspects(realm, client, "web-secret", g.Access) || !k.introspects(realm, client, "web-secret", g.Refresh)) {
					t.Errorf("other token %d ended, too", i)
				}
			}
			k.admin().get(one(others[0].Access)).is(200)
			if k.agreed("alpha", "alice", "web") {
				t.Error("the consent is still there")
			}
			if !k.agreed("alpha", "alice", "public") || !k.agreed("alpha", "bob", "web") || !k.agreed("bravo", "alice", "web") {
				t.Error("another consent went, too")
			}
			caller.del(path+"/web").refused(404, "Not Found")
			if n := strings.Count(k.Log.String(), "consent and tokens of an application deleted"); n != 1 {
				t.Errorf("logged %d times, want once", n)
			}
		})
	}
	t.Run("9/DELETE without tokens: 404, and the consent goes all the same", func(t *testing.T) {
		k := newKit(t)
		k.agree("alpha", "alice", "web", "openid")
		k.as("alpha", "alice").del(applications("alpha", k.id("alpha", "alice"))+"/web").refused(404, "Not Found")
		if k.agreed("alpha", "alice", "web") {
			t.Error("the consent is still there")
		}
	})
	t.Run("9/DELETE by another: nothing happens", func(t *testing.T) {
		k := newKit(t)
		g := k.personal("alpha", "alice", "web", readOrders)
		k.agree("alpha", "alice", "web", "openid")
		path := applications("alpha", k.id("alpha", "alice")) + "/web"
		k.as("alpha", "bob").del(path).refused(403, "")
		k.as("bravo", "alice").del(path).refused(403, "")
		k.do("DELETE", path, nil).refused(401, "Access Denied")
		k.as("alpha", "alice").inCookie().del(path).refused(403, "")
		if !k.agreed("alpha", "alice", "web") || !k.works(g.Access) || !k.works(g.Refresh) {
			t.Error("something ended")
		}
		k.as("alpha", "alice").inCookie().del(path, "X-Requested-With", "test").is(200)
	})
}

func TestApplicationsRefusals(t *testing.T) { // section 9, second table; section 10
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", readOrders)
	id := k.id("alpha", "alice")
	path := applications("alpha", id)
	alice, bob, bravo := k.as("alpha", "alice"), k.as("alpha", "bob"), k.as("bravo", "alice")
	nobody := applications("alpha", "ffffffff-0000-4000-8000-000000000000")
	for _, tt := range []struct {
		name    string
		a       *answer
		status  int
		message string
	}{
		{"no session", k.get(path + "?_queryFilter=true"), 401, "Access Denied"},
		{"bad session", k.with("x").get(path + "?_queryFilter=true"), 401, "Unauthorized"},
		{"a bearer token", k.get(path+"?_queryFilter=true", "Authorization", "Bearer "+g.Access), 401, "Access Denied"},
		{"another user's list", bob.get(path + "?_queryFilter=true"), 403, "User, " + k.id("alpha", "bob") + ", not authorized."},
		{"a user who is not there looks the same", bob.get(nobody + "?_queryFilter=true"), 403, "User, " + k.id("alpha", "bob") + ", not authorized."},
		{"by name", alice.get(applications("alpha", "alice") + "?_queryFilter=true"), 403, ""},
		{"from another realm", bravo.get(path + "?_queryFilter=true"), 403, ""},
		{"in another realm", alice.get(applications("bravo", id) + "?_queryFilter=true"), 403, ""},
		{"no such realm", alice.get(applications("charlie", id) + "?_queryFilter=true"), 400, ""},
		{"no _queryFilter", alice.get(path), 400, ""},
		{"two selectors", alice.get(path + "?_queryFilter=true&_queryId=x"), 400, ""},
		{"another filter", alice.get(path + "?_queryFilter=_id+eq+%22web%22"), 501, ""},
		{"_queryId", alice.get(path + "?_queryId=x"), 501, ""},
		{"unknown parameter", alice.get(path + "?_queryFilter=true&_x=1"), 400, ""},
		{"GET of one", alice.get(path + "/web"), 501, ""},
		{"POST", alice.post(path, map[string]any{}), 501, ""},
		{"PUT", alice.do("PUT", path+"/web", map[string]any{}), 501, ""},
		{"PATCH", alice.do("PATCH", path+"/web", map[string]any{}), 501, ""},
		{"DELETE of all", alice.del(path), 501, ""},
		{"DELETE of a client that is not there", alice.del(path + "/nothing"), 404, "Not Found"},
		{"a version that is not served", alice.get(path+"?_queryFilter=true", "Accept-API-Version", "resource=2.0"), 404, ""},
	} {
		t.Run("9/"+tt.name, func(t *testing.T) { tt.a.refused(tt.status, tt.message) })
	}
	if got := alice.get(path + "?_queryFilter=true").items(); len(got) != 1 {
		t.Errorf("applications = %v, want web", got)
	}
}

// Realms that are one environment have the same people. A session of one of them is not one of the other, and what came from one
// realm's own issuer is another realm's to the other; what came from the environment's own is both's.
func TestTokensOfRealmsOfOneEnvironment(t *testing.T) {
	k := newKit(t, options{
		Legacy: func(c *legacy.Config) {
			c.Realms = append(c.Realms, legacy.Realm{Path: "/alpha/sub", Environment: alphaID})
		},
		Declared: func(c *declared.Config) {
			c.Environments[0].Issuers = append(c.Environments[0].Issuers, amURL+"/oauth2/realms/root/realms/alpha/realms/sub")
		},
	})
	sub := k.Alpha.At(store.Domain{Issuer: amURL + "/oauth2/realms/root/realms/alpha/realms/sub"})
	both := k.personal("alpha", "alice", "web", readOrders)
	upper := k.personalAt(at(k.Alpha), "alice", "web", readOrders)
	lower := k.personalAt(opaque(sub), "alice", "web", readOrders)
	machine, err := k.Minter.Mint(t.Context(), sub, token.Access{Client: "worker", For: k.client(k.Alpha, "worker"), Audience: []string{orders}, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	id := k.id("alpha", "alice")
	alice, inSub, admin := k.as("alpha", "alice"), k.as("alpha/realms/sub", "alice"), k.admin()
	alice.get(applications("alpha", id) + "?_queryFilter=true").is(http.StatusOK)
	alice.get(applications("alpha/realms/sub", id)+"?_queryFilter=true").refused(403, "")
	inSub.get(applications("alpha/realms/sub", id) + "?_queryFilter=true").is(http.StatusOK)
	for name, tt := range map[string]struct {
		granted
		alpha, sub int
		realm      string
	}{"the environment's": {both, 200, 200, "/alpha"}, "alpha's": {upper, 200, 401, "/alpha"}, "sub's": {lower, 401, 200, "/alpha/sub"}} {
		for _, text := range []string{tt.Access, tt.Refresh, tt.Grant, k.handleOf(tt.granted)} {
			alice.get(one(text)).is(tt.alpha)
			inSub.get(one(text)).is(tt.sub)
			if got := array(t, admin.get(one(text)).is(200).object(), "realm"); got[0] != tt.realm {
				t.Errorf("%s: realm = %v, want %s", name, got, tt.realm)
			}
		}
	}
	admin.get(one(lower.Access)+"?realm=/alpha").refused(404, noToken)
	admin.get(one(lower.Access) + "?realm=/alpha/sub").is(200)
	if got := array(t, admin.get(one(machine.Raw)).is(200).object(), "realm"); got[0] != "/alpha/sub" {
		t.Errorf("realm of client credentials = %v", got)
	}
	for _, tt := range []struct {
		caller caller
		id     string
		want   int
	}{
		{alice, "access_token", 2},
		{inSub, "access_token", 2},
		{admin, "userName=alice", 6},
		{admin, "userName=alice,realm=/alpha", 4},
		{admin, "userName=alice,realm=/alpha/sub", 2},
		{admin, "userName=alice,realm=/bravo", 0},
	} {
		if got := tt.caller.get(list(tt.id)).items(); len(got) != tt.want {
			t.Errorf("%s: %d tokens, want %d", tt.id, len(got), tt.want)
		}
	}
}

// Nothing that an application obtains while its tokens are taken away works when the answer is there.
func TestApplicationsDeleteWhileRefreshing(t *testing.T) {
	k := newKit(t)
	const clients = 6
	var mu sync.Mutex
	var got []string
	keep := func(raw ...string) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, raw...)
	}
	begun := make(chan struct{}, clients)
	var busy sync.WaitGroup
	for range clients {
		g := k.personal("alpha", "alice", "web", readOrders)
		keep(g.Access, g.Refresh)
		busy.Go(func() {
			refresh := g.Refresh
			for i := 0; ; i++ {
				a := k.form("/oauth2/realms/root/realms/alpha/access_token", map[string][]string{
					"grant_type": {"refresh_token"}, "refresh_token": {refresh},
				}, basic("web", "web-secret")...)
				if i == 1 {
					begun <- struct{}{}
				}
				if a.Status != http.StatusOK {
					return
				}
				refresh = a.text("refresh_token")
				keep(a.text("access_token"), refresh)
			}
		})
	}
	alice := k.as("alpha", "alice")
	for range clients {
		<-begun
	}
	alice.del(applications("alpha", k.id("alpha", "alice")) + "/web").is(200)
	mu.Lock()
	before := slices.Clone(got)
	mu.Unlock()
	for i, raw := range before {
		if k.works(raw) {
			t.Errorf("token %d of %d works after DELETE", i, len(before))
		}
	}
	busy.Wait() // each ends with the refusal of its refresh token
	for i, raw := range got {
		if k.works(raw) {
			t.Errorf("token %d of %d works in the end", i, len(got))
		}
	}
}
