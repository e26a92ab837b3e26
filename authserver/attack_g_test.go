package authserver_test

import (
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestAttackG has the rows of the attack catalogue's section G that concern
// people, by number, sent through the whole server. TestAttack has those of
// clients alone.
func TestAttackG(t *testing.T) {
	t.Run("case_110", codeAbuse)
	t.Run("case_111", refreshRace)
	t.Run("case_112", refreshAmnesia)
	t.Run("case_114", guessing)
	t.Run("case_120", addressesOfStrangers)
	t.Run("case_121", cookiesAndLogout)
	t.Run("case_123", weakRandomness)
	t.Run("case_124", pendingFlood)
	t.Run("case_125", sharedState)
	t.Run("case_126", secretsInLogs)
	t.Run("case_130", profile)
	t.Run("case_131", logoutTokens)
	t.Run("case_134", crossOriginReadsOfPeople)
	t.Run("case_135", cacheablePeople)
}

// redeemAt exchanges a code at A.
func (g *rig) redeemAt(client, code string) answer {
	g.t.Helper()
	return g.form(envA, "token", secretOf(client), "grant_type=authorization_code", "code="+code, "redirect_uri="+appCallback)
}

func (g *rig) renewAt(client, raw string, fields ...string) answer {
	g.t.Helper()
	return g.form(envA, "token", secretOf(client), append(fields, "grant_type=refresh_token", "refresh_token="+raw)...)
}

func (g *rig) userinfoAt(raw string) int {
	g.t.Helper()
	return (&suite{rig: g, t: g.t}).userinfo(raw).status
}

const offlineScope = "openid offline_access orders:read"

// tokensOf gives alice's tokens for a client.
func tokensOf(t testing.TB, a *agent, client string) answer {
	t.Helper()
	got := a.g.redeemAt(client, a.signOn(ask(issuerA, client, "scope", offlineScope)).Get("code"))
	if got.status != http.StatusOK {
		t.Fatalf("tokens: %s", got.outcome())
	}
	return got
}

// atOnce does something fifty times at once and gives what came of it.
func atOnce(f func() answer) []answer {
	var wg sync.WaitGroup
	out := make([]answer, 50)
	for i := range out {
		wg.Go(func() { out[i] = f() })
	}
	wg.Wait()
	return out
}

func codeAbuse(t *testing.T) {
	g := victim(t)
	a, _ := signedOnAt(t, g, issuerA)
	code := func() string { return a.signOn(ask(issuerA, "first", "scope", offlineScope)).Get("code") }
	for name, try := range map[string]func(code string) answer{
		"other client": func(code string) answer { return g.redeemAt("second", code) },
		"other redirect URI": func(code string) answer {
			return g.form(envA, "token", secretOf("first"), "grant_type=authorization_code", "code="+code, "redirect_uri="+appCallback+"2")
		},
		"no redirect URI": func(code string) answer {
			return g.form(envA, "token", secretOf("first"), "grant_type=authorization_code", "code="+code)
		},
		"expired": func(code string) answer { g.clock.Advance(10 * time.Minute); return g.redeemAt("first", code) },
		"forged":  func(code string) answer { return g.redeemAt("first", code[:len(code)-6]+"AAAAAA") },
	} {
		t.Run(name, func(t *testing.T) {
			if got := try(code()).outcome(); got != "400 invalid_grant" {
				t.Errorf("got %s, want 400 invalid_grant", got)
			}
		})
	}
	raw := code()
	var won answer
	winners := 0
	for _, got := range atOnce(func() answer { return g.redeemAt("first", raw) }) {
		if got.status == http.StatusOK {
			winners, won = winners+1, got
		} else if got.outcome() != "400 invalid_grant" {
			t.Errorf("a loser: %s", got.outcome())
		}
	}
	if winners > 1 {
		t.Fatalf("50 uses at once: %d succeeded", winners)
	}
	// Forty-nine reuses have revoked what the one got.
	if winners == 1 && (g.userinfoAt(text(won, "access_token")) != http.StatusUnauthorized || g.renewAt("first", text(won, "refresh_token")).status == http.StatusOK) {
		t.Error("tokens of a code that was used again work on")
	}
	good := g.redeemAt("first", code())
	if good.status != http.StatusOK || g.userinfoAt(text(good, "access_token")) != http.StatusOK {
		t.Errorf("good: %s", good.outcome())
	}
}

func refreshRace(t *testing.T) {
	var watch counted
	g := victim(t, func(o *rigOptions) { o.watch = &watch })
	a := newAgent(t, g)
	first := tokensOf(t, a, "lenient")
	same := map[string]bool{}
	for _, got := range atOnce(func() answer { return g.renewAt("lenient", text(first, "refresh_token")) }) {
		if got.status != http.StatusOK {
			t.Fatalf("within the grace period: %s", got.outcome())
		}
		same[text(got, "refresh_token")] = true
	}
	if len(same) != 1 {
		t.Fatalf("%d successors, want one for all", len(same))
	}
	if watch.replays.Load() != 0 {
		t.Error("a repetition within the grace period was told as a replay")
	}
	g.clock.Advance(2 * time.Minute)
	for _, got := range atOnce(func() answer { return g.renewAt("lenient", text(first, "refresh_token")) }) {
		if got.outcome() != "400 invalid_grant" {
			t.Errorf("after it: %s", got.outcome())
		}
	}
	if n := watch.replays.Load(); n != 1 {
		t.Errorf("told %d times, want once", n)
	}
	for successor := range same {
		if got := g.renewAt("lenient", successor).outcome(); got != "400 invalid_grant" {
			t.Errorf("the successor: %s, want the family dead", got)
		}
	}
}

// counted counts replays.
type counted struct {
	recorder
	replays atomic.Int64
}

func (c *counted) RefreshReplayed() { c.replays.Add(1) }

func refreshAmnesia(t *testing.T) {
	st, clock := testkit.Store(t), testkit.NewClock(noon)
	on := func(change func(*declared.Environment)) *rig {
		config := attacked()
		if change != nil {
			change(&config.Environments[0])
		}
		return newRig(t, rigOptions{store: st, clock: clock, config: &config, noLimit: true})
	}
	g := on(nil)
	a := newAgent(t, g)
	held := tokensOf(t, a, "first")
	raw := text(held, "refresh_token")
	if got := g.renewAt("second", raw).outcome(); got != "400 invalid_grant" {
		t.Errorf("other client: %s", got)
	}
	if got := g.renewAt("first", raw, "scope=openid orders:write").outcome(); got != "400 invalid_scope" {
		t.Errorf("wider scope: %s", got)
	}
	next := on(nil).renewAt("first", raw)
	if next.status != http.StatusOK {
		t.Fatalf("good, after a restart: %s", next.outcome())
	}
	if got := on(nil).renewAt("first", raw).outcome(); got != "400 invalid_grant" {
		t.Errorf("reuse after a restart: %s", got)
	}
	if got := g.renewAt("first", text(next, "refresh_token")).outcome(); got != "400 invalid_grant" {
		t.Errorf("its successor: %s", got)
	}
	late := tokensOf(t, a, "first")
	clock.Advance(31 * 24 * time.Hour)
	if got := g.renewAt("first", text(late, "refresh_token")).outcome(); got != "400 invalid_grant" {
		t.Errorf("absolute lifetime passed: %s", got)
	}
	// Consent that is withdrawn.
	b := newAgent(t, g)
	agreed := tokensOf(t, b, "asking")
	sub := part(t, text(agreed, "id_token"), 1)["sub"].(string)
	if err := st.DeleteConsent(t.Context(), envA, sub, "asking"); err != nil {
		t.Fatal(err)
	}
	if got := g.renewAt("asking", text(agreed, "refresh_token")).outcome(); got != "400 invalid_grant" || g.userinfoAt(text(agreed, "access_token")) != http.StatusUnauthorized {
		t.Errorf("consent withdrawn: %s", got)
	}
	// The next configuration, over the same data, has the client prove nothing any more: what was given to who did is not
	// for whoever has it now.
	before := text(tokensOf(t, newAgent(t, g), "first"), "refresh_token")
	open := on(func(e *declared.Environment) {
		for i := range e.Applications {
			if a := &e.Applications[i]; a.ClientID == "first" {
				a.AuthMethod, a.Secret = "none", ""
			}
		}
	})
	if got := open.form(envA, "token", public("first"), "grant_type=refresh_token", "refresh_token="+before).outcome(); got != "400 invalid_grant" {
		t.Errorf("without authentication: %s", got)
	}
	if got := g.renewAt("first", before).outcome(); got != "200" {
		t.Errorf("with it, as before: %s, want 200", got)
	}
	// Or the person disabled, which ends in the background all that they hold: nothing comes after it.
	before = text(tokensOf(t, b, "first"), "refresh_token")
	if got := on(func(e *declared.Environment) { e.Users[0].Disabled = true }).renewAt("first", before).outcome(); got != "400 invalid_grant" {
		t.Errorf("user disabled: %s", got)
	}
}

var varying = regexp.MustCompile(`value="[^"]*"|flowId=[0-9a-f-]+`)

func guessing(t *testing.T) {
	g := victim(t)
	wrong := func(name string) (answer, string) {
		a := newAgent(t, g)
		got := a.press(a.open(ask(issuerA, "first")), "submit", "username", name, "password", "wrong-password")
		return got, varying.ReplaceAllString(got.body, "")
	}
	known, knownBody := wrong("alice")
	unknown, unknownBody := wrong("nobody-at-all")
	if known.status != unknown.status || knownBody != unknownBody {
		t.Error("a wrong password and an unknown user look different")
	}
	// The same account, however its name is written, is locked for all of them.
	for i := range 6 {
		wrong([]string{"alice", "ALICE", "Alice"}[i%3])
	}
	a := newAgent(t, g)
	if got := a.press(a.open(ask(issuerA, "first")), "submit", "username", "alice", "password", "alice-demo-pass"); got.header.Get("Location") != "" {
		t.Error("the account is not locked after seven wrong passwords")
	}
	g.clock.Advance(15 * time.Minute)
	a.signOn(ask(issuerA, "first"))

	limited := victim(t, func(o *rigOptions) { o.noLimit = false })
	refused := 0
	for i := range 60 {
		b := newAgent(t, limited)
		got := b.open(ask(issuerA, "first"))
		if got.status == http.StatusTooManyRequests {
			refused++
			continue
		}
		if got = b.press(got, "submit", "username", fmt.Sprintf("name-%d", i), "password", "wrong-password"); got.status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("60 guesses at 60 names from one address were all judged")
	}
}

func addressesOfStrangers(t *testing.T) {
	var asked atomic.Int64
	web := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(web.Close)
	config := attacked()
	config.Environments[0].Registration = declared.Registration{Mode: "open"}
	s := &suite{t: t, rig: newRig(t, rigOptions{config: &config, noLimit: true})}
	for name, members := range map[string][]any{
		"javascript:": {"redirect_uris", []string{"javascript:alert(1)"}}, "fragment": {"redirect_uris", []string{appCallback + "#x"}},
	} {
		if got := s.tryRegister(members...).outcome(); got != "400 invalid_redirect_uri" {
			t.Errorf("%s: %s, want 400 invalid_redirect_uri", name, got)
		}
	}
	for name, members := range map[string][]any{
		"http jwks_uri": {"jwks_uri", "http://app.example.net/jwks", "token_endpoint_auth_method", "private_key_jwt"},
		"logo":          {"logo_uri", "javascript:alert(1)"}, "sector": {"sector_identifier_uri", web.URL, "subject_type", "pairwise"},
		"scope beyond policy": {"scope", "orders:read"},
	} {
		if got := s.tryRegister(members...); got.status/100 != 4 || text(got, "error") != "invalid_client_metadata" {
			t.Errorf("%s: %s, want invalid_client_metadata", name, got.outcome())
		}
	}
	if got := s.tryRegister("client_name", strings.Repeat("x", 70<<10)).status; got != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d, want 413", got)
	}
	// A star is a star.
	star := s.register("redirect_uris", []string{"https://app.example.net/*"})
	page(t, newAgent(t, s.rig).open(star.request("redirect_uri", "https://app.example.net/x")))
	// Keys are fetched when they are needed, and then the address is looked at.
	for _, address := range []string{web.URL + "/jwks", "https://localhost/jwks", "https://169.254.169.254/", "https://[::1]/", "https://2130706433/"} {
		got := s.tryRegister("jwks_uri", address, "token_endpoint_auth_method", "private_key_jwt", "logo_uri", web.URL+"/logo.png")
		if got.status == http.StatusBadRequest {
			continue // refused at once
		}
		id := text(got, "client_id")
		now := s.clock.Now()
		jwt := signed(t, map[string]any{"iss": id, "sub": id, "aud": issuerA, "jti": address, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
		if got := s.form(envA, "token", assertion(jwt), "grant_type=authorization_code", "code=x"); got.status == http.StatusOK || got.outcome() == "400 invalid_grant" {
			t.Errorf("%s: the assertion was accepted: %s", address, got.outcome())
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("a loopback address was asked %d times", n)
	}
	if got := s.tryRegister("unknown_member", "x"); got.status != http.StatusCreated || got.member("unknown_member") != nil {
		t.Errorf("good, with an unknown member: %s", got.outcome())
	}
}

func cookiesAndLogout(t *testing.T) {
	g := victim(t)
	a := newAgent(t, g)
	shown := a.open(ask(issuerA, "first"))
	got := g.do(a.postTo(a.at.String(), fieldsOf(t, shown, "submit", "username", "alice", "password", "alice-demo-pass")))
	cookies := (&http.Response{Header: got.header}).Cookies()
	if len(cookies) == 0 {
		t.Fatal("no cookie")
	}
	for _, c := range cookies {
		if !c.Secure || c.SameSite != http.SameSiteNoneMode || c.Path != "/"+envA || c.Domain != "" || c.HttpOnly != (c.Name == "ST") {
			t.Errorf("cookie %s: secure %v, site %v, path %q, domain %q, HttpOnly %v", c.Name, c.Secure, c.SameSite, c.Path, c.Domain, c.HttpOnly)
		}
	}
	a = newAgent(t, g)
	tokens := tokensOf(t, a, "first")
	elsewhere := newAgent(t, g)
	elsewhere.signOn(ask(atB, "first"))
	stolen := a.jar["ST"]
	off := httptest.NewRequest(http.MethodGet, signOffAt("id_token_hint", text(tokens, "id_token")), nil)
	off.AddCookie(&http.Cookie{Name: "ST", Value: stolen})
	cleared := false
	for _, c := range (&http.Response{Header: g.do(off).header}).Cookies() {
		cleared = cleared || c.Name == "ST" && c.MaxAge < 0 && c.Value == "" && c.Path == "/"+envA && c.Domain == "" && c.Secure && c.HttpOnly
	}
	if !cleared {
		t.Error("sign-off does not take the cookie away by the same name, path and attributes")
	}
	thief := newAgent(t, g)
	thief.jar["ST"] = stolen
	back(t, thief.open(ask(issuerA, "first", "prompt", "none")), "login_required")
	if got := g.userinfoAt(text(tokens, "access_token")); got != http.StatusUnauthorized {
		t.Errorf("the access token after sign-off: %d", got)
	}
	if g.active(envA, secretOf("first"), text(tokens, "access_token")) {
		t.Error("introspection says that the access token is active")
	}
	if got := g.renewAt("first", text(tokens, "refresh_token")).outcome(); got != "400 invalid_grant" {
		t.Errorf("the refresh token after sign-off: %s", got)
	}
	if to := elsewhere.open(ask(atB, "first", "prompt", "none")).header.Get("Location"); !strings.Contains(to, "code=") {
		t.Errorf("the other environment's session: %q, want it alive", to)
	}
}

// fieldsOf are the fields that pressing a button sends.
func fieldsOf(t *testing.T, shown answer, id string, fill ...string) url.Values {
	t.Helper()
	for _, f := range forms.FindAllStringSubmatch(shown.body, -1) {
		for _, b := range button.FindAllStringSubmatch(f[2], -1) {
			if b[1] != id {
				continue
			}
			form := url.Values{}
			for _, h := range hidden.FindAllStringSubmatch(f[2], -1) {
				form.Set(html.UnescapeString(h[1]), html.UnescapeString(h[2]))
			}
			if b[2] != "" {
				form.Set(b[2], b[3])
			}
			for i := 0; i < len(fill); i += 2 {
				form.Set(fill[i], fill[i+1])
			}
			return form
		}
	}
	t.Fatalf("no button %q", id)
	return nil
}

// postTo is a form on its way from the browser.
func (a *agent) postTo(address string, form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range a.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

func weakRandomness(t *testing.T) {
	seen := map[string]bool{}
	for range 100_000 {
		v := secret.New().Reveal()
		if len(v) != 43 || seen[v] {
			t.Fatalf("a secret of %d characters, or one that was there before", len(v))
		}
		seen[v] = true
	}
	g := victim(t)
	a, _ := signedOnAt(t, g, issuerA)
	for range 50 {
		code := a.signOn(ask(issuerA, "first", "scope", offlineScope)).Get("code")
		tokens := g.redeemAt("first", code)
		uri := text(g.form(envA, "par", secretOf("first"), "response_type=code", "scope=openid", "redirect_uri="+appCallback), "request_uri")
		for _, v := range []string{code, text(tokens, "refresh_token"), text(tokens, "access_token"), uri} {
			if len(v) < 43 || seen[v] {
				t.Fatalf("a value of %d characters, or one that was there before", len(v))
			}
			seen[v] = true
		}
	}
}

func pendingFlood(t *testing.T) {
	g := victim(t, func(o *rigOptions) { o.noLimit = false })
	from := func(address string, r *http.Request) answer {
		r.RemoteAddr = address + ":1234"
		return g.do(r)
	}
	until := func(name string, most int, try func() answer) {
		t.Helper()
		for i := range most {
			if got := try(); got.status == http.StatusTooManyRequests {
				if i == 0 || got.header.Get("Retry-After") == "" {
					t.Errorf("%s: refused after %d, Retry-After %q", name, i, got.header.Get("Retry-After"))
				}
				return
			}
		}
		t.Errorf("%s: %d were never too many", name, most)
	}
	begin := func() *http.Request { return httptest.NewRequest(http.MethodGet, ask(issuerA, "first"), nil) }
	push := func() *http.Request {
		return formRequest("/"+envA+"/as/par", public("native"), "response_type=code", "scope=openid", "redirect_uri=com.example.app:/cb", "code_challenge="+challenge256, "code_challenge_method=S256")
	}
	until("authorization requests", 2000, func() answer { return from("192.0.2.7", begin()) })
	until("pushes of a public client", 400, func() answer { return from("192.0.2.7", push()) })
	if got := from("198.51.100.9", begin()); got.status != http.StatusFound {
		t.Errorf("somebody else begins: %d", got.status)
	}
	if got := from("198.51.100.9", push()); got.status != http.StatusCreated {
		t.Errorf("somebody else pushes: %d", got.status)
	}
	chunks := begin()
	chunks.RemoteAddr = "198.51.100.10:1"
	for i := range 500 {
		chunks.AddCookie(&http.Cookie{Name: "ST." + fmt.Sprint(i), Value: "99999999"})
	}
	chunks.AddCookie(&http.Cookie{Name: "ST", Value: "chunks-99999999"})
	if got := g.do(chunks); got.status != http.StatusFound {
		t.Errorf("a cookie that announces chunks: %d, want it ignored", got.status)
	}
}

func sharedState(t *testing.T) {
	config := attacked()
	const people = 24
	for i := range config.Environments {
		for n := range people {
			config.Environments[i].Users = append(config.Environments[i].Users, declared.User{
				Username: fmt.Sprintf("user-%d", n), Password: fmt.Sprintf("password-of-%d", n),
				Claims: map[string]any{"name": fmt.Sprintf("%s %d", config.Environments[i].Name, n)},
			})
		}
	}
	g := newRig(t, rigOptions{config: &config, noLimit: true})
	t.Run("at once", func(t *testing.T) {
		for n := range people {
			for name, at := range map[string]struct{ env, issuer string }{"a": {envA, issuerA}, "b": {envB, atB}} {
				t.Run(fmt.Sprintf("%s %d", name, n), func(t *testing.T) {
					t.Parallel()
					a := newAgent(t, g)
					got := a.press(a.open(ask(at.issuer, "first", "scope", "openid profile")), "submit", "username", fmt.Sprintf("user-%d", n), "password", fmt.Sprintf("password-of-%d", n))
					to, err := url.Parse(got.header.Get("Location"))
					if err != nil {
						t.Fatal(err)
					}
					tokens := g.form(at.env, "token", secretOf("first"), "grant_type=authorization_code", "code="+to.Query().Get("code"), "redirect_uri="+appCallback)
					r := httptest.NewRequest(http.MethodGet, at.issuer+"/userinfo", nil)
					r.Header.Set("Authorization", "Bearer "+text(tokens, "access_token"))
					if got, want := g.do(r).member("name"), fmt.Sprintf("%s %d", name, n); got != want {
						t.Errorf("signed on as %v, want %s", got, want)
					}
				})
			}
		}
	})
}

func secretsInLogs(t *testing.T) {
	var logged testkit.Buffer
	g := victim(t, func(o *rigOptions) {
		o.log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	a := newAgent(t, g)
	shown := a.open(ask(issuerA, "first"))
	a.press(shown, "submit", "username", "alice", "password", "wrong-password-1")
	tokens := tokensOf(t, a, "first")
	code := a.signOn(ask(issuerA, "first")).Get("code")
	uri := text(g.form(envA, "par", secretOf("first"), "response_type=code", "scope=openid", "redirect_uri="+appCallback), "request_uri")
	secrets := []string{"alice-demo-pass", "wrong-password-1", attackSecret, code, uri[len(uri)-20:], a.jar["ST"]}
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		raw := text(tokens, name)
		secrets = append(secrets, raw[len(raw)-30:])
	}
	var bodies strings.Builder
	note := func(got answer) { bodies.WriteString(got.body) }
	for _, s := range secrets[:6] {
		note(a.open(ask(issuerA, "first", "request_uri", s)))
		note(a.open(ask(issuerA, s)))
		note(a.open(ask(issuerA, "first", "id_token_hint", s, "prompt", "none")))
		note(a.open(signOffAt("id_token_hint", s)))
		note(g.redeemAt("second", s))
		note(g.renewAt("second", s))
		note(g.form(envA, "userinfo", anonymous, "access_token="+s))
		note(g.get(issuerA + "/userinfo?access_token=" + url.QueryEscape(s)))
		note(g.form(envA, "par", basic("first", "not-it"), "request="+s))
	}
	if logged.String() == "" || bodies.Len() == 0 {
		t.Fatal("nothing was logged or refused")
	}
	for i, s := range secrets {
		if strings.Contains(logged.String(), s) {
			t.Errorf("secret %d is in the log", i)
		}
		if strings.Contains(bodies.String(), s) {
			t.Errorf("secret %d is in an answer", i)
		}
	}
}

func profile(t *testing.T) {
	g := victim(t)
	a, _ := signedOnAt(t, g, issuerA)
	with := func(scope string) string {
		return text(g.redeemAt("first", a.signOn(ask(issuerA, "first", "scope", scope)).Get("code")), "access_token")
	}
	good := (&suite{rig: g, t: t}).userinfo(with("openid profile"))
	if good.status != http.StatusOK || good.member("name") != "Alice" || good.member("email") != nil {
		t.Errorf("good: %s %s, want the name and no claim of another scope", good.outcome(), good.body)
	}
	if got := g.userinfoAt(with("orders:read")); got != http.StatusForbidden {
		t.Errorf("without openid: %d, want 403", got)
	}
	raw := with("openid")
	g.clock.Advance(2 * time.Hour)
	if got := g.userinfoAt(raw); got != http.StatusUnauthorized {
		t.Errorf("expired: %d, want 401", got)
	}
	raw = with("openid")
	for _, raw := range []string{raw, with("openid orders:read")} {
		if got := g.form(envA, "revoke", secretOf("first"), "token="+raw).outcome(); got != "200" {
			t.Errorf("revocation: %s", got)
		}
		if got := g.userinfoAt(raw); got != http.StatusUnauthorized {
			t.Errorf("revoked: %d, want 401", got)
		}
	}
}

// logoutTokens: none of our endpoints takes one for what it is not. What those
// that we send contain is judged by an independent client in
// TestConformanceBackchannelLogout.
func logoutTokens(t *testing.T) {
	g := victim(t)
	a := newAgent(t, g)
	tokens := tokensOf(t, a, "first")
	now := g.clock.Now()
	for name, raw := range map[string]string{
		"unsigned": unsigned(text(tokens, "id_token")),
		"with events": hs256(t, attackSecret, map[string]any{
			"iss": issuerA, "aud": "first", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": "1",
			"sub": part(t, text(tokens, "id_token"), 1)["sub"], "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		}),
		"access token": text(tokens, "access_token"),
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			page(t, a.open(signOffAt("id_token_hint", raw)))
			if to := a.open(ask(issuerA, "first", "prompt", "none")).header.Get("Location"); !strings.Contains(to, "code=") {
				t.Errorf("the session: %q, want it untouched", to)
			}
		})
	}
}

func crossOriginReadsOfPeople(t *testing.T) {
	config := attacked()
	config.Environments[0].Applications[0].CORSOrigins = []string{"https://app.example.net"}
	g := newRig(t, rigOptions{config: &config, noLimit: true})
	a, _ := signedOnAt(t, g, issuerA)
	for _, origin := range []string{"null", "https://app.example.net.evil", "https://evil.example", "http://app.example.net"} {
		r := httptest.NewRequest(http.MethodGet, ask(issuerA, "first", "response_mode", "pi.flow", "prompt", "none"), nil)
		r.Header.Set("Origin", origin)
		r.AddCookie(&http.Cookie{Name: "ST", Value: a.jar["ST"]})
		if got := g.do(r); got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s may read: %v", origin, got.header)
		}
	}
	r := httptest.NewRequest(http.MethodGet, ask(issuerA, "first", "response_mode", "pi.flow", "prompt", "none"), nil)
	r.Header.Set("Origin", "https://app.example.net")
	r.AddCookie(&http.Cookie{Name: "ST", Value: a.jar["ST"]})
	if got := g.do(r); got.header.Get("Access-Control-Allow-Origin") != "https://app.example.net" || got.header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("good: %v", got.header)
	}
	for _, endpoint := range []string{"userinfo", "par", "token"} {
		r := httptest.NewRequest(http.MethodOptions, issuerA+"/"+endpoint, nil)
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		if got := g.do(r); got.header.Get("Access-Control-Allow-Origin") != "*" || got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v, want any origin and no credentials", endpoint, got.header)
		}
	}
}

func cacheablePeople(t *testing.T) {
	g := victim(t)
	a := newAgent(t, g)
	shown := a.open(ask(issuerA, "first"))
	flow := a.at.Query().Get("flowId")
	tokens := tokensOf(t, a, "first")
	redirect := a.open(ask(issuerA, "first", "prompt", "none"))
	tests := []struct {
		name string
		a    answer
	}{
		{"sign-on page", shown}, {"redirect with a code", redirect},
		{"posted answer", a.open(ask(issuerA, "first", "response_mode", "form_post"))},
		{"error page", a.open(ask(issuerA, "nobody"))},
		{"redirected error", a.open(ask(issuerA, "first", "prompt", "none login"))},
		{"pi.flow", a.open(ask(issuerA, "first", "response_mode", "pi.flow"))},
		{"flow", g.get("/" + envA + "/flows/" + flow)},
		{"UserInfo", (&suite{rig: g, t: t}).userinfo(text(tokens, "access_token"))},
		{"UserInfo error", (&suite{rig: g, t: t}).userinfo("x")},
		{"push", g.form(envA, "par", secretOf("first"), "response_type=code", "scope=openid", "redirect_uri="+appCallback)},
		{"push error", g.form(envA, "par", secretOf("first"))},
		{"token", tokens}, {"token error", g.redeemAt("first", "x")},
		{"sign-off page", a.open(signOffAt())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if cc := tt.a.header.Get("Cache-Control"); !strings.Contains(cc, "no-store") {
				t.Errorf("Cache-Control = %q", cc)
			}
			front := strings.HasPrefix(tt.a.header.Get("Content-Type"), "text/html") || tt.a.header.Get("Location") != ""
			if rp := tt.a.header.Get("Referrer-Policy"); front && rp != "no-referrer" {
				t.Errorf("Referrer-Policy = %q", rp)
			}
		})
	}
}
