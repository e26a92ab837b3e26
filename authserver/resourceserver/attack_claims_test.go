package resourceserver_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Section B of the attack catalogue: claims.

func TestAttackClaims(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	is.MaxLifetime = 2 * time.Hour
	g := newGate(t, c, is)
	strict := is
	strict.RequireSubject = true
	withSubject := newGate(t, c, strict)
	base := goodClaims(is.Issuer, c)
	now := c.Now().Unix()
	number := func(s string) json.RawMessage { return json.RawMessage(s) }
	badClaims, malformed := invalid(resourceserver.BadClaims), invalid(resourceserver.Malformed)
	expired, early := invalid(resourceserver.Expired), invalid(resourceserver.NotYetValid)
	wrongAudience, unknownIssuer := invalid(resourceserver.WrongAudience), invalid(resourceserver.UnknownIssuer)
	tests := []struct {
		name   string
		change claims
		want   verdict
	}{
		{"good", claims{}, pass},

		{"case_33/absent", claims{"exp": nil}, badClaims},
		{"case_33/null", claims{"exp": null}, malformed},

		{"case_34/1e300", claims{"exp": number("1e300")}, malformed},
		{"case_34/-1", claims{"exp": number("-1")}, malformed},
		{"case_34/string", claims{"exp": "9999999999"}, malformed},
		{"case_34/true", claims{"exp": true}, malformed},
		{"case_34/2^63", claims{"exp": number("9223372036854775808")}, malformed},
		{"case_34/NaN-like", claims{"exp": "NaN"}, malformed},
		{"case_34/far future", claims{"exp": number("253402300799"), "iat": number("253402300000")}, early},
		{"case_34/fraction", claims{"exp": number(fmt.Sprintf("%d.5", now+60))}, pass},

		{"case_35/nbf after the skew", claims{"nbf": now + 31}, early},
		{"case_35/nbf inside", claims{"nbf": now + 29}, pass},
		{"case_35/iat after the skew", claims{"iat": now + 31}, early},
		{"case_35/iat inside", claims{"iat": now + 29}, pass},
		{"case_35/exp before the skew", claims{"exp": now - 31, "iat": now - 100}, expired},
		{"case_35/exp at the skew", claims{"exp": now - 30, "iat": now - 100}, expired},
		{"case_35/exp inside", claims{"exp": now - 29, "iat": now - 100}, pass},
		{"case_35/life too long", claims{"exp": now + 7201}, badClaims},
		{"case_35/life just allowed", claims{"exp": now + 7200}, pass},
		{"case_35/life unknown", claims{"iat": nil}, badClaims},

		{"case_36/absent", claims{"aud": nil}, wrongAudience},
		{"case_36/null", claims{"aud": null}, malformed},
		{"case_36/empty array", claims{"aud": []string{}}, wrongAudience},
		{"case_36/number", claims{"aud": 7}, malformed},
		{"case_36/object", claims{"aud": map[string]string{"x": audience}}, malformed},
		{"case_36/nearest good: one of several", claims{"aud": []string{"https://other.example", audience}}, pass},

		{"case_37/prefix", claims{"aud": audience[:len(audience)-1]}, wrongAudience},
		{"case_37/suffix", claims{"aud": audience + ".evil"}, wrongAudience},
		{"case_37/case", claims{"aud": strings.ToUpper(audience)}, wrongAudience},
		{"case_37/slash", claims{"aud": audience + "/"}, wrongAudience},
		{"case_37/port", claims{"aud": audience + ":443"}, wrongAudience},
		{"case_37/percent-encoded", claims{"aud": strings.Replace(audience, "o", "%6f", 1)}, wrongAudience},

		{"case_38/other", claims{"iss": "https://evil.example"}, unknownIssuer},
		{"case_38/absent", claims{"iss": nil}, unknownIssuer},
		{"case_38/array", claims{"iss": []string{is.Issuer}}, malformed},
		{"case_38/substring", claims{"iss": is.Issuer[:len(is.Issuer)-1]}, unknownIssuer},
		{"case_38/longer", claims{"iss": is.Issuer + "/"}, unknownIssuer},

		{"case_85/bound to a key", claims{"cnf": map[string]string{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}, invalid(resourceserver.NotBound)},
		{"case_86/bound to a certificate", claims{"cnf": map[string]string{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}, invalid(resourceserver.NotBound)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { g.expect(t, sign(base.with(tt.change)), tt.want) })
	}

	for _, tt := range []struct {
		name string
		sub  any
		want verdict
	}{
		{"empty", "", badClaims},
		{"spaces", "   ", badClaims},
		{"no-break space", "\u00a0", badClaims},
		{"null", null, malformed},
		{"absent", nil, badClaims},
		{"array", []string{"alice"}, malformed},
		{"number", 7, malformed},
		{"nearest good", "alice", pass},
	} {
		t.Run("case_40/"+tt.name, func(t *testing.T) {
			withSubject.expect(t, sign(base.with(claims{"sub": tt.sub})), tt.want)
		})
	}
	t.Run("case_40/absent where no identity is required", func(t *testing.T) {
		g.expect(t, sign(base.with(claims{"sub": nil})), pass)
		g.expect(t, sign(base.with(claims{"sub": ""})), badClaims)
	})
}

func TestAttackWrongKindOfToken(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	base := goodClaims(is.Issuer, c)
	badType := invalid(resourceserver.BadType)
	logout := map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
	tests := []struct {
		name   string
		typ    string
		change claims
		want   verdict
	}{
		{"good/at+jwt", "at+jwt", nil, pass},
		{"good/media type", "application/at+jwt", nil, pass},
		{"good/case", "AT+JWT", nil, pass},
		{"good/JWT", "JWT", nil, pass},
		{"good/absent", "", nil, pass},
		{"good/worker whose subject is itself", "JWT", claims{"sub": "web", "client_id": "web"}, pass},
		{"good/Keycloak before 25", "JWT", claims{"typ": "Bearer", "nonce": "n"}, pass},
		{"good/PingAM", "", claims{"tokenName": "access_token", "nonce": "n"}, pass},
		{"good/Cognito", "", claims{"token_use": "access"}, pass},

		{"case_39/id_token by nonce", "JWT", claims{"nonce": "n"}, badType},
		{"case_39/id_token by at_hash", "JWT", claims{"at_hash": "x"}, badType},
		{"case_39/id_token by c_hash, no typ", "", claims{"c_hash": "x"}, badType},
		{"case_39/id_token by Keycloak's typ", "JWT", claims{"typ": "ID"}, badType},
		{"case_39/id_token by at_hash in spite of its typ", "JWT", claims{"typ": "Bearer", "at_hash": "x"}, badType},
		{"case_39/id_token by token_use", "", claims{"token_use": "id"}, badType},
		{"case_39/id_token by tokenName", "", claims{"tokenName": "id_token"}, badType},
		{"case_39/id_token by its audience", "JWT", claims{"aud": "web"}, invalid(resourceserver.WrongAudience)},
		{"case_39/logout token", "logout+jwt", claims{"events": logout}, badType},
		{"case_39/logout token by events", "JWT", claims{"events": logout}, badType},
		{"case_39/security event", "secevent+jwt", nil, badType},
		{"case_39/client assertion", "client-authentication+jwt", claims{"sub": is.Issuer}, badType},
		{"case_39/client assertion by shape", "JWT", claims{"sub": is.Issuer}, badType},
		{"case_39/DPoP proof", "dpop+jwt", claims{"htm": "GET", "htu": "https://orders.example.com/"}, badType},
		{"case_39/DPoP proof by shape", "JWT", claims{"htm": "GET", "htu": "https://orders.example.com/"}, badType},
		{"case_39/introspection answer", "token-introspection+jwt", claims{"token_introspection": map[string]any{"active": true}}, badType},
		{"case_39/introspection answer by shape", "JWT", claims{"token_introspection": map[string]any{"active": true}}, badType},
		{"case_39/request object", "oauth-authz-req+jwt", claims{"response_type": "code"}, badType},
		{"case_39/request object by shape", "JWT", claims{"response_type": "code", "redirect_uri": "https://app.example/cb"}, badType},
		{"case_39/refresh token", "rt+jwt", nil, badType},
		{"case_39/refresh token by Keycloak's typ", "JWT", claims{"typ": "Refresh"}, badType},
		{"case_39/refresh token by tokenName", "JWT", claims{"tokenName": "refresh_token"}, badType},
		{"case_39/typ that is no string", "JWT", claims{"typ": []string{"Bearer"}}, badType},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g.expect(t, must(rsaKey().Sign(tt.typ, []byte(base.with(tt.change).json()))), tt.want)
		})
	}
}

