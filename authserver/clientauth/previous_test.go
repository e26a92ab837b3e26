package clientauth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestUsedPrevious: that a replaced secret was used is told, and of the current
// one, a wrong or an expired one nothing is.
func TestUsedPrevious(t *testing.T) {
	now := noon
	current, previous, expired := strings.Repeat("c", 32), strings.Repeat("p", 32), strings.Repeat("e", 32)
	application := func(method string) declared.Application {
		return declared.Application{
			ClientID: method, Type: "web_app", AuthMethod: method, Secret: current, RedirectURIs: []string{"https://a.example/"},
			PreviousSecrets: []declared.PreviousSecret{{Secret: previous, Until: now.Add(time.Hour)}, {Secret: expired, Until: now}},
		}
	}
	dir, err := declared.New(declared.Config{Environments: []declared.Environment{{
		Name: "demo", ID: env, Issuer: issuer, Applications: []declared.Application{
			application(oauth.AuthClientSecretBasic), application(oauth.AuthClientSecretPost), application(oauth.AuthClientSecretJWT),
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	environment, err := dir.EnvironmentByID(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	a := clientauth.Authenticator{
		Directory: dir, Spent: spendable{}, Now: func() time.Time { return now },
		UsedPrevious: func(environment, id string) { told = append(told, environment+" "+id) },
	}
	for _, method := range []string{oauth.AuthClientSecretBasic, oauth.AuthClientSecretPost, oauth.AuthClientSecretJWT} {
		for _, tt := range []struct {
			name, secret string
			good, told   bool
		}{
			{"current", current, true, false},
			{"previous", previous, true, true},
			{"expired", expired, false, false},
			{"wrong", strings.Repeat("x", 32), false, false},
		} {
			t.Run(method+"/"+tt.name, func(t *testing.T) {
				told = nil
				form := url.Values{}
				switch method {
				case oauth.AuthClientSecretPost:
					form.Set("client_id", method)
					form.Set("client_secret", tt.secret)
				case oauth.AuthClientSecretJWT:
					form.Set("client_assertion_type", oauth.AssertionTypeJWTBearer)
					form.Set("client_assertion", assertion(method, issuer, tt.name, tt.secret, now))
				}
				r := httptest.NewRequest("POST", "/", strings.NewReader(form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				if method == oauth.AuthClientSecretBasic {
					r.SetBasicAuth(method, tt.secret)
				}
				read, err := web.ReadForm(r)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := a.Client(r, read, environment, "token"); (err == nil) != tt.good {
					t.Errorf("error = %v, want good %v", err, tt.good)
				}
				var want []string
				if tt.told {
					want = []string{env + " " + method}
				}
				if diff := cmp.Diff(want, told); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// assertion is a client assertion signed with HS256 (RFC 7523 §2.2).
func assertion(client, audience, id, secret string, now time.Time) string {
	part := base64.RawURLEncoding.EncodeToString
	signed := part([]byte(`{"alg":"HS256"}`)) + "." + part(fmt.Appendf(nil, `{"iss":%q,"sub":%q,"aud":%q,"jti":%q,"exp":%d}`,
		client, client, audience, id, now.Add(time.Minute).Unix()))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + part(mac.Sum(nil))
}
