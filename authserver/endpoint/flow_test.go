package endpoint_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestFlowResource: what a client sees of a flow, status by status.
func TestFlowResource(t *testing.T) {
	g := newFlowRig(t)
	g.Directory.EditClient(g.Env.ID, flowtest.Always, func(c *store.Client) { c.LogoURI = "https://app.example.com/logo.png" })
	compare := func(name, id, sid string, a reply) {
		t.Helper()
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" || !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: %d %q %q, want 200, JSON, no-store", name, a.status, a.header.Get("Content-Type"), a.header.Get("Cache-Control"))
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, []byte(a.body), "", "  "); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := strings.ReplaceAll(pretty.String(), id, "FLOW")
		if sid != "" {
			text = strings.ReplaceAll(text, sid, "SESSION")
		}
		if code, _ := a.at("authorizeResponse", "code").(string); code != "" {
			text = strings.ReplaceAll(text, code, "CODE")
		}
		testkit.Golden(t, "flow_"+name+".json", []byte(text+"\n"))
	}

	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Always, pingFlow), flow.UsernamePasswordRequired)
	compare("username_password_required", f.ID, "", g.read(b, f.ID))
	g.Clock.Advance(1500 * time.Millisecond)
	a := g.act(b, f.ID, flow.CheckPassword, alicePassword)
	sid := b.Session().ID
	compare("consent_required", f.ID, sid, a)
	a = g.act(b, f.ID, flow.Consent, `{"accept":true}`)
	compare("completed", f.ID, sid, a)
	if a = g.read(b, f.ID); a.at("authorizeResponse") != nil {
		t.Errorf("reading shows the answer again: %s", a.body)
	}

	f = g.MustStart(b, g.Request(flowtest.Web, func(r *authorize.Request) { r.Prompt = []string{"login"} }), flow.PasswordRequired)
	compare("password_required", f.ID, sid, g.read(b, f.ID))
	compare("failed", f.ID, sid, g.act(b, f.ID, flow.Cancel, ``))
	f = g.MustStart(b, g.Request(flowtest.Web, pingFlow, func(r *authorize.Request) { r.Prompt = []string{"login"} }), flow.PasswordRequired)
	a = g.act(b, f.ID, flow.Cancel, `{}`)
	if a.at("status") != "FAILED" || a.at("error", "code") != "access_denied" || a.at("authorizeResponse", "error") != "access_denied" ||
		a.at("authorizeResponse", "state") != "the-state" {
		t.Errorf("cancelled pi.flow = %s, want the error twice and the state", a.body)
	}
}

// TestTokensOfPingFlow: numbers are numbers, and there is no address to go to.
func TestTokensOfPingFlow(t *testing.T) {
	g := newFlowRig(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web, pingFlow, func(r *authorize.Request) { r.ResponseType = []string{"id_token", "token"} }), flow.UsernamePasswordRequired)
	a := g.act(b, f.ID, flow.CheckPassword, alicePassword)
	response, _ := a.at("authorizeResponse").(map[string]any)
	for _, name := range []string{"access_token", "id_token", "token_type", "scope", "state", "iss"} {
		if v, _ := response[name].(string); v == "" {
			t.Errorf("%s is missing in %s", name, a.body)
		}
	}
	if got := response["expires_in"]; got != 3600.0 {
		t.Errorf("expires_in = %v, want the number 3600", got)
	}
}

// TestMediaTypeSelectsTheAction: without one of ours nothing happens.
func TestMediaTypeSelectsTheAction(t *testing.T) {
	g := newFlowRig(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	for _, kind := range []string{
		"", "application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x",
		"application/vnd.pingidentity.usernamePassword.check", "application/vnd.pingidentity.usernamePassword.check+xml",
		"application/vnd.pingidentity.otp.check+json", "application/vnd.pingidentity.+json",
		"vnd.pingidentity.usernamePassword.check+json", "application/vnd.pingidentity.usernamePassword.check+json, text/plain",
	} {
		a := g.send(b, http.MethodPost, "flows/"+f.ID, alicePassword, "Content-Type", kind)
		if a.status != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d %s, want 415", kind, a.status, a.body)
		}
	}
	if a := g.act(b, f.ID, flow.CheckPassword, alicePassword, "Content-Encoding", "gzip"); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("encoded body: %d, want 415", a.status)
	}
	if b.Session() != nil {
		t.Fatal("somebody is signed on")
	}
	a := g.send(b, http.MethodPost, "flows/"+f.ID, alicePassword, "Content-Type", "Application/VND.PingIdentity.usernamepassword.CHECK+json; charset=UTF-8")
	if a.status != http.StatusOK || a.at("status") != "COMPLETED" {
		t.Errorf("other case, charset: %d %s, want COMPLETED", a.status, a.body)
	}
}

