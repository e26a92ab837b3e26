package legacy_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

const (
	authenticate = "/json/realms/root/realms/alpha/authenticate"
	sessions     = "/json/realms/root/realms/alpha/sessions"
)

// credentials are the headers of one-step sign-on.
func credentials(name, password string) []string {
	return []string{"X-OpenAM-Username", name, "X-OpenAM-Password", password}
}

var (
	masked = []struct {
		of   *regexp.Regexp
		with string
	}{
		{regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`), "<jwt>"},
		{regexp.MustCompile(`[A-Za-z0-9_-]{43}\*`), "<secret>*"},
		{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`), "<uuid>"},
	}
)

// golden compares an answer with a recorded one: status, the headers that clients go by, and the body.
func (a *answer) golden(name string) {
	a.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", a.Status)
	for _, h := range []string{
		"Cache-Control", "Content-Api-Version", "Content-Security-Policy", "Content-Type", "Etag", "Expires", "Pragma", "Referrer-Policy", "Set-Cookie",
	} {
		for _, v := range a.Header.Values(h) {
			fmt.Fprintf(&b, "%s: %s\n", h, v)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", a.Body)
	text := b.String()
	for _, m := range masked {
		text = m.of.ReplaceAllString(text, m.with)
	}
	testkit.Golden(a.t, name+".http", []byte(text))
}

// 3.3: one step, with the credentials in headers.
func TestZeroPageSignOn(t *testing.T) {
	k := newKit(t, options{Declared: func(c *declared.Config) {
		u := &c.Environments[0].Users
		*u = append(*u,
			declared.User{Username: "jörg", Password: "pässwörd-€", ID: "c0000000-0000-4000-8000-000000000001"},
			declared.User{Username: "gone", Password: "gone-demo-pass", ID: "c0000000-0000-4000-8000-000000000002", Disabled: true})
	}})
	word := func(s string) string { return "=?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?=" }
	tests := []struct {
		name           string
		user, password string
		status         int
	}{
		{"3.3/the right password", "alice", "alice-demo-pass", 200},
		{"3.3/another case of the name", "ALICE", "alice-demo-pass", 200},
		{"3.3/RFC 2047 base64", word("jörg"), word("pässwörd-€"), 200},
		{"3.3/RFC 2047 quoted printable", "=?utf-8?q?j=C3=B6rg?=", word("pässwörd-€"), 200},
		{"3.3/RFC 2047 ISO-8859-1", "=?iso-8859-1?q?j=F6rg?=", word("pässwörd-€"), 200},
		{"3.3/RFC 2047 in several words", "=?utf-8?b?asO2?= =?utf-8?b?cmc=?=", word("pässwörd-€"), 200},
		{"3.3/ASCII in an encoded word", word("alice"), word("alice-demo-pass"), 200},
		{"3.3/UTF-8 as it is", "jörg", "pässwörd-€", 200},
		{"3.3/a character set that nobody knows", "=?x-none?b?asO2?=", "alice-demo-pass", 401},
		{"3.3/a wrong password", "alice", "bob-demo-pass", 401},
		{"3.3/an unknown user", "carol", "alice-demo-pass", 401},
		{"3.3/a disabled user", "gone", "gone-demo-pass", 401},
		{"3.3/no name", "", "alice-demo-pass", 401},
		{"3.3/no password", "alice", "", 401},
		{"3.3/an administrator, who is of the top realm", amadmin, amadminPassword, 401},
		{"3.3/not UTF-8", "alice\xff", "alice-demo-pass", 401},
		{"3.3/a NUL in a word", word("alice\x00"), "alice-demo-pass", 401},
		{"3.3/a name of 5000 characters", strings.Repeat("a", 5000), "alice-demo-pass", 401},
		{"3.3/a password of 5000 characters", "alice", strings.Repeat("a", 5000), 401},
	}
	var refusals [][]byte
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := k.in(t).post(authenticate, nil, credentials(tt.user, tt.password)...).is(tt.status)
			if tt.status != 200 {
				refusals = append(refusals, a.Body)
				if a.cookie(cookie) != nil {
					t.Error("a cookie is set")
				}
				return
			}
			if a.text("tokenId") == "" || a.text("successUrl") != "/am/console" || a.text("realm") != "/alpha" || len(a.object()) != 3 {
				t.Errorf("body = %s", a.Body)
			}
			if c := a.cookie(cookie); c == nil || c.Value != a.text("tokenId") {
				t.Errorf("cookie = %v, want tokenId in it", c)
			}
			k.in(t).with(a.text("tokenId")).post(sessions+"?_action=getSessionInfo", nil).is(200)
		})
	}
	// One text for every reason.
	want := `{"code":401,"reason":"Unauthorized","message":"Login failure","failureUrl":""}`
	for _, got := range refusals {
		if string(got) != want {
			t.Errorf("body = %s, want %s", got, want)
		}
	}
	t.Run("3.3/twice the same header", func(t *testing.T) {
		k.in(t).post(authenticate, nil, append(credentials("alice", "alice-demo-pass"), "X-OpenAM-Username", "bob")...).refused(400, "")
		k.in(t).post(authenticate, nil, append(credentials("alice", "alice-demo-pass"), "X-OpenAM-Password", "x")...).refused(400, "")
	})
	t.Run("3.3/one of the two headers: callbacks", func(t *testing.T) {
		for _, h := range [][]string{{"X-OpenAM-Username", "alice"}, {"X-OpenAM-Password", "alice-demo-pass"}} {
			if a := k.in(t).post(authenticate, nil, h...).is(200); a.text("authId") == "" || a.text("tokenId") != "" {
				t.Errorf("body = %s, want callbacks", a.Body)
			}
		}
	})
}

