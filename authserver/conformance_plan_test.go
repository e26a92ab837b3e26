package authserver_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestConformanceBasicPlan is oidcc-basic-certification-test-plan, with static
// clients and with ones that registered themselves.
func TestConformanceBasicPlan(t *testing.T) {
	s := newServerOfPlans(t)
	t.Run("static clients", func(t *testing.T) { s.plan(t, "code", "", true).run(t) })
	t.Run("registered clients", func(t *testing.T) { s.plan(t, "code", "", false).run(t) })
}

// TestConformanceImplicitPlan is oidcc-implicit-certification-test-plan.
func TestConformanceImplicitPlan(t *testing.T) {
	runPlans(t, "", "id_token", "id_token token", "token id_token")
}

// TestConformanceHybridPlan is oidcc-hybrid-certification-test-plan.
func TestConformanceHybridPlan(t *testing.T) {
	runPlans(t, "", "code id_token", "code token", "code id_token token", "token id_token code")
}

// TestConformanceFormPostPlan is oidcc-formpost-basic-, -implicit- and -hybrid-certification-test-plan.
func TestConformanceFormPostPlan(t *testing.T) {
	runPlans(t, "form_post", "code", "id_token", "id_token token", "code id_token", "code token", "code id_token token")
}

func runPlans(t *testing.T, mode string, types ...string) {
	s := newServerOfPlans(t)
	for _, types := range types {
		t.Run(types, func(t *testing.T) { s.plan(t, types, mode, true).run(t) })
	}
}

// run runs the modules of a plan that concern its response type.
func (p *plan) run(t *testing.T) {
	for _, row := range modules {
		if row.when != nil && !row.when(p) {
			continue
		}
		t.Run(row.name, func(t *testing.T) { row.run(p.begin(t)) })
	}
}

// Conditions of rows.
func withCode(p *plan) bool   { return p.has("code") }
func withAccess(p *plan) bool { return p.access() }
func silent(p *plan) bool     { return p.has("id_token") } // no ID token without nonce
func free(p *plan) bool       { return !p.has("id_token") }
func codeOnly(p *plan) bool   { return p.types == "code" }
func ofCode(p *plan) bool     { return codeOnly(p) && !p.static }

// scopeClaims are the standard claims of each scope (OIDC Core §5.4).
var scopeClaims = map[string][]string{
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email":   {"email", "email_verified"}, "address": {"address"}, "phone": {"phone_number", "phone_number_verified"},
}

