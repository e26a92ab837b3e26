package integration_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// silentEnv has the applications of the gates that speak to the authorization server themselves, and of one whose
// tokens are opaque.
const silentEnv = `
			application gatekeeper {
				type service
				secret {env.READER_SECRET}
				grant client_credentials token_exchange
				allow orders:read
			}
			application opaque {
				type worker
				secret {env.BASIC_SECRET}
				access_token_format opaque
				allow orders:read
			}`

// silentSites have everything that a gate may be told, or make, and that nobody else may see.
const silentSites = `
(gatekeeper) {
	token_endpoint $ISSUER/token
	basic gatekeeper {env.READER_SECRET}
	insecure_loopback_http
}

http://:$EXCHANGED {
	log
	bearer_auth {
		issuer $ISSUER
		audience ` + orders + `
		url http://127.0.0.1:$EXCHANGED
		dpop {
			nonce
		}
		upstream {
			exchange {
				import gatekeeper
				audience ` + orders + `
			}
			assertion {
				audience https://api.example.com
			}
		}
	}
	reverse_proxy $UPSTREAM
}

http://:$OWNED {
	log
	bearer_auth {
		issuer $ISSUER
		audience ` + orders + `
		url http://127.0.0.1:$OWNED
		dpop
		upstream {
			client_credentials {
				import gatekeeper
				scope orders:read
			}
		}
	}
	reverse_proxy $UPSTREAM
}

http://:$PHANTOM {
	log
	bearer_auth {
		issuer $ISSUER
		audience ` + orders + `
		upstream {
			token phantom
		}
	}
	reverse_proxy $UPSTREAM
}

http://:$CERTIFIED {
	log
	bearer_auth {
		issuer $FOREIGN_ISSUER {
			insecure_loopback_http
		}
		audience ` + orders + `
		client_certificate {
			header Client-Cert
		}
	}
	reverse_proxy $UPSTREAM
}
`

