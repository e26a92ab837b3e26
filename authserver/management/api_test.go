package management_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// Attack 119: exact routes, and no second spelling of any.
func TestHandlesExactTreesAlone(t *testing.T) {
	k := newKit(t)
	for path, want := range map[string]bool{
		"/v1/environments":             true,
		"/v1/environments/":            true,
		"/v1/environments/x/y":         true,
		"/v1/organizations":            true,
		"/v1/roles/x":                  true,
		"/v1/openapi.json":             true,
		"/v1/openapi.json/":            false,
		"/v1/openapi.jsonx":            false,
		"/v1/environmentsx":            false,
		"/v1/environment":              false,
		"/v1":                          false,
		"/v1/":                         false,
		"/V1/environments":             false,
		"/v1/Environments":             false,
		"//v1/environments":            false,
		"/v1//environments":            false,
		"/v1/../v1/environments":       false,
		"/v2/environments":             false,
		"/x/v1/environments":           false,
		"/" + home + "/as/token":       false,
		"/v1/environments\x00":         false,
		"/v1/environments/../as/token": true, // ours, and 404
	} {
		if got := k.API.Handles(path); got != want {
			t.Errorf("Handles(%q) = %t, want %t", path, got, want)
		}
	}
}

// Attacks 108 and 119: what is not spelt byte for byte as the route is 404, for
// everybody, before any credential is looked at.
func TestSecondSpellingsAre404(t *testing.T) {
	k := newKit(t)
	k.as(root).get("/{env}/applications").is(200)
	for _, path := range []string{
		"/{env}/applications/", "/{env}/Applications", "/{env}//applications", "/{env}/applications/..", "/{env}/./applications",
		"/environments/" + home + "/applications%2Fweb", "/%65nvironments", "/environments/" + strings.Replace(home, "0", "%30", 1),
		"/environments//applications", "/environments/", "/environments/../environments", "/{env}/applicationsx", "/{env}/x",
		"/roles/", "/openapi.json/x", "/{env}/applications/web/", "/{env}/applications/web/secret/", "/{env}/applications;x=1",
	} {
		k.as(root).get(path).refused(404, "NOT_FOUND")
	}
}

// Attack 108: an environment is recognised by its exact ID, and another
// organization's is not there.
func TestEnvironmentOfThePath(t *testing.T) {
	k := newKit(t)
	tests := []struct {
		name, who, environment string
		want                   int
	}{
		{"the caller's own", environmentAdmin, home, 200},
		{"another of the organization, whole organization", root, sibling, 200},
		{"another of the organization, own environment alone", environmentAdmin, sibling, 403},
		{"of another organization", root, stranger, 404},
		{"of another organization, own environment alone", environmentAdmin, stranger, 403},
		{"unknown", root, nothing, 404},
		{"unknown, own environment alone", environmentAdmin, nothing, 403},
		{"in upper case", root, strings.ToUpper(home), 404},
		{"in upper case, own environment alone", environmentAdmin, strings.ToUpper(home), 403},
		{"malformed", root, "x", 404},
		{"malformed, own environment alone", environmentAdmin, "x", 403},
		{"of a stranger", foreign, home, 404},
		{"without any role", nobody, home, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"", "/populations", "/applications/" + nothing} {
				a := k.as(tt.who).get("/environments/" + tt.environment + path)
				if want := tt.want; a.Status != want && !(want == 200 && strings.HasSuffix(path, nothing) && a.Status == 404) {
					t.Errorf("%s: status = %d, want %d: %s", path, a.Status, want, a.Body)
				}
				if a.Status != 200 && (strings.Contains(string(a.Body), "stranger") || strings.Contains(string(a.Body), "home")) {
					t.Errorf("%s discloses: %s", path, a.Body)
				}
			}
		})
	}
}