// filled is the body of an answer with callbacks, with values.
func (a *answer) filled(values ...string) map[string]any {
	a.t.Helper()
	object := a.object()
	list, _ := object["callbacks"].([]any)
	if len(list) != len(values) {
		a.t.Fatalf("%s: %d callbacks, want %d: %s", a.what, len(list), len(values), a.Body)
	}
	for i, v := range values {
		list[i].(map[string]any)["input"].([]any)[0].(map[string]any)["value"] = v
	}
	return object
}

// 3.3: in two steps, with callbacks.
func TestCallbacks(t *testing.T) {
	k := newKit(t)
	start := func(t *testing.T) *answer { return k.in(t).post(authenticate, nil).is(200) }
	good := func(t *testing.T) map[string]any { return start(t).filled("alice", "alice-demo-pass") }
	first := func(m map[string]any) map[string]any { return m["callbacks"].([]any)[0].(map[string]any) }
	timedOut := "Session has timed out"

	tests := []struct {
		name    string
		edit    func(m map[string]any)
		status  int
		message string
	}{
		{"3.3/as it came", func(map[string]any) {}, 200, ""},
		{"3.3/without what is optional", func(m map[string]any) {
			for _, name := range []string{"stage", "header", "template"} {
				delete(m, name)
			}
			for _, c := range m["callbacks"].([]any) {
				delete(c.(map[string]any), "output")
				delete(c.(map[string]any), "_id")
			}
		}, 200, ""},
		{"3.3/members that nobody knows", func(m map[string]any) { m["more"] = []any{1, "x"} }, 200, ""},
		{"3.3/a wrong password", func(m map[string]any) {
			m["callbacks"].([]any)[1].(map[string]any)["input"].([]any)[0].(map[string]any)["value"] = "bob-demo-pass"
		}, 401, "Login failure"},
		{"3.3/authId altered", func(m map[string]any) { m["authId"] = flip(m["authId"].(string)) }, 401, timedOut},
		{"3.3/authId of one part", func(m map[string]any) { m["authId"] = "x" }, 401, timedOut},
		{"3.3/authId is no text", func(m map[string]any) { m["authId"] = 1 }, 400, ""},
		{"3.3/authId empty", func(m map[string]any) { m["authId"] = "" }, 400, ""},
		{"3.3/no authId", func(m map[string]any) { delete(m, "authId") }, 400, ""},
		{"3.3/no callbacks", func(m map[string]any) { delete(m, "callbacks") }, 400, ""},
		{"3.3/callbacks are no list", func(m map[string]any) { m["callbacks"] = "x" }, 400, ""},
		{"3.3/one callback", func(m map[string]any) { m["callbacks"] = m["callbacks"].([]any)[:1] }, 400, ""},
		{"3.3/three callbacks", func(m map[string]any) { m["callbacks"] = append(m["callbacks"].([]any), m["callbacks"].([]any)[0]) }, 400, ""},
		{"3.3/a hundred callbacks", func(m map[string]any) { m["callbacks"] = slices.Repeat(m["callbacks"].([]any), 50) }, 400, ""},
		{"3.3/callbacks in another order", func(m map[string]any) { slices.Reverse(m["callbacks"].([]any)) }, 400, ""},
		{"3.3/another type", func(m map[string]any) { first(m)["type"] = "PasswordCallback" }, 400, ""},
		{"3.3/another name", func(m map[string]any) { first(m)["input"].([]any)[0].(map[string]any)["name"] = "IDToken2" }, 400, ""},
		{"3.3/two inputs", func(m map[string]any) { first(m)["input"] = slices.Repeat(first(m)["input"].([]any), 2) }, 400, ""},
		{"3.3/no input", func(m map[string]any) { delete(first(m), "input") }, 400, ""},
		{"3.3/a number as value", func(m map[string]any) { first(m)["input"].([]any)[0].(map[string]any)["value"] = 7 }, 400, ""},
		{"3.3/an object as value", func(m map[string]any) { first(m)["input"].([]any)[0].(map[string]any)["value"] = map[string]any{} }, 400, ""},
		{"3.3/no value", func(m map[string]any) { first(m)["input"].([]any)[0].(map[string]any)["value"] = nil }, 401, "Login failure"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := good(t)
			tt.edit(body)
			a := k.in(t).post(authenticate, body)
			if tt.status == 200 {
				if a.is(200); a.text("tokenId") == "" {
					t.Errorf("body = %s, want a token", a.Body)
				}
				return
			}
			a.refused(tt.status, tt.message)
			if tt.message == timedOut && a.text("detail.errorCode") != "110" {
				t.Errorf("body = %s, want detail code 110", a.Body)
			}
		})
	}
}

