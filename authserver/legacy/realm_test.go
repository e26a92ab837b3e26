package legacy_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// 2: every form of naming a realm, and what is none.
func TestRealmForms(t *testing.T) {
	k := newKit(t, options{Legacy: func(c *legacy.Config) {
		c.Realms = append(c.Realms, legacy.Realm{Path: "/alpha/sub", Environment: bravoID})
	}, Declared: func(c *declared.Config) {
		c.Environments[1].Issuers = append(c.Environments[1].Issuers, amURL+"/oauth2/realms/root/realms/alpha/realms/sub")
	}})
	const invalid = "Invalid realm, the realm was not found"
	tests := []struct {
		name, path string
		want       string // realm, or "" for 400, or "404"
	}{
		{"2/full", "/json/realms/root/realms/alpha/serverinfo/*", "/alpha"},
		{"2/full, of another", "/json/realms/root/realms/bravo/serverinfo/*", "/bravo"},
		{"2/full, below another", "/json/realms/root/realms/alpha/realms/sub/serverinfo/*", "/alpha/sub"},
		{"2/full, in another case", "/json/realms/root/realms/ALPHA/serverinfo/*", "/alpha"},
		{"2/top", "/json/realms/root/serverinfo/*", "/"},
		{"2/no realm part", "/json/serverinfo/*", "/"},
		{"2/short", "/json/alpha/serverinfo/*", "/alpha"},
		{"2/short, below another", "/json/alpha/sub/serverinfo/*", "/alpha/sub"},
		{"2/query", "/json/serverinfo/*?realm=/alpha", "/alpha"},
		{"2/query without a slash", "/json/serverinfo/*?realm=alpha", "/alpha"},
		{"2/query of the top", "/json/alpha/serverinfo/*?realm=/", "/"},
		{"2/query, below another", "/json/serverinfo/*?realm=/alpha/sub", "/alpha/sub"},
		{"2/query wins over the full form", "/json/realms/root/realms/alpha/serverinfo/*?realm=/bravo", "/bravo"},
		{"2/query wins over the short form", "/json/alpha/serverinfo/*?realm=bravo", "/bravo"},
		{"2/an empty query is none", "/json/alpha/serverinfo/*?realm=", "/alpha"},
		{"2/percent-encoding is decoded once", "/json/realms/root/realms/%61lpha/serverinfo/*", "/alpha"},
		{"2/the star percent-encoded", "/json/serverinfo/%2A", "/"},

		{"2/unknown, full", "/json/realms/root/realms/charlie/serverinfo/*", ""},
		{"2/unknown, short", "/json/charlie/serverinfo/*", ""},
		{"2/unknown, query", "/json/serverinfo/*?realm=/charlie", ""},
		{"2/unknown below a known one", "/json/realms/root/realms/alpha/realms/charlie/serverinfo/*", ""},
		{"2/a known one below an unknown", "/json/realms/root/realms/charlie/realms/alpha/serverinfo/*", ""},
		{"2/query wins although unknown", "/json/realms/root/realms/alpha/serverinfo/*?realm=/charlie", ""},
		{"2/two queries", "/json/serverinfo/*?realm=/alpha&realm=/alpha", ""},
		{"2/query with dots", "/json/serverinfo/*?realm=/../alpha", ""},
		{"2/query with an empty name", "/json/serverinfo/*?realm=//alpha", ""},
		{"2/query with a slash behind", "/json/serverinfo/*?realm=/alpha/", ""},
		{"2/query escaped twice", "/json/serverinfo/*?realm=%252Falpha", ""},
		{"2/query with a letter that looks like another", "/json/serverinfo/*?realm=%CE%B1lpha", ""},
		{"2/query with U+0000", "/json/serverinfo/*?realm=/alpha%00", ""},
		{"2/escaped twice", "/json/realms/root/realms/%2561lpha/serverinfo/*", "404"},
		{"2/an encoded slash in the realm", "/json/realms/root/realms/alpha%2Fsub/serverinfo/*", "404"},
		{"2/an encoded slash between", "/json/realms/root%2Frealms/alpha/serverinfo/*", "404"},
		{"2/an encoded slash, short", "/json/alpha%2Fsub/serverinfo/*", "404"},
		{"2/a backslash", "/json/alpha%5Csub/serverinfo/*", "404"},
		{"2/dots, encoded", "/json/realms/root/realms/alpha/%2E%2E/bravo/serverinfo/*", "404"},
		{"2/one dot, encoded", "/json/%2e/alpha/serverinfo/*", "404"},
		{"2/an empty segment", "/json//alpha/serverinfo/*", "404"},
		{"2/an empty realm", "/json/realms/root/realms//serverinfo/*", "404"},
		{"2/U+0000", "/json/alpha%00/serverinfo/*", "404"},
		{"2/realms without root", "/json/realms/alpha/serverinfo/*", ""},
		{"2/realms in another case", "/json/Realms/root/realms/alpha/serverinfo/*", ""},
		{"4/an unknown resource", "/json/realms/root/realms/alpha/nothing", "404"},
		{"4/an unknown tree", "/xml/serverinfo/*", "404"},
		{"4/nothing behind", "/json", "404"},
		{"4/serverinfo without the star", "/json/serverinfo", "404"},
		{"4/another of serverinfo", "/json/serverinfo/version", "404"},
		{"4/something behind", "/json/serverinfo/*/x", "404"},
		{"2/very many names", "/json" + strings.Repeat("/alpha", 100) + "/serverinfo/*", "404"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := k.in(t)
			r := k.request("GET", "/json", nil)
			u, err := url.Parse(amURL + tt.path)
			if err != nil {
				t.Fatal(err)
			}
			r.URL, r.RequestURI = u, u.RequestURI()
			switch a := k.serve(r); tt.want {
			case "":
				a.refused(http.StatusBadRequest, invalid)
			case "404":
				a.refused(http.StatusNotFound, "Not Found")
			default:
				if got := a.is(200).text("realm"); got != tt.want {
					t.Errorf("realm = %q, want %q", got, tt.want)
				}
			}
		})
	}
}

