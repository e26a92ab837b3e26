package authorize_test

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// TestAttack has the rows of the attack catalogue's section F that an
// authorization request decides, named by their number.
func TestAttack(t *testing.T) {
	const page = "PAGE invalid_request"
	to := func(uri string) []string { return []string{"redirect_uri", uri} }
	registering := func(uris ...string) func(*kit) {
		return func(k *kit) { k.client.RedirectURIs, k.client.WildcardRedirectURIs = uris, true }
	}

	t.Run("case_92", func(t *testing.T) { // host near miss
		run(t, []row{
			{"good", nil, to(callback), "ok"},
			{"suffix", nil, to("https://app.example.com.evil/cb"), page},
			{"prefix", nil, to("https://evilapp.example.com/cb"), page},
			{"port", nil, to("https://app.example.com:8443/cb"), page},
			{"default port", nil, to("https://app.example.com:443/cb"), page},
			{"trailing dot", nil, to("https://app.example.com./cb"), page},
			{"user information", nil, to("https://app.example.com@evil/cb"), page},
			{"user information with a path", nil, to("https://app.example.com%2fcb@evil/cb"), page},
			{"backslash", nil, to(`https://evil\@app.example.com/cb`), page},
			{"another letter", nil, to("https://аpp.example.com/cb"), page},
		})
	})
	t.Run("case_94", func(t *testing.T) { // path walk
		run(t, []row{
			{"dots", nil, to(callback + "/../x"), page},
			{"escaped dots", nil, to(callback + "/%2e%2e/x"), page},
			{"twice escaped dots", nil, to(callback + "/%252e%252e"), page},
			{"path parameter", nil, to(callback + "/..;/x"), page},
			{"slash", nil, to(callback + "/"), page},
			{"query", nil, to(callback + "?x=1"), page},
			{"double slash", nil, to("https://app.example.com//cb"), page},
			{"registered query", registering(callback + "?x=1"), to(callback + "?x=1"), "ok"},
		})
	})
	t.Run("case_95", func(t *testing.T) { // case, scheme, loopback
		loop := registering("http://127.0.0.1:8080/cb")
		run(t, []row{
			{"upper case", nil, to("HTTPS://APP.EXAMPLE.COM/CB"), page},
			{"upper case of the host", nil, to("https://APP.EXAMPLE.COM/cb"), page},
			{"http", nil, to("http://app.example.com/cb"), page},
			{"another port of a loopback", loop, to("http://127.0.0.1:9/cb"), "ok"},
			{"another path of a loopback", loop, to("http://127.0.0.1:9/x"), page},
			{"a loopback as a label", loop, to("http://127.0.0.1.evil/cb"), page},
			{"localhost for 127.0.0.1", loop, to("http://localhost:8080/cb"), page},
			{"127.0.0.1 for localhost", registering("http://localhost:8080/cb"), to("http://127.0.0.1:8080/cb"), page},
			{"the port of localhost, strictly", func(k *kit) { registering("http://localhost:8080/cb")(k); strict(k) },
				append(to("http://localhost:9/cb"), "code_challenge", challenge, "code_challenge_method", "S256"), page},
			{"the port of 127.0.0.1, strictly", func(k *kit) { loop(k); strict(k) },
				append(to("http://127.0.0.1:9/cb"), "code_challenge", challenge, "code_challenge_method", "S256"), "ok"},
		})
	})
	t.Run("case_96", func(t *testing.T) { // pattern leak
		star := registering("https://app.example.com/pr-*/cb")
		run(t, []row{
			{"a dot is a dot", nil, to("https://appXexample.com/cb"), page},
			{"several labels", registering("https://*.example.com/cb"), to("https://a.b.example.com/cb"), page},
			{"one label", registering("https://*.example.com/cb"), to("https://a.example.com/cb"), page},
			{"a segment", star, to("https://app.example.com/pr-1/cb"), "ok"},
			{"across a slash", star, to("https://app.example.com/pr-1/2/cb"), page},
			{"across a dot", star, to("https://app.example.com/pr-1.2/cb"), page},
			{"a walk", registering("https://app.example.com/*/cb"), to("https://app.example.com/../cb"), page},
			{"off by default", func(k *kit) { star(k); k.client.WildcardRedirectURIs = false }, to("https://app.example.com/pr-1/cb"), page},
		})
	})
	t.Run("case_97", func(t *testing.T) { // dangerous, or unregistered in every error path
		evil := to("https://evil.example.com/")
		rows := []row{{"omitted with several registered", registering(callback, callback+"2"), []string{"redirect_uri", "", "scope", "orders:read"}, page}}
		for _, uri := range []string{
			"javascript:alert(1)", "data:text/html,<script>alert(1)</script>", callback + "#x", callback + "\x00", callback + "\r\nX: y", "https:\t//app.example.com/cb", "\t//evil", "//evil", `/\evil`,
		} {
			rows = append(rows, row{uri, nil, to(uri), page}, row{uri + ", registered", registering(uri), to(uri), page})
		}
		for name, more := range map[string][]string{
			"prompt none": {"prompt", "none"}, "bad prompt": {"prompt", "none login"}, "bad scope": {"scope", "admin"}, "no scope": {"scope", ""},
			"form_post": {"response_mode", "form_post"}, "form_post.jwt": {"response_mode", "form_post.jwt"}, "fragment": {"response_mode", "fragment"}, "pi.flow": {"response_mode", "pi.flow"},
			"no type": {"response_type", ""}, "unknown type": {"response_type", "x"}, "token": {"response_type", "token"}, "no nonce": {"response_type", "id_token", "nonce", ""},
			"bad object": {"request", "x"}, "foreign reference": {"request_uri", "https://evil.example.com/"}, "empty challenge": {"code_challenge", "="},
			"bad claims": {"claims", "{"}, "bad hint": {"id_token_hint", "x"}, "long state": {"state", strings.Repeat("s", 10000)},
		} {
			rows = append(rows, row{"unregistered and " + name, nil, append(append([]string{}, evil...), more...), page})
		}
		run(t, rows)
	})
	t.Run("case_99", func(t *testing.T) { // a disabled flow revived
		k := newKit(t)
		k.client.GrantTypes = []string{oauth.GrantAuthorizationCode}
		k.client.ResponseTypes = []string{oauth.ResponseCode}
		if _, failure := k.read("response_type", "token"); outcome(failure) != "BACK unauthorized_client fragment" {
			t.Errorf("front: %s", outcome(failure))
		}
		if _, failure := k.read("response_type", "code token"); outcome(failure) != "BACK unauthorized_client fragment" {
			t.Errorf("hybrid: %s", outcome(failure))
		}
		if _, _, err := k.reader.Push(t.Context(), k.env, k.client, form("response_type", "token"), ""); oauth.From(err).Code != oauth.CodeUnauthorizedClient {
			t.Errorf("pushed: %v", err)
		}
		inside := k.signed(jose.HS256, object(map[string]any{"response_type": "token"}))
		if _, failure := k.read("response_type", "", "request", inside); outcome(failure) != "BACK unauthorized_client fragment" {
			t.Errorf("inside an object: %s", outcome(failure))
		}
		if _, failure := k.read("request", inside); outcome(failure) != badObject {
			t.Errorf("inside an object, hidden by a good one outside: %s", outcome(failure))
		}
		if _, failure := k.read(); failure != nil {
			t.Errorf("code: %v", failure)
		}
	})
	t.Run("case_100", func(t *testing.T) { // PKCE downgrade
		const back = "BACK invalid_request query"
		required := func(k *kit) { k.client.PKCE = "REQUIRED" }
		s256 := func(k *kit) { k.client.PKCE = "S256_REQUIRED" }
		run(t, []row{
			{"absent", required, nil, back},
			{"absent, S256 required", s256, nil, back},
			{"plain, S256 required", s256, []string{"code_challenge", verifier, "code_challenge_method", "plain"}, back},
			{"no method, S256 required", s256, []string{"code_challenge", challenge}, back},
			{"empty", required, []string{"code_challenge", "="}, back},
			{"empty where optional", nil, []string{"code_challenge", "="}, back},
			{"good", s256, []string{"code_challenge", challenge, "code_challenge_method", "S256"}, "ok"},
		})
		k := newKit(t)
		k.client.PKCE = "S256_REQUIRED"
		uri, _, err := k.reader.Push(t.Context(), k.env, k.client, form("code_challenge", challenge, "code_challenge_method", "S256"), "")
		if err != nil {
			t.Fatal(err)
		}
		req, failure := k.readForm(web.NewForm([2]string{"client_id", "app"}, [2]string{"request_uri", uri}))
		if failure != nil || req.Challenge != challenge || req.Method != "S256" {
			t.Errorf("pushed and not repeated: got %+v, %v, want the challenge that was pushed", req, failure)
		}
		uri, _, err = k.reader.Push(t.Context(), k.env, k.client, form("code_challenge", challenge, "code_challenge_method", "S256"), "")
		if err != nil {
			t.Fatal(err)
		}
		req, failure = k.readForm(web.NewForm([2]string{"client_id", "app"}, [2]string{"request_uri", uri}, [2]string{"code_challenge", verifier}, [2]string{"code_challenge_method", "plain"}))
		if failure != nil || req.Challenge != challenge || req.Method != "S256" {
			t.Errorf("pushed and another one beside it: got %+v, %v, want the challenge that was pushed", req, failure)
		}
		if _, _, err := k.reader.Push(t.Context(), k.env, k.client, form(), ""); oauth.From(err).Code != oauth.CodeInvalidRequest {
			t.Errorf("pushed without: %v", err)
		}
	})
	t.Run("case_102", func(t *testing.T) { // mix-up and mode abuse
		k := newKit(t)
		for _, types := range []string{"token", "id_token", "code token", "code id_token token"} {
			if _, failure := k.read("response_type", types, "response_mode", "query"); outcome(failure) != "BACK invalid_request fragment" {
				t.Errorf("query for %s: %s", types, outcome(failure))
			}
		}
		_, failure := k.read("response_mode", "carrier_pigeon")
		if outcome(failure) != "BACK invalid_request query" {
			t.Fatalf("unknown mode: %s", outcome(failure))
		}
		if r := authorize.Refuse(k.env, *failure.ReplyTo, failure.Err, "id"); param(r, "iss") != issuer || param(r, "state") != "s-1" {
			t.Errorf("error response = %v, want iss and state", r.Params)
		}
		if _, r := k.issue(t); param(r, "iss") != issuer {
			t.Errorf("response = %v, want iss", r.Params)
		}
	})
	t.Run("case_103", func(t *testing.T) { // script injection
		k := newKit(t)
		const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
		req, failure := k.read("state", evil, "login_hint", evil, "ui_locales", evil, "response_mode", "form_post")
		if failure != nil {
			t.Fatal(failure)
		}
		if len(req.UILocales) != 0 {
			t.Errorf("ui_locales = %q, want none", req.UILocales)
		}
		r, err := k.issuer.Issue(t.Context(), k.env, req, k.client, k.user, k.browser())
		if err != nil {
			t.Fatal(err)
		}
		for name, r := range map[string]*authorize.Response{
			"answer": r, "error": authorize.Refuse(k.env, req.ReplyTo, oauth.InvalidRequest("%s", evil), "id"),
		} {
			if page := write(r, "GET").Body.String(); strings.Contains(page, "alert(1)</script>") || strings.Contains(page, "<img") || strings.Count(page, "<script") != 1 {
				t.Errorf("%s: markup of a parameter is markup of the page:\n%s", name, page)
			}
		}
		if _, failure := k.read("scope", "openid <script>"); failure != nil {
			t.Errorf("an unknown scope is dropped: %v", failure)
		}
	})
	t.Run("case_107", func(t *testing.T) { // request objects and pushed requests
		base := newKit(t)
		hs := func(changes map[string]any) []string {
			return []string{"request", base.signed(jose.HS256, object(changes))}
		}
		foreign, err := jose.SignSecret(jose.HS256, []byte(strings.Repeat("other", 20)), "", object(nil))
		if err != nil {
			t.Fatal(err)
		}
		run(t, []row{
			{"good", nil, hs(nil), "ok"},
			{"none", nil, []string{"request", unsigned(object(nil))}, badObject},
			{"None", nil, []string{"request", encode(`{"alg":"None"}`) + "." + encode(string(object(nil))) + "."}, badObject},
			{"none, allowed for None in no spelling", func(k *kit) { k.client.UnsignedRequestObject = true },
				[]string{"request", encode(`{"alg":"None"}`) + "." + encode(string(object(nil))) + "."}, badObject},
			{"wrong aud", nil, hs(map[string]any{"aud": issuer + "/authorize"}), badObject},
			{"another client's key", nil, []string{"request", foreign}, badObject},
			{"another client's object", nil, hs(map[string]any{"iss": "other", "client_id": "other"}), badObject},
			{"expired", nil, hs(map[string]any{"exp": base.clock.Now().Add(-time.Hour).Unix()}), badObject},
			{"another response_type outside", nil, append([]string{"response_type", "token"}, hs(nil)...), "BACK invalid_request_object fragment"},
			{"another client_id outside", nil, append([]string{"client_id", "other"}, hs(nil)...), "PAGE invalid_request"},
			{"another redirect_uri outside", nil, append(to("https://evil.example.com/"), hs(nil)...), "ok"},
			{"a URL", nil, []string{"request_uri", "http://169.254.169.254/latest/meta-data/"}, "BACK request_uri_not_supported query"},
			{"a guess", nil, []string{"request_uri", "urn:ietf:params:oauth:request_uri:guess"}, "PAGE invalid_request_uri"},
			{"required to be pushed", func(k *kit) { k.client.PARRequired = true }, nil, "BACK invalid_request query"},
			{"required to be pushed, with an object", func(k *kit) { k.client.PARRequired = true }, hs(nil), "BACK invalid_request query"},
		})
		// Reused, expired, of another client: TestPushedRequest.
	})
}