func TestAttackPolicy(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	g := newGate(t, c, is)
	base := goodClaims(is.Issuer, c)
	scope := resourceserver.Policy{Scopes: []string{"read"}}
	rule := func(name string, values ...string) resourceserver.Policy {
		return resourceserver.Policy{Claims: []resourceserver.ClaimRule{{Name: name, Values: values}}}
	}
	noScope := verdict{403, "insufficient_scope", resourceserver.InsufficientScope}
	mismatch := verdict{403, "insufficient_scope", resourceserver.ClaimMismatch}
	tests := []struct {
		name   string
		policy resourceserver.Policy
		change claims
		want   verdict
	}{
		{"case_41/longer", scope, claims{"scope": "read-all"}, noScope},
		{"case_41/case", scope, claims{"scope": "READ"}, noScope},
		{"case_41/comma", scope, claims{"scope": "read,write"}, noScope},
		{"case_41/tab", scope, claims{"scope": "read\twrite"}, noScope},
		{"case_41/no-break space", scope, claims{"scope": "read\u00a0write"}, noScope},
		{"case_41/array", scope, claims{"scope": []string{"read"}}, noScope},
		{"case_41/scp", scope, claims{"scope": nil, "scp": "read"}, noScope},
		{"case_41/absent", scope, claims{"scope": nil}, noScope},
		{"case_41/nearest good", scope, claims{"scope": "write read"}, pass},
		{"case_41/all of", resourceserver.Policy{Scopes: []string{"read", "write"}}, claims{"scope": "read"}, noScope},
		{"case_41/any of", resourceserver.Policy{AnyScope: []string{"read", "write"}}, claims{"scope": "write"}, pass},
		{"case_41/none of any", resourceserver.Policy{AnyScope: []string{"read", "write"}}, claims{"scope": "x"}, noScope},

		{"case_44/email twins", rule("email", "a@good"), claims{"email": "a@good@evil"}, mismatch},
		{"case_44/quoted local part", rule("email", "a@good"), claims{"email": `"a@good"@evil`}, mismatch},
		{"case_44/verified is a word", rule("email_verified", "true"), claims{"email_verified": "false"}, mismatch},
		{"case_44/verified is 1", rule("email_verified", "true"), claims{"email_verified": 1}, mismatch},
		{"case_44/verified", rule("email_verified", "true"), claims{"email_verified": true}, pass},
		{"case_44/groups in a string", rule("groups", "admin"), claims{"groups": "users,admin"}, mismatch},
		{"case_44/groups in an object", rule("groups", "admin"), claims{"groups": map[string]any{"admin": true}}, mismatch},
		{"case_44/groups not all strings", rule("groups", "admin"), claims{"groups": []any{"admin", 7}}, mismatch},
		{"case_44/groups", rule("groups", "admin"), claims{"groups": []string{"users", "admin"}}, pass},
		{"case_44/number written otherwise", rule("level", "10"), claims{"level": json.RawMessage("1e1")}, mismatch},
		{"case_44/number", rule("level", "10"), claims{"level": 10}, pass},
		{"case_44/null", rule("level", "null", ""), claims{"level": null}, mismatch},

		{"case_45/client_id absent", rule("client_id", "web"), claims{"client_id": nil}, mismatch},
		{"case_45/tenant absent", rule("tenant", "", "t1"), claims{}, mismatch},
		{"case_45/acr absent", rule("acr", "high"), claims{}, mismatch},
		{"case_45/nearest good", rule("client_id", "web"), claims{}, pass},
		{"case_45/path absent", rule("realm_access.roles", "admin"), claims{"realm_access": map[string]any{}}, mismatch},
		{"case_45/path through a string", rule("realm_access.roles", "admin"), claims{"realm_access": "roles"}, mismatch},
		{"path", rule("realm_access.roles", "admin"), claims{"realm_access": map[string]any{"roles": []string{"admin"}}}, pass},
		{"name with dots", rule("https://example.com/role", "admin"), claims{"https://example.com/role": "admin"}, pass},
		{"whole name wins over path", rule("a.b", "x"), claims{"a.b": "y", "a": map[string]any{"b": "x"}}, mismatch},

		{"audience of the route", resourceserver.Policy{Audience: []string{"https://admin.example"}}, claims{"aud": []string{audience, "https://admin.example"}}, pass},
		{"audience of another route", resourceserver.Policy{Audience: []string{"https://admin.example"}}, claims{}, verdict{403, "insufficient_scope", resourceserver.WrongAudience}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.policy.Validate(); err != nil {
				t.Fatalf("Validate: %v", err)
			}
			token := sign(base.with(tt.change))
			for _, when := range []string{"first", "second"} {
				if got := g.request(bearer(token), &tt.policy); got != tt.want {
					t.Errorf("%s verdict = %v, want %v", when, got, tt.want)
				}
			}
		})
	}
}

// Property 4 of the catalogue: removing a claim that a rule reads never turns a
// refusal into a pass.
func TestAbsentIsNotEqual(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	is.RequireSubject, is.MaxLifetime = true, 2*time.Hour
	g := newGate(t, c, is)
	policy := &resourceserver.Policy{
		Scopes: []string{"orders:read"}, Audience: []string{audience},
		Claims: []resourceserver.ClaimRule{{Name: "client_id", Values: []string{"web"}}},
	}
	base := goodClaims(is.Issuer, c)
	if got := g.request(bearer(sign(base)), policy); got != pass {
		t.Fatalf("verdict = %v, want %v", got, pass)
	}
	for _, name := range []string{"iss", "aud", "sub", "exp", "iat", "scope", "client_id"} {
		if got := g.request(bearer(sign(base.with(claims{name: nil}))), policy); got == pass {
			t.Errorf("verdict without %s = %v, want a refusal", name, got)
		}
	}
}
