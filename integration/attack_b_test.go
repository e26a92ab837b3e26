package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAttackB: claims. Every token here has a good signature.
func TestAttackB(t *testing.T) {
	f := newIssuer(t)
	n := start(t, config{bare: true, ports: []string{"foreign", "policy", "subject", "short"},
		sites: gateFor("FOREIGN", f.url(), "") + gateFor("SUBJECT", f.url(), "require_subject") + gateFor("SHORT", f.url(), "max_lifetime 1h") + fmt.Sprintf(`
http://:$POLICY {
	route {
		bearer_auth {
			issuer %s {
				insecure_loopback_http
			}
			audience `+orders+`
			scope read
			claim tenant acme
			claim email_verified true
			forward_claim sub X-User-Id
			forward_claim nickname X-Nick
		}
		header X-Seen {http.auth.user.nickname}
		reverse_proxy $UPSTREAM
	}
}
`, f.url())})
	k := f.keys[0]
	raw := func(replace, with string) string { // changes the JSON text of the claims
		c := string(mustJSON(t, f.good()))
		if !strings.Contains(c, replace) {
			t.Fatalf("%q is not in the claims", replace)
		}
		return k.sign(t, []byte(`{"alg":"RS256","kid":"key-1","typ":"at+jwt"}`), []byte(strings.Replace(c, replace, with, 1)))
	}
	exp := func(value string) string { return raw(fmt.Sprintf(`"exp":%d`, f.good()["exp"]), `"exp":`+value) }
	set := func(name string, value any) string {
		return f.token(t, func(c map[string]any) { c[name] = value })
	}
	drop := func(name string) string { return f.token(t, func(c map[string]any) { delete(c, name) }) }
	good := func(t *testing.T, port, token string) {
		t.Helper()
		n.passes(t, func() answer { return n.call(t, port, "/", token) })
	}
	good(t, "foreign", f.token(t, nil))

	t.Run("case_33", func(t *testing.T) {
		n.refusesTokens(t, r401, "foreign", map[string]string{"no exp": drop("exp"), "exp null": set("exp", nil)})
	})
	t.Run("case_34", func(t *testing.T) {
		bad := map[string]string{}
		for _, v := range []string{"1e300", "-1", `"9999999999"`, "true", "9223372036854775808", "[]", "0"} {
			bad["exp "+v] = exp(v)
		}
		n.refusesTokens(t, r401, "foreign", bad)
		good(t, "foreign", exp(fmt.Sprintf("%d.5", time.Now().Unix()+600)))
	})
	t.Run("case_35", func(t *testing.T) {
		// Seconds from the edges, for a busy machine; the edges themselves are tested
		// with a clock that stands still.
		now := time.Now().Unix()
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"nbf ahead of the skew": set("nbf", now+60), "iat ahead of the skew": set("iat", now+60), "exp behind the skew": set("exp", now-31),
		})
		n.refusesTokens(t, r401, "short", map[string]string{"longer than allowed": f.token(t, func(c map[string]any) { c["exp"] = now + 3700 })})
		for _, token := range []string{set("nbf", now+25), set("iat", now+25), set("exp", now-10)} {
			good(t, "foreign", token)
		}
		good(t, "short", f.token(t, func(c map[string]any) { c["iat"], c["exp"] = now, now+3600 }))
	})
	t.Run("case_36", func(t *testing.T) {
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"no aud": drop("aud"), "null": set("aud", nil), "empty list": set("aud", []string{}), "number": set("aud", 1), "object": set("aud", map[string]any{orders: true}),
		})
		good(t, "foreign", set("aud", []string{"https://x.example", orders}))
	})
	t.Run("case_37", func(t *testing.T) {
		bad := map[string]string{}
		for _, aud := range []string{"https://orders.example.co", orders + "m", "https://ORDERS.example.com", orders + "/", orders + ":443", "https://orders%2Eexample.com", " " + orders} {
			bad["aud "+strings.ReplaceAll(aud, "/", "_")] = set("aud", aud)
		}
		n.refusesTokens(t, r401, "foreign", bad)
	})
	t.Run("case_38", func(t *testing.T) {
		n.refusesTokens(t, r401, "foreign", map[string]string{
			"slash": set("iss", f.url()+"/"), "upper case": set("iss", strings.ToUpper(f.url())), "absent": drop("iss"),
			"list": set("iss", []string{f.url()}), "part": set("iss", f.url()[:len(f.url())-1]), "null": set("iss", nil),
		})
	})
	t.Run("case_39", func(t *testing.T) {
		bad := map[string]string{}
		for _, typ := range []string{"logout+jwt", "dpop+jwt", "token-introspection+jwt", "oauth-authz-req+jwt", "secevent+jwt", "client-authentication+jwt", "id_token"} {
			bad["typ "+typ] = k.token(t, map[string]any{"typ": typ}, f.good())
		}
		shape := func(edit func(c map[string]any)) string {
			c := f.good()
			edit(c)
			return k.token(t, map[string]any{"typ": "JWT"}, c)
		}
		bad["ID token"] = shape(func(c map[string]any) { c["nonce"], c["at_hash"] = "n", "h"; delete(c, "scope") })
		bad["logout token"] = shape(func(c map[string]any) {
			c["events"] = map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
		})
		bad["client assertion"] = shape(func(c map[string]any) { c["sub"] = c["iss"] })
		bad["introspection answer"] = shape(func(c map[string]any) { c["token_introspection"] = map[string]any{"active": true} })
		n.refusesTokens(t, r401, "foreign", bad)
		good(t, "foreign", k.token(t, map[string]any{"typ": "JWT"}, f.good()))
		good(t, "foreign", k.token(t, map[string]any{"typ": "application/AT+jwt"}, f.good()))
	})
	t.Run("case_40", func(t *testing.T) {
		bad := map[string]string{"absent": drop("sub"), "null": set("sub", nil), "empty": set("sub", ""), "spaces": set("sub", "   "), "list": set("sub", []string{"user-1"})}
		n.refusesTokens(t, r401, "subject", bad)
		good(t, "subject", f.token(t, nil))
		// Where no identity is asked for, none is invented.
		n.passes(t, func() answer { return n.call(t, "foreign", "/", drop("sub")) })
		if got := n.upstream.last().folded("X-User-Id"); len(got) != 0 {
			t.Errorf("X-User-Id = %q for a token without sub, want no header", got)
		}
	})
	policy := func(edit func(c map[string]any)) string {
		return f.token(t, func(c map[string]any) {
			c["scope"], c["tenant"], c["email_verified"] = "read", "acme", true
			edit(c)
		})
	}
	with := func(name string, value any) string { return policy(func(c map[string]any) { c[name] = value }) }
	t.Run("case_41", func(t *testing.T) {
		bad := map[string]string{}
		for _, s := range []string{"read-all", "READ", "read,write", "read\twrite", "read\u00a0write", ""} {
			bad[fmt.Sprintf("scope %q", s)] = with("scope", s)
		}
		bad["scope absent"] = policy(func(c map[string]any) { delete(c, "scope") })
		bad["only scp"] = policy(func(c map[string]any) { delete(c, "scope"); c["scp"] = "read" })
		for name, token := range bad {
			t.Run(name, func(t *testing.T) {
				n.secret("a token", token)
				a := n.call(t, "policy", "/", token)
				// A scope that is not even well formed makes the token one that cannot be read.
				if a.status != 403 && a.status != 401 {
					t.Errorf("status = %d, want 403", a.status)
				}
			})
		}
		n.refusesTokens(t, r403, "policy", map[string]string{"another scope": with("scope", "read-all write"), "case": with("scope", "READ")})
		good(t, "policy", with("scope", "write read"))
	})
	t.Run("case_43", func(t *testing.T) {
		for _, text := range []string{"{env.HOME}", "{file./etc/passwd}", "{http.request.header.Authorization}"} {
			token := with("nickname", text)
			n.secret("a token", token)
			a := n.passes(t, func() answer { return n.call(t, "policy", "/", token) })
			if got := n.upstream.last().header.Get("X-Nick"); got != text && got != "" {
				t.Errorf("X-Nick = %q, want %q as it is, or nothing", got, text)
			}
			if got := a.header.Get("X-Seen"); got != text && got != "" {
				t.Errorf("the placeholder gave %q, want %q as it is, or nothing", got, text)
			}
		}
		// Nor can a claim end the header it is forwarded in.
		token := with("nickname", "x\r\nX-Admin: 1")
		n.call(t, "policy", "/", token)
		if got := n.upstream.last().header.Get("X-Admin"); got != "" {
			t.Errorf("a claim has made a header of its own: %q", got)
		}
	})
	t.Run("case_44", func(t *testing.T) {
		n.refusesTokens(t, r403, "policy", map[string]string{
			"a string for true": with("email_verified", "false"), "a number for true": with("email_verified", 1),
			"part of a value": with("tenant", "acme2"), "object": with("tenant", map[string]any{"acme": true}),
		})
		good(t, "policy", with("tenant", []string{"other", "acme"}))
	})
	t.Run("case_45", func(t *testing.T) {
		n.refusesTokens(t, r403, "policy", map[string]string{
			"tenant absent": policy(func(c map[string]any) { delete(c, "tenant") }), "tenant null": with("tenant", nil), "email_verified absent": policy(func(c map[string]any) { delete(c, "email_verified") }),
		})
		good(t, "policy", policy(func(map[string]any) {}))
	})
}
