package clientauth_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

const (
	env    = "0a000000-0000-4000-8000-00000000000a"
	issuer = "https://auth.example.com/" + env + "/as"
	secret = "a-secret-of-32-bytes-for-HMAC-256"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// spendable accepts everything once more.
type spendable struct{}

func (spendable) Spend(context.Context, string, store.Hash, time.Time, time.Time) error { return nil }

func authenticator(t testing.TB) (*clientauth.Authenticator, *store.Environment) {
	t.Helper()
	d, err := declared.New(declared.Config{Environments: []declared.Environment{{
		Name: "e", ID: env, Issuer: issuer,
		Applications: []declared.Application{
			{ClientID: "a:b", Type: "service", Secret: secret},
			{ClientID: "jwt", Type: "service", Secret: secret, AuthMethod: oauth.AuthClientSecretJWT},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.EnvironmentByID(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return noon }
	return &clientauth.Authenticator{Directory: d, Spent: spendable{}, Keys: &clientauth.KeySources{Now: now}, Now: now}, e
}

func request(t testing.TB, form url.Values) (*http.Request, *web.Form) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	f, err := web.ReadForm(r)
	if err != nil {
		t.Skip()
	}
	return r, f
}

// FuzzBasicAuthorization: nothing panics, and only the one secret lets in.
func FuzzBasicAuthorization(f *testing.F) {
	encode := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	f.Add(encode("a%3Ab:" + secret))
	f.Add(encode("a:b:" + secret))
	f.Add(encode(":"))
	f.Add("basic  YTpi")
	f.Add("Basic")
	f.Add("Bearer x")
	f.Fuzz(func(t *testing.T, header string) {
		a, e := authenticator(t)
		r, form := request(t, nil)
		r.Header["Authorization"] = []string{header}
		client, err := a.Client(r, form, e, "token")
		if err != nil {
			if got := oauth.From(err); got.Code != oauth.CodeInvalidClient || len(got.Challenges) != 1 {
				t.Fatalf("error = %v", err)
			}
			return
		}
		raw, err := base64.StdEncoding.DecodeString(strings.TrimLeft(header[len("Basic "):], " "))
		if err != nil {
			t.Fatalf("accepted %q: %v", header, err)
		}
		id, given, _ := strings.Cut(string(raw), ":")
		id, _ = url.QueryUnescape(id)
		given, _ = url.QueryUnescape(given)
		if id != client.ID || given != secret {
			t.Errorf("%q authenticated %q", header, client.ID)
		}
	})
}

// FuzzClientAssertion: nothing panics, and what is accepted is a JWT that says
// what the rules ask for.
func FuzzClientAssertion(f *testing.F) {
	good, err := jose.SignSecret(jose.HS256, []byte(secret), "JWT", []byte(`{"iss":"jwt","sub":"jwt","aud":"`+issuer+`","exp":`+"1772366460"+`}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("e30.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, jwt string) {
		a, e := authenticator(t)
		r, form := request(t, url.Values{"client_assertion": {jwt}, "client_assertion_type": {oauth.AssertionTypeJWTBearer}})
		if _, err := a.Client(r, form, e, "token"); err != nil {
			if got := oauth.From(err); got.Code != oauth.CodeInvalidClient && got.Code != oauth.CodeInvalidRequest {
				t.Fatalf("error = %v", err)
			}
			return
		}
		jws, err := jose.Parse(jwt, jose.Limits{})
		if err != nil {
			t.Fatalf("accepted %q: %v", jwt, err)
		}
		c, err := jws.Claims()
		if err != nil || c.Issuer != "jwt" || c.Subject != "jwt" || c.Audience[0] != issuer || c.Expiry.IsZero() {
			t.Errorf("accepted %+v, %v", c, err)
		}
	})
}