// TestFlowRefusals: PingOne's bodies, and nothing happens.
func TestFlowRefusals(t *testing.T) {
	g := newFlowRig(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	tests := []struct {
		name, body           string
		do                   flow.Action
		status               int
		code, detail, target string
	}{
		{"wrong password", `{"username":"alice","password":"wrong-password"}`, flow.CheckPassword, 400, "INVALID_DATA", "INVALID_CREDENTIALS", ""},
		{"unknown user", `{"username":"nobody","password":"wrong-password"}`, flow.CheckPassword, 400, "INVALID_DATA", "INVALID_CREDENTIALS", ""},
		{"no username", `{"password":"x"}`, flow.CheckPassword, 400, "INVALID_DATA", "REQUIRED_VALUE", "username"},
		{"no password", `{"username":"alice"}`, flow.CheckPassword, 400, "INVALID_DATA", "REQUIRED_VALUE", "password"},
		{"empty body", ``, flow.CheckPassword, 400, "INVALID_DATA", "REQUIRED_VALUE", "username"},
		{"consent that says nothing", `{}`, flow.Consent, 400, "INVALID_DATA", "REQUIRED_VALUE", "accept"},
		{"consent that says something else", `{"accept":"true"}`, flow.Consent, 400, "INVALID_REQUEST", "", ""},
		{"action of another status", `{"accept":true}`, flow.Consent, 400, "INVALID_REQUEST", "", ""},
		{"array", `[]`, flow.CheckPassword, 400, "INVALID_REQUEST", "", ""},
		{"not JSON", `username=alice`, flow.CheckPassword, 400, "INVALID_REQUEST", "", ""},
		{"cut off", `{"username":"alice"`, flow.CheckPassword, 400, "INVALID_REQUEST", "", ""},
		{"two objects", alicePassword + alicePassword, flow.CheckPassword, 400, "INVALID_REQUEST", "", ""},
		{"member of another type", `{"username":1,"password":"x"}`, flow.CheckPassword, 400, "INVALID_REQUEST", "", ""},
		{"taken username", `{"username":"alice","email":"a@example.com","password":"first-password"}`, flow.Register, 400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "username"},
		{"body without end", `{"username":"` + strings.Repeat("a", 70_000) + `"}`, flow.CheckPassword, 413, "INVALID_REQUEST", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := g.act(b, f.ID, tt.do, tt.body)
			detail, _ := a.at("details", "code").(string)
			target, _ := a.at("details", "target").(string)
			if a.status != tt.status || a.at("code") != tt.code || detail != tt.detail || target != tt.target || a.at("id") != "the-correlation-id" {
				t.Errorf("got %d %s, want %d %s %s %s", a.status, a.body, tt.status, tt.code, tt.detail, tt.target)
			}
			if a := g.read(b, f.ID); a.at("status") != "USERNAME_PASSWORD_REQUIRED" || b.Session() != nil {
				t.Errorf("afterwards %s, want the flow as it was", a.body)
			}
		})
	}
	if text := g.log.String(); strings.Contains(text, "wrong-password") || strings.Contains(text, "first-password") {
		t.Errorf("a password is in the log:\n%s", text)
	}
}