// TestAttack126PossessionSilence: what proves possession, and what goes to the upstream in place of a token, is in no log at Caddy's debug
// level, no metric and no answer of the admin endpoint, whether it was good or not.
func TestAttack126PossessionSilence(t *testing.T) {
	f := newIssuer(t)
	n := prepare(t, config{env: silentEnv, sites: silentSites, ports: []string{"exchanged", "owned", "phantom", "certified"}, vars: map[string]string{"FOREIGN_ISSUER": f.url()}})
	rewrite(t, n, strings.NewReplacer("persist_config off", "persist_config off\n\tservers {\n\t\ttrusted_proxies static 127.0.0.0/8\n\t}").Replace)
	n.run(t)
	key, stranger := newDPoPKey(), newDPoPKey()
	passes := func(what string, a answer) arrived {
		t.Helper()
		if a.status != http.StatusOK {
			t.Fatalf("%s: %d %s %s, want 200", what, a.status, a.challenge(), a.body)
		}
		return n.upstream.last()
	}
	refused := func(what string, a answer) {
		t.Helper()
		if a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s, want 401", what, a.status, a.challenge())
		}
	}
	// replaced insists that the upstream got another token, and keeps it in mind.
	replaced := func(what, token string, got arrived) {
		t.Helper()
		other := strings.TrimPrefix(got.header.Get("Authorization"), "Bearer ")
		if other == token || strings.Count(other, ".") != 2 {
			t.Fatalf("%s: the upstream got %q, want a JWT in place of the token", what, other)
		}
		n.secret("the token for the upstream", other)
	}

	bound := n.dpopToken(t, key, worker, "orders:read")
	proof := func(k dpopKey, port, nonce string) string {
		return k.proof(t, http.MethodGet, n.url(port)+"/", bound, func(_, c map[string]any) { c["nonce"] = nonce })
	}
	asked := n.prove(t, "exchanged", "/", bound, proof(key, "exchanged", ""))
	refused("a proof without a nonce", asked)
	nonce := asked.header.Get("DPoP-Nonce")
	// Nobody but who has the key can have a bound token exchanged.
	refused("a bound token to be exchanged", n.prove(t, "exchanged", "/", bound, proof(key, "exchanged", nonce)))
	free := n.token(t, worker, "orders:read")
	got := passes("exchanged", n.call(t, "exchanged", "/", free))
	replaced("exchanged", free, got)
	assertion := got.header.Get("Gatehouse-Assertion")
	if strings.Count(assertion, ".") != 2 {
		t.Fatalf("the assertion is %q, want a JWT", assertion)
	}
	n.secret("an assertion", assertion)
	refused("another key", n.prove(t, "exchanged", "/", bound, proof(stranger, "exchanged", nonce)))
	replaced("client credentials", bound, passes("client credentials", n.prove(t, "owned", "/", bound, proof(key, "owned", ""))))
	refused("a proof for elsewhere", n.prove(t, "owned", "/", bound, proof(key, "exchanged", "")))
	// A gate without DPoP refuses, and a proof at the token endpoint may be bad.
	refused("without DPoP", n.prove(t, "gate", "/", bound, proof(key, "gate", "")))
	bad := stranger.proof(t, http.MethodGet, n.vars["ISSUER"]+"/token", "", nil)
	n.secret("a DPoP proof", bad)
	if a := n.form(t, "/token", func(r *http.Request) { worker(r); r.Header.Set("DPoP", bad) }, "grant_type", "client_credentials"); a.oauthError() != "invalid_dpop_proof" {
		t.Errorf("a proof for GET at the token endpoint: %d %s, want invalid_dpop_proof", a.status, a.body)
	}

	opaque := n.token(t, basic("opaque", secrets()["BASIC_SECRET"]), "orders:read")
	replaced("phantom", opaque, passes("phantom", n.call(t, "phantom", "/", opaque)))

	certificate, another := clientCertificate(t, "someone", nil), clientCertificate(t, "someone", nil)
	token := f.token(t, func(c map[string]any) {
		c["cnf"] = map[string]any{"x5t#S256": certificate.thumbprint()}
	})
	n.secret("a foreign token", token)
	present := func(c issued) answer {
		req := n.callRequest("certified", "/", token)
		text := base64.StdEncoding.EncodeToString(c.certificate.Raw)
		n.secret("a client's certificate", text)
		req.Header.Set("Client-Cert", ":"+text+":")
		return n.do(t, req)
	}
	passes("its certificate", present(certificate))
	refused("another certificate", present(another))

	n.checkAdmin(t, "/config/", "/metrics", "/debug/vars", "/debug/pprof/goroutine?debug=2", "/reverse_proxy/upstreams")
	n.stop()

	// The lines are there, and say what was decided as all others do.
	decisions := map[string]int{}
	for _, line := range n.logLines("handled request") {
		request, _ := line["request"].(map[string]any)
		headers, _ := json.Marshal(request["headers"])
		if strings.Contains(string(headers), `"Dpop":`) {
			decisions[fmt.Sprint(line["token.decision"])]++
			if !strings.Contains(string(headers), `"Dpop":["REDACTED"]`) {
				t.Errorf("a line has the header %s, want it hidden", headers)
			}
		}
	}
	for reason, want := range map[string]int{"allowed": 1, "use_dpop_nonce": 1, "not_bound": 1} {
		if decisions[reason] != want {
			t.Errorf("lines with a proof, by decision: %v, want %s %d times", decisions, reason, want)
		}
	}
}

// checkAdmin looks for secrets in what the admin endpoint answers.
func (n *node) checkAdmin(t testing.TB, paths ...string) {
	t.Helper()
	for _, path := range paths {
		r, err := n.client.Get(n.url("admin") + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		n.mu.Lock()
		for text, what := range n.secrets {
			if strings.Contains(string(b), text) {
				t.Errorf("%s shows %s", path, what)
			}
		}
		n.mu.Unlock()
	}
}
