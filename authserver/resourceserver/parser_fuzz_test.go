package resourceserver

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Whatever cnf is: no panic, and what is accepted binds to something that can be compared.
func FuzzConfirmation(f *testing.F) {
	for _, seed := range []string{
		`{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`, `{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}`,
		`{}`, `null`, `"x"`, `[]`, `{"jkt":""}`, `{"jkt":null}`, `{"kid":"x"}`, `{"jkt":"x","jkt":"y"}`, `{"\u006akt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cnf string) {
		claims, err := jose.ParseClaims([]byte(`{"cnf":`+cnf+`}`), jose.Limits{})
		if err != nil {
			return
		}
		got, ok := readConfirmation(claims)
		if !claims.Has("cnf") {
			t.Skip() // the text ended the member
		}
		if ok == (got == Confirmation{}) {
			t.Fatalf("%s: %+v, %v: want something to compare, or a refusal", cnf, got, ok)
		}
		for _, s := range []string{got.Key, got.Certificate} {
			if b, err := base64.RawURLEncoding.DecodeString(s); s != "" && (err != nil || len(b) != 32) {
				t.Fatalf("%s: accepted %q, which is no SHA-256", cnf, s)
			}
		}
	})
}

// Whatever an issuer signs as an answer: what is accepted says whether the token is active, and is signed.
func FuzzSignedAnswer(f *testing.F) {
	key, err := jose.GenerateSigningKey(jose.ES256, 0)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	is := &issuer{static: jose.NewKeySet(key.Public()), config: Issuer{Issuer: "https://as.example.com", Algorithms: defaultAlgorithms}}
	is.config.Introspection.ClientID = "gate"
	for _, seed := range []string{
		`{"iss":"https://as.example.com","aud":"gate","iat":1772366400,"token_introspection":{"active":true,"aud":"x"}}`,
		`{"iss":"https://as.example.com","aud":"gate","iat":1772366400,"token_introspection":"{}"}`,
		`{"iss":"https://as.example.com","aud":["gate","x"],"iat":1772366400,"token_introspection":{"active":true}}`,
		`{"token_introspection":{"active":false}}`, `{}`, `[]`,
	} {
		f.Add(seed, false)
	}
	f.Add("a.b.c", true)
	f.Add("", true)
	f.Fuzz(func(t *testing.T, text string, raw bool) {
		body := text
		if !raw {
			if body, err = key.Sign(signedAnswerType, []byte(text)); err != nil {
				t.Skip()
			}
		}
		a, err := is.parseSignedAnswer(context.Background(), []byte(body), now)
		if err == nil && (raw || !strings.Contains(text, "token_introspection")) {
			t.Fatalf("accepted %q: %+v", text, a)
		}
	})
}

// Whatever the header holds: no panic, at most one token, and none that has a space in front.
func FuzzCredentials(f *testing.F) {
	for _, seed := range []string{"Bearer x", "DPoP x", "dpop  x", "DPoP", "Bearer x, DPoP y", "Basic YTpi, DPoP\tx", ",", "bearer", "DPoPx"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, why := credentialsIn(http.Header{"Authorization": {value}})
		switch why {
		case Allowed:
			if c.token == "" || c.token[0] == ' ' || c.scheme == noScheme || !strings.HasSuffix(value, c.token) {
				t.Fatalf("%q: %+v", value, c)
			}
		case NoToken, InvalidRequest:
		default:
			t.Fatalf("%q: %v", value, why)
		}
	})
}
