package legacy_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// stock is a kit with tokens of several people in two realms.
type stock struct {
	*kit
	web, public, bobs, foreign granted // of alice in alpha, of bob there, and of alice in bravo
	worker                     granted
	alice, bob, admin          caller
}

func newStock(t *testing.T) *stock {
	k := newKit(t)
	s := &stock{kit: k}
	s.web = k.personal("alpha", "alice", "web", readOrders, func(a *token.Access, _ *token.Authorization) { a.Nonce = "n1" })
	s.public = k.personalAt(opaque(k.Alpha), "alice", "public", []string{"profile"})
	s.bobs = k.personal("alpha", "bob", "web", readOrders)
	s.foreign = k.personal("bravo", "alice", "web", readOrders)
	s.worker = k.credentials("alpha", "worker", "orders:read")
	s.alice, s.bob, s.admin = k.as("alpha", "alice"), k.as("alpha", "bob"), k.admin()
	return s
}

// names are what the handles of a list are of, in its order.
func (s *stock) names(ids []string) []string {
	known := map[string]string{}
	for name, g := range map[string]granted{"web": s.web, "public": s.public, "bob": s.bobs, "foreign": s.foreign, "worker": s.worker} {
		known[s.handleAt(g, noon)] = name
		if g.Grant != "" {
			known[g.Grant] = name + "'s refresh"
		}
	}
	out := []string{}
	for _, id := range ids {
		out = append(out, known[id])
	}
	return out
}