func TestMethods(t *testing.T) {
	k := newKit(t)
	a := k.as(root).do("PATCH", "/{env}/populations", `{}`).refused(405, "INVALID_REQUEST")
	if got, want := a.Header.Get("Allow"), "GET, POST, HEAD, OPTIONS"; got != want {
		t.Errorf("Allow = %q, want %q", got, want)
	}
	// A preflight has no credentials (Fetch), and the API looks at no cookie.
	a = k.anonymous().do("OPTIONS", "/{env}/populations", nil, "Origin", "https://x.example", "Access-Control-Request-Method", "POST").is(204)
	if a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight: %v", a.Header)
	}
	if !strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "If-Match") || !strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("preflight: %v", a.Header)
	}
	if a = k.as(root).do("HEAD", "/{env}", nil); a.Status != 200 {
		t.Errorf("HEAD: status = %d, want 200", a.Status)
	}
	// A page of another site cannot make a browser call: there is no cookie to send along.
	k.anonymous().post("/{env}/populations", `{"name":"x"}`, "Cookie", "ST=x", "Origin", "https://x.example", "Sec-Fetch-Mode", "no-cors").
		refused(401, "ACCESS_FAILED", "INVALID_TOKEN")
}

func TestMediaTypes(t *testing.T) {
	k := newKit(t)
	tests := []struct {
		name   string
		header []string
		body   string
		want   int
	}{
		{"JSON", []string{"Content-Type", "application/json"}, `{"name":"a"}`, 201},
		{"JSON with a parameter", []string{"Content-Type", "application/json; charset=utf-8"}, `{"name":"b"}`, 201},
		{"in other case", []string{"Content-Type", "Application/JSON"}, `{"name":"c"}`, 201},
		{"text", []string{"Content-Type", "text/plain"}, `{"name":"d"}`, 415},
		{"form", []string{"Content-Type", "application/x-www-form-urlencoded"}, `name=d`, 415},
		{"none", []string{"Content-Type", ""}, `{"name":"d"}`, 415},
		{"malformed", []string{"Content-Type", "application/json;;"}, `{"name":"d"}`, 415},
		{"a vendor type that this path does not take", []string{"Content-Type", "application/vnd.pingidentity.account.lock+json"}, `{"name":"d"}`, 415},
		{"encoded", []string{"Content-Encoding", "gzip"}, `{"name":"d"}`, 415},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := k.as(root).post("/{env}/populations", tt.body, tt.header...)
			if a.Status != tt.want {
				t.Errorf("status = %d, want %d: %s", a.Status, tt.want, a.Body)
			}
			if a.Status == http.StatusUnsupportedMediaType {
				a.refused(415, "INVALID_REQUEST")
			}
		})
	}
}

func TestBodies(t *testing.T) {
	k := newKit(t)
	deep := strings.Repeat(`{"x":`, 40) + "1" + strings.Repeat("}", 40)
	tests := []struct {
		name, body   string
		want         int
		code, target string
	}{
		{"unknown members are ignored", `{"name":"a","x":{"y":[1,2]},"_links":{}}`, 201, "", ""},
		{"a name twice in an object of another is one each", `{"name":"a2","x":{"name":1},"y":[{"name":1},{"name":2}]}`, 201, "", ""},
		{"empty is an empty object", ``, 400, "REQUIRED_VALUE", "name"},
		{"not JSON", `{"name":`, 400, "", ""},
		{"text behind it", `{"name":"b"} x`, 400, "", ""},
		{"two objects", `{"name":"b"}{"name":"c"}`, 400, "", ""},
		{"an array", `[{"name":"b"}]`, 400, "", ""},
		{"null", `null`, 400, "", ""},
		{"a member twice", `{"name":"b","name":"c"}`, 400, "", ""},
		{"a member twice in another case, which decoders take for the same", `{"name":"b","NAME":"c"}`, 400, "", ""},
		{"a member twice, escaped", `{"name":"b","\u006eame":"c"}`, 400, "", ""},
		{"a member twice further in", `{"name":"b","x":{"y":1,"y":2}}`, 400, "", ""},
		{"nested too deeply", `{"name":"b","x":` + deep + `}`, 400, "", ""},
		{"of the wrong type", `{"name":5}`, 400, "INVALID_VALUE", "name"},
		{"of the wrong type further in", `{"name":"b","theme":{"id":true}}`, 400, "INVALID_VALUE", "theme.id"},
		{"not UTF-8", "{\"name\":\"b\xff\"}", 400, "", ""},
		{"with U+0000", `{"name":"b\u0000"}`, 400, "", ""},
		{"too large", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := k.as(root).post("/{env}/populations", tt.body)
			if a.Status != tt.want {
				t.Fatalf("status = %d, want %d: %s", a.Status, tt.want, a.Body)
			}
			if a.text("details.0.code") != tt.code || a.text("details.0.target") != tt.target {
				t.Errorf("detail = %q %q, want %q %q: %s", a.text("details.0.code"), a.text("details.0.target"), tt.code, tt.target, a.Body)
			}
		})
	}
}

