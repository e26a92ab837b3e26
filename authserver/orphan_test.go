package authserver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// forgetful cannot be asked for consents while it is told to.
type forgetful struct {
	store.Store
	fail atomic.Bool
}

func (f *forgetful) ConsentTo(ctx context.Context, env, subject, client string) (store.ConsentRecord, error) {
	if f.fail.Load() {
		return store.ConsentRecord{}, store.ErrUnavailable
	}
	return f.Store.ConsentTo(ctx, env, subject, client)
}

// Who has signed on gets the cookie, even where what comes next in the same step
// fails: a session that no browser knows could not be signed off by its person.
func TestNoSessionWithoutItsBrowser(t *testing.T) {
	config := declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: envA, Issuer: issuerA, SignOn: declared.SignOn{Argon2Memory: 8192, Argon2Passes: 1},
		Users: []declared.User{{Username: "alice", Password: "alice-demo-pass"}},
		Applications: []declared.Application{{
			ClientID: "web", Type: "web_app", Secret: "web-secret", RedirectURIs: []string{appCallback}, Allow: []string{"openid"},
			SignIn: declared.SignIn{Consent: "once"},
		}},
	}}}
	const request = issuerA + "/authorize?client_id=web&response_type=code&scope=openid&redirect_uri=" + appCallback
	for name, step := range map[string]func(*agent, answer) answer{
		"page": func(a *agent, page answer) answer {
			return a.press(page, "submit", "username", "alice", "password", "alice-demo-pass")
		},
		"flows API": func(a *agent, _ answer) answer {
			r := httptest.NewRequest(http.MethodPost, strings.TrimSuffix(issuerA, "/as")+"/flows/"+a.at.Query().Get("flowId"),
				strings.NewReader(`{"username":"alice","password":"alice-demo-pass"}`))
			r.Header.Set("Content-Type", "application/vnd.pingidentity.usernamePassword.check+json")
			r.AddCookie(&http.Cookie{Name: "ST", Value: a.jar["ST"]})
			got := a.g.do(r)
			for _, c := range (&http.Response{Header: got.header}).Cookies() {
				a.jar[c.Name] = c.Value
			}
			return got
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := &forgetful{Store: testkit.Store(t)}
			g := newRig(t, rigOptions{config: &config, store: st})
			a := newAgent(t, g)
			page := a.open(request)
			st.fail.Store(true)
			if got := step(a, page); got.status != http.StatusServiceUnavailable {
				t.Fatalf("sign on: %d, want 503", got.status)
			}
			st.fail.Store(false)
			if got := a.open(request + "&prompt=none"); !strings.Contains(got.header.Get("Location"), "error=consent_required") {
				t.Errorf("afterwards: %d %s, want the session, and consent_required", got.status, got.header.Get("Location"))
			}
		})
	}
}
