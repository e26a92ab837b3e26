package authserver_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

const (
	proofVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	proofChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// stranger is the web site of a client that nobody has registered.
type stranger struct {
	*rig
	site *httptest.Server
	hits atomic.Int64
	down atomic.Bool

	asked, goOn chan struct{} // what is below /slow/ says that it was asked, and waits
}

// newStranger makes a server that accepts documents, or not, and a site that has two: /public.json and /confidential.json.
func newStranger(t testing.TB, registration declared.Registration) *stranger {
	t.Helper()
	return newStrangerAt(t, registration, true)
}

// newStrangerAt is newStranger where addresses are limited, or not.
func newStrangerAt(t testing.TB, registration declared.Registration, noLimit bool) *stranger {
	t.Helper()
	s := &stranger{asked: make(chan struct{}, 100), goOn: make(chan struct{})}
	mux := http.NewServeMux()
	document := func(path string, more map[string]any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			s.hits.Add(1)
			if s.down.Load() {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			members := map[string]any{
				"client_id": s.site.URL + path, "client_name": "Some Agent", "redirect_uris": []string{appCallback},
				"grant_types": []string{"authorization_code", "refresh_token"},
			}
			for name, v := range more {
				members[name] = v
			}
			body, _ := json.Marshal(members)
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body)
		})
	}
	s.site = httptest.NewTLSServer(mux)
	t.Cleanup(s.site.Close)
	document("/public.json", nil)
	document("/confidential.json", map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": s.site.URL + "/keys"})
	document("/other.json", map[string]any{"client_id": s.site.URL + "/public.json"})
	mux.HandleFunc("/slow/", func(w http.ResponseWriter, _ *http.Request) {
		s.asked <- struct{}{}
		<-s.goOn
		w.WriteHeader(http.StatusNotFound)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(testkit.JWKS(t, testkit.SigningKey(t, testkit.ECKey, "ES256", "stranger")))
	})
	config := declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: envA, Issuer: issuerA, SigningAlgorithm: "ES256", Registration: registration,
		Users:     []declared.User{{Username: "alice", Password: "alice-demo-pass", Claims: map[string]any{"name": "Alice"}}},
		Resources: []declared.Resource{{Name: "orders", Audience: orders, Scopes: []string{"orders:read"}, Secret: "orders-secret"}},
	}}}
	s.rig = newRig(t, rigOptions{config: &config, noLimit: noLimit, outbound: authserver.Outbound{
		CA:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.site.Certificate().Raw}),
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}})
	return s
}

func (s *stranger) request(id string, params ...string) string {
	q := url.Values{
		"client_id": {id}, "response_type": {"code"}, "scope": {"orders:read offline_access"}, "redirect_uri": {appCallback}, "state": {"st"},
		"code_challenge": {proofChallenge}, "code_challenge_method": {"S256"}, "resource": {orders},
	}
	for i := 0; i < len(params); i += 2 {
		if q.Set(params[i], params[i+1]); params[i+1] == "" {
			q.Del(params[i])
		}
	}
	return issuerA + "/authorize?" + q.Encode()
}

var accepting = declared.Registration{Documents: true, Scopes: []string{"openid", "profile", "offline_access", "orders:read"}}

