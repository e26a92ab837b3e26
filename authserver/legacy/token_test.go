package legacy_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

const (
	frrest  = "/frrest/oauth2/token"
	noToken = "Could not find valid token with given ID"
)

// one is the path of one token.
func one(raw string) string { return frrest + "/" + url.PathEscape(raw) }

// list is the path of a query; rest is more of the query string.
func list(queryID string, rest ...string) string {
	return frrest + "/?" + strings.Join(append([]string{"_queryId=" + url.QueryEscape(queryID)}, rest...), "&")
}

// ofUser is the _queryId of an administrator for somebody's tokens in alpha.
func ofUser(name string) string { return "userName=" + name + ",realm=/alpha" }

var readOrders = []string{"openid", "orders:read"}

// array reads a member that is an array of texts.
func array(t testing.TB, m map[string]any, name string) []string {
	t.Helper()
	list, ok := m[name].([]any)
	if !ok {
		t.Fatalf("%s = %v, want an array", name, m[name])
	}
	out := []string{}
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			t.Fatalf("%s has %v, want texts", name, v)
		}
		out = append(out, s)
	}
	return out
}

// items are the results of a query.
func (a *answer) items() []map[string]any {
	a.t.Helper()
	a.is(http.StatusOK)
	var body struct {
		Result []map[string]any `json:"result"`
		Count  *int             `json:"resultCount"`
	}
	if err := json.Unmarshal(a.Body, &body); err != nil || body.Result == nil || body.Count == nil || *body.Count != len(body.Result) {
		a.t.Fatalf("%s: %v: %s, want an envelope", a.what, err, a.Body)
	}
	return body.Result
}

// ids are the handles of the results of an administrator's query.
func (a *answer) ids() []string {
	a.t.Helper()
	out := []string{}
	for _, i := range a.items() {
		out = append(out, array(a.t, i, "id")...)
	}
	return out
}

// handleOf is the handle of an access token that lives for an hour from now.
func (k *kit) handleOf(g granted) string {
	r := token.Record{AccessToken: store.AccessToken{ID: g.ID, ExpiresAt: k.Clock.Now().Truncate(time.Second).Add(time.Hour)}}
	return r.Handle()
}

// introspects is whether the standard endpoint says that a token is active.
func (k *kit) introspects(realm, client, secret, raw string) bool {
	k.t.Helper()
	form := url.Values{"token": {raw}}
	r, err := http.NewRequestWithContext(k.t.Context(), http.MethodPost, k.env(realm).Issuer+"/introspect", strings.NewReader(form.Encode()))
	if err != nil {
		k.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, secret)
	r.RemoteAddr = "192.0.2.1:4711"
	active, ok := k.serve(r).is(http.StatusOK).member("active").(bool)
	if !ok {
		k.t.Fatal("introspection says nothing")
	}
	return active
}

// works is whether one of web's tokens works, by the standard introspection endpoint.
func (k *kit) works(raw string) bool {
	k.t.Helper()
	return k.introspects("alpha", "worker", "worker-secret", raw) || k.introspects("alpha", "web", "web-secret", raw)
}

// kinds are the tokens that an application of alpha's alice can have, and what a single read takes for them.
func (k *kit) kinds() map[string]string {
	jwt := k.personal("alpha", "alice", "web", readOrders)
	dark := k.personalAt(opaque(k.Alpha), "alice", "web", readOrders)
	return map[string]string{
		"a JWT": jwt.Access, "a JWT, by its handle": k.handleOf(jwt), "an opaque access token": dark.Access,
		"an opaque access token, by its handle": k.handleOf(dark), "a refresh token": jwt.Refresh, "a refresh token, by its handle": jwt.Grant,
	}
}

