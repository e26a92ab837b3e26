package authserver_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestDPoPTokens: tokens are bound to the key that was proved, whatever their format and grant, and everybody is told so.
func TestDPoPTokens(t *testing.T) {
	g := possessing(t, nil)
	a := newAgent(t, g)
	for _, tt := range []struct {
		client string
		opaque bool
	}{{"app", false}, {"opaque", true}} {
		t.Run(tt.client, func(t *testing.T) {
			h := newHolder(t, g.clock)
			got := g.form(envA, "token", h.as(public(tt.client), "token"), redeemFields(codeFor(a, tt.client))...)
			if got.status != http.StatusOK || text(got, "token_type") != "DPoP" {
				t.Fatalf("answer %s, token_type %q, want 200 and DPoP", got.outcome(), text(got, "token_type"))
			}
			raw := text(got, "access_token")
			if opaque := !strings.Contains(raw, "."); opaque != tt.opaque {
				t.Errorf("opaque = %v, want %v", opaque, tt.opaque)
			}
			want := map[string]any{"jkt": h.kid}
			if !tt.opaque {
				if diff := cmp.Diff(want, cnf(t, payloadOf(t, raw))); diff != "" {
					t.Errorf("cnf of the token (-want +got):\n%s", diff)
				}
			}
			said := g.introspected(public(tt.client), raw)
			if diff := cmp.Diff(want, cnf(t, []byte(said.body))); diff != "" || text(said, "token_type") != "DPoP" {
				t.Errorf("introspection: token_type %q, cnf (-want +got):\n%s", text(said, "token_type"), diff)
			}
			said = g.introspected(public(tt.client), text(got, "refresh_token"))
			if diff := cmp.Diff(want, cnf(t, []byte(said.body))); diff != "" || text(said, "token_type") != "refresh_token" {
				t.Errorf("introspection of the refresh token: token_type %q, cnf (-want +got):\n%s", text(said, "token_type"), diff)
			}
			if got := g.userinfoWith("DPoP", raw, h.proof(http.MethodGet, at("userinfo"), "ath", ath(raw))); got.status != http.StatusOK {
				t.Errorf("UserInfo: %s", got.outcome())
			}
			if got := g.userinfoWith("dpop", raw, h.proof(http.MethodGet, at("userinfo"), "ath", ath(raw))); got.status != http.StatusOK {
				t.Errorf("UserInfo with the scheme in lower case: %s", got.outcome())
			}
		})
	}
	t.Run("client credentials", func(t *testing.T) {
		h := newHolder(t, g.clock)
		got := g.form(envA, "token", h.as(secretOf("api"), "token"), "grant_type=client_credentials")
		if diff := cmp.Diff(map[string]any{"jkt": h.kid}, cnf(t, payloadOf(t, text(got, "access_token")))); diff != "" || text(got, "token_type") != "DPoP" {
			t.Errorf("token_type %q, cnf (-want +got):\n%s", text(got, "token_type"), diff)
		}
	})
	t.Run("without a proof", func(t *testing.T) {
		got := g.form(envA, "token", secretOf("api"), "grant_type=client_credentials")
		if text(got, "token_type") != "Bearer" || cnf(t, payloadOf(t, text(got, "access_token"))) != nil {
			t.Errorf("token_type %q, claims %s, want an unbound Bearer token", text(got, "token_type"), payloadOf(t, text(got, "access_token")))
		}
	})
}

// TestDPoPRequired: dpop_bound refuses every token request without a proof, before anything is spent.
func TestDPoPRequired(t *testing.T) {
	g := possessing(t, nil)
	h := newHolder(t, g.clock)
	if got := g.form(envA, "token", secretOf("api-bound"), "grant_type=client_credentials").outcome(); got != "400 invalid_dpop_proof" {
		t.Errorf("without: %s, want 400 invalid_dpop_proof", got)
	}
	if got := g.form(envA, "token", h.as(secretOf("api-bound"), "token"), "grant_type=client_credentials").outcome(); got != "200" {
		t.Errorf("with: %s, want 200", got)
	}
	code := codeFor(newAgent(t, g), "app-bound")
	if got := g.form(envA, "token", public("app-bound"), redeemFields(code)...).outcome(); got != "400 invalid_dpop_proof" {
		t.Errorf("code without: %s, want 400 invalid_dpop_proof", got)
	}
	got := g.form(envA, "token", h.as(public("app-bound"), "token"), redeemFields(code)...)
	if got.status != http.StatusOK {
		t.Fatalf("code with: %s, want 200: the refused request has spent the code", got.outcome())
	}
	refresh := []string{"grant_type=refresh_token", "refresh_token=" + text(got, "refresh_token")}
	if got := g.form(envA, "token", public("app-bound"), refresh...).outcome(); got != "400 invalid_dpop_proof" {
		t.Errorf("refresh without: %s, want 400 invalid_dpop_proof", got)
	}
	if got := g.form(envA, "token", h.as(public("app-bound"), "token"), refresh...).outcome(); got != "200" {
		t.Errorf("refresh with: %s, want 200", got)
	}
}