// If-Match as in RFC 9110 §13.1.1; without it the last write counts.
func TestPreconditions(t *testing.T) {
	k := newKit(t)
	made := k.as(root).post("/{env}/populations", `{"name":"first"}`).is(201)
	path := "/{env}/populations/" + made.text("id")
	if got := made.Header.Get("ETag"); got != `"1"` || !strings.Contains(made.Header.Get("Access-Control-Expose-Headers"), "ETag") {
		t.Fatalf("ETag = %q, want \"1\", for scripts too", got)
	}
	tests := []struct {
		name, match string
		want        int
	}{
		{"without", "", 200},
		{"any", "*", 200},
		{"the version", `"3"`, 200},
		{"an old version", `"3"`, 412},
		{"weak", `W/"4"`, 412},
		{"no version", `"x"`, 412},
		{"a version spelt otherwise", `"04"`, 412},
		{"not quoted", `4`, 412},
		{"several", `"4", "5"`, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var header []string
			if tt.match != "" {
				header = []string{"If-Match", tt.match}
			}
			a := k.as(root).put(path, `{"name":"`+tt.name+`"}`, header...)
			if a.Status != tt.want {
				t.Errorf("status = %d, want %d: %s", a.Status, tt.want, a.Body)
			}
		})
	}
	k.as(root).del(path, "If-Match", `"1"`).refused(412, "INVALID_REQUEST")
	k.as(root).del(path, "If-Match", k.as(root).get(path).Header.Get("ETag")).is(204)
	k.as(root).get(path).refused(404, "NOT_FOUND")
}

func TestHAL(t *testing.T) {
	k := newKit(t)
	made := k.as(root).post("/{env}/populations", `{"name":"x","createdAt":"1970-01-01T00:00:00Z","id":"`+nothing+`"}`).is(201)
	self := apiURL + "/v1/environments/" + home + "/populations/" + made.text("id")
	if made.text("_links.self.href") != self || made.text("_links.environment.href") != apiURL+"/v1/environments/"+home {
		t.Errorf("_links = %v", made.at("_links"))
	}
	made.has(`{"environment":{"id":"` + home + `"},"createdAt":"2026-03-01T12:00:00.000Z","updatedAt":"2026-03-01T12:00:00.000Z"}`)
	if made.text("id") == nothing {
		t.Error("the id that was sent was taken")
	}
	if got := made.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q", got)
	}
}

// Links lead where the server says that it is, whatever the Host header says:
// clients send their token there.
func TestLinksWithoutURL(t *testing.T) {
	k := newKit(t, func(c *declared.Config) {
		c.Environments[0].Issuer = "https://auth.example.com/tenants/" + home + "/as"
	})
	k.API.URL = ""
	a := k.as(root).get("/{env}", "Host", "evil.example", "X-Forwarded-Host", "evil.example")
	if got, want := a.text("_links.self.href"), "https://auth.example.com/tenants/v1/environments/"+home; got != want {
		t.Errorf("self = %q, want %q", got, want)
	}
}

// Of writers who demand one version exactly one succeeds; without a demand the last one counts, and none fails.
func TestConcurrentWriters(t *testing.T) {
	k := newKit(t)
	made := k.as(root).post("/{env}/populations", `{"name":"x"}`).is(201)
	path := "/{env}/populations/" + made.text("id")
	run := func(header ...string) map[int]int {
		var mu sync.Mutex
		var all sync.WaitGroup
		statuses := map[int]int{}
		for i := range 8 {
			all.Go(func() {
				a := k.as(root).put(path, fmt.Sprintf(`{"name":"x","description":"%d"}`, i), header...)
				mu.Lock()
				defer mu.Unlock()
				statuses[a.Status]++
			})
		}
		all.Wait()
		return statuses
	}
	if got := run("If-Match", `"1"`); got[200] != 1 || got[412] != 7 {
		t.Errorf("with If-Match: %v, want one 200 and seven 412", got)
	}
	if got := run(); got[200] != 8 {
		t.Errorf("without: %v, want eight 200", got)
	}
	if got, want := k.as(root).get(path).Header.Get("ETag"), `"10"`; got != want {
		t.Errorf("ETag = %s, want %s", got, want)
	}
}