// flip changes one letter in the middle of the last part.
func flip(text string) string {
	i := strings.LastIndexByte(text, '.') + 20
	c := byte('A')
	if text[i] == c {
		c = 'B'
	}
	return text[:i] + string(c) + text[i+1:]
}

// 3.3: an authId is good once, for five minutes, in its realm and service, on every node, and
// is no other token, nor is any other token one.
func TestAuthID(t *testing.T) {
	k := newKit(t, options{Legacy: func(c *legacy.Config) { c.Services = []string{"Login", "Second"} }})
	begin := func(t *testing.T, query string) map[string]any {
		return k.in(t).post(authenticate+query, nil).is(200).filled("alice", "alice-demo-pass")
	}
	const timedOut = "Session has timed out"

	t.Run("3.3/reused after success", func(t *testing.T) {
		k := k.in(t)
		body := begin(t, "")
		k.post(authenticate, body).is(200)
		k.post(authenticate, body).refused(401, timedOut)
	})
	t.Run("3.3/reused after a wrong password", func(t *testing.T) {
		k := k.in(t)
		started := k.post(authenticate, nil).is(200)
		k.post(authenticate, started.filled("alice", "wrong")).refused(401, "Login failure")
		k.post(authenticate, started.filled("alice", "alice-demo-pass")).refused(401, timedOut)
	})
	t.Run("3.3/of ten at once one signs on", func(t *testing.T) {
		body := begin(t, "")
		var mu sync.Mutex
		counts := map[int]int{}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				a := k.in(t).post(authenticate, body)
				mu.Lock()
				defer mu.Unlock()
				counts[a.Status]++
			})
		}
		wg.Wait()
		if diff := cmp.Diff(map[int]int{200: 1, 401: 9}, counts); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
	t.Run("3.3/expired", func(t *testing.T) {
		k := k.in(t)
		late, just := begin(t, ""), begin(t, "")
		k.Clock.Advance(5*time.Minute - time.Second)
		k.post(authenticate, just).is(200)
		k.Clock.Advance(time.Second)
		k.post(authenticate, late).refused(401, timedOut)
	})
	t.Run("3.3/in another realm", func(t *testing.T) {
		k := k.in(t)
		k.post(strings.Replace(authenticate, "alpha", "bravo", 1), begin(t, "")).refused(401, timedOut)
		k.post("/json/authenticate", begin(t, "")).refused(401, timedOut)
		k.post("/json/authenticate?realm=/alpha", begin(t, "")).is(200)
	})
	t.Run("3.3/in another service", func(t *testing.T) {
		k := k.in(t)
		second := "?authIndexType=service&authIndexValue=Second"
		k.post(authenticate+second, begin(t, "")).refused(401, timedOut)
		k.post(authenticate+second, begin(t, second)).is(200)
		k.post(authenticate, begin(t, second)).is(200) // which it names itself
	})
	t.Run("3.3/on another node", func(t *testing.T) {
		node := newKit(t, options{Store: k.Store, Clock: k.Clock, Legacy: func(c *legacy.Config) { c.Services = []string{"Login", "Second"} }})
		body := begin(t, "")
		token := node.post(authenticate, body).is(200).text("tokenId")
		k.in(t).post(authenticate, body).refused(401, timedOut)
		k.in(t).with(token).post(sessions+"?_action=validate", nil).is(200)
	})
	t.Run("3.3/a token of another kind", func(t *testing.T) {
		k := k.in(t)
		g := k.personal("alpha", "alice", "web", []string{"openid"})
		claims := []byte(fmt.Sprintf(`{"jti":"x","realm":"/alpha","service":"Login","step":"credentials","exp":%d}`, k.Clock.Now().Add(time.Minute).Unix()))
		other, err := jose.SignSecret(jose.HS256, []byte("another secret of 32 bytes or so"), "am-authid+jwt", claims)
		if err != nil {
			t.Fatal(err)
		}
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"am-authid+jwt"}`))
		none := head + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
		for _, id := range []string{g.Access, other, none, strings.Repeat("a", 5000)} {
			body := begin(t, "")
			body["authId"] = id
			k.post(authenticate, body).refused(401, timedOut)
		}
	})
	t.Run("3.3/as a token of another kind", func(t *testing.T) {
		k := k.in(t)
		id := begin(t, "")["authId"].(string)
		k.with(id).post(sessions+"?_action=getSessionInfo", nil).refused(401, "Unauthorized")
		k.get("/oauth2/realms/root/realms/alpha/tokeninfo", "Authorization", "Bearer "+id).refusedOAuth(401, "invalid_token")
		k.get("/oauth2/realms/root/realms/alpha/userinfo", "Authorization", "Bearer "+id).is(401)
	})
}

// 3.3 and attack row 124: a sign-on that is only begun stores nothing.
func TestBegunSignOnsStoreNothing(t *testing.T) {
	counted := &writes{Store: testkit.Store(t)}
	k := newKit(t, options{Store: counted})
	k.post(authenticate, nil).is(200)
	before := counted.n()
	for range 200 {
		k.post(authenticate, nil).is(200)
		k.post(authenticate, `{}`).is(200)
	}
	if got := counted.n() - before; got != 0 {
		t.Errorf("%d writes for 400 beginnings, want none", got)
	}
}

// 3.3: the query.
func TestAuthenticateParameters(t *testing.T) {
	k := newKit(t)
	tests := []struct {
		name, query string
		status      int
		message     string
	}{
		{"3.3/the default service by name", "authIndexType=service&authIndexValue=Login", 200, ""},
		{"3.3/another service that there is", "authIndexType=service&authIndexValue=ldapService", 200, ""},
		{"3.3/locale", "locale=de", 200, ""},
		{"3.3/an unknown service", "authIndexType=service&authIndexValue=Nope", 400, "No Configuration found"},
		{"3.3/a service in another case", "authIndexType=service&authIndexValue=login", 400, "No Configuration found"},
		{"3.3/a module", "authIndexType=module&authIndexValue=DataStore", 400, "No Configuration found"},
		{"3.3/a level", "authIndexType=level&authIndexValue=1", 400, "No Configuration found"},
		{"3.3/a type that there is not", "authIndexType=planet&authIndexValue=Login", 400, "No Configuration found"},
		{"3.3/no type", "authIndexValue=Login", 400, "No Configuration found"},
		{"3.3/no value", "authIndexType=service", 400, "No Configuration found"},
		{"3.3/two values", "authIndexType=service&authIndexValue=Login&authIndexValue=Nope", 400, ""},
		{"3.3/ForceAuth=false", "ForceAuth=false", 200, ""},
		{"3.3/ForceAuth=perhaps", "ForceAuth=perhaps", 400, ""},
		{"3.3/ForceAuth twice", "ForceAuth=true&ForceAuth=false", 400, ""},
		{"3.3/noSession=1", "noSession=1", 400, ""},
		{"4/an unknown parameter of CREST", "_nope=1", 400, ""},
		{"4/a malformed query", "realm=%zz", 400, ""},
		{"4/a semicolon", "noSession=true;ForceAuth=true", 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := k.in(t).post(authenticate+"?"+tt.query, nil, credentials("alice", "alice-demo-pass")...)
			if tt.status == 200 {
				a.is(200)
			} else {
				a.refused(tt.status, tt.message)
			}
		})
	}
}

// 3.3: the body, its type and size.
func TestAuthenticateBody(t *testing.T) {
	k := newKit(t)
	good, err := json.Marshal(k.post(authenticate, nil).filled("alice", "alice-demo-pass"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	tests := []struct {
		name, body, kind string
		status           int
	}{
		{"3.3/empty", "", "application/json", 200},
		{"3.3/empty without a type", "", "", 200},
		{"3.3/an empty object", "{}", "application/json", 200},
		{"3.3/white space around", " {} \n", "application/json", 200},
		{"3.3/with a character set", "{}", "application/json; charset=UTF-8", 200},
		{"3.3/callbacks", text, "application/json", 200},
		{"3.3/not JSON", "authId", "application/json", 400},
		{"3.3/cut off", text[:len(text)-1], "application/json", 400},
		{"3.3/a list", "[]", "application/json", 400},
		{"3.3/null", "null", "application/json", 400},
		{"3.3/two objects", "{}{}", "application/json", 400},
		{"3.3/a member twice", `{"a":1,"a":2}`, "application/json", 400},
		{"3.3/authId twice, in two cases", `{"authId":"x","authid":"y","callbacks":[]}`, "application/json", 400},
		{"3.3/nested too deeply", `{"a":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`, "application/json", 400},
		{"3.3/U+0000", `{"a":"\u0000"}`, "application/json", 400},
		{"3.3/not UTF-8", "{\"a\":\"\xff\"}", "application/json", 400},
		{"3.3/a form", "a=b", "application/x-www-form-urlencoded", 415},
		{"3.3/a type that a page of another site can send", text, "text/plain", 415},
		{"3.3/an empty body of another type", "", "text/plain", 415},
		{"3.3/a body without a type", text, "", 415},
		{"3.3/the type twice", "{}", "application/json, application/json", 415},
		{"3.3/64 KiB", `{"a":"` + strings.Repeat("x", 64<<10-8) + `"}`, "application/json", 200},
		{"3.3/more than 64 KiB", `{"a":"` + strings.Repeat("x", 64<<10) + `"}`, "application/json", 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := k.in(t)
			var header []string
			if tt.kind != "" {
				header = []string{"Content-Type", tt.kind}
			}
			r := k.request("POST", authenticate, strings.NewReader(tt.body), header...)
			a := k.serve(r)
			if tt.status == 200 {
				a.is(200)
			} else {
				a.refused(tt.status, "")
			}
			if strings.Contains(string(a.Body), "alice-demo-pass") {
				t.Errorf("the password is repeated: %s", a.Body)
			}
		})
	}
	t.Run("3.3/encoded", func(t *testing.T) {
		k.in(t).post(authenticate, "{}", "Content-Encoding", "gzip").refused(415, "")
	})
	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
		t.Run("3.3/"+method, func(t *testing.T) {
			a := k.in(t).do(method, authenticate, nil, credentials("alice", "alice-demo-pass")...).refused(405, "")
			if got := a.Header.Get("Allow"); got != "POST, OPTIONS" {
				t.Errorf("Allow = %q", got)
			}
		})
	}
}

// 3.3: Accept-API-Version.
func TestAuthenticateVersions(t *testing.T) {
	k := newKit(t)
	tests := []struct {
		name, header string
		status       int
		want         string // Content-API-Version
	}{
		{"3.3/none", "", 200, "resource=2.1"},
		{"3.3/2.0", "resource=2.0, protocol=1.0", 200, "resource=2.1"},
		{"3.3/2.1", "protocol=1.0,resource=2.1", 200, "resource=2.1"},
		{"3.3/2", "resource=2", 200, "resource=2.1"},
		{"3.3/1.0", "resource=1.0", 200, "resource=1.2"},
		{"3.3/the protocol alone", "protocol=2.1", 200, "resource=2.1"},
		{"3.3/2.2", "resource=2.2", 404, ""},
		{"3.3/9.0", "resource=9.0", 404, ""},
		{"3.3/another protocol", "resource=2.0, protocol=9.0", 404, ""},
		{"3.3/words", "resource=latest", 400, ""},
		{"3.3/twice", "resource=2.0, resource=1.0", 400, ""},
		{"3.3/an unknown name", "resource=2.0, colour=1.0", 400, ""},
		{"3.3/what a log would choke on", "resource=2.0\x1b[31m", 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := credentials("alice", "alice-demo-pass")
			if tt.header != "" {
				h = append(h, "Accept-API-Version", tt.header)
			}
			a := k.in(t).post(authenticate, nil, h...).is(tt.status)
			if got := a.Header.Get("Content-API-Version"); got != tt.want && tt.status == 200 {
				t.Errorf("Content-API-Version = %q, want %q", got, tt.want)
			}
			if tt.status == 404 && !strings.Contains(a.text("message"), ` version "`) {
				t.Errorf("message = %q, want the version that was asked for", a.text("message"))
			}
		})
	}
	t.Run("3.3/two headers", func(t *testing.T) {
		k.in(t).post(authenticate, nil, "Accept-API-Version", "resource=2.0", "Accept-API-Version", "resource=1.0").refused(400, "")
	})
	t.Run("3.3/errors of the first version", func(t *testing.T) {
		k := k.in(t)
		a := k.post(authenticate, nil, append(credentials("alice", "wrong"), "Accept-API-Version", "resource=1.0")...).is(401)
		if diff := cmp.Diff(map[string]any{"errorMessage": "Login failure"}, a.object()); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
		a = k.post(authenticate, "x", "Accept-API-Version", "resource=1.1").is(400)
		if a.text("errorMessage") == "" || len(a.object()) != 1 {
			t.Errorf("body = %s", a.Body)
		}
	})
}

