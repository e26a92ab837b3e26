package caddymodule_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// legacySite is a server with the legacy paths, a worker and a person; sites of other surfaces are on the ports behind it.
type legacySite struct {
	base, off, moved string
	access, rest     string         // log files
	seen             map[string]int // how much of them has been searched
}

const legacyPassword = "wonderland-4711-pass"

func newLegacySite(t *testing.T, options string) *legacySite {
	t.Helper()
	dir := t.TempDir()
	on, off, moved := freePort(t), freePort(t), freePort(t)
	s := &legacySite{
		base: fmt.Sprintf("http://localhost:%d", on), off: fmt.Sprintf("http://localhost:%d", off), moved: fmt.Sprintf("http://localhost:%d", moved),
		access: filepath.Join(dir, "access.log"), rest: filepath.Join(dir, "rest.log"),
	}
	config := fmt.Sprintf(`
	debug
	log all {
		output file $REST
		level DEBUG
		format json
	}
	gatehouse {
		storage sqlite {
			path $DIR/gatehouse.db
		}
		environment demo %s {
			issuer $BASE/%[1]s/as
			user alice {
				password %s
			}
			resource orders {
				audience https://orders.example.com
				scope orders:read
			}
			application worker {
				type worker
				secret worker-secret
				allow orders:read
			}
		}
		legacy {
			url $BASE/am
			realm alpha demo
			administrator amadmin amadmin-secret-pass
			cookie_name Tenant-5af3
			%s
		}
	}`, demoEnvironment, legacyPassword, options)
	sites := ""
	for _, site := range []struct{ address, body string }{
		{s.base, "authorization_server\nrespond \"not ours\" 404"},
		{s.off, "authorization_server oidc\nrespond \"not ours\" 404"},
		{s.moved, "handle_path /old/* {\nauthorization_server\n}"},
	} {
		sites += site.address + " {\nlog {\noutput file $ACCESS\nformat json\n}\n" + site.body + "\n}\n"
	}
	replace := strings.NewReplacer("$DIR", dir, "$BASE", s.base, "$ACCESS", s.access, "$REST", s.rest)
	load(t, replace.Replace(config), replace.Replace(sites))
	return s
}

// call sends one request, whose address is sent byte for byte, and gives its answer.
func (s *legacySite) call(t *testing.T, method, address, body string, headers ...string) answer {
	t.Helper()
	host, path, _ := strings.Cut(strings.TrimPrefix(address, "http://"), "/")
	request := method + " /" + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n"
	for i := 0; i+1 < len(headers); i += 2 {
		request += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	request += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	text := raw(t, "http://"+host, request)
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text+"\r\n\r\n")), nil)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, strings.TrimSpace(string(b))}
}

// member is a text of a JSON answer.
func (a answer) member(t *testing.T, name string) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil {
		t.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
	text, _ := body[name].(string)
	if text == "" {
		t.Fatalf("no %s in %d %s", name, a.Status, a.Body)
	}
	return text
}

// signOn gives the SSO token of a person.
func (s *legacySite) signOn(t *testing.T, realm, name, password string) string {
	t.Helper()
	return s.call(t, "POST", s.base+"/am/json/realms/root"+realm+"/authenticate", "{}", "Content-Type", "application/json",
		"X-OpenAM-Username", name, "X-OpenAM-Password", password, "Accept-API-Version", "resource=2.0, protocol=1.0").member(t, "tokenId")
}

// token gives an access token of the worker.
func (s *legacySite) token(t *testing.T) string {
	t.Helper()
	return s.call(t, "POST", s.base+"/am/oauth2/realms/root/realms/alpha/access_token", "grant_type=client_credentials",
		"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic d29ya2VyOndvcmtlci1zZWNyZXQ=").member(t, "access_token")
}