// TestDPoPUnboundWays: what comes in the front channel is bound to nothing, so clients whose tokens are bound get nothing that way.
func TestDPoPUnboundWays(t *testing.T) {
	config := func(env *declared.Environment) {
		for i := range env.Applications {
			if a := &env.Applications[i]; a.ClientID == "app-bound" {
				a.Grants, a.ResponseTypes = []string{"authorization_code", "implicit", "refresh_token"}, []string{"code", "id_token"}
			}
		}
	}
	g := possessing(t, config)
	a := newAgent(t, g)
	code := codeFor(a, "app-bound")
	if code == "" {
		t.Error("code: none")
	}
	for _, types := range []string{"token", "code token", "code id_token token"} {
		t.Run(types, func(t *testing.T) {
			a.t = t
			got := a.open(ask(issuerA, "app-bound", "response_type", types, "code_challenge", challenge, "code_challenge_method", "S256"))
			to, err := url.Parse(got.header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if params, _ := url.ParseQuery(to.Fragment); params.Get("error") != "unauthorized_client" {
				t.Errorf("status %d, Location %q, want unauthorized_client", got.status, to)
			}
		})
	}
}

// TestDPoPRefresh: refresh tokens of public clients are bound to the key of the first request (RFC 9449 §5), those of others to
// their client, whose next access token is bound to the key of that request.
func TestDPoPRefresh(t *testing.T) {
	g := possessing(t, nil)
	a := newAgent(t, g)
	t.Run("confidential client, other key", func(t *testing.T) {
		first, second := newHolder(t, g.clock), newHolder(t, g.clock)
		got := g.form(envA, "token", first.as(secretOf("first"), "token"), redeemFields(codeFor(a, "first"))...)
		got = g.form(envA, "token", second.as(secretOf("first"), "token"), "grant_type=refresh_token", "refresh_token="+text(got, "refresh_token"))
		if got.status != http.StatusOK {
			t.Fatalf("refresh: %s", got.outcome())
		}
		if diff := cmp.Diff(map[string]any{"jkt": second.kid}, cnf(t, payloadOf(t, text(got, "access_token")))); diff != "" {
			t.Errorf("cnf (-want +got):\n%s", diff)
		}
		got = g.form(envA, "token", secretOf("first"), "grant_type=refresh_token", "refresh_token="+text(got, "refresh_token"))
		if text(got, "token_type") != "Bearer" {
			t.Errorf("refresh without a proof: %s, token_type %q, want Bearer", got.outcome(), text(got, "token_type"))
		}
	})
	t.Run("public client that began without a key", func(t *testing.T) {
		h := newHolder(t, g.clock)
		got := g.form(envA, "token", public("app"), redeemFields(codeFor(a, "app"))...)
		got = g.form(envA, "token", h.as(public("app"), "token"), "grant_type=refresh_token", "refresh_token="+text(got, "refresh_token"))
		if text(got, "token_type") != "DPoP" {
			t.Errorf("refresh with a proof: %s, token_type %q, want DPoP", got.outcome(), text(got, "token_type"))
		}
		refresh := "refresh_token=" + text(got, "refresh_token")
		for name, as := range map[string]credential{"other key": newHolder(t, g.clock).as(public("app"), "token"), "no key": public("app")} {
			if got := g.form(envA, "token", as, "grant_type=refresh_token", refresh).outcome(); got != "400 invalid_grant" {
				t.Errorf("%s, after a refresh with a proof: %s, want 400 invalid_grant", name, got)
			}
		}
		if got := g.form(envA, "token", h.as(public("app"), "token"), "grant_type=refresh_token", refresh).outcome(); got != "200" {
			t.Errorf("the key: %s, want 200", got)
		}
	})
	t.Run("binding outlives rotation", func(t *testing.T) {
		h := newHolder(t, g.clock)
		got := g.form(envA, "token", h.as(public("app"), "token"), redeemFields(codeFor(a, "app"))...)
		for range 2 {
			got = g.form(envA, "token", h.as(public("app"), "token"), "grant_type=refresh_token", "refresh_token="+text(got, "refresh_token"))
			if got.status != http.StatusOK {
				t.Fatalf("refresh: %s", got.outcome())
			}
		}
		refresh := "refresh_token=" + text(got, "refresh_token")
		if got := g.form(envA, "token", newHolder(t, g.clock).as(public("app"), "token"), "grant_type=refresh_token", refresh).outcome(); got != "400 invalid_grant" {
			t.Errorf("other key, after rotations: %s, want 400 invalid_grant", got)
		}
	})
}

// TestDPoPCode: a code is bound to the key that dpop_jkt names, or that was proved as the request was pushed (RFC 9449 §10).
func TestDPoPCode(t *testing.T) {
	g := possessing(t, nil)
	a := newAgent(t, g)
	h, other := newHolder(t, g.clock), newHolder(t, g.clock)
	push := func(t *testing.T, as credential, more ...string) string {
		t.Helper()
		got := g.form(envA, "par", as, append(more, "response_type=code", "scope="+offlineScope, "redirect_uri="+appCallback,
			"code_challenge="+challenge, "code_challenge_method=S256")...)
		if got.status != http.StatusCreated {
			t.Fatalf("push: %s %s", got.outcome(), got.body)
		}
		return a.signOn(issuerA + "/authorize?" + url.Values{"client_id": {"first"}, "request_uri": {text(got, "request_uri")}}.Encode()).Get("code")
	}
	for name, code := range map[string]func(*testing.T) string{
		"dpop_jkt":            func(*testing.T) string { return codeFor(a, "first", "dpop_jkt", h.kid) },
		"pushed dpop_jkt":     func(t *testing.T) string { return push(t, secretOf("first"), "dpop_jkt="+h.kid) },
		"proof at the push":   func(t *testing.T) string { return push(t, h.as(secretOf("first"), "par")) },
		"proof and parameter": func(t *testing.T) string { return push(t, h.as(secretOf("first"), "par"), "dpop_jkt="+h.kid) },
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			c := code(t)
			if got := g.form(envA, "token", secretOf("first"), redeemFields(c)...).outcome(); got != "400 invalid_grant" {
				t.Errorf("no key: %s, want 400 invalid_grant", got)
			}
			if got := g.form(envA, "token", other.as(secretOf("first"), "token"), redeemFields(c)...).outcome(); got != "400 invalid_grant" {
				t.Errorf("other key: %s, want 400 invalid_grant", got)
			}
			if got := g.form(envA, "token", h.as(secretOf("first"), "token"), redeemFields(c)...).outcome(); got != "200" {
				t.Errorf("the key: %s, want 200", got)
			}
		})
	}
	for name, tt := range map[string]struct {
		as     credential
		fields []string
		want   string
	}{
		"other key than dpop_jkt names":  {h.as(secretOf("first"), "par"), []string{"dpop_jkt=" + other.kid}, "400 invalid_request"},
		"dpop_jkt that is no thumbprint": {secretOf("first"), []string{"dpop_jkt=abc"}, "400 invalid_request"},
		"empty dpop_jkt":                 {secretOf("first"), []string{"dpop_jkt="}, "400 invalid_request"},
		"proof for another endpoint":     {h.as(secretOf("first"), "token"), nil, "400 invalid_dpop_proof"},
	} {
		t.Run(name, func(t *testing.T) {
			got := g.form(envA, "par", tt.as, append(tt.fields, "response_type=code", "scope=openid", "redirect_uri="+appCallback)...)
			if got.outcome() != tt.want {
				t.Errorf("push: %s, want %s", got.outcome(), tt.want)
			}
		})
	}
	t.Run("malformed in the front channel", func(t *testing.T) {
		a.t = t
		back(t, a.open(ask(issuerA, "first", "dpop_jkt", "abc")), "invalid_request")
	})
}