// modules are the rows of section 3, by number, with what section 4 changes.
var modules = []struct {
	row  int
	name string
	when func(*plan) bool // nil: always
	run  func(*trial)
}{
	{1, "oidcc-server", nil, func(m *trial) {
		m.signOn()
		if m.signOns != 1 {
			m.t.Errorf("the person signed on %d times, want once", m.signOns)
		}
	}},
	{2, "oidcc-response-type-missing", nil, func(m *trial) {
		got := m.open(m.request("response_type", ""))
		if got.header.Get("Location") == "" && strings.Contains(got.body, `id="error"`) {
			return
		}
		m.refused(m.drive(got, "response_type", ""), true, "invalid_request", "unsupported_response_type")
	}},
	{3, "oidcc-idtoken-signature", ofCode, func(m *trial) {
		if g := m.signOn(); part(m.t, g.idToken, 0)["alg"] != "RS256" {
			m.t.Error("the ID token is not signed with RS256")
		}
	}},
	{4, "oidcc-idtoken-unsigned", ofCode, func(m *trial) {
		if got := m.tryRegister("id_token_signed_response_alg", "none").outcome(); got != "400 invalid_client_metadata" {
			m.t.Errorf("registration = %s, want 400 invalid_client_metadata", got)
		}
		if algs := fmt.Sprint(m.get(issuerA + "/.well-known/openid-configuration").member("id_token_signing_alg_values_supported")); strings.Contains(algs, "none") {
			m.t.Errorf("announced: %s", algs)
		}
	}},
	{5, "oidcc-userinfo-get", withAccess, func(m *trial) {
		g := m.signOn()
		r := httptest.NewRequest(http.MethodGet, issuerA+"/userinfo", nil)
		r.Header.Set("Authorization", "bEARER "+g.access)
		if got := m.do(r); got.status != http.StatusOK {
			m.t.Errorf("the scheme in another case: %d", got.status)
		}
	}},
	{5, "oidcc-userinfo-post-header", withAccess, func(m *trial) {
		g := m.signOn()
		r := httptest.NewRequest(http.MethodPost, issuerA+"/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+g.access)
		if got := m.do(r); got.status != http.StatusOK || g.id() != nil && got.member("sub") != g.id()["sub"] {
			m.t.Errorf("UserInfo = %s", got.outcome())
		}
	}},
	{6, "oidcc-userinfo-post-body", withAccess, func(m *trial) {
		g := m.signOn()
		if got := m.form(envA, "userinfo", anonymous, "access_token="+g.access); got.status != http.StatusOK || text(got, "sub") == "" {
			m.t.Errorf("UserInfo = %s", got.outcome())
		}
		header := func(h http.Header, _ url.Values) { h.Set("Authorization", "Bearer "+g.access) }
		if got := m.form(envA, "userinfo", header, "access_token="+g.access); got.status != http.StatusBadRequest {
			m.t.Errorf("rule 26: token in header and body = %d, want 400", got.status)
		}
		if got := m.get(issuerA + "/userinfo?access_token=" + url.QueryEscape(g.access)); got.status != http.StatusBadRequest && got.status != http.StatusUnauthorized {
			m.t.Errorf("rule 27: token in the query = %d, want 400 or 401", got.status)
		}
		if got := m.userinfo(g.access + "x"); got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			m.t.Errorf("rule 26: bad token = %d %s", got.status, got.header.Get("WWW-Authenticate"))
		}
	}},
	{7, "oidcc-ensure-request-without-nonce-succeeds-for-code-flow", free, func(m *trial) { m.signOn("nonce", "") }},
	{7, "oidcc-ensure-request-without-nonce-fails", silent, func(m *trial) {
		m.refused(m.authorize("nonce", ""), true, "invalid_request")
	}},
	{8, "oidcc-scope-profile", nil, func(m *trial) { m.scopes("profile") }},
	{8, "oidcc-scope-email", nil, func(m *trial) { m.scopes("email") }},
	{8, "oidcc-scope-address", nil, func(m *trial) { m.scopes("address") }},
	{8, "oidcc-scope-phone", nil, func(m *trial) { m.scopes("phone") }},
	{8, "oidcc-scope-all", nil, func(m *trial) { m.scopes("profile", "email", "address", "phone") }},
	{9, "oidcc-alternate-happy-flow", nil, func(m *trial) {
		q, _ := url.ParseQuery(m.parameters("scope", "email openid profile"))
		var pairs []string
		for _, name := range slices.Backward(slices.Sorted(maps.Keys(q))) {
			pairs = append(pairs, name+"="+url.QueryEscape(q.Get(name)))
		}
		m.take(m.drive(m.open(issuerA + "/authorize?" + strings.Join(pairs, "&"))))
	}},
	{10, "oidcc-display-page", nil, func(m *trial) { m.signOn("display", "page") }},
	{10, "oidcc-display-popup", nil, func(m *trial) { m.signOn("display", "popup") }},
	{11, "oidcc-prompt-login", nil, func(m *trial) { m.again(2, true, "prompt", "login") }},
	{12, "oidcc-prompt-none-not-logged-in", nil, func(m *trial) {
		r := m.authorize("prompt", "none", "state", strings.Repeat("-._~abcd", 16))
		m.refused(r, false, "login_required", "interaction_required", "consent_required", "account_selection_required")
		if m.signOns != 0 {
			m.t.Error("a page was shown")
		}
	}},
	{13, "oidcc-prompt-none-logged-in", nil, func(m *trial) { m.again(1, false, "prompt", "none") }},
	{14, "oidcc-max-age-1", nil, func(m *trial) { m.again(2, true, "max_age", "1") }},
	{15, "oidcc-max-age-10000", nil, func(m *trial) {
		first := m.signOn("max_age", "15000")
		m.clock.Advance(2 * time.Second)
		second := m.signOn("max_age", "10000")
		if m.signOns != 1 || first.id() != nil && (first.id()["auth_time"] != second.id()["auth_time"] || first.id()["auth_time"] == nil) {
			m.t.Errorf("%d sign-ons, auth_time %v, then %v, want one and the same", m.signOns, first.id()["auth_time"], second.id()["auth_time"])
		}
	}},
	{16, "oidcc-ensure-request-with-unknown-parameter-succeeds", nil, func(m *trial) { m.signOn("extra", "foobar") }},
	{17, "oidcc-id-token-hint", func(p *plan) bool { return p.types != "token" }, func(m *trial) {
		first := m.signOn()
		m.clock.Advance(2 * time.Hour) // the hint has expired
		second := m.signOn("prompt", "none", "id_token_hint", first.idToken)
		if first.id()["sub"] != second.id()["sub"] || m.signOns != 1 {
			m.t.Errorf("sub %v, then %v", first.id()["sub"], second.id()["sub"])
		}
	}},
	{18, "oidcc-login-hint", nil, func(m *trial) {
		if page := m.open(m.request("login_hint", "buffy@example.com")); !strings.Contains(page.body, `value="buffy@example.com"`) {
			m.t.Error("the name is not prefilled")
		}
		m.signOn("login_hint", "buffy@example.com")
	}},
	{19, "oidcc-ui-locales", nil, func(m *trial) { m.signOn("ui_locales", "se") }},
	{19, "oidcc-claims-locales", nil, func(m *trial) { m.signOn("claims_locales", "se") }},
	{20, "oidcc-ensure-request-with-acr-values-succeeds", nil, func(m *trial) {
		announced, _ := m.get(issuerA + "/.well-known/openid-configuration").member("acr_values_supported").([]any)
		if len(announced) == 0 {
			m.fatalf("acr_values_supported is missing")
		}
		if g := m.signOn("acr_values", strings.Trim(fmt.Sprint(announced), "[]")); g.id() != nil && !slices.Contains(announced, g.id()["acr"]) {
			m.t.Errorf("acr = %v, want one of %v", g.id()["acr"], announced)
		}
	}},
	{21, "oidcc-codereuse", withCode, func(m *trial) { m.reuse(0) }},
	{22, "oidcc-codereuse-30seconds", withCode, func(m *trial) { m.reuse(30 * time.Second) }},
	{23, "oidcc-ensure-registered-redirect-uri", nil, func(m *trial) {
		page(m.t, m.open(m.request("redirect_uri", appCallback+"/bar")))
	}},
	{24, "oidcc-ensure-post-request-succeeds", nil, func(m *trial) {
		q, _ := url.ParseQuery(m.parameters())
		m.take(m.drive(m.send(http.MethodPost, issuerA+"/authorize", q)))
	}},
	{25, "oidcc-server-client-secret-post", withCode, func(m *trial) {
		m.client = m.posting
		m.signOn()
	}},
	{26, "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", nil, func(m *trial) {
		m.noneIsNotAnnounced()
		m.refused(m.authorize("request_uri", "https://app.example.net/object.jwt"), false, "request_uri_not_supported")
	}},
	{27, "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", nil, func(m *trial) {
		m.noneIsNotAnnounced()
		object := unsignedObject(m.t, map[string]any{"client_id": m.client.id, "response_type": m.types, "state": "inside", "nonce": "inside"})
		m.refused(m.authorize("request", object), false, "invalid_request_object", "request_not_supported")
	}},
	{28, "oidcc-claims-essential", nil, func(m *trial) {
		if !m.access() {
			if g := m.signOn("claims", `{"id_token":{"name":{"essential":true}}}`); g.id()["name"] != m.claims["name"] {
				m.t.Errorf("name = %v, want it in the ID token", g.id()["name"])
			}
			return
		}
		g := m.signOn("claims", `{"userinfo":{"name":{"essential":true}}}`)
		if got := m.userinfo(g.access); got.member("name") != m.claims["name"] || got.member("email") != nil {
			m.t.Errorf("UserInfo: name %v, email %v, want the name alone", got.member("name"), got.member("email"))
		}
	}},
	{29, "oidcc-ensure-request-object-with-redirect-uri", nil, func(m *trial) {
		m.noneIsNotAnnounced()
		object := unsignedObject(m.t, map[string]any{"client_id": m.client.id, "response_type": m.types, "redirect_uri": appCallback})
		page(m.t, m.open(m.request("request", object, "redirect_uri", appCallback+"/bar")))
	}},
	{30, "oidcc-refresh-token", withCode, func(m *trial) {
		if grants := fmt.Sprint(m.get(issuerA + "/.well-known/openid-configuration").member("grant_types_supported")); !strings.Contains(grants, "refresh_token") {
			m.t.Errorf("grant_types_supported = %s", grants)
		}
		m.refresh(m.first, "scope=openid offline_access")
		theirs := m.refresh(m.second)
		if got := m.renew(m.first, theirs).outcome(); got != "400 invalid_grant" {
			m.t.Errorf("the second client's refresh token sent by the first: %s, want 400 invalid_grant", got)
		}
	}},
	{31, "oidcc-ensure-request-with-valid-pkce-succeeds", withCode, func(m *trial) {
		m.signOn("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method", "S256")
	}},
}

