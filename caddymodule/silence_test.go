package caddymodule_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// mark is in whatever must not be seen again.
const mark = "Zm4rkedSecret"

// TestPropertySilence is property 7 of the attack catalogue: whatever is sent to the authorization server and to a gate, with secrets, tokens and
// proofs in headers, query, path and body, in their places and in wrong ones, none of them is in a log at any level, in the metrics, or in
// an answer that says no.
func TestPropertySilence(t *testing.T) {
	dir, up := t.TempDir(), newUpstream(t)
	access, rest := filepath.Join(dir, "access.log"), filepath.Join(dir, "rest.log")
	server, guarded, admin := freePort(t), freePort(t), freePort(t)
	base, gateBase := fmt.Sprintf("http://localhost:%d", server), fmt.Sprintf("http://localhost:%d", guarded)
	replace := strings.NewReplacer("$DIR", dir, "$BASE", base, "$GATE", gateBase, "$ACCESS", access, "$REST", rest, "$UP", up.Addr,
		"$ENV", demoEnvironment, "$MARK", mark, "$TRUSTED", trusted, "$ADMIN", fmt.Sprint(admin))
	config, err := adapt(replace.Replace("{\n" + strings.NewReplacer("admin off", "admin 127.0.0.1:$ADMIN", "level ERROR", "output discard").Replace(globals) + `
	debug
	metrics
	log all {
		output file $REST
		level DEBUG
		format json
	}
	gatehouse {
		storage sqlite {
			path $DIR/gatehouse.db
		}
		environment demo $ENV {
			issuer $BASE/$ENV/as
			user alice {
				password $MARK-password
			}
			resource orders {
				audience https://orders.example.com
				scope orders:read
			}
			application worker {
				type worker
				secret $MARK-worker
				allow orders:read
			}
		}
		legacy {
			url $BASE/am
			realm alpha demo
			administrator amadmin $MARK-administrator
		}
	}
}
$BASE {
	log {
		output file $ACCESS
		format json
	}
	authorization_server
	respond "not ours" 404
}
$GATE {
	log {
		output file $ACCESS
		format json
	}
	bearer_auth {
		$TRUSTED
		issuer $BASE/$ENV/as
		url $GATE
		scope orders:read
		dpop {
			nonce
		}
		allow "claims.sub != 'x'"
		mcp {
			tool list orders:read
		}
	}
	reverse_proxy $UP
}
`))
	if err != nil {
		t.Fatal(err)
	}
	loadJSON(t, config)

	worker := url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"}}
	req, err := http.NewRequest(http.MethodPost, base+"/"+demoEnvironment+"/as/token", strings.NewReader(worker.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("worker", mark+"-worker")
	issued := do(t, req)
	if issued.Status != http.StatusOK {
		t.Fatalf("no token: %d %s", issued.Status, issued.Body)
	}
	live := issued.member(t, "access_token")
	encoded := base64.RawURLEncoding.EncodeToString
	holder := newProver(t)
	proof := holder.proof(t, http.MethodGet, gateBase+"/", live)
	bound := holder.token(t)
	// Whoever searches for the mark has to know what else it looks like.
	payload := encoded([]byte(`{"iss":"` + issuer + `","sub":"` + mark + `"}`))
	basic := func(id, secret string) string { return base64.StdEncoding.EncodeToString([]byte(id + ":" + secret)) }
	hidden := []string{mark, payload, basic("worker", mark+"-worker"), basic("worker", mark+"-wrong")}
	for _, jwt := range []string{live, proof, bound} {
		hidden = append(hidden, part(jwt, 1), part(jwt, 2))
	}
	values := []string{
		mark + "-text", mark + "-worker", "x." + mark + ".y", encoded([]byte(`{"alg":"RS256","kid":"a"}`)) + "." + payload + "." + mark, mark + "%00", mark + " {env.HOME}", "<" + mark + ">", `"` + mark,
		"urn:ietf:params:oauth:request_uri:" + mark, live, proof, bound, live + "x", `{"` + mark + `":`,
	}
	value := rapid.SampledFrom(values)
	secretFields := rapid.SampledFrom([]string{
		"access_token", "token", "refresh_token", "code", "code_verifier", "client_secret", "password", "client_assertion", "assertion", "subject_token", "actor_token", "id_token_hint", "login_hint_token",
		"request", "device_code", "user_code", "id_token", "logout_token", "Access_Token",
	})
	plainFields := rapid.SampledFrom([]string{
		"grant_type=authorization_code", "grant_type=refresh_token", "grant_type=client_credentials", "grant_type=urn:ietf:params:oauth:grant-type:token-exchange", "client_id=worker", "client_id=nobody",
		"response_type=code", "scope=openid", "redirect_uri=https://app.example.com/cb", "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "prompt=none", "token_type_hint=access_token",
	})
	as := base + "/" + demoEnvironment + "/as/"
	endpoint := rapid.SampledFrom([]string{
		as + "token", as + "introspect", as + "revoke", as + "userinfo", as + "authorize", as + "par", as + "signoff", as + "device_authorization", as + "register", as + "nothing",
		base + "/am/oauth2/alpha/tokeninfo", base + "/am/json/alpha/authenticate", base + "/am/frrest/oauth2/token/" + mark, base + "/v1/environments/" + demoEnvironment + "/users", gateBase + "/", gateBase + "/mcp",
	})
	header := rapid.SampledFrom([]string{
		"Authorization: Bearer ", "Authorization: DPoP ", "Authorization: Basic ", "Authorization: ", "Authorization: Token ", "Dpop: ", "Cookie: ST=", "Cookie: iPlanetDirectoryPro=",
		"Proxy-Authorization: Basic ", "Referer: https://app.example.com/cb?access_token=",
	})
	// What only the authorization server is sent; to a gate it is the application's.
	serverHeader := rapid.SampledFrom([]string{
		"X-OpenAM-Username: ", "X-OpenAM-Password: ", "iPlanetDirectoryPro: ", "Referer: https://app.example.com/cb?code=", "X-Forwarded-Uri: /?access_token=", "X-Original-URL: /cb?state=x&code=",
	})
	until := time.Now().Add(4 * time.Second)
	asked := 0
	rapid.Check(t, func(r *rapid.T) {
		if time.Now().After(until) {
			return
		}
		target := endpoint.Draw(r, "endpoint")
		atGate := strings.HasPrefix(target, gateBase)
		query, form := url.Values{}, url.Values{}
		for i, in := range []url.Values{query, form} {
			for range rapid.IntRange(0, 3).Draw(r, "plain") {
				name, v, _ := strings.Cut(plainFields.Draw(r, "field"), "=")
				in.Set(name, v)
			}
			for range rapid.IntRange(0, 2).Draw(r, "secret") {
				name := secretFields.Draw(r, "name")
				if atGate && i == 0 {
					name = "access_token" // other parameters are the application's
				}
				in.Add(name, value.Draw(r, "value"))
			}
		}
		body, typ := form.Encode(), "application/x-www-form-urlencoded"
		if len(query) > 0 {
			target += "?" + query.Encode()
		}
		if rapid.IntRange(0, 3).Draw(r, "JSON") == 0 {
			body, typ = fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"password":%[1]q},"password":%[1]q}`, value.Draw(r, "in JSON")), "application/json"
		}
		req, err := http.NewRequest(rapid.SampledFrom([]string{"GET", "POST", "POST", "PUT", "DELETE"}).Draw(r, "method"), target, strings.NewReader(body))
		if err != nil {
			r.Fatal(err)
		}
		req.Header.Set("Content-Type", typ)
		for range rapid.IntRange(0, 3).Draw(r, "headers") {
			kind := header
			if !atGate && rapid.Bool().Draw(r, "of the server") {
				kind = serverHeader
			}
			name, before, _ := strings.Cut(kind.Draw(r, "header"), ": ")
			v := before + value.Draw(r, "in a header")
			if strings.HasSuffix(before, "Basic ") {
				v = before + basic("worker", mark+rapid.SampledFrom([]string{"-worker", "-wrong"}).Draw(r, "basic"))
			}
			req.Header[http.CanonicalHeaderKey(name)] = append(req.Header[http.CanonicalHeaderKey(name)], v)
		}
		got := do(t, req)
		asked++
		if got.Status < 400 {
			return
		}
		said := got.Body + fmt.Sprint(got.Header)
		for _, s := range hidden {
			if strings.Contains(said, s) {
				r.Fatalf("%s %s: the answer %d repeats %s: %s", req.Method, target, got.Status, s, said)
			}
		}
	})

	lines := logLines(t, access, 1)
	if asked < 20 || len(lines) < asked/2 {
		t.Fatalf("%d requests, %d lines of the access log", asked, len(lines))
	}
	metrics := get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", admin), "").Body
	if !strings.Contains(metrics, "gatehouse_") {
		t.Fatal("no metrics")
	}
	texts := map[string]string{"the metrics": metrics}
	for _, file := range []string{access, rest} {
		texts[filepath.Base(file)] = fileText(t, file)
	}
	for name, text := range texts {
		for line := range strings.Lines(text) {
			for _, s := range hidden {
				if strings.Contains(line, s) {
					t.Errorf("%s: %s is in %s", name, s, line)
				}
			}
		}
	}
}