// 2: people of one realm are nobody in the other, although they have the same names.
func TestRealmsAreApart(t *testing.T) {
	k := newKit(t)
	alice := k.as("alpha", "alice")
	bravo := "/json/realms/root/realms/bravo"
	alice.post(bravo+"/sessions?_action=getSessionInfo", nil).refused(401, "Unauthorized")
	if a := alice.post(bravo+"/authenticate", nil).is(200); a.text("authId") == "" {
		t.Errorf("body = %s, want callbacks", a.Body)
	}
	if got := k.as("bravo", "alice").post(bravo+"/sessions?_action=getSessionInfo", nil).is(200).text("username"); got != people[bravoID]["alice"] {
		t.Errorf("username = %s, want that of bravo", got)
	}
	// The top realm has nobody but administrators, unless it is an environment too.
	k.post("/json/authenticate", nil, credentials("alice", "alice-demo-pass")...).refused(401, "Login failure")
	top := newKit(t, options{Legacy: func(c *legacy.Config) {
		c.Realms = append(c.Realms, legacy.Realm{Path: "/", Environment: bravoID})
	}, Declared: func(c *declared.Config) {
		c.Environments[1].Issuers = append(c.Environments[1].Issuers, amURL+"/oauth2")
	}})
	person, admin := top.as("", "alice"), top.admin()
	if a := person.post("/json/sessions?_action=getSessionInfo", nil).is(200); a.text("realm") != "/" || a.text("username") != people[bravoID]["alice"] {
		t.Errorf("body = %s", a.Body)
	}
	person.get("/json/sessions?_queryFilter="+url.QueryEscape(`username eq "alice" and realm eq "/"`)).refused(403, "")
	admin.get("/json/sessions?_queryFilter=" + url.QueryEscape(`username eq "alice" and realm eq "/"`)).is(200)
}

// Administrators are in no environment that a path leads to.
func TestAdministratorsEnvironment(t *testing.T) {
	k := newKit(t, options{Legacy: func(c *legacy.Config) {
		c.Administrators = append(c.Administrators, legacy.Administrator{
			// "hashed-demo-pass" under argon2id, of little cost.
			Name: "hashed", Password: hashed,
		})
	}})
	k.post("/json/authenticate", nil, credentials("hashed", "hashed-demo-pass")...).is(200)
	k.post("/json/authenticate", nil, credentials("hashed", hashed)...).refused(401, "Login failure")
	k.post("/json/authenticate", nil, credentials("AmAdmin", amadminPassword)...).is(200)
	for _, path := range []string{"/am-administrators/as/authorize", "/am-administrators/as/jwks"} {
		r := k.request("GET", "", nil)
		r.URL.Path = path
		if a := k.serve(r); a.Status != http.StatusNotFound {
			t.Errorf("%s: status = %d, want 404", path, a.Status)
		}
	}
	admin := k.admin()
	admin.post("/json/sessions?_action=logout", nil).is(200)
	admin.post("/json/sessions?_action=getSessionInfo", nil).refused(401, "Unauthorized")
}

const hashed = "$argon2id$v=19$m=8192,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$RWy+WAIG2ZYuAVkWupYGrUOUfMf61zoP2aux/EOPbnI"
