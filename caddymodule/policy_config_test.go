package caddymodule_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestPolicyConfiguration: requirements that make no sense are refused at load, naming the option; beside each is the nearest that does.
func TestPolicyConfiguration(t *testing.T) {
	t.Setenv("CONF_URL", "https://orders.example.com")
	t.Setenv("CONF_EMPTY", "")
	tests := []struct {
		name, bearer string
		want         string // part of the error; empty means accepted
	}{
		{"rule", "rule /x {\nscope a\n}", ""},
		{"rule that requires nothing", "rule /x {\n}", "rule 1: requires nothing"},
		{"rule that requires a token", "rule /x {\n}\noptional", ""},
		{"scope of a rule that is none", "rule /y {\nscope a\n}\nrule /x {\nscope é\n}", "rule 2: scope"},
		{"bound without a way to prove it", "bound any", "bound any: needs dpop or client_certificate"},
		{"bound in a rule without a way to prove it", "rule /x {\nbound mtls\n}", "rule 1: bound mtls"},
		{"bound to a certificate", "client_certificate\nrule /x {\nbound mtls\n}", ""},
		{"bound to a key, with certificates alone", "client_certificate\nrule /x {\nbound dpop\n}", "bound dpop"},
		{"bound to a key", "url https://orders.example.com\ndpop\nrule /x {\nbound dpop\n}", ""},
		{"metadata without a resource", "resource_metadata", "resource_metadata: needs the url of the gate"},
		{"metadata of the gate's url", "url https://orders.example.com\nresource_metadata", ""},
		{"metadata of a resource of its own", "resource_metadata {\nresource https://orders.example.com/x\n}", ""},
		{"metadata, url from a variable", "url {env.CONF_URL}\nresource_metadata", ""},
		{"metadata, url from an empty variable", "resource_metadata {\nresource {env.CONF_EMPTY}\n}", "resource_metadata: resource"},
		{"metadata over http", "resource_metadata {\nresource http://orders.example.com\n}", "resource_metadata: resource"},
		{"metadata with a fragment", "resource_metadata {\nresource https://orders.example.com/#x\n}", "resource_metadata: resource"},
		{"metadata with a page that is none", "resource_metadata {\nresource https://orders.example.com\npolicy javascript:x\n}", "policy"},
		{"metadata with a scope that is none", "resource_metadata {\nresource https://orders.example.com\nscopes \"a b\"\n}", "scopes"},
		{"header that is stripped and set", "strip_header X-User\nforward_claim sub X-User", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := validate("{\n" + globals + "\n}\n:8999 {\nbearer_auth {" + trusted + tt.bearer + "\n}\n}")
			checkRefused(t, err, tt.want)
		})
	}
	const gate = `{"handler": "bearer_auth", "issuers": [{"issuer": "` + issuer + `", "algorithms": ["HS256"], "secret": "` + secretBase64 + `"}], "audience": ["` + audience + `"], %s}`
	for name, tt := range map[string]struct{ member, want string }{
		"rule":                       {`"rules": [{"match": [{"path": ["/x"]}], "scope": ["a"]}]`, ""},
		"rule without matchers":      {`"rules": [{"scope": ["a"]}]`, "rule 1: needs a matcher"},
		"rule with an empty matcher": {`"rules": [{"match": [], "scope": ["a"]}]`, "rule 1: needs a matcher"},
		"rule of an empty set":       {`"rules": [{"match": [{}], "scope": ["a"]}]`, "rule 1: needs a matcher"},
		"rule by the token":          {`"rules": [{"match": [{"path": ["/x"]}, {"token_claim": {"name": "a", "values": ["b"]}}], "scope": ["a"]}]`, "rule 1: token_claim"},
		"rule by another token":      {`"rules": [{"match": [{"not": [{"path": ["/x"]}, {"token_claim": {"name": "a", "values": ["b"]}}]}], "scope": ["a"]}]`, "rule 1: token_claim"},
		"rule by no path":            {`"rules": [{"match": [{"not": [{"path": ["/x"]}]}], "scope": ["a"]}]`, ""},
		"unknown matcher":            {`"rules": [{"match": [{"nothing": {}}], "scope": ["a"]}]`, "rule 1: loading its matchers"},
		"condition":                  {`"allow": ["claims.x =="]`, "allow: condition"},
		"condition of a rule":        {`"rules": [{"match": [{"path": ["/x"]}], "allow": ["claim.x"]}]`, "rule 1: allow: condition"},
		"negative max_age":           {`"max_age": -1`, "max_age"},
		"paths":                      {`"paths": "strictly"`, "paths"},
		"bound":                      {`"bound": "tls"`, "bound"},
		"strip_headers":              {`"strip_headers": ["Host"]`, "strip_header"},
	} {
		t.Run("JSON "+name, func(t *testing.T) {
			err := validateJSON(fmt.Appendf(nil, `{"apps": {"http": {"servers": {"s": {"listen": ["127.0.0.1:8999"], "routes": [{"handle": [`+gate+`]}]}}}}}`, tt.member))
			checkRefused(t, err, tt.want)
		})
	}
}