func TestTokenCaller(t *testing.T) { // 5.1
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", readOrders)
	alice, admin := k.as("alpha", "alice"), k.admin()
	ended := k.as("alpha", "alice")
	ended.post("/json/sessions?_action=logout", map[string]any{}).is(http.StatusOK)
	for _, tt := range []struct {
		name    string
		do      func(path string) *answer
		message string // "" is accepted
	}{
		{"5.1/owner, token in the header", func(p string) *answer { return alice.get(p) }, ""},
		{"5.1/owner, token in the cookie", func(p string) *answer { return alice.inCookie().get(p) }, ""},
		{"5.1/owner, header in another case", func(p string) *answer { return k.get(p, "iplanetdirectorypro", alice.Token) }, ""},
		{"5.1/administrator", func(p string) *answer { return admin.get(p) }, ""},
		{"5.1/nobody", func(p string) *answer { return k.get(p) }, "Access Denied"},
		{"5.1/a session that has ended", func(p string) *answer { return ended.get(p) }, "Unauthorized"},
		{"5.1/no session at all", func(p string) *answer { return k.with("nothing").get(p) }, "Unauthorized"},
		{"5.1/a bearer token", func(p string) *answer { return k.get(p, "Authorization", "Bearer "+g.Access) }, "Access Denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.do(one(g.Access))
			if tt.message == "" {
				a.is(http.StatusOK)
			} else {
				a.refused(http.StatusUnauthorized, tt.message)
				tt.do(list("access_token")).refused(http.StatusUnauthorized, tt.message)
			}
		})
	}
}