// TestAttackLegacyLog: whatever travels in the addresses and headers of legacy paths, no log has it: not
// the access log, not the others at level debug; on sites where the paths are switched off neither.
func TestAttackLegacyLog(t *testing.T) {
	s := newLegacySite(t, "")
	person, admin := s.signOn(t, "/realms/alpha", "alice", legacyPassword), s.signOn(t, "", "amadmin", "amadmin-secret-pass")
	token, other := s.token(t), s.token(t)
	lines := 4 // so far
	frrest := "/am/frrest/oauth2/token/"
	encoded := "%" + fmt.Sprintf("%02X", token[0]) + token[1:]
	tests := []struct {
		name, method, address string
		headers               []string
	}{
		{"case_129 token in the path", "GET", frrest + token, []string{"Tenant-5af3", admin}},
		{"case_129 nobody's call", "GET", frrest + token, nil},
		{"case_129 percent-encoded", "GET", frrest + encoded, []string{"tenant-5AF3", admin}},
		{"case_129 a slash behind it", "GET", frrest + token + "/", []string{"Tenant-5af3", admin}},
		{"case_129 a segment behind it", "GET", frrest + token + "/x", nil},
		{"case_129 a segment in front of it", "GET", frrest + "x/../" + token, nil},
		{"case_129 two slashes", "GET", "/am/frrest/oauth2/token//" + token, nil},
		{"case_129 slashes in front", "GET", "//am//frrest/oauth2/token/" + token, nil},
		{"case_129 capitals", "GET", "/AM/FRREST/oauth2/Token/" + token, nil},
		{"case_129 encoded slashes", "GET", "/am%2Ffrrest%2Foauth2%2Ftoken%2F" + token, nil},
		{"case_129 encoded letters", "GET", "/am/frres%74/oauth2/toke%6E/" + token, nil},
		{"case_129 another name", "GET", "/am/frrest/oauth2/tokens/" + token, nil},
		{"case_129 a realm", "GET", "/am/frrest/realms/root/realms/alpha/oauth2/token/" + token, nil},
		{"case_129 another deployment's path", "GET", "/openam/frrest/oauth2/token/" + token, nil},
		{"case_129 with parameters", "GET", frrest + token + "?_prettyPrint=true&_fields=scope", []string{"Tenant-5af3", admin}},
		{"case_129 a question mark first", "GET", "/am/frrest/oauth2/token?" + token + "=", nil},
		{"case_129 matrix parameter", "GET", "/am/frrest/oauth2/token;" + token, nil},
		{"case_129 encoded matrix parameter", "GET", "/am/frrest/oauth2/token%3B" + token, nil},
		{"case_129 matrix parameter, escaped twice", "GET", "/am/frrest/oauth2/token%253b" + token, nil},
		{"case_129 method that is not served", "PUT", frrest + token, []string{"Tenant-5af3", admin}},
		{"case_129 preflight", "OPTIONS", frrest + token, []string{"Origin", "https://app.example", "Access-Control-Request-Method", "DELETE"}},
		{"case_129 _queryId", "GET", frrest + "?_queryId=id%3D" + token, []string{"Tenant-5af3", admin}},
		{"case_129 token in the query", "GET", "/am/oauth2/realms/root/realms/alpha/tokeninfo?access_token=" + token, nil},
		{"case_129 session in the query", "POST", "/am/json/realms/root/sessions?_action=validate&tokenId=" + person, []string{"Accept-API-Version", "resource=2.1", "Tenant-5af3", admin}},
		{"case_129 session in a path", "GET", "/am/json/sessions/" + person, []string{"Tenant-5af3", admin}},
		{"case_129 session in a parameter named like the cookie", "GET", "/am/oauth2/authorize?Tenant-5af3=" + person, nil},
		{"case_129 session in the cookie", "GET", "/am/json/serverinfo/*", []string{"Cookie", "Tenant-5af3=" + person}},
		{"case_129 session in another endpoint's header", "GET", "/" + demoEnvironment + "/as/jwks", []string{"TENANT-5AF3", person}},
		{"case_129 Referer", "GET", "/am/json/serverinfo/*", []string{"Referer", s.base + frrest + token}},
		{"case_129 a proxy's copy of the address", "GET", "/am/json/serverinfo/*", []string{"X-Forwarded-Uri", frrest + token, "X-Original-URI", frrest + token, "X-Rewrite-Url", frrest + token, "X-Forwarded-Path", frrest + token, "X-Envoy-Original-Path", frrest + token}},
		{"case_129 wrong password", "POST", "/am/json/realms/root/realms/alpha/authenticate", []string{"X-OpenAM-Username", "alice", "X-OpenAM-Password", legacyPassword + "x"}},
		{"case_129 user and password in the address", "POST", "/am/json/realms/root/realms/alpha/authenticate?IDToken1=alice&IDToken2=" + legacyPassword, nil},
		{"case_129 action on a token", "POST", frrest + other + "?_action=revoke", []string{"Tenant-5af3", admin}},
		{"case_129 delete", "DELETE", frrest + token, []string{"Tenant-5af3", admin}},
		{"case_129 what was deleted", "DELETE", frrest + token, []string{"Tenant-5af3", admin}},
	}
	for _, tt := range tests {
		for _, site := range []string{s.base, s.off, s.moved + "/old"} {
			t.Run(tt.name+" "+strings.TrimPrefix(site, "http://localhost"), func(t *testing.T) {
				if got := s.call(t, tt.method, site+tt.address, "", tt.headers...); got.Status >= 500 && got.Status != 501 {
					t.Errorf("answer = %d %s", got.Status, got.Body)
				}
				lines++
				found := accessLines(t, s.access, lines)
				line := found[len(found)-1]
				request := line["request"].(map[string]any)
				if request["method"] != tt.method || line["status"] == nil {
					t.Errorf("the last line is of another request: %v", line)
				}
				s.searchLogs(t, person, admin, token, other)
			})
		}
	}
}

// accessLines reads the access log once it has n lines; there are never more.
func accessLines(t *testing.T, name string, n int) []map[string]any {
	t.Helper()
	lines := logLines(t, name, n)
	if len(lines) > n {
		t.Fatalf("the access log has %d lines for %d requests", len(lines), n)
	}
	return lines
}

// searchLogs looks for tokens, sessions and passwords in what was added to both logs: for any part of them that is long enough
// to tell. Caddy's own line about a rewritten address, at level debug, is not ours to change.
func (s *legacySite) searchLogs(t *testing.T, secrets ...string) {
	t.Helper()
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	for _, file := range []string{s.access, s.rest} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		added := string(b[s.seen[file]:])
		s.seen[file] = len(b)
		for line := range strings.Lines(added) {
			if strings.Contains(line, `"logger":"http.handlers.rewrite"`) {
				continue
			}
			for _, secret := range append(secrets, legacyPassword, "amadmin-secret-pass", "worker-secret") {
				parts := strings.FieldsFunc(secret, func(r rune) bool { return r == '.' || r == '*' })
				if len(parts) == 3 { // a JWT's header is no secret
					parts = parts[1:]
				}
				for _, part := range parts[:min(2, len(parts))] {
					if len(part) > 20 && strings.Contains(line, part[1:]) || strings.Contains(line, secret) {
						t.Errorf("%s shows %s…:\n%.300s", filepath.Base(file), part[:6], line)
					}
				}
			}
		}
	}
}
