package authorize_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func strict(k *kit) { k.env.Strict = true }

func TestGoodRequest(t *testing.T) {
	k := newKit(t)
	req, failure := k.read(
		"response_type", "id_token code", "response_mode", "form_post", "scope", "openid profile unknown orders:read", "prompt", "login consent", "max_age", "60",
		"acr_values", "Single_Factor other", "login_hint", "alice", "ui_locales", "de-CH en <script> fr", "display", "popup",
		"claims", `{"userinfo":{"email":null},"id_token":{"sub":{"value":"alice-id"}}}`, "code_challenge", challenge, "code_challenge_method", "S256", "extra", "foobar",
	)
	if failure != nil {
		t.Fatal(failure)
	}
	sixty := int64(60)
	want := &authorize.Request{
		Client: "app", ResponseType: []string{"code", "id_token"}, ReplyTo: authorize.ReplyTo{URI: callback, Mode: "form_post", State: "s-1"}, RedirectSent: true,
		Scope: []string{"openid", "profile", "orders:read"}, Audience: []string{"https://orders.example.com"}, Resources: []string{"orders"}, TTL: 10 * time.Minute, Nonce: "n-1",
		Prompt: []string{"login", "consent"}, MaxAge: &sixty, ACRValues: []string{"Single_Factor", "other"}, LoginHint: "alice", HintSubject: "alice-id",
		UILocales: []string{"de-CH", "en", "fr"}, Display: "popup", Challenge: challenge, Method: "S256",
		Claims: oauth.ClaimsRequest{UserInfo: map[string]oauth.ClaimRequest{"email": {}}, IDToken: map[string]oauth.ClaimRequest{"sub": {Value: "alice-id"}}},
	}
	if diff := cmp.Diff(want, req); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClientID(t *testing.T) {
	run(t, []row{
		{"known", nil, nil, "ok"},
		{"missing", nil, []string{"client_id", ""}, "PAGE invalid_request"},
		{"unknown", nil, []string{"client_id", "nobody"}, "PAGE invalid_request"},
		{"in another case", nil, []string{"client_id", "APP"}, "PAGE invalid_request"},
		{"disabled", func(k *kit) { k.client.Enabled = false }, nil, "PAGE invalid_request"},
		{"of another environment", func(k *kit) { k.client.Environment = "other" }, nil, "PAGE invalid_request"},
		{"the directory is out", func(k *kit) { k.directory.fault = errors.New("out") }, nil, "PAGE temporarily_unavailable"},
	})
	k := newKit(t)
	_, unknown := k.read("client_id", "nobody")
	k.client.Enabled = false
	_, disabled := k.read()
	if unknown.Err.Description != disabled.Err.Description {
		t.Errorf("unknown says %q, disabled %q, want one text", unknown.Err.Description, disabled.Err.Description)
	}
}

func TestRedirectURI(t *testing.T) {
	two := func(k *kit) { k.client.RedirectURIs = append(k.client.RedirectURIs, "https://app.example.com/other") }
	none := func(k *kit) { k.client.RedirectURIs = nil }
	pattern := func(k *kit) {
		k.client.RedirectURIs, k.client.WildcardRedirectURIs = []string{"https://app.example.com/pr-*/cb"}, true
	}
	run(t, []row{
		{"registered", nil, nil, "ok"},
		{"the second one registered", two, []string{"redirect_uri", "https://app.example.com/other"}, "ok"},
		{"another path", nil, []string{"redirect_uri", "https://app.example.com/x"}, "PAGE invalid_request"},
		{"omitted with one registered (RFC 6749 §3.1.2.3)", nil, []string{"redirect_uri", "", "scope", "orders:read"}, "ok"},
		{"omitted by an OpenID request", nil, []string{"redirect_uri", ""}, "PAGE invalid_request"},
		{"omitted with several registered", two, []string{"redirect_uri", "", "scope", "orders:read"}, "PAGE invalid_request"},
		{"omitted with none registered", none, []string{"redirect_uri", "", "scope", "orders:read"}, "PAGE invalid_request"},
		{"omitted with a pattern registered", pattern, []string{"redirect_uri", "", "scope", "orders:read"}, "PAGE invalid_request"},
		{"sent with none registered", none, nil, "PAGE invalid_request"},
		{"of a pattern", pattern, []string{"redirect_uri", "https://app.example.com/pr-1/cb"}, "ok"},
		{"of a pattern where it is off", func(k *kit) { pattern(k); k.client.WildcardRedirectURIs = false }, []string{"redirect_uri", "https://app.example.com/pr-1/cb"}, "PAGE invalid_request"},
		{"of a pattern, strictly", func(k *kit) { pattern(k); strict(k) },
			[]string{"redirect_uri", "https://app.example.com/pr-1/cb", "code_challenge", challenge, "code_challenge_method", "S256"}, "PAGE invalid_request"},
		{"pi.flow needs none", two, []string{"redirect_uri", "", "response_mode", "pi.flow"}, "ok"},
		{"pi.flow with none registered", none, []string{"redirect_uri", "", "response_mode", "pi.flow"}, "ok"},
		{"pi.flow with a registered one", nil, []string{"response_mode", "pi.flow"}, "ok"},
		{"pi.flow with another one", nil, []string{"redirect_uri", "https://evil.example.com/", "response_mode", "pi.flow"}, "PAGE invalid_request"},
	})
}

func TestResponseType(t *testing.T) {
	without := func(part string) func(*kit) {
		return func(k *kit) {
			k.client.ResponseTypes = slices.DeleteFunc(k.client.ResponseTypes, func(p string) bool { return p == part })
		}
	}
	withoutGrant := func(grant string) func(*kit) {
		return func(k *kit) {
			k.client.GrantTypes = slices.DeleteFunc(k.client.GrantTypes, func(g string) bool { return g == grant })
		}
	}
	s256 := []string{"code_challenge", challenge, "code_challenge_method", "S256"}
	rows := []row{
		{"missing", nil, []string{"response_type", ""}, "BACK invalid_request query"},
		{"unknown", nil, []string{"response_type", "device"}, "BACK unsupported_response_type query"},
		{"unknown beside a token", nil, []string{"response_type", "token device"}, "BACK unsupported_response_type fragment"},
		{"code is not the client's", without("code"), nil, "BACK unauthorized_client query"},
		{"token is not the client's", without("token"), []string{"response_type", "token"}, "BACK unauthorized_client fragment"},
		{"ID token is not the client's", without("id_token"), []string{"response_type", "code id_token"}, "BACK unauthorized_client fragment"},
		{"without the grant authorization_code", withoutGrant("authorization_code"), nil, "BACK unauthorized_client query"},
		{"hybrid without the grant authorization_code", withoutGrant("authorization_code"), []string{"response_type", "code token"}, "BACK unauthorized_client fragment"},
		{"implicit without the grant authorization_code", withoutGrant("authorization_code"), []string{"response_type", "token"}, "ok"},
		{"without the grant implicit", withoutGrant("implicit"), []string{"response_type", "token"}, "BACK unauthorized_client fragment"},
		{"hybrid without the grant implicit", withoutGrant("implicit"), []string{"response_type", "code id_token"}, "BACK unauthorized_client fragment"},
		{"code without the grant implicit", withoutGrant("implicit"), nil, "ok"},
		{"strictly, code", strict, s256, "ok"},
		{"strictly, token", strict, append([]string{"response_type", "token"}, s256...), "BACK unsupported_response_type fragment"},
		{"strictly, code id_token", strict, append([]string{"response_type", "code id_token"}, s256...), "BACK unsupported_response_type fragment"},
		{"an ID token without openid", nil, []string{"response_type", "id_token", "scope", "orders:read"}, "BACK invalid_scope fragment"},
		{"an ID token with openid not granted", func(k *kit) { k.client.Grants[store.ResourceOpenID] = []string{"profile"} }, []string{"response_type", "id_token"}, "BACK invalid_scope fragment"},
	}
	for _, s := range []string{
		"code", "token", "id_token", "code token", "token code", "code id_token", "id_token code", "token id_token", "id_token token",
		"code token id_token", "code id_token token", "token code id_token", "token id_token code", "id_token code token", "id_token token code",
	} {
		rows = append(rows, row{s, nil, []string{"response_type", s}, "ok"})
	}
	run(t, rows)
}

func TestResponseMode(t *testing.T) {
	rows := []row{
		{"unknown", nil, []string{"response_mode", "form_post.jwt"}, "BACK invalid_request query"},
		{"unknown for a token", nil, []string{"response_mode", "web_message", "response_type", "token"}, "BACK invalid_request fragment"},
		{"form_post carries errors too", nil, []string{"response_mode", "form_post", "prompt", "none login"}, "BACK invalid_request form_post"},
		{"form_post without a response type", nil, []string{"response_mode", "form_post", "response_type", ""}, "BACK invalid_request form_post"},
		{"fragment for a code", nil, []string{"response_mode", "fragment", "prompt", "none login"}, "BACK invalid_request fragment"},
		{"pi.flow, and an error", nil, []string{"response_mode", "pi.flow", "redirect_uri", "", "prompt", "none login"}, "BACK invalid_request pi.flow"},
	}
	for _, types := range []string{"token", "id_token", "code token", "code id_token", "id_token token", "code id_token token"} {
		rows = append(rows, row{"query for " + types, nil, []string{"response_mode", "query", "response_type", types}, "BACK invalid_request fragment"})
	}
	run(t, rows)

	k := newKit(t)
	for _, tt := range [][3]string{
		{"code", "", "query"}, {"code", "query", "query"}, {"code", "fragment", "fragment"}, {"code", "form_post", "form_post"}, {"code", "pi.flow", "pi.flow"},
		{"token", "", "fragment"}, {"code id_token", "", "fragment"}, {"id_token", "form_post", "form_post"}, {"id_token", "pi.flow", "pi.flow"},
	} {
		req, failure := k.read("response_type", tt[0], "response_mode", tt[1])
		if failure != nil || req.ReplyTo.Mode != tt[2] {
			t.Errorf("%s with %q: got %+v, %v, want the mode %s", tt[0], tt[1], req, failure, tt[2])
		}
	}
}

func TestCodeChallenge(t *testing.T) {
	none := []string(nil)
	plain := []string{"code_challenge", verifier, "code_challenge_method", "plain"}
	bare := []string{"code_challenge", verifier}
	s256 := []string{"code_challenge", challenge, "code_challenge_method", "S256"}
	setting := func(p store.PKCE) func(*kit) { return func(k *kit) { k.client.PKCE = p } }
	public := func(p store.PKCE) func(*kit) {
		return func(k *kit) { k.client.PKCE, k.client.AuthMethod, k.client.Secrets = p, oauth.AuthNone, nil }
	}
	const bad = "BACK invalid_request query"
	var rows []row
	for _, tt := range []struct {
		name                    string
		change                  func(*kit)
		none, plain, bare, s256 string
	}{
		{"optional", setting(store.PKCEOptional), "ok", "ok", "ok", "ok"},
		{"required", setting(store.PKCERequired), bad, "ok", "ok", "ok"},
		{"S256 required", setting(store.PKCES256Required), bad, bad, bad, "ok"},
		{"public", public(store.PKCEOptional), bad, "ok", "ok", "ok"},
		{"public, required", public(store.PKCERequired), bad, "ok", "ok", "ok"},
		{"public, S256 required", public(store.PKCES256Required), bad, bad, bad, "ok"},
		{"strict, whatever the client's setting", strict, bad, bad, bad, "ok"},
	} {
		rows = append(rows,
			row{tt.name + ": none", tt.change, none, tt.none}, row{tt.name + ": plain", tt.change, plain, tt.plain},
			row{tt.name + ": no method", tt.change, bare, tt.bare}, row{tt.name + ": S256", tt.change, s256, tt.s256})
	}
	rows = append(rows,
		row{"an empty challenge", nil, []string{"code_challenge", "="}, bad},
		row{"an empty challenge with a method", nil, []string{"code_challenge", "=", "code_challenge_method", "S256"}, bad},
		row{"a method alone", nil, []string{"code_challenge_method", "S256"}, bad},
		row{"an unknown method", nil, []string{"code_challenge", challenge, "code_challenge_method", "S512"}, bad},
		row{"a short challenge", nil, []string{"code_challenge", verifier[:42]}, bad},
		row{"no code needs none", public(store.PKCES256Required), []string{"response_type", "id_token token"}, "ok"},
		row{"no code, and a malformed one", nil, []string{"response_type", "token", "code_challenge", "x"}, "BACK invalid_request fragment"},
		row{"hybrid needs one", setting(store.PKCERequired), []string{"response_type", "code id_token"}, "BACK invalid_request fragment"},
	)
	run(t, rows)
}

func TestScope(t *testing.T) {
	run(t, []row{
		{"several resources", nil, []string{"scope", "orders:read stock:read"}, "BACK invalid_scope query"},
		{"several resources where allowed", func(k *kit) { k.client.MultipleResources = true }, []string{"scope", "orders:read stock:read"}, "ok"},
		{"OpenID and one resource", nil, []string{"scope", "openid orders:read"}, "ok"},
		{"nothing that is granted", nil, []string{"scope", "admin"}, "BACK invalid_scope query"},
		{"nothing that is granted, of a token", nil, []string{"scope", "admin", "response_type", "token"}, "BACK invalid_scope fragment"},
		{"malformed", nil, []string{"scope", "openid  profile"}, "BACK invalid_scope query"},
		{"in another order", nil, []string{"scope", "profile openid"}, "ok"},
		{"none", nil, []string{"scope", ""}, "BACK invalid_scope query"},
	})
}

func TestNonce(t *testing.T) {
	run(t, []row{
		{"code without", nil, []string{"nonce", ""}, "ok"},
		{"token without", nil, []string{"nonce", "", "response_type", "token"}, "ok"},
		{"code token without", nil, []string{"nonce", "", "response_type", "code token"}, "ok"},
		{"ID token without", nil, []string{"nonce", "", "response_type", "id_token"}, "BACK invalid_request fragment"},
		{"ID token with an empty one", nil, []string{"nonce", "=", "response_type", "id_token"}, "BACK invalid_request fragment"},
		{"implicit without", nil, []string{"nonce", "", "response_type", "id_token token"}, "BACK invalid_request fragment"},
		{"hybrid without", nil, []string{"nonce", "", "response_type", "code id_token"}, "BACK invalid_request fragment"},
		{"all without", nil, []string{"nonce", "", "response_type", "code id_token token"}, "BACK invalid_request fragment"},
		{"ID token with", nil, []string{"response_type", "id_token"}, "ok"},
	})
}

func TestPromptAndMaxAge(t *testing.T) {
	run(t, []row{
		{"none", nil, []string{"prompt", "none"}, "ok"},
		{"none beside login", nil, []string{"prompt", "none login"}, "BACK invalid_request query"},
		{"unknown", nil, []string{"prompt", "create"}, "BACK invalid_request query"},
		{"max_age 0", nil, []string{"max_age", "0"}, "ok"},
		{"a negative max_age", nil, []string{"max_age", "-1"}, "BACK invalid_request query"},
		{"max_age that is no number", nil, []string{"max_age", "soon"}, "BACK invalid_request query"},
	})

	k := newKit(t)
	k.client.DefaultMaxAge = time.Hour
	if req, _ := k.read(); req == nil || req.MaxAge == nil || *req.MaxAge != 3600 {
		t.Errorf("request = %+v, want the client's default_max_age", req)
	}
	if req, _ := k.read("max_age", "0"); req == nil || req.MaxAge == nil || *req.MaxAge != 0 {
		t.Errorf("request = %+v, want max_age as sent", req)
	}
}

func TestACRAndClaims(t *testing.T) {
	run(t, []row{
		{"known", nil, []string{"acr_values", "Single_Factor"}, "ok"},
		{"unknown wishes are ignored", nil, []string{"acr_values", "1 2"}, "ok"},
		{"essential and reachable", nil, []string{"claims", `{"id_token":{"acr":{"essential":true,"values":["1","Single_Factor"]}}}`}, "ok"},
		{"essential, any", nil, []string{"claims", `{"id_token":{"acr":{"essential":true}}}`}, "ok"},
		{"essential and out of reach", nil, []string{"claims", `{"id_token":{"acr":{"essential":true,"values":["1","2"]}}}`}, "BACK unmet_authentication_requirements query"},
		{"essential value out of reach", nil, []string{"claims", `{"id_token":{"acr":{"essential":true,"value":"1"}}}`}, "BACK unmet_authentication_requirements query"},
		{"essential value of another kind", nil, []string{"claims", `{"id_token":{"acr":{"essential":true,"value":1}}}`}, "BACK invalid_request query"},
		{"voluntary and out of reach", nil, []string{"claims", `{"id_token":{"acr":{"values":["1","2"]}}}`}, "ok"},
		{"malformed", nil, []string{"claims", `{"id_token":`}, "BACK invalid_request query"},
		{"a person", nil, []string{"claims", `{"id_token":{"sub":{"value":"alice-id"}}}`}, "ok"},
		{"several persons", nil, []string{"claims", `{"id_token":{"sub":{"values":["alice-id","bob-id"]}}}`}, "BACK invalid_request query"},
	})
}

func TestWishesAreNeverErrors(t *testing.T) {
	run(t, []row{
		{"display", nil, []string{"display", "hologram"}, "ok"},
		{"ui_locales", nil, []string{"ui_locales", "se <script> " + strings.Repeat("x", 36)}, "ok"},
		{"claims_locales", nil, []string{"claims_locales", "se"}, "ok"},
		{"unknown parameters", nil, []string{"extra", "foobar", "mobilePayload", "x"}, "ok"},
		{"login_hint", nil, []string{"login_hint", `"><script>alert(1)</script>`}, "ok"},
	})
}

func TestSizes(t *testing.T) {
	state := strings.Repeat("s", authorize.MaxState)
	run(t, []row{
		{"a long state", nil, []string{"state", state}, "ok"},
		{"too long a state", nil, []string{"state", state + "s"}, "BACK invalid_request query"},
		{"a state of markup", nil, []string{"state", strings.Repeat("<", 4096)}, "ok"},
		{"a state that is no text", nil, []string{"state", "a\xffb"}, "BACK invalid_request query"},
		{"a state with a control character", nil, []string{"state", "a\x00b"}, "BACK invalid_request query"},
		{"a state of two lines, which a form would not bring back", nil, []string{"state", "a\nb"}, "BACK invalid_request query"},
		{"claims of several lines", nil, []string{"claims", "{\r\n\t\"userinfo\": {\n} }"}, "ok"},
		{"claims that are no text", nil, []string{"claims", "{\"userinfo\":{\"a\xff\":null}}"}, "BACK invalid_request query"},
		{"a long nonce", nil, []string{"nonce", strings.Repeat("n", 2048)}, "ok"},
		{"too long a nonce", nil, []string{"nonce", strings.Repeat("n", 2049)}, "BACK invalid_request query"},
		{"too long a login_hint", nil, []string{"login_hint", strings.Repeat("n", 1025)}, "BACK invalid_request query"},
		{"too long a scope", nil, []string{"scope", "openid " + strings.Repeat("n", 4096)}, "BACK invalid_request query"},
		{"all that a flow cannot keep", nil, []string{
			"state", strings.Repeat("<", authorize.MaxState), "nonce", strings.Repeat("<", 2048), "login_hint", strings.Repeat("<", 1024),
		}, "BACK invalid_request query"},
	})

	k := newKit(t)
	for _, s := range []string{state, "-._~ +&=%23#\"'<>", "ünïcödé ✓"} {
		req, failure := k.read("state", s)
		if failure != nil || req.ReplyTo.State != s {
			t.Errorf("state %.40q: got %v, %v, want it as it was sent", s, req, failure)
		}
	}
	if _, failure := k.read("state", state+"s"); failure == nil || failure.ReplyTo.State != "" {
		t.Errorf("failure = %+v, want no state: it would not be the one that was sent", failure)
	}
}

// A failure after redirect_uri has passed keeps the state and names the client;
// before, it names neither.
func TestFailure(t *testing.T) {
	k := newKit(t)
	_, failure := k.read("prompt", "none login")
	if failure == nil || failure.ReplyTo == nil || *failure.ReplyTo != (authorize.ReplyTo{URI: callback, Mode: "query", State: "s-1"}) || failure.Client != k.client {
		t.Errorf("failure = %+v", failure)
	}
	if e := oauth.From(failure); e != failure.Err {
		t.Errorf("oauth.From gives %v, want the failure's own error", e)
	}
	_, failure = k.read("client_id", "nobody")
	if failure == nil || failure.ReplyTo != nil || failure.Client != nil {
		t.Errorf("failure = %+v, want no client and nowhere to go", failure)
	}
	_, failure = k.read("redirect_uri", "https://evil.example.com/")
	if failure == nil || failure.ReplyTo != nil || failure.Client != k.client {
		t.Errorf("failure = %+v, want the client and nowhere to go", failure)
	}
}