// TestLockedOut tells how long.
func TestLockedOut(t *testing.T) {
	g := newFlowRig(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	var a reply
	for range 6 {
		a = g.act(b, f.ID, flow.CheckPassword, `{"username":"alice","password":"wrong-password"}`)
	}
	if seconds, _ := a.at("details", "innerError", "secondsUntilUnlock").(float64); a.at("details", "code") != "PASSWORD_LOCKED_OUT" || seconds <= 0 {
		t.Errorf("sixth wrong password: %s, want PASSWORD_LOCKED_OUT with secondsUntilUnlock", a.body)
	}
}

// TestFlowAddresses: what is not the id of a flow of this browser is 404; other methods 405.
func TestFlowAddresses(t *testing.T) {
	g := newFlowRig(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	for _, id := range []string{
		"", "x", strings.ToUpper(f.ID), f.ID + "0", "{" + f.ID + "}", strings.ReplaceAll(f.ID, "-", ""), secret.NewID(), f.ID + "%20",
	} {
		for _, a := range []reply{g.read(b, id), g.act(b, id, flow.CheckPassword, alicePassword)} {
			if a.status != http.StatusNotFound || a.at("code") != "NOT_FOUND" {
				t.Errorf("%q: %d %s, want 404 NOT_FOUND", id, a.status, a.body)
			}
		}
	}
	if a := g.read(g.Browser(), f.ID); a.status != http.StatusNotFound || a.at("code") != "NOT_FOUND" {
		t.Errorf("another browser: %d %s, want 404 NOT_FOUND", a.status, a.body)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		if a := g.send(b, method, "flows/"+f.ID, ""); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" {
			t.Errorf("%s: %d, want 405 with Allow", method, a.status)
		}
	}
	g.Clock.Advance(15 * time.Minute)
	if a := g.read(b, f.ID); a.status != http.StatusNotFound || a.at("code") != "NOT_FOUND" {
		t.Errorf("after 15 idle minutes: %d %s, want 404 NOT_FOUND", a.status, a.body)
	}
}

// TestFlowOrigins: scripts of the client's own origins read answers and errors;
// others read nothing, and neither learn by what is refused.
func TestFlowOrigins(t *testing.T) {
	g := newFlowRig(t)
	g.Directory.EditClient(g.Env.ID, flowtest.Web, func(c *store.Client) {
		c.CORS = []string{"https://app.example.com", "http://localhost:3000"}
	})
	g.Directory.EditClient(g.Env.ID, flowtest.Once, func(c *store.Client) { c.CORS = []string{"https://once.example.com"} })
	tests := []struct {
		origin string
		want   bool
	}{
		{"https://app.example.com", true},
		{"http://localhost:3000", true},
		{"http://app.example.com", false},
		{"https://app.example.com:8443", false},
		{"https://app.example.com.evil.example", false},
		{"https://evilapp.example.com", false},
		{"https://APP.example.com", false},
		{"https://app.example.com/", false},
		{"https://a.app.example.com", false},
		{"https://user@app.example.com", false},
		{"https://evil.example/.app.example.com", false},
		{"https://once.example.com", false},
		{"null", false},
		{"*", false},
	}
	for _, tt := range tests {
		t.Run(tt.origin, func(t *testing.T) {
			b := g.Browser()
			f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
			for name, a := range map[string]reply{
				"read":    g.read(b, f.ID, "Origin", tt.origin),
				"refusal": g.act(b, f.ID, flow.CheckPassword, `{}`, "Origin", tt.origin),
				"step":    g.act(b, f.ID, flow.CheckPassword, alicePassword, "Origin", tt.origin),
			} {
				got := a.header.Get("Access-Control-Allow-Origin")
				if tt.want && (got != tt.origin || a.header.Get("Access-Control-Allow-Credentials") != "true" || !slices.Contains(a.header.Values("Vary"), "Origin")) {
					t.Errorf("%s: %v, want it opened to the origin", name, a.header)
				}
				if !tt.want && (got != "" || a.header.Get("Access-Control-Allow-Credentials") != "") {
					t.Errorf("%s: opened to %q, want to nobody", name, got)
				}
			}
		})
	}
}

// TestSignOnCookie: it changes with the sign-on and never shows in a body.
func TestSignOnCookie(t *testing.T) {
	g := newFlowRig(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	key := [2]string{g.Env.ID, "ST"}
	before := b.Cookies[key]
	a := g.act(b, f.ID, flow.CheckPassword, alicePassword)
	after := b.Cookies[key]
	if before == "" || after == "" || before == after {
		t.Errorf("the cookie was %v, is %v and changed: %v; want another one", before != "", after != "", before != after)
	}
	if strings.Contains(a.body, after) || strings.Contains(g.log.String(), after) {
		t.Error("the cookie's value is in the body or the log")
	}
	header := strings.Join(a.header.Values("Set-Cookie"), "\n")
	for _, want := range []string{"HttpOnly", "Secure", "SameSite=None", "Path=/" + g.Env.ID} {
		if !strings.Contains(header, want) {
			t.Errorf("Set-Cookie lacks %s", want)
		}
	}
}

// TestLanguageOfCodes: the message is in the language that the person's browser asks for.
func TestLanguageOfCodes(t *testing.T) {
	for accept, want := range map[string]string{"de-CH,de;q=0.9,en;q=0.5": "de-CH", "*": "fr", "": "fr", strings.Repeat("x", 36): "fr"} {
		g := newFlowRig(t)
		b := g.Browser()
		f := g.MustStart(b, g.Request(flowtest.Web, func(r *authorize.Request) { r.UILocales = []string{"fr", "de"} }), flow.UsernamePasswordRequired)
		g.act(b, f.ID, flow.Forgot, `{"username":"alice"}`, "Accept-Language", accept)
		g.Outbox.Code("alice@example.com") // waits
		if got := g.Outbox.Last("alice@example.com").Locale; got != want {
			t.Errorf("Accept-Language %q: %q, want %q", accept, got, want)
		}
	}
}