func TestTokenRead(t *testing.T) { // 5.2
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", readOrders, func(a *token.Access, _ *token.Authorization) {
		a.Nonce, a.Claims = "n-0S6", `{"userinfo":{"email":null}}`
	})
	alice, admin := k.as("alpha", "alice"), k.admin()
	expires := k.Clock.Now().Add(time.Hour)

	want := map[string]any{
		"expireTime": []any{decimal(expires.UnixMilli())}, "tokenName": []any{"access_token"}, "scope": []any{"openid", "orders:read"},
		"grant_type": []any{"authorization_code"}, "clientID": []any{"web"}, "tokenType": []any{"Bearer"},
		"redirectURI": []any{"https://web.example.com/cb"}, "nonce": []any{"n-0S6"}, "realm": []any{"/alpha"},
		"userName": []any{people[alphaID]["alice"]}, "auth_time": []any{decimal(noon.Unix())}, "acr": []any{"Single_Factor"},
		"authModules": []any{"pwd"}, "claims": []any{`{"userinfo":{"email":null}}`},
	}
	t.Run("5.2/owner", func(t *testing.T) {
		got := alice.get(one(g.Access)).is(http.StatusOK).object()
		if _, ok := got["_rev"].(string); !ok {
			t.Errorf("_rev = %v, want text", got["_rev"])
		}
		delete(got, "_rev")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("5.2/administrator sees what it is known by", func(t *testing.T) {
		got := admin.get(one(g.Access)).is(http.StatusOK).object()
		delete(got, "_rev")
		all := map[string]any{
			"id": []any{g.Access}, "_id": g.Access, "parent": []any{g.Grant}, "refreshToken": []any{g.Grant},
			"authGrantId": []any{g.Grant}, "auditTrackingId": []any{k.handleOf(g)},
		}
		for name, v := range want {
			all[name] = v
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("5.2/refresh token", func(t *testing.T) {
		got := admin.get(one(g.Refresh)).is(http.StatusOK).object()
		delete(got, "_rev")
		want := map[string]any{
			"expireTime": []any{decimal(k.Clock.Now().Add(store.DefaultRefreshTokenTTL).UnixMilli())}, "tokenName": []any{"refresh_token"},
			"scope": []any{"openid", "orders:read"}, "grant_type": []any{"authorization_code"}, "clientID": []any{"web"},
			"tokenType": []any{"Bearer"}, "redirectURI": []any{}, "nonce": []any{}, "realm": []any{"/alpha"},
			"userName": []any{people[alphaID]["alice"]}, "auth_time": []any{decimal(noon.Unix())}, "acr": []any{"Single_Factor"},
			"authModules": []any{"pwd"}, "id": []any{g.Refresh}, "_id": g.Refresh, "parent": []any{}, "authGrantId": []any{g.Grant},
			"auditTrackingId": []any{g.Grant},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("5.2/client credentials: empty values are arrays, the client is userName", func(t *testing.T) {
		got := admin.get(one(k.credentials("alpha", "worker").Access)).is(http.StatusOK).object()
		for name, want := range map[string][]string{
			"scope": {}, "redirectURI": {}, "nonce": {}, "parent": {}, "authGrantId": {}, "userName": {"worker"}, "grant_type": {"client_credentials"},
		} {
			if diff := cmp.Diff(want, array(t, got, name)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		for _, name := range []string{"refreshToken", "auth_time", "acr", "authModules", "claims", "sessionIdentifier", "confirmationKey"} {
			if _, ok := got[name]; ok {
				t.Errorf("%s = %v, want none", name, got[name])
			}
		}
	})
	t.Run("5.2/_fields", func(t *testing.T) {
		got := admin.get(one(g.Access) + "?_fields=scope,clientID").is(http.StatusOK).object()
		if diff := cmp.Diff([]string{"_id", "_rev", "clientID", "scope"}, sortedNames(got)); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
		got = alice.get(one(g.Access) + "?_fields=scope,id,_id,parent").is(http.StatusOK).object()
		if diff := cmp.Diff([]string{"_rev", "scope"}, sortedNames(got)); diff != "" {
			t.Errorf("members of the owner (-want +got):\n%s", diff)
		}
	})
	t.Run("5.2/every kind is found, as it was sent", func(t *testing.T) {
		for name, text := range k.in(t).kinds() {
			if got := admin.get(one(text)).is(http.StatusOK).text("_id"); got != text {
				t.Errorf("%s: _id = %q, want %q", name, got, text)
			}
			alice.get(one(text)).is(http.StatusOK)
		}
	})
	t.Run("5.2/no-store", func(t *testing.T) {
		a := alice.get(one(g.Access)).is(http.StatusOK)
		if !strings.Contains(a.Header.Get("Cache-Control"), "no-store") || a.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("headers = %v", a.Header)
		}
	})
}

func decimal(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func sortedNames(m map[string]any) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// TestTokenGolden keeps the bodies that scripts out there have been written for.
func TestTokenGolden(t *testing.T) {
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", readOrders)
	neutral := strings.NewReplacer(g.Access, "<access token>", g.Refresh, "<refresh token>", g.Grant, "<grant>", g.ID, "<jti>")
	golden := func(name string, a *answer) {
		t.Helper()
		a.is(http.StatusOK)
		body := a.object()
		redactRev(body)
		b, err := json.MarshalIndent(body, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		testkit.Golden(t, name, []byte(neutral.Replace(string(b))+"\n"))
	}
	alice, admin := k.as("alpha", "alice"), k.admin()
	golden("frrest_token_owner.json", alice.get(one(g.Access)))
	golden("frrest_token_administrator.json", admin.get(one(g.Access)))
	golden("frrest_refresh_token_administrator.json", admin.get(one(g.Refresh)))
	golden("frrest_list_owner.json", alice.get(list("access_token")))
	golden("frrest_list_administrator.json", admin.get(list(ofUser("alice"))))
	golden("frrest_list_empty.json", admin.get(list(ofUser("bob"))))
	golden("applications.json", alice.get(applications("alpha", alice.k.id("alpha", "alice"))+"?_queryFilter=true"))
	golden("frrest_delete.json", alice.del(one(g.Access)))
	golden("application_delete.json", alice.del(applications("alpha", k.id("alpha", "alice"))+"/web"))
}

// redactRev takes the hashes out, which depend on what is random.
func redactRev(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["_rev"].(string); ok {
			v["_rev"] = "<hash>"
		}
		for _, inner := range v {
			redactRev(inner)
		}
	case []any:
		for _, inner := range v {
			redactRev(inner)
		}
	}
}

// id is somebody's.
func (k *kit) id(realm, user string) string { return people[k.env(realm).ID][user] }

func TestTokenRefusals(t *testing.T) { // 5.2, second table
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", readOrders)
	own, foreign := k.credentials("alpha", "worker", "orders:read"), k.personal("bravo", "alice", "web", readOrders)
	alice, bob, admin, bravo := k.as("alpha", "alice"), k.as("alpha", "bob"), k.admin(), k.as("bravo", "alice")
	idToken := "eyJhbGciOiJub25lIn0.e30."
	for _, tt := range []struct {
		name   string
		caller caller
		text   string
		status int
	}{
		{"5.2/owner", alice, g.Access, 200},
		{"5.2/super-user", admin, g.Access, 200},
		{"5.2/client credentials, super-user", admin, own.Access, 200},
		{"5.2/client credentials, anybody else", alice, own.Access, 401},
		{"5.2/another person's access token", bob, g.Access, 401},
		{"5.2/another person's refresh token", bob, g.Refresh, 401},
		{"5.2/another person's, by handle", bob, k.handleOf(g), 401},
		{"5.2/the same name in another realm", bravo, g.Access, 401},
		{"5.2/the same name in another realm, refresh token", bravo, g.Refresh, 401},
		{"5.2/its own realm", bravo, foreign.Access, 200},
		{"5.2/super-user, every realm", admin, foreign.Access, 200},
		{"5.2/unknown refresh token", alice, strings.Repeat("A", 43), 404},
		{"5.2/unknown, super-user", admin, strings.Repeat("A", 43), 404},
		{"5.2/unknown handle", alice, "ffffffff-0000-7000-8000-000000000000-1772370000", 404},
		{"5.2/handle with another expiry", alice, k.handleOf(g) + "0", 404},
		{"5.2/malformed JWT", alice, "a.b.c", 404},
		{"5.2/unsigned JWT", alice, idToken, 404},
		{"5.2/altered JWT", alice, g.Access[:len(g.Access)-6] + "AAAAAA", 404},
		{"5.2/nothing of ours", alice, "x", 404},
		{"5.2/longer than any token", alice, strings.Repeat("x", 20_000), 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.caller.get(one(tt.text))
			switch tt.status {
			case 200:
				a.is(200)
			case 401:
				a.refused(401, "Unauthorized")
				tt.caller.del(one(tt.text)).refused(401, "Unauthorized")
				tt.caller.post(one(tt.text)+"?_action=revoke", nil).refused(401, "Unauthorized")
			case 404:
				a.refused(404, noToken)
				tt.caller.del(one(tt.text)).refused(404, noToken)
				tt.caller.post(one(tt.text)+"?_action=revoke", nil).refused(404, "Token Not Found")
			}
		})
	}
	for what, raw := range map[string]string{"access": g.Access, "refresh": g.Refresh} {
		if !k.works(raw) {
			t.Errorf("%s token is not active after all that was refused", what)
		}
	}
	if !k.introspects("alpha", "worker", "worker-secret", own.Access) {
		t.Error("the token of client credentials is not active after all that was refused")
	}
}

// What the standard endpoint says is inactive is not found, and not listed.
func TestTokenVerdicts(t *testing.T) { // 5.2, 129
	for _, tt := range []struct {
		name string
		end  func(k *kit, g granted)
		// refresh alone: access tokens are good until they expire.
		refresh bool
	}{
		{"expired", func(k *kit, g granted) { k.Clock.Advance(store.DefaultRefreshTokenTTL + time.Second) }, false},
		{"session signed off", func(k *kit, g granted) {
			admin := k.admin()
			_ = admin
			if _, err := k.Sessions.End(k.t.Context(), k.Alpha, g.Session.ID, nil); err != nil {
				k.t.Fatal(err)
			}
		}, true},
		{"revoked by the client", func(k *kit, g granted) {
			k.form("/oauth2/realms/root/realms/alpha/token/revoke", url.Values{
				"token": {g.Refresh},
			}, basic("web", "web-secret")...).is(http.StatusOK)
		}, false},
	} {
		t.Run("5.2/"+tt.name, func(t *testing.T) {
			k := newKit(t)
			g := k.personal("alpha", "alice", "web", readOrders)
			tt.end(k, g)
			alice, admin := k.as("alpha", "alice"), k.admin()
			for what, raw := range map[string]string{"access": g.Access, "refresh": g.Refresh, "handle": k.handleAt(g, noon), "family": g.Grant} {
				want := 404
				if tt.refresh && (what == "access" || what == "handle") {
					want = 200
				}
				if got := alice.get(one(raw)).Status; got != want {
					t.Errorf("owner, %s: status = %d, want %d", what, got, want)
				}
				if got := admin.get(one(raw)).Status; got != want {
					t.Errorf("administrator, %s: status = %d, want %d", what, got, want)
				}
			}
			want := 0
			if tt.refresh {
				want = 1
			}
			if got := len(admin.get(list(ofUser("alice"))).items()); got != want {
				t.Errorf("listed = %d, want %d", got, want)
			}
		})
	}
}

// handleAt is the handle of an access token that was made at a time, for an hour.
func (k *kit) handleAt(g granted, made time.Time) string {
	r := token.Record{AccessToken: store.AccessToken{ID: g.ID, ExpiresAt: made.Add(time.Hour)}}
	return r.Handle()
}

func TestTokenSpent(t *testing.T) { // 5.2: an exchanged refresh token is inactive, its successor is not
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", readOrders)
	a := k.form("/oauth2/realms/root/realms/alpha/access_token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {g.Refresh},
	}, basic("web", "web-secret")...).is(http.StatusOK)
	alice, admin := k.as("alpha", "alice"), k.admin()
	alice.get(one(g.Refresh)).refused(404, noToken)
	alice.get(one(a.text("refresh_token"))).is(200)
	if got := array(t, admin.get(one(a.text("access_token"))).is(200).object(), "grant_type"); !slices.Equal(got, []string{"refresh_token"}) {
		t.Errorf("grant_type = %v, want refresh_token", got)
	}
	if got := len(admin.get(list("userName=alice,tokenName=refresh_token")).items()); got != 1 {
		t.Errorf("refresh tokens listed = %d, want 1", got)
	}
}

func TestTokenCompatClientCredentials(t *testing.T) { // 5.2: AM's behaviour, behind an option
	k := newKit(t, options{Legacy: func(c *legacy.Config) { c.Compat.ClientCredentialsTokens = true }})
	g, foreign := k.credentials("alpha", "worker"), k.credentials("bravo", "worker")
	alice := k.as("alpha", "alice")
	alice.get(one(g.Access)).is(200)
	alice.get(one(foreign.Access)).refused(401, "Unauthorized")
	alice.del(one(g.Access)).is(200)
	if k.introspects("alpha", "worker", "worker-secret", g.Access) {
		t.Error("active after DELETE")
	}
	if got := len(alice.get(list("tokenName=access_token")).items()); got != 0 {
		t.Errorf("own list = %d, want none: it belongs to nobody", got)
	}
}

func TestTokenRealm(t *testing.T) { // 5.2, section 2: ?realm= narrows
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", readOrders)
	alice, admin := k.as("alpha", "alice"), k.admin()
	for _, tt := range []struct {
		name   string
		caller caller
		realm  string
		status int
	}{
		{"own realm", alice, "/alpha", 200},
		{"own realm without slash", alice, "alpha", 200},
		{"another realm", alice, "/bravo", 404},
		{"administrator, the token's realm", admin, "/alpha", 200},
		{"administrator, another realm", admin, "/bravo", 404},
		{"administrator, the top realm", admin, "/", 404},
		{"no such realm", admin, "/charlie", 400},
		{"dots", admin, "/../", 400},
		{"two slashes", admin, "//alpha", 400},
	} {
		t.Run("5.2/realm, "+tt.name, func(t *testing.T) {
			tt.caller.get(one(g.Access) + "?realm=" + url.QueryEscape(tt.realm)).is(tt.status)
		})
	}
}

func TestTokenDelete(t *testing.T) { // 5.4
	for _, name := range []string{
		"a JWT", "a JWT, by its handle", "an opaque access token", "an opaque access token, by its handle",
		"a refresh token", "a refresh token, by its handle",
	} {
		for _, as := range []string{"owner", "administrator"} {
			t.Run("5.4/DELETE "+name+", "+as, func(t *testing.T) {
				k := newKit(t)
				kinds := k.kinds()
				caller := k.as("alpha", "alice")
				if as == "administrator" {
					caller = k.admin()
				}
				before := caller.get(one(kinds[name])).is(200).object()
				if diff := cmp.Diff(before, caller.del(one(kinds[name])).is(200).object()); diff != "" {
					t.Errorf("body (-GET +DELETE):\n%s", diff)
				}
				caller.get(one(kinds[name])).refused(404, noToken)
				caller.del(one(kinds[name])).refused(404, noToken)
				for other, raw := range kinds {
					if strings.HasSuffix(other, "handle") {
						continue
					}
					if want := !strings.HasPrefix(name, other); k.works(raw) != want {
						t.Errorf("%s: active = %v, want %v", other, !want, want)
					}
				}
				if !slices.ContainsFunc(k.Seen.Revocations(), func(kind string) bool { return kind == "token" || kind == "refresh_token" }) {
					t.Errorf("revocations counted = %v", k.Seen.Revocations())
				}
				if n := strings.Count(k.Log.String(), "token deleted"); n != 1 {
					t.Errorf("logged %d times, want once:\n%s", n, k.Log.String())
				}
			})
		}
	}
}

// Revocations are the kinds of revocations so far.
func (o *observer) Revocations() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.revoked)
}

func TestTokenRevoke(t *testing.T) { // 5.4
	for _, name := range []string{"access", "refresh"} {
		t.Run("5.4/_action=revoke, "+name, func(t *testing.T) {
			k := newKit(t)
			g, other := k.personal("alpha", "alice", "web", readOrders), k.personal("alpha", "alice", "web", readOrders)
			raw := map[string]string{"access": g.Access, "refresh": g.Refresh}[name]
			a := k.as("alpha", "alice").post(one(raw)+"?_action=revoke", nil).is(200)
			if string(a.Body) != "{}" {
				t.Errorf("body = %s, want {}", a.Body)
			}
			for what, raw := range map[string]string{"access": g.Access, "refresh": g.Refresh} {
				if k.works(raw) {
					t.Errorf("%s token is active", what)
				}
			}
			if !k.works(other.Access) || !k.works(other.Refresh) {
				t.Error("another authorization ended, too")
			}
			k.as("alpha", "alice").post(one(raw)+"?_action=revoke", nil).refused(404, "Token Not Found")
		})
	}
	t.Run("5.4/_action=revoke, client credentials", func(t *testing.T) {
		k := newKit(t)
		g, other := k.credentials("alpha", "worker"), k.credentials("alpha", "worker")
		k.admin().post(one(g.Access)+"?_action=revoke", nil).is(200)
		if k.introspects("alpha", "worker", "worker-secret", g.Access) || !k.introspects("alpha", "worker", "worker-secret", other.Access) {
			t.Error("want this token alone to end")
		}
	})
}

func TestTokenRevokeTokens(t *testing.T) { // 5.4
	off := newKit(t)
	g := off.personal("alpha", "alice", "web", readOrders)
	body := map[string]any{"client_id": "web"}
	off.post(one(g.Access)+"?_action=revokeTokens", body).refused(501, "Operation is not supported.")
	off.as("alpha", "alice").post(one(g.Access)+"?_action=revokeTokens", body).refused(501, "Operation is not supported.")

	k := newKit(t, options{Legacy: func(c *legacy.Config) { c.Compat.RevokeTokens = true }})
	g = k.personal("alpha", "alice", "web", readOrders)
	action := one(g.Access) + "?_action=revokeTokens"
	k.post(action, map[string]any{}).refused(400, "Missing clientId")
	k.post(action, nil, "Content-Type", "application/json").refused(400, "Missing clientId")
	k.post(action, map[string]any{"client_id": ""}).refused(400, "Missing clientId")
	k.post(action, map[string]any{"client_id": "worker"}).refused(403, "Unauthorized")
	k.post(action, map[string]any{"client_id": "WEB"}).refused(403, "Unauthorized")
	k.post(action, `{"client_id":1}`).refused(400, "")
	k.post(action, `client_id=web`, "Content-Type", "application/x-www-form-urlencoded").refused(415, "")
	k.post(one(strings.Repeat("A", 43))+"?_action=revokeTokens", body).refused(404, "Token Not Found")
	// Whoever knows a handle has no token.
	k.post(one(k.handleOf(g))+"?_action=revokeTokens", body).refused(404, "Token Not Found")
	k.post(one(g.Grant)+"?_action=revokeTokens", body).refused(404, "Token Not Found")
	if !k.works(g.Access) || !k.works(g.Refresh) {
		t.Fatal("inactive after all that was refused")
	}
	if a := k.post(action, body).is(200); string(a.Body) != "{}" {
		t.Errorf("body = %s, want {}", a.Body)
	}
	if k.works(g.Access) || k.works(g.Refresh) {
		t.Error("active after revokeTokens")
	}
}

func TestTokenNotSupported(t *testing.T) { // 5.4, section 10: wrong method
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", readOrders)
	alice := k.as("alpha", "alice")
	for _, tt := range []struct{ method, path string }{
		{"POST", frrest}, {"POST", frrest + "/"}, {"POST", frrest + "?_action=create"}, {"PUT", frrest}, {"PATCH", frrest}, {"DELETE", frrest},
		{"PUT", one(g.Access)}, {"PATCH", one(g.Access)}, {"POST", one(g.Access)}, {"POST", one(g.Access) + "?_action=Revoke"},
		{"POST", one(g.Access) + "?_action=delete"},
	} {
		t.Run("5.4/"+tt.method+" "+strings.ReplaceAll(tt.path, g.Access, "{token}"), func(t *testing.T) {
			alice.do(tt.method, tt.path, map[string]any{}, "X-Requested-With", "test").refused(501, "Operation is not supported.")
		})
	}
	alice.get(one(g.Access)).is(200)
}

func TestTokenCSRF(t *testing.T) { // 3.5, section 11
	k := newKit(t)
	alice := k.as("alpha", "alice")
	for _, tt := range []struct {
		name   string
		caller caller
		header []string
		status int
	}{
		{"header", alice, nil, 200},
		{"cookie alone", alice.inCookie(), nil, 403},
		{"cookie and X-Requested-With", alice.inCookie(), []string{"X-Requested-With", "XMLHttpRequest"}, 200},
		{"cookie and Accept-API-Version", alice.inCookie(), []string{"Accept-API-Version", "resource=1.0"}, 200},
	} {
		t.Run("3.5/"+tt.name, func(t *testing.T) {
			g := k.personal("alpha", "alice", "web", readOrders)
			tt.caller.get(one(g.Access)).is(200)
			tt.caller.del(one(g.Access), tt.header...).is(tt.status)
			tt.caller.post(one(g.Refresh)+"?_action=revoke", nil, tt.header...).is(tt.status)
			if got := k.works(g.Access) || k.works(g.Refresh); got != (tt.status != 200) {
				t.Errorf("active = %v", got)
			}
		})
	}
}

func TestTokenMisses(t *testing.T) { // section 11: enumeration
	k := newKit(t, options{Limited: true})
	g := k.personal("alpha", "alice", "web", readOrders)
	alice, bob, admin := k.as("alpha", "alice"), k.as("alpha", "bob"), k.admin()
	unknown := one(strings.Repeat("A", 43))
	for range 30 {
		bob.get(unknown).refused(404, noToken)
		bob.get(one(g.Access)).refused(401, "Unauthorized")
	}
	for range 100 {
		admin.get(unknown).refused(404, noToken)
	}
	for _, a := range []*answer{bob.get(unknown), bob.get(one(g.Access)), bob.del(one(g.Access)), bob.del(unknown)} {
		a.refused(http.StatusTooManyRequests, "")
		if a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", a.what)
		}
	}
	bob.get(one(k.personal("alpha", "bob", "web", readOrders).Access)).is(200) // what is one's own is never refused
	alice.get(unknown).refused(404, noToken)                                   // another session is not affected
	k.Clock.Advance(2 * time.Second)
	bob.get(unknown).refused(404, noToken)
}

func TestTokenCalled(t *testing.T) { // owners find who still calls
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", readOrders)
	k.admin().get(one(g.Access)).is(200)
	if calls := k.Seen.Called(); !slices.Contains(calls, [2]string{"frrest_token", "web"}) {
		t.Errorf("calls = %v, want frrest_token about web", calls)
	}
}

func TestTokenUnavailable(t *testing.T) { // 5.2: 503
	broken := &failing{}
	k := newKit(t, options{Store: broken.around(testkit.Store(t))})
	g := k.personal("alpha", "alice", "web", readOrders)
	alice := k.as("alpha", "alice")
	alice.get(one(g.Access)).is(200)
	broken.tokens.Store(true)
	for _, text := range []string{k.handleOf(g), g.Access, g.Refresh, g.Grant} {
		alice.get(one(text)).refused(503, "")
	}
	alice.get(list("access_token")).refused(503, "")
	alice.get(applications("alpha", k.id("alpha", "alice"))+"?_queryFilter=true").refused(503, "")
	broken.tokens.Store(false)
	alice.get(one(g.Access)).is(200)
}
