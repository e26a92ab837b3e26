package resourceserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

const signedType = "application/token-introspection+jwt"

// signs has the provider sign its answers (RFC 9701 §5).
func (p *provider) signs(answer func() string) {
	p.set(func(p *provider) {
		p.introspect = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", signedType)
			_, _ = w.Write([]byte(answer()))
		}
	})
}

// signed is a good answer about a token of the provider.
func (p *provider) signed(c *clock, members claims) claims {
	return claims{"iss": p.issuer, "aud": "gate", "iat": c.Now().Unix(), "token_introspection": map[string]any(members)}
}

// Case 91: an answer that had to be signed, and is not, or not by whom, for whom and when it should be, is no answer.
func TestAttack91SignedIntrospectionAnswer(t *testing.T) {
	c := newClock()
	sign := func(typ string, c claims) string { return must(ecKey().Sign(typ, []byte(c.json()))) }
	const typ = "token-introspection+jwt"
	down := unavailable(resourceserver.IntrospectionUnavailable)
	now := c.Now().Unix()
	for _, mode := range []resourceserver.Mode{resourceserver.ModeIntrospect, resourceserver.ModeBoth} {
		p := newProvider(t, keySet(ecKey(), rsaKey()))
		is := p.introspected()
		is.Mode, is.RecheckEvery, is.Introspection.Signed, is.Introspection.OpaqueTokens = mode, time.Minute, true, true
		g := newGate(t, c, is)
		members := p.active(c)
		good := p.signed(c, members)
		tests := []struct {
			name   string
			answer string
			want   verdict
		}{
			{"nearest good", sign(typ, good), pass},
			{"nearest good/whole media type", sign(signedType, good), pass},
			{"nearest good/RS256", must(rsaKey().Sign(typ, []byte(good.json()))), pass},
			{"nearest good/aud in a list", sign(typ, good.with(claims{"aud": []string{"gate"}})), pass},
			{"nearest good/iat just allowed", sign(typ, good.with(claims{"iat": now - 90})), pass},
			{"inactive", sign(typ, good.with(claims{"token_introspection": map[string]any{"active": false}})), invalid(resourceserver.Inactive)},
			{"active, for another API", sign(typ, good.with(claims{"token_introspection": map[string]any(members.with(claims{"aud": "x"}))})), invalid(resourceserver.WrongAudience)},

			{"none", unsigned(`{"alg":"none","typ":"`+typ+`"}`, good.json()) + ".", down},
			{"none with a signature", unsigned(`{"alg":"none","typ":"`+typ+`"}`, good.json()) + ".AAAA", down},
			{"HS256 with the client's secret", hs256(`{"alg":"HS256","typ":"`+typ+`"}`, good.json(), []byte("gate-secret")), down},
			{"signed by somebody else", must(strangerKey().Sign(typ, []byte(good.json()))), down},
			{"somebody else with the issuer's kid", must(signingKey(strangerPrivate(), jose.ES256, "ec-1").Sign(typ, []byte(good.json()))), down},
			{"signature changed", mangle(sign(typ, good)), down},
			{"other issuer", sign(typ, good.with(claims{"iss": "https://evil.example"})), down},
			{"no issuer", sign(typ, good.with(claims{"iss": nil})), down},
			{"other aud", sign(typ, good.with(claims{"aud": "other-gate"})), down},
			{"aud of the API", sign(typ, good.with(claims{"aud": audience})), down},
			{"aud among others", sign(typ, good.with(claims{"aud": []string{"gate", "other-gate"}})), down},
			{"no aud", sign(typ, good.with(claims{"aud": nil})), down},
			{"aud in another case", sign(typ, good.with(claims{"aud": "Gate"})), down},
			{"no iat", sign(typ, good.with(claims{"iat": nil})), down},
			{"old", sign(typ, good.with(claims{"iat": now - 91})), down},
			{"of the future", sign(typ, good.with(claims{"iat": now + 31})), down},
			{"expired", sign(typ, good.with(claims{"exp": now - 31})), down},
			{"typ JWT", sign("JWT", good), down},
			{"typ at+jwt", sign("at+jwt", good), down},
			{"no typ", sign("", good), down},
			{"plain JSON", members.json(), down},
			{"the members themselves, signed", sign(typ, good.with(members)), pass}, // beside token_introspection they mean nothing
			{"no token_introspection", sign(typ, good.with(members).with(claims{"aud": "gate", "token_introspection": nil})), down},
			{"token_introspection is a string", sign(typ, good.with(claims{"token_introspection": members.json()})), down},
			{"token_introspection is a list", sign(typ, good.with(claims{"token_introspection": []any{map[string]any(members)}})), down},
			{"active is a string", sign(typ, good.with(claims{"token_introspection": map[string]any(members.with(claims{"active": "true"}))})), down},
			{"no active", sign(typ, good.with(claims{"token_introspection": map[string]any(members.with(claims{"active": nil}))})), down},
			{"the access token itself", sign("at+jwt", p.claims(c)), down},
			{"empty", "", down},
			{"space around it", sign(typ, good) + "\n", down},
			{"too large", sign(typ, good.with(claims{"x": strings.Repeat("x", 70_000)})), down},
		}
		for i, tt := range tests {
			t.Run(string(mode)+"/"+tt.name, func(t *testing.T) {
				if tt.name == "the members themselves, signed" {
					tt.answer = sign(typ, members.with(good))
				}
				p.signs(func() string { return tt.answer })
				token := fmt.Sprintf("opaque-%d", i)
				if mode == resourceserver.ModeBoth {
					token = sign("at+jwt", p.claims(c).with(claims{"jti": token}))
				}
				g.expect(t, token, tt.want)
				if tt.want == down { // and it is not remembered
					p.signs(func() string { return sign(typ, good) })
					g.expect(t, token, pass)
				}
			})
		}
		t.Run(string(mode)+"/another media type", func(t *testing.T) {
			for _, contentType := range []string{"application/json", "application/jwt", "text/html", "", "application/token-introspection+json"} {
				p.set(func(p *provider) {
					p.introspect = func(w http.ResponseWriter, r *http.Request) {
						if got := r.Header.Get("Accept"); got != signedType {
							t.Errorf("Accept = %q, want %q", got, signedType)
						}
						w.Header()["Content-Type"] = []string{contentType}
						_, _ = w.Write([]byte(sign(typ, good)))
					}
				})
				g.expect(t, sign("at+jwt", p.claims(c).with(claims{"jti": contentType})), down)
			}
		})
		t.Run(string(mode)+"/keys that cannot be had", func(t *testing.T) {
			q := newProvider(t, nil)
			q.set(func(q *provider) { q.keys = status(500) })
			other := q.introspected()
			other.Introspection.Signed = true
			h := newGate(t, c, other)
			q.signs(func() string { return sign(typ, q.signed(c, q.active(c))) })
			h.expect(t, "opaque", down)
		})
	}
	t.Run("keys that are given", func(t *testing.T) {
		p := newProvider(t, nil)
		is := p.introspected()
		is.JWKS, is.Introspection.Signed = keySet(ecKey()), true
		g := newGate(t, c, is)
		p.signs(func() string { return sign(typ, p.signed(c, p.active(c))) })
		g.expect(t, "opaque", pass)
		if p.fetches.Load()+p.discoveries.Load() != 0 {
			t.Error("keys were fetched")
		}
	})
	t.Run("keys by address, endpoint by discovery", func(t *testing.T) {
		p := newProvider(t, keySet(ecKey()))
		is := p.introspected()
		is.JWKSURI, is.Introspection.Endpoint, is.Introspection.Signed = p.issuer+"/jwks", "", true
		g := newGate(t, c, is)
		p.signs(func() string { return sign(typ, p.signed(c, p.active(c))) })
		g.expect(t, "opaque", pass)
	})
}