// TestDPoPNonces: an environment may demand its nonces (RFC 9449 §8), which it gives with the refusal, and anew before they are too old.
func TestDPoPNonces(t *testing.T) {
	g := possessing(t, func(e *declared.Environment) { e.DPoPNonces = true })
	h := newHolder(t, g.clock)
	ask := func(changes ...any) answer {
		return g.form(envA, "token", h.as(secretOf("api"), "token", changes...), "grant_type=client_credentials")
	}
	got := ask()
	nonce := got.header.Get("DPoP-Nonce")
	if got.outcome() != "400 use_dpop_nonce" || nonce == "" || got.header.Get("Cache-Control") != "no-cache, no-store" {
		t.Fatalf("without: %s, nonce %q, want 400 use_dpop_nonce and a nonce", got.outcome(), nonce)
	}
	if got := ask("nonce", "made up"); got.outcome() != "400 use_dpop_nonce" || got.header.Get("DPoP-Nonce") != nonce {
		t.Errorf("made up: %s, nonce %q, want 400 use_dpop_nonce and %q", got.outcome(), got.header.Get("DPoP-Nonce"), nonce)
	}
	got = ask("nonce", nonce)
	if got.status != http.StatusOK || got.header.Get("DPoP-Nonce") != "" {
		t.Fatalf("with: %s, nonce %q, want 200 and none", got.outcome(), got.header.Get("DPoP-Nonce"))
	}
	g.clock.Advance(2 * 60e9)
	renewed := ask("nonce", nonce)
	if renewed.status != http.StatusOK || renewed.header.Get("DPoP-Nonce") == "" || renewed.header.Get("DPoP-Nonce") == nonce {
		t.Errorf("later: %s, nonce %q, want 200 and a newer one", renewed.outcome(), renewed.header.Get("DPoP-Nonce"))
	}
	g.clock.Advance(10 * 60e9)
	if got := ask("nonce", nonce); got.outcome() != "400 use_dpop_nonce" {
		t.Errorf("much later: %s, want 400 use_dpop_nonce", got.outcome())
	}
	if got := g.form(envA, "token", secretOf("api"), "grant_type=client_credentials"); got.status != http.StatusOK || got.header.Get("DPoP-Nonce") != "" {
		t.Errorf("without a proof: %s, nonce %q, want 200 and none", got.outcome(), got.header.Get("DPoP-Nonce"))
	}

	t.Run("UserInfo", func(t *testing.T) {
		current := ask().header.Get("DPoP-Nonce")
		tokens := g.form(envA, "token", h.as(public("app"), "token", "nonce", current), redeemFields(codeFor(newAgent(t, g), "app"))...)
		raw := text(tokens, "access_token")
		got := g.userinfoWith("DPoP", raw, h.proof(http.MethodGet, at("userinfo"), "ath", ath(raw)))
		if got.status != http.StatusUnauthorized || got.header.Get("DPoP-Nonce") != current ||
			!strings.HasPrefix(got.header.Get("WWW-Authenticate"), "DPoP ") || !strings.Contains(got.header.Get("WWW-Authenticate"), `error="use_dpop_nonce"`) {
			t.Errorf("without: %s, headers %v, want 401 with use_dpop_nonce and the nonce", got.outcome(), got.header)
		}
		if got := g.userinfoWith("DPoP", raw, h.proof(http.MethodGet, at("userinfo"), "ath", ath(raw), "nonce", current)); got.status != http.StatusOK {
			t.Errorf("with: %s, want 200", got.outcome())
		}
	})
}