func TestTokenQuery(t *testing.T) { // 5.3
	s := newStock(t)
	all := []string{"web", "public", "web's refresh", "public's refresh"}
	uuid := s.id("alpha", "alice")
	for _, tt := range []struct {
		name, id string
		want     []string
	}{
		{"by ID and realm, both kinds", "userName=" + uuid + ",realm=/alpha", all},
		{"by name and realm", "userName=alice,realm=/alpha", all},
		{"without realm, an ID is of one realm", "userName=" + uuid, all},
		{"without realm, a name is of every realm", "userName=alice", []string{"web", "public", "foreign", "web's refresh", "public's refresh", "foreign's refresh"}},
		{"another realm", "userName=alice,realm=/bravo", []string{"foreign", "foreign's refresh"}},
		{"an ID in a realm that is not its own", "userName=" + uuid + ",realm=/bravo", []string{}},
		{"a realm that there is not", "userName=alice,realm=/charlie", []string{}},
		{"the top realm", "userName=alice,realm=/", []string{}},
		{"a realm in another case", "userName=alice,realm=/Alpha", []string{}},
		{"unknown user", "userName=nobody", []string{}},
		{"a name in another case is no field's value", "userName=" + strings.ToUpper(uuid), []string{}},
		{"client credentials, by client", "userName=worker", []string{"worker"}},
		{"tokenName access_token", "userName=alice,realm=/alpha,tokenName=access_token", []string{"web", "public"}},
		{"tokenName refresh_token", "userName=alice,realm=/alpha,tokenName=refresh_token", []string{"web's refresh", "public's refresh"}},
		{"tokenName of neither", "userName=alice,tokenName=id_token", []string{}},
		{"clientID", "userName=alice,realm=/alpha,clientID=web", []string{"web", "web's refresh"}},
		{"clientID of another", "userName=alice,realm=/alpha,clientID=worker", []string{}},
		{"two clients at once", "userName=alice,clientID=web,clientID=public", []string{}},
		{"scope", "userName=alice,realm=/alpha,scope=profile", []string{"public", "public's refresh"}},
		{"scope is compared whole", "userName=alice,realm=/alpha,scope=profil", []string{}},
		{"two scopes are both wanted", "userName=alice,realm=/alpha,scope=openid,scope=orders:read", []string{"web", "web's refresh"}},
		{"grant_type", "userName=worker,grant_type=client_credentials", []string{"worker"}},
		{"nonce", "userName=alice,realm=/alpha,nonce=n1", []string{"web"}},
		{"redirectURI", "userName=alice,realm=/alpha,redirectURI=https://web.example.com/cb", []string{"web", "public"}},
		{"id", "userName=alice,id=" + s.handleAt(s.web, noon), []string{"web"}},
		{"parent", "userName=alice,parent=" + s.web.Grant, []string{"web"}},
		{"refreshToken", "userName=alice,refreshToken=" + s.web.Grant, []string{"web"}},
		{"authGrantId", "userName=alice,authGrantId=" + s.web.Grant, []string{"web", "web's refresh"}},
		{"ssoTokenId", "userName=alice,ssoTokenId=" + s.web.Session.ID, []string{"web", "web's refresh"}},
		{"expireTime", "userName=alice,realm=/alpha,expireTime=" + decimal(noon.Add(time.Hour).UnixMilli()), []string{"web", "public"}},
		{"issued", "userName=alice,realm=/alpha,issued=" + decimal(noon.UnixMilli()), []string{"web", "public"}},
		{"auth_time", "userName=alice,realm=/alpha,auth_time=" + decimal(noon.Unix()), all},
		{"tokenType", "userName=alice,realm=/alpha,tokenType=Bearer", all},
		{"user_code is nobody's", "userName=alice,user_code=x", []string{}},
		{"a piece without = is overlooked", "userName=alice,realm=/alpha,junk,", all},
	} {
		t.Run("5.3/"+tt.name, func(t *testing.T) {
			got := s.names(s.admin.get(list(tt.id)).ids())
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// Without the trailing slash, and with nothing but = and , encoded, it is the same.
			plain := frrest + "?_queryId=" + strings.NewReplacer("=", "%3D", ",", "%2C").Replace(tt.id)
			if diff := cmp.Diff(tt.want, s.names(s.admin.get(plain).ids())); diff != "" {
				t.Errorf("spelt otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokenQueryOwner(t *testing.T) { // 5.3
	s := newStock(t)
	// Owners see no handles; clients and kinds tell their tokens apart here.
	names := func(a *answer) []string {
		out := []string{}
		for _, i := range a.items() {
			for _, hidden := range []string{"id", "_id", "parent", "refreshToken", "authGrantId", "auditTrackingId"} {
				if v, ok := i[hidden]; ok {
					a.t.Errorf("%s = %v, want none", hidden, v)
				}
			}
			if user := array(a.t, i, "userName")[0]; user != s.id("alpha", "alice") || array(a.t, i, "realm")[0] != "/alpha" {
				a.t.Errorf("listed %v, want alice's in alpha", i)
			}
			out = append(out, array(a.t, i, "clientID")[0]+" "+array(a.t, i, "tokenName")[0])
		}
		return out
	}
	both := []string{"web access_token", "public access_token"}
	all := append(slices.Clone(both), "web refresh_token", "public refresh_token")
	for _, tt := range []struct {
		name, id string
		want     []string
	}{
		{"access_token", "access_token", both},
		{"realm", "realm=/alpha", all},
		{"clientID", "clientID=web", []string{"web access_token", "web refresh_token"}},
		{"tokenName", "tokenName=access_token", both},
		{"another realm", "realm=/bravo", []string{}},
		{"another's grant", "authGrantId=" + s.bobs.Grant, []string{}},
		{"another's id", "id=" + s.handleAt(s.bobs, noon), []string{}},
	} {
		t.Run("5.3/owner, "+tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, names(s.alice.get(list(tt.id)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("5.3/owner, ?realm=", func(t *testing.T) {
		if diff := cmp.Diff(both, names(s.alice.get(list("access_token", "realm=/alpha")))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := names(s.alice.get(list("access_token", "realm=/bravo"))); len(got) != 0 {
			t.Errorf("of another realm = %v, want none", got)
		}
	})
}

func TestTokenQueryItems(t *testing.T) { // 5.3: what differs from a single read
	s := newStock(t)
	s.Clock.Advance(10 * time.Minute)
	later := s.credentials("alpha", "worker")
	_ = later
	item := s.admin.get(list("userName=alice,realm=/alpha,clientID=web")).items()[0]
	for name, want := range map[string]any{
		"expireTime":   "Mar 31, 2026 12:00 PM", // the refresh token's
		"display_name": "The Web", "scopes": "openid,orders:read",
	} {
		if item[name] != want {
			t.Errorf("%s = %v, want %v", name, item[name], want)
		}
	}
	s.admin.del(one(s.web.Refresh)).is(200)
	item = s.admin.get(list("userName=alice,realm=/alpha,clientID=web")).items()[0]
	if got := item["expireTime"]; got != "Mar 1, 2026 1:00 PM" {
		t.Errorf("expireTime without a refresh token = %v", got)
	}
	if _, ok := item["refreshToken"]; ok {
		t.Errorf("refreshToken = %v, want none", item["refreshToken"])
	}
	item = s.admin.get(list("userName=worker")).items()[0]
	if item["display_name"] != "worker" && item["display_name"] != "" || item["scopes"] != "orders:read" {
		t.Errorf("worker's = %v", item)
	}
	if got := s.admin.get(list("userName=worker", "_fields=scopes")).items()[0]; len(got) != 3 {
		t.Errorf("_fields=scopes = %v, want scopes, _id, _rev", got)
	}
}

func TestTokenQueryRefusals(t *testing.T) { // 5.3, second table; 129
	s := newStock(t)
	const set, unset = "userName field MUST be set in _queryId", "userName field MUST NOT be set in _queryId"
	for _, tt := range []struct {
		name    string
		caller  caller
		id      string
		status  int
		message string
	}{
		{"super-user, access_token", s.admin, "access_token", 400, set},
		{"super-user, no userName", s.admin, "realm=/alpha", 400, set},
		{"super-user, empty userName", s.admin, "userName=,realm=/alpha", 400, set},
		{"super-user, userName in another case", s.admin, "username=alice", 400, ""},
		{"super-user, userName", s.admin, "userName=alice", 200, ""},
		{"owner, own userName", s.alice, "userName=" + s.id("alpha", "alice"), 400, unset},
		{"owner, another's userName", s.alice, "userName=bob,realm=/alpha", 400, unset},
		{"owner, no userName", s.alice, "realm=/alpha", 200, ""},
		{"unknown field", s.admin, "userName=alice,owner=bob", 400, ""},
		{"unknown field of an owner", s.alice, "access_token=x", 400, ""},
		{"userName twice", s.admin, "userName=alice,userName=bob", 400, ""},
		{"userName twice, the same", s.admin, "userName=alice,userName=alice", 400, ""},
		{"realm twice", s.admin, "userName=alice,realm=/alpha,realm=/bravo", 400, ""},
		{"realm twice, owner", s.alice, "realm=/alpha,realm=/bravo", 400, ""},
		{"a second realm behind a comma", s.admin, "userName=alice,realm=/alpha,/bravo", 400, ""},
		{"a second realm behind a comma, owner", s.alice, "realm=/alpha,/bravo", 400, ""},
		{"a second realm behind an encoded comma, encoded again", s.admin, "userName=alice,realm=/alpha%2C/bravo", 400, ""},
		{"dots", s.admin, "userName=alice,realm=/../", 400, ""},
		{"dots, owner", s.alice, "realm=/../", 400, ""},
		{"dots behind a realm", s.admin, "userName=alice,realm=/alpha/../bravo", 400, ""},
		{"a realm without slash", s.admin, "userName=alice,realm=alpha", 400, ""},
		{"a realm with a slash behind", s.admin, "userName=alice,realm=/alpha/", 400, ""},
		{"an empty realm", s.admin, "userName=alice,realm=", 400, ""},
		{"a field that lost its value", s.admin, "userName=alice,realm", 400, ""},
		{"two =", s.admin, "userName=alice,realm=/alpha=", 400, ""},
		{"two = in userName", s.admin, "userName=alice=bob", 400, ""},
		{"* alone", s.alice, "*", 400, ""},
		{"* alone, super-user", s.admin, "*", 400, ""},
		{"* as userName", s.admin, "userName=*", 400, ""},
		{"* in userName", s.admin, "userName=al*", 400, ""},
		{"* as clientID", s.alice, "clientID=*", 400, ""},
		{"quotes", s.alice, `"access_token"`, 400, ""},
		{"single quotes", s.alice, `'access_token'`, 400, ""},
		{"quotes around a value", s.admin, `userName="alice"`, 400, ""},
		{"single quotes around a value match nothing", s.admin, `userName='alice'`, 200, ""},
		{"a condition in single quotes", s.admin, `userName=x' OR '1'='1`, 400, ""},
		{"a condition without =", s.admin, "userName=x) OR (true", 200, ""},
		{"an LDAP filter", s.admin, "userName=x)(uid=*", 400, ""},
		{"a backslash", s.admin, `userName=alice\2a`, 400, ""},
		{"NUL", s.admin, "userName=alice\x00", 400, ""},
		{"a line break", s.admin, "userName=alice\nrealm=/alpha", 400, ""},
		{"no UTF-8", s.admin, "userName=\xff", 400, ""},
		{"CREST's own filter", s.admin, `userName eq "alice"`, 400, ""},
		{"too many pairs", s.admin, "userName=alice" + strings.Repeat(",scope=x", 31), 400, ""},
	} {
		t.Run("5.3/"+tt.name, func(t *testing.T) {
			a := tt.caller.get(list(tt.id))
			if tt.status == 400 {
				a.refused(400, tt.message)
			} else if got := a.items(); strings.ContainsAny(tt.id, "')") && len(got) != 0 {
				t.Errorf("selected %v, want nothing", got)
			}
		})
	}
	for _, tt := range []struct {
		name, query string
		status      int
	}{
		{"no _queryId", "", 400},
		{"no selector but a realm", "?realm=/alpha", 400},
		{"empty _queryId", "?_queryId=", 400},
		{"_queryFilter", "?_queryFilter=true", 501},
		{"_queryExpression", "?_queryExpression=true", 501},
		{"two selectors", "?_queryId=access_token&_queryFilter=true", 400},
		{"_queryId twice", "?_queryId=access_token&_queryId=access_token", 400},
		{"_sortKeys", "?_queryId=access_token&_sortKeys=expireTime", 400},
		{"unknown _ parameter", "?_queryId=access_token&_x=1", 400},
		{"_pageSize that is none", "?_queryId=access_token&_pageSize=-1", 400},
		{"offset that is none", "?_queryId=access_token&_pagedResultsOffset=x", 400},
		{"policy that is none", "?_queryId=access_token&_totalPagedResultsPolicy=SOME", 400},
		{"cookie that is none", "?_queryId=access_token&_pagedResultsCookie=x", 400},
		{"cookie of zeros", "?_queryId=access_token&_pagedResultsCookie=" + strings.Repeat("A", 80), 400},
		{"good", "?_queryId=access_token", 200},
	} {
		t.Run("5.3/"+tt.name, func(t *testing.T) { s.alice.get(frrest + "/" + tt.query).is(tt.status) })
	}
}

func TestTokenQueryPages(t *testing.T) { // 5.3, section 4
	s := newStock(t)
	for range 8 {
		s.personal("alpha", "alice", "web", readOrders)
	}
	const id = "userName=alice,realm=/alpha"
	whole := s.admin.get(list(id)).ids()
	if len(whole) != 20 {
		t.Fatalf("listed %d, want 20", len(whole))
	}
	for _, size := range []int{1, 3, 7, 10, 19, 20, 21} {
		t.Run(fmt.Sprintf("5.3/pages of %d", size), func(t *testing.T) {
			var got []string
			cookie := ""
			for pages := 0; ; pages++ {
				more := []string{fmt.Sprintf("_pageSize=%d", size), "_totalPagedResultsPolicy=EXACT"}
				if cookie != "" {
					more = append(more, "_pagedResultsCookie="+cookie)
				}
				a := s.admin.get(list(id, more...)).is(200)
				ids := a.ids()
				if len(ids) > size || a.member("totalPagedResults") != 20.0 || a.text("totalPagedResultsPolicy") != "EXACT" || a.member("remainingPagedResults") != -1.0 {
					t.Fatalf("page = %s", a.Body)
				}
				got = append(got, ids...)
				if cookie = a.text("pagedResultsCookie"); cookie == "" {
					if want := (20 - 1) / size; pages != want {
						t.Errorf("%d pages before the last, want %d", pages, want)
					}
					break
				}
			}
			if diff := cmp.Diff(whole, got); diff != "" {
				t.Errorf("(-whole +pages):\n%s", diff)
			}
		})
	}
	for _, offset := range []int{0, 1, 9, 10, 11, 19, 20, 2000} {
		got := s.admin.get(list(id, fmt.Sprintf("_pagedResultsOffset=%d", offset))).ids()
		if diff := cmp.Diff(whole[min(offset, 20):], got); diff != "" {
			t.Errorf("offset %d (-want +got):\n%s", offset, diff)
		}
	}
	a := s.admin.get(list(id, "_pageSize=5", "_pagedResultsOffset=3")).is(200)
	next := s.admin.get(list(id, "_pageSize=5", "_pagedResultsCookie="+a.text("pagedResultsCookie")))
	if diff := cmp.Diff(whole[3:13], append(a.ids(), next.ids()...)); diff != "" {
		t.Errorf("a page with offset and the one behind it (-want +got):\n%s", diff)
	}
	s.admin.get(list(id, "_pagedResultsOffset=3", "_pagedResultsCookie="+a.text("pagedResultsCookie"))).refused(400, "")
	if none := s.admin.get(list(id)); none.member("totalPagedResults") != -1.0 || none.text("totalPagedResultsPolicy") != "NONE" {
		t.Errorf("without a policy: %s", none.Body)
	}

	// A cookie is for the same question of the same person.
	cookie := "_pagedResultsCookie=" + a.text("pagedResultsCookie")
	altered := []byte(a.text("pagedResultsCookie"))
	altered[len(altered)/2] ^= 1
	for name, refused := range map[string]*answer{
		"another user":           s.admin.get(list("userName=bob,realm=/alpha", cookie)),
		"every realm":            s.admin.get(list("userName=alice", cookie)),
		"?realm=":                s.admin.get(list(id, cookie, "realm=/alpha")),
		"a person":               s.alice.get(list("access_token", cookie)),
		"altered":                s.admin.get(list(id, "_pagedResultsCookie="+string(altered))),
		"cut":                    s.admin.get(list(id, cookie[:len(cookie)-4])),
		"the place in the clear": s.admin.get(list(id, "_pagedResultsCookie="+whole[3])),
	} {
		t.Run("5.3/cookie, "+name, func(t *testing.T) { refused.refused(400, "") })
	}
	s.admin.get(list(id, cookie, "_pageSize=2", "_fields=id")).is(200)

	// What ended meanwhile is left out, and nothing is missed or there twice.
	first := s.admin.get(list(id, "_pageSize=4")).is(200)
	last := first.ids()[3]
	s.admin.del(one(last)).is(200)
	s.admin.del(one(whole[4])).is(200)
	rest := s.admin.get(list(id, "_pagedResultsCookie="+first.text("pagedResultsCookie"))).ids()
	if diff := cmp.Diff(whole[5:], rest); diff != "" {
		t.Errorf("after deletions (-want +got):\n%s", diff)
	}
}

// A list without _pageSize has an end, and says how to go on.
func TestTokenQueryMany(t *testing.T) {
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", readOrders)
	k.many(k.id("alpha", "alice"), "web", g.Grant, 1100)
	admin := k.admin()
	id := "userName=alice,tokenName=access_token"
	a := admin.get(list(id, "_totalPagedResultsPolicy=ESTIMATE"))
	if got := len(a.items()); got != 1000 || a.text("pagedResultsCookie") == "" || a.member("totalPagedResults") != 1101.0 {
		t.Fatalf("%d results, cookie %q, total %v", got, a.text("pagedResultsCookie"), a.member("totalPagedResults"))
	}
	b := admin.get(list(id, "_pageSize=5000", "_pagedResultsCookie="+a.text("pagedResultsCookie")))
	if got := len(b.items()); got != 101 || b.text("pagedResultsCookie") != "" {
		t.Fatalf("%d results behind them, cookie %q", got, b.text("pagedResultsCookie"))
	}
	// One that asks for few of many goes on as long as it has to, page by page.
	if got := admin.get(list("userName=alice,clientID=public")).ids(); len(got) != 0 {
		t.Errorf("of another client = %v", got)
	}
}

// many stores records of access tokens that nobody has.
func (k *kit) many(subject, client, grant string, n int) {
	k.t.Helper()
	now := k.Clock.Now().Truncate(time.Second)
	done := make(chan error)
	for w := range 20 {
		go func() {
			for i := w; i < n; i += 20 {
				err := k.Store.PutAccessToken(k.t.Context(), store.AccessToken{
					Environment: alphaID, ID: secret.NewID(), Client: client, Subject: subject, Grant: grant, Scope: "openid",
					Audience: []string{orders}, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
				})
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			k.t.Fatal(err)
		}
	}
}

// Two realms see nothing of each other.
func TestTokenRealmsApart(t *testing.T) { // 129
	k := newKit(t)
	mine, theirs := k.personal("alpha", "alice", "web", readOrders), k.personal("bravo", "alice", "web", readOrders)
	k.credentials("bravo", "worker")
	alpha, bravo := k.as("alpha", "alice"), k.as("bravo", "alice")
	for _, tt := range []struct {
		caller       caller
		own, foreign granted
		realm        string
	}{{alpha, mine, theirs, "alpha"}, {bravo, theirs, mine, "bravo"}} {
		for _, text := range []string{tt.foreign.Access, tt.foreign.Refresh, tt.foreign.Grant, k.handleOf(tt.foreign)} {
			for _, a := range []*answer{
				tt.caller.get(one(text)), tt.caller.del(one(text)), tt.caller.post(one(text)+"?_action=revoke", nil),
			} {
				a.refused(401, "Unauthorized")
			}
			tt.caller.get(one(text)+"?realm="+tt.realm).refused(404, noToken)
		}
		for _, id := range []string{"access_token", "tokenType=Bearer", "authGrantId=" + tt.foreign.Grant, "authGrantId=" + tt.own.Grant} {
			for _, i := range tt.caller.get(list(id)).items() {
				if got := array(t, i, "realm")[0]; got != "/"+tt.realm {
					t.Errorf("listed a token of %s", got)
				}
			}
		}
	}
	for realm, g := range map[string]granted{"alpha": mine, "bravo": theirs} {
		if !k.introspects(realm, "web", "web-secret", g.Access) || !k.introspects(realm, "web", "web-secret", g.Refresh) {
			t.Errorf("a token of %s ended", realm)
		}
	}
}

// Attack 129: an access token in place of the session, in every place that a session may be in.
func TestTokenBearerAsSession(t *testing.T) {
	k := newKit(t)
	g, dark := k.personal("alpha", "alice", "web", readOrders), k.personalAt(opaque(k.Alpha), "alice", "web", readOrders)
	for what, raw := range map[string]string{"JWT": g.Access, "opaque": dark.Access, "refresh token": g.Refresh, "sid": g.Session.ID} {
		for _, c := range []caller{k.with(raw), k.with(raw).inCookie()} {
			t.Run("129/"+what, func(t *testing.T) {
				c.get(one(g.Access)).refused(401, "Unauthorized")
				c.get(list("access_token")).refused(401, "Unauthorized")
				c.del(one(g.Access), "X-Requested-With", "test").refused(401, "Unauthorized")
				c.get(applications("alpha", k.id("alpha", "alice"))+"?_queryFilter=true").refused(401, "Unauthorized")
			})
		}
	}
	if !k.works(g.Access) {
		t.Error("inactive")
	}
	k.as("alpha", "alice").get(one(g.Access)).is(200)
}

// No token, handle excepted, is in a line of the log, whatever is done with it.
func TestTokenSilence(t *testing.T) { // 126, 129
	k := newKit(t, options{Legacy: func(c *legacy.Config) { c.Compat.RevokeTokens = true }})
	g, dark := k.personal("alpha", "alice", "web", readOrders), k.personalAt(opaque(k.Alpha), "alice", "web", readOrders)
	foreign := k.personal("bravo", "alice", "web", readOrders)
	unknown := strings.Repeat("Zz", 21) + "Q"
	alice, bob, admin := k.as("alpha", "alice"), k.as("alpha", "bob"), k.admin()
	secrets := []string{g.Access, g.Refresh, dark.Access, dark.Refresh, foreign.Access, foreign.Refresh, unknown, alice.Token, bob.Token, admin.Token}
	var bodies strings.Builder
	for _, c := range []caller{bob, alice, admin, k.with(unknown), k.with("")} {
		for _, raw := range secrets[:7] {
			for _, a := range []*answer{
				c.get(one(raw)), c.post(one(raw)+"?_action=revokeTokens", map[string]any{"client_id": "nobody"}), c.do("PUT", one(raw), nil),
				c.get(one(raw) + "?realm=/" + raw[:20]), c.get(list("id=" + raw)), c.get(list("userName=" + raw)), c.get(list(raw)),
				c.get(list(raw + "=x")), c.get(list("access_token", "_pagedResultsCookie="+raw)), c.get(frrest + "/?_" + raw + "=x"),
				c.get(one(raw) + "/more"), c.get(applications("alpha", raw) + "?_queryFilter=true"), c.del(applications("alpha", raw) + "/" + raw),
				c.inCookie().del(one(raw)), c.get(one(raw), cookie, raw),
			} {
				if a.Status >= 400 {
					bodies.Write(a.Body)
				}
			}
		}
	}
	for _, raw := range secrets[:5] {
		alice.del(one(raw))
		admin.post(one(raw)+"?_action=revoke", nil)
	}
	alice.del(applications("alpha", k.id("alpha", "alice")) + "/web")
	for i, s := range secrets {
		for _, part := range []string{s, url.QueryEscape(s), s[len(s)-20:]} {
			if i < 7 && strings.Contains(bodies.String(), part) {
				t.Errorf("an error repeats secret %d", i)
			}
			if strings.Contains(k.Log.String(), part) {
				t.Errorf("the log has secret %d", i)
			}
		}
	}
	if !strings.Contains(k.Log.String(), "token deleted") || !strings.Contains(k.Log.String(), g.ID) {
		t.Error("the log does not say what was deleted")
	}
	k.get(one(unknown)).is(http.StatusUnauthorized)
}