// TestClientOfADocument: who has a document signs people on like a public client that registered itself, and gets tokens for the resource
// that it names.
func TestClientOfADocument(t *testing.T) {
	s := newStranger(t, accepting)
	metadata := s.get(issuerA + "/.well-known/openid-configuration")
	if metadata.member("client_id_metadata_document_supported") != true || metadata.member("registration_endpoint") != nil {
		t.Errorf("metadata says %v of documents, %v of registration", metadata.member("client_id_metadata_document_supported"), metadata.member("registration_endpoint"))
	}
	confidential := func(id string) credential {
		return func(h http.Header, form url.Values) {
			now := s.clock.Now()
			claims, _ := json.Marshal(map[string]any{
				"iss": id, "sub": id, "aud": issuerA, "jti": form.Encode() + now.String(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
			})
			raw, err := testkit.SigningKey(t, testkit.ECKey, "ES256", "stranger").Sign("JWT", claims)
			if err != nil {
				t.Fatal(err)
			}
			assertion(raw)(h, form)
		}
	}
	for path, as := range map[string]func(id string) credential{"/public.json": public, "/confidential.json": confidential} {
		t.Run(path, func(t *testing.T) {
			id := s.site.URL + path
			a := newAgent(t, s.rig)
			page := a.open(s.request(id))
			if page.status != http.StatusOK || !strings.Contains(page.body, `id="username"`) {
				t.Fatalf("no sign-on page: %d %s", page.status, page.body)
			}
			page = a.press(page, "submit", "username", "alice", "password", "alice-demo-pass")
			host := strings.TrimPrefix(s.site.URL, "https://")
			if !strings.Contains(page.body, `id="allow"`) || !strings.Contains(page.body, host) || !strings.Contains(page.body, "Some Agent") {
				t.Fatalf("no consent page that names host and client: %d %s", page.status, page.body)
			}
			back := a.press(page, "allow").header.Get("Location")
			to, err := url.Parse(back)
			if err != nil || to.Query().Get("code") == "" {
				t.Fatalf("no code: %s", back)
			}
			got := s.form(envA, "token", as(id), "grant_type=authorization_code", "code="+to.Query().Get("code"),
				"redirect_uri="+appCallback, "code_verifier="+proofVerifier, "resource="+orders)
			if got.status != http.StatusOK {
				t.Fatalf("token: %s %s", got.outcome(), got.body)
			}
			c := claimsOf(t, text(got, "access_token"))
			if c.ClientID != id || len(c.Audience) != 1 || c.Audience[0] != orders || strings.Join(c.Scope, " ") != "orders:read offline_access" {
				t.Errorf("client %q, audience %q, scope %q", c.ClientID, c.Audience, c.Scope)
			}
			if !s.active(envA, as(id), text(got, "access_token")) || !s.active(envA, basic("orders", "orders-secret"), text(got, "access_token")) {
				t.Error("the token is not active, for its client or its resource")
			}
			s.clock.Advance(time.Hour) // the document is read again
			renewed := s.form(envA, "token", as(id), "grant_type=refresh_token", "refresh_token="+text(got, "refresh_token"))
			if renewed.status != http.StatusOK {
				t.Fatalf("refresh: %s %s", renewed.outcome(), renewed.body)
			}
			if again := a.open(s.request(id, "prompt", "none")); !strings.Contains(again.header.Get("Location"), "code=") {
				t.Errorf("agreed to before: %d %s, want a code", again.status, again.header.Get("Location"))
			}
			pushed := s.form(envA, "par", as(id), "response_type=code", "scope=orders:read", "redirect_uri="+appCallback, "prompt=none",
				"code_challenge="+proofChallenge, "code_challenge_method=S256", "resource="+orders)
			if pushed.status != http.StatusCreated {
				t.Fatalf("push: %s %s", pushed.outcome(), pushed.body)
			}
			q := url.Values{"client_id": {id}, "request_uri": {text(pushed, "request_uri")}}
			if again := a.open(issuerA + "/authorize?" + q.Encode()); !strings.Contains(again.header.Get("Location"), "code=") {
				t.Errorf("pushed: %d %s, want a code", again.status, again.header.Get("Location"))
			}
			if got := s.form(envA, "revoke", as(id), "token="+text(renewed, "refresh_token")); got.status != http.StatusOK {
				t.Fatalf("revocation: %s", got.outcome())
			}
			if s.active(envA, as(id), text(renewed, "access_token")) {
				t.Error("a token works of a grant that has ended")
			}
		})
	}
	t.Run("its site is down for a while", func(t *testing.T) {
		s.down.Store(true)
		s.clock.Advance(time.Hour)
		id := s.site.URL + "/public.json"
		a := newAgent(t, s.rig)
		if back := a.signOn(s.request(id)); back.Get("code") == "" {
			t.Errorf("no code: %v", back)
		}
	})
}

// TestDocumentsOfOneAddress: who names clients whose sites do not answer keeps nobody at another address from signing on.
func TestDocumentsOfOneAddress(t *testing.T) {
	s := newStrangerAt(t, accepting, false)
	from := func(address, id string) int {
		r := httptest.NewRequest(http.MethodGet, s.request(id), nil)
		r.RemoteAddr = address + ":1234"
		return s.do(r).status
	}
	const underWay = 8
	var all sync.WaitGroup
	for i := range underWay {
		all.Go(func() {
			if got := from("192.0.2.7", fmt.Sprintf("%s/slow/%d", s.site.URL, i)); got != http.StatusBadRequest {
				t.Errorf("no document: %d, want 400", got)
			}
		})
	}
	for range underWay {
		<-s.asked
	}
	good := s.site.URL + "/public.json"
	if got := from("192.0.2.7", good); got != http.StatusServiceUnavailable {
		t.Errorf("one more: %d, want 503", got)
	}
	if got := from("192.0.2.8", good); got == http.StatusServiceUnavailable || got >= 400 {
		t.Errorf("from another address: %d, want the sign-on page", got)
	}
	close(s.goOn)
	all.Wait()
}

// TestAttack120MetadataDocument: what is no good as an identifier, or has no good document, is an unknown client at every endpoint.
func TestAttack120MetadataDocument(t *testing.T) {
	s := newStranger(t, accepting)
	good := s.site.URL + "/public.json"
	for name, id := range map[string]string{
		"another client_id in the document": s.site.URL + "/other.json",
		"no document":                       s.site.URL + "/nothing.json",
		"link-local":                        "https://169.254.169.254/latest/meta-data",
		"IPv4-mapped":                       "https://[::ffff:10.0.0.1]/c.json",
		"NAT64":                             "https://[64:ff9b::a00:1]/c.json",
		"decimal":                           "https://2852039166/c.json",
		"http":                              "http://127.0.0.1/c.json",
		"two dots":                          s.site.URL + "/a/../public.json",
		"a fragment":                        good + "#x",
		"user information":                  strings.Replace(good, "https://", "https://a@", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.get(s.request(id)); got.status != http.StatusBadRequest || got.header.Get("Location") != "" {
				t.Errorf("authorize: %d %s, want a page with 400", got.status, got.header.Get("Location"))
			}
			for endpoint, fields := range map[string][]string{
				"token": {"grant_type=authorization_code", "code=x"}, "par": {"response_type=code"}, "introspect": {"token=x"}, "revoke": {"token=x"},
			} {
				if got := s.form(envA, endpoint, public(id), fields...); got.outcome() != "401 invalid_client" {
					t.Errorf("%s: %s, want 401 invalid_client", endpoint, got.outcome())
				}
			}
		})
	}
	t.Run("good", func(t *testing.T) {
		if got := s.get(s.request(good)); got.status != http.StatusFound && got.status != http.StatusSeeOther && got.status != http.StatusOK {
			t.Errorf("authorize: %d %s", got.status, got.body)
		}
	})
	t.Run("another redirect_uri", func(t *testing.T) {
		if got := s.get(s.request(good, "redirect_uri", "https://evil.example.com/cb")); got.status != http.StatusBadRequest || got.header.Get("Location") != "" {
			t.Errorf("%d %s, want a page with 400", got.status, got.header.Get("Location"))
		}
	})
	t.Run("without PKCE", func(t *testing.T) {
		got := s.get(s.request(good, "code_challenge", "", "code_challenge_method", ""))
		if !strings.Contains(got.header.Get("Location"), "error=invalid_request") {
			t.Errorf("%d %s, want invalid_request at the client", got.status, got.header.Get("Location"))
		}
	})
	t.Run("another resource", func(t *testing.T) {
		got := s.get(s.request(good, "resource", orders+"/"))
		if at := got.header.Get("Location"); !strings.HasPrefix(at, appCallback) || !strings.Contains(at, "error=invalid_target") || !strings.Contains(at, "state=st") {
			t.Errorf("%d %s, want invalid_target at the client", got.status, at)
		}
	})
	t.Run("its site is down", func(t *testing.T) {
		s := newStranger(t, accepting)
		s.down.Store(true)
		if got := s.form(envA, "token", public(s.site.URL+"/public.json"), "grant_type=authorization_code", "code=x"); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s, want 503 with Retry-After", got.outcome())
		}
	})
	t.Run("not accepted", func(t *testing.T) {
		for name, r := range map[string]declared.Registration{
			"at all":      {Mode: "open"},
			"of its host": {Documents: true, DocumentHosts: []string{"app.example.com"}},
		} {
			s := newStranger(t, r)
			if got := s.get(s.request(s.site.URL + "/public.json")); got.status != http.StatusBadRequest || s.hits.Load() != 0 {
				t.Errorf("%s: %d, %d documents fetched, want 400 and none", name, got.status, s.hits.Load())
			}
		}
	})
}