// 3.3: noSession, ForceAuth, sessionUpgradeSSOTokenId, and who comes with a session.
func TestSignOnWithASession(t *testing.T) {
	info := sessions + "?_action=getSessionInfo"
	csrf := []string{"X-Requested-With", "XMLHttpRequest"}
	t.Run("3.3/noSession", func(t *testing.T) {
		k := newKit(t)
		a := k.post(authenticate+"?noSession=true", nil, credentials("alice", "alice-demo-pass")...).is(200)
		want := map[string]any{"message": "Authentication Successful", "successUrl": "/am/console", "realm": "/alpha"}
		if diff := cmp.Diff(want, a.object()); diff != "" || a.cookie(cookie) != nil {
			t.Errorf("cookie = %v, body (-want +got):\n%s", a.cookie(cookie), diff)
		}
		if list, err := k.Sessions.List(t.Context(), k.Alpha, people[alphaID]["alice"]); err != nil || len(list) != 0 {
			t.Errorf("sessions = %v, %v, want none", list, err)
		}
		k.post(authenticate+"?noSession=true", nil, credentials("alice", "wrong")...).refused(401, "Login failure")
		body := k.post(authenticate+"?noSession=true", nil).filled("alice", "alice-demo-pass")
		if a := k.post(authenticate, body).is(200); a.text("tokenId") != "" {
			t.Errorf("body = %s, want no token: that was said at the start", a.Body)
		}
	})
	t.Run("3.3/a good session is answered as it is", func(t *testing.T) {
		k := newKit(t)
		alice := k.as("alpha", "alice")
		for _, c := range []caller{alice, {k, alice.Token, append(alice.inCookie().header, csrf...)}} {
			a := c.post(authenticate, nil).is(200)
			if a.text("tokenId") != alice.Token || a.text("realm") != "/alpha" {
				t.Errorf("body = %s, want the caller's own token", a.Body)
			}
		}
		if got := k.Seen.SignOns(); len(got) != 1 {
			t.Errorf("sign-ons = %q, want the one before", got)
		}
	})
	t.Run("3.3/ForceAuth", func(t *testing.T) {
		k := newKit(t)
		alice := k.as("alpha", "alice")
		a := alice.post(authenticate+"?ForceAuth=true", nil).is(200)
		if a.text("authId") == "" {
			t.Fatalf("body = %s, want callbacks", a.Body)
		}
		before := alice.post(info, nil).text("properties.AMCtxId")
		token := alice.post(authenticate+"?ForceAuth=true", a.filled("alice", "alice-demo-pass")).is(200).text("tokenId")
		if token == alice.Token {
			t.Error("the token is the same, want a new one after a sign-on")
		}
		alice.post(info, nil).refused(401, "Unauthorized")
		if got := k.with(token).post(info, nil).is(200).text("properties.AMCtxId"); got != before {
			t.Errorf("session = %s, want %s: it goes on", got, before)
		}
	})
	t.Run("3.3/a session of another realm", func(t *testing.T) {
		k := newKit(t)
		bravo := k.as("bravo", "alice")
		if a := bravo.post(authenticate, nil).is(200); a.text("authId") == "" {
			t.Errorf("body = %s, want callbacks", a.Body)
		}
		bravo.post(authenticate, nil, credentials("alice", "alice-demo-pass")...).is(200)
		bravo.post("/json/sessions?_action=getSessionInfo", nil).is(200)
		// The cookie is overwritten, so what it stood for goes.
		bravo.inCookie().post(authenticate, nil, append(credentials("alice", "alice-demo-pass"), csrf...)...).is(200)
		bravo.post("/json/sessions?_action=getSessionInfo", nil).refused(401, "Unauthorized")
	})
	t.Run("3.3/another person: the session before ends, with its tokens", func(t *testing.T) {
		k := newKit(t)
		alice := k.as("alpha", "alice")
		a := alice.inCookie().post(authenticate, nil, append(credentials("bob", "bob-demo-pass"), csrf...)...).is(200)
		alice.post(info, nil).refused(401, "Unauthorized")
		if got := k.with(a.text("tokenId")).post(info, nil).is(200).text("username"); got != people[alphaID]["bob"] {
			t.Errorf("username = %s, want bob's ID", got)
		}
		if !slices.Contains(k.Seen.revokedKinds(), string(store.RevokedSession)) {
			t.Errorf("revoked = %q, want the session", k.Seen.revokedKinds())
		}
	})
	t.Run("3.3/a session that has ended", func(t *testing.T) {
		k := newKit(t)
		alice := k.as("alpha", "alice")
		alice.post(sessions+"?_action=logout", nil).is(200)
		if a := alice.post(authenticate, nil).is(200); a.text("authId") == "" {
			t.Errorf("body = %s, want callbacks", a.Body)
		}
		alice.post(authenticate, nil, credentials("alice", "alice-demo-pass")...).is(200)
	})
	t.Run("3.3/sessionUpgradeSSOTokenId", func(t *testing.T) {
		k := newKit(t)
		alice := k.as("alpha", "alice")
		id := alice.post(info, nil).text("properties.AMCtxId")
		query := authenticate + "?sessionUpgradeSSOTokenId=" + url.QueryEscape(alice.Token)
		if a := k.post(query, nil).is(200); a.text("authId") == "" {
			t.Errorf("body = %s, want callbacks: an upgrade proves anew", a.Body)
		}
		token := k.post(query, nil, credentials("alice", "alice-demo-pass")...).is(200).text("tokenId")
		if got := k.with(token).post(info, nil).is(200).text("properties.AMCtxId"); got != id {
			t.Errorf("session = %s, want %s: it goes on", got, id)
		}
		k.post(query, nil, credentials("alice", "alice-demo-pass")...).refused(401, "Session has timed out")
		bravo := k.as("bravo", "alice")
		k.post(authenticate+"?sessionUpgradeSSOTokenId="+url.QueryEscape(bravo.Token), nil, credentials("alice", "alice-demo-pass")...).
			refused(401, "Session has timed out")
		k.post(authenticate+"?sessionUpgradeSSOTokenId=x", nil, credentials("alice", "alice-demo-pass")...).refused(401, "Session has timed out")
	})
}