// The example of RFC 9701 §5, in its shape: what the answer says of the token is judged as ever.
func TestRFC9701Answer(t *testing.T) {
	c := newClock()
	p := newProvider(t, keySet(rsaKey()))
	is := p.introspected()
	is.Introspection.Signed = true
	g := newGate(t, c, is)
	now := c.Now().Unix()
	p.signs(func() string {
		return rs256(`{"typ":"token-introspection+jwt","alg":"RS256","kid":"rsa-1"}`, fmt.Sprintf(`{"iss":%q,"aud":"gate","iat":%d,
			"token_introspection":{"active":true,"iss":%q,"aud":%q,"iat":%d,"exp":%d,"client_id":"paiB2goo0a","scope":"read write dolphin",
			"sub":"Z5O3upPC88QrAjx00dis","birthdate":"1982-02-01","given_name":"John","family_name":"Doe","jti":"t1FoCCaZd4Xv4ORJUWVUeTZfsKhW30CQCrWDDjwXy6w"}}`,
			p.issuer, now, p.issuer, audience, now, now+3600))
	})
	r := bearer("opaque")
	token, err := g.Authorize(r, &resourceserver.Policy{Scopes: []string{"dolphin"}})
	if err != nil || token.Claims.Subject != "Z5O3upPC88QrAjx00dis" || token.Claims.Has("token_introspection") {
		t.Errorf("token = %+v, %v, want the members of token_introspection", token, err)
	}
}