// TestEveryRowOfTheBasicPlan: nobody has lost one.
func TestEveryRowOfTheBasicPlan(t *testing.T) {
	for row := 1; row <= 31; row++ {
		if !slices.ContainsFunc(modules, func(m struct {
			row  int
			name string
			when func(*plan) bool
			run  func(*trial)
		}) bool {
			return m.row == row
		}) {
			t.Errorf("row %d of section 3 has no module", row)
		}
	}
}

// scopes: every standard claim of the scopes comes from UserInfo, or in the ID
// token where there is no access token, and none of another scope.
func (m *trial) scopes(scopes ...string) {
	m.t.Helper()
	g := m.signOn("scope", "openid "+strings.Join(scopes, " "))
	got, where := g.id(), "the ID token"
	if m.access() {
		var info map[string]any
		where = "UserInfo"
		info = map[string]any{}
		a := m.userinfo(g.access)
		for _, name := range membersOf(m.t, a.body) {
			info[name] = a.member(name)
		}
		got = info
	}
	for scope, names := range scopeClaims {
		for _, name := range names {
			want := m.claims[name]
			if !slices.Contains(scopes, scope) {
				want = nil
			}
			if diff := cmp.Diff(want, got[name]); diff != "" {
				m.t.Errorf("%s: %s (-want +got):\n%s", where, name, diff)
			}
		}
	}
}