// 3.3: lockout and limits are everybody's.
func TestSignOnLimits(t *testing.T) {
	t.Run("3.3/five wrong passwords lock the account; its text is the same", func(t *testing.T) {
		k := newKit(t)
		for _, path := range []string{authenticate, "/json/authenticate"} {
			name := "alice"
			if path != authenticate {
				name = amadmin
			}
			for range 6 {
				k.post(path, nil, credentials(name, "wrong")...).refused(401, "Login failure")
			}
			k.post(path, nil, credentials(name, name+"-demo-pass")...).refused(401, "Login failure")
		}
		k.post(authenticate, nil, credentials("bob", "bob-demo-pass")...).is(200)
		k.post(strings.Replace(authenticate, "alpha", "bravo", 1), nil, credentials("alice", "alice-demo-pass")...).is(200)
		node := newKit(t, options{Store: k.Store, Clock: k.Clock})
		node.post("/json/authenticate", nil, credentials(amadmin, amadminPassword)...).refused(401, "Login failure")
		k.Clock.Advance(16 * time.Minute)
		k.as("alpha", "alice")
		k.admin()
	})
	t.Run("3.3/one address, too many tries: 429", func(t *testing.T) {
		for _, path := range []string{authenticate, "/json/authenticate"} {
			k := newKit(t, options{Limited: true})
			var a *answer
			for i := range 40 {
				if a = k.post(path, nil, credentials(fmt.Sprint("nobody", i), "wrong")...); a.Status != 401 {
					break
				}
			}
			a.refused(429, "")
			if a.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			body := k.post(authenticate, nil).is(200).filled("alice", "alice-demo-pass")
			if path != authenticate {
				continue
			}
			k.post(authenticate, body).refused(429, "")
			k.Clock.Advance(time.Minute)
			k.post(authenticate, body).is(200) // the authId was not spent
		}
	})
	t.Run("sign-ons are counted", func(t *testing.T) {
		k := newKit(t)
		k.post(authenticate, nil, credentials("alice", "wrong")...)
		k.as("alpha", "alice")
		k.post(authenticate+"?noSession=true", nil, credentials("alice", "alice-demo-pass")...)
		if diff := cmp.Diff([]string{"access_denied", "ok", "ok"}, k.Seen.SignOns()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// 3.3: a password that has to be changed is, by callbacks, before there is a session.
func TestPasswordChange(t *testing.T) {
	k := newKit(t)
	alice := people[alphaID]["alice"]
	must := func(t *testing.T) {
		t.Helper()
		cred, err := k.Store.CredentialOf(t.Context(), alphaID, alice)
		if err != nil {
			cred = store.Credential{Environment: alphaID, Subject: alice}
		}
		cred.MustChange = true
		if err := k.Store.PutCredential(t.Context(), cred); err != nil {
			t.Fatal(err)
		}
	}
	must(t)
	asked := k.post(authenticate, nil, credentials("alice", "alice-demo-pass")...).is(200)
	if asked.text("tokenId") != "" || asked.cookie(cookie) != nil || asked.text("callbacks.0.output.0.value") != "Old Password" {
		t.Fatalf("body = %s, want callbacks for a new password and no session", asked.Body)
	}
	asked.golden("authenticate_change")
	again := k.post(authenticate, asked.filled("alice-demo-pass", "a-new-demo-pass", "another-demo-pass")).is(200)
	if again.text("authId") == "" {
		t.Fatalf("body = %s, want callbacks again: the new passwords differ", again.Body)
	}
	weak := k.post(authenticate, again.filled("alice-demo-pass", "short", "short")).is(200)
	if weak.text("authId") == "" || strings.Contains(string(weak.Body), "short") {
		t.Fatalf("body = %s, want callbacks again: the new password is weak", weak.Body)
	}
	k.post(authenticate, weak.filled("wrong-demo-pass", "a-new-demo-pass", "a-new-demo-pass")).refused(401, "Login failure")
	asked = k.post(authenticate, nil, credentials("alice", "alice-demo-pass")...).is(200)
	k.post(authenticate, asked.filled("alice-demo-pass", "a-new-demo-pass", "a-new-demo-pass")).is(200)
	k.post(authenticate, asked.filled("a-new-demo-pass", "a-newer-demo-pass", "a-newer-demo-pass")).refused(401, "Session has timed out")
	k.post(authenticate, nil, credentials("alice", "alice-demo-pass")...).refused(401, "Login failure")
	if a := k.post(authenticate, nil, credentials("alice", "a-new-demo-pass")...).is(200); a.text("tokenId") == "" {
		t.Errorf("body = %s, want a token", a.Body)
	}
	// The step is in the authId: credentials do not go where a change was asked for.
	must(t)
	asked = k.post(authenticate, nil, credentials("alice", "a-new-demo-pass")...).is(200)
	started := k.post(authenticate, nil).is(200).filled("alice", "a-new-demo-pass")
	started["authId"] = asked.text("authId")
	k.post(authenticate, started).refused(400, "")
}

// 3.1: the attributes of the cookie.
func TestSSOCookie(t *testing.T) {
	tests := []struct {
		name, url, cookie, domain string
		want                      string
	}{
		{"3.1/https", amURL, "", "", "iPlanetDirectoryPro=; Path=/; HttpOnly; Secure; SameSite=None"},
		{"3.1/a domain and another name", amURL, "6ac6499e9da2071", ".example.com", "6ac6499e9da2071=; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=None"},
		{"3.1/http of a loopback host", "http://localhost:8080/am", "", "", "iPlanetDirectoryPro=; Path=/; HttpOnly; SameSite=Lax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t, options{
				Legacy: func(c *legacy.Config) { c.URL, c.Cookie, c.CookieDomain = tt.url, tt.cookie, tt.domain },
				Declared: func(c *declared.Config) {
					for i := range c.Environments {
						e := &c.Environments[i]
						e.Issuers = []string{tt.url + "/oauth2/realms/root/realms/" + e.Name}
					}
				},
			})
			a := k.post(authenticate, nil, credentials("alice", "alice-demo-pass")...).is(200)
			set := strings.Replace(a.Header.Get("Set-Cookie"), a.text("tokenId"), "", 1)
			if set != tt.want {
				t.Errorf("Set-Cookie = %s, want %s", set, tt.want)
			}
			if rest := strings.Trim(a.text("tokenId"), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.*"); rest != "" {
				t.Errorf("tokenId has %q, which is not of AM's alphabet", rest)
			}
		})
	}
}

// 3.3: where clients go on after a sign-on is configured, as AIC's successUrl.
func TestSuccessURL(t *testing.T) {
	k := newKit(t, options{Legacy: func(c *legacy.Config) { c.SuccessURL = "/enduser/?realm={realm}" }})
	for path, want := range map[string]string{authenticate: "/enduser/?realm=/alpha", "/json/authenticate?realm=bravo": "/enduser/?realm=/bravo"} {
		if got := k.post(path, nil, credentials("alice", "alice-demo-pass")...).is(200).text("successUrl"); got != want {
			t.Errorf("%s: successUrl = %q, want %q", path, got, want)
		}
	}
	if got := k.post("/json/authenticate", nil, credentials(amadmin, amadminPassword)...).is(200).text("successUrl"); got != "/enduser/?realm=/" {
		t.Errorf("successUrl = %q, want that of the top realm", got)
	}
}

// The golden bodies, as they were recorded, with what changes masked.
func TestSignOnGolden(t *testing.T) {
	k := newKit(t)
	k.get("/json/serverinfo/*", "Accept-API-Version", "resource=1.1").golden("serverinfo")
	k.post(authenticate, nil).golden("authenticate_callbacks")
	k.post(authenticate, nil, credentials("alice", "alice-demo-pass")...).golden("authenticate_done")
	k.post(authenticate+"?noSession=true", nil, credentials("alice", "alice-demo-pass")...).golden("authenticate_no_session")
	k.post(authenticate, nil, credentials("alice", "wrong")...).golden("authenticate_refused")
	body := k.post(authenticate, nil).filled("alice", "alice-demo-pass")
	body["authId"] = flip(body["authId"].(string))
	k.post(authenticate, body).golden("authenticate_timed_out")
	k.post(authenticate+"?authIndexType=service&authIndexValue=Nope", nil).golden("authenticate_no_service")
	alice := k.as("alpha", "alice")
	k.Clock.Advance(17 * time.Second)
	alice.post(sessions+"?_action=getSessionInfo", nil, "Accept-API-Version", "resource=4.0").golden("session_info")
	alice.post(sessions+"?_action=refresh", nil).golden("session_refresh")
	alice.post(sessions+"?_action=validate", nil).golden("session_validate")
	alice.post(sessions+"?_action=nope", nil).golden("session_no_action")
	alice.inCookie().post(sessions+"?_action=logout", nil, "X-Requested-With", "x").golden("session_logout")
	alice.post(sessions+"?_action=logout", nil).golden("session_logged_out")
	k.admin().post("/json/sessions?_action=getSessionInfo", nil).golden("session_info_amadmin")
}