// TestDPoPAddresses: proofs are for an address that configuration knows: of the issuer, of a custom domain, or where certificates
// are asked for.
func TestDPoPAddresses(t *testing.T) {
	g := possessing(t, func(e *declared.Environment) {
		e.Domains, e.MTLSURL = []string{"login.example.org"}, mtlsA
	})
	h := newHolder(t, g.clock)
	for address, want := range map[string]string{
		at("token"):                          "200",
		at("token") + "?a=b#c":               "200",
		mtlsA + "/token":                     "200",
		"https://login.example.org/as/token": "200",
		strings.Replace(at("token"), "https://auth.example.com", "HTTPS://AUTH.example.com:443", 1): "200",
		strings.Replace(at("token"), "https:", "http:", 1):                                          "400 invalid_dpop_proof",
		at("par"):    "400 invalid_dpop_proof",
		at("token/"): "400 invalid_dpop_proof",
		strings.Replace(at("token"), "auth.", "evil.", 1):     "400 invalid_dpop_proof",
		strings.Replace(at("token"), envA, envB, 1):           "400 invalid_dpop_proof",
		"https://login.example.org/" + envA + "/as/token":     "400 invalid_dpop_proof",
		"https://auth.example.com:8443/" + envA + "/as/token": "400 invalid_dpop_proof",
	} {
		t.Run(address, func(t *testing.T) {
			proof := h.proof(http.MethodPost, address)
			if got := g.form(envA, "token", with(secretOf("api"), proof), "grant_type=client_credentials").outcome(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	t.Run("called at the custom domain", func(t *testing.T) {
		r := formRequest("/as/token", with(secretOf("api"), h.proof(http.MethodPost, "https://login.example.org/as/token")), "grant_type=client_credentials")
		r.Host = "login.example.org"
		if got := g.do(r).outcome(); got != "200" {
			t.Errorf("got %s, want 200", got)
		}
	})
}