// again signs on twice, the second time with more parameters.
func (m *trial) again(signOns int, later bool, params ...string) {
	m.t.Helper()
	first := m.signOn()
	m.clock.Advance(2 * time.Second)
	second := m.signOn(params...)
	if m.signOns != signOns {
		m.t.Errorf("%d sign-on pages, want %d", m.signOns, signOns)
	}
	if m.types == "token" || first.id() == nil {
		return
	}
	was, is := first.id()["auth_time"].(float64), second.id()["auth_time"].(float64)
	if (is > was) != later || !later && is != was || first.id()["sub"] != second.id()["sub"] {
		m.t.Errorf("auth_time %v, then %v, want a later one: %v", was, is, later)
	}
}

// reuse uses a code twice.
func (m *trial) reuse(pause time.Duration) {
	m.t.Helper()
	g := m.signOn()
	m.clock.Advance(pause)
	if got := m.redeem(m.client, g.Get("code")).outcome(); got != "400 invalid_grant" {
		m.t.Errorf("second use: %s, want 400 invalid_grant", got)
	}
	if got := m.userinfo(g.access).status; got != http.StatusUnauthorized {
		m.t.Errorf("UserInfo with the first access token = %d, want 401", got)
	}
}

// refresh is section 3.1 for one client.
func (m *trial) refresh(p *party, fields ...string) string {
	m.t.Helper()
	m.client = p
	g := m.signOn("scope", "openid offline_access", "prompt", "consent")
	if g.refresh == "" || m.consents == 0 {
		m.fatalf("no refresh token, or no consent was asked")
	}
	m.clock.Advance(time.Second)
	got := m.renew(p, g.refresh, fields...)
	if got.status != http.StatusOK {
		m.fatalf("refresh: %s", got.outcome())
	}
	m.checkTokens(got)
	if text(got, "access_token") == g.access || m.userinfo(text(got, "access_token")).status != http.StatusOK {
		m.t.Error("the new access token is the old one, or does not work")
	}
	c := m.checkIDToken(text(got, "id_token"), text(got, "access_token"), "", "", nil)
	for _, name := range []string{"iss", "sub", "aud", "auth_time"} {
		if c[name] != g.back[name] {
			m.t.Errorf("3.1: %s = %v, want %v as before", name, c[name], g.back[name])
		}
	}
	if c["iat"].(float64) <= g.back["iat"].(float64) {
		m.t.Errorf("3.1: iat = %v, want one later than %v", c["iat"], g.back["iat"])
	}
	return text(got, "refresh_token")
}

func (m *trial) noneIsNotAnnounced() {
	m.t.Helper()
	list, _ := m.get(issuerA + "/.well-known/openid-configuration").member("request_object_signing_alg_values_supported").([]any)
	if len(list) == 0 || slices.Contains(list, any("none")) {
		m.t.Errorf("request_object_signing_alg_values_supported = %v, want a list without none", list)
	}
}
