package authserver_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// pair is two nodes on one store, each with a gate in its process.
type pair struct {
	nodes [2]*rig
	gates [2]*resourceserver.Verifier
	m     *manager // at the first one
	admin string   // its token
}

func newPair(t *testing.T) *pair {
	t.Helper()
	config, db, clock := attacked(), testkit.Store(t), testkit.NewClock(noon)
	e := &config.Environments[0]
	e.Applications = append(e.Applications, declared.Application{
		ClientID: "manager", Type: "worker", Secret: "manager-secret", Roles: []string{"Organization Admin", "Environment Admin", "Identity Data Admin"},
	}, declared.Application{ClientID: "clerk", Type: "service", Secret: "clerk-secret", Allow: []string{"orders:read"}})
	p := &pair{}
	for i := range p.nodes {
		g := newRig(t, rigOptions{config: &config, store: db, clock: clock, noLimit: true})
		gate, err := resourceserver.New(resourceserver.Config{
			Issuers: []resourceserver.Issuer{{Issuer: issuerA, Audience: []string{orders}, Local: g.state.Local(environment(t, g, envA))}}, Now: clock.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(gate.Close)
		p.nodes[i], p.gates[i] = g, gate
	}
	p.admin = p.nodes[0].token(envA, basic("manager", "manager-secret"))
	p.m = &manager{t, p.nodes[0], p.admin}
	return p
}

// passes reports whether a token passes the gate of a node.
func (p *pair) passes(t *testing.T, node int, raw string) bool {
	t.Helper()
	_, err := p.gates[node].Verify(t.Context(), raw)
	return err == nil
}

// byJWKS verifies a token as a stranger does: with what a node publishes now.
func byJWKS(t *testing.T, g *rig, raw string) bool {
	t.Helper()
	set, _, err := jose.ParseKeySet([]byte(g.get("/"+envA+"/as/jwks").body), jose.KeySetLimits{})
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Verify(set.Find(&jws.Header)) == nil
}

// TestManagedKeyRotationPolicy: the tokens of an application are signed with the keys of its policy from the next
// request on, on every node, and everybody knows those keys.
func TestManagedKeyRotationPolicy(t *testing.T) {
	p := newPair(t)
	g, other, m := p.nodes[0], p.nodes[1], p.m
	own := kidOf(t, p.admin)
	if got := kids(t, other.get("/"+envA+"/as/jwks").body); len(got) != 2 {
		t.Fatalf("published = %q", got)
	}
	made := m.call(201, "POST", "/keyRotationPolicies",
		`{"name":"Shops","algorithm":"RSA","dn":"CN=Shops","keyLength":2048,"signatureAlgorithm":"SHA256withRSA","usageType":"SIGNING","rotationPeriod":30}`)
	policy, current, next := text(made, "id"), text(made, "currentKeyId"), text(made, "nextKeyId")
	signing := `"signing":{"keyRotationPolicy":{"id":"` + policy + `"}},`
	const rest = `"name":"Shop","enabled":true,"protocol":"OPENID_CONNECT","type":"WEB_APP","tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC",
		"grantTypes":["AUTHORIZATION_CODE","REFRESH_TOKEN"],"responseTypes":["CODE"],"redirectUris":["` + appCallback + `"]}`
	app := text(m.call(201, "POST", "/applications", "{"+signing+rest), "id")
	client := basic(app, text(m.call(200, "GET", "/applications/"+app+"/secret", ""), "secret"))
	for resource, names := range map[string][]string{"orders": {"orders:read"}, "openid": {"openid", "profile"}} {
		id := m.id("/resources", resource)
		var scopes []map[string]string
		for _, name := range names {
			scopes = append(scopes, map[string]string{"id": m.id("/resources/"+id+"/scopes", name)})
		}
		list, err := json.Marshal(scopes)
		if err != nil {
			t.Fatal(err)
		}
		m.call(201, "POST", "/applications/"+app+"/grants", `{"resource":{"id":"`+id+`"},"scopes":`+string(list)+`}`)
	}
	sign := func(g *rig) answer {
		t.Helper()
		back := newAgent(t, g).signOn(ask(issuerA, app, "scope", "openid orders:read"))
		got := g.form(envA, "token", client, "grant_type=authorization_code", "redirect_uri="+appCallback, "code="+back.Get("code"))
		if got.status != 200 {
			t.Fatalf("no tokens: %d %s", got.status, got.body)
		}
		return got
	}
	for i, g := range p.nodes {
		got := sign(g)
		for _, name := range []string{"access_token", "id_token"} {
			raw := text(got, name)
			if kid := kidOf(t, raw); kid != current {
				t.Errorf("node %d: %s is signed by %s, want the policy's %s", i, name, kid, current)
			}
			for j, at := range p.nodes {
				if !byJWKS(t, at, raw) {
					t.Errorf("node %d: %s does not verify with what node %d publishes", i, name, j)
				}
			}
		}
		for j, at := range p.nodes {
			if raw := text(got, "access_token"); !p.passes(t, j, raw) || !at.active(envA, basic("orders", "orders-secret"), raw) {
				t.Errorf("node %d does not take a token of node %d", j, i)
			}
		}
	}
	for i, g := range p.nodes {
		if got := fmt.Sprint(g.get(issuerA + "/.well-known/openid-configuration").member("id_token_signing_alg_values_supported")); got != "[ES256 RS256]" {
			t.Errorf("node %d announces %s, want the environment's algorithm and the policy's", i, got)
		}
	}
	if kid := kidOf(t, other.token(envA, basic("manager", "manager-secret"))); kid != own {
		t.Errorf("another application's token is signed by %s, want %s", kid, own)
	}

	// An ID token that the policy's key signed is a hint of who signs off, on any node.
	got := sign(g)
	if a := other.get(issuerA + "/signoff?id_token_hint=" + text(got, "id_token")); a.status >= 400 {
		t.Errorf("signed off elsewhere: %d %s", a.status, a.body)
	}

	// The rotation: what is signed changes, and what was signed stays good.
	g.clock.Advance(30*24*time.Hour - time.Second)
	before := text(sign(g), "access_token")
	g.clock.Advance(6 * time.Minute) // nobody has looked at the ring for so long
	after := text(sign(g), "access_token")
	if kid := kidOf(t, after); kid != next {
		t.Errorf("after a period it is signed by %s, want what was NEXT, %s", kid, next)
	}
	for name, raw := range map[string]string{"before": before, "after": after} {
		for i := range p.nodes {
			if !p.passes(t, i, raw) || !byJWKS(t, p.nodes[i], raw) {
				t.Errorf("node %d does not take what was signed %s the rotation", i, name)
			}
		}
	}
	if kid := kidOf(t, before); kid != current {
		t.Errorf("before it was signed by %s, want %s", kid, current)
	}

	// The policy goes: first from the application, then altogether.
	p.m.token = g.token(envA, basic("manager", "manager-secret"))
	m.call(400, "DELETE", "/keyRotationPolicies/"+policy, "")
	m.call(200, "PUT", "/applications/"+app, "{"+rest)
	for i, g := range p.nodes {
		if kid := kidOf(t, text(sign(g), "access_token")); kid == next || kid == current {
			t.Errorf("node %d: without the policy it is signed by its key", i)
		}
	}
	m.call(204, "DELETE", "/keyRotationPolicies/"+policy, "")
	for i := range p.nodes {
		if !p.passes(t, i, after) || !byJWKS(t, p.nodes[i], after) {
			t.Errorf("node %d does not take what the policy's key has signed", i)
		}
	}
}

// TestManagedKeys: a key that somebody makes signs on every node once it is the default; and one that is deleted
// is good for nothing, on every node, whatever gates remember.
func TestManagedKeys(t *testing.T) {
	p := newPair(t)
	own := kidOf(t, p.admin)
	id := text(p.m.call(201, "POST", "/keys",
		`{"name":"Mine","algorithm":"EC","keyLength":256,"signatureAlgorithm":"SHA256withECDSA","subjectDN":"CN=Mine","usageType":"SIGNING","validityPeriod":30}`), "id")
	clerk := basic("clerk", "clerk-secret")
	for i, g := range p.nodes {
		if got := kids(t, g.get("/"+envA+"/as/jwks").body); !slices.Contains(got, id) {
			t.Errorf("node %d publishes %q, want %s among them", i, got, id)
		}
		if kid := kidOf(t, g.token(envA, clerk)); kid != own {
			t.Errorf("node %d signs with %s, want %s", i, kid, own)
		}
	}
	p.m.call(200, "PUT", "/keys/"+id, `{"default":true,"usageType":"SIGNING"}`)
	var tokens []string
	for i, g := range p.nodes {
		raw := g.token(envA, clerk)
		if kid := kidOf(t, raw); kid != id {
			t.Errorf("node %d signs with %s, want the default %s", i, kid, id)
		}
		tokens = append(tokens, raw)
	}
	for i := range p.nodes {
		for _, raw := range tokens {
			for range 3 { // and remembers it
				if !p.passes(t, i, raw) {
					t.Fatalf("the gate of node %d refuses a token of the new key", i)
				}
			}
		}
	}
	p.m.call(400, "DELETE", "/keys/"+id, "")
	p.m.call(200, "PUT", "/keys/"+id, `{"default":false,"usageType":"SIGNING"}`)
	for i := range p.nodes {
		if !p.passes(t, i, tokens[0]) {
			t.Errorf("the gate of node %d refuses what the key has signed", i)
		}
	}
	p.m.call(204, "DELETE", "/keys/"+id, "")
	for i, g := range p.nodes {
		for _, raw := range tokens {
			if p.passes(t, i, raw) || g.active(envA, basic("orders", "orders-secret"), raw) || byJWKS(t, g, raw) {
				t.Errorf("node %d takes a token of a key that is withdrawn", i)
			}
		}
		if kid := kidOf(t, g.token(envA, clerk)); kid == id {
			t.Errorf("node %d signs with a key that is gone", i)
		}
	}
}