// TestAttack60HostSpellings: a condition over the host holds for every spelling of it; the name in the handshake is another fact.
func TestAttack60HostSpellings(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+"allow `request.host != \"admin.example.com\" || \"admin\" in token.scope`\n}")
	token := mint(t, map[string]any{"scope": "read"})
	ask := func(host string) answer {
		return answerOf(t, raw(t, base, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\nAuthorization: Bearer "+token+"\r\n\r\n"))
	}
	for _, host := range []string{"admin.example.com", "ADMIN.example.COM", "admin.example.com.", "admin.example.com:443", "Admin.Example.Com.:8080"} {
		if got := ask(host); got.Status != 403 || up.last() != nil {
			t.Errorf("%s: status = %d, want 403", host, got.Status)
		}
	}
	for _, host := range []string{"orders.example.com", "[::1]:80", "admin.example.com.evil.example"} {
		if got := ask(host); got.Status != 200 || up.last() == nil {
			t.Errorf("%s: status = %d, want 200", host, got.Status)
		}
	}
}

// TestAttack58ForwardedFacts: what a client says about its request is not what conditions see.
func TestAttack58ForwardedFacts(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+"allow `request.path == \"/public\" && request.method == \"GET\" && cidr(\"10.0.0.0/8\").containsIP(request.client_ip) == false`\n}")
	token := mint(t, nil)
	said := []string{"X-Forwarded-Uri", "/public", "X-Original-URL", "/public", "X-Rewrite-URL", "/public", "X-Forwarded-Prefix", "/public", "X-Forwarded-Method", "GET", "X-HTTP-Method-Override", "GET"}
	if got := send(t, "POST", base+"/public", token, said...); got.Status != 403 || up.last() != nil {
		t.Errorf("POST: status = %d, want 403", got.Status)
	}
	if got := get(t, base+"/admin", token, said...); got.Status != 403 || up.last() != nil {
		t.Errorf("/admin: status = %d, want 403", got.Status)
	}
	if got := get(t, base+"/public", token, "X-Forwarded-For", "10.0.0.1", "X-Real-Ip", "10.0.0.1"); got.Status != 200 {
		t.Errorf("/public: status = %d, want 200", got.Status)
	}
}

// TestAttack43PlaceholdersInConditions: neither a claim nor a condition is a template.
func TestAttack43PlaceholdersInConditions(t *testing.T) {
	t.Setenv("GATE_TEST_SECRET", "leaked")
	base, _ := gate(t, "bearer_auth {"+trusted+"allow `claims.note == \"{env.GATE_TEST_SECRET}\"`\n}")
	for note, want := range map[string]int{"{env.GATE_TEST_SECRET}": 200, "leaked": 403} {
		if got := get(t, base, mint(t, map[string]any{"note": note})); got.Status != want {
			t.Errorf("%s: status = %d, want %d", note, got.Status, want)
		}
	}
	if got := get(t, base, mint(t, map[string]any{"note": "x"})); strings.Contains(fmt.Sprint(got), "leaked") {
		t.Errorf("the answer has it: %v", got)
	}
}
